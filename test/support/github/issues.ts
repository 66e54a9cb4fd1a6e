import { pullShape } from './pull-shapes.ts';
import { ApiError, invalid } from './router.ts';
import { commentShape, issueShape, labelShape, userShape } from './shapes.ts';
import {
  type Actor,
  type Authored,
  atLeast,
  authored,
  type Comment,
  editBody,
  type Issue,
  type Json,
  type Label,
  nextNumber,
  type PullIssue,
  type Reaction,
  type Repository,
  roleOf,
  type State,
  timestamp,
} from './state.ts';
import { announce, recordEvent, type World } from './world.ts';

/** GitHub's limit for the text of issues, pull requests and comments, in characters. */
const MAX_BODY = 65_536;

export function checkBody(resource: string, body: string | null): void {
  if (body !== null && body.length > MAX_BODY) {
    throw invalid([
      { resource, code: 'custom', field: 'body', message: `body is too long (maximum is ${MAX_BODY} characters)` },
    ]);
  }
}

/** Queues `issues` or `pull_request`, whichever the number is, with the object as it is now. */
export async function announceIssue(
  world: World,
  repository: Repository,
  issue: Issue,
  actor: Actor,
  payload: Json,
): Promise<void> {
  if (issue.pull) {
    const shape = await pullShape(world.state, repository, issue as PullIssue);
    announce(world, repository, 'pull_request', actor, { ...payload, number: issue.number, pull_request: shape });
  } else {
    announce(world, repository, 'issues', actor, { ...payload, issue: issueShape(world.state, repository, issue) });
  }
}

export function ensureLabel(state: State, repository: Repository, name: string, more: Partial<Label> = {}): Label {
  const known = repository.labels.get(name.toLowerCase());
  if (known) return known;
  const label = { id: state.nextId(), name, color: 'ededed', description: null, ...more };
  repository.labels.set(name.toLowerCase(), label);
  return label;
}

export interface NewIssue {
  title: string;
  body?: string | null;
  labels?: string[];
  assignees?: string[];
}

export async function openIssue(world: World, repository: Repository, actor: Actor, input: NewIssue): Promise<Issue> {
  const { state } = world;
  checkBody('Issue', input.body ?? null);
  const issue: Issue = {
    ...authored(state, actor, input.body ?? null),
    number: nextNumber(repository),
    title: input.title,
    state: 'open',
    stateReason: null,
    closedAt: null,
    closedBy: null,
    labels: (input.labels ?? []).map((name) => ensureLabel(state, repository, name).name),
    assignees: [],
    pull: null,
  };
  repository.issues.set(issue.number, issue);
  await announceIssue(world, repository, issue, actor, { action: 'opened' });
  for (const label of issue.labels) {
    recordEvent(world, repository, issue, 'labeled', actor, { label });
    await announceIssue(world, repository, issue, actor, {
      action: 'labeled',
      label: labelShape(state, repository, label),
    });
  }
  if (input.assignees?.length) await assign(world, repository, issue, actor, input.assignees);
  return issue;
}

export interface IssueChange {
  title?: string;
  body?: string | null;
  state?: 'open' | 'closed';
  stateReason?: string | null;
}

export async function changeIssue(
  world: World,
  repository: Repository,
  issue: Issue,
  actor: Actor,
  change: IssueChange,
): Promise<void> {
  const { state } = world;
  const changes: Json = {};
  if (change.title !== undefined && change.title !== issue.title) {
    changes.title = { from: issue.title };
    recordEvent(world, repository, issue, 'renamed', actor, { rename: { from: issue.title, to: change.title } });
    issue.title = change.title;
  }
  if (change.body !== undefined && change.body !== issue.body) {
    checkBody(issue.pull ? 'PullRequest' : 'Issue', change.body);
    changes.body = { from: issue.body ?? '' };
    editBody(state, issue, actor, change.body);
  }
  if (Object.keys(changes).length > 0)
    await announceIssue(world, repository, issue, actor, { action: 'edited', changes });
  if (change.state !== undefined && change.state !== issue.state) {
    const closing = change.state === 'closed';
    issue.state = change.state;
    issue.stateReason = issue.pull ? null : (change.stateReason ?? (closing ? 'completed' : 'reopened'));
    issue.closedAt = closing ? timestamp(state) : null;
    issue.closedBy = closing ? actor.login : null;
    recordEvent(world, repository, issue, closing ? 'closed' : 'reopened', actor);
    await announceIssue(world, repository, issue, actor, { action: closing ? 'closed' : 'reopened' });
  }
}

