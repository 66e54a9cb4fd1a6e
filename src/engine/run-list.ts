import type { Outcome, RunState, StageName } from '../run.ts';
import type { Database, SqlValue } from './database.ts';

/** A run as lists show it: without its contract, which may be long. */
export interface RunHead {
  id: string;
  repository: string;
  owner: string;
  name: string;
  issue: number;
  /** Of the issue, as pinned. */
  title: string;
  state: RunState;
  stage: StageName;
  attempt: number;
  outcome: Outcome | null;
  pullRequest: number | null;
  createdAtMs: number;
  updatedAtMs: number;
  endedAtMs: number | null;
}

export interface RunFilter {
  /** Any of these; all states when absent or empty. */
  states?: readonly RunState[];
  /** Keys of repositories, in lower case: those alone. */
  repository?: string;
  /** All but these. */
  without?: readonly string[];
  issue?: number;
  /** Part of the title, whatever its case (of ASCII letters). */
  text?: string;
  /** Only runs older than the one with this id. */
  before?: string;
  limit: number;
}

interface HeadRow {
  id: string;
  repository: string;
  owner: string;
  name: string;
  issue: number;
  title: string | null;
  state: RunState;
  stage: StageName;
  attempt: number;
  outcome: string | null;
  pull_request: number | null;
  created_at_ms: number;
  updated_at_ms: number;
  ended_at_ms: number | null;
}

const columns =
  'id, repository, owner, name, issue, title, state, stage, attempt, outcome, pull_request, created_at_ms, updated_at_ms, ended_at_ms';

/**
 * Newest first. Each state is looked up by itself: one index answers each, in the order wanted. A search for words looks through all
 * titles once instead, in an index of its own. Errors: `outside.database`.
 */
export async function listRunHeads(db: Database, filter: RunFilter): Promise<RunHead[]> {
  const { states = [], text } = filter;
  const looks = states.length === 0 || text !== undefined ? [states] : states.map((state) => [state]);
  const found = await Promise.all(looks.map((some) => headsOf(db, filter, some)));
  return found
    .flat()
    .toSorted((left, right) => (left.id < right.id ? 1 : -1))
    .slice(0, filter.limit);
}

async function headsOf(db: Database, filter: RunFilter, states: readonly RunState[]): Promise<RunHead[]> {
  const values: SqlValue[] = [];
  const bind = (value: SqlValue) => `$${values.push(value)}`;
  const conditions: string[] = [];
  const words = filter.text !== undefined;
  if (filter.text !== undefined)
    conditions.push(`LOWER(title) LIKE LOWER(${bind(`%${pattern(filter.text)}%`)}) ESCAPE '!'`);
  // Spelt otherwise than in the index of states where there are words: that one would be taken, and each row read for its title.
  if (states.length > 0) conditions.push(`(state || ${words ? `'' || ''` : `''`}) IN (${states.map(bind).join(', ')})`);
  if (filter.repository !== undefined) conditions.push(`repository = ${bind(filter.repository)}`);
  if (filter.issue !== undefined) conditions.push(`issue = ${bind(filter.issue)}`);
  if (filter.before !== undefined) conditions.push(`id < ${bind(filter.before)}`);
  if (filter.without && filter.without.length > 0)
    conditions.push(`repository NOT IN (${filter.without.map(bind).join(', ')})`);
  const where = conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : '';
  const limit = bind(filter.limit);
  const ids = `SELECT id FROM runs ${where} ORDER BY id DESC LIMIT ${limit}`;
  const source = words ? `WHERE id IN (${ids})` : where;
  const rows = await db.all<HeadRow>(
    `SELECT ${columns} FROM runs ${source} ORDER BY id DESC LIMIT ${limit}`,
    ...values,
  );
  return rows.map(headOf);
}

/** What is searched for, with the wildcards of LIKE made plain. Its case is left to the store: SQLite knows that of ASCII letters alone. */
const pattern = (text: string) => text.replace(/[!%_]/g, '!$&');

function headOf(row: HeadRow): RunHead {
  return {
    id: row.id,
    repository: row.repository,
    owner: row.owner,
    name: row.name,
    issue: row.issue,
    title: row.title ?? '',
    state: row.state,
    stage: row.stage,
    attempt: row.attempt,
    outcome: row.outcome === null ? null : (JSON.parse(row.outcome) as Outcome),
    pullRequest: row.pull_request,
    createdAtMs: row.created_at_ms,
    updatedAtMs: row.updated_at_ms,
    endedAtMs: row.ended_at_ms,
  };
}

/** Repositories that have runs, by name, at most `limit`. One step along an index each, however many runs there are. */
export async function repositoriesWithRuns(
  db: Database,
  limit: number,
): Promise<{ repository: string; owner: string; name: string }[]> {
  return await db.all(
    `WITH RECURSIVE known (repository) AS (
       SELECT MIN(repository) FROM runs
       UNION ALL
       SELECT (SELECT MIN(repository) FROM runs WHERE repository > known.repository) FROM known
       WHERE known.repository IS NOT NULL
     )
     SELECT runs.repository, runs.owner, runs.name FROM known
     JOIN runs ON runs.id = (SELECT MAX(id) FROM runs WHERE runs.repository = known.repository)
     ORDER BY runs.repository LIMIT $1`,
    limit,
  );
}
