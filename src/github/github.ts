/** The door to GitHub, about a dozen verbs, each safe to repeat. One real implementation, `octokit-github.ts`. */
export interface GitHub {
  /** The same verbs, bound to one repository through its installation. */
  repository(ref: RepositoryRef): RepositoryGitHub;
  /** Calls that the work makes are given up once the signal aborts, whether GitHub answers or not; they reject with its reason. */
  whileWanted<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T>;
  /** Repositories that the app is installed on. */
  installedRepositories(): Promise<InstalledRepository[]>;
  /** Asks GitHub to deliver again what failed since a moment; returns how many were asked for. */
  redeliverFailed(sinceMs: number): Promise<number>;
  /** The app's own login, `slug[bot]`, and the address for its commits. */
  identity(): Promise<AppIdentity>;
  /** How people prove who they are; null where the app has no OAuth client. */
  signIn: SignIn | null;
}

/** The app's web sign-in, and GitHub as somebody who signed in sees it. */
export interface SignIn {
  /** Page of GitHub that asks the person; it leads back to `redirectUri` with a code. `challenge`: S256 of the verifier (PKCE). */
  address(request: { redirectUri: string; state: string; challenge: string }): string;
  /** The person's token for a code. Null for a code that GitHub does not take. Errors: `outside.github`, `outside.github-refused`. */
  exchange(request: { code: string; redirectUri: string; verifier: string }): Promise<string | null>;
  /** Whose token it is; null when it is none, or no longer. Errors: `outside.github`. */
  loginOf(token: string): Promise<string | null>;
  /**
   * What the person may do in a repository, by their own account: `none` for one that they cannot see, or whose name is another's
   * now than `id` (null: any). Counts against their rate limit, not the app's. Null when the token is none any more. Errors: `outside.github`.
   */
  roleIn(token: string, ref: Pick<RepositoryRef, 'owner' | 'name'>, id: number | null): Promise<Role | null>;
}

export interface AppIdentity {
  login: string;
  name: string;
  email: string;
  /** Public page of the app. */
  url: string;
}

export interface RepositoryRef {
  installationId: number;
  owner: string;
  name: string;
}

/** With GitHub's numbers of the repository and of its account, which stay when names change hands. */
export interface InstalledRepository extends RepositoryRef {
  id: number;
  ownerId: number;
}

export type Role = 'none' | 'read' | 'triage' | 'write' | 'maintain' | 'admin';

/** Errors of every verb: `outside.github` (may be tried again), `outside.github-refused`, `outside.repository-gone`. */
export interface RepositoryGitHub {
  facts(): Promise<RepositoryFacts>;
  /** A token limited to this repository and to `contents: write`, fit for git; a new one with `renew`, when one was refused. */
  gitToken(renew?: boolean): Promise<string>;
  /** What the collaborator-permission API says of this person, now (cached for seconds only). */
  roleOf(login: string): Promise<Role>;
  issue(number: number): Promise<IssueFacts>;
  /** Conversation comments of all issues and pull requests that were written or changed since, oldest first. */
  recentComments(sinceMs: number): Promise<PlacedComment[]>;
  /** The same of comments on lines of pull requests. */
  recentReviewComments(sinceMs: number): Promise<PlacedComment[]>;
  /** Open issues with a label. */
  labelledIssues(label: string): Promise<{ number: number; updatedAtMs: number }[]>;
  /** Open pull requests. */
  openPullRequests(): Promise<{ number: number; updatedAtMs: number }[]>;
  /** When a label was last put on an issue and by whom; null when it is not on it. */
  labelEvent(number: number, label: string): Promise<{ actor: string; atMs: number } | null>;
  /** The last time that a label was taken off an issue or the issue was closed, and by whom; null when neither ever was. `gone`: there is no such issue any more. */
  leftEvent(
    number: number,
    label: string,
  ): Promise<{ actor: string; atMs: number; how: 'unlabeled' | 'closed' } | 'gone' | null>;
  /** Creates the labels that are missing, with colour and description. */
  ensureLabels(labels: readonly LabelSpec[]): Promise<void>;
  /** Leaves exactly this one of `states` on the issue (null: none of them). */
  setStateLabel(number: number, label: string | null, states: readonly string[]): Promise<void>;
  removeLabel(number: number, label: string): Promise<void>;
  /** Creates or edits the one comment by the app that begins with the hidden marker. `changedAtMs` by GitHub's clock. */
  upsertComment(
    number: number,
    marker: string,
    body: string,
  ): Promise<{ id: number; url: string; changedAtMs: number }>;
  react(target: ReactionTarget, reaction: 'eyes' | '+1' | 'confused'): Promise<void>;
  assign(number: number, login: string): Promise<void>;
  /** File at a ref (default branch when absent); null when there is nothing at the path, or no such repository. */
  readFile(path: string, ref?: string): Promise<FileText | null>;
  findPullRequest(branch: string): Promise<PullRequestFacts | null>;
  pullRequest(number: number): Promise<PullRequestFacts>;
  /**
   * Opens it, or updates the open one of the same branch. A duplicate refusal is looked up, not raised. The one named by
   * `known` that a person closed comes back as it is, closed, unless `reopen` says to open it again.
   */
  upsertPullRequest(request: PullRequestRequest): Promise<PullRequestFacts>;
  /** Writes what `edit` makes of the body as it stands now; nothing when that is the same. */
  editPullRequestBody(number: number, edit: (body: string) => string): Promise<void>;
  requestReviewers(number: number, reviewers: readonly string[]): Promise<void>;
  addLabels(number: number, labels: readonly string[]): Promise<void>;
  /**
   * Makes a commit by the host's own hand, which signs it as the app's. No branch shows it before `moveBranch`. Null where the host
   * signs nothing, or will not have these files: then git makes and pushes it. Made twice, they are two commits.
   */
  signedCommit(request: CommitByHost): Promise<string | null>;
  /** Moves a branch forward to a commit on top of where it is expected (null: makes it). Never rewrites one. */
  moveBranch(branch: string, commit: string, expected: string | null): Promise<BranchMove>;
  /** Creates or updates the check run with this external id on the commit. */
  upsertCheckRun(request: CheckRunRequest): Promise<void>;
  /** Checks and statuses of others that failed on a commit. */
  failedChecks(commit: string): Promise<ForeignCheck[]>;
  /** The latest hundred comments on an issue or pull request, oldest first. */
  comments(number: number): Promise<ThreadComment[]>;
  /** Reviews and review comments of a pull request, oldest first. */
  reviews(number: number): Promise<ReviewFacts[]>;
}

