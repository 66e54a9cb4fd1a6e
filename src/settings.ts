import { readFileSync } from 'node:fs';
import { z } from 'zod';

/** Its parts can be told apart and decoded. */
function isReadableUrl(text: string): boolean {
  try {
    const { username, password } = new URL(text);
    decodeURIComponent(username + password);
    return true;
  } catch {
    return false;
  }
}

const port = z.coerce.number().int().min(0).max(65_535);
const url = z.url({ protocol: /^https?$/ });
const optional = <T extends z.ZodType>(shape: T) => shape.optional();

/** Environment of the service, one entry a variable; `docs/configuration.md` is made from it. */
export const environmentShape = z.object({
  APP_ID: optional(z.coerce.number().int().positive()).describe('GitHub App id. Needed to serve.'),
  PRIVATE_KEY: optional(z.string()).describe(
    'The app’s private key (PEM; `\\n` for line ends, or base64). This or `PRIVATE_KEY_PATH` is needed to serve.',
  ),
  PRIVATE_KEY_PATH: optional(z.string()).describe('File that holds the app’s private key.'),
  WEBHOOK_SECRET: optional(z.string().min(1)).describe('Secret that GitHub signs webhooks with. Needed to serve.'),
  GHE_HOST: optional(
    z.string().regex(/^[a-z0-9.-]+(:\d+)?$/i, 'expected a host name such as `github.example.com`'),
  ).describe('Host of a GitHub Enterprise Server; empty for github.com. API, git remote and links all follow it.'),
  GHE_PROTOCOL: z.enum(['https', 'http']).default('https').describe('Protocol of `GHE_HOST`.'),
  HOST: z.string().min(1).default('localhost').describe('Address to listen on.'),
  PORT: port.default(3000).describe('Port to listen on.'),
  LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal'])
    .default('info')
    .describe('Lowest level that is logged.'),
  OPENAI_API_KEY: optional(z.string().min(1)).describe(
    'Key of the model service. Needed unless `OPENAI_BASE_URL` names a service without keys.',
  ),
  OPENAI_BASE_URL: url.default('https://api.openai.com/v1').describe('Address of an OpenAI-compatible service.'),
  OPENAI_MODEL: z.string().min(1).default('gpt-5.1').describe('Model when no policy names one.'),
  GITHUB_CLIENT_ID: optional(z.string().min(1)).describe('OAuth client id of the app, for dashboard sign-in.'),
  GITHUB_CLIENT_SECRET: optional(z.string().min(1)).describe('OAuth client secret of the app, for dashboard sign-in.'),
  DATABASE_URL: optional(
    z
      .string()
      .regex(/^postgres(ql)?:\/\//, 'expected a `postgres://` address')
      .refine(
        (text) => !text.startsWith('postgres') || isReadableUrl(text),
        'expected an address in which other signs than letters and digits are encoded: `%` as `%25`',
      ),
  ).describe('PostgreSQL, for several machines. Empty: embedded store in `DATA_DIR`.'),
  DATA_DIR: z.string().min(1).default('data').describe('Folder of the embedded store and of the repository mirrors.'),
  DOCKER_HOST: optional(
    z.string().regex(/^(unix|tcp|http|https|ssh):\/\//, 'expected an address such as `unix:///var/run/docker.sock`'),
  ).describe('Docker engine. Empty: the local socket.'),
  WORKER_CONCURRENCY: z.coerce
    .number()
    .int()
    .positive()
    .max(64)
    .default(2)
    .describe('Runs that this worker carries at once.'),
  RECONCILE_MINUTES: z.coerce
    .number()
    .positive()
    .default(5)
    .describe('Minutes between passes that look for what no webhook told of.'),
  MILLWRIGHT_POLICY: optional(z.string().min(1)).describe(
    'File of the operator ceiling. Empty: `millwright.policy.yml` in the working folder, when there is one.',
  ),
  MILLWRIGHT_URL: optional(url).describe('Public address of the app, for links in comments and pull requests.'),
  METRICS_TOKEN: optional(z.string().min(8)).describe(
    'Bearer token for `/metrics` and the details of `/readyz` from elsewhere than this machine.',
  ),
  NODE_ENV: optional(z.string()).describe('`production` turns on checks meant for servers.'),
});
export type Environment = z.infer<typeof environmentShape>;

export interface Settings {
  environment: Environment;
  /** Null where the command needs none. */
  app: { id: number; privateKey: string; webhookSecret: string } | null;
  /** Null where people cannot sign in with GitHub. */
  oauth: { clientId: string; clientSecret: string } | null;
  /** `https://api.github.com` or `https://HOST/api/v3`. */
  apiUrl: string;
  /** `github.com` or `GHE_HOST`. */
  githubHost: string;
  /** `https://github.com` or `PROTOCOL://GHE_HOST`. */
  githubUrl: string;
  model: { apiKey: string; baseUrl: string; name: string };
  /** What git needs of the process environment: PATH, proxy and certificates. */
  gitEnvironment: Readonly<Record<string, string | undefined>>;
  /** Values of `MILLWRIGHT_SECRET_<NAME>`, by name. */
  secrets: Readonly<Record<string, string>>;
}

/** Everything wrong with the environment, said at once. */
export class SettingsError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(
      `The environment has ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}:\n${problems.map((text) => `  - ${text}`).join('\n')}`,
    );
    this.name = 'SettingsError';
    this.problems = problems;
  }
}

