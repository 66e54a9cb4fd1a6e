import type { Database } from './database.ts';

/** A change to one counter: added to it, or (a reading of something that goes up and down) put in its place. */
export interface CounterChange {
  /** Name and labels, in one spelling. */
  id: string;
  value: number;
  how: 'add' | 'set';
}

/** Readings older than this tell nothing about now. */
const readingKeptMs = 60 * 60_000;

/** Writes what one process has counted since its last write; all processes of a store count together. */
export async function changeCounters(db: Database, changes: readonly CounterChange[]): Promise<void> {
  if (changes.length === 0) return;
  await db.transaction(async (sql) => {
    // One order for everyone, so that two writers never wait for each other's rows.
    for (const { id, value, how } of changes.toSorted((a, b) => (a.id < b.id ? -1 : 1))) {
      await sql.run(
        `INSERT INTO counters (id, value, updated_at_ms) VALUES ($1, CAST($2 AS DOUBLE PRECISION), ${db.nowMs})
         ON CONFLICT (id) DO UPDATE SET value = ${how === 'add' ? 'counters.value + ' : ''}excluded.value,
           updated_at_ms = excluded.updated_at_ms`,
        id,
        value,
      );
    }
  });
}

export async function readCounters(db: Database): Promise<{ id: string; value: number; isFresh: boolean }[]> {
  const rows = await db.all<{ id: string; value: number; fresh: number }>(
    `SELECT id, value, CASE WHEN updated_at_ms > ${db.nowMs} - ${readingKeptMs} THEN 1 ELSE 0 END AS fresh
     FROM counters ORDER BY id`,
  );
  return rows.map(({ id, value, fresh }) => ({ id, value: Number(value), isFresh: fresh === 1 }));
}
