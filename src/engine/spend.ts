import { randomUUID } from 'node:crypto';
import type { Database, Sql } from './database.ts';

/** One limit that a call counts against. Null: counted, not limited. */
export interface Budget {
  /** `issue:<repository>#<n>`, `repo:<repository>`, `org:<organization>`. */
  key: string;
  /** Begins anew each day (UTC, by the database's clock): a call counts on the day on which it is made. */
  daily?: boolean;
  limitUsd: number | null;
  limitTokens: number | null;
}

export interface Spent {
  usd: number;
  tokens: number;
  /** Worst case of the calls under way, and of those that were cut off and whose price nobody learnt. */
  reservedUsd: number;
  reservedTokens: number;
  /** Calls whose price is not known: `usd` is too small by these. */
  unpricedCalls: number;
}

/**
 * Sets the worst case of a call aside in every budget, or in none when one of them (its key is returned) has no room.
 * Exact for calls made at once from any number of machines. A reservation never settled (kill -9) stays counted.
 * `worstUsd` null: the price is unknown, dollars are not counted.
 */
export async function reserve(
  db: Database,
  call: { runId: string; budgets: readonly Budget[]; worstUsd: number | null; worstTokens: number },
): Promise<{ ok: true; reservation: string } | { ok: false; key: string }> {
  const reservation = randomUUID();
  const micro = call.worstUsd === null ? null : microUsd(call.worstUsd);
  const tokens = Math.ceil(call.worstTokens);
  // One order for everyone, so that two calls never wait for each other's rows.
  const budgets = call.budgets.toSorted((a, b) => (a.key < b.key ? -1 : 1));
  try {
    await db.transaction(async (sql) => {
      const { day } = await today(db, sql);
      for (const budget of budgets) {
        const row = rowOf(budget, day);
        if (!(await reserveIn(db, sql, { ...budget, key: row }, micro ?? 0, tokens))) throw new NoRoom(budget.key);
      }
      await sql.run(
        `INSERT INTO reservations (id, run_id, budgets, micro_usd, tokens, state, made_at_ms)
         VALUES ($1, $2, $3, $4, $5, 'open', ${db.nowMs})`,
        reservation,
        call.runId,
        JSON.stringify(budgets.map((budget) => rowOf(budget, day))),
        micro,
        tokens,
      );
    });
    return { ok: true, reservation };
  } catch (error) {
    if (error instanceof NoRoom) return { ok: false, key: error.key };
    throw error;
  }
}

/** Thrown to roll back what was set aside in the budgets before. */
class NoRoom extends Error {
  readonly key: string;
  constructor(key: string) {
    super(`no room in ${key}`);
    this.key = key;
  }
}

async function reserveIn(db: Database, sql: Sql, budget: Budget, micro: number, tokens: number): Promise<boolean> {
  await sql.run(
    `INSERT INTO limits (budget, spent_micro_usd, spent_tokens, reserved_micro_usd, reserved_tokens, unpriced_calls,
       updated_at_ms) VALUES ($1, 0, 0, 0, 0, 0, ${db.nowMs}) ON CONFLICT (budget) DO NOTHING`,
    budget.key,
  );
  const changed = await sql.run(
    `UPDATE limits SET reserved_micro_usd = reserved_micro_usd + $2, reserved_tokens = reserved_tokens + $3,
       updated_at_ms = ${db.nowMs}
     WHERE budget = $1 AND spent_micro_usd + reserved_micro_usd + $2 <= $4
       AND spent_tokens + reserved_tokens + $3 <= $5`,
    budget.key,
    micro,
    tokens,
    storable((budget.limitUsd ?? Number.MAX_SAFE_INTEGER) * 1e6 + roundingSlack),
    storable(budget.limitTokens ?? Number.MAX_SAFE_INTEGER),
  );
  return changed > 0;
}

/**
 * Replaces a reservation by what the call really took. `usd` null: the price is not known; what was reserved counts.
 * A second time changes nothing.
 */