/** What the command needs beyond what every command needs. */
export type Needs = 'app' | 'model';

export interface SettingsSource {
  /** Whether `.env` of the working folder is read: not where that folder is not the operator's. */
  file: boolean;
  /** Variables that the command has no use for: somebody else's values of them do not matter. */
  without?: readonly string[];
}

const gitVariables = [
  'PATH',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'GIT_SSL_CAINFO',
];
const secretPrefix = 'MILLWRIGHT_SECRET_';

/**
 * Reads the environment once. An empty variable counts as unset. A `.env` file in the working folder fills what the environment leaves out,
 * unless `options` says otherwise.
 * Errors: SettingsError with every problem.
 */
export function readSettings(
  needs: readonly Needs[],
  env?: NodeJS.ProcessEnv,
  options: SettingsSource = { file: true },
): Settings {
  const filled = Object.fromEntries(
    Object.entries(env ?? processEnvironment(options)).filter(
      ([name, value]) => value !== undefined && value !== '' && !options.without?.includes(name),
    ),
  );
  const parsed = environmentShape.safeParse(filled);
  const problems = parsed.success
    ? []
    : parsed.error.issues.map((issue) => problemText(String(issue.path[0]), issue.message));
  const key = readPrivateKey(filled, problems);
  if (needs.includes('app')) problems.push(...missingForApp(filled, key));
  if (Boolean(filled.GITHUB_CLIENT_ID) !== Boolean(filled.GITHUB_CLIENT_SECRET))
    problems.push('GITHUB_CLIENT_ID and GITHUB_CLIENT_SECRET: expected both, or neither.');
  if (needs.includes('model') && !filled.OPENAI_API_KEY && !filled.OPENAI_BASE_URL) {
    problems.push(
      'OPENAI_API_KEY is not set: expected the key of the model service (or OPENAI_BASE_URL of one that needs none).',
    );
  }
  if (!parsed.success || problems.length > 0) throw new SettingsError(problems);
  return settingsFrom(parsed.data, key, filled);
}

/** The operator's policy file that the environment names, also where other variables of it are wrong. */
export const namedPolicy = (): string | null => process.env.MILLWRIGHT_POLICY || null;

/** For `doctor`: what can be used, and what is wrong with the rest. Never throws. */
export function readUsableSettings(needs: readonly Needs[]): { settings: Settings; problems: string[] } {
  const problems: string[] = [];
  try {
    return { settings: readSettings(needs), problems };
  } catch (error) {
    problems.push(...(error instanceof SettingsError ? error.problems : [`.env: ${(error as Error).message}`]));
  }
  const without = problems.flatMap((text) => /^[A-Z_]+/.exec(text) ?? []);
  // Whichever of the two it was that could not be read, there is no key.
  if (without.some((name) => name.startsWith('PRIVATE_KEY'))) without.push('PRIVATE_KEY', 'PRIVATE_KEY_PATH');
  return { settings: readSettings([], undefined, { file: false, without }), problems };
}

