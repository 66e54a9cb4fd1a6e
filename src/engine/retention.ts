import type { Database, Sql } from './database.ts';

/** Rows deleted by one statement: short enough that nobody waits for it. */
const batchRows = 500;
/** Of saved stage results, which may be large. */
const batchStages = 50;
const erasePrefix = 'erase:';
const dayMs = 24 * 60 * 60_000;
/** Daily budgets count for a day; one more for clocks that differ. */
const budgetsKeptMs = 2 * dayMs;
const weekMs = 7 * dayMs;
const recordsKeptMs = 2 * 365 * dayMs;

/**
 * A run that nobody needs any more: it and every other run of its issue ended and were last touched before the time `$1`
 * milliseconds ago, the issue's newest has no pull request that may still be open, and no revert waits for its checks.
 */
const isErasable = (db: Database) => `
  r.ended_at_ms < ${db.nowMs} - $1 AND r.updated_at_ms < ${db.nowMs} - $1
  AND NOT EXISTS (
    SELECT 1 FROM runs o WHERE o.repository = r.repository AND o.issue = r.issue AND (
      o.ended_at_ms IS NULL OR o.updated_at_ms >= ${db.nowMs} - $1
      OR (${mayHaveOpenPullRequest('o')} AND NOT EXISTS (
        SELECT 1 FROM runs n WHERE n.repository = o.repository AND n.issue = o.issue
          AND (n.created_at_ms > o.created_at_ms OR (n.created_at_ms = o.created_at_ms AND n.id > o.id))
      ))
    )
  )
  AND NOT EXISTS (SELECT 1 FROM timers t WHERE t.id = 'rollback:' || r.id)`;

const mayHaveOpenPullRequest = (run: string) =>
  `${run}.pull_request IS NOT NULL AND COALESCE(${run}.outcome_code, '') NOT IN ('merged', 'closed')`;

/**
 * Erases up to `limit` (default 20) of the runs that ended longest ago, at least `endedForMs` ago, with their ledgers,
 * saved stages and effects; returns how many. What an issue has spent stays: it counts if the issue is ever labelled again.
 * Safe to be killed in: `finishErasing` goes on.
 */
export async function eraseOldRuns(db: Database, endedForMs: number, limit = 20): Promise<number> {
  const rows = await db.all<{ id: string }>(
    `SELECT r.id FROM runs r WHERE r.ended_at_ms IS NOT NULL AND ${isErasable(db)} ORDER BY r.ended_at_ms LIMIT $2`,
    endedForMs,
    limit,
  );
  let erased = 0;
  for (const { id } of rows) if (await takeOut(db, id, endedForMs)) erased += 1;
  await finishErasing(db);
  return erased;
}

/** The row goes first, so that nobody takes up a run whose ledger is half gone; a timer remembers what is left to do. */
async function takeOut(db: Database, id: string, endedForMs: number): Promise<boolean> {
  return await db.transaction(
    async (sql) => {
      const gone = await sql.run(
        `DELETE FROM runs WHERE id IN (SELECT r.id FROM runs r WHERE r.id = $2 AND ${isErasable(db)})`,
        endedForMs,
        id,
      );
      if (gone === 0) return false;
      await sql.run(
        `INSERT INTO timers (id, at_ms, data) VALUES ($1, ${db.nowMs}, 'null') ON CONFLICT (id) DO NOTHING`,
        `${erasePrefix}${id}`,
      );
      return true;
    },
    { claimLock: true },
  );
}

/** Deletes what erased runs have left, also of passes that were cut short. */
export async function finishErasing(db: Database): Promise<void> {
  const left = await db.all<{ id: string }>(`SELECT id FROM timers WHERE id LIKE '${erasePrefix}%' LIMIT 1000`);
  for (const { id: timer } of left) {
    const run = timer.slice(erasePrefix.length);
    await inBatches(
      (sql) =>
        sql.run(
          `DELETE FROM events WHERE id IN (SELECT id FROM events WHERE run_id = $1 ORDER BY id LIMIT ${batchRows})`,
          run,
        ),
      db,
    );
    await inBatches(
      (sql) =>
        sql.run(
          `DELETE FROM stages WHERE run_id = $1 AND (attempt, name) IN
           (SELECT attempt, name FROM stages WHERE run_id = $1 LIMIT ${batchStages})`,
          run,
        ),
      db,
    );
    await db.run('DELETE FROM patches WHERE run_id = $1', run);
    await db.run('DELETE FROM effects WHERE run_id = $1', run);
    await db.run('DELETE FROM timers WHERE id = $1', timer);
  }
}

/** Repeats a deletion that takes some rows at a time, letting others write in between; returns how many went. */
async function inBatches(erase: (sql: Sql) => Promise<number>, db: Database): Promise<number> {
  let all = 0;
  for (let gone = await erase(db); gone > 0; gone = await erase(db)) all += gone;
  return all;
}

