import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Person, runGit } from './bare-repository.ts';
import { announceIssue, checkBody } from './issues.ts';
import { pullListShape } from './pull-shapes.ts';
import { completeMerge, refsChanged } from './refs.ts';
import { ApiError, invalid } from './router.ts';
import { reviewCommentShape, reviewShape, userShape } from './shapes.ts';
import {
  type Actor,
  atLeast,
  authored,
  editBody,
  nextNumber,
  type PullIssue,
  personOf,
  pullRequests,
  type Repository,
  type Review,
  type ReviewComment,
  roleOf,
  timestamp,
} from './state.ts';
import { announce, recordEvent, type World } from './world.ts';

export interface NewPull {
  title: string;
  head: string;
  base: string;
  body?: string | null;
  draft?: boolean;
}

const custom = (message: string): ApiError => invalid([{ resource: 'PullRequest', code: 'custom', message }]);

export async function openPull(world: World, repository: Repository, actor: Actor, input: NewPull): Promise<PullIssue> {
  const { state } = world;
  const head = input.head.replace(`${repository.owner}:`, '');
  const [headSha, baseSha] = await Promise.all([
    repository.git.ref(`refs/heads/${head}`),
    repository.git.ref(`refs/heads/${input.base}`),
  ]);
  if (headSha === null) throw invalid([{ resource: 'PullRequest', field: 'head', code: 'invalid' }]);
  if (baseSha === null) throw invalid([{ resource: 'PullRequest', field: 'base', code: 'invalid' }]);
  const commits = await repository.git.commitsBetween(baseSha, headSha);
  if (commits.length === 0) throw custom(`No commits between ${input.base} and ${head}`);
  const taken = pullRequests(repository).some(
    ({ state: open, pull }) => open === 'open' && pull.headRef === head && pull.baseRef === input.base,
  );
  if (taken) throw custom(`A pull request already exists for ${repository.owner}:${head}.`);
  checkBody('PullRequest', input.body ?? null);
  const issue: PullIssue = {
    ...authored(state, actor, input.body ?? null),
    number: nextNumber(repository),
    title: input.title,
    state: 'open',
    stateReason: null,
    closedAt: null,
    closedBy: null,
    labels: [],
    assignees: [],
    pull: {
      headRef: head,
      headSha,
      baseRef: input.base,
      baseSha,
      draft: input.draft ?? false,
      mergedAt: null,
      mergedBy: null,
      mergeCommitSha: null,
      reviewers: [],
      teams: [],
    },
  };
  repository.issues.set(issue.number, issue);
  await repository.git.setRef(`refs/pull/${issue.number}/head`, headSha);
  await announceIssue(world, repository, issue, actor, { action: 'opened' });
  return issue;
}

export async function requestReviewers(
  world: World,
  repository: Repository,
  issue: PullIssue,
  actor: Actor,
  wanted: { reviewers: string[]; teams: string[] },
): Promise<void> {
  const { state } = world;
  for (const login of wanted.reviewers) {
    if (login.toLowerCase() === issue.author.toLowerCase())
      throw new ApiError(422, 'Review cannot be requested from pull request author.');
    const known = state.accounts.get(login.toLowerCase());
    if (known?.type !== 'User' || !atLeast(roleOf(state, repository, login), 'read')) {
      throw new ApiError(
        422,
        `Reviews may only be requested from collaborators. One or more of the users or teams you specified is not a collaborator of the ${repository.fullName} repository.`,
      );
    }
  }
  for (const login of wanted.reviewers.filter((name) => !issue.pull.reviewers.includes(name))) {
    issue.pull.reviewers.push(login);
    recordEvent(world, repository, issue, 'review_requested', actor, { requested_reviewer: login });
    await announceIssue(world, repository, issue, actor, {
      action: 'review_requested',
      requested_reviewer: userShape(state, login),
    });
  }
  issue.pull.teams.push(...wanted.teams.filter((team) => !issue.pull.teams.includes(team)));
}

export async function setDraft(
  world: World,
  repository: Repository,
  issue: PullIssue,
  actor: Actor,
  draft: boolean,
): Promise<void> {
  if (issue.pull.draft === draft) return;
  issue.pull.draft = draft;
  await announceIssue(world, repository, issue, actor, { action: draft ? 'converted_to_draft' : 'ready_for_review' });
}

export interface NewReview {
  event: 'APPROVE' | 'REQUEST_CHANGES' | 'COMMENT';
  body?: string;
  comments?: { path: string; line?: number; body: string }[];
  /** How long ago the comments were written, while the review was pending. */
  draftedForMs?: number;
}

const REVIEW_STATE = { APPROVE: 'APPROVED', REQUEST_CHANGES: 'CHANGES_REQUESTED', COMMENT: 'COMMENTED' } as const;

