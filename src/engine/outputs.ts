import type { z } from 'zod';
import type { StageName } from '../run.ts';
import type { Database } from './database.ts';

export interface SavedOutput<T> {
  /** The step's name, such as `build-2`. */
  name: string;
  attempt: number;
  savedAtMs: number;
  value: T;
}

/** What the steps of one stage have saved over all attempts of a run, oldest first. For reports, and to go on from the last patch. */
export async function outputsOf<T>(
  db: Database,
  runId: string,
  stage: StageName,
  shape: z.ZodType<T>,
): Promise<SavedOutput<T>[]> {
  const rows = await db.all<OutputRow>(`${someOutputs} ORDER BY attempt, saved_at_ms, name`, ...named(runId, stage));
  return rows.map((row) => outputOf(row, shape));
}

/** The newest of them, or null. */
export async function latestOutput<T>(
  db: Database,
  runId: string,
  stage: StageName,
  shape: z.ZodType<T>,
): Promise<SavedOutput<T> | null> {
  const newest = `${someOutputs} ORDER BY attempt DESC, saved_at_ms DESC, name DESC LIMIT 1`;
  const [row] = await db.all<OutputRow>(newest, ...named(runId, stage));
  return row ? outputOf(row, shape) : null;
}

interface OutputRow {
  name: string;
  attempt: number;
  saved_at_ms: number;
  output: string;
}

const someOutputs =
  'SELECT name, attempt, saved_at_ms, output FROM stages WHERE run_id = $1 AND (name = $2 OR name LIKE $3)';
const named = (runId: string, stage: StageName): [string, string, string] => [runId, stage, `${stage}-%`];

function outputOf<T>(row: OutputRow, shape: z.ZodType<T>): SavedOutput<T> {
  return {
    name: row.name,
    attempt: row.attempt,
    savedAtMs: row.saved_at_ms,
    value: shape.parse(JSON.parse(row.output).value),
  };
}
