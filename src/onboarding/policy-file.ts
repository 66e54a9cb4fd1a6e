import { standardCheckKinds } from '../contract/contract.ts';
import { defaultConcurrency, defaultImage, defaultLimits, defaultRoles } from '../contract/defaults.ts';
import type { Detected } from './detect.ts';
import type { FoundCheck } from './toolchain.ts';

/** The first `.github/millwright.yml` of a repository: what was found in it, and the other keys with their defaults, commented out. */
export function policyFile(found: Detected): string {
  const parts = [
    header(found),
    image(found),
    setup(found),
    files(found),
    checks(found),
    commands,
    network,
    limits,
    people,
  ];
  return `${parts.map((part) => part.trimEnd()).join('\n\n')}\n`;
}

function header({ toolchains }: Detected): string {
  const named = toolchains.map(({ name, folder }) => (folder === '' ? name : `${name} in ${folder}`));
  return [
    '# What agents may do in this repository, and the checks that each of their changes has to pass.',
    '# Only the file on the default branch counts, and no agent may change it. Unknown keys are errors, named with their line.',
    named.length === 0
      ? '# Nothing was found that tells how this repository is built and tested: fill in `checks` at least.'
      : `# Filled in from what was found: ${named.join(', ')}. Correct what is wrong; commented lines show defaults and examples.`,
  ].join('\n');
}

function image({ lacks }: Detected): string {
  const note =
    lacks.length === 0
      ? '# Where commands run: sh, git, ripgrep, Node.js with npm, Python 3 with pytest, make, a C compiler.'
      : `# The default image has no ${lacks.join(', no ')}: name an image that has, else the checks below cannot run.`;
  return `${note}\n# image: ${defaultImage}`;
}

function setup({ setup }: Detected): string {
  const about = [
    '# Run once per content of `inputs`, before anything else, and kept: containers of agents and checks start from the result.',
    '# It sees the inputs and nothing else, and reaches `hosts` and nothing else.',
  ];
  if (setup === null)
    return [...about, '# setup: { command: npm ci, hosts: ["registry.example.org:443"], inputs: [package.json] }'].join(
      '\n',
    );
  return [
    ...about,
    ...(setup.note === undefined ? [] : [`# ${setup.note}`]),
    'setup:',
    `  command: ${scalar(setup.command)}`,
    ...(setup.hosts.length > 0
      ? []
      : ['  # Name what it fetches from, such as "registry.example.org:443"; without it, it has no network.']),
    `  hosts: ${list(setup.hosts)}`,
    `  inputs: ${list(setup.inputs)}`,
  ].join('\n');
}

function files({ allow, companions }: Detected): string {
  const about = [
    '# What a change may touch. An issue can narrow this, never widen it. Workflows and this file are protected in any case.',
  ];
  if (allow.length === 0)
    about.push('# No folder of sources was found: without `allow`, every issue has to name its allowed files.');
  const lines = [
    allow.length === 0 ? '# allow: ["src/**", "test/**"]' : `allow: ${list(allow)}`,
    '# deny: ["src/generated/**"]',
    companions.length === 0
      ? '# companions: without a list, lock files and recorded snapshots may change along with allowed files'
      : `companions: ${list(companions)} # may change along with allowed files`,
  ];
  const isEmpty = lines.every((line) => line.startsWith('#'));
  const shown = lines.map((line) => (isEmpty ? line.replace('# ', '#   ') : `  ${line}`));
  return [...about, isEmpty ? '# files:' : 'files:', ...shown].join('\n');
}

function checks({ checks }: Detected): string {
  const about = [
    '# Exit code 0 is a pass. They run on every change in a clean container, and on the base commit beside it.',
    '# Kinds: format, lint, unit, types, build, smoke, or any name of your own. `report` names JUnit XML, for results test by test.',
  ];
  const order = (kind: string) => {
    const index = standardCheckKinds.findIndex((standard) => kind === standard || kind.startsWith(`${standard}-`));
    return index === -1 ? standardCheckKinds.length : index;
  };
  const sorted = checks.toSorted((a, b) => order(a.kind) - order(b.kind));
  const missing = standardCheckKinds.filter((kind) => !checks.some((check) => check.kind === kind));
  const open = missing.map((kind) => `  # ${kind}: nothing found`);
  if (sorted.length === 0)
    return [
      ...about,
      '# checks:',
      '#   unit: { command: npm test, timeout: 5m }',
      '#   lint: { command: npm run lint, optional: true }',
    ].join('\n');
  return [...about, 'checks:', ...sorted.flatMap(checkLines), ...open].join('\n');
}

function checkLines({ kind, command, report, from }: FoundCheck): string[] {
  const origin = `# ${from.slice(0, 120).replaceAll(/[^\x20-\x7e]/g, '?')}`;
  if (report === undefined) return [`  ${kind}: ${scalar(command)} ${origin}`];
  return [`  ${kind}: ${origin}`, `    command: ${scalar(command)}`, `    report: ${scalar(report)}`];
}

const commands = `# Commands of the agent, as patterns. Without a list: all, inside the sandbox. Checks are not bound by it.
# commands: { allow: ["npm *", "git diff *"], deny: ["npm publish *"] }`;

const network = `# What an issue may ask for, by name: hosts, secrets that the operator holds, MCP servers that the operator offers. Without it: nothing.
# network: { hosts: ["staging.example.org:443"] }
# secrets: [STAGING_TOKEN]
# mcp: { docs: [search, read] }`;

const { minutes, turns, rounds, tokens, files: fileLimit, lines } = defaultLimits;
const limits = `# What one run may use; the operator's limits hold besides. \`dollars\` needs a price for the model, which the operator gives.
# limits: { minutes: ${minutes}, turns: ${turns}, rounds: ${rounds}, tokens: ${tokens}, files: ${fileLimit}, lines: ${lines} }
# budget: { dollars_per_issue: 5, dollars_per_day: 40 }
# concurrency: { repository: ${defaultConcurrency.repository}, checks: ${defaultConcurrency.checks} }`;

const { start, command, stop, waive } = defaultRoles;
const people = `# Who may do what: read, triage, write, maintain or admin. \`plan: approve\` asks a person before anything is built.
# roles: { start: ${start}, command: ${command}, stop: ${stop}, waive: ${waive} }
# plan: auto
# pull_request: { draft: false, labels: [], reviewers: [] }
# learn: propose`;

/** As it is where YAML reads it as the same text, else in double quotes (JSON's are YAML's). */
function scalar(text: string): string {
  const isPlain = /^[A-Za-z.][\w ./=@:+-]*$/.test(text) && !/: |:$| $/.test(text);
  const isWord = /^(?:true|false|null|yes|no|on|off|~|[\d.e+-]+|\.(?:inf|nan))$/i.test(text);
  return isPlain && !isWord ? text : JSON.stringify(text);
}

function list(items: readonly string[]): string {
  return `[${items.map((item) => (/[:,*]/.test(item) ? JSON.stringify(item) : scalar(item))).join(', ')}]`;
}
