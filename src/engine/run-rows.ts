import { AttemptStart, Outcome, type Run, RunRequest, type RunState, type StageName } from '../run.ts';
import type { SqlValue } from './database.ts';

/** Which runs are asked for: those for which all of it holds. */
export interface RunQuery {
  states?: readonly RunState[];
  repository?: string;
  issue?: number;
  headSha?: string;
  limit?: number;
  before?: string;
}

/** A row of `runs`. */
export interface RunRow {
  id: string;
  repository: string;
  organization: string;
  owner: string;
  name: string;
  installation_id: number;
  issue: number;
  state: RunState;
  stage: StageName;
  attempt: number;
  start: string;
  request: string;
  outcome: string | null;
  /** Of `outcome`, for what counts and selects runs. */
  outcome_code: string | null;
  branch: string;
  pull_request: number | null;
  head_sha: string | null;
  priority: number;
  run_after_ms: number;
  lease_owner: string | null;
  lease_until_ms: number | null;
  epoch: number;
  failures: number;
  cancel_by: string | null;
  cancel_reason: string | null;
  cancel_at_ms: number | null;
  limit_repository: number;
  limit_organization: number;
  created_at_ms: number;
  updated_at_ms: number;
  ended_at_ms: number | null;
}

/** A policy may name any number of runs at once; the column holds those below 2^31. */
export const storableLimit = (runs: number | undefined) =>
  runs === undefined ? undefined : Math.min(runs, 2 ** 31 - 1);

/** GitHub's own limit. A longer one, of a contract in a file, would not fit into PostgreSQL's indexes. */
const longestTitleChars = 256;

/** The column beside the request, for lists and searches. */
export const titleOf = (request: RunRequest): string => request.title.slice(0, longestTitleChars);

export function runOf(row: RunRow): Run {
  return {
    id: row.id,
    repository: row.repository,
    owner: row.owner,
    name: row.name,
    installationId: row.installation_id,
    issue: row.issue,
    state: row.state,
    stage: row.stage,
    attempt: row.attempt,
    start: AttemptStart.parse(JSON.parse(row.start)),
    request: RunRequest.parse(JSON.parse(row.request)),
    outcome: row.outcome === null ? null : Outcome.parse(JSON.parse(row.outcome)),
    branch: row.branch,
    pullRequest: row.pull_request,
    headSha: row.head_sha,
    priority: row.priority,
    runAfterMs: row.run_after_ms,
    epoch: row.epoch,
    failures: row.failures,
    createdAtMs: row.created_at_ms,
    updatedAtMs: row.updated_at_ms,
    endedAtMs: row.ended_at_ms,
  };
}

/** What may be written to a run beside its state. Absent fields stay as they are; `outcome: null` clears it. */
export interface RunFields {
  outcome?: Outcome | null;
  stage?: StageName;
  pullRequest?: number | null;
  headSha?: string | null;
  branch?: string;
  failures?: number;
  /** Concurrency of this run's repository and organisation, once its policy is known. */
  limits?: { repository: number; organization: number };
}

/** `column = $n` of each field present, numbered from `first`, with the values in the same order. */
export function assignments(fields: RunFields, first: number): { sets: string[]; values: SqlValue[] } {
  const columns: [string, SqlValue | undefined][] = [
    ['outcome', fields.outcome === undefined ? undefined : fields.outcome && JSON.stringify(fields.outcome)],
    ['outcome_code', fields.outcome === undefined ? undefined : (fields.outcome?.code ?? null)],
    ['stage', fields.stage],
    ['pull_request', fields.pullRequest],
    ['head_sha', fields.headSha],
    ['branch', fields.branch],
    ['failures', fields.failures],
    ['limit_repository', storableLimit(fields.limits?.repository)],
    ['limit_organization', storableLimit(fields.limits?.organization)],
  ];
  const present = columns.filter((column): column is [string, SqlValue] => column[1] !== undefined);
  return {
    sets: present.map(([column], index) => `${column} = $${first + index}`),
    values: present.map(([, value]) => value),
  };
}
