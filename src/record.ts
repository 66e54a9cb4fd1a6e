import type { Doors } from './doors.ts';
import { eventsOf } from './engine/ledger.ts';
import { outputsOf } from './engine/outputs.ts';
import type { Run } from './run.ts';
import { runNumbers } from './run-numbers.ts';
import { type LearnResult, learn } from './stages/learn.ts';
import { Verdict } from './verification/verdict.ts';

const mostEvents = 100_000;

/** What one attempt of a run came to, from its ledger and its saved verdicts, whichever way it ended (SPEC §9). */
export async function readRecord(run: Run, attempt: number, { db }: Pick<Doors, 'db'>): Promise<LearnResult> {
  const [events, verdicts, numbers] = await Promise.all([
    eventsOf(db, run.id, { kinds: ['run.state'], limit: mostEvents }),
    outputsOf(db, run.id, 'verify', Verdict),
    runNumbers(run, { db }),
  ]);
  return learn({ run, attempt, events, verdicts, numbers });
}
