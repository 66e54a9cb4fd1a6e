import { type Doors, repositoryKey } from './doors.ts';
import { beginAttempt, listRuns } from './engine/runs.ts';
import type { RepositoryRef } from './github/github.ts';
import { readLayers, wallsWithoutContract } from './policy-source.ts';
import type { Run } from './run.ts';
import { showStatus } from './status.ts';

/** Output of one foreign check that is handed to the agent, in characters. */
const summaryChars = 2000;

/**
 * Failing checks of others on the head commit of an open pull request send the work back as a round, at most
 * `limits.rounds` times until a person answers. A stopped run is left alone.
 */
export async function sendBackForCi(ref: RepositoryRef, headSha: string, doors: Doors): Promise<void> {
  const key = repositoryKey(doors.host.githubHost, ref);
  const runs = await listRuns(doors.db, { repository: key, states: ['done'], limit: 1000 });
  const run = runs.find((candidate) => candidate.headSha === headSha && candidate.outcome?.code === 'review');
  if (!run) return;
  const failed = await doors.github.repository(ref).failedChecks(headSha);
  if (failed.length === 0) return;
  const walls = wallsWithoutContract(await readLayers(doors, ref), doors, ref);
  if (roundsFromCi(run) >= walls.limits.rounds) return;
  const guidance = failed.map((check) => `${check.name}: ${check.summary.slice(0, summaryChars)}`).join('\n\n');
  const start = {
    from: 'build',
    reason: 'ci',
    by: `${roundsFromCi(run) + 1}`,
    guidance,
    cause: `ci:${headSha}`,
  } as const;
  const begun = await beginAttempt(doors.db, run.id, start);
  if (begun) await showStatus(begun, doors);
}

/** How many attempts in a row CI has asked for; a person's command begins the count anew. */
function roundsFromCi(run: Run): number {
  return run.start.reason === 'ci' ? Number(run.start.by) || 1 : 0;
}
