import type { BareRepository, Person } from './bare-repository.ts';

export type Json = Record<string, unknown>;
export type Role = 'none' | 'read' | 'triage' | 'write' | 'maintain' | 'admin';
export const ROLES: readonly Role[] = ['none', 'read', 'triage', 'write', 'maintain', 'admin'];
export const atLeast = (role: Role, wanted: Role): boolean => ROLES.indexOf(role) >= ROLES.indexOf(wanted);

export interface Account {
  id: number;
  login: string;
  type: 'User' | 'Organization' | 'Bot';
}

/** Who did something; `viaApp` marks work done with an installation token. */
export interface Actor {
  login: string;
  viaApp: boolean;
}

export interface Label {
  id: number;
  name: string;
  color: string;
  description: string | null;
}

export interface Reaction {
  id: number;
  content: string;
  login: string;
  createdAt: string;
}

/** What issues, pull requests, comments and reviews have in common: a text that somebody wrote and may edit. */
export interface Authored {
  id: number;
  body: string | null;
  author: string;
  viaApp: boolean;
  createdAt: string;
  updatedAt: string;
  editor: string | null;
  lastEditedAt: string | null;
  edits: { editor: string; editedAt: string; body: string | null }[];
  reactions: Reaction[];
}

export interface Pull {
  headRef: string;
  headSha: string;
  baseRef: string;
  baseSha: string;
  draft: boolean;
  mergedAt: string | null;
  mergedBy: string | null;
  mergeCommitSha: string | null;
  reviewers: string[];
  teams: string[];
}

export interface Issue extends Authored {
  number: number;
  title: string;
  state: 'open' | 'closed';
  stateReason: string | null;
  closedAt: string | null;
  closedBy: string | null;
  labels: string[];
  assignees: string[];
  pull: Pull | null;
}

export type PullIssue = Issue & { pull: Pull };

export interface Comment extends Authored {
  issue: number;
}

export interface Review extends Authored {
  pull: number;
  state: 'APPROVED' | 'CHANGES_REQUESTED' | 'COMMENTED' | 'DISMISSED' | 'PENDING';
  commitId: string;
}

export interface ReviewComment extends Authored {
  pull: number;
  review: number;
  path: string;
  line: number | null;
  commitId: string;
  inReplyTo: number | null;
}

export interface IssueEvent {
  id: number;
  issue: number;
  event: string;
  actor: string;
  viaApp: boolean;
  createdAt: string;
  detail: Json;
}

export interface CheckRun {
  id: number;
  suite: number;
  name: string;
  headSha: string;
  externalId: string;
  detailsUrl: string | null;
  status: 'queued' | 'in_progress' | 'completed';
  conclusion: string | null;
  startedAt: string;
  completedAt: string | null;
  output: { title: string | null; summary: string | null; text: string | null };
  annotations: Json[];
}

export interface CheckSuite {
  id: number;
  app: string;
  headSha: string;
  headBranch: string | null;
  status: 'queued' | 'in_progress' | 'completed';
  conclusion: string | null;
  createdAt: string;
  updatedAt: string;
}

export interface CommitStatus {
  id: number;
  sha: string;
  state: 'error' | 'failure' | 'pending' | 'success';
  context: string;
  description: string | null;
  targetUrl: string | null;
  creator: string;
  createdAt: string;
}

export interface Repository {
  id: number;
  owner: string;
  name: string;
  fullName: string;
  private: boolean;
  archived: boolean;
  /** A pattern of refs that nobody may push to; `''` for none. */
  protectedRefs: string;
  defaultBranch: string;
  createdAt: string;
  pushedAt: string;
  git: BareRepository;
  roles: Map<string, Role>;
  labels: Map<string, Label>;
  issues: Map<number, Issue>;
  comments: Map<number, Comment>;
  reviews: Map<number, Review>;
  reviewComments: Map<number, ReviewComment>;
  events: IssueEvent[];
  /** Where issues went that were here, by their number here. */
  transferred: Map<number, { to: Repository; number: number }>;
  checkSuites: Map<number, CheckSuite>;
  checkRuns: Map<number, CheckRun>;
  statuses: CommitStatus[];
  /** Commits that GitHub itself signed because a bot made them through the API without naming an author. */
  verified: Set<string>;
}

