import type { RunState } from '../run.ts';
import type { Database, Sql } from './database.ts';
import { appendIn } from './ledger.ts';

/** The end, or the wait, of one attempt. A later word on it, such as that its pull request was merged, replaces the one before. */
export interface EndRecord {
  runId: string;
  attempt: number;
  /** `host/owner/name`, in lower case. */
  repository: string;
  issue: number;
  state: RunState;
  /** The outcome's code; empty for what a store of an older version left. */
  outcome: string;
  /** Database clock. */
  endedAtMs: number;
  /** How many ends of it have not been measured; what was measured for an older count is out of date. */
  due: number;
}

/** What an end came to. Counts and times are of the whole run so far, unless they say otherwise. */
export interface Measures {
  stage: string;
  /** Of this attempt: where verification sent it back or stopped it, and by which findings. */
  sentBack: { round: number; findings: string[] }[];
  rounds: number;
  /** Times that work was done again: rounds after a verdict, and attempts after `/retry` or failing CI. */
  rework: number;
  /** Whether verification has judged anything. */
  judged: boolean;
  firstRoundPass: boolean;
  /** From the label to the first patch that verification lets through. */
  patchMs: number | null;
  /** From the opened pull request to its merge or close. */
  reviewMs: number | null;
  turns: number;
  tokens: number;
  /** Null when a call has no known price. */
  costUsd: number | null;
}

export const causeKinds = [
  'check',
  'environment',
  'gate',
  'flaky',
  'contract',
  'limit',
  'end',
  'guidance',
  'review',
] as const;

/** Something that an attempt failed with, was sent back for, or had to be told: a lesson, should it repeat. Everything in it may be hostile. */
export interface Cause {
  /** `kind:hash`, the same in every run. */
  signature: string;
  kind: (typeof causeKinds)[number];
  /** Kind of a check, name of a gate or a limit, fields of a contract, a path. */
  subject: string;
  /** What is the same in every run, in one order. */
  lines: string[];
  /** Files of the repository that it is about. */
  paths: string[];
  /** Of a check. */
  command?: string | null;
  /** Refused connections of a check that could not run, as `host:port`. */
  hosts?: string[];
  /** Fields of a refused contract. */
  fields?: string[];
  /** Words of a person who may command, or of a model, as they were. */
  words?: string;
}

/** Milliseconds from Monday, 29 December 1969 to the epoch, and of a week: weeks are counted from there, in UTC. */
export const weekOffsetMs = 3 * 24 * 60 * 60_000;
export const weekMs = 7 * 24 * 60 * 60_000;

/** Writes down that an attempt has ended or waits, in the transaction that says so. What it came to is measured afterwards. */
export async function noteEnd(db: Database, sql: Sql, runId: string, outcome: string): Promise<void> {
  // The records before the weeks, as everywhere: in another order two changes would wait for each other.
  await sql.run('UPDATE records SET due = due WHERE run_id = $1', runId);
  // Before and after: an end that moves to another week changes both.
  await markWeeks(sql, runId);
  await sql.run(
    `INSERT INTO records (run_id, attempt, repository, issue, pull_request, latest, state, outcome, ended_at_ms, week, due)
     SELECT id, attempt, repository, issue, pull_request, 1, state, CAST($2 AS TEXT), ${db.nowMs},
       (${db.nowMs} + ${weekOffsetMs}) / ${weekMs}, 1 FROM runs WHERE id = $1
     ON CONFLICT (run_id, attempt) DO UPDATE SET state = excluded.state, outcome = excluded.outcome,
       pull_request = excluded.pull_request, ended_at_ms = excluded.ended_at_ms, week = excluded.week, due = records.due + 1`,
    runId,
    outcome,
  );
  await sql.run(
    `UPDATE records SET latest = 0 WHERE run_id = $1 AND latest = 1
       AND attempt < (SELECT attempt FROM runs WHERE id = $1)`,
    runId,
  );
  await markWeeks(sql, runId);
}

/** The sums of the weeks in which a run has ended have to be made anew. Call it in the transaction that changes its records. */
export async function markWeeks(sql: Sql, runId: string): Promise<void> {
  await sql.run(
    `INSERT INTO record_weeks (repository, week, stale, data)
     SELECT DISTINCT repository, week, 1, '' FROM records WHERE run_id = $1 ORDER BY repository, week
     ON CONFLICT (repository, week) DO UPDATE SET stale = record_weeks.stale + 1`,
    runId,
  );
}

