import type { Doors } from './doors.ts';
import { eventsOf, type LedgerEvent } from './engine/ledger.ts';
import { outputsOf, type SavedOutput } from './engine/outputs.ts';
import type { RunNumbers } from './report/facts.ts';
import type { Run } from './run.ts';
import { runNumbers } from './run-numbers.ts';
import { type LearnResult, learn } from './stages/learn.ts';
import { Verdict } from './verification/verdict.ts';

interface Life {
  events: LedgerEvent[];
  verdicts: SavedOutput<Verdict>[];
  numbers: RunNumbers;
}

const mostEvents = 100_000;

/** What one attempt of a run came to, from its ledger and its saved verdicts, whichever way it ended (SPEC §9). */
export async function readRecord(run: Run, attempt: number, doors: Pick<Doors, 'db'>): Promise<LearnResult> {
  return recordFrom(run, attempt, await readLife(run, doors));
}

export function recordFrom(run: Run, attempt: number, life: Life): LearnResult {
  return learn({ run, attempt, ...life });
}

/** Everything that a record is drawn from. */
export async function readLife(run: Run, { db }: Pick<Doors, 'db'>): Promise<Life> {
  const [events, verdicts, numbers] = await Promise.all([
    eventsOf(db, run.id, { kinds: ['run.state', 'intake.refused', 'review.findings'], limit: mostEvents }),
    outputsOf(db, run.id, 'verify', Verdict),
    runNumbers(run, { db }),
  ]);
  return { events, verdicts, numbers };
}