export interface Installation {
  id: number;
  account: string;
  selection: 'all' | 'selected';
  repositories: Set<number>;
  permissions: Record<string, string>;
  suspendedAt: string | null;
  createdAt: string;
}

export interface InstallationToken {
  token: string;
  installation: number;
  repositories: number[] | null;
  permissions: Record<string, string>;
  expiresAtMs: number;
}

export interface AppIdentity {
  id: number;
  slug: string;
  name: string;
  privateKeyPem: string;
  publicKeyPem: string;
  webhookSecret: string;
  permissions: Record<string, string>;
  events: string[] | null;
}

export interface State {
  app: AppIdentity;
  origin: string;
  now: () => number;
  accounts: Map<string, Account>;
  defaultRoles: Map<string, Role>;
  repositories: Map<string, Repository>;
  /** Where a repository went that had another name, by that name in lower case. */
  moved: Map<string, Repository>;
  installations: Map<number, Installation>;
  installationTokens: Map<string, InstallationToken>;
  userTokens: Map<string, string>;
  nextId: () => number;
  /** Whether commits that the app makes through the API are signed. */
  signsCommits: boolean;
}

export const botLogin = (state: State): string => `${state.app.slug}[bot]`;

/** GitHub's times have whole seconds. */
export const timestamp = (state: State): string => new Date(state.now()).toISOString().replace(/\.\d{3}Z$/, 'Z');

/** A repository by a name that it has or had. */
export const followRepository = (state: State, fullName: string): Repository | undefined =>
  findRepository(state, fullName) ?? state.moved.get(fullName.toLowerCase());

export const findRepository = (state: State, fullName: string): Repository | undefined =>
  state.repositories.get(fullName.toLowerCase());

export const nodeId = (kind: string, id: number): string => Buffer.from(`${kind}:${id}`).toString('base64url');

/** The role that GitHub's permission API would answer; people without any role can read public repositories. */
export function roleOf(state: State, repository: Repository, login: string): Role {
  const key = login.toLowerCase();
  if (key === repository.owner.toLowerCase()) return 'admin';
  return repository.roles.get(key) ?? state.defaultRoles.get(key) ?? (repository.private ? 'none' : 'read');
}

export function account(state: State, login: string, type: Account['type'] = 'User'): Account {
  const key = login.toLowerCase();
  const known = state.accounts.get(key);
  if (known) return known;
  const created = { id: state.nextId(), login, type: login.endsWith('[bot]') ? ('Bot' as const) : type };
  state.accounts.set(key, created);
  return created;
}

let lastInstallation = 900;
/** Unique in this process: octokit shares a token that is on its way among all clients of one installation id, wherever they lead. */
export const nextInstallation = (): number => ++lastInstallation;

export function installationOf(state: State, repository: Repository): Installation | undefined {
  return [...state.installations.values()].find(
    (installation) =>
      installation.account.toLowerCase() === repository.owner.toLowerCase() &&
      (installation.selection === 'all' || installation.repositories.has(repository.id)),
  );
}

export function nextNumber(repository: Repository): number {
  return Math.max(0, ...repository.issues.keys()) + 1;
}

export function pullRequests(repository: Repository): PullIssue[] {
  return [...repository.issues.values()].filter((issue): issue is PullIssue => issue.pull !== null);
}

export function authored(state: State, actor: Actor, body: string | null): Authored {
  const now = timestamp(state);
  return {
    id: state.nextId(),
    body,
    author: actor.login,
    viaApp: actor.viaApp,
    createdAt: now,
    updatedAt: now,
    editor: null,
    lastEditedAt: null,
    edits: [],
    reactions: [],
  };
}

/** Changes the text and remembers who did it, as `editor`, `lastEditedAt` and `userContentEdits` tell. */
export function editBody(state: State, target: Authored, actor: Actor, body: string | null): void {
  const now = timestamp(state);
  if (target.edits.length === 0) {
    target.edits.push({ editor: target.author, editedAt: target.createdAt, body: target.body });
  }
  target.edits.push({ editor: actor.login, editedAt: now, body });
  target.body = body;
  target.editor = actor.login;
  target.lastEditedAt = now;
  target.updatedAt = now;
}

/** How an account signs commits. */
export function personOf(state: State, login: string): Person {
  const id = state.accounts.get(login.toLowerCase())?.id ?? 0;
  return { name: login, email: `${id}+${login}@users.noreply.${new URL(state.origin).hostname}` };
}
