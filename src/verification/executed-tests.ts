import type { JudgedCheck } from './checks.ts';
import type { Execution } from './execute.ts';
import type { Objection } from './outcomes.ts';

/** Objects when fewer tests ran on head than on base, less those that went together with their source. */
export function judgeExecutedTests(checks: readonly JudgedCheck[], goneWithSource: number): Objection[] {
  return checks.flatMap(({ check, verdict, head, base }) => {
    if (head === null || base === null || !['passed', 'failing-before', 'flaky'].includes(verdict.state)) return [];
    const fallen = counters.flatMap((count) => fall(count(base), count(head), goneWithSource));
    const [told] = fallen;
    if (told === undefined) return [];
    const message = `${check.label} ran ${told.after ?? 'no test that is recognised'} on head; on base it ran ${told.before}.`;
    return [{ gate: 'tests' as const, name: 'tests', message, paths: [] }];
  });
}

/** Both are written by what the patch may change: neither makes up for a fall that the other tells. */
const counters: readonly ((execution: Execution) => number | null)[] = [
  ({ junit }) => (junit === null ? null : junit.passed.length + junit.failed.length),
  ({ runner }) => runner.executed,
];

function fall(
  before: number | null,
  after: number | null,
  goneWithSource: number,
): { before: number; after: number | null }[] {
  if (before === null || before === 0) return [];
  return after !== null && after >= before - goneWithSource ? [] : [{ before, after }];
}
