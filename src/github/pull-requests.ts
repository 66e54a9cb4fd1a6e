import type { Octokit } from '@octokit/rest';
import type { PullRequestFacts, PullRequestRequest, RepositoryGitHub, ReviewFacts } from './github.ts';
import { type Authored, editorOf, loginOf, query } from './graphql.ts';
import { createOnce, statusOf } from './octokit-client.ts';

interface At {
  owner: string;
  repo: string;
}

type PullRequestVerbs = Pick<
  RepositoryGitHub,
  | 'findPullRequest'
  | 'pullRequest'
  | 'openPullRequests'
  | 'upsertPullRequest'
  | 'editPullRequestBody'
  | 'requestReviewers'
  | 'reviews'
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
    async openPullRequests() {
      const open = await client.paginate(client.pulls.list, { ...at, state: 'open', per_page: 100 });
      return open.map((pull) => ({ number: pull.number, updatedAtMs: Date.parse(pull.updated_at) }));
    },
    upsertPullRequest: (request) => upsertPullRequest(client, at, find, read, request),
    async editPullRequestBody(number, edit) {
      const before = (await client.pulls.get({ ...at, pull_number: number })).data.body ?? '';
      const body = edit(before);
      if (body !== before) await client.pulls.update({ ...at, pull_number: number, body });
    },
    async requestReviewers(number, names) {
      // GitHub refuses people who cannot review (no access, or the author), and everyone named beside them: then each is asked alone.
      if (names.length === 0 || (await asks(client, at, number, names)) || names.length === 1) return;
      for (const name of names) await asks(client, at, number, [name]);
    },
    reviews: (number) => readReviews(client, at, number),
  };
}

/** Whether GitHub took the request for reviews by these logins and `org/team`s. */
async function asks(client: Octokit, at: At, number: number, names: readonly string[]): Promise<boolean> {
  const teams = names.filter((name) => name.includes('/')).map((name) => name.slice(name.indexOf('/') + 1));
  const people = names.filter((name) => !name.includes('/'));
  try {
    await client.pulls.requestReviewers({ ...at, pull_number: number, reviewers: people, team_reviewers: teams });
    return true;
  } catch (error) {
    if (statusOf(error) !== 422) throw error;
    return false;
  }
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
  if (known && !known.merged && known.number === request.known?.number) {
    if (!request.known.reopen) return known;
    if (await reopen(known.number)) return update(known.number);
  }
  const { branch: head, base, title, body, draft } = request;
  const openOne = async () => {
    const made = await find(request.branch);
    return made?.state === 'open' ? made : null;
  };
  try {
    return await createOnce(openOne, async () =>
      pullRequestFacts((await client.pulls.create({ ...at, head, base, title, body, draft })).data),
    );
  } catch (error) {
    // 422: there is one already, or the host knows no drafts.
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

  async function reopen(number: number): Promise<boolean> {
    try {
      await client.pulls.update({ ...at, pull_number: number, state: 'open' });
      return true;
    } catch (error) {
      // A branch that was deleted meanwhile cannot be reopened onto: then a new one is opened.
      if (statusOf(error) === 422) return false;
      throw error;
    }
  }
}

interface PullAnswer {
  number: number;
  html_url: string;
  state: string;
  merged?: boolean;
  merged_at?: string | null;
  closed_at: string | null;
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
    closedAtMs: pull.closed_at === null ? null : Date.parse(pull.closed_at),
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

type Review = Omit<ReviewFacts, 'state'>;

interface ReviewsAnswer {
  repository: {
    pullRequest: {
      reviews: {
        pageInfo: { hasNextPage: boolean; endCursor: string | null };
        nodes: (Authored & {
          databaseId: number;
          id: string;
          body: string;
          state: string;
          submittedAt: string | null;
          comments: { nodes: (Authored & { path: string; line: number | null; body: string })[] };
        })[];
      };
    };
  };
}

const reviewsQuery = `query ($owner: String!, $repo: String!, $number: Int!, $after: String) {
  repository(owner: $owner, name: $repo) {
    pullRequest(number: $number) {
      reviews(first: 50, after: $after) {
        pageInfo { hasNextPage endCursor }
        nodes {
          id databaseId body state submittedAt lastEditedAt
          author { __typename login }
          editor { __typename login }
          comments(first: 100) {
            nodes { path line body lastEditedAt author { __typename login } editor { __typename login } }
          }
        }
      }
    }
  }
}`;

/** Only GraphQL tells who edited a review or a comment in it. */
async function readReviews(client: Octokit, at: At, number: number): Promise<ReviewFacts[]> {
  const found: ReviewFacts[] = [];
  let after: string | null = null;
  do {
    const answer: ReviewsAnswer = await query(client, reviewsQuery, { ...at, number, after });
    const { nodes, pageInfo }: ReviewsAnswer['repository']['pullRequest']['reviews'] =
      answer.repository.pullRequest.reviews;
    for (const node of nodes) found.push({ ...reviewOf(node), state: reviewStates[node.state] ?? 'commented' });
    after = pageInfo.hasNextPage ? pageInfo.endCursor : null;
  } while (after !== null);
  return found;
}

function reviewOf(node: ReviewsAnswer['repository']['pullRequest']['reviews']['nodes'][number]): Review {
  return {
    id: node.databaseId,
    nodeId: node.id,
    author: loginOf(node.author),
    authorIsBot: node.author?.__typename === 'Bot',
    editor: editorOf(node),
    body: node.body,
    submittedAtMs: Date.parse(node.submittedAt ?? '') || 0,
    comments: node.comments.nodes.map((comment) => ({
      author: loginOf(comment.author),
      editor: editorOf(comment),
      path: comment.path,
      line: comment.line,
      body: comment.body,
    })),
  };
}
