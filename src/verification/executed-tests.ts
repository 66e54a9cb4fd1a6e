import type { JudgedCheck } from './checks.ts';
import type { Execution } from './execute.ts';
import type { Objection } from './outcomes.ts';

/** Objects when fewer tests ran on head than on base, less those that went together with their source. */
export function judgeExecutedTests(checks: readonly JudgedCheck[], goneWithSource: number): Objection[] {
  return checks.flatMap(({ check, verdict, head, base }) => {
    if (head === null || base === null || !['passed', 'failing-before', 'flaky'].includes(verdict.state)) return [];
    const before = executedIn(base);
    if (before === null || before === 0) return [];
    const after = executedIn(head);
    if (after !== null && after >= before - goneWithSource) return [];
    const told = after === null ? 'no test that is recognised' : `${after}`;
    const message = `${check.label} ran ${told} on head; on base it ran ${before}.`;
    return [{ gate: 'tests' as const, name: 'tests', message, paths: [] }];
  });
}

function executedIn({ junit, runner }: Execution): number | null {
  return junit === null ? runner.executed : junit.passed.length + junit.failed.length;
}
