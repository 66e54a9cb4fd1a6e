import type { Sql } from './database.ts';
import type { LimitRow } from './spend.ts';

/**
 * Moves what is kept of a repository to another name: runs, what they spent and set aside, records, lessons, commands that
 * were applied. A second time changes nothing. Call it in a transaction that holds the claim lock.
 */
export async function moveRepository(
  sql: Sql,
  from: string,
  to: { key: string; owner: string; name: string },
): Promise<void> {
  const organization = to.key.slice(0, to.key.lastIndexOf('/'));
  await sql.run(
    'UPDATE runs SET repository = $2, organization = $3, owner = $4, name = $5 WHERE repository = $1',
    from,
    to.key,
    organization,
    to.owner,
    to.name,
  );
  // First, so that a call that settles meanwhile finds its budgets where they will be.
  await moveReservations(sql, from, to.key);
  await moveSpend(sql, from, to.key);
  await moveRecords(sql, from, to.key);
  await sql.run(
    `UPDATE effects SET run_id = $2 WHERE run_id = $1
       AND effect_key NOT IN (SELECT effect_key FROM effects WHERE run_id = $2)`,
    `commands:${from}`,
    `commands:${to.key}`,
  );
}

/** What was learnt, and the sums of weeks, which are made anew under the new name. */
async function moveRecords(sql: Sql, from: string, to: string): Promise<void> {
  await sql.run('UPDATE records SET repository = $2 WHERE repository = $1', from, to);
  await sql.run('UPDATE causes SET repository = $2 WHERE repository = $1', from, to);
  await sql.run(
    `INSERT INTO record_weeks (repository, week, stale, data)
     SELECT CAST($2 AS TEXT), week, 1, '' FROM record_weeks WHERE repository = $1
     ON CONFLICT (repository, week) DO UPDATE SET stale = record_weeks.stale + 1`,
    from,
    to,
  );
  await sql.run('DELETE FROM record_weeks WHERE repository = $1', from);
  await sql.run(
    `UPDATE lessons SET repository = $2 WHERE repository = $1
       AND signature NOT IN (SELECT signature FROM lessons WHERE repository = $2)`,
    from,
    to,
  );
  await sql.run('DELETE FROM lessons WHERE repository = $1', from);
}

/** The same budget under the new name; one of another repository is left as it is. */
function moved(budget: string, from: string, to: string): string {
  if (budget.startsWith(`issue:${from}#`)) return `issue:${to}${budget.slice(`issue:${from}`.length)}`;
  if (`${budget}:`.startsWith(`repo:${from}:`)) return `repo:${to}${budget.slice(`repo:${from}`.length)}`;
  return budget;
}

async function moveReservations(sql: Sql, from: string, to: string): Promise<void> {
  const open = await sql.all<{ id: string; budgets: string }>(
    `SELECT id, budgets FROM reservations WHERE state = 'open' AND run_id IN (SELECT id FROM runs WHERE repository = $1)`,
    to,
  );
  for (const { id, budgets } of open) {
    const now = (JSON.parse(budgets) as string[]).map((budget) => moved(budget, from, to));
    await sql.run('UPDATE reservations SET budgets = $2 WHERE id = $1', id, JSON.stringify(now));
  }
}

async function moveSpend(sql: Sql, from: string, to: string): Promise<void> {
  const rows = await sql.all<{ budget: string }>(
    `SELECT budget FROM limits WHERE substr(budget, 1, $1) = $2 OR substr(budget, 1, $3) = $4 ORDER BY budget`,
    `issue:${from}#`.length,
    `issue:${from}#`,
    `repo:${from}`.length,
    `repo:${from}`,
  );
  for (const { budget } of rows) {
    const now = moved(budget, from, to);
    if (now === budget) continue;
    // Taken out first: what another process sets aside there at this moment is waited for, and comes along.
    const [taken] = await sql.all<LimitRow & { updated_at_ms: number }>(
      'DELETE FROM limits WHERE budget = $1 RETURNING *',
      budget,
    );
    if (!taken) continue;
    await sql.run(
      `INSERT INTO limits (budget, spent_micro_usd, spent_tokens, reserved_micro_usd, reserved_tokens, unpriced_calls, updated_at_ms)
       VALUES ($1, $2, $3, $4, $5, $6, $7)
       ON CONFLICT (budget) DO UPDATE SET
         spent_micro_usd = limits.spent_micro_usd + excluded.spent_micro_usd,
         spent_tokens = limits.spent_tokens + excluded.spent_tokens,
         reserved_micro_usd = limits.reserved_micro_usd + excluded.reserved_micro_usd,
         reserved_tokens = limits.reserved_tokens + excluded.reserved_tokens,
         unpriced_calls = limits.unpriced_calls + excluded.unpriced_calls`,
      now,
      taken.spent_micro_usd,
      taken.spent_tokens,
      taken.reserved_micro_usd,
      taken.reserved_tokens,
      taken.unpriced_calls,
      taken.updated_at_ms,
    );
  }
}
