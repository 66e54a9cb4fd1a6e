import type { Doors } from './doors.ts';
import { append } from './engine/ledger.ts';
import { outputsOf } from './engine/outputs.ts';
import type { Run } from './run.ts';
import { runNumbers } from './run-numbers.ts';
import { type LearnResult, learn } from './stages/learn.ts';
import { Verdict } from './verification/verdict.ts';

/** Writes the record of an ended attempt into the ledger, whichever way it ended (SPEC §9). */
export async function recordEnd(run: Run, doors: Pick<Doors, 'db'>): Promise<LearnResult> {
  const verdicts = (await outputsOf(doors.db, run.id, 'verify', Verdict)).map(({ value }) => value);
  const record = (kind: string, data: unknown) => append(doors.db, { runId: run.id, attempt: run.attempt, kind, data });
  return learn({ record }, run.outcome?.code ?? run.state, verdicts, await runNumbers(run, doors));
}
