import type { Database } from './database.ts';

/** Longer results are not kept: a check prints at most some 100 KB, but its report may name a hundred thousand tests. */
const largestChars = 2 * 1024 ** 2;
/** Older ones are removed as new ones come; nothing asks for them any more. */
const longestKeptMs = 14 * 24 * 60 * 60_000;

/** What a check gave on a base commit, as plain data; null when it is not known, or only from longer ago than `maxAgeMs`. */
export async function findBaseline(db: Database, key: string, maxAgeMs: number): Promise<unknown> {
  const young = `SELECT result FROM baselines WHERE key = $1 AND made_at_ms > ${db.nowMs} - $2`;
  const [row] = await db.all<{ result: string }>(young, key, maxAgeMs);
  return row === undefined ? null : JSON.parse(row.result);
}

/** Keeps it for every run and worker on the store; the newest of several wins. */
export async function keepBaseline(db: Database, key: string, result: unknown): Promise<void> {
  const text = JSON.stringify(result);
  if (text.length > largestChars) return;
  await db.run(`DELETE FROM baselines WHERE made_at_ms < ${db.nowMs} - ${longestKeptMs}`);
  await db.run(
    `INSERT INTO baselines (key, result, made_at_ms) VALUES ($1, $2, ${db.nowMs})
     ON CONFLICT (key) DO UPDATE SET result = excluded.result, made_at_ms = excluded.made_at_ms`,
    key,
    text,
  );
}
