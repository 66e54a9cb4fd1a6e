import {
  type Actor,
  type Authored,
  account,
  atLeast,
  botLogin,
  type Comment,
  type Issue,
  type Json,
  type Label,
  nodeId,
  type Reaction,
  type Repository,
  type Review,
  type ReviewComment,
  type State,
} from './state.ts';

export const api = (state: State): string => `${state.origin}/api/v3`;
export const repositoryApi = (state: State, repository: Repository): string =>
  `${api(state)}/repos/${repository.fullName}`;
export const htmlUrl = (state: State, repository: Repository): string => `${state.origin}/${repository.fullName}`;

export function userShape(state: State, login: string): Json {
  const known = account(state, login);
  const url = `${api(state)}/users/${encodeURIComponent(known.login)}`;
  const page = known.type === 'Bot' ? `apps/${known.login.replace('[bot]', '')}` : known.login;
  return {
    login: known.login,
    id: known.id,
    node_id: nodeId(known.type, known.id),
    avatar_url: `${state.origin}/avatars/u/${known.id}`,
    gravatar_id: '',
    url,
    html_url: `${state.origin}/${page}`,
    followers_url: `${url}/followers`,
    following_url: `${url}/following{/other_user}`,
    gists_url: `${url}/gists{/gist_id}`,
    starred_url: `${url}/starred{/owner}{/repo}`,
    subscriptions_url: `${url}/subscriptions`,
    organizations_url: `${url}/orgs`,
    repos_url: `${url}/repos`,
    events_url: `${url}/events{/privacy}`,
    received_events_url: `${url}/received_events`,
    type: known.type,
    user_view_type: 'public',
    site_admin: false,
  };
}

export const maybeUser = (state: State, login: string | null): Json | null =>
  login === null ? null : userShape(state, login);

export function appShape(state: State): Json {
  const { app } = state;
  return {
    id: app.id,
    client_id: `Iv1.${app.id}`,
    slug: app.slug,
    node_id: nodeId('App', app.id),
    owner: userShape(state, 'app-owner'),
    name: app.name,
    description: '',
    external_url: state.origin,
    html_url: `${state.origin}/apps/${app.slug}`,
    created_at: '2024-01-01T00:00:00Z',
    updated_at: '2024-01-01T00:00:00Z',
    permissions: app.permissions,
    events: app.events ?? [],
  };
}

export function labelShape(state: State, repository: Repository, name: string): Json {
  const label: Label = repository.labels.get(name.toLowerCase()) ?? { id: 0, name, color: 'ededed', description: null };
  return {
    id: label.id,
    node_id: nodeId('Label', label.id),
    url: `${repositoryApi(state, repository)}/labels/${encodeURIComponent(label.name)}`,
    name: label.name,
    color: label.color,
    default: false,
    description: label.description,
  };
}

function association(state: State, repository: Repository, login: string): string {
  if (login.toLowerCase() === repository.owner.toLowerCase()) return 'OWNER';
  const role = repository.roles.get(login.toLowerCase()) ?? state.defaultRoles.get(login.toLowerCase()) ?? 'none';
  return atLeast(role, 'read') ? 'COLLABORATOR' : 'NONE';
}

function reactionsShape(url: string, reactions: readonly Reaction[]): Json {
  const count = (content: string): number => reactions.filter((reaction) => reaction.content === content).length;
  const names = ['+1', '-1', 'laugh', 'hooray', 'confused', 'heart', 'rocket', 'eyes'];
  return {
    url: `${url}/reactions`,
    total_count: reactions.length,
    ...Object.fromEntries(names.map((name) => [name, count(name)])),
  };
}

function authoredShape(state: State, repository: Repository, item: Authored, url: string): Json {
  return {
    id: item.id,
    url,
    user: userShape(state, item.author),
    body: item.body,
    created_at: item.createdAt,
    updated_at: item.updatedAt,
    author_association: association(state, repository, item.author),
    performed_via_github_app: item.viaApp ? appShape(state) : null,
    reactions: reactionsShape(url, item.reactions),
  };
}

