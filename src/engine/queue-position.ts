import type { Database } from './database.ts';

/** Why a queued run has not begun: nothing but its turn (null), a delay, a limit, or nobody to do it. */
export type QueueReason = 'delayed' | 'limit-repository' | 'limit-organization' | 'limit-global' | 'no-worker' | null;

export interface QueuePosition {
  /** Counts from 1, among those that wait for the same thing; 0 when the run is not queued. */
  position: number;
  /** Queued runs before it. */
  ahead: number;
  reason: QueueReason;
}

/** Workers silent for longer are taken for dead. */
const aliveMs = 60_000;

/**
 * Where a queued run stands. Behind a full repository or organisation only that one's runs count as ahead, so that the
 * number means something to who reads it.
 */
export async function queuePosition(
  db: Database,
  runId: string,
  options: { global?: number } = {},
): Promise<QueuePosition> {
  const [run] = await db.all<Waiting>(
    `SELECT r.repository, r.organization, r.priority, r.run_after_ms,
       CASE WHEN r.run_after_ms > ${db.nowMs} THEN 1 ELSE 0 END AS delayed,
       CASE WHEN (SELECT COUNT(*) FROM runs o WHERE o.state = 'running' AND o.repository = r.repository)
         >= r.limit_repository THEN 1 ELSE 0 END AS repository_full,
       CASE WHEN (SELECT COUNT(*) FROM runs o WHERE o.state = 'running' AND o.organization = r.organization)
         >= r.limit_organization THEN 1 ELSE 0 END AS organization_full,
       (SELECT COUNT(*) FROM runs o WHERE o.state = 'running') AS running,
       (SELECT COUNT(*) FROM workers w WHERE w.capacity > 0 AND w.seen_at_ms > ${db.nowMs} - ${aliveMs}) AS workers
     FROM runs r WHERE r.id = $1 AND r.state = 'queued'`,
    runId,
  );
  if (!run) return { position: 0, ahead: 0, reason: null };
  const reason = reasonOf(run, options.global);
  const scope = reason === 'limit-repository' ? 'repository' : reason === 'limit-organization' ? 'organization' : null;
  const [count] = await db.all<{ ahead: number }>(
    `SELECT COUNT(*) AS ahead FROM runs
     WHERE state = 'queued' AND (priority > $1 OR (priority = $1 AND (run_after_ms < $2 OR (run_after_ms = $2 AND id < $3))))
     ${scope ? `AND ${scope} = $4` : ''}`,
    run.priority,
    run.run_after_ms,
    runId,
    ...(scope ? [run[scope]] : []),
  );
  const ahead = count?.ahead ?? 0;
  return { position: ahead + 1, ahead, reason };
}

/** Ids of the queued runs, the next one first, at most `limit`. */
export async function queuedRuns(db: Database, limit: number): Promise<string[]> {
  const inTurn = `SELECT id FROM runs WHERE state = 'queued' ORDER BY priority DESC, run_after_ms, id LIMIT $1`;
  return (await db.all<{ id: string }>(inTurn, limit)).map(({ id }) => id);
}

interface Waiting {
  repository: string;
  organization: string;
  priority: number;
  run_after_ms: number;
  delayed: number;
  repository_full: number;
  organization_full: number;
  running: number;
  workers: number;
}

function reasonOf(run: Waiting, global = Number.POSITIVE_INFINITY): QueueReason {
  if (run.delayed) return 'delayed';
  if (run.repository_full) return 'limit-repository';
  if (run.organization_full) return 'limit-organization';
  if (run.running >= global) return 'limit-global';
  return run.workers === 0 ? 'no-worker' : null;
}
