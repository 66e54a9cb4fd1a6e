import { defaultLimits } from './defaults.ts';
import { type Combining, type NamedLayer, namedBy } from './policy-layers.ts';
import type { PolicyLayer } from './policy-schema.ts';
import { formatDuration, formatSize } from './units.ts';
import type { Narrowing, Walls } from './walls.ts';

type LimitKey = keyof NonNullable<PolicyLayer['limits']>;

/** The smallest number that a layer names, or null when none does. */
export function smallest(
  layers: readonly NamedLayer[],
  read: (policy: PolicyLayer) => number | undefined,
): number | null {
  const named = namedBy(layers, read).map(({ value }) => value);
  return named.length === 0 ? null : Math.min(...named);
}

/** The smallest of what the layers and the contract name. The defaults hold where no file names a limit: a contract never passes them. */
export function combineLimits(combining: Combining): Walls['limits'] {
  const take = (key: LimitKey, fallback: number): number => takeLimit(combining, key, fallback) ?? fallback;
  return {
    minutes: take('minutes', defaultLimits.minutes),
    turns: take('turns', defaultLimits.turns),
    rounds: take('rounds', defaultLimits.rounds),
    tokens: take('tokens', defaultLimits.tokens),
    dollars: takeLimit(combining, 'dollars', null),
    files: take('files', defaultLimits.files),
    lines: take('lines', defaultLimits.lines),
    memoryBytes: take('memory', defaultLimits.memoryBytes),
    cpus: take('cpus', defaultLimits.cpus),
    pids: take('pids', defaultLimits.pids),
    diskBytes: take('disk', defaultLimits.diskBytes),
    outputBytes: take('output', defaultLimits.outputBytes),
    toolTimeoutMs: take('tool_timeout', defaultLimits.toolTimeoutMs),
    checkTimeoutMs: take('check_timeout', defaultLimits.checkTimeoutMs),
    waitDays: take('wait_days', defaultLimits.waitDays),
    findings: take('findings', defaultLimits.findings),
  };
}

function takeLimit({ layers, contract, narrowed }: Combining, key: LimitKey, fallback: number | null): number | null {
  const named: { layer: Narrowing['by']; value: number }[] = namedBy(layers, ({ limits }) => limits?.[key]);
  if (named.length === 0 && fallback !== null) named.push({ layer: 'default', value: fallback });
  const wish = Object.entries(contract.stop.limits).find(([name]) => name === key)?.[1];
  if (wish !== undefined) named.push({ layer: 'contract', value: wish });
  const asked = named.at(-1);
  if (!asked) return null;
  const least = named.reduce((lowest, each) => (each.value < lowest.value ? each : lowest));
  if (asked.value > least.value) {
    narrowed.push({
      key: `limits.${key}`,
      asked: shown(key, asked.value),
      granted: shown(key, least.value),
      by: least.layer,
    });
  }
  return least.value;
}

function shown(key: LimitKey, value: number): string {
  if (key === 'memory' || key === 'disk' || key === 'output') return formatSize(value);
  return key === 'tool_timeout' || key === 'check_timeout' ? formatDuration(value) : String(value);
}
