import type { Database } from './database.ts';

/** How long a due timer is left to whoever took it; after that it is due again. */
const timerLeaseMs = 60_000;

export interface Timer {
  /** Deterministic: setting it again moves it. */
  key: string;
  atMs: number;
  data: unknown;
}

/** Sets or moves a timer to `atMs` (database clock, milliseconds since the epoch). */
export async function setTimer(db: Database, key: string, atMs: number, data: unknown): Promise<void> {
  await db.run(
    `INSERT INTO timers (id, at_ms, data) VALUES ($1, $2, $3)
     ON CONFLICT (id) DO UPDATE SET at_ms = excluded.at_ms, data = excluded.data`,
    key,
    atMs,
    JSON.stringify(data ?? null),
  );
}

/** Sets a timer only if there is none, `inMs` from now by the database's clock. */
export async function setTimerOnce(db: Database, key: string, inMs: number, data: unknown): Promise<void> {
  await db.run(
    `INSERT INTO timers (id, at_ms, data) VALUES ($1, ${db.nowMs} + $2, $3) ON CONFLICT (id) DO NOTHING`,
    key,
    inMs,
    JSON.stringify(data ?? null),
  );
}

export async function clearTimer(db: Database, key: string): Promise<void> {
  await db.run('DELETE FROM timers WHERE id = $1', key);
}

/**
 * Takes the timers that are due, oldest first, at most `limit` (default 20). Each goes to one caller; clear it or set it
 * anew when its work is done, or it is due again after 60 s: a timer may fire twice, never not at all.
 */
export async function dueTimers(db: Database, options: { limit?: number } = {}): Promise<Timer[]> {
  const any = await db.all(`SELECT id FROM timers WHERE at_ms <= ${db.nowMs} LIMIT 1`);
  if (any.length === 0) return [];
  const due = await db.transaction(
    async (sql) => {
      const rows = await sql.all<{ id: string; at_ms: number; data: string }>(
        `SELECT id, at_ms, data FROM timers WHERE at_ms <= ${db.nowMs} ORDER BY at_ms LIMIT $1`,
        options.limit ?? 20,
      );
      for (const { id } of rows) {
        await sql.run(`UPDATE timers SET at_ms = ${db.nowMs} + ${timerLeaseMs} WHERE id = $1`, id);
      }
      return rows;
    },
    { claimLock: true },
  );
  return due.map(({ id, at_ms, data }) => ({ key: id, atMs: at_ms, data: JSON.parse(data) }));
}
