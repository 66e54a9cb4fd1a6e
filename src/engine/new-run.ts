import { randomBytes } from 'node:crypto';
import type { AttemptStart, RunRequest } from '../run.ts';
import type { Database, Sql } from './database.ts';
import { type RunRow, storableLimit, titleOf } from './run-rows.ts';

export interface NewRun {
  /** `host/owner/name`, in lower case. */
  repository: string;
  owner: string;
  name: string;
  installationId: number;
  issue: number;
  request: RunRequest;
  start: AttemptStart;
  branch: string;
  /** Higher goes first; default: as its start is (`priorityOf`). */
  priority?: number;
  /** Most runs at once of the repository and of its organisation; default 1 and 4 (SPEC §4). */
  limits?: { repository: number; organization: number };
  /** An open pull request of an earlier run of the issue, which this one goes on with. */
  pullRequest?: number | null;
  headSha?: string | null;
}

/**
 * Within an organisation, work that a person is waiting for goes before what waits for nobody: first what somebody asked
 * for again or answered, then what other people's checks sent back, then new labels.
 */
export function priorityOf({ reason }: Pick<AttemptStart, 'reason'>): number {
  if (reason === 'label') return 0;
  return reason === 'ci' || reason === 'restart' ? 1 : 2;
}

/** A queued run that may be claimed at once. The caller has seen that the issue has no live one. */
export async function insertRun(db: Database, sql: Sql, run: NewRun): Promise<RunRow> {
  const [row] = await sql.all<RunRow>(
    `INSERT INTO runs (id, repository, organization, owner, name, installation_id, issue, state, stage, attempt, start,
       request, branch, priority, run_after_ms, epoch, failures, limit_repository, limit_organization, pull_request,
       head_sha, title, created_at_ms, updated_at_ms)
     VALUES ($1, $2, $3, $4, $5, $6, $7, 'queued', $8, 1, $9, $10, $11, $12, ${db.nowMs}, 0, 0, $13, $14, $15, $16, $17,
       ${db.nowMs}, ${db.nowMs})
     RETURNING *`,
    newRunId(),
    run.repository,
    run.repository.slice(0, run.repository.lastIndexOf('/')),
    run.owner,
    run.name,
    run.installationId,
    run.issue,
    run.start.from,
    JSON.stringify(run.start),
    JSON.stringify(run.request),
    run.branch,
    run.priority ?? priorityOf(run.start),
    storableLimit(run.limits?.repository) ?? 1,
    storableLimit(run.limits?.organization) ?? 4,
    run.pullRequest ?? null,
    run.headSha ?? null,
    titleOf(run.request),
  );
  return row as RunRow;
}

/** Of the newest id. What one process makes sorts as it was made, within a millisecond and after a step back of the clock as well. */
let newestMs = 0;

/** `r`, the time and four random letters, base 32: sorts by creation, fits in a URL, a branch and a container name. */
function newRunId(): string {
  newestMs = Math.max(Date.now(), newestMs + 1);
  const time = newestMs.toString(32).padStart(9, '0');
  const random = [...randomBytes(4)].map((byte) => (byte & 31).toString(32)).join('');
  return `r${time}${random}`;
}
