import type { Contract, Problem } from '../contract/contract.ts';
import type { Narrowing, Refusal, Role, Walls } from '../contract/walls.ts';
import type { Verdict } from '../verification/verdict.ts';

/** The plain data that reports are written from. Every string may be hostile: the report escapes it, the caller does not. */

/** One file of the final diff. */
export interface ChangedFile {
  path: string;
  /** Earlier path of a rename. */
  from?: string | undefined;
  status: 'added' | 'modified' | 'deleted' | 'renamed' | 'type-changed';
  binary: boolean;
  added: number;
  removed: number;
}

/** What the run took so far. */
export interface RunNumbers {
  rounds: number;
  turns: number;
  inputTokens: number;
  cachedInputTokens: number;
  outputTokens: number;
  /** US dollars; null when the model has no known price. */
  costUsd: number | null;
  /** Share of the prompts that repeated the one before, from call to call within a conversation, 0 to 1; null before there were two. */
  stablePrefix: number | null;
  durationMs: number;
}

/** Of a run that has done nothing yet. */
export const noNumbers: Readonly<RunNumbers> = {
  rounds: 0,
  turns: 0,
  inputTokens: 0,
  cachedInputTokens: 0,
  outputTokens: 0,
  costUsd: 0,
  stablePrefix: null,
  durationMs: 0,
};

/** The agent's own words about its work. Shown as claims, never as evidence. */
export interface AgentClaims {
  summary: string | null;
  assumptions: readonly string[];
  /** Its answer to the contract's review note. */
  reviewNote: string | null;
}

/** The plan as shown to people. */
export interface PlanFacts {
  summary: string;
  files: readonly string[];
  riskyInterfaces: readonly string[];
  testsFirst: readonly string[];
  /** What a person has to decide. */
  decisions: readonly string[];
  /** Proposed issues when the work is too big for one. */
  split: readonly string[];
}

/** A finding of the second-look reviewer. It informs, it never decides. */
export interface SecondLookFinding {
  path: string;
  line: number | null;
  /** What may follow from it. */
  consequence: string;
}

/** How the pull request was merged, once it is: fills in the rollback. `squash`: as one commit; `unclear`: together with something else. */
export type MergeFacts =
  | { form: 'merge'; commit: string }
  | { form: 'squash'; commit: string }
  | { form: 'rebase'; first: string; last: string }
  | { form: 'unclear'; commit: string };

/** One `git revert`: of a line of commits behind `from`, or of a merge against one of its parents, counted from 1. */
export type RevertStep = { from: string; to: string } | { merge: string; mainline: number };

/** Everything that `pullRequestBody` and `pullRequestTitle` tell. */
export interface PullRequestInput {
  /** `Closes #issue`; null for a run without an issue (`millwright run`). */
  issue: number | null;
  /** The issue's title as pinned. */
  issueTitle: string;
  contract: Contract;
  /** `sha256:<64 hex>` */
  revision: string;
  base: { branch: string; commit: string };
  head: { branch: string; commit: string };
  /** What takes head back to base, newest first. */
  reverts: readonly RevertStep[];
  changes: readonly ChangedFile[];
  verdict: Verdict;
  claims: AgentClaims;
  plan: PlanFacts | null;
  /** What the context stage looked for and did not find. */
  missingContext: readonly string[];
  /** What the app saw or left out when it took the patch. */
  patchNotes: readonly string[];
  /** Where the patch departs from the plan. */
  deviations: readonly string[];
  /** Globs that a person added to the contract by `/allow`. */
  allowed: readonly { glob: string; by: string }[];
  narrowed: readonly Narrowing[];
  /** Hosts that the agent tried to reach while it built; those of the checks are in the verdict. */
  blockedHosts: readonly { host: string; port: number; command: string | null; count: number }[];
  /** Commands that policy refused to the agent. */
  blockedCommands: readonly { command: string; reason: string }[];
  secondLook: readonly SecondLookFinding[];
  numbers: RunNumbers;
  /** Address of the run's page; null when the app has no public address. */
  link: string | null;
  /** Set once merged, so that the rollback can be filled in. */
  merged: MergeFacts | null;
}

/** State of the issue's run, as the labels know it. */
export type ShownState =
  | 'refused'
  | 'queued'
  | 'running'
  | 'waiting'
  | 'review'
  | 'failed'
  | 'stopped'
  | 'merged'
  | 'closed';

/** One line of the stage timeline. */
export interface StageLine {
  /** `intake`, `context`, `plan`, `build`, `verify`, `review`, `learn`. */
  stage: string;
  state: 'pending' | 'running' | 'done' | 'waiting' | 'failed' | 'stopped' | 'skipped';
  /** How long it took so far. */
  durationMs: number | null;
  /** A few words, such as `round 2 of 3`. */
  note: string | null;
}

/** Everything that the one status comment tells. Null and empty parts are left out. */
export interface StatusInput {
  state: ShownState;
  /** Counts from 1. */
  attempt: number;
  timeline: readonly StageLine[];
  /** Null when the issue's text is no contract at all. */
  contract: Contract | null;
  /** `sha256:<64 hex>` */
  revision: string | null;
  /** What is missing or could not be read (blocking or not). */
  problems: readonly Problem[];
  /** What the walls refuse. */
  refusals: readonly Refusal[];
  walls: Walls | null;
  narrowed: readonly Narrowing[];
  queue: { position: number; reason: string | null } | null;
  numbers: RunNumbers | null;
  /** How the attempt ended or what it waits for. */
  outcome: { code: string; text: string } | null;
  /** The one question that a person has to answer. */
  question: string | null;
  /** Last output; shown folded. */
  detail: string | null;
  /** Diffstat; shown folded. */
  changes: readonly ChangedFile[];
  plan: PlanFacts | null;
  /** Smaller issues, ready to paste, when the work is too big for one run. */
  issues: readonly { title: string; body: string }[];
  stoppedBy: { login: string; reason: string | null } | null;
  /** Things to say at the top, in the app's own words, such as that the issue was edited after it was pinned. */
  notices: readonly string[];
  pullRequest: { number: number; url: string } | null;
  /** The app's own addresses, such as the run's page and the patch. */
  links: readonly { label: string; url: string }[];
}

/** Everything that the check run tells. */
export interface CheckRunInput {
  verdict: Verdict;
  revision: string;
  numbers: RunNumbers;
  link: string | null;
}

export interface CheckRunReport {
  conclusion: 'success' | 'neutral' | 'failure';
  title: string;
  /** Markdown, at most 65,535 characters. */
  summary: string;
  /** Markdown, at most 65,535 characters: full outputs. */
  text: string;
  /** At most 50. */
  annotations: { path: string; startLine: number; endLine: number; level: 'failure' | 'warning'; message: string }[];
}

/** Everything that a commit message tells. */
export interface CommitMessageInput {
  issue: number | null;
  issueTitle: string;
  contract: Contract;
  revision: string;
  run: string;
  /** Address of the run's page. */
  link: string | null;
}

/** A command and who may give it, for `/help` and refusals. */
export interface CommandRule {
  /** `/retry [from STAGE] [guidance]` */
  usage: string;
  /** What it does, in one sentence. */
  does: string;
  /** Null: anyone who can read. */
  role: Role | null;
}

/** What is answered to a command. */
export type ReplyInput =
  | { kind: 'refused'; command: string; needs: Role }
  | { kind: 'impossible'; command: string; reason: string }
  | { kind: 'help'; commands: readonly CommandRule[] }
  | { kind: 'status'; status: StatusInput };
