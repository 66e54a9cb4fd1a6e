import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Database, Sql } from '../engine/database.ts';
import { type Cause, causeKinds } from '../engine/records.ts';
import { Undo } from './undo.ts';

/**
 * `new`: to be proposed · `open`: its pull request is · `active`: merged, and part of briefings · `closed`: a person does not want
 * it, so that its signature is silent · `retired`: taken out again.
 */
export type LessonState = 'new' | 'open' | 'active' | 'closed' | 'retired';

const LessonData = z.object({
  /** Of the proposal that takes another lesson out: that one's id. */
  removes: z.string().nullable().default(null),
  /** Whether a model was asked for the rule's sentence, and what it said; untrusted. */
  asked: z.boolean().default(false),
  sentence: z.string().nullable().default(null),
  /** The file that the proposal changes, and the lesson in one line of finished Markdown. */
  path: z.string().nullable().default(null),
  rule: z.string().nullable().default(null),
  /** Globs of what the lesson is about; none: everything. */
  about: z.array(z.string()).default([]),
  /** How the change is taken back; null for a rule, which is found by its mark, and in proposals of older versions. */
  undo: Undo.nullable().default(null),
});
export type LessonData = z.infer<typeof LessonData>;

export interface Lesson {
  id: string;
  /** `host/owner/name`, in lower case. */
  repository: string;
  signature: string;
  state: LessonState;
  data: LessonData;
  pullRequest: number | null;
  /** Changes that its pull request does not show yet. */
  due: number;
  createdAtMs: number;
  /** When its pull request was merged or closed. */
  decidedAtMs: number | null;
}

/** A run that a lesson was drawn from. */
export interface LessonRun {
  runId: string;
  attempt: number;
  issue: number;
  outcome: string;
  atMs: number;
  cause: Cause;
}

/** Attempts with one signature that make a lesson. */
const leastRuns = 2;
/** A lesson is left this long to whoever publishes it. */
const leaseMs = 60_000;
/** What no change of a repository mends. */
const notTeachable: readonly Cause['kind'][] = ['end'];

/** Names lesson, branch and pull request: the same for a signature of a repository, whoever asks. */
export function lessonId(repository: string, signature: string): string {
  return createHash('sha256').update(`${repository}\n${signature}`).digest('hex').slice(0, 10);
}

export const lessonBranch = (id: string) => `millwright/lesson-${id}`;

/** A lesson for each cause that has come again, to be proposed or shown anew; a silenced one stays silent. In the transaction that keeps the causes. */
export async function raiseLessons(
  db: Database,
  sql: Sql,
  repository: string,
  causes: readonly Cause[],
): Promise<void> {
  for (const { kind, signature } of causes) {
    if (notTeachable.includes(kind)) continue;
    const again = `(SELECT COUNT(DISTINCT run_id) FROM causes
       WHERE repository = CAST($1 AS TEXT) AND signature = CAST($2 AS TEXT)) >= ${leastRuns}`;
    const add = (id: string) =>
      sql.run(
        `INSERT INTO lessons (id, repository, signature, state, data, due, due_at_ms, created_at_ms, updated_at_ms)
         SELECT CAST($3 AS TEXT), CAST($1 AS TEXT), CAST($2 AS TEXT), 'new', '{}', 1, ${db.nowMs}, ${db.nowMs}, ${db.nowMs}
         WHERE ${again} ON CONFLICT DO NOTHING`,
        repository,
        signature,
        id,
      );
    if ((await add(lessonId(repository, signature))) > 0) continue;
    const known = await sql.run(
      `UPDATE lessons SET due = CASE WHEN state IN ('new', 'open') THEN due + 1 ELSE due END
       WHERE repository = $1 AND signature = $2 AND ${again}`,
      repository,
      signature,
    );
    // Its id may be that of a lesson which went along when another repository gave this name up.
    if (known === 0) await add(lessonId(`${repository}\n`, signature));
  }
}

interface LessonRow {
  id: string;
  repository: string;
  signature: string;
  state: LessonState;
  data: string;
  pull_request: number | null;
  due: number;
  created_at_ms: number;
  decided_at_ms: number | null;
}

function lessonOf(row: LessonRow): Lesson {
  return {
    id: row.id,
    repository: row.repository,
    signature: row.signature,
    state: row.state,
    data: LessonData.parse(JSON.parse(row.data)),
    pullRequest: row.pull_request,
    due: row.due,
    createdAtMs: row.created_at_ms,
    decidedAtMs: row.decided_at_ms,
  };
}

/** Takes the lesson that has waited longest to be shown; others leave it alone for a minute. Null when none waits. */
export async function takeDueLesson(db: Database): Promise<Lesson | null> {
  const due = `due > 0 AND due_at_ms <= ${db.nowMs}`;
  if ((await db.all(`SELECT id FROM lessons WHERE ${due} LIMIT 1`)).length === 0) return null;
  const [row] = await db.transaction(
    (sql) =>
      sql.all<LessonRow>(
        `UPDATE lessons SET due_at_ms = ${db.nowMs} + ${leaseMs}
         WHERE id = (SELECT id FROM lessons WHERE ${due} ORDER BY due_at_ms, id LIMIT 1) RETURNING *`,
      ),
    { claimLock: true },
  );
  return row ? lessonOf(row) : null;
}

