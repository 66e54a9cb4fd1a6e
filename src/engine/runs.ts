import {
  type AttemptStart,
  liveStates,
  mayMove,
  type Outcome,
  type Run,
  type RunRequest,
  type RunState,
  stageNames,
} from '../run.ts';
import { holdLease, type Lease } from './claim.ts';
import type { Database, Sql, SqlValue } from './database.ts';
import { isDone } from './effects.ts';
import { appendIn } from './ledger.ts';
import { insertRun, type NewRun, priorityOf } from './new-run.ts';
import { noteEnd } from './records.ts';
import { assignments, type RunFields, type RunQuery, type RunRow, runOf, titleOf } from './run-rows.ts';
import { carrySteps } from './steps.ts';

/** Puts an issue in the queue; an issue that has a live run already gets that one back. Errors: `outside.database`. */
export async function enqueueRun(db: Database, run: NewRun): Promise<{ run: Run; created: boolean }> {
  const result = await db.transaction(
    async (sql) => {
      const [live] = await sql.all<RunRow>(liveRunSql, run.repository, run.issue);
      if (live) return { run: runOf(live), created: false };
      const row = await insertRun(db, sql, run);
      await appendState(db, sql, row.id, { state: 'queued', by: run.start.by, reason: run.start.reason });
      return { run: runOf(row), created: true };
    },
    { claimLock: true },
  );
  if (result.created) await wakeAll(db);
  return result;
}

const setRequestSql = 'UPDATE runs SET request = $2, title = $3 WHERE id = $1 RETURNING *';
const liveRunSql = `SELECT * FROM runs WHERE repository = $1 AND issue = $2 AND state IN ('queued', 'running', 'waiting')`;

export const getRun = async (db: Database, id: string): Promise<Run | null> =>
  firstRun(await db.all<RunRow>('SELECT * FROM runs WHERE id = $1', id));

/** The queued, running or waiting run of an issue; there is never more than one. */
export async function liveRun(db: Database, repository: string, issue: number): Promise<Run | null> {
  return firstRun(await db.all<RunRow>(liveRunSql, repository, issue));
}

export async function latestRun(db: Database, repository: string, issue: number): Promise<Run | null> {
  const latest = 'SELECT * FROM runs WHERE repository = $1 AND issue = $2 ORDER BY created_at_ms DESC, id DESC LIMIT 1';
  return firstRun(await db.all<RunRow>(latest, repository, issue));
}

/** The newest run whose pull request this is. */
export async function runByPullRequest(db: Database, repository: string, pullRequest: number): Promise<Run | null> {
  const newest =
    'SELECT * FROM runs WHERE repository = $1 AND pull_request = $2 ORDER BY created_at_ms DESC, id DESC LIMIT 1';
  return firstRun(await db.all<RunRow>(newest, repository, pullRequest));
}

/** Newest first, at most `limit` (default 50); `before` is the id of the last run of the page before. */
export async function listRuns(db: Database, options: RunQuery = {}): Promise<Run[]> {
  const values: SqlValue[] = [];
  const bind = (value: SqlValue) => `$${values.push(value)}`;
  const conditions = [
    options.states && `state IN (${['', ...options.states].map(bind).join(', ')})`,
    options.repository !== undefined && `repository = ${bind(options.repository)}`,
    options.issue !== undefined && `issue = ${bind(options.issue)}`,
    options.headSha !== undefined && `head_sha = ${bind(options.headSha)}`,
    options.before !== undefined && `id < ${bind(options.before)}`,
  ].filter((condition) => typeof condition === 'string');
  const where = conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : '';
  const limit = bind(options.limit ?? 50);
  const rows = await db.all<RunRow>(`SELECT * FROM runs ${where} ORDER BY id DESC LIMIT ${limit}`, ...values);
  return rows.map(runOf);
}

/**
 * Begins the next attempt of a run that waits or has ended: back to the queue, failures and a stop request forgotten,
 * the saved steps of the stages before `start.from` carried over, `change` applied to the request.
 * Null when it is queued or running already, or another run of the issue is live. A `start.cause` that has begun an
 * attempt of the run before begins none: the run is returned as it is.
 */
