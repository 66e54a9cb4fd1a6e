import { z } from 'zod';
import { defaultCompanions, defaultConcurrency, defaultImage, defaultLimits, defaultRoles } from './defaults.ts';
import { globProblem, plainGlob } from './glob.ts';
import { durationPattern, parseDuration, parseSize, sizePattern } from './units.ts';
import { readHost } from './values.ts';
import { roles } from './walls.ts';

/** Expected by a key, in words: shown in errors. Zod's own texts speak of types, not of what to write. */
const text = (expected: string) => z.string({ error: expected }).trim().min(1, expected);
const list = <Item extends z.ZodType>(item: Item, expected: string) =>
  z.array(item, { error: `${expected}, as a list` }).max(500);

const glob = text('a path or glob')
  .refine((value) => globProblem(value) === null, {
    error: (issue) => `a path or glob inside the repository; this one ${globProblem(String(issue.input))}`,
  })
  .transform(plainGlob);
const globs = list(glob, 'paths or globs');
const pattern = text('a command pattern such as `npm test *`').max(500);
const host = text('`host:port`')
  .refine((value) => readHost(value) !== null, {
    error: '`host:port` with a host name, such as `registry.example.org:443`',
  })
  .transform((value) => readHost(value) ?? value);
const cidr = text('a CIDR range').regex(/^[0-9a-f:.]+\/\d{1,3}$/iu, 'a CIDR range such as `10.1.0.0/16`');
const secretName = text('the name of a secret').regex(
  /^[A-Za-z_][A-Za-z0-9_]{0,63}$/u,
  'a name such as `STAGING_TOKEN`: letters, digits and `_`',
);
const size = z
  .string({ error: 'a size such as `256m` or `2g`' })
  .regex(sizePattern, 'a size such as `256m` or `2g`')
  .refine((value) => parseSize(value) !== null, 'a size above zero, such as `256m` or `2g`')
  .transform((value) => parseSize(value) ?? 0);
const duration = z
  .string({ error: 'a duration such as `90s`, `10m` or `2h`' })
  .regex(durationPattern, 'a duration such as `90s`, `10m` or `2h`')
  .refine((value) => parseDuration(value) !== null, 'a duration above zero, such as `90s`, `10m` or `2h`')
  .transform((value) => parseDuration(value) ?? 0);
const whole = z.int({ error: 'a whole number above zero' }).positive('a whole number above zero');
const positive = z.number({ error: 'a number above zero' }).positive('a number above zero');
const dollars = z.number({ error: 'US dollars, such as `3` or `2.5`' }).nonnegative('US dollars, such as `3` or `2.5`');
const role = z.enum(roles, { error: `one of ${roles.join(', ')}` });
const oneOf = <const Values extends readonly [string, ...string[]]>(values: Values) =>
  z.enum(values, { error: `one of ${values.join(', ')}` });
const truth = z.boolean({ error: '`true` or `false`' });
const access = oneOf(['read-only', 'mutating']);
const toolName = z.string().regex(/^[\w.:/-]{1,100}$/u, 'the name of a tool');
const tools = z.union([list(toolName, 'names of tools'), z.record(toolName, access)], {
  error: 'names of tools as a list, or `name: read-only` and `name: mutating`',
});

const mcpServer = z.strictObject({
  url: z
    .url({ protocol: /^https?$/u, error: 'the address of the server, such as `https://docs.example.org/mcp`' })
    .describe('Operator only. Address of the server.'),
  headers: z
    .record(z.string(), z.string())
    .optional()
    .describe('Operator only. Headers of each request. A `$` and a name in braces stand for the value of `MILLWRIGHT_SECRET_<NAME>`.'),
  tools,
});

const check = z.strictObject({
  command: text('a command').describe('Its exit code is the verdict.'),
  timeout: duration.optional().describe('At most this long; without it, `limits.check_timeout`.'),
  optional: truth.optional().describe('A contract may skip it.'),
  report: glob.optional().describe('JUnit XML that the command writes: results are then compared test by test.'),
});

