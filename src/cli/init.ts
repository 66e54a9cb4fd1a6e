import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { run as runProbot } from 'probot';
import { manifestUrl } from '../doctor/manifest.ts';
import { readSettings } from '../settings.ts';
import { createLog } from '../wiring.ts';
import { CallError, processTerminal as terminal } from './terminal.ts';

export interface InitOptions {
  url?: string;
  org?: string;
  /** The result as one JSON document; what a person has to do meanwhile goes to standard error. */
  json?: boolean;
}

/** What the page gives; everything else that Probot would write (its webhook proxy) is none of ours. */
const kept = ['APP_ID', 'PRIVATE_KEY', 'WEBHOOK_SECRET', 'GITHUB_CLIENT_ID', 'GITHUB_CLIENT_SECRET'];
/** The browser still has to get the answer that leads it back to GitHub. */
const lastAnswerMs = 1_500;
/** As a shell counts an end by Ctrl-C. */
const interruptedCode = 130;

/** Serves Probot's set-up page until GitHub has answered with the keys, or the process is interrupted. */
export async function init(options: InitOptions): Promise<number> {
  const say = options.json ? terminal.err : terminal.out;
  const settings = readSettings([]);
  const { environment } = settings;
  if (environment.APP_ID !== undefined)
    throw new CallError(
      `The app ${environment.APP_ID} is registered already. To register another, take APP_ID, PRIVATE_KEY and WEBHOOK_SECRET out of the environment and of .env first.`,
    );
  const publicUrl = publicAddress(options.url ?? environment.MILLWRIGHT_URL);
  const envFile = resolve('.env');
  const folder = setUpFolder({
    publicUrl,
    org: options.org,
    protocol: environment.GHE_PROTOCOL,
    host: environment.GHE_HOST,
  });
  const back = process.cwd();
  const registered = Promise.withResolvers<'registered' | 'interrupted'>();
  const interrupt = () => registered.resolve('interrupted');
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  try {
    // Probot reads app.yml, package.json and .env of the working folder.
    process.chdir(folder);
    const server = await runProbot([], {
      env: { HOST: environment.HOST, PORT: String(environment.PORT) },
      log: createLog({ ...settings, environment: { ...environment, LOG_LEVEL: 'error' } }),
      updateEnv: (values) => {
        const wanted = wantedOf(values);
        if (wanted.APP_ID === undefined) return values;
        writeEnv(envFile, { ...wanted, ...(publicUrl === null ? {} : { MILLWRIGHT_URL: publicUrl }) });
        registered.resolve('registered');
        return values;
      },
    });
    const at = environment.HOST === '0.0.0.0' || environment.HOST === '::' ? 'localhost' : environment.HOST;
    say(`Open http://${at}:${server.port} in a browser and press "Register GitHub App".`);
    if (publicUrl === null)
      say('No public address is given (--url): the app will have no webhooks, and look for work every few minutes.');
    say('Ctrl-C ends this.');
    const end = await registered.promise;
    if (end === 'registered') await new Promise((done) => setTimeout(done, lastAnswerMs));
    await server.stop();
    if (end === 'interrupted') return interruptedCode;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    throw new CallError(`Port ${environment.PORT} is in use: set PORT to another one.`);
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
    process.chdir(back);
    rmSync(folder, { recursive: true, force: true });
  }
  if (options.json) terminal.out(JSON.stringify({ exitCode: 0, env: envFile, publicUrl }, null, 2));
  say(`Registered. The keys are in ${envFile}; keep it to yourself.`);
  say('Next: install the app on a repository (the browser shows the page), add OPENAI_API_KEY to that file,');
  say('then: millwright doctor, and millwright serve.');
  return 0;
}

function publicAddress(given: string | undefined): string | null {
  if (given === undefined) return null;
  if (!URL.canParse(given) || !/^https?:$/.test(new URL(given).protocol))
    throw new CallError(`--url: ${given} is no address; expected one such as https://millwright.example.org.`);
  return given.replace(/\/+$/, '');
}

/** A folder that shows Probot our manifest, with the addresses of this installation in it. */
function setUpFolder(facts: {
  publicUrl: string | null;
  org: string | undefined;
  protocol: string;
  host: string | undefined;
}): string {
  const { publicUrl, org, protocol, host } = facts;
  if (org !== undefined && !/^[\w-]+$/.test(org)) throw new CallError(`--org: ${org} is no name of an organisation.`);
  const folder = mkdtempSync(join(tmpdir(), 'millwright-init-'));
  // GitHub wants an address even of a webhook that is off.
  const hook = { url: `${publicUrl ?? 'https://example.org'}/api/github/webhooks`, active: publicUrl !== null };
  const own = readFileSync(manifestUrl, 'utf8');
  const addressed =
    publicUrl === null
      ? own.replace(/^callback_urls:\n( +- .*\n)+/m, '')
      : own
          .replace(/^url:.*$/m, `url: ${JSON.stringify(publicUrl)}`)
          .replace(/^( +- )\S+\/sign-in\/callback$/m, `$1${JSON.stringify(`${publicUrl}/sign-in/callback`)}`);
  writeFileSync(join(folder, 'app.yml'), `${addressed}\nhook_attributes: ${JSON.stringify(hook)}\n`);
  writeFileSync(join(folder, 'package.json'), readFileSync(new URL('../../package.json', import.meta.url)));
  // Probot puts these into the environment of the process: no webhook proxy, and the page also where NODE_ENV is `production`.
  const variables = ['NO_SMEE_SETUP=true', 'NODE_ENV=development', `GHE_PROTOCOL=${protocol}`];
  if (host !== undefined) variables.push(`GHE_HOST=${host}`);
  if (org !== undefined) variables.push(`GH_ORG=${org}`);
  writeFileSync(join(folder, '.env'), `${variables.join('\n')}\n`);
  return folder;
}

function wantedOf(values: Readonly<Record<string, string | null | undefined>>): Record<string, string> {
  const wanted: Record<string, string> = {};
  for (const name of kept) {
    const value = values[name];
    if (value) wanted[name] = value.replace(/^"([\s\S]*)"$/, '$1');
  }
  // A webhook that is off may come without a secret.
  if (wanted.APP_ID !== undefined) wanted.WEBHOOK_SECRET ??= randomBytes(24).toString('hex');
  return wanted;
}

/** Sets these variables in the file and leaves its other lines as they are. Readable by its owner only. */
function writeEnv(path: string, values: Readonly<Record<string, string>>): void {
  const old = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : [];
  const others = old.filter(
    (text) => !Object.keys(values).some((name) => new RegExp(`^\\s*(export\\s+)?${name}\\s*=`).test(text)),
  );
  while (others.at(-1)?.trim() === '') others.pop();
  const lines = Object.entries(values).map(([name, value]) => `${name}="${value.trim().replaceAll('\n', '\\n')}"`);
  writeFileSync(`${path}.new`, `${[...others, ...lines].join('\n')}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
