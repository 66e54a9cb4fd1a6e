import { z } from 'zod';
import { builtInTools } from '../../src/agent/tools.ts';
import { type ErrorCode, errorTable } from '../../src/errors.ts';
import { bucketsS, metricTable } from '../../src/metric-table.ts';
import { environmentShape } from '../../src/settings.ts';

const note = (source: string) =>
  `<!-- Made from ${source}: do not edit. UPDATE_DOCS=1 npx vitest run test/docs.test.ts writes it anew. -->`;

/** Text fit for a cell of a Markdown table. */
const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** `docs/configuration.md`: every environment variable with its default. */
export function configurationDoc(): string {
  const { properties = {} } = z.toJSONSchema(environmentShape, { io: 'input', unrepresentable: 'any' });
  const rows = Object.entries(properties).map(([name, shape]) => {
    const { default: usual, description = '', enum: values } = typeof shape === 'boolean' ? {} : shape;
    const choice = values ? ` One of ${values.map((value) => `\`${value}\``).join(', ')}.` : '';
    return [`\`${name}\``, usual === undefined ? '–' : `\`${usual}\``, `${description}${choice}`];
  });
  rows.push([
    '`MILLWRIGHT_SECRET_<NAME>`',
    '–',
    'Value of the secret `NAME`. A contract gets it only when the operator’s policy grants `NAME` to the repository; inside the sandbox it is `$NAME`.',
  ]);
  return [
    note('`environmentShape` in src/settings.ts'),
    '# Configuration',
    'The service reads its environment once, at its start, and names every problem in one message (exit code 2). An empty variable counts as unset. A `.env` file in the working folder fills in what the environment leaves out; it never overrides it.',
    'What may be done in a repository is not configured here but by [policy](policy.md).',
    table(['Variable', 'Default', 'What it is'], rows),
    '`HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY` (either case), `SSL_CERT_FILE`, `SSL_CERT_DIR` and `GIT_SSL_CAINFO` are handed on to git. For the calls of the app itself Node reads `NODE_EXTRA_CA_CERTS` and, with `NODE_USE_ENV_PROXY=1`, the proxy variables.',
    '',
  ]
    .join('\n\n')
    .trimEnd()
    .concat('\n');
}

const families: Record<string, string> = {
  outside: 'something outside of the app failed',
  limit: 'a limit of the policy was reached',
  request: 'the repository or its policy asks for something that cannot be done',
  run: 'the run was taken away or stopped',
  bug: 'a fault of Millwright',
};

/** `docs/errors.md`: every error code, what the issue is told, what the operator should do. */
export function errorsDoc(): string {
  const codes = Object.keys(errorTable) as ErrorCode[];
  const sections = Object.entries(families).flatMap(([family, meaning]) => [
    `## \`${family}.*\`: ${meaning}`,
    table(
      ['Code', 'Tried again', 'The issue is told', 'For the operator'],
      codes
        .filter((code) => code.startsWith(`${family}.`))
        .map((code) => {
          const { retry, requester, operator } = errorTable[code];
          return [`\`${code}\``, retry ? 'yes' : 'no', requester, operator];
        }),
    ),
  ]);
  return [
    note('`errorTable` in src/errors.ts'),
    '# Errors',
    'A run that meets one of these either goes back to the queue and is tried again with back-off, at most five times in one attempt, or ends as failed with the code in its outcome. What is not an error (a contract that is refused, a check that fails, a question) is told in the status comment and is not listed here.',
    ...sections,
  ]
    .join('\n\n')
    .concat('\n');
}

/** `docs/tools.md`: what the agent can call, as the model is told it. */
export function toolsDoc(): string {
  const sections = builtInTools.flatMap(({ name, description, parameters }) => {
    const { properties = {}, required = [] } = parameters as {
      properties?: Record<string, object>;
      required?: string[];
    };
    const rows = Object.entries(properties).map(([argument, shape]) => {
      const { type, description: what = '' } = shape as { type?: string; description?: string };
      return [`\`${argument}\``, type ?? 'any', required.includes(argument) ? 'yes' : 'no', what];
    });
    return [`## \`${name}\``, description, table(['Argument', 'Type', 'Needed', 'What it is'], rows)];
  });
  return [
    note('the zod shapes of `builtInTools` in src/agent/tools.ts'),
    '# Tools of the agent',
    'The build loop has these and no others, but for the tools of servers that the contract names and the policy grants. Each is told to the model in the words below. A contract may deny any of them but `submit` and `ask`, without which a round could not end. They run in the container; several may be called in one reply: those that only read run side by side where they stand next to each other, all others one after the other, and the answers come in the order of the calls. A call that fails says why, and how to go on: an edit that misses shows the closest match, a cut output the name under which the rest can be read.',
    ...sections,
  ]
    .join('\n\n')
    .concat('\n');
}

/** Families that `docs/errors.md` knows. */
export const errorFamilies: readonly string[] = Object.keys(families);

/** `docs/metrics.md`: every metric, its labels and what it tells. */
export function metricsDoc(): string {
  const rows = Object.entries(metricTable).map(([name, { type, labels, help }]) => [
    `\`${name}\``,
    type,
    labels.map((label) => `\`${label}\``).join(', ') || '–',
    help,
  ]);
  return [
    note('src/metric-table.ts'),
    '# Metrics',
    '`GET /metrics` answers Prometheus, to this machine or with `Authorization: Bearer` and `METRICS_TOKEN`. All processes of a store count together: ask any one that takes webhooks, one only. Counters and histograms are written to the store every ten seconds. What is read of one process: `millwright_sandbox_available` and `millwright_disk_free_bytes`.',
    table(['Metric', 'Type', 'Labels', 'What it tells'], rows),
    `Buckets of the histograms, in seconds: ${bucketsS.join(', ')}.`,
    'Rules for alerts that fit most installations are in `docker/alerts.yml`.',
    '',
  ]
    .join('\n\n')
    .trimEnd()
    .concat('\n');
}
