import type { Doors } from './doors.ts';
import { latestOutput } from './engine/outputs.ts';
import { endRun, listRuns } from './engine/runs.ts';
import { IntakeResult } from './stages/intake.ts';
import { showStatus } from './status.ts';

const dayMs = 24 * 60 * 60_000;
/** When the contract never got as far as a policy (SPEC §4, `limits.wait_days`). */
const usualWaitDays = 14;

/** Ends runs that have waited for a person longer than `limits.wait_days`, saying so in the status comment. */
export async function expireWaits(doors: Doors): Promise<void> {
  for (const run of await listRuns(doors.db, { states: ['waiting'], limit: 10_000 })) {
    const days =
      (await latestOutput(doors.db, run.id, 'intake', IntakeResult))?.value.walls?.limits.waitDays ?? usualWaitDays;
    if (doors.clock.nowMs() - run.updatedAtMs < days * dayMs) continue;
    const outcome = {
      code: 'wait-expired',
      text: `Nobody answered within ${days} days. /retry takes the run up again.`,
      question: null,
      detail: run.outcome?.question ?? null,
    };
    if (await endRun(doors.db, run.id, 'failed', outcome)) await showStatus(run, doors);
  }
}