/** What of everything but runs is older than `keptMs`, by kind: how much was deleted. */
export async function deleteOldRows(db: Database, keptMs: number): Promise<Record<OldRows, number>> {
  const counts = {} as Record<OldRows, number>;
  for (const [kind, { table, key, where, leastKeptMs }] of Object.entries(oldRows)) {
    const old = Math.max(keptMs, leastKeptMs);
    const some = `SELECT ${key} FROM ${table} WHERE ${where(`${db.nowMs} - $1`)} LIMIT ${batchRows}`;
    const erase = (sql: Sql) =>
      sql.run(`DELETE FROM ${table} WHERE ${key.includes(',') ? `(${key})` : key} IN (${some})`, old);
    counts[kind as OldRows] = await inBatches(erase, db);
  }
  return counts;
}

interface OldTable {
  table: string;
  key: string;
  where: (since: string) => string;
  leastKeptMs: number;
}

/** Ids of deliveries are kept well beyond the days in which GitHub delivers one again. */
const oldRows = {
  deliveries: {
    table: 'deliveries',
    key: 'seq',
    where: (since: string) => `finished_at_ms < ${since}`,
    leastKeptMs: 7 * dayMs,
  },
  reservations: {
    table: 'reservations',
    key: 'id',
    where: (since: string) => `made_at_ms < ${since}`,
    leastKeptMs: 7 * dayMs,
  },
  // Of runs they go with the run; the rest is of commands, each of which counts once.
  effects: {
    table: 'effects',
    key: 'run_id, effect_key',
    where: (since: string) => `made_at_ms < ${since} AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.id = effects.run_id)`,
    leastKeptMs: 7 * dayMs,
  },
  budgets: {
    table: 'limits',
    key: 'budget',
    where: (since: string) => `(budget LIKE 'repo:%' OR budget LIKE 'org:%') AND updated_at_ms < ${since}`,
    leastKeptMs: budgetsKeptMs,
  },
  // A cache: what a kept run needs of it is made again.
  baselines: {
    table: 'baselines',
    key: 'key',
    where: (since: string) => `made_at_ms < ${since}`,
    leastKeptMs: 7 * dayMs,
  },
  // A row an attempt, and one a repository and week: trends outlive the runs that they tell of.
  records: {
    table: 'records',
    key: 'run_id, attempt',
    where: (since: string) =>
      `ended_at_ms < ${since} AND due = 0 AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.id = records.run_id)`,
    leastKeptMs: recordsKeptMs,
  },
  record_weeks: {
    table: 'record_weeks',
    key: 'repository, week',
    where: (since: string) => `week < (${since}) / ${weekMs} - 1 AND stale = 0`,
    leastKeptMs: recordsKeptMs,
  },
  // What lessons are drawn from and scored by, as long as the records that they are held against.
  causes: {
    table: 'causes',
    key: 'run_id, attempt, signature',
    where: (since: string) => `at_ms < ${since}`,
    leastKeptMs: recordsKeptMs,
  },
  lesson_uses: {
    table: 'lesson_uses',
    key: 'lesson_id, run_id, attempt',
    where: (since: string) => `at_ms < ${since}`,
    leastKeptMs: recordsKeptMs,
  },
  counters: {
    table: 'counters',
    key: 'id',
    where: (since: string) => `updated_at_ms < ${since}`,
    leastKeptMs: 7 * dayMs,
  },
} as const satisfies Record<string, OldTable>;
export type OldRows = keyof typeof oldRows;

/**
 * Repositories, by name and GitHub's number, whose mirrors hold what nobody else has or a run needs: of runs that are alive, whose pull request may be
 * open, whose revert waits for its checks, or that failed or were stopped less than `recentMs` ago and may be taken up again.
 */
export async function repositoriesInUse(
  db: Database,
  recentMs: number,
): Promise<{ repository: string; id: number | null }[]> {
  return await db.all<{ repository: string; id: number | null }>(
    `SELECT DISTINCT r.repository, p.id FROM runs r LEFT JOIN repositories p ON p.key = r.repository
     WHERE r.ended_at_ms IS NULL
       OR (r.state IN ('failed', 'stopped') AND r.updated_at_ms > ${db.nowMs} - $1)
       OR (${mayHaveOpenPullRequest('r')} AND r.id = (
         SELECT n.id FROM runs n WHERE n.repository = r.repository AND n.issue = r.issue
         ORDER BY n.created_at_ms DESC, n.id DESC LIMIT 1
       ))
       OR EXISTS (SELECT 1 FROM timers t WHERE t.id = 'rollback:' || r.id)`,
    recentMs,
  );
}