const kind = z
  .string()
  .regex(/^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/u, 'the kind of a check in small letters, such as `unit` or `migration`')
  .max(40);

const stageModel = z.strictObject({
  name: text('the name of a model').optional(),
  effort: text('an effort such as `low`').optional(),
});

const price = z.strictObject({
  input: dollars.describe('US dollars per million input tokens.'),
  output: dollars.describe('US dollars per million output tokens.'),
  cached_input: dollars
    .optional()
    .describe('US dollars per million input tokens that the provider had cached; without it, as `input`.'),
});

const known = <Schema extends z.ZodType>(schema: Schema, description: string, fallback?: unknown, example?: unknown) =>
  schema.optional().meta({
    description,
    ...(fallback === undefined ? {} : { default: fallback }),
    ...(example === undefined ? {} : { examples: [example] }),
  });

const limits = z.strictObject({
  minutes: known(
    positive,
    'Minutes of one attempt. The smallest number counts, as for all limits.',
    defaultLimits.minutes,
  ),
  turns: known(whole, 'Model calls of one attempt.', defaultLimits.turns),
  rounds: known(whole, 'Build and verify turns of one attempt.', defaultLimits.rounds),
  tokens: known(whole, 'Tokens of one issue, retries included.', defaultLimits.tokens),
  dollars: known(dollars, 'US dollars of one issue, retries included.', undefined, 3),
  files: known(whole, 'Files that a patch may change.', defaultLimits.files),
  lines: known(whole, 'Lines that a patch may add and remove.', defaultLimits.lines),
  memory: known(size, 'Memory of a container.', '2g'),
  cpus: known(positive, 'Processors of a container.', defaultLimits.cpus),
  pids: known(whole, 'Processes of a container.', defaultLimits.pids),
  disk: known(size, 'Disk that a container may fill.', '4g'),
  output: known(size, 'Output after which a command is ended.', '64m'),
  tool_timeout: known(duration, 'Time of one command of the agent.', '2m'),
  check_timeout: known(
    duration,
    'Time of one check that has no `timeout` of its own, and the most that any may take.',
    '10m',
  ),
  wait_days: known(positive, 'Days that a run waits for a person.', defaultLimits.waitDays),
  findings: known(whole, 'Findings of the second look that are shown.', defaultLimits.findings),
});

