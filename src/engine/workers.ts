import type { Database } from './database.ts';

export interface Worker {
  id: string;
  capacity: number;
  /** What the operator wants to see of it: version, host, engine. */
  info: Record<string, string | number | null>;
  startedAtMs: number;
  seenAtMs: number;
}

/** Says that a worker lives; call every few seconds. */
export async function heartbeatWorker(
  db: Database,
  worker: { id: string; capacity: number; info?: Worker['info'] },
): Promise<void> {
  await db.run(
    `INSERT INTO workers (id, capacity, info, started_at_ms, seen_at_ms) VALUES ($1, $2, $3, ${db.nowMs}, ${db.nowMs})
     ON CONFLICT (id) DO UPDATE SET capacity = excluded.capacity, info = excluded.info, seen_at_ms = excluded.seen_at_ms`,
    worker.id,
    worker.capacity,
    JSON.stringify(worker.info ?? {}),
  );
}

export async function listWorkers(db: Database): Promise<Worker[]> {
  const rows = await db.all<WorkerRow>('SELECT * FROM workers ORDER BY id');
  return rows.map((row) => ({
    id: row.id,
    capacity: row.capacity,
    info: JSON.parse(row.info),
    startedAtMs: row.started_at_ms,
    seenAtMs: row.seen_at_ms,
  }));
}

/** Forgets a worker that stops on purpose. */
export async function forgetWorker(db: Database, id: string): Promise<void> {
  await db.run('DELETE FROM workers WHERE id = $1', id);
}

/** Forgets workers not heard of for `silentMs`; returns their ids. Their runs are taken over as their leases expire. */
export async function reapDeadWorkers(db: Database, silentMs: number): Promise<string[]> {
  const rows = await db.all<{ id: string }>(
    `DELETE FROM workers WHERE seen_at_ms < ${db.nowMs} - $1 RETURNING id`,
    silentMs,
  );
  return rows.map(({ id }) => id);
}

interface WorkerRow {
  id: string;
  capacity: number;
  info: string;
  started_at_ms: number;
  seen_at_ms: number;
}
