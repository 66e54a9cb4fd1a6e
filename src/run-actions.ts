import type { Doors } from './doors.ts';
import { beginAttempt, requestCancel } from './engine/runs.ts';
import { type AttemptStart, liveStates, mayMove, type Run, type StageName } from './run.ts';
import { showStatus } from './status.ts';

/** What an operator or a signed-in person does to a run beside the commands of its issue. */

/** Why an attempt cannot begin now, in words; null when it can. */
export function retryRefusal(run: Pick<Run, 'state' | 'outcome'>): string | null {
  if (run.outcome?.code === 'merged') return 'Its pull request is merged: open a new issue for further work.';
  if (mayMove(run.state, 'queued') && run.state !== 'running') return null;
  return liveStates.includes(run.state) ? 'It is going on: stop it first.' : `It is ${run.state}.`;
}

/** What is told when the run's row said no although nothing seemed to be in the way. */
export const otherRunLive = 'Another run of its issue is going on: stop that one first.';

/** Work begins again at build, unless what comes before it was not finished or not accepted yet. */
export function usualStart({ stage }: Pick<Run, 'stage'>): StageName {
  return stage === 'intake' || stage === 'context' || stage === 'plan' ? stage : 'build';
}

export function retryStart(
  run: Run,
  asked: { by: string; from: StageName | null; guidance: string | null },
): AttemptStart {
  return { from: asked.from ?? usualStart(run), reason: 'retry', by: asked.by, guidance: asked.guidance };
}

/** Whether there is something to stop: a live run, or an open pull request. */
export function mayStop({ state, outcome, pullRequest }: Pick<Run, 'state' | 'outcome' | 'pullRequest'>): boolean {
  if (liveStates.includes(state)) return true;
  return state === 'done' ? outcome?.code === 'review' : state === 'failed' && pullRequest !== null;
}

/** Stops a run as `/stop` does, and brings its issue up to date. Null when it was done, else why not. */
export async function stopRun(
  run: Run,
  asked: { by: string; reason: string | null },
  doors: Doors,
): Promise<string | null> {
  const ended = `The run had ended already (${run.state}).`;
  if (!mayStop(run)) return ended;
  const result = await requestCancel(doors.db, run.id, asked);
  if (result === 'stopped') await showStatus(run, doors);
  return result === 'already-ended' ? ended : null;
}

/** Begins another attempt as `/retry` does, and brings its issue up to date. Null when it was begun, else why not. */
export async function retryRun(
  run: Run,
  asked: { by: string; from: StageName | null; guidance: string | null },
  doors: Doors,
): Promise<string | null> {
  const refused = retryRefusal(run);
  if (refused !== null) return refused;
  const begun = await beginAttempt(doors.db, run.id, retryStart(run, asked));
  if (!begun) return otherRunLive;
  await showStatus(begun, doors);
  return null;
}
