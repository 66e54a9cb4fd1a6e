import { type ContractCheck, standardCheckKinds } from './contract.ts';
import { checkLabel } from './fields.ts';
import { type Combining, namedBy } from './policy-layers.ts';
import { formatDuration } from './units.ts';
import type { Layer, WallCheck } from './walls.ts';

interface Configured {
  layer: Layer;
  command: string;
  timeoutMs: number | undefined;
  optional: boolean;
  report: string | null;
}

/**
 * Contract ∪ repository file, nothing lost: kinds of the contract in its order, then the other configured kinds, then the standard kinds that nobody
 * configured. A configured check always runs, a contract command of its kind as well; `skip` counts only for kinds that are not configured or optional.
 */
export function combineChecks(combining: Combining, defaultTimeoutMs: number): WallCheck[] {
  const configured = configuredChecks(combining);
  const asked = new Map<string, ContractCheck[]>();
  for (const check of combining.contract.checks) asked.set(check.kind, [...(asked.get(check.kind) ?? []), check]);
  const inOrder = (kinds: readonly string[]) => [
    ...standardCheckKinds.filter((kind) => kinds.includes(kind)),
    ...kinds.filter((kind) => !isStandard(kind)),
  ];
  const kinds = new Set([...asked.keys(), ...inOrder([...configured.keys()]), ...standardCheckKinds]);
  return [...kinds].flatMap((kind) => {
    const own = configured.get(kind);
    const checks = own ? [fromFile(combining, kind, own, asked.get(kind) ?? [], defaultTimeoutMs)] : [];
    const wishes = (asked.get(kind) ?? []).filter(({ command, skip }) =>
      own ? command !== null && command !== own.command : command !== null || skip !== null,
    );
    checks.push(...wishes.map((wish) => fromContract(wish, defaultTimeoutMs)));
    return checks.length > 0 ? checks : [notConfigured(kind, defaultTimeoutMs)];
  });
}

function isStandard(kind: string): boolean {
  return standardCheckKinds.some((each) => each === kind);
}

/** The nearest layer's check of each kind. */
function configuredChecks({ layers }: Combining): Map<string, Configured> {
  const configured = new Map<string, Configured>();
  for (const { layer, value } of namedBy(layers, ({ checks }) => checks)) {
    for (const [kind, check] of Object.entries(value)) {
      const { command, timeout, optional, report } =
        typeof check === 'string'
          ? { command: check, timeout: undefined, optional: undefined, report: undefined }
          : check;
      configured.set(kind, { layer, command, timeoutMs: timeout, optional: optional ?? false, report: report ?? null });
    }
  }
  return configured;
}

function fromFile(
  combining: Combining,
  kind: string,
  own: Configured,
  wishes: readonly ContractCheck[],
  defaultTimeoutMs: number,
): WallCheck {
  const skip = wishes.find((wish) => wish.skip !== null);
  const check: WallCheck = {
    kind,
    label: checkLabel(kind),
    command: own.command,
    timeoutMs: timeoutOf(combining, kind, own, defaultTimeoutMs),
    optional: own.optional,
    report: own.report,
    origin: 'repository',
    state: 'run',
    reason: null,
  };
  if (!skip) return check;
  if (own.optional) return { ...check, command: null, state: 'skipped', reason: skip.skip };
  combining.refused.push({
    key: `checks.${kind}`,
    name: skip.label,
    message: `The contract skips a check that always runs here. Drop the \`skip\`, or mark \`checks.${kind}\` as \`optional: true\` in the repository file.`,
  });
  return check;
}

/** A check's own time, at most what any layer names as `limits.check_timeout`. */
function timeoutOf({ layers, narrowed }: Combining, kind: string, own: Configured, defaultTimeoutMs: number): number {
  if (own.timeoutMs === undefined) return defaultTimeoutMs;
  const caps = namedBy(layers, ({ limits }) => limits?.check_timeout);
  const cap = caps.toSorted((a, b) => a.value - b.value)[0];
  if (!cap || own.timeoutMs <= cap.value) return own.timeoutMs;
  narrowed.push({
    key: `checks.${kind}.timeout`,
    asked: formatDuration(own.timeoutMs),
    granted: formatDuration(cap.value),
    by: cap.layer,
  });
  return cap.value;
}

function fromContract({ kind, label, command, skip }: ContractCheck, timeoutMs: number): WallCheck {
  const state = command === null ? 'skipped' : 'run';
  return { kind, label, command, timeoutMs, optional: false, report: null, origin: 'contract', state, reason: skip };
}

function notConfigured(kind: string, timeoutMs: number): WallCheck {
  return {
    kind,
    label: checkLabel(kind),
    command: null,
    timeoutMs,
    optional: true,
    report: null,
    origin: 'repository',
    state: 'not-configured',
    reason: 'neither in the contract nor in the repository file',
  };
}
