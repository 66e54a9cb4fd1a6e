import type { Outcome } from '../run.ts';
import type { Database } from './database.ts';

/** Tells the same end in other words, where the run still stands at it. Errors: `outside.database`. */
export async function retellOutcome(db: Database, runId: string, outcome: Outcome): Promise<boolean> {
  const changed = await db.run(
    `UPDATE runs SET outcome = $2 WHERE id = $1 AND outcome_code = $3 AND state NOT IN ('queued', 'running')`,
    runId,
    JSON.stringify(outcome),
    outcome.code,
  );
  if (changed > 0) await db.wake('events');
  return changed > 0;
}
