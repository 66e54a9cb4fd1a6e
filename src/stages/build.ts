import { z } from 'zod';
import { isDaily } from '../agent/budget.ts';
import { runAgent } from '../agent/loop.ts';
import { type AgentResult, Submission } from '../agent/result.ts';
import { readThread } from '../agent/thread-tool.ts';
import type { AgentTool } from '../agent/tool.ts';
import type { Attempt } from '../attempt.ts';
import { isProtected } from '../contract/globs.ts';
import type { Doors } from '../doors.ts';
import { MillwrightError } from '../errors.ts';
import type { DiffFile, PatchResult } from '../git/git.ts';
import type { ModelMessage } from '../model/model.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import { type Briefing, briefingParts } from './context.ts';
import { type PlanResult, planText } from './plan.ts';
import { threadText } from './threads.ts';

/** One round of building: the patch as a tree, and what the agent claims about it. Saved at the end of the round. */
export const BuildResult = z.object({
  /** Files of the whole repository with the patch applied. */
  tree: z.string(),
  empty: z.boolean(),
  end: z.enum(['submitted', 'asked', 'limit', 'refused', 'stuck', 'rejected']),
  submission: Submission.nullable(),
  question: z.string().nullable(),
  /** The clause that was reached, such as `limits.turns`; named in the outcome. */
  clause: z.string().nullable(),
  /** What the agent saw last before a limit ended the round, for people to look at; null when it ended otherwise. */
  lastOutput: z.string().nullable().default(null),
  /** Why the last patch could not be taken, when it could not. */
  rejections: z.array(z.object({ path: z.string(), reason: z.string() })),
  notes: z.array(z.string()),
  /** Diffstat against base, for the status comment. */
  changes: z.array(z.custom<DiffFile>()),
  turns: z.number(),
  refused: z.array(z.object({ tool: z.string(), what: z.string(), reason: z.string() })),
  blockedHosts: z.array(
    z.object({ host: z.string(), port: z.number(), command: z.string().nullable(), count: z.number() }),
  ),
});
export type BuildResult = z.infer<typeof BuildResult>;

/** A round's result with what only lives as long as the process: the conversation that a further round continues. */
export interface Build extends BuildResult {
  conversation: ModelMessage[] | null;
}

export interface BuildNeeds {
  briefing: Briefing;
  planned: PlanResult;
  /** Tree that the work goes on from: what the container holds now. */
  from: string;
  feedback: string | null;
  guidance: string | null;
  conversation: readonly ModelMessage[] | null;
  /** Of the attempt so far; the start by `elapsedMs` of the clock. */
  startedAtMs: number;
  turns: number;
}

/** How often a patch that cannot be taken is handed back with the reasons, within one round. */
const mendings = 3;
/** Largest single file and whole patch that are read out of a container. */
const maxFileBytes = 10 * 1024 ** 2;
const maxTotalBytes = 50 * 1024 ** 2;
/** Of the last output that is shown when a limit ends a round, in characters. */
const lastOutputChars = 6_000;
/** Paths read at most, ignored ones included: dependency folders that the agent filled count here, not in `limits.files`. */
const maxChangedPaths = 20_000;

/** Stage 4: the agent works in its container; its patch leaves as data and is validated on the host. */
export async function build(
  needs: BuildNeeds,
  attempt: Attempt,
  sandbox: Sandbox,
  doors: Pick<Doors, 'git' | 'clock'>,
  tools: readonly AgentTool[] = [],
): Promise<Build> {
  let { feedback, conversation, guidance } = needs;
  let turns = needs.turns;
  // A run without GitHub has no issue, and no others beside it.
  const threads = attempt.run.issue > 0 ? [readThread((number) => threadText(number, attempt))] : [];
  for (let tries = 1; ; tries++) {
    const { name, effort, door } = attempt.model('build');
    const result = await runAgent(
      {
        contract: attempt.contract,
        walls: attempt.walls,
        model: { name, effort },
        briefing: briefingParts(needs.briefing),
        plan: planText(needs.planned),
        feedback,
        guidance,
        conversation,
        attempt: { startedAtMs: needs.startedAtMs, turns },
      },
      {
        model: door,
        sandbox,
        budget: attempt.budget,
        clock: doors.clock,
        record: ({ kind, data }) => attempt.record(kind, data),
        mask: attempt.mask,
        tools: [...threads, ...tools],
      },
      attempt.signal,
    );
    turns += result.turns;
    // Nothing was done yet, so nothing is lost by waiting.
    if (result.end === 'limit' && turns === 0 && isDaily(result.clause))
      throw new MillwrightError('limit.daily-budget', { detail: result.clause });
    const patch = await takePatch(attempt, sandbox, doors);
    if (patch.ok || result.end !== 'submitted' || tries === mendings) {
      // Work that cannot be taken is not lost silently: the last good tree stays, and the reasons are told.
      const tree = patch.ok ? patch.tree : needs.from;
      const { files } = await doors.git.diff(attempt.repository, attempt.base.commit, tree);
      return { ...buildOf(result, patch, sandbox), tree, turns, changes: files };
    }
    feedback = `The patch cannot be taken:\n${patch.rejections.map(({ path, reason }) => `- ${path}: ${reason}`).join('\n')}\nMend this, then submit again.`;
    conversation = result.conversation;
    guidance = null;
  }
}

async function takePatch(attempt: Attempt, sandbox: Sandbox, { git }: Pick<Doors, 'git'>): Promise<PatchResult> {
  const changes = await sandbox.changes({
    maxFiles: maxChangedPaths,
    maxFileBytes,
    maxTotalBytes,
    ignored: (paths) => git.ignored(attempt.repository, attempt.base.commit, paths),
    // Every container's image holds the files of the base commit, whatever tree it was opened on. Submodules are never in it.
    base: async () =>
      (await git.list(attempt.repository, attempt.base.commit))
        .filter(({ mode }) => mode !== '160000')
        .map(({ path }) => path),
  });
  return git.writePatch(attempt.repository, attempt.base.commit, changes, {
    maxFiles: Math.max(500, attempt.walls.limits.files * 10),
    maxFileBytes,
    maxTotalBytes,
    isProtected: (path) => isProtected(path, attempt.walls),
  });
}

function buildOf(result: AgentResult, patch: PatchResult, sandbox: Sandbox): Omit<Build, 'tree' | 'turns' | 'changes'> {
  const rejected = !patch.ok && result.end === 'submitted';
  return {
    empty: patch.ok && patch.empty,
    end: rejected ? 'rejected' : result.end,
    submission: result.end === 'submitted' ? result.submission : null,
    question:
      result.end === 'asked' || result.end === 'stuck'
        ? result.question
        : result.end === 'refused'
          ? result.text
          : null,
    clause: result.end === 'limit' ? result.clause : null,
    lastOutput: result.end === 'limit' ? lastOutputIn(result.conversation) : null,
    rejections: patch.ok ? [] : patch.rejections,
    notes: patch.ok ? patch.notes : [],
    refused: result.refused,
    blockedHosts: sandbox
      .blocked()
      .map(({ host, port, command, count }) => ({ host, port, command: command ?? null, count })),
    conversation: result.conversation,
  };
}

/** The newest output of a tool in a conversation; what was not run, or not to its end, has none. */
function lastOutputIn(conversation: readonly ModelMessage[]): string | null {
  const last = conversation.findLast(({ role, text }) => role === 'tool' && !/^Not (?:run|finished):/.test(text));
  return last?.text.slice(-lastOutputChars) ?? null;
}