export async function beginAttempt(
  db: Database,
  runId: string,
  start: AttemptStart,
  change: RequestChange = {},
): Promise<Run | null> {
  const run = await db.transaction(
    async (sql) => {
      const [old] = await sql.all<RunRow>('SELECT * FROM runs WHERE id = $1', runId);
      if (!old) return null;
      if (start.cause && (await isDone(sql, runId, `attempt:${start.cause}`))) return runOf(old);
      if (!['waiting', 'done', 'failed', 'stopped'].includes(old.state)) return null;
      const [live] = await sql.all<RunRow>(liveRunSql, old.repository, old.issue);
      if (live && live.id !== runId) return null;
      if (start.cause) await rememberBegun(db, sql, runId, start.cause);
      const request = changedRequest(old, change);
      const [row] = await sql.all<RunRow>(
        `UPDATE runs SET state = 'queued', stage = $3, attempt = attempt + 1, start = $4, request = $5, title = $6, outcome = NULL,
           outcome_code = NULL, priority = $7,
           failures = 0, run_after_ms = ${db.nowMs}, ended_at_ms = NULL,
           cancel_at_ms = NULL, cancel_by = NULL, cancel_reason = NULL
         WHERE id = $1 AND state = $2 RETURNING *`,
        runId,
        old.state,
        start.from,
        JSON.stringify(start),
        JSON.stringify(request),
        titleOf(request),
        priorityOf(start),
      );
      if (!row) return null;
      const before = stageNames.slice(0, stageNames.indexOf(start.from));
      await carrySteps(sql, { runId, from: old.attempt, to: row.attempt, stages: before });
      const { by, reason, from, guidance } = start;
      const said = guidance === null ? {} : { guidance };
      await appendState(db, sql, runId, { state: 'queued', by, reason, from, ...said });
      return runOf(row);
    },
    { claimLock: true },
  );
  if (run) await wakeAll(db);
  return run;
}

async function rememberBegun(db: Database, sql: Sql, runId: string, cause: string): Promise<void> {
  await sql.run(
    `INSERT INTO effects (run_id, effect_key, result, made_at_ms) VALUES ($1, $2, 'null', ${db.nowMs})`,
    runId,
    `attempt:${cause}`,
  );
}

/** New values, or how they follow from the old ones (for lists that several people may add to). */
export type RequestChange = Partial<RunRequest> | ((request: RunRequest) => Partial<RunRequest>);

/** Changes the pinned request of a run in any state; null when there is no such run. */
export async function updateRequest(db: Database, runId: string, change: RequestChange): Promise<Run | null> {
  const run = await db.transaction(
    async (sql) => {
      const [old] = await sql.all<RunRow>('SELECT * FROM runs WHERE id = $1', runId);
      if (!old) return null;
      const request = changedRequest(old, change);
      const rows = await sql.all<RunRow>(setRequestSql, runId, JSON.stringify(request), titleOf(request));
      await appendIn(db, sql, { runId, kind: 'run.request', data: request });
      return firstRun(rows);
    },
    { claimLock: true },
  );
  if (run) await wakeAll(db);
  return run;
}

function changedRequest(row: RunRow, change: RequestChange): RunRequest {
  const { request } = runOf(row);
  return { ...request, ...(typeof change === 'function' ? change(request) : change) };
}

/**
 * Asks a run to end. A running one is told by its heartbeat, and a wake-up of 'cancel', and ends through its worker
 * (`cancelling`); a queued, waiting or done one is `stopped` at once, as is a failed one that leaves a pull request open; any other has
 * `already-ended`.
 */
export async function requestCancel(
  db: Database,
  runId: string,
  cancel: { by: string; reason: string | null },
): Promise<'cancelling' | 'stopped' | 'already-ended'> {
  const answer = await db.transaction(
    async (sql) => {
      const running = await sql.run(
        `UPDATE runs SET cancel_at_ms = COALESCE(cancel_at_ms, ${db.nowMs}), cancel_by = COALESCE(cancel_by, $2),
           cancel_reason = COALESCE(cancel_reason, $3) WHERE id = $1 AND state = 'running'`,
        runId,
        cancel.by,
        cancel.reason,
      );
      if (running > 0) {
        await appendIn(db, sql, { runId, kind: 'run.cancel', data: cancel });
        return 'cancelling';
      }
      const outcome = {
        code: 'stopped',
        text: `Stopped by ${cancel.by}.`,
        question: null,
        detail: cancel.reason || null,
      };
      const [open] = await sql.all('SELECT id FROM runs WHERE id = $1 AND pull_request IS NOT NULL', runId);
      const from = ['queued', 'waiting', 'done', ...(open ? (['failed'] as const) : [])] as const;
      const stopped = await endIn(db, sql, runId, from, 'stopped', outcome, cancel);
      return stopped ? 'stopped' : 'already-ended';
    },
    { claimLock: true },
  );
  if (answer === 'cancelling') await db.wake('cancel');
  if (answer !== 'already-ended') await wakeAll(db);
  return answer;
}