export async function settle(
  db: Database,
  reservation: string,
  actual: { usd: number | null; tokens: number },
): Promise<void> {
  await db.transaction(async (sql) => {
    const [row] = await sql.all<{ budgets: string; micro_usd: number | null; tokens: number }>(
      `UPDATE reservations SET state = 'settled' WHERE id = $1 AND state = 'open' RETURNING budgets, micro_usd, tokens`,
      reservation,
    );
    if (!row) return;
    const spent = actual.usd === null ? (row.micro_usd ?? 0) : microUsd(actual.usd);
    for (const key of JSON.parse(row.budgets) as string[]) {
      await sql.run(
        `UPDATE limits SET reserved_micro_usd = reserved_micro_usd - $2, reserved_tokens = reserved_tokens - $3,
           spent_micro_usd = spent_micro_usd + $4, spent_tokens = spent_tokens + $5,
           unpriced_calls = unpriced_calls + $6, updated_at_ms = ${db.nowMs} WHERE budget = $1`,
        key,
        row.micro_usd ?? 0,
        row.tokens,
        spent,
        // No server should count halves; PostgreSQL would refuse them.
        Math.ceil(actual.tokens),
        actual.usd === null ? 1 : 0,
      );
    }
  });
  await db.wake('events');
}

const dayMs = 24 * 60 * 60_000;

async function today(db: Database, sql: Sql): Promise<{ day: string; leftMs: number }> {
  const [row] = await sql.all<{ now_ms: number }>(`SELECT ${db.nowMs} AS now_ms`);
  const nowMs = Number(row?.now_ms);
  return { day: new Date(nowMs).toISOString().slice(0, 10), leftMs: dayMs - (nowMs % dayMs) };
}

const rowOf = ({ key, daily }: Pick<Budget, 'key' | 'daily'>, day: string) => (daily ? `${key}:${day}` : key);

/** Milliseconds until daily budgets begin anew. */
export async function untilTomorrowMs(db: Database): Promise<number> {
  return (await today(db, db)).leftMs;
}

/** What calls of a run set aside that never settled: under way, or cut off. They count as spent. */
export async function unsettledOf(
  db: Database,
  runId: string,
): Promise<{ calls: number; usd: number; tokens: number }> {
  const [row] = await db.all<{ calls: number; micro_usd: number | null; tokens: number | null }>(
    `SELECT COUNT(*) AS calls, CAST(SUM(micro_usd) AS BIGINT) AS micro_usd, CAST(SUM(tokens) AS BIGINT) AS tokens
     FROM reservations WHERE run_id = $1 AND state = 'open'`,
    runId,
  );
  return { calls: Number(row?.calls ?? 0), usd: (row?.micro_usd ?? 0) / 1e6, tokens: row?.tokens ?? 0 };
}

/** What a budget has taken so far, a daily one today; zeros for one never used. */
export async function spentOn(db: Database, budget: string | Pick<Budget, 'key' | 'daily'>): Promise<Spent> {
  const key = typeof budget === 'string' ? budget : rowOf(budget, (await today(db, db)).day);
  const [row] = await db.all<LimitRow>('SELECT * FROM limits WHERE budget = $1', key);
  return {
    usd: (row?.spent_micro_usd ?? 0) / 1e6,
    tokens: row?.spent_tokens ?? 0,
    reservedUsd: (row?.reserved_micro_usd ?? 0) / 1e6,
    reservedTokens: row?.reserved_tokens ?? 0,
    unpricedCalls: row?.unpriced_calls ?? 0,
  };
}

/** The same of several budgets at once, for lists; those never used are not among them. */
export async function spentOnIssues(
  db: Database,
  keys: readonly string[],
): Promise<{ key: string; usd: number; unpricedCalls: number }[]> {
  if (keys.length === 0) return [];
  const rows = await db.all<LimitRow & { budget: string }>(
    `SELECT * FROM limits WHERE budget IN (${keys.map((_, index) => `$${index + 1}`).join(', ')})`,
    ...keys,
  );
  return rows.map((row) => ({ key: row.budget, usd: row.spent_micro_usd / 1e6, unpricedCalls: row.unpriced_calls }));
}

/** A row of `limits`. */
export interface LimitRow {
  spent_micro_usd: number;
  spent_tokens: number;
  reserved_micro_usd: number;
  reserved_tokens: number;
  unpriced_calls: number;
}

/** A limit may be any number; one that no column could hold is none. */
const storable = (limit: number) => Math.min(Math.floor(limit), Number.MAX_SAFE_INTEGER);

/** What a product of decimals may be off by, in micro-dollars: 0.1 × 3 is not 0.3 for a float. */
const roundingSlack = 1e-4;

/** Rounded up: the ledger never counts less than the provider. */
function microUsd(usd: number): number {
  return Math.ceil(usd * 1e6 - roundingSlack);
}
