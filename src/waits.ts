import { z } from 'zod';
import type { Doors } from './doors.ts';
import { eventsOf } from './engine/ledger.ts';
import { endRun, listRuns } from './engine/runs.ts';
import type { Run } from './run.ts';
import { showStatus } from './status.ts';
import { intakeOf } from './status-input.ts';

const dayMs = 24 * 60 * 60_000;
/** When the contract never got as far as a policy (SPEC §4, `limits.wait_days`). */
const usualWaitDays = 14;

/** Ends runs that have waited for a person longer than `limits.wait_days`, saying so in the status comment. */
export async function expireWaits(doors: Doors): Promise<void> {
  for (const run of await listRuns(doors.db, { states: ['waiting'], limit: 10_000 })) {
    const days = (await intakeOf(run, doors))?.walls?.limits.waitDays ?? usualWaitDays;
    if (doors.clock.nowMs() - (await waitingSinceMs(run, doors)) < days * dayMs) continue;
    const outcome = {
      code: 'wait-expired',
      text: `Nobody answered within ${days} days. /retry takes the run up again.`,
      question: null,
      detail: run.outcome?.question ?? null,
    };
    if (await endRun(doors.db, run.id, 'failed', outcome)) await showStatus(run, doors);
  }
}

const Waiting = z.object({ state: z.literal('waiting') });

async function waitingSinceMs(run: Run, { db }: Doors): Promise<number> {
  const events = await eventsOf(db, run.id, { kinds: ['run.state'], limit: 100_000 });
  return events.findLast((event) => Waiting.safeParse(event.data).success)?.atMs ?? run.updatedAtMs;
}