const keys = {
  files: known(
    z.strictObject({
      allow: known(globs, 'Files that may change. A path must match in every layer that has a list.', undefined, [
        'src/**',
        'test/**',
      ]),
      deny: known(globs, 'Files that may not change. The lists of all layers add up.', [], ['src/generated/**']),
      companions: known(
        globs,
        'Files that may change along with allowed ones, within the lists of the layers above. The nearest layer counts.',
        defaultCompanions,
        ['package-lock.json'],
      ),
      unprotect: known(
        globs,
        'Operator only. Protected paths that may change after all.',
        [],
        ['.github/workflows/**'],
      ),
    }),
    'Which files a run may change.',
  ),
  commands: known(
    z.strictObject({
      allow: known(
        list(pattern, 'command patterns'),
        'Commands that the agent may run. All inside the sandbox when no layer has a list; else a command must match in each.',
        undefined,
        ['npm *', 'git diff *'],
      ),
      deny: known(
        list(pattern, 'command patterns'),
        'Commands that it may not run. The lists of all layers add up.',
        [],
        ['npm publish *'],
      ),
    }),
    'Which commands the agent may run.',
  ),
  network: known(
    z.strictObject({
      hosts: known(
        list(host, '`host:port`'),
        'Hosts that a contract may ask for. Granted is what every layer with a list has, and at least one.',
        [],
        ['registry.example.org:443'],
      ),
      addresses: known(
        list(cidr, 'CIDR ranges'),
        'Operator only. Private ranges that granted host names may lead to.',
        [],
        ['10.1.0.0/16'],
      ),
      ca: known(
        text('the path of a PEM file'),
        'Operator only. PEM file trusted inside containers that have network.',
        undefined,
        '/etc/millwright/ca.pem',
      ),
    }),
    'What containers may reach.',
  ),
  secrets: known(
    list(secretName, 'names of secrets'),
    'Names that a contract may ask for. Granted is what the operator names for the repository and every other layer with a list has too.',
    [],
    ['STAGING_TOKEN'],
  ),
  mcp: known(
    z.record(
      z.string().regex(/^[a-z0-9][\w.-]{0,63}$/iu, 'the name of a server'),
      z.union([tools, mcpServer], { error: 'tools, or (operator) `{url, headers, tools}`' }),
    ),
    'MCP servers and their tools. The operator gives address, credentials and each tool’s access; the layers below name servers and tools of that list.',
    {},
    { docs: ['search', 'read'] },
  ),
  image: known(
    text('the name of an image').regex(
      /^[a-z0-9][\w./:@-]{0,254}$/iu,
      'the name of an image, such as `millwright/sandbox`',
    ),
    'Sandbox image. The nearest layer counts; it must match the operator’s `images`.',
    defaultImage,
  ),
  images: known(
    list(text('an image or pattern'), 'images or patterns'),
    'Operator only. Images that layers may name.',
    undefined,
    ['millwright/*', 'ghcr.io/acme/*'],
  ),
  setup: known(
    z.strictObject({
      command: text('a command')
        .optional()
        .describe('Run once per repository, image and content of the inputs, before anything else.'),
      hosts: list(host, '`host:port`')
        .optional()
        .describe(
          'What the set-up may reach. A layer above that names hosts here or under `network.hosts` must have each.',
        ),
      inputs: globs
        .optional()
        .describe('The files that it sees, and nothing else. Without it: manifests, lock files and rc files.'),
      root: truth.optional().describe('Run as root inside the container. One layer’s `false` is enough to forbid it.'),
    }),
    'Set-up of the work tree. The nearest layer with a command counts.',
    undefined,
    { command: 'npm ci', hosts: ['registry.example.org:443'] },
  ),
  checks: known(
    z.record(
      kind,
      z.union([text('a command'), check], { error: 'a command, or `{command, timeout, optional, report}`' }),
    ),
    'Checks by kind: `format`, `lint`, `unit`, `types`, `build`, `smoke` or any other. The nearest layer counts for each kind. They always run.',
    {},
    { unit: { command: 'npm test', timeout: '5m' }, lint: 'npm run lint' },
  ),
  limits: known(limits, 'What one run may use. The smallest number counts.'),
  budget: known(
    z.strictObject({
      dollars_per_issue: known(
        dollars,
        'US dollars of one issue. The smallest number counts, as for all budgets.',
        undefined,
        5,
      ),
      dollars_per_day: known(dollars, 'US dollars of the repository a day.', undefined, 40),
      org_dollars_per_day: known(dollars, 'US dollars of the organisation a day.', undefined, 200),
    }),
    'What runs may cost.',
  ),
  concurrency: known(
    z.strictObject({
      repository: known(
        whole,
        'Runs of one repository at once. The smallest number counts, as for all of these.',
        defaultConcurrency.repository,
      ),
      organization: known(whole, 'Runs of one organisation at once.', defaultConcurrency.organization),
      global: known(whole, 'Operator only. Runs of the whole installation at once.', undefined, 16),
      worker: known(whole, 'Operator only. Runs of one worker at once.', defaultConcurrency.worker),
    }),
    'How many runs at once.',
  ),
  roles: known(
    z.strictObject({
      start: known(role, 'Who may start and approve. The stricter counts, as for all roles.', defaultRoles.start),
      command: known(
        role,
        'Who may retry, allow and roll back, and whose words reach the model.',
        defaultRoles.command,
      ),
      stop: known(role, 'Who may stop.', defaultRoles.stop),
      waive: known(role, 'Who may waive findings.', defaultRoles.waive),
      bots: known(
        list(text('a bot’s login'), 'logins of bots'),
        'Bots that may start runs. Only those in every layer with a list.',
        [],
        ['renovate[bot]'],
      ),
    }),
    'Who may do what: `read`, `triage`, `write`, `maintain`, `admin`.',
  ),
  plan: known(oneOf(['auto', 'approve']), 'Whether a person approves each plan. `approve` wins.', 'auto'),
  flaky: known(oneOf(['wait', 'pass']), 'Whether a flaky check waits for a person. `wait` wins.', 'wait'),
  runtime: known(
    oneOf(['runc', 'runsc']),
    'Container runtime. The operator’s wins, else the nearest; without it, the engine’s default.',
  ),
  model: known(
    z.strictObject({
      name: known(
        text('the name of a model'),
        'Model. The nearest within the operator’s `allowed`; without it, `OPENAI_MODEL`.',
      ),
      effort: known(
        text('an effort such as `low`'),
        'Reasoning effort, as the provider calls it.',
        undefined,
        'medium',
      ),
      plan: known(stageModel, 'Another model or effort for planning.', undefined, { effort: 'high' }),
      build: known(stageModel, 'Another model or effort for building.'),
      verify: known(stageModel, 'Another model or effort for the second look.'),
      learn: known(stageModel, 'Another model or effort for proposals of lessons.'),
      prices: known(
        z.record(z.string().min(1), price),
        'Operator only. Prices by model, in US dollars per million tokens.',
        {},
        { 'gpt-5': { input: 1.25, output: 10, cached_input: 0.125 } },
      ),
      allowed: known(
        list(text('the name of a model'), 'names of models'),
        'Operator only. Models that layers may name.',
      ),
    }),
    'Which model does the work.',
  ),
  pull_request: known(
    z.strictObject({
      draft: known(truth, 'Open pull requests as drafts. The nearest layer counts, as for all of these.', false),
      labels: known(list(text('a label'), 'labels'), 'Labels of pull requests.', [], ['agent']),
      reviewers: known(
        list(text('a login or `org/team`'), 'logins or `org/team`'),
        'Whose review is asked. Without it, the labeller’s.',
        [],
        ['acme/core'],
      ),
    }),
    'How pull requests are opened.',
  ),
  learn: known(oneOf(['propose', 'off']), 'Whether repeated failures become proposals. `off` wins.', 'propose'),
  retention: known(
    z.strictObject({
      days: known(positive, 'Days that ended runs are kept.', 90),
      size: known(size, 'Disk that they may fill.', '20g'),
    }),
    'Operator only. How long ended runs are kept.',
  ),
};

const entry = z.strictObject({
  match: text('`owner/name` with wildcards')
    .regex(/^[\w.*?-]+\/[\w.*?-]+$/u, '`owner/name` with wildcards, such as `acme/*`')
    .describe('Repositories that the entry is for: `owner/name`, with `*`.'),
  ...keys,
});

/** The schema of all three policy files. Keys stay as written; sizes become bytes, durations milliseconds, globs and hosts their one form. */
export const policySchema = z.strictObject({
  ...keys,
  for: known(
    list(entry, 'entries with `match`'),
    'Operator only. Further walls for some organisations or repositories. They narrow, except that a list of hosts, secrets or servers may stand here alone.',
    undefined,
    [{ match: 'acme/*', limits: { dollars: 2 } }],
  ),
});

/** A policy file as read: snake_case keys as in the file, sizes in bytes, durations in milliseconds. */
export type PolicyLayer = z.output<typeof policySchema>;

/** Keys that only the operator ceiling may set. */
export const operatorKeys: readonly string[] = [
  'for',
  'images',
  'retention',
  'files.unprotect',
  'network.addresses',
  'network.ca',
  'concurrency.global',
  'concurrency.worker',
  'model.prices',
  'model.allowed',
];
