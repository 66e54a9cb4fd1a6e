import type { WallCheck } from '../contract/walls.ts';
import { type Benches, jobOf } from './benches.ts';
import { type Execution, type Job, passed } from './execute.ts';
import { cannotRun, lacksSomething, saysLacking } from './lacking.ts';
import { type CheckState, type CheckVerdict, mostTestNames } from './verdict.ts';

/** A check with the executions that its verdict rests on. */
export interface JudgedCheck {
  check: WallCheck;
  verdict: CheckVerdict;
  head: Execution | null;
  base: Execution | null;
}

/** A check that needs what an earlier one leaves behind (a build before a smoke test) is run after them, once base has shown the need. */
interface Runs {
  head: Execution;
  headAgain: Execution | null;
  base: Execution;
  baseAgain: Execution | null;
  after: string | null;
}

/**
 * Judges one check: on head; when that fails on base too; both once more where the exit code may have been chance (SPEC §7). `earlier` are the
 * checks before it.
 */
export async function judgeCheck(
  check: WallCheck,
  earlier: readonly WallCheck[],
  benches: Benches,
): Promise<JudgedCheck> {
  if (check.state !== 'run' || check.command === null) {
    const state = check.state === 'not-configured' ? 'not-configured' : 'skipped';
    return { check, verdict: verdictOf(check, state, check.reason), head: null, base: null };
  }
  const head = await benches.head(jobOf(check));
  if (passed(head.record)) {
    // The base of a test run is needed even so: a run that passes because fewer tests ran has lost them.
    const base = isTestCheck(check, head) ? await benches.base(jobOf(check), 'first') : null;
    return { check, verdict: verdictOf(check, 'passed', null, { head, base }), head, base };
  }
  const runs = await runAgain(check, earlier, head, benches);
  const { state, reason, tests } = stateOf(runs);
  const told = runs.after === null ? reason : [reason, `run after ${runs.after}`].filter(Boolean).join('; ');
  return { check, verdict: { ...verdictOf(check, state, told, runs), ...tests }, head: runs.head, base: runs.base };
}

/** A check whose command runs tests, by its kind, its command or what it printed. */
export function isTestCheck(check: WallCheck, seen: Execution | null): boolean {
  return (
    /^(?:unit|integration|e2e|smoke)$|test|spec/.test(check.kind) ||
    /\b(?:test|tests|pytest|vitest|jest|mocha|ava|rspec|phpunit|unittest|nextest|ctest|bats)\b/.test(
      check.command ?? '',
    ) ||
    (seen?.runner.executed ?? null) !== null
  );
}

async function runAgain(
  check: WallCheck,
  earlier: readonly WallCheck[],
  alone: Execution,
  benches: Benches,
): Promise<Runs> {
  const base = await benches.base(jobOf(check), 'first');
  const inChain = passed(base.record) ? null : await runInChain(check, earlier, benches);
  const runs = inChain ?? { head: alone, base, job: jobOf(check), after: null };
  if (passed(runs.head.record)) return { ...runs, headAgain: null, baseAgain: null };
  // A time-out or an exhausted limit is no chance; running it again would only cost the same again.
  const exited = runs.head.record.end === 'exited';
  const headAgain = exited && !cannotRun(runs.head) ? await benches.head(runs.job) : null;
  const baseAgain = headAgain === null ? null : await benches.base(runs.job, 'again');
  return { ...runs, headAgain, baseAgain };
}

async function runInChain(
  check: WallCheck,
  earlier: readonly WallCheck[],
  benches: Benches,
): Promise<{ head: Execution; base: Execution; job: Job; after: string } | null> {
  const before = earlier.filter((other) => other.state === 'run' && other.command !== null);
  const first = before.map((other) => ({ command: other.command ?? 'true', timeoutMs: other.timeoutMs }));
  if (first.length === 0) return null;
  const job = jobOf(check, first);
  const base = await benches.base(job, 'first');
  const head = await benches.head(job);
  // Alone it fails on both; only if the chain changes something is the chain what counts.
  if (!passed(base.record) && !passed(head.record)) return null;
  return { head, base, job, after: before.map(({ kind }) => kind).join(', ') };
}

interface State {
  state: CheckState;
  reason: string | null;
  tests: FailedTests;
}