export function addReview(
  world: World,
  repository: Repository,
  issue: PullIssue,
  actor: Actor,
  input: NewReview,
): Review {
  if (input.event !== 'COMMENT' && actor.login === issue.author) {
    throw invalid([
      {
        resource: 'PullRequestReview',
        code: 'custom',
        message: `Can not ${input.event.toLowerCase().replace('_', ' ')} your own pull request`,
      },
    ]);
  }
  const review: Review = {
    ...authored(world.state, actor, input.body ?? ''),
    pull: issue.number,
    state: REVIEW_STATE[input.event],
    commitId: issue.pull.headSha,
  };
  repository.reviews.set(review.id, review);
  issue.pull.reviewers = issue.pull.reviewers.filter((login) => login !== actor.login);
  announceReview(world, repository, issue, review, actor, { action: 'submitted' });
  for (const comment of input.comments ?? [])
    addReviewComment(world, repository, issue, actor, {
      ...comment,
      review: review.id,
      draftedForMs: input.draftedForMs ?? 0,
    });
  return review;
}

export function changeReview(
  world: World,
  repository: Repository,
  issue: PullIssue,
  review: Review,
  actor: Actor,
  body: string,
): void {
  const from = review.body;
  editBody(world.state, review, actor, body);
  announceReview(world, repository, issue, review, actor, { action: 'edited', changes: { body: { from } } });
}

function announceReview(
  world: World,
  repository: Repository,
  issue: PullIssue,
  review: Review,
  actor: Actor,
  payload: Record<string, unknown>,
): void {
  const shape = reviewShape(world.state, repository, review);
  announce(world, repository, 'pull_request_review', actor, {
    ...payload,
    // Webhooks write the state in lower case, the API in upper case.
    review: { ...shape, state: review.state.toLowerCase() },
    pull_request: pullListShape(world.state, repository, issue),
  });
}

export function addReviewComment(
  world: World,
  repository: Repository,
  issue: PullIssue,
  actor: Actor,
  input: { path: string; line?: number; body: string; review: number; inReplyTo?: number; draftedForMs?: number },
): ReviewComment {
  const comment: ReviewComment = {
    ...authored(world.state, actor, input.body),
    // As on GitHub: written when it was drafted, changed when the review was handed in, and never edited.
    createdAt: timestamp({ ...world.state, now: () => world.state.now() - (input.draftedForMs ?? 0) }),
    pull: issue.number,
    review: input.review,
    path: input.path,
    line: input.line ?? null,
    commitId: issue.pull.headSha,
    inReplyTo: input.inReplyTo ?? null,
  };
  repository.reviewComments.set(comment.id, comment);
  announce(world, repository, 'pull_request_review_comment', actor, {
    action: 'created',
    comment: reviewCommentShape(world.state, repository, comment),
    pull_request: pullListShape(world.state, repository, issue),
  });
  return comment;
}

export type MergeMethod = 'merge' | 'squash' | 'rebase';

/** Merges as the three buttons do; answers the new tip of the base branch. */
export async function mergePull(
  world: World,
  repository: Repository,
  issue: PullIssue,
  actor: Actor,
  how: { method: MergeMethod; title?: string; message?: string; sha?: string },
): Promise<string> {
  const { git } = repository;
  const { pull } = issue;
  if (how.sha !== undefined && how.sha !== pull.headSha)
    throw new ApiError(409, 'Head branch was modified. Review and try the merge again.');
  const tree = issue.state === 'open' && !pull.draft ? await git.mergedTree(pull.baseSha, pull.headSha) : null;
  if (tree === null) throw new ApiError(405, 'Pull Request is not mergeable');
  const person = personOf(world.state, actor.login);
  const title =
    how.title ??
    (how.method === 'merge'
      ? `Merge pull request #${issue.number} from ${repository.owner}/${pull.headRef}`
      : `${issue.title} (#${issue.number})`);
  const message = `${title}\n\n${how.message ?? (how.method === 'merge' ? issue.title : '')}`.trim();
  const tip =
    how.method === 'rebase'
      ? await rebased(repository, pull.baseSha, pull.headSha, person)
      : await git.writeCommit({
          tree,
          parents: how.method === 'merge' ? [pull.baseSha, pull.headSha] : [pull.baseSha],
          message,
          author: person,
        });
  const ref = `refs/heads/${pull.baseRef}`;
  const before = pull.baseSha;
  await git.setRef(ref, tip);
  await completeMerge(world, repository, issue, actor, tip);
  await refsChanged(world, repository, actor, [{ ref, before, after: tip }]);
  return tip;
}

async function rebased(repository: Repository, base: string, head: string, committer: Person): Promise<string> {
  const dir = await mkdtemp(path.join(tmpdir(), 'stand-in-rebase-'));
  try {
    const env = { GIT_COMMITTER_NAME: committer.name, GIT_COMMITTER_EMAIL: committer.email };
    await runGit(['clone', '--quiet', '--shared', '--no-checkout', repository.git.dir, dir]);
    await runGit(['checkout', '--quiet', '--detach', base], { cwd: dir });
    await runGit(['cherry-pick', `${base}..${head}`], { cwd: dir, env });
    await repository.git.git(['fetch', '--quiet', '--no-write-fetch-head', dir, 'HEAD']);
    return (await runGit(['rev-parse', 'HEAD'], { cwd: dir })).toString('utf8').trim();
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