function settingsFrom(environment: Environment, privateKey: string | null, filled: NodeJS.ProcessEnv): Settings {
  const { APP_ID, WEBHOOK_SECRET, GHE_HOST, GHE_PROTOCOL, GITHUB_CLIENT_ID, GITHUB_CLIENT_SECRET } = environment;
  const app = APP_ID && privateKey && WEBHOOK_SECRET ? { id: APP_ID, privateKey, webhookSecret: WEBHOOK_SECRET } : null;
  const githubUrl = GHE_HOST ? `${GHE_PROTOCOL}://${GHE_HOST}` : 'https://github.com';
  return {
    environment,
    app,
    oauth:
      GITHUB_CLIENT_ID && GITHUB_CLIENT_SECRET
        ? { clientId: GITHUB_CLIENT_ID, clientSecret: GITHUB_CLIENT_SECRET }
        : null,
    apiUrl: GHE_HOST ? `${githubUrl}/api/v3` : 'https://api.github.com',
    githubHost: GHE_HOST ?? 'github.com',
    githubUrl,
    model: {
      apiKey: environment.OPENAI_API_KEY ?? 'none',
      baseUrl: environment.OPENAI_BASE_URL,
      name: environment.OPENAI_MODEL,
    },
    gitEnvironment: Object.fromEntries(gitVariables.map((name) => [name, filled[name]])),
    secrets: Object.fromEntries(
      Object.entries(filled).flatMap(([name, value]) =>
        name.startsWith(secretPrefix) && value ? [[name.slice(secretPrefix.length), value]] : [],
      ),
    ),
  };
}

/** The process environment, filled from `.env` where it says nothing (unlike Probot, where `.env` wins). */
function processEnvironment({ file }: SettingsSource): NodeJS.ProcessEnv {
  if (!file) return process.env;
  try {
    process.loadEnvFile('.env');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return process.env;
    throw new SettingsError([
      `.env cannot be read (${code ?? message}): expected a file of lines such as \`PORT=3000\`.`,
    ]);
  }
  return process.env;
}

function readPrivateKey(env: NodeJS.ProcessEnv, problems: string[]): string | null {
  const expected = 'expected the PEM text of the key that GitHub gave for the app';
  let text = env.PRIVATE_KEY;
  let name = 'PRIVATE_KEY';
  if (text === undefined && env.PRIVATE_KEY_PATH !== undefined) {
    name = 'PRIVATE_KEY_PATH';
    try {
      text = readFileSync(env.PRIVATE_KEY_PATH, 'utf8');
    } catch (error) {
      problems.push(
        `PRIVATE_KEY_PATH: ${env.PRIVATE_KEY_PATH} cannot be read (${(error as NodeJS.ErrnoException).code}); ${expected} in that file.`,
      );
      return null;
    }
  }
  if (text === undefined) return null;
  const plain = text.includes('BEGIN') ? text : Buffer.from(text, 'base64').toString('utf8');
  const pem = plain.replaceAll('\\n', '\n');
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]+-----END [A-Z ]*PRIVATE KEY-----/.test(pem)) return pem;
  problems.push(`${name} is not a private key; ${expected}.`);
  return null;
}

function missingForApp(env: NodeJS.ProcessEnv, key: string | null): string[] {
  const problems: string[] = [];
  if (!env.APP_ID) problems.push('APP_ID is not set: expected the number that GitHub shows on the app’s page.');
  if (key === null && !env.PRIVATE_KEY && !env.PRIVATE_KEY_PATH) {
    problems.push('PRIVATE_KEY is not set: expected the app’s private key, or its file in PRIVATE_KEY_PATH.');
  }
  if (!env.WEBHOOK_SECRET) problems.push('WEBHOOK_SECRET is not set: expected the secret of the app’s webhook.');
  else if (env.NODE_ENV === 'production' && env.WEBHOOK_SECRET === 'development') {
    problems.push('WEBHOOK_SECRET is `development`, which everybody knows: expected a random secret.');
  }
  return problems;
}

function problemText(name: string, message: string): string {
  const description = environmentShape.shape[name as keyof Environment]?.description ?? '';
  return `${name}: ${message}. ${description}`.trim();
}
