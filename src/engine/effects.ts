import { z } from 'zod';
import { holdLease, type Lease } from './claim.ts';
import type { Database, Sql } from './database.ts';

/**
 * Does something outside at most once per run and key, as far as this side can: a saved result is returned; else `look`
 * asks the other side whether it is there already (null when not), else `make` does it. The result is saved.
 * Under a lease, `make` is not called and nothing is saved once the lease is lost; with a mere run id no lease is asked for.
 * A worker stopped between the check and the call may still reach the other side, which needs its own guard (HOUSE §3).
 * Errors: `run.lost-lease`; whatever `look` and `make` throw.
 */
export async function effect<T>(
  db: Database,
  holder: Lease | string,
  key: string,
  shape: z.ZodType<T>,
  act: { look: () => Promise<T | null>; make: () => Promise<T> },
): Promise<T> {
  const runId = typeof holder === 'string' ? holder : holder.run.id;
  const [row] = await db.all<{ result: string }>(
    'SELECT result FROM effects WHERE run_id = $1 AND effect_key = $2',
    runId,
    key,
  );
  if (row) return shape.parse(JSON.parse(row.result).value);

  const there = await act.look();
  if (there === null && typeof holder !== 'string') await db.transaction((sql) => holdLease(db, sql, holder));
  const value = shape.parse(there ?? (await act.make()));

  await db.transaction(async (sql) => {
    if (typeof holder !== 'string') await holdLease(db, sql, holder);
    await sql.run(
      `INSERT INTO effects (run_id, effect_key, result, made_at_ms) VALUES ($1, $2, $3, ${db.nowMs})
       ON CONFLICT (run_id, effect_key) DO NOTHING`,
      runId,
      key,
      JSON.stringify({ value }),
    );
  });
  return value;
}

/** Runs `work` unless it has finished under this key before. If it fails, or the process dies in it, it runs again. */
export async function once(db: Database, runId: string, key: string, work: () => Promise<void>): Promise<void> {
  const make = async () => {
    await work();
    return null;
  };
  await effect(db, runId, key, z.null(), { look: async () => null, make });
}

/** Whether `once` has finished under this key. */
export async function isDone(db: Sql, runId: string, key: string): Promise<boolean> {
  const one = 'SELECT effect_key FROM effects WHERE run_id = $1 AND effect_key = $2';
  return (await db.all(one, runId, key)).length > 0;
}
