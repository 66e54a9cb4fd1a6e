import type { Database } from './database.ts';
import { wholeMs } from './whole-ms.ts';

/** How long a due timer is left to whoever took it; after that it is due again. */
const timerLeaseMs = 60_000;

export interface Timer {
  /** Deterministic: setting it again moves it. */
  key: string;
  /** Milliseconds since the epoch, by the database's clock. */
  atMs: number;
  data: unknown;
}

/** Sets or moves a timer to `inMs` from now by the database's clock: those of machines may disagree. */
export async function setTimer(db: Database, key: string, inMs: number, data: unknown): Promise<void> {
  await db.run(
    `INSERT INTO timers (id, at_ms, data) VALUES ($1, ${db.nowMs} + $2, $3)
     ON CONFLICT (id) DO UPDATE SET at_ms = excluded.at_ms, data = excluded.data`,
    key,
    wholeMs(inMs),
    JSON.stringify(data ?? null),
  );
}

/** Sets a timer only if there is none, `inMs` from now by the database's clock. */
export async function setTimerOnce(db: Database, key: string, inMs: number, data: unknown): Promise<void> {
  await db.run(
    `INSERT INTO timers (id, at_ms, data) VALUES ($1, ${db.nowMs} + $2, $3) ON CONFLICT (id) DO NOTHING`,
    key,
    wholeMs(inMs),
    JSON.stringify(data ?? null),
  );
}

/** Moves a timer to `inMs` from now by the database's clock, if it is still there. */
export async function moveTimer(db: Database, key: string, inMs: number): Promise<void> {
  await db.run(`UPDATE timers SET at_ms = ${db.nowMs} + $2 WHERE id = $1`, key, wholeMs(inMs));
}

/** All timers whose keys begin with `prefix`, due or not. */
export async function timersOf(db: Database, prefix: string): Promise<Timer[]> {
  const rows = await db.all<TimerRow>(
    'SELECT id, at_ms, data FROM timers WHERE substr(id, 1, $1) = $2 ORDER BY at_ms',
    prefix.length,
    prefix,
  );
  return rows.map(timerOf);
}

export async function clearTimer(db: Database, key: string): Promise<void> {
  await db.run('DELETE FROM timers WHERE id = $1', key);
}

/**
 * Takes the timers that are due, oldest first, at most `limit` (default 20), of one `prefix` when named. Each goes to one caller; clear it or set it
 * anew when its work is done, or it is due again after 60 s: a timer may fire twice, never not at all.
 */
export async function dueTimers(db: Database, options: { limit?: number; prefix?: string } = {}): Promise<Timer[]> {
  const prefix = options.prefix ?? '';
  const isDue = `at_ms <= ${db.nowMs} AND substr(id, 1, $1) = $2`;
  const any = await db.all(`SELECT id FROM timers WHERE ${isDue} LIMIT 1`, prefix.length, prefix);
  if (any.length === 0) return [];
  const due = await db.transaction(
    async (sql) => {
      const rows = await sql.all<TimerRow>(
        `SELECT id, at_ms, data FROM timers WHERE ${isDue} ORDER BY at_ms LIMIT $3`,
        prefix.length,
        prefix,
        options.limit ?? 20,
      );
      for (const { id } of rows) {
        await sql.run(`UPDATE timers SET at_ms = ${db.nowMs} + ${timerLeaseMs} WHERE id = $1`, id);
      }
      return rows;
    },
    { claimLock: true },
  );
  return due.map(timerOf);
}

interface TimerRow {
  id: string;
  at_ms: number;
  data: string;
}

function timerOf({ id, at_ms, data }: TimerRow): Timer {
  return { key: id, atMs: at_ms, data: JSON.parse(data) };
}
