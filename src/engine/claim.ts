import { MillwrightError } from '../errors.ts';
import type { Outcome, Run } from '../run.ts';
import { chooseQueued } from './choose.ts';
import type { Database, Sql } from './database.ts';
import { appendIn } from './ledger.ts';
import { type RunRow, runOf } from './run-rows.ts';
import { wholeMs } from './whole-ms.ts';

/** How long a claim lasts without a heartbeat. A crashed worker's run is taken over after it (HOUSE §3). */
export const leaseMs = 10_000;

/** The right to work on a run. Every write carries `epoch`; after a takeover an older one changes nothing. */
export interface Lease {
  /** As it was when claimed. */
  run: Run;
  /** Id of the worker. */
  owner: string;
  epoch: number;
  /** Whether another worker lost it. */
  takenOver: boolean;
}

export interface ClaimOptions {
  /** Most runs at once over all workers; none when absent. */
  global?: number;
  leaseMs?: number;
}

/**
 * Takes the next run for a worker, or null when there is none that its limits allow: first a run whose worker died
 * (its `failures` counts one more), then, of the organisation with the fewest running, the one of highest priority that
 * waits longest. Serialised over all machines, so that no limit is ever exceeded.
 * Errors: `outside.database`.
 */
export async function claimRun(
  db: Database,
  worker: { id: string; capacity: number },
  options: ClaimOptions = {},
): Promise<Lease | null> {
  // Looked at without the lock first, so that idle workers do not stand in each other's way.
  if (!(await anythingToClaim(db))) return null;
  const lease = await db.transaction((sql) => claimIn(db, sql, worker, options), { claimLock: true });
  if (lease) await Promise.all([db.wake('events'), db.wake('runs')]);
  return lease;
}

async function anythingToClaim(db: Database): Promise<boolean> {
  const rows = await db.all(
    `SELECT id FROM (SELECT id FROM runs WHERE state = 'queued' AND run_after_ms <= ${db.nowMs} LIMIT 1) AS due
     UNION ALL
     SELECT id FROM (SELECT id FROM runs WHERE state = 'running' AND lease_until_ms < ${db.nowMs} LIMIT 1) AS expired`,
  );
  return rows.length > 0;
}

async function claimIn(
  db: Database,
  sql: Sql,
  worker: { id: string; capacity: number },
  options: ClaimOptions,
): Promise<Lease | null> {
  const running = await sql.all<RunningRow>(
    `SELECT id, repository, organization, lease_owner,
       CASE WHEN lease_until_ms < ${db.nowMs} THEN 1 ELSE 0 END AS expired
     FROM runs WHERE state = 'running' ORDER BY lease_until_ms`,
  );
  const own = running.filter((row) => row.lease_owner === worker.id && row.expired === 0);
  if (own.length >= worker.capacity) return null;
  // A takeover adds nothing to any count but the worker's own: the run has been counted all along.
  const orphan = running.find((row) => row.expired === 1);
  if (orphan) return await take(db, sql, orphan.id, worker.id, options, 1);
  if (running.length >= (options.global ?? Number.POSITIVE_INFINITY)) return null;
  const chosen = await chooseQueued(db, sql, running);
  return chosen === null ? null : await take(db, sql, chosen, worker.id, options, 0);
}

interface RunningRow {
  id: string;
  repository: string;
  organization: string;
  lease_owner: string;
  expired: number;
}

async function take(
  db: Database,
  sql: Sql,
  runId: string,
  owner: string,
  options: ClaimOptions,
  failures: number,
): Promise<Lease | null> {
  const [row] = await sql.all<RunRow>(
    `UPDATE runs SET state = 'running', outcome = NULL, lease_owner = $2, lease_until_ms = ${db.nowMs} + $3, epoch = epoch + 1,
       failures = failures + $4, updated_at_ms = ${db.nowMs}
     WHERE id = $1 AND (state = 'queued' OR (state = 'running' AND lease_until_ms < ${db.nowMs})) RETURNING *`,
    runId,
    owner,
    options.leaseMs ?? leaseMs,
    failures,
  );
  // Its worker's heartbeat came between: it lives.
  if (!row) return null;
  await appendIn(db, sql, {
    runId,
    kind: 'run.state',
    data: { state: 'running', worker: owner, epoch: row.epoch, takenOver: failures > 0 },
  });
  return { run: runOf(row), owner, epoch: row.epoch, takenOver: failures > 0 };
}

