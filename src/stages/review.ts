import { z } from 'zod';
import type { Attempt } from '../attempt.ts';
import type { Doors } from '../doors.ts';
import { eventsOf } from '../engine/ledger.ts';
import { updateRun } from '../engine/runs.ts';
import { MillwrightError } from '../errors.ts';
import type { AppIdentity, PullRequestFacts } from '../github/github.ts';
import { publishCommit } from '../publish-commit.ts';
import { checkRunReport } from '../report/check-run.ts';
import { commitMessage } from '../report/commit-message.ts';
import type { PullRequestInput, RunNumbers, SecondLookFinding } from '../report/facts.ts';
import { few } from '../report/phrases.ts';
import { pullRequestBody, pullRequestTitle } from '../report/pull-request.ts';
import { revertSteps } from '../report/revert-steps.ts';
import { Outcome } from '../run.ts';
import type { Verdict } from '../verification/verdict.ts';
import type { BuildResult } from './build.ts';
import type { Briefing } from './context.ts';
import { type PlanResult, planFacts } from './plan.ts';
import { deviationsFrom } from './plan-deviations.ts';
import { lookAgain } from './second-look.ts';

export const checkRunName = 'millwright';
/** Commits of a branch that are looked through for how to take them back. */
const mostReverted = 1_000;

export const ReviewResult = z.object({
  /** `review` when the pull request stands; else what the run waits for. */
  outcome: Outcome,
  pullRequest: z.object({ number: z.number(), url: z.string() }).nullable(),
  head: z.string().nullable(),
});
export type ReviewResult = z.infer<typeof ReviewResult>;

export interface ReviewNeeds {
  briefing: Briefing;
  planned: PlanResult;
  built: BuildResult;
  verdict: Verdict;
  numbers: RunNumbers;
}

type ReviewDoors = Pick<Doors, 'git' | 'db' | 'github' | 'host' | 'clock'>;

/** Stage 6: branch, pull request and check run, written by the app from evidence. Safe to run twice. */
export async function review(needs: ReviewNeeds, attempt: Attempt, doors: ReviewDoors): Promise<ReviewResult> {
  const conflict = await conflictWithBase(attempt, needs.verdict.tree, doors);
  if (conflict) return { outcome: conflict, pullRequest: null, head: null };
  const secondLook = await lookAgain(needs.verdict, attempt, doors);
  const identity = await doors.github.identity();
  const pushed = await publish(needs, attempt, identity, doors);
  if ('outcome' in pushed) return { outcome: pushed.outcome, pullRequest: null, head: null };

  const input = await pullRequestInput(needs, attempt, pushed.head, secondLook, doors);
  const { walls, github, run, signal } = attempt;
  // Nothing is posted once a person has stopped the run.
  signal.throwIfAborted();
  const pull = await github.upsertPullRequest({
    branch: run.branch,
    base: attempt.base.branch,
    title: pullRequestTitle(input),
    body: pullRequestBody(input),
    draft: walls.pullRequest.draft,
    ...(run.pullRequest === null ? {} : { known: { number: run.pullRequest, reopen: run.start.reason === 'retry' } }),
  });
  await updateRun(doors.db, attempt.lease, { pullRequest: pull.number, headSha: pushed.head });
  if (pull.state === 'closed') return closedMeanwhile(pull, pushed.head);
  signal.throwIfAborted();
  await dress(pull, input, attempt);
  const unchanged = pushed.changed ? '' : ' There was no further change.';
  return {
    outcome: { code: 'review', text: `The pull request is open.${unchanged}`, question: null, detail: null },
    pullRequest: { number: pull.number, url: pull.url },
    head: pushed.head,
  };
}

/** A person closed it while this was worked: it stays closed without `/retry`. */
function closedMeanwhile({ number, url }: PullRequestFacts, head: string): ReviewResult {
  const text = 'The pull request was closed meanwhile; /retry opens it again.';
  return { outcome: { code: 'closed', text, question: null, detail: null }, pullRequest: { number, url }, head };
}

/** Check run, labels and reviewers: what the pull request wears. */
async function dress(pull: PullRequestFacts, input: PullRequestInput, attempt: Attempt): Promise<void> {
  const { walls, github, run } = attempt;
  const report = checkRunReport({
    verdict: input.verdict,
    revision: input.revision,
    numbers: input.numbers,
    link: input.link,
  });
  await github.upsertCheckRun({
    name: checkRunName,
    headSha: input.head.commit,
    externalId: run.id,
    status: 'completed',
    conclusion: report.conclusion,
    title: report.title,
    summary: report.summary,
    text: report.text,
    annotations: report.annotations,
    ...(input.link === null ? {} : { detailsUrl: input.link }),
  });
  await github.addLabels(pull.number, walls.pullRequest.labels);
  await github.requestReviewers(
    pull.number,
    walls.pullRequest.reviewers.length > 0 ? walls.pullRequest.reviewers : [run.request.labeller],
  );
}

