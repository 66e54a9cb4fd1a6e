import type { CommandSource } from './command-context.ts';
import { readCommands } from './command-text.ts';
import { isApplied } from './commands.ts';
import { type Doors, repositoryKey, toldOf } from './doors.ts';
import { recogniseInstalled } from './engine/repositories.ts';
import { latestRun, listRuns, runByPullRequest } from './engine/runs.ts';
import { asMillwrightError } from './errors.ts';
import { enterFound } from './found.ts';
import type { InstalledRepository, PlacedComment, RepositoryGitHub } from './github/github.ts';
import { startLabel } from './labels.ts';
import { findLessonEnds } from './learning/lesson-pulls.ts';
import { isRollbackFilled } from './rollback/fill-section.ts';
import { liveStates, type Run } from './run.ts';
import { showStatus } from './status.ts';

/** How far back the first pass looks: GitHub keeps deliveries for days. Later ones look back to the pass before, and a little further. */
const lookBackMs = 24 * 60 * 60_000;
const overlapMs = 15 * 60_000;
/** GitHub tells whole seconds, by its own clock: in what changed this moment more may happen unseen. */
const settledMs = 10_000;

/** What a process remembers between passes, so that a pass asks GitHub only about what has changed. */
interface Memory {
  /** Start of the last pass that saw everything, by repository; `''` for failed deliveries. */
  seenUntilMs: Map<string, number>;
  /** `updated_at` of an issue or pull request when it was last looked at. */
  looked: Map<string, number>;
  /** Repositories seen so far, by GitHub's number: those of the first pass were there before this process, and no one has just added them. */
  repositories: Set<number> | null;
}

const memories = new WeakMap<Doors['db'], Memory>();

function memoryOf(doors: Doors): Memory {
  const memory = memories.get(doors.db) ?? { seenUntilMs: new Map(), looked: new Map(), repositories: null };
  memories.set(doors.db, memory);
  return memory;
}

/**
 * Finds what no delivery told of: labelled issues, removed labels, edits, commands, closed and reopened pull requests, failing checks of
 * others, added repositories; and asks GitHub for failed deliveries. What it finds goes into the inbox like a delivery, so both may come. A repository that cannot be
 * looked at keeps none of the others from it. Two calls for each repository, and some for each thing that changed.
 */
export async function reconcile(doors: Doors): Promise<void> {
  const memory = memoryOf(doors);
  await remembering(memory, '', doors, async (sinceMs) => {
    await doors.github.redeliverFailed(sinceMs).catch((error) => {
      // Hosts without the deliveries API (and clock-skewed keys) must not keep the rest from being found.
      doors.log.warn({ err: asMillwrightError(error) }, 'failed deliveries could not be asked for again');
    });
  });
  const installed = await doors.github.installedRepositories();
  await recogniseInstalled(
    doors.db,
    installed.map((ref) => toldOf(doors.host.githubHost, ref)),
  );
  const known = memory.repositories;
  memory.repositories = new Set([...(known ?? []), ...installed.map(({ id }) => id)]);
  for (const ref of installed) {
    try {
      const key = repositoryKey(doors.host.githubHost, ref);
      if (known?.has(ref.id) === false) await enterFound(ref, { what: 'added', number: null }, doors);
      await remembering(memory, key, doors, (sinceMs) => reconcileRepository({ ref, key, memory, doors }, sinceMs));
    } catch (error) {
      const facts = { err: asMillwrightError(error), repository: `${ref.owner}/${ref.name}` };
      doors.log.error(facts, 'a repository could not be reconciled; the next pass tries again');
    }
  }
}

async function remembering(
  memory: Memory,
  key: string,
  { clock }: Doors,
  work: (sinceMs: number) => Promise<void>,
): Promise<void> {
  const startedAtMs = clock.nowMs();
  const seen = memory.seenUntilMs.get(key);
  await work(seen === undefined ? startedAtMs - lookBackMs : seen - overlapMs);
  memory.seenUntilMs.set(key, startedAtMs);
}

interface Place {
  ref: InstalledRepository;
  key: string;
  memory: Memory;
  doors: Doors;
}

async function reconcileRepository(place: Place, sinceMs: number): Promise<void> {
  const { ref, key, doors } = place;
  const github = doors.github.repository(ref);
  const runs = newestOfIssues(await listRuns(doors.db, { repository: key, limit: 1000 }));
  const labelled = await github.labelledIssues(startLabel);
  await findLabelled(labelled, runs, place);
  const numbers = new Set(labelled.map(({ number }) => number));
  for (const run of runs) {
    if (liveStates.includes(run.state) && !numbers.has(run.issue))
      await enterFound(ref, { what: 'left', number: run.issue }, doors);
  }
  await findComments(await github.recentComments(sinceMs), 'comment', place);
  const open = runs.filter(hasOpenPullRequest);
  const recentlyClosed = runs.filter((run) => run.outcome?.code === 'closed' && isRecent(run, place));
  if (open.length > 0 || recentlyClosed.length > 0) await findPullRequestMoves(open, recentlyClosed, github, place);
  await findFailingChecks(open, github, place);
  if (open.length > 0) {
    await findComments(await github.recentReviewComments(sinceMs), 'review-comment', place);
  }
  await findUnfilledRollbacks(runs, place);
  await findLessonEnds(ref, github, doors);
  // What ended while GitHub or this process was away may show an older state still.
  const recentMs = doors.clock.nowMs() - overlapMs;
  for (const run of runs) if (run.updatedAtMs > recentMs && run.state !== 'running') await showStatus(run, doors);
}

