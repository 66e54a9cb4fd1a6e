import { z } from 'zod';

/** The seven stages, in order (SPEC §2). */
export const stageNames = ['intake', 'context', 'plan', 'build', 'verify', 'review', 'learn'] as const;
export type StageName = (typeof stageNames)[number];

export type RunState = 'queued' | 'running' | 'waiting' | 'done' | 'failed' | 'stopped';
export const liveStates: readonly RunState[] = ['queued', 'running', 'waiting'];

/** Which state may follow which. Everything else is a bug or a stale writer. */
const legalMoves: Record<RunState, readonly RunState[]> = {
  queued: ['running', 'waiting', 'stopped', 'failed'],
  running: ['queued', 'waiting', 'done', 'failed', 'stopped'],
  waiting: ['queued', 'stopped', 'failed', 'done'],
  done: ['queued', 'stopped'],
  // Done, when the pull request that they left open is merged or closed.
  failed: ['queued', 'stopped', 'done'],
  stopped: ['queued', 'done'],
};

export function mayMove(from: RunState, to: RunState): boolean {
  return legalMoves[from].includes(to);
}

/** What was pinned when the label was put on: the facts that the run works from, never fetched again. */
export const RunRequest = z.object({
  title: z.string(),
  body: z.string(),
  /** `sha256:<64 hex>` of the normalised contract text. */
  revision: z.string(),
  labeller: z.string(),
  author: z.string(),
  editor: z.string().nullable(),
  labelledAtMs: z.number(),
  /** Whether reconciliation found the label and its delivery has not been seen yet. */
  found: z.boolean().optional(),
  /** Globs added by `/allow`, by whom; `cause` is the command, as in `AttemptStart`. */
  allowed: z.array(z.object({ glob: z.string(), by: z.string(), cause: z.string().optional() })).default([]),
  /** `/waive NAME reason`, by whom. */
  waived: z
    .array(z.object({ name: z.string(), reason: z.string(), by: z.string(), cause: z.string().optional() }))
    .default([]),
  /** Who approved what: a revision of the contract (`intake`) or of the plan (`plan`), each named by its hash. */
  approved: z.array(z.object({ gate: z.enum(['intake', 'plan']), revision: z.string(), by: z.string() })).default([]),
});
export type RunRequest = z.infer<typeof RunRequest>;

/** Why an attempt began, and from where. */
export const AttemptStart = z.object({
  from: z.enum(stageNames),
  reason: z.enum(['label', 'retry', 'approve', 'allow', 'waive', 'ci', 'restart']),
  by: z.string(),
  guidance: z.string().nullable(),
  /** What asked for it, such as `comment:17:0`: asked again, nothing begins again. */
  cause: z.string().nullable().optional(),
  /** When it was asked for, by GitHub's clock: what was done to the issue before does not concern this attempt. */
  askedAtMs: z.number().nullable().optional(),
});
export type AttemptStart = z.infer<typeof AttemptStart>;

/** How an attempt ended or what it waits for, in words for the status comment. `code` is stable, for metrics and tests. */
export const Outcome = z.object({
  code: z.string(),
  text: z.string(),
  /** The one answerable question when waiting. */
  question: z.string().nullable().default(null),
  /** Last output or list, shown folded; untrusted. */
  detail: z.string().nullable().default(null),
});
export type Outcome = z.infer<typeof Outcome>;

/** How an attempt ended: an end state, or `waiting` for a person. */
export interface AttemptEnd {
  state: Extract<RunState, 'waiting' | 'done' | 'failed' | 'stopped'>;
  outcome: Outcome;
  /** What people had allowed and waived by then, where more of it would have changed the end. */
  judged?: Judged;
}

export type Judged = Pick<RunRequest, 'allowed' | 'waived'>;

/** One issue being worked. */
export interface Run {
  id: string;
  /** `host/owner/name`, in lower case: keys of mirrors, caches, limits. */
  repository: string;
  owner: string;
  name: string;
  installationId: number;
  issue: number;
  state: RunState;
  stage: StageName;
  /** Counts from 1; a `/retry` or an answered wait begins the next. */
  attempt: number;
  start: AttemptStart;
  request: RunRequest;
  outcome: Outcome | null;
  branch: string;
  /** Number of the pull request once opened. */
  pullRequest: number | null;
  headSha: string | null;
  priority: number;
  /** Not before this moment, database clock, milliseconds. */
  runAfterMs: number;
  /** Grows with every claim; a stale worker's writes carry an older one and change nothing. */
  epoch: number;
  /** Infrastructure failures of this attempt so far. */
  failures: number;
  createdAtMs: number;
  updatedAtMs: number;
  endedAtMs: number | null;
}