/** The text of a file, or what is there instead, as the end of a sentence. */
export type FileText = { text: string } | { problem: string };

export interface RepositoryFacts {
  id: number;
  fullName: string;
  defaultBranch: string;
  cloneUrl: string;
  private: boolean;
  archived: boolean;
}

/** Logins of bots end in `[bot]`, as GitHub's REST API writes them; an account that is gone is `ghost`. */
export interface IssueFacts {
  number: number;
  title: string;
  body: string;
  author: string;
  /** Last editor of the body; null when never edited. */
  editor: string | null;
  lastEditedAtMs: number | null;
  /** Edits of the body, oldest first, at most the last 50. */
  edits: { editor: string; atMs: number }[];
  state: 'open' | 'closed';
  labels: string[];
  isPullRequest: boolean;
}

export interface CommentFacts {
  id: number;
  author: string;
  authorIsBot: boolean;
  body: string;
  createdAtMs: number;
  edited: boolean;
}

export interface ThreadComment {
  author: string;
  /** Last editor; null when never edited. */
  editor: string | null;
  body: string;
  createdAtMs: number;
}

export interface PlacedComment extends CommentFacts {
  /** Of the issue or pull request. */
  number: number;
  onPullRequest: boolean;
}

/** Reviews take reactions by their node id only. */
export type ReactionTarget =
  | { kind: 'comment' | 'review-comment'; id: number }
  | { kind: 'review'; id: number; nodeId: string };

export interface LabelSpec {
  name: string;
  color: string;
  description: string;
}

export interface PullRequestFacts {
  number: number;
  url: string;
  state: 'open' | 'closed';
  /** By GitHub's clock; null while open. */
  closedAtMs: number | null;
  merged: boolean;
  draft: boolean;
  headSha: string;
  headBranch: string;
  baseBranch: string;
  mergeCommitSha: string | null;
  author: string;
}

export interface PullRequestRequest {
  branch: string;
  base: string;
  title: string;
  body: string;
  draft: boolean;
  /** The pull request that this work has had so far. */
  known?: { number: number; reopen: boolean };
}

/** A commit as what leads to its tree from one that the host has. */
export interface CommitByHost {
  /** Of one of the parents. */
  baseTree: string;
  /** What must come of it. */
  tree: string;
  /** Asked for only where the host may sign. */
  changes: () => Promise<readonly FileChange[]>;
  parents: readonly string[];
  message: string;
}

export interface FileChange {
  path: string;
  mode: '100644' | '100755' | '120000';
  /** Null: there is none any more. Of a link, its target. */
  bytes: Uint8Array | null;
}

export type BranchMove =
  | { ok: true }
  | { ok: false; reason: 'moved'; actual: string | null }
  | { ok: false; reason: 'refused'; message: string };

export interface CheckRunRequest {
  name: string;
  headSha: string;
  externalId: string;
  status: 'in_progress' | 'completed';
  conclusion?: 'success' | 'failure' | 'neutral' | 'cancelled' | 'action_required';
  title: string;
  summary: string;
  text?: string;
  detailsUrl?: string;
  annotations?: readonly CheckAnnotation[];
}

export interface CheckAnnotation {
  path: string;
  startLine: number;
  endLine: number;
  level: 'notice' | 'warning' | 'failure';
  message: string;
}

export interface ForeignCheck {
  name: string;
  url: string | null;
  summary: string;
}

export interface ReviewFacts {
  id: number;
  nodeId: string;
  author: string;
  authorIsBot: boolean;
  /** Last editor of the body; null when never edited. */
  editor: string | null;
  state: 'approved' | 'changes-requested' | 'commented' | 'dismissed' | 'pending';
  body: string;
  submittedAtMs: number;
  comments: { author: string; editor: string | null; path: string; line: number | null; body: string }[];
}