export async function addLabels(
  world: World,
  repository: Repository,
  issue: Issue,
  actor: Actor,
  names: string[],
): Promise<void> {
  for (const wanted of names) {
    const { name } = ensureLabel(world.state, repository, wanted);
    if (issue.labels.includes(name)) continue;
    issue.labels.push(name);
    recordEvent(world, repository, issue, 'labeled', actor, { label: name });
    await announceIssue(world, repository, issue, actor, {
      action: 'labeled',
      label: labelShape(world.state, repository, name),
    });
  }
}

export async function removeLabels(
  world: World,
  repository: Repository,
  issue: Issue,
  actor: Actor,
  names: string[],
): Promise<void> {
  for (const wanted of names) {
    const name = issue.labels.find((label) => label.toLowerCase() === wanted.toLowerCase());
    if (name === undefined) throw new ApiError(404, 'Label does not exist');
    issue.labels = issue.labels.filter((label) => label !== name);
    recordEvent(world, repository, issue, 'unlabeled', actor, { label: name });
    await announceIssue(world, repository, issue, actor, {
      action: 'unlabeled',
      label: labelShape(world.state, repository, name),
    });
  }
}

/** People who cannot be assigned are left out without an error, as GitHub does. */
export async function assign(
  world: World,
  repository: Repository,
  issue: Issue,
  actor: Actor,
  logins: string[],
): Promise<void> {
  for (const login of logins) {
    const known = world.state.accounts.get(login.toLowerCase());
    const assignable = known?.type === 'User' && atLeast(explicitRole(world.state, repository, login), 'read');
    if (!assignable || issue.assignees.includes(known.login)) continue;
    issue.assignees.push(known.login);
    recordEvent(world, repository, issue, 'assigned', actor, { assignee: known.login });
    await announceIssue(world, repository, issue, actor, {
      action: 'assigned',
      assignee: userShape(world.state, known.login),
    });
  }
}

export async function unassign(
  world: World,
  repository: Repository,
  issue: Issue,
  actor: Actor,
  logins: string[],
): Promise<void> {
  for (const login of logins) {
    const known = issue.assignees.find((assignee) => assignee.toLowerCase() === login.toLowerCase());
    if (known === undefined) continue;
    issue.assignees = issue.assignees.filter((assignee) => assignee !== known);
    recordEvent(world, repository, issue, 'unassigned', actor, { assignee: known });
    await announceIssue(world, repository, issue, actor, {
      action: 'unassigned',
      assignee: userShape(world.state, known),
    });
  }
}

const explicitRole = (state: State, repository: Repository, login: string) =>
  repository.private || repository.roles.has(login.toLowerCase()) || state.defaultRoles.has(login.toLowerCase())
    ? roleOf(state, repository, login)
    : 'none';

export function addComment(world: World, repository: Repository, issue: Issue, actor: Actor, body: string): Comment {
  checkBody('IssueComment', body);
  const comment: Comment = { ...authored(world.state, actor, body), issue: issue.number };
  repository.comments.set(comment.id, comment);
  issue.updatedAt = comment.createdAt;
  announceComment(world, repository, comment, actor, { action: 'created' });
  return comment;
}

export function changeComment(
  world: World,
  repository: Repository,
  comment: Comment,
  actor: Actor,
  body: string,
): void {
  checkBody('IssueComment', body);
  const before = comment.body;
  if (before === body) return;
  editBody(world.state, comment, actor, body);
  announceComment(world, repository, comment, actor, { action: 'edited', changes: { body: { from: before } } });
}

export function deleteComment(world: World, repository: Repository, comment: Comment, actor: Actor): void {
  repository.comments.delete(comment.id);
  announceComment(world, repository, comment, actor, { action: 'deleted' });
}

function announceComment(world: World, repository: Repository, comment: Comment, actor: Actor, payload: Json): void {
  const issue = repository.issues.get(comment.issue);
  if (!issue) return;
  announce(world, repository, 'issue_comment', actor, {
    ...payload,
    issue: issueShape(world.state, repository, issue),
    comment: commentShape(world.state, repository, comment),
  });
}

export const REACTIONS = ['+1', '-1', 'laugh', 'confused', 'heart', 'hooray', 'rocket', 'eyes'];

/** The same reaction by the same person counts once; `fresh` tells whether it is new (201, else 200). */
export function react(
  state: State,
  target: Authored,
  login: string,
  content: string,
): { reaction: Reaction; fresh: boolean } {
  if (!REACTIONS.includes(content)) throw invalid([{ resource: 'Reaction', field: 'content', code: 'invalid' }]);
  const known = target.reactions.find((reaction) => reaction.login === login && reaction.content === content);
  if (known) return { reaction: known, fresh: false };
  const reaction = { id: state.nextId(), content, login, createdAt: timestamp(state) };
  target.reactions.push(reaction);
  return { reaction, fresh: true };
}