const hasOpenPullRequest = (run: Run) =>
  run.pullRequest !== null && run.outcome?.code !== 'merged' && run.outcome?.code !== 'closed';

function newestOfIssues(runs: readonly Run[]): Run[] {
  const seen = new Set<number>();
  return runs.filter((run) => !seen.has(run.issue) && seen.add(run.issue));
}

/** Whether something has not changed since it was looked at; from now on it counts as looked at. */
function isKnown(memory: Memory, key: string, updatedAtMs: number, { clock }: Doors): boolean {
  if (memory.looked.get(key) === updatedAtMs) return true;
  if (updatedAtMs < clock.nowMs() - settledMs) memory.looked.set(key, updatedAtMs);
  return false;
}

/** New labels, and edits of issues that are being worked. */
async function findLabelled(
  labelled: readonly { number: number; updatedAtMs: number }[],
  runs: readonly Run[],
  { ref, key, memory, doors }: Place,
): Promise<void> {
  for (const { number, updatedAtMs } of labelled) {
    if (isKnown(memory, `${key}#${number}`, updatedAtMs, doors)) continue;
    await enterFound(ref, { what: 'label', number }, doors);
    if (runs.some((run) => run.issue === number)) await enterFound(ref, { what: 'edit', number }, doors);
  }
}

const isRecent = (run: Run, { doors }: Place) => run.updatedAtMs > doors.clock.nowMs() - lookBackMs;

/** Pull requests that were closed or opened again, and reviews of those that are open. */
async function findPullRequestMoves(
  runs: readonly Run[],
  closed: readonly Run[],
  github: RepositoryGitHub,
  place: Place,
): Promise<void> {
  const { ref, key, memory, doors } = place;
  const open = new Map((await github.openPullRequests()).map(({ number, updatedAtMs }) => [number, updatedAtMs]));
  for (const { pullRequest: number } of runs) {
    if (number === null) continue;
    const updatedAtMs = open.get(number);
    if (updatedAtMs === undefined) await enterFound(ref, { what: 'pull-request', number }, doors);
    else if (!isKnown(memory, `${key}#${number}`, updatedAtMs, doors)) await findReviews(number, github, place);
  }
  for (const { pullRequest: number } of closed)
    if (number !== null && open.has(number)) await enterFound(ref, { what: 'pull-request', number }, doors);
}

/** Red checks of others on what was handed over a short while ago, once for each commit. */
async function findFailingChecks(runs: readonly Run[], github: RepositoryGitHub, place: Place): Promise<void> {
  const { ref, key, memory, doors } = place;
  for (const run of runs) {
    const { pullRequest: number, headSha } = run;
    if (run.outcome?.code !== 'review' || number === null || headSha === null || !isRecent(run, place)) continue;
    if (memory.looked.has(`${key}@${headSha}`) || (await github.failedChecks(headSha)).length === 0) continue;
    await enterFound(ref, { what: 'checks', number, headSha }, doors);
    memory.looked.set(`${key}@${headSha}`, 0);
  }
}

/** Merged a short while ago, and the body of the pull request could not be edited then. Asks GitHub nothing. */
async function findUnfilledRollbacks(runs: readonly Run[], place: Place): Promise<void> {
  const { ref, doors } = place;
  for (const run of runs) {
    if (run.outcome?.code !== 'merged' || !isRecent(run, place) || run.pullRequest === null) continue;
    if (!(await isRollbackFilled(run, doors)))
      await enterFound(ref, { what: 'pull-request', number: run.pullRequest }, doors);
  }
}

async function findReviews(number: number, github: RepositoryGitHub, place: Place): Promise<void> {
  for (const review of await github.reviews(number)) {
    if (review.editor !== null || review.state === 'pending') continue;
    const { id, nodeId, author, authorIsBot, body, submittedAtMs } = review;
    const source = { number, onPullRequest: true, author, authorIsBot, body, writtenAtMs: submittedAtMs };
    await findCommand({ ...source, reactTo: { kind: 'review', id, nodeId }, key: `review:${id}` }, place);
  }
}

async function findComments(
  comments: readonly PlacedComment[],
  kind: 'comment' | 'review-comment',
  place: Place,
): Promise<void> {
  for (const comment of comments) {
    if (comment.edited) continue;
    const { id, number, onPullRequest, author, authorIsBot, body, createdAtMs } = comment;
    const source = { number, onPullRequest, author, authorIsBot, body, writtenAtMs: createdAtMs };
    await findCommand({ ...source, reactTo: { kind, id }, key: `${kind}:${id}` }, place);
  }
}

/** A command for the run that is there now. Where there is none, an old question has lost its asker. */
async function findCommand(source: Omit<CommandSource, 'ref'>, { ref, key, doors }: Place): Promise<void> {
  if (source.authorIsBot || readCommands(source.body).length === 0) return;
  const { db, clock } = doors;
  const run = source.onPullRequest
    ? await runByPullRequest(db, key, source.number)
    : await latestRun(db, key, source.number);
  const notBeforeMs = run ? run.request.labelledAtMs : clock.nowMs() - overlapMs;
  if (source.writtenAtMs < notBeforeMs || (await isApplied({ ...source, ref }, doors))) return;
  await enterFound(ref, { what: 'command', number: source.number, source }, doors);
}
