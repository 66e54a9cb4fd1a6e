import type { Octokit } from '@octokit/rest';
import type { PullRequestFacts, PullRequestRequest, RepositoryGitHub, ReviewFacts } from './github.ts';
import { statusOf } from './octokit-client.ts';

interface At {
  owner: string;
  repo: string;
}

type PullRequestVerbs = Pick<
  RepositoryGitHub,
  'findPullRequest' | 'pullRequest' | 'upsertPullRequest' | 'requestReviewers' | 'reviews'
>;

/** Verbs on pull requests. */
export function bindPullRequests(client: Octokit, at: At): PullRequestVerbs {
  const read = async (number: number) =>
    pullRequestFacts((await client.pulls.get({ ...at, pull_number: number })).data);
  const find = async (branch: string) => {
    const { data } = await client.pulls.list({
      ...at,
      head: `${at.owner}:${branch}`,
      state: 'all',
      sort: 'created',
      direction: 'desc',
    });
    const own = data.filter((pull) => pull.head.ref === branch);
    const wanted = own.find((pull) => pull.state === 'open') ?? own[0];
    return wanted ? read(wanted.number) : null;
  };
  return {
    findPullRequest: find,
    pullRequest: read,
    upsertPullRequest: (request) => upsertPullRequest(client, at, find, read, request),
    async requestReviewers(number, names) {
      const teams = names.filter((name) => name.includes('/')).map((name) => name.slice(name.indexOf('/') + 1));
      const people = names.filter((name) => !name.includes('/'));
      if (names.length === 0) return;
      try {
        await client.pulls.requestReviewers({ ...at, pull_number: number, reviewers: people, team_reviewers: teams });
      } catch (error) {
        // GitHub refuses people who cannot review (no access, or the author): the pull request stands without them.
        if (statusOf(error) !== 422) throw error;
      }
    },
    reviews: (number) => readReviews(client, at, number),
  };
}

async function upsertPullRequest(
  client: Octokit,
  at: At,
  find: (branch: string) => Promise<PullRequestFacts | null>,
  read: (number: number) => Promise<PullRequestFacts>,
  request: PullRequestRequest,
): Promise<PullRequestFacts> {
  const known = await find(request.branch);
  if (known?.state === 'open') return update(known.number);
  try {
    const { data } = await client.pulls.create({
      ...at,
      head: request.branch,
      base: request.base,
      title: request.title,
      body: request.body,
      draft: request.draft,
    });
    return pullRequestFacts(data);
  } catch (error) {
    // 422: there is one already, or the host knows no drafts; a lost answer: it may have been made.
    const made = await find(request.branch);
    if (made?.state === 'open') return update(made.number);
    if (request.draft && statusOf(error) === 422) {
      return upsertPullRequest(client, at, find, read, { ...request, draft: false });
    }
    throw error;
  }

  async function update(number: number): Promise<PullRequestFacts> {
    await client.pulls.update({ ...at, pull_number: number, title: request.title, body: request.body });
    return read(number);
  }
}

interface PullAnswer {
  number: number;
  html_url: string;
  state: string;
  merged?: boolean;
  merged_at?: string | null;
  draft?: boolean | undefined;
  head: { sha: string; ref: string };
  base: { ref: string };
  merge_commit_sha: string | null;
  user: { login: string } | null;
}

function pullRequestFacts(pull: PullAnswer): PullRequestFacts {
  return {
    number: pull.number,
    url: pull.html_url,
    state: pull.state === 'open' ? 'open' : 'closed',
    merged: pull.merged ?? Boolean(pull.merged_at),
    draft: pull.draft ?? false,
    headSha: pull.head.sha,
    headBranch: pull.head.ref,
    baseBranch: pull.base.ref,
    mergeCommitSha: pull.merge_commit_sha,
    author: pull.user?.login ?? 'ghost',
  };
}

const reviewStates: Record<string, ReviewFacts['state']> = {
  APPROVED: 'approved',
  CHANGES_REQUESTED: 'changes-requested',
  COMMENTED: 'commented',
  DISMISSED: 'dismissed',
  PENDING: 'pending',
};

async function readReviews(client: Octokit, at: At, number: number): Promise<ReviewFacts[]> {
  const reviews = await client.paginate(client.pulls.listReviews, { ...at, pull_number: number, per_page: 100 });
  const comments = await client.paginate(client.pulls.listReviewComments, {
    ...at,
    pull_number: number,
    per_page: 100,
  });
  return reviews.map((review) => ({
    author: review.user?.login ?? 'ghost',
    state: reviewStates[review.state] ?? 'commented',
    body: review.body,
    submittedAtMs: Date.parse(review.submitted_at ?? '') || 0,
    comments: comments
      .filter((comment) => comment.pull_request_review_id === review.id)
      .map((comment) => ({ path: comment.path, line: comment.line ?? null, body: comment.body })),
  }));
}
