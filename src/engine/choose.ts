import type { Database, Sql } from './database.ts';

/** Rows looked at in queue order before blocked ones are skipped by organisation or repository instead. */
const window = 64;

interface Candidate {
  id: string;
  repository: string;
  organization: string;
  priority: number;
  run_after_ms: number;
  limit_repository: number;
  limit_organization: number;
}

const columns = 'id, repository, organization, priority, run_after_ms, limit_repository, limit_organization';
const order = 'priority DESC, run_after_ms, id';

/**
 * Which queued run is next: that of the organisation with the fewest running, there by priority, then by waiting time,
 * among those that their repository's and organisation's limits allow. Null when none is.
 * Called under the claim lock. Its cost depends on the number of organisations that wait, not on the length of the queue:
 * blocked runs are jumped over a repository at a time.
 */
export async function chooseQueued(
  db: Database,
  sql: Sql,
  running: readonly { repository: string; organization: string }[],
): Promise<string | null> {
  const counts = new Counts(running);
  const first = await sql.all<Candidate>(
    `SELECT ${columns} FROM runs WHERE state = 'queued' AND run_after_ms <= ${db.nowMs} ORDER BY ${order} LIMIT ${window}`,
  );
  // No organisation has fewer than none, so the first such run is the fairest choice: the usual case ends here.
  const idle = first.find((run) => counts.ofOrganization(run.organization) === 0 && counts.allow(run));
  if (idle) return idle.id;
  if (first.length < window) return fairest(first, counts)?.id ?? null;

  for (const { organization } of await organizationsInOrder(db, sql, counts)) {
    const chosen = await chooseWithin(db, sql, organization, counts);
    if (chosen) return chosen.id;
  }
  return null;
}

/** Live leases, counted. */
class Counts {
  private readonly repositories = new Map<string, number>();
  private readonly organizations = new Map<string, number>();

  constructor(running: readonly { repository: string; organization: string }[]) {
    for (const { repository, organization } of running) {
      this.repositories.set(repository, (this.repositories.get(repository) ?? 0) + 1);
      this.organizations.set(organization, this.ofOrganization(organization) + 1);
    }
  }

  ofOrganization(organization: string): number {
    return this.organizations.get(organization) ?? 0;
  }

  allow(run: Candidate): boolean {
    return (
      (this.repositories.get(run.repository) ?? 0) < run.limit_repository &&
      this.ofOrganization(run.organization) < run.limit_organization
    );
  }
}

/** `runs` come in queue order, and sort is stable. */
function fairest<R extends Candidate>(runs: readonly R[], counts: Counts): R | undefined {
  return runs.filter((run) => counts.allow(run)).sort((a, b) => fewestFirst(counts, a, b))[0];
}

function fewestFirst(counts: Counts, a: { organization: string }, b: { organization: string }): number {
  return counts.ofOrganization(a.organization) - counts.ofOrganization(b.organization);
}

/** Organisations that wait, fewest running first, then as their first runs stand in the queue. */
async function organizationsInOrder(db: Database, sql: Sql, counts: Counts): Promise<Candidate[]> {
  // Each step jumps to the next organisation in the index instead of reading its whole queue.
  const heads = await sql.all<Candidate>(
    `WITH RECURSIVE waiting(organization) AS (
       SELECT MIN(organization) FROM runs WHERE state = 'queued'
       UNION ALL
       SELECT (SELECT MIN(r.organization) FROM runs r WHERE r.state = 'queued' AND r.organization > w.organization)
       FROM waiting w WHERE w.organization IS NOT NULL
     )
     SELECT ${columns} FROM runs WHERE id IN (
       SELECT (SELECT r.id FROM runs r WHERE r.state = 'queued' AND r.organization = w.organization
         AND r.run_after_ms <= ${db.nowMs} ORDER BY r.priority DESC, r.run_after_ms, r.id LIMIT 1)
       FROM waiting w WHERE w.organization IS NOT NULL
     ) ORDER BY ${order}`,
  );
  return heads.sort((a, b) => fewestFirst(counts, a, b));
}

async function chooseWithin(
  db: Database,
  sql: Sql,
  organization: string,
  counts: Counts,
): Promise<Candidate | undefined> {
  const first = await sql.all<Candidate>(
    `SELECT ${columns} FROM runs WHERE state = 'queued' AND organization = $1 AND run_after_ms <= ${db.nowMs}
     ORDER BY ${order} LIMIT ${window}`,
    organization,
  );
  const early = first.find((run) => counts.allow(run));
  if (early || first.length < window) return early;
  const heads = await sql.all<Candidate>(
    `WITH RECURSIVE waiting(repository) AS (
       SELECT MIN(repository) FROM runs WHERE state = 'queued' AND organization = $1
       UNION ALL
       SELECT (SELECT MIN(r.repository) FROM runs r
         WHERE r.state = 'queued' AND r.organization = $1 AND r.repository > w.repository)
       FROM waiting w WHERE w.repository IS NOT NULL
     )
     SELECT ${columns} FROM runs WHERE id IN (
       SELECT (SELECT r.id FROM runs r WHERE r.state = 'queued' AND r.organization = $1
         AND r.repository = w.repository AND r.run_after_ms <= ${db.nowMs}
         ORDER BY r.priority DESC, r.run_after_ms, r.id LIMIT 1)
       FROM waiting w WHERE w.repository IS NOT NULL
     ) ORDER BY ${order}`,
    organization,
  );
  return heads.find((run) => counts.allow(run));
}
