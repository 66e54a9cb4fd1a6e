import { repositoryShape } from './repository-shapes.ts';
import { issueShape, maybeUser, repositoryApi, userShape } from './shapes.ts';
import { type Json, nodeId, type PullIssue, type Repository, type State } from './state.ts';

function side(state: State, repository: Repository, ref: string, sha: string): Json {
  return {
    label: `${repository.owner}:${ref}`,
    ref,
    sha,
    user: userShape(state, repository.owner),
    repo: repositoryShape(state, repository),
  };
}

/** The short form of pull requests inside check runs and suites. */
export function pullReference(state: State, repository: Repository, issue: PullIssue): Json {
  const url = repositoryApi(state, repository);
  const repo = { id: repository.id, url, name: repository.name };
  return {
    id: issue.id,
    number: issue.number,
    url: `${url}/pulls/${issue.number}`,
    head: { ref: issue.pull.headRef, sha: issue.pull.headSha, repo },
    base: { ref: issue.pull.baseRef, sha: issue.pull.baseSha, repo },
  };
}

/** A pull request as lists show it: without what has to be computed. */
export function pullListShape(state: State, repository: Repository, issue: PullIssue): Json {
  const { pull } = issue;
  const base = repositoryApi(state, repository);
  const url = `${base}/pulls/${issue.number}`;
  const {
    reactions: _,
    pull_request: links,
    state_reason: __,
    closed_by: ___,
    comments: ____,
    ...common
  } = issueShape(state, repository, issue);
  const { html_url, diff_url, patch_url } = links as Json;
  return {
    ...common,
    url,
    html_url,
    diff_url,
    patch_url,
    node_id: nodeId('PullRequest', issue.id),
    issue_url: `${base}/issues/${issue.number}`,
    commits_url: `${url}/commits`,
    review_comments_url: `${url}/comments`,
    review_comment_url: `${base}/pulls/comments{/number}`,
    comments_url: `${base}/issues/${issue.number}/comments`,
    statuses_url: `${base}/statuses/${pull.headSha}`,
    draft: pull.draft,
    merged_at: pull.mergedAt,
    merge_commit_sha: pull.mergeCommitSha,
    requested_reviewers: pull.reviewers.map((login) => userShape(state, login)),
    requested_teams: pull.teams.map((slug) => ({ slug, name: slug })),
    head: side(state, repository, pull.headRef, pull.headSha),
    base: side(state, repository, pull.baseRef, pull.baseSha),
    auto_merge: null,
    _links: { self: { href: url }, html: { href: html_url }, issue: { href: `${base}/issues/${issue.number}` } },
  };
}

/** The full form, with what git says about the two branches. */
export async function pullShape(state: State, repository: Repository, issue: PullIssue): Promise<Json> {
  const { pull } = issue;
  const { git } = repository;
  const from = (await git.mergeBase(pull.baseSha, pull.headSha)) ?? pull.baseSha;
  const [commits, files, merged] = await Promise.all([
    git.commitsBetween(pull.baseSha, pull.headSha),
    git.changedFiles(from, pull.headSha),
    issue.state === 'open' ? git.mergedTree(pull.baseSha, pull.headSha) : null,
  ]);
  const mergeable = issue.state === 'open' ? merged !== null : null;
  return {
    ...pullListShape(state, repository, issue),
    merged: pull.mergedAt !== null,
    mergeable,
    rebaseable: mergeable,
    mergeable_state: mergeable === null ? 'unknown' : mergeable ? (pull.draft ? 'draft' : 'clean') : 'dirty',
    merged_by: maybeUser(state, pull.mergedBy),
    comments: [...repository.comments.values()].filter((comment) => comment.issue === issue.number).length,
    review_comments: [...repository.reviewComments.values()].filter((comment) => comment.pull === issue.number).length,
    maintainer_can_modify: false,
    commits: commits.length,
    additions: files.reduce((sum, file) => sum + file.additions, 0),
    deletions: files.reduce((sum, file) => sum + file.deletions, 0),
    changed_files: files.length,
  };
}