/**
 * Ends (or, for `waiting`, parks) a run that no worker holds, or gives an ended one its last word, such as that its pull
 * request was merged. False when it is running, or may not move there.
 */
export async function endRun(
  db: Database,
  runId: string,
  state: Exclude<RunState, 'queued' | 'running'>,
  outcome: Outcome,
): Promise<boolean> {
  const from = (['queued', 'waiting', 'done', 'failed', 'stopped'] as const).filter(
    (old) => old === state || mayMove(old, state),
  );
  const ended = await db.transaction((sql) => endIn(db, sql, runId, from, state, outcome, {}), { claimLock: true });
  if (ended) await wakeAll(db);
  return ended;
}

async function endIn(
  db: Database,
  sql: Sql,
  runId: string,
  from: readonly RunState[],
  state: RunState,
  outcome: Outcome,
  data: object,
): Promise<boolean> {
  const changed = await sql.run(
    `UPDATE runs SET state = $2, outcome = $3, outcome_code = $4, ended_at_ms = ${endedAt(db, state)}
     WHERE id = $1 AND state IN (${from.map((old) => `'${old}'`).join(', ')})`,
    runId,
    state,
    JSON.stringify(outcome),
    outcome.code,
  );
  if (changed > 0) {
    await appendState(db, sql, runId, { state, outcome, ...data });
    await noteEnd(db, sql, runId, outcome.code);
  }
  return changed > 0;
}

/**
 * Ends or hands over a running run under its lease, which is over afterwards. False, and nothing is written, when
 * someone asked to stop it meanwhile and `to` is not where that leads: move it to `stopped` instead.
 * Errors: `run.lost-lease`; `bug.unexpected` for a move that the table in `run.ts` does not allow.
 */
export async function moveRun(db: Database, lease: Lease, to: RunState, fields: RunFields = {}): Promise<boolean> {
  if (!mayMove('running', to)) throw new Error(`a running run cannot become ${to}`);
  const runId = lease.run.id;
  const { sets, values } = assignments(fields, 3);
  const moved = await db.transaction(async (sql) => {
    await holdLease(db, sql, lease);
    const changed = await sql.run(
      `UPDATE runs SET ${[...sets, 'state = $2', 'lease_owner = NULL', 'lease_until_ms = NULL'].join(', ')},
         ended_at_ms = ${endedAt(db, to)}
       WHERE id = $1 ${to === 'stopped' || to === 'queued' ? '' : 'AND cancel_at_ms IS NULL'}`,
      runId,
      to,
      ...values,
    );
    if (changed > 0) {
      await appendState(db, sql, runId, { state: to, ...fields });
      if (to !== 'queued') await noteEnd(db, sql, runId, fields.outcome?.code ?? to);
    }
    return changed > 0;
  });
  if (moved) await wakeAll(db);
  return moved;
}

/** Writes to a running run under its lease. Errors: `run.lost-lease`. */
export async function updateRun(db: Database, lease: Lease, fields: RunFields): Promise<void> {
  const { sets, values } = assignments(fields, 2);
  await db.transaction(async (sql) => {
    await holdLease(db, sql, lease);
    if (sets.length === 0) return;
    await sql.run(`UPDATE runs SET ${sets.join(', ')} WHERE id = $1`, lease.run.id, ...values);
    await appendIn(db, sql, { runId: lease.run.id, kind: 'run.fields', data: fields });
  });
  await wakeAll(db);
}

/** When the run ended; a live one has not. An end already written stays. */
function endedAt(db: Database, state: RunState): string {
  return liveStates.includes(state) ? 'NULL' : `COALESCE(ended_at_ms, ${db.nowMs})`;
}

const appendState = (db: Database, sql: Sql, runId: string, data: object): Promise<void> =>
  appendIn(db, sql, { runId, kind: 'run.state', data });

const wakeAll = (db: Database): Promise<unknown> => Promise.all([db.wake('events'), db.wake('runs')]);

const firstRun = (rows: RunRow[]): Run | null => (rows[0] ? runOf(rows[0]) : null);