/** What was to be shown is shown, or is not wanted. What has come since stays due, at once. */
export async function settleDue(db: Database, { id, due }: Lesson): Promise<void> {
  await db.run(`UPDATE lessons SET due = due - $2, due_at_ms = ${db.nowMs} WHERE id = $1 AND due >= $2`, id, due);
}

export async function postponeLesson(db: Database, id: string, byMs: number): Promise<void> {
  await db.run(`UPDATE lessons SET due_at_ms = ${db.nowMs} + $2 WHERE id = $1`, id, byMs);
}

/** Keeps what a proposal is made of. Its state only moves on from where it was read. */
export async function saveProposal(
  db: Database,
  { id, state }: Lesson,
  change: { data: LessonData; state: LessonState; pullRequest: number | null },
): Promise<void> {
  await db.run(
    `UPDATE lessons SET data = $2, state = $3, pull_request = $4, updated_at_ms = ${db.nowMs} WHERE id = $1 AND state = $5`,
    id,
    JSON.stringify(change.data),
    change.state,
    change.pullRequest,
    state,
  );
}

export async function getLesson(db: Database, id: string): Promise<Lesson | null> {
  const [row] = await db.all<LessonRow>('SELECT * FROM lessons WHERE id = $1', id);
  return row ? lessonOf(row) : null;
}

export async function lessonByPullRequest(db: Database, repository: string, number: number): Promise<Lesson | null> {
  const one = 'SELECT * FROM lessons WHERE repository = $1 AND pull_request = $2';
  const [row] = await db.all<LessonRow>(one, repository, number);
  return row ? lessonOf(row) : null;
}

export async function lessonsOf(db: Database, repository: string, states: readonly LessonState[]): Promise<Lesson[]> {
  const named = states.map((_, index) => `$${index + 2}`).join(', ');
  const text = `SELECT * FROM lessons WHERE repository = $1 AND state IN (${named}) ORDER BY created_at_ms, id`;
  return (await db.all<LessonRow>(text, repository, ...states)).map(lessonOf);
}

/** Newest first, of these repositories. */
export async function newestLessons(db: Database, repositories: readonly string[], limit: number): Promise<Lesson[]> {
  if (repositories.length === 0) return [];
  const named = repositories.map((_, index) => `$${index + 2}`).join(', ');
  const text = `SELECT * FROM lessons WHERE repository IN (${named}) ORDER BY created_at_ms DESC, id LIMIT $1`;
  return (await db.all<LessonRow>(text, limit, ...repositories)).map(lessonOf);
}

/** Attempts with a signature, oldest first. */
export async function runsWith(db: Database, repository: string, signature: string): Promise<LessonRun[]> {
  const rows = await db.all<{
    run_id: string;
    attempt: number;
    issue: number;
    outcome: string | null;
    kind: string;
    data: string;
    at_ms: number;
  }>(
    `SELECT causes.run_id, causes.attempt, causes.issue, records.outcome, causes.kind, causes.data, causes.at_ms FROM causes
     LEFT JOIN records ON records.run_id = causes.run_id AND records.attempt = causes.attempt
     WHERE causes.repository = $1 AND causes.signature = $2 ORDER BY causes.at_ms, causes.run_id, causes.attempt`,
    repository,
    signature,
  );
  return rows.map((row) => ({
    runId: row.run_id,
    attempt: row.attempt,
    issue: row.issue,
    outcome: row.outcome ?? '',
    atMs: row.at_ms,
    cause: causeOf(row, signature),
  }));
}

/** What the newest attempt with a signature met, and in how many runs it was met; null where none is known any more. */
export async function causeWith(
  db: Database,
  repository: string,
  signature: string,
): Promise<{ cause: Cause; runs: number } | null> {
  const [row] = await db.all<{ kind: string; data: string; runs: number }>(
    `SELECT kind, data,
       (SELECT COUNT(DISTINCT run_id) FROM causes WHERE repository = $1 AND signature = $2) AS runs
     FROM causes WHERE repository = $1 AND signature = $2 ORDER BY at_ms DESC LIMIT 1`,
    repository,
    signature,
  );
  return row ? { cause: causeOf(row, signature), runs: Number(row.runs) } : null;
}

const causeOf = ({ kind, data }: { kind: string; data: string }, signature: string): Cause => ({
  ...(JSON.parse(data) as Cause),
  signature,
  kind: z.enum(causeKinds).parse(kind),
});

/** A person merged or closed the pull request, or opened it again. Told twice, it says the same. A taken-out lesson ends with the proposal to do so. */
export async function decideLesson(
  db: Database,
  lesson: Lesson,
  what: 'merged' | 'closed' | 'reopened',
): Promise<void> {
  const state: LessonState =
    what === 'merged' ? (lesson.data.removes === null ? 'active' : 'retired') : what === 'closed' ? 'closed' : 'open';
  await db.transaction(async (sql) => {
    const changed = await sql.run(
      `UPDATE lessons SET state = $2, decided_at_ms = ${what === 'reopened' ? 'NULL' : db.nowMs}, due = 0, updated_at_ms = ${db.nowMs}
       WHERE id = $1 AND state <> $2 AND state <> 'retired'`,
      lesson.id,
      state,
    );
    if (changed > 0 && what === 'merged' && lesson.data.removes !== null)
      await sql.run(`UPDATE lessons SET state = 'retired' WHERE id = $1`, lesson.data.removes);
  });
}
