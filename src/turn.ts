import { type Attempt, takeAmendments } from './attempt.ts';
import { storedBaselines } from './baselines.ts';
import { type Checkouts, createCheckouts } from './checkout.ts';
import type { Doors } from './doors.ts';
import { eventsOf } from './engine/ledger.ts';
import type { Steps } from './engine/steps.ts';
import { keepTree, restoreTree } from './evidence.ts';
import type { ModelMessage } from './model/model.ts';
import type { AttemptEnd, StageName } from './run.ts';
import type { Sandbox } from './sandbox/sandbox.ts';
import { BuildResult, build } from './stages/build.ts';
import type { Briefing } from './stages/context.ts';
import { guidanceOf, heardKind } from './stages/guidance.ts';
import type { PlanResult } from './stages/plan.ts';
import { verifyTree } from './stages/verify.ts';
import { reachedText } from './stop-clause.ts';
import { startOf } from './take-up.ts';
import type { ToolServers } from './tool-servers.ts';
import { Verdict } from './verification/verdict.ts';

interface Turning {
  attempt: Attempt;
  steps: Steps;
  briefing: Briefing;
  planned: PlanResult;
  servers: ToolServers;
  enter: (stage: StageName, note?: string) => Promise<void>;
  doors: Doors;
}

interface Turned {
  built: BuildResult;
  verdict: Verdict;
}

/** build ⇄ verify, at most `limits.rounds` times. Each round's patch and verdict are saved. */
export async function turn(line: Turning): Promise<Turned | AttemptEnd> {
  const { attempt, steps, enter, doors } = line;
  const { rounds } = attempt.walls.limits;
  const start = await startOf(attempt, doors);
  if ('state' in start) return start;
  const checkouts = createCheckouts(attempt, doors);
  await using bench = createBench(checkouts);
  const verifying = { git: doors.git, baseCache: storedBaselines(doors.db) };
  let previous: { tree: string; conversation: ModelMessage[] | null } = { tree: start.tree, conversation: null };
  let feedback: string | null = start.feedback;
  const sentBack: string[] = [];
  let turns = 0;
  if (start.built !== null) await keepTree(attempt, start.built.tree, doors);
  for (let round = 1; round <= rounds; round++) {
    const index = start.index + round - 1;
    let built: BuildResult | null = round === 1 ? start.built : null;
    if (built === null) {
      await enter('build', `round ${round} of ${rounds}`);
      let conversation: ModelMessage[] | null = null;
      built = await steps.step(`build-${index}`, BuildResult, async () => {
        const made = await build(
          {
            briefing: line.briefing,
            planned: line.planned,
            from: previous.tree,
            feedback,
            // A fresh conversation knows nothing of what was said: after a restart in between as well.
            guidance:
              previous.conversation === null ? await guidanceOf(attempt, await heardBefore(attempt, doors)) : null,
            conversation: previous.conversation,
            startedAtMs: start.startedAtMs,
            turns,
          },
          attempt,
          await bench.at(previous.tree),
          doors,
          await line.servers.tools(),
        );
        conversation = made.conversation;
        return made;
      });
      turns = built.turns;
      previous = { tree: built.tree, conversation };
      await restoreTree(attempt, built.tree, doors);
      await keepTree(attempt, built.tree, doors);
      const early = endOfBuild(built, feedback, attempt);
      if (early) return early;
    }
    await enter('verify', `round ${round} of ${rounds}`);
    await takeAmendments(attempt, doors);
    const proposed = built;
    const judge = () =>
      verifyTree({ built: proposed, lastRound: round === rounds, sentBack }, attempt, checkouts, verifying);
    let verdict = await steps.step(`verify-${index}`, Verdict, judge);
    if (verdict.tree !== proposed.tree) {
      // A saved verdict about another tree, such as one that a person has pushed over since, says nothing here.
      verdict = await judge();
      await steps.save(`verify-${index}`, Verdict, verdict);
    }
    if (verdict.next === 'open') return { built, verdict };
    const judged = attempt.run.request;
    if (verdict.next === 'wait') return { ...waiting(verdict, built), judged };
    if (verdict.next === 'fail') return { ...failed(verdict), judged };
    feedback = verdict.feedback;
    sentBack.push(...verdict.findings.map((finding) => finding.name));
  }
  return {
    state: 'failed',
    outcome: {
      code: 'limit.rounds',
      text: `${reachedText('limits.rounds', attempt)} The last round did not pass verification.`,
      question: null,
      detail: feedback,
    },
  };
}

const heardBefore = ({ run }: Attempt, { db }: Doors) => eventsOf(db, run.id, { kinds: [heardKind] });

/** The agent's container, kept between the rounds of an attempt and removed with it. */
function createBench(checkouts: Checkouts): AsyncDisposable & { at(tree: string): Promise<Sandbox> } {
  let sandbox: Sandbox | null = null;
  return {
    async at(tree) {
      sandbox ??= await checkouts.open('build', tree);
      return sandbox;
    },
    async [Symbol.asyncDispose]() {
      await sandbox?.[Symbol.asyncDispose]();
    },
  };
}

/** Ends of a build that no verification follows; the patch so far is saved all the same. */
function endOfBuild(built: BuildResult, feedback: string | null, attempt: Attempt): AttemptEnd | null {
  const wait = (code: string, text: string): AttemptEnd => ({
    state: 'waiting',
    outcome: { code, text, question: built.question, detail: null },
  });
  switch (built.end) {
    case 'submitted':
      return null;
    case 'asked':
      return wait('question', 'The agent asks a question. Answer with /retry and the answer.');
    case 'stuck':
      return wait('stuck', 'The agent got no further. Answer with /retry and guidance.');
    case 'refused':
      return wait('model-refused', 'The model refused the task. Rephrase it, or answer with /retry and guidance.');
    case 'rejected':
      return {
        state: 'failed',
        outcome: {
          code: 'patch-invalid',
          text: 'The patch cannot be taken.',
          question: null,
          detail: rejectionText(built),
        },
      };
    case 'limit':
      return {
        state: 'failed',
        outcome: {
          code: built.clause ?? 'limit',
          text: reachedText(built.clause ?? '', attempt),
          question: null,
          // What the round was to mend, and how far it came.
          detail: [feedback, built.lastOutput].filter((part) => part !== null).join('\n\n') || null,
        },
      };
  }
}

function rejectionText({ rejections }: BuildResult): string {
  return rejections.map(({ path, reason }) => `${path}: ${reason}`).join('\n');
}

function waiting(verdict: Verdict, built: BuildResult): AttemptEnd {
  const gate = verdict.findings.find((finding) => finding.next === 'wait')?.gate ?? 'verification';
  const text = built.empty ? 'No change was needed, says the agent.' : 'Verification asks for a person.';
  return {
    state: 'waiting',
    outcome: { code: built.empty ? 'no-change' : gate, text, question: verdict.question, detail: verdict.feedback },
  };
}

function failed(verdict: Verdict): AttemptEnd {
  const names = verdict.findings.filter((finding) => finding.next === 'fail').map((finding) => finding.name);
  return {
    state: 'failed',
    outcome: {
      code: 'verification-failed',
      text: `Verification failed after the last round: ${names.join(', ')}.`,
      question: null,
      detail: verdict.feedback,
    },
  };
}
