import { z } from 'zod';
import { type Doors, repositoryKey } from './doors.ts';
import { eventsOf } from './engine/ledger.ts';
import { retellOutcome } from './engine/outcomes.ts';
import { latestOutput } from './engine/outputs.ts';
import { beginAttempt, latestRun, listRuns } from './engine/runs.ts';
import { asMillwrightError } from './errors.ts';
import type { RepositoryRef } from './github/github.ts';
import { readLayers, wallsWithoutContract } from './policy-source.ts';
import { few } from './report/phrases.ts';
import type { Run } from './run.ts';
import { IntakeResult } from './stages/intake.ts';
import { showStatus } from './status.ts';

/** Output of one foreign check that is handed to the agent, in characters. */
const summaryChars = 2000;
const mostChecks = 20;

/**
 * Failing checks of others on the head commit of an open pull request send the work back as a round, once for each
 * commit and at most `limits.rounds` times until a person answers. A run that was stopped or has ended is left alone.
 */
export async function sendBackForCi(ref: RepositoryRef, headSha: string, doors: Doors): Promise<void> {
  const run = await inReviewAt(ref, headSha, doors);
  if (run === null) return;
  const failed = await doors.github.repository(ref).failedChecks(headSha);
  if (failed.length === 0) {
    if (isFailureTold(run)) await tell(run, 'The pull request is open.', doors);
    return;
  }
  if ((await roundsFromCi(run, doors)) >= (await roundsOf(run, ref, doors)))
    return await tellRoundsAreUsed(run, failed, doors);
  const guidance = failed
    .slice(0, mostChecks)
    .map((check) => `${check.name}: ${check.summary.slice(0, summaryChars)}`)
    .join('\n\n');
  const start = { from: 'build', reason: 'ci', by: 'CI', guidance, cause: `ci:${headSha}` } as const;
  const begun = await beginAttempt(doors.db, run.id, { ...start, askedAtMs: run.start.askedAtMs ?? null });
  if (begun) await showStatus(begun, doors);
}

/** The run whose pull request shows a commit; null where a newer one of the issue, also one that was stopped, has it now. */
async function inReviewAt(ref: RepositoryRef, headSha: string, { db, host }: Doors): Promise<Run | null> {
  const key = repositoryKey(host.githubHost, ref);
  const done = await listRuns(db, { repository: key, headSha, states: ['done'] });
  const found = done.find(({ outcome }) => outcome?.code === 'review');
  const run = found && (await latestRun(db, key, found.issue));
  return run?.id === found?.id ? (run ?? null) : null;
}

const failureTold = 'CI failed on ';

/** Nothing begins by itself any more, so a person has to learn that it is theirs to go on. */
async function tellRoundsAreUsed(run: Run, failed: readonly { name: string }[], doors: Doors): Promise<void> {
  const names = few([...new Set(failed.map(({ name }) => name))]);
  const sha = run.headSha?.slice(0, 7);
  await tell(run, `${failureTold}${sha} (${names}), and the rounds for that are used up: /retry goes on.`, doors);
}

/** Checks that were run again and pass now take back what was said of their failure. */
export async function hearSuccess(ref: RepositoryRef, headSha: string, doors: Doors): Promise<void> {
  const run = await inReviewAt(ref, headSha, doors);
  if (run !== null && isFailureTold(run)) await sendBackForCi(ref, headSha, doors);
}

const isFailureTold = ({ outcome }: Run) => outcome?.text.startsWith(failureTold) ?? false;

async function tell(run: Run, text: string, doors: Doors): Promise<void> {
  if (run.outcome?.text === text) return;
  const told = await retellOutcome(doors.db, run.id, { code: 'review', text, question: null, detail: null });
  if (told) await showStatus(run, doors);
}

/** Checks of others may have failed while the pull request was still being written: nobody tells of them again. Never rejects. */
export async function hearEarlyChecks(run: Run, doors: Doors): Promise<void> {
  if (run.outcome?.code !== 'review' || run.headSha === null) return;
  await sendBackForCi(run, run.headSha, doors).catch((error) =>
    doors.log.warn(
      { err: asMillwrightError(error), run: run.id },
      'the checks of others are looked at by a later pass',
    ),
  );
}

async function roundsOf(run: Run, ref: RepositoryRef, doors: Doors): Promise<number> {
  const accepted = (await latestOutput(doors.db, run.id, 'intake', IntakeResult))?.value.walls;
  return (accepted ?? wallsWithoutContract(await readLayers(doors, ref), doors, ref)).limits.rounds;
}

const Begun = z.object({ state: z.literal('queued'), reason: z.string() });

/** How many attempts in a row CI has asked for; a person's word begins the count anew. */
async function roundsFromCi(run: Run, { db }: Doors): Promise<number> {
  const events = await eventsOf(db, run.id, { kinds: ['run.state'], limit: 100_000 });
  const reasons = events.flatMap((event) => Begun.safeParse(event.data).data?.reason ?? []);
  return reasons.length - 1 - reasons.findLastIndex((reason) => reason !== 'ci');
}
