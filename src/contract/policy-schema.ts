import { z } from 'zod';
import { defaultCompanions, defaultConcurrency, defaultImage, defaultRoles, defaultSetupInputs } from './defaults.ts';
import { limitKeys } from './limit-keys.ts';
import {
  check,
  cidr,
  days,
  dollars,
  globs,
  host,
  imageName,
  kind,
  known,
  list,
  login,
  mcpServer,
  oneOf,
  pattern,
  price,
  role,
  secretName,
  size,
  stageModel,
  text,
  tools,
  truth,
  whole,
} from './policy-values.ts';

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
    imageName,
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
      command: known(
        text('a command'),
        'Run once per repository, image and content of the inputs, before anything else.',
        undefined,
        'npm ci',
      ),
      hosts: known(
        list(host, '`host:port`'),
        'What it may reach. Other layers with hosts here, and layers above with `network.hosts` only, must have each.',
        [],
        ['registry.example.org:443'],
      ),
      inputs: known(globs, 'The files that it sees, and nothing else.', defaultSetupInputs, [
        'package.json',
        'package-lock.json',
      ]),
      root: known(truth, 'Run as root inside the container. One layer’s `false` is enough to forbid it.', false),
    }),
    'Set-up of the work tree. The nearest layer with a command counts.',
  ),
  checks: known(
    z.record(
      kind,
      z.union([text('a command'), check], { error: 'a command, or `{command, timeout, optional, report}`' }),
    ),
    'Checks by kind: `format`, `lint`, `unit`, `types`, `build`, `smoke` or any other; a command, or `{command, timeout, optional, report}`. A contract may skip an `optional` one; `report` is JUnit XML that the command writes, to compare test by test. The nearest layer counts for each kind. They always run.',
    {},
    { unit: { command: 'npm test', timeout: '5m' }, lint: 'npm run lint' },
  ),
  limits: known(limitKeys, 'What one run may use. The smallest number counts.'),
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
      checks: known(
        whole,
        'Checks of one verification at once, each in a container of its own with the limits of one. What a check leaves behind is not there for the others either way.',
        defaultConcurrency.checks,
      ),
      global: known(whole, 'Operator only. Runs of the whole installation at once.', undefined, 16),
      worker: known(whole, 'Operator only. Runs of one worker at once.', defaultConcurrency.worker),
    }),
    'How many runs, and how many checks of one, at once.',
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
      build: known(stageModel, 'Another model or effort for building.', undefined, { name: 'large-model' }),
      verify: known(stageModel, 'Another model or effort for the second look.', undefined, { effort: 'low' }),
      learn: known(stageModel, 'Another model or effort for proposals of lessons.', undefined, { effort: 'low' }),
      prices: known(
        z.record(z.string().min(1), price),
        'Operator only. Prices by model, in US dollars per million tokens.',
        {},
        { 'large-model': { input: 1.25, output: 10, cached_input: 0.125 } },
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
        list(login, 'logins or `org/team`'),
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
      days: known(days, 'Operator only. Days that ended runs, and mirrors and images that nobody uses, are kept.', 90),
      size: known(
        size,
        'Operator only. Disk that the store, the mirrors and the images of a machine may each fill.',
        '20g',
      ),
      free: known(size, 'Operator only. A worker with less free disk than this begins no run.', '2g'),
    }),
    'How long and how much is kept.',
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