export function issueShape(state: State, repository: Repository, issue: Issue): Json {
  const base = repositoryApi(state, repository);
  const url = `${base}/issues/${issue.number}`;
  const kind = issue.pull ? 'pull' : 'issues';
  const html = `${htmlUrl(state, repository)}/${kind}/${issue.number}`;
  const pull = issue.pull && {
    url: `${base}/pulls/${issue.number}`,
    html_url: html,
    diff_url: `${html}.diff`,
    patch_url: `${html}.patch`,
    merged_at: issue.pull.mergedAt,
  };
  return {
    ...authoredShape(state, repository, issue, url),
    node_id: nodeId(issue.pull ? 'PullRequest' : 'Issue', issue.id),
    repository_url: base,
    labels_url: `${url}/labels{/name}`,
    comments_url: `${url}/comments`,
    events_url: `${url}/events`,
    timeline_url: `${url}/timeline`,
    html_url: html,
    number: issue.number,
    title: issue.title,
    state: issue.state,
    state_reason: issue.stateReason,
    labels: issue.labels.map((name) => labelShape(state, repository, name)),
    assignee: maybeUser(state, issue.assignees[0] ?? null),
    assignees: issue.assignees.map((login) => userShape(state, login)),
    milestone: null,
    locked: false,
    active_lock_reason: null,
    comments: [...repository.comments.values()].filter((comment) => comment.issue === issue.number).length,
    closed_at: issue.closedAt,
    closed_by: maybeUser(state, issue.closedBy),
    ...(pull ? { pull_request: pull, draft: issue.pull?.draft } : {}),
  };
}

export function commentShape(state: State, repository: Repository, comment: Comment): Json {
  const base = repositoryApi(state, repository);
  const issue = repository.issues.get(comment.issue);
  const kind = issue?.pull ? 'pull' : 'issues';
  return {
    ...authoredShape(state, repository, comment, `${base}/issues/comments/${comment.id}`),
    node_id: nodeId('IssueComment', comment.id),
    html_url: `${htmlUrl(state, repository)}/${kind}/${comment.issue}#issuecomment-${comment.id}`,
    issue_url: `${base}/issues/${comment.issue}`,
  };
}

export function reviewShape(state: State, repository: Repository, review: Review): Json {
  const base = repositoryApi(state, repository);
  const html = `${htmlUrl(state, repository)}/pull/${review.pull}#pullrequestreview-${review.id}`;
  const pull = `${base}/pulls/${review.pull}`;
  return {
    id: review.id,
    node_id: nodeId('PullRequestReview', review.id),
    user: userShape(state, review.author),
    body: review.body ?? '',
    state: review.state,
    html_url: html,
    pull_request_url: pull,
    author_association: association(state, repository, review.author),
    submitted_at: review.createdAt,
    commit_id: review.commitId,
    _links: { html: { href: html }, pull_request: { href: pull } },
  };
}

export function reviewCommentShape(state: State, repository: Repository, comment: ReviewComment): Json {
  const base = repositoryApi(state, repository);
  const html = `${htmlUrl(state, repository)}/pull/${comment.pull}#discussion_r${comment.id}`;
  return {
    ...authoredShape(state, repository, comment, `${base}/pulls/comments/${comment.id}`),
    node_id: nodeId('PullRequestReviewComment', comment.id),
    pull_request_review_id: comment.review,
    diff_hunk: '',
    path: comment.path,
    line: comment.line,
    side: 'RIGHT',
    subject_type: comment.line === null ? 'file' : 'line',
    commit_id: comment.commitId,
    original_commit_id: comment.commitId,
    html_url: html,
    pull_request_url: `${base}/pulls/${comment.pull}`,
    ...(comment.inReplyTo === null ? {} : { in_reply_to_id: comment.inReplyTo }),
    _links: { html: { href: html } },
  };
}

export const senderShape = (state: State, actor: Actor): Json =>
  userShape(state, actor.viaApp ? botLogin(state) : actor.login);
