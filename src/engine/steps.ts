import type { z } from 'zod';
import { type StageName, stageNames } from '../run.ts';
import { holdLease, type Lease } from './claim.ts';
import type { Database, Sql } from './database.ts';

/** Results of an attempt's steps, kept so that after a crash or a wait nothing is worked twice that was finished. */
export interface Steps {
  /**
   * The saved result of this attempt's step, or else that of `work`, saved. If the process dies before the save, `work`
   * runs again. Names begin with their stage: `plan`, `build-2`, `verify-2/base`.
   * Errors: `run.lost-lease`; whatever `work` throws, saving nothing.
   */
  step<T>(name: string, shape: z.ZodType<T>, work: () => Promise<T>): Promise<T>;
  /** The saved result, or null. */
  saved<T>(name: string, shape: z.ZodType<T>): Promise<T | null>;
  /** Saves a result in between, replacing an earlier one. Errors: `run.lost-lease`. */
  save<T>(name: string, shape: z.ZodType<T>, value: T): Promise<void>;
}

/** The steps of the attempt that the lease is for. */
export function createSteps(db: Database, lease: Lease): Steps {
  const { id, attempt } = lease.run;

  async function saved<T>(name: string, shape: z.ZodType<T>): Promise<T | null> {
    const one = 'SELECT output FROM stages WHERE run_id = $1 AND attempt = $2 AND name = $3';
    const [row] = await db.all<{ output: string }>(one, id, attempt, name);
    return row ? shape.parse(JSON.parse(row.output).value) : null;
  }

  async function save<T>(name: string, shape: z.ZodType<T>, value: T): Promise<void> {
    // Parsed before, so that a result which could not be read back is found now.
    const output = JSON.stringify({ value: shape.parse(value) });
    await db.transaction(async (sql) => {
      await holdLease(db, sql, lease);
      await sql.run(
        `INSERT INTO stages (run_id, attempt, name, output, saved_at_ms) VALUES ($1, $2, $3, $4, ${db.nowMs})
         ON CONFLICT (run_id, attempt, name) DO UPDATE SET output = excluded.output, saved_at_ms = excluded.saved_at_ms`,
        id,
        attempt,
        name,
        output,
      );
    });
  }

  async function step<T>(name: string, shape: z.ZodType<T>, work: () => Promise<T>): Promise<T> {
    const earlier = await saved(name, shape);
    if (earlier !== null) return earlier;
    const value = await work();
    await save(name, shape, value);
    return value;
  }

  return { step, saved, save };
}

/** The stage that a step belongs to: the part of its name before `-` or `/`; null for a name of no stage. */
function stageOf(stepName: string): StageName | null {
  const prefix = stepName.split(/[-/]/, 1)[0];
  return stageNames.find((stage) => stage === prefix) ?? null;
}

/** Copies the saved steps of some stages from one attempt of a run to another. */
export async function carrySteps(
  sql: Sql,
  copy: { runId: string; from: number; to: number; stages: readonly StageName[] },
): Promise<void> {
  const names = await sql.all<{ name: string }>(
    'SELECT name FROM stages WHERE run_id = $1 AND attempt = $2',
    copy.runId,
    copy.from,
  );
  for (const { name } of names) {
    const stage = stageOf(name);
    if (stage === null || !copy.stages.includes(stage)) continue;
    await sql.run(
      `INSERT INTO stages (run_id, attempt, name, output, saved_at_ms)
       SELECT run_id, CAST($4 AS INTEGER), name, output, saved_at_ms FROM stages
       WHERE run_id = $1 AND attempt = $2 AND name = $3`,
      copy.runId,
      copy.from,
      name,
      copy.to,
    );
  }
}