/** Tests that fail on head, parted by whether they failed before. */
type FailedTests = Pick<CheckVerdict, 'newFailures' | 'failingBefore'>;

const noTests: FailedTests = { newFailures: [], failingBefore: [] };

function stateOf({ head, headAgain, base, baseAgain }: Runs): State {
  const is = (state: CheckState, reason: string | null = null, tests = noTests) => ({ state, reason, tests });
  if (passed(head.record)) return is('passed');
  const redOnBase = !passed(base.record) || (baseAgain !== null && !passed(baseAgain.record));
  if (headAgain !== null && passed(headAgain.record)) {
    return redOnBase
      ? is('failing-before', 'flaky, and red on base as well')
      : is('flaky', 'failed, then passed without any change');
  }
  if (!redOnBase) return is(endState(head), null, { ...noTests, newFailures: bounded(failuresOf(head)) });
  const lacks = { head: lacksSomething(head), base: lacksSomething(base) };
  if (lacks.head && lacks.base) return is('not-runnable', missing(base));
  if (lacks.head) return is('failed', 'a command or file that base has is missing');
  if (lacks.base) return is(endState(head), 'base lacks what the check needs; head has it and fails');
  const { fresh, old } = partedFailures(head, [base, ...(baseAgain === null ? [] : [baseAgain])]);
  const tests = { newFailures: bounded(fresh), failingBefore: bounded(old) };
  if (fresh.length > 0) return is('failed', freshText(fresh.length), tests);
  if (failuresOf(base).length > 0 && failuresOf(head).length === 0)
    return is(endState(head), 'red on base as well, but not for the same reason');
  const differs = baseAgain !== null && passed(baseAgain.record) !== passed(base.record);
  return is('failing-before', differs ? 'flaky on base' : null, tests);
}

function freshText(count: number): string {
  return `red on base as well, but ${count === 1 ? '1 failure is' : `${count} failures are`} new`;
}

function bounded(names: readonly string[]): string[] {
  return [...new Set(names)].slice(0, mostTestNames);
}

function endState({ record }: Execution): CheckState {
  if (record.end === 'timed-out' || record.end === 'out-of-memory' || record.end === 'output-limit') return record.end;
  return 'failed';
}

function missing({ record }: Execution): string {
  const line = record.output.split('\n').find((text) => saysLacking(text)) ?? '';
  const told = line.trim().slice(0, 200);
  return told === ''
    ? `exit code ${record.exitCode} on base as well`
    : `the environment lacks something, on base as well: ${told}`;
}

function failuresOf(execution: Execution): string[] {
  return execution.junit?.failed ?? execution.runner.failures;
}

/** What fails on head, parted by base, where both tell names. A name counts as often as it fails: one failure excuses no second. */
function partedFailures(head: Execution, bases: readonly Execution[]): { fresh: string[]; old: string[] } {
  const before = new Map<string, number>();
  for (const base of bases)
    for (const [name, times] of timesFailed(base)) before.set(name, Math.max(times, before.get(name) ?? 0));
  if (before.size === 0) return { fresh: [], old: [] };
  const isNew = ([name, times]: [string, number]) => times > (before.get(name) ?? 0);
  const now = [...timesFailed(head)];
  return {
    fresh: now.filter(isNew).map(([name]) => name),
    old: now.filter((each) => !isNew(each)).map(([name]) => name),
  };
}

function timesFailed(execution: Execution): Map<string, number> {
  const times = new Map<string, number>();
  for (const name of failuresOf(execution)) times.set(name, (times.get(name) ?? 0) + 1);
  return times;
}

function verdictOf(
  check: WallCheck,
  state: CheckState,
  reason: string | null,
  runs: {
    head?: Execution | null;
    headAgain?: Execution | null;
    base?: Execution | null;
    baseAgain?: Execution | null;
  } = {},
): CheckVerdict {
  return {
    kind: check.kind,
    label: check.label,
    command: check.command,
    origin: check.origin,
    state,
    reason,
    head: runs.head?.record ?? null,
    base: runs.base?.record ?? null,
    headAgain: runs.headAgain?.record ?? null,
    baseAgain: runs.baseAgain?.record ?? null,
    ...noTests,
  };
}