/** When base has moved so that the patch no longer fits, a person has to say what wins. */
async function conflictWithBase(
  { remote, base, repository, signal }: Attempt,
  tree: string,
  { git }: ReviewDoors,
): Promise<Outcome | null> {
  const now = await git.fetch(remote, `refs/heads/${base.branch}`, signal);
  if (now === base.commit) return null;
  const merged = await git.mergeTrees(repository, base.commit, tree, now);
  if (merged.ok) return null;
  return {
    code: 'base-conflict',
    text: `The base branch has moved, and the patch conflicts with it in ${few(merged.conflicts)}.`,
    question:
      'Start anew on the new base (take the label off and put it on again), or resolve it on the branch and answer /retry from verify.',
    detail: merged.conflicts.join('\n'),
  };
}

type Published = { head: string; changed: boolean } | { outcome: Outcome };

/** One commit on top of the branch for each accepted attempt; nothing is rewritten, foreign commits are never overwritten. */
async function publish(
  needs: ReviewNeeds,
  attempt: Attempt,
  identity: AppIdentity,
  doors: ReviewDoors,
): Promise<Published> {
  const { run, remote, repository, base, signal } = attempt;
  const { git } = doors;
  const tip = await git.remoteHead(remote, run.branch, signal);
  if (tip !== null) {
    await git.fetch(remote, tip, signal);
    if ((await git.treeOf(repository, tip)) === needs.verdict.tree) return { head: tip, changed: false };
    if (!(await ownCommits(attempt, doors)).has(tip)) return { outcome: foreignCommits(run.branch) };
  }
  const { commit: head, pushed } = await publishCommit(
    {
      remote,
      branch: run.branch,
      tip,
      base: base.commit,
      tree: needs.verdict.tree,
      parents: await parentsOf(tip, attempt, doors),
      message: commitMessage({
        issue: issueOf(run),
        issueTitle: run.request.title,
        contract: attempt.contract,
        revision: attempt.revision,
        run: run.id,
        link: null,
      }),
      author: { name: identity.name, email: identity.email },
      timestampS: Math.floor(run.createdAtMs / 1000) + run.attempt,
      // Written down before the branch moves, so that after a crash in between it is known as ours.
      made: (sha) => attempt.record('commit.made', { sha }),
      signal,
    },
    { git, github: attempt.github },
  );
  if (pushed.ok) {
    // At once: a run that ends before its pull request stands must still know its commit.
    await updateRun(doors.db, attempt.lease, { headSha: head });
    return { head, changed: true };
  }
  if (pushed.reason === 'moved') return { outcome: foreignCommits(run.branch) };
  throw new MillwrightError('outside.push-refused', { detail: pushed.message });
}

/** On top of the branch; with the base commit as well, where the branch does not hold it yet. */
async function parentsOf(tip: string | null, { base, repository }: Attempt, { git }: ReviewDoors): Promise<string[]> {
  if (tip === null) return [base.commit];
  return (await git.mergeBase(repository, tip, base.commit)) === base.commit ? [tip] : [tip, base.commit];
}

/** Commits that the app itself made for this issue's branch: of this run, and the one that an earlier run left. */
export async function ownCommits({ run }: Attempt, { db }: Pick<Doors, 'db'>): Promise<Set<string>> {
  const made = await eventsOf(db, run.id, { kinds: ['commit.made'] });
  const shas = made.map((event) => z.object({ sha: z.string() }).parse(event.data).sha);
  return new Set(run.headSha === null ? shas : [run.headSha, ...shas]);
}

/** Runs without GitHub have no issue; theirs is numbered 0, which GitHub never uses. */
function issueOf({ issue }: Attempt['run']): number | null {
  return issue === 0 ? null : issue;
}

export function foreignCommits(branch: string): Outcome {
  return {
    code: 'foreign-commits',
    text: `The branch ${branch} has commits that the app did not make; they are left alone.`,
    question:
      'Answer /retry from verify to have that head verified as it is, or move the commits elsewhere and answer /retry.',
    detail: null,
  };
}

async function pullRequestInput(
  needs: ReviewNeeds,
  attempt: Attempt,
  head: string,
  secondLook: SecondLookFinding[],
  { git, host }: ReviewDoors,
): Promise<PullRequestInput> {
  const { run, base, contract, revision } = attempt;
  const { built, verdict, planned } = needs;
  const diff = await git.diff(attempt.repository, base.commit, verdict.tree);
  const commits = await git.log(attempt.repository, { from: base.commit, to: head, limit: mostReverted });
  return {
    issue: issueOf(run),
    issueTitle: run.request.title,
    contract,
    revision,
    base,
    head: { branch: run.branch, commit: head },
    reverts: revertSteps(base.commit, head, commits),
    changes: diff.files,
    verdict,
    claims: {
      summary: built.submission?.summary ?? null,
      assumptions: built.submission?.assumptions ?? [],
      reviewNote: built.submission?.reviewNote ?? null,
    },
    patchNotes: built.notes,
    plan: planFacts(planned),
    missingContext: needs.briefing.missing,
    deviations: deviationsFrom(planned, diff.files),
    allowed: run.request.allowed,
    narrowed: attempt.narrowed,
    blockedHosts: built.blockedHosts,
    blockedCommands: built.refused.map(({ what, reason }) => ({ command: what, reason })),
    secondLook,
    numbers: needs.numbers,
    link: host.publicUrl === null ? null : `${host.publicUrl.replace(/\/$/, '')}/runs/${run.id}`,
    merged: null,
  };
}