interface RecordRow {
  run_id: string;
  attempt: number;
  repository: string;
  issue: number;
  state: RunState;
  outcome: string;
  ended_at_ms: number;
  due: number;
}

/** Ends that have not been measured yet, oldest first. */
export async function dueRecords(db: Database, limit: number): Promise<EndRecord[]> {
  const rows = await db.all<RecordRow>(
    `SELECT run_id, attempt, repository, issue, state, outcome, ended_at_ms, due FROM records WHERE due > 0
     ORDER BY ended_at_ms LIMIT $1`,
    limit,
  );
  return rows.map((row) => ({
    runId: row.run_id,
    attempt: row.attempt,
    repository: row.repository,
    issue: row.issue,
    state: row.state,
    outcome: row.outcome,
    endedAtMs: row.ended_at_ms,
    due: row.due,
  }));
}

/**
 * Writes what an end came to, once, into its row and the ledger, with its causes; false when it is measured already or has ended anew
 * meanwhile. `also` runs in the same transaction with the causes that are new.
 */
export async function saveMeasures(
  db: Database,
  end: EndRecord,
  measures: Measures,
  signs: { causes: readonly Cause[]; failure: string | null },
  also: (sql: Sql, causes: readonly Cause[]) => Promise<void> = async () => {},
): Promise<boolean> {
  const saved = await db.transaction(async (sql) => {
    // The run's row first, as whatever ends it does: in another order the two would wait for each other.
    await sql.run('UPDATE runs SET updated_at_ms = updated_at_ms WHERE id = $1', end.runId);
    const changed = await sql.run(
      `UPDATE records SET due = 0, outcome = $4, stage = $5, sent_back = $6, rounds = $7, rework = $8, judged = $9,
         first_round_pass = $10, patch_ms = $11, review_ms = $12, turns = $13, tokens = $14, micro_usd = $15, unpriced = $16,
         signature = CAST($17 AS TEXT), repeated = CASE WHEN EXISTS (SELECT 1 FROM causes
           WHERE repository = $18 AND signature = CAST($17 AS TEXT) AND run_id <> $1) THEN 1 ELSE 0 END
       WHERE run_id = $1 AND attempt = $2 AND due = $3`,
      end.runId,
      end.attempt,
      end.due,
      end.outcome,
      measures.stage,
      JSON.stringify(measures.sentBack),
      measures.rounds,
      measures.rework,
      measures.judged ? 1 : 0,
      measures.firstRoundPass ? 1 : 0,
      measures.patchMs,
      measures.reviewMs,
      measures.turns,
      measures.tokens,
      Math.ceil((measures.costUsd ?? 0) * 1e6),
      measures.costUsd === null ? 1 : 0,
      signs.failure,
      end.repository,
    );
    if (changed === 0) return false;
    await markWeeks(sql, end.runId);
    await also(sql, await insertCauses(db, sql, end, signs.causes));
    const { causes, failure } = signs;
    const signatures = causes.map(({ signature }) => signature);
    const data = { outcome: end.outcome, state: end.state, ...measures, failure, signatures };
    await appendIn(db, sql, { runId: end.runId, attempt: end.attempt, kind: 'learn.record', data });
    return true;
  });
  if (saved) await db.wake('events');
  return saved;
}

async function insertCauses(db: Database, sql: Sql, end: EndRecord, causes: readonly Cause[]): Promise<Cause[]> {
  const fresh: Cause[] = [];
  for (const cause of causes) {
    const { signature, kind, ...data } = cause;
    const made = await sql.run(
      `INSERT INTO causes (run_id, attempt, signature, repository, issue, kind, data, at_ms)
       VALUES ($1, $2, $3, $4, $5, $6, $7, ${db.nowMs}) ON CONFLICT (run_id, attempt, signature) DO NOTHING`,
      end.runId,
      end.attempt,
      signature,
      end.repository,
      end.issue,
      kind,
      JSON.stringify(data),
    );
    if (made > 0) fresh.push(cause);
  }
  return fresh;
}

/** An end that cannot be measured is left as it is, so that it keeps none of the others back. */
export async function giveUpMeasuring(db: Database, end: EndRecord): Promise<void> {
  const undo = 'UPDATE records SET due = 0 WHERE run_id = $1 AND attempt = $2 AND due = $3';
  await db.run(undo, end.runId, end.attempt, end.due);
}