/**
 * Says that the worker is alive (every `leaseMs` / 4) and hears whether someone asked to stop.
 * `held: false`: the run was taken over or ended; stop working on it, write nothing.
 */
export async function heartbeat(
  db: Database,
  lease: Lease,
  options: { leaseMs?: number } = {},
): Promise<{ held: boolean; cancel: { by: string; reason: string | null } | null }> {
  const [row] = await db.all<Pick<RunRow, 'cancel_at_ms' | 'cancel_by' | 'cancel_reason'>>(
    `UPDATE runs SET lease_until_ms = ${db.nowMs} + $3 WHERE id = $1 AND epoch = $2 AND state = 'running'
     RETURNING cancel_at_ms, cancel_by, cancel_reason`,
    lease.run.id,
    lease.epoch,
    options.leaseMs ?? leaseMs,
  );
  if (!row) return { held: false, cancel: null };
  if (row.cancel_at_ms === null) return { held: true, cancel: null };
  return { held: true, cancel: { by: row.cancel_by ?? '', reason: row.cancel_reason } };
}

/** Whether someone has asked a run to end that still goes on. */
export async function isCancelling(db: Database, runId: string): Promise<boolean> {
  const [row] = await db.all(
    `SELECT id FROM runs WHERE id = $1 AND state = 'running' AND cancel_at_ms IS NOT NULL`,
    runId,
  );
  return row !== undefined;
}

/** Ends the leases of a worker that is known to be dead, so that its runs and deliveries are taken over at once. */
export async function expireLeases(db: Database, owner: string): Promise<number> {
  await db.run(`UPDATE deliveries SET lease_until_ms = 0 WHERE state = 'new' AND owner = $1`, owner);
  const expired = await db.run(
    `UPDATE runs SET lease_until_ms = 0 WHERE state = 'running' AND lease_owner = $1`,
    owner,
  );
  if (expired > 0) await db.wake('runs');
  return expired;
}

/**
 * Hands a run back to the queue, where it may be claimed after `runAfterMs` milliseconds from now (default at once;
 * at once too when someone asked to stop, so that the next claim ends it). `outcome`: what it waits for, shown until it is claimed.
 * Errors: `run.lost-lease`.
 */
export async function releaseLease(
  db: Database,
  lease: Lease,
  options: { runAfterMs?: number; countFailure?: boolean; outcome?: Outcome } = {},
): Promise<void> {
  const runAfterMs = wholeMs(options.runAfterMs ?? 0);
  await db.transaction(async (sql) => {
    await holdLease(db, sql, lease);
    await sql.run(
      `UPDATE runs SET state = 'queued', lease_owner = NULL, lease_until_ms = NULL, failures = failures + $2,
         run_after_ms = ${db.nowMs} + CASE WHEN cancel_at_ms IS NULL THEN CAST($3 AS BIGINT) ELSE 0 END, outcome = $4
       WHERE id = $1`,
      lease.run.id,
      options.countFailure ? 1 : 0,
      runAfterMs,
      options.outcome === undefined ? null : JSON.stringify(options.outcome),
    );
    const { outcome } = options;
    const data = {
      state: 'queued',
      released: true,
      runAfterMs,
      ...(outcome ? { outcome } : {}),
    };
    await appendIn(db, sql, { runId: lease.run.id, kind: 'run.state', data });
  });
  await Promise.all([db.wake('events'), db.wake('runs')]);
}

/**
 * Begins every transaction that writes under a lease: locks the run's row, so that no takeover comes between.
 * Errors: `run.lost-lease` when the epoch is stale or the run is not running any more.
 */
export async function holdLease(db: Database, sql: Sql, lease: Lease): Promise<void> {
  const changed = await sql.run(
    `UPDATE runs SET updated_at_ms = ${db.nowMs} WHERE id = $1 AND epoch = $2 AND state = 'running'`,
    lease.run.id,
    lease.epoch,
  );
  if (changed === 0) {
    throw new MillwrightError('run.lost-lease', { message: `epoch ${lease.epoch} of ${lease.run.id} is over` });
  }
}
