import { createHash } from 'node:crypto';
import { z } from 'zod';
import { askForShape } from '../agent/ask-for-shape.ts';
import { planMessages } from '../agent/prompts.ts';
import { PlanShape } from '../agent/shapes.ts';
import type { Attempt } from '../attempt.ts';
import type { PlanFacts } from '../report/facts.ts';
import { few } from '../report/phrases.ts';
import { type Outcome, type Run, stageNames } from '../run.ts';
import { type Briefing, briefingParts } from './context.ts';
import { allowHelps, objectionKinds, objectionsTo, type PlanObjection, tidyPlan } from './plan-objections.ts';
import { issuesText, proposedIssues } from './plan-split.ts';

/** The plan as the model gave it, and what code found when it was held against the contract. */
export const PlanResult = z.object({
  /** Null when the model gave none that could be used: the run goes on without, and says so. */
  plan: PlanShape.extend({ tools: PlanShape.shape.tools.default([]) }).nullable(),
  /** Still wrong after it was sent back once. */
  objections: z.array(z.object({ kind: z.enum(objectionKinds), text: z.string() })),
  /** Why there is no plan. */
  note: z.string().nullable(),
  /** Smaller issues with their contracts, when the work is too big for one run. */
  issues: z.array(z.object({ title: z.string(), body: z.string() })).default([]),
});
export type PlanResult = z.infer<typeof PlanResult>;

/** What planning works from. */
type Planning = Pick<Attempt, 'contract' | 'walls' | 'run' | 'model' | 'nonce' | 'mask' | 'signal'>;

/**
 * Stage 3: one structured call without tools, held against the contract by code, sent back once.
 * Errors: the model's own.
 */
export async function plan(attempt: Planning, briefing: Briefing): Promise<PlanResult> {
  const first = await ask(attempt, briefing, null);
  if (!first.ok) return { plan: null, objections: [], note: `The model gave no plan (${first.reason}).`, issues: [] };
  const proposed = tidyPlan(first.value);
  const objections = objectionsTo(proposed, attempt);
  if (objections.length === 0) return { plan: proposed, objections, note: null, issues: [] };
  const second = await ask(attempt, briefing, { proposed, objections });
  const mended = second.ok ? tidyPlan(second.value) : proposed;
  const left = objectionsTo(mended, attempt);
  // A plan that was mended for the worse is not taken over the first.
  const [kept, open] = waitsFor(left) > waitsFor(objections) ? [proposed, objections] : [mended, left];
  const tooBig = open.some(({ kind }) => kind === 'size');
  const issues = tooBig ? proposedIssues(kept, { ...attempt, issue: attempt.run.issue }) : [];
  return { plan: kept, objections: open, note: null, issues };
}

/** How many kinds of objection would keep the plan waiting. */
const waitsFor = (objections: readonly PlanObjection[]) =>
  new Set(objections.map(({ kind }) => kind).filter((kind) => kind === 'scope' || kind === 'tools' || kind === 'size'))
    .size;

interface Refused {
  proposed: PlanShape;
  objections: readonly PlanObjection[];
}

function ask(attempt: Planning, briefing: Briefing, refused: Refused | null) {
  const { name, effort, door } = attempt.model('plan');
  const messages = planMessages({
    contract: attempt.contract,
    walls: attempt.walls,
    briefing: briefingParts(briefing),
    guidance: isPast('plan', attempt.run) ? null : attempt.run.start.guidance,
    nonce: attempt.nonce,
    objections:
      refused &&
      `${JSON.stringify(refused.proposed)}\n\n${refused.objections.map(({ text }) => `- ${text}`).join('\n')}`,
    mask: attempt.mask,
  });
  return askForShape(door, { model: name, effort, messages, name: 'plan', signal: attempt.signal }, PlanShape);
}

/** Whether the attempt began after a stage: what a person or an earlier attempt has settled there stays settled. */
function isPast(stage: Run['stage'], { start }: Pick<Run, 'start'>): boolean {
  return stageNames.indexOf(start.from) > stageNames.indexOf(stage);
}

/** Names a plan, so that an approval is of this one and of no later one. */
export function planRevision({ plan: proposed, objections }: PlanResult): string {
  return `sha256:${createHash('sha256').update(JSON.stringify({ proposed, objections })).digest('hex')}`;
}

/** What keeps the plan from being built until a person answers; null when nothing does. */
export function planWait(planned: PlanResult, { run, walls }: Pick<Attempt, 'run' | 'walls'>): Outcome | null {
  const revision = planRevision(planned);
  if (run.request.approved.some((entry) => entry.gate === 'plan' && entry.revision === revision)) return null;
  // Beginning after the plan, such as by `/retry from build`, answers everything but the policy's own gate.
  const objection = isPast('plan', run) ? null : objectionWait(planned, { run, walls });
  if (objection || walls.plan !== 'approve') return objection;
  return {
    code: 'plan-approval',
    text: 'The policy asks for the plan to be approved.',
    question: 'Is this plan right? Answer /approve, or /retry from plan with guidance.',
    detail: planned.note,
  };
}

/** Everything that the plan waits for, in one question: an answer to the first would otherwise only bring up the next. */
function objectionWait(planned: PlanResult, { run, walls }: Pick<Attempt, 'run' | 'walls'>): Outcome | null {
  if (planned.plan === null) return null;
  const { plan: proposed, objections } = planned;
  const waived = run.request.waived.some(({ name }) => name === 'size');
  const told = (kind: PlanObjection['kind']) => objections.filter((each) => each.kind === kind).map(({ text }) => text);
  const waits: Outcome[] = [];
  const wait = (code: string, text: string, question: string, detail: string | null) =>
    waits.push({ code, text, question, detail });

  const [size, scope, tools] = [waived ? [] : told('size'), told('scope'), told('tools')];
  if (size.length > 0) {
    const answer = `Open the smaller issues proposed below instead. Or raise limits.files and answer /retry from intake; or answer /waive size with a reason, then /retry.`;
    wait('too-big', `The work is too big for one run: ${size.join('; ')}.`, answer, issuesText(planned.issues));
  }
  if (scope.length > 0) {
    const answer = allowHelps(proposed, walls)
      ? 'Widen the contract with /allow GLOB, or answer /retry from plan with guidance.'
      : 'Some of it no /allow can admit: answer /retry from plan with guidance to do without, or change the policy and answer /retry from intake.';
    wait('plan-scope', `The plan needs files that may not change: ${few(scope)}.`, answer, scope.join('\n'));
  }
  if (tools.length > 0) {
    const answer =
      'Answer /retry from plan with guidance to do without, or grant it in the contract or the policy and start again.';
    wait('plan-tools', 'The plan needs tools that are not granted.', answer, tools.join('\n'));
  }
  if (proposed.decisions.length > 0) {
    const text = 'The plan depends on a decision that only a person can make.';
    wait('decision', text, `${proposed.decisions.join(' ')} Answer with /retry from plan and the decision.`, null);
  }
  return joined(waits);
}

function joined(waits: readonly Outcome[]): Outcome | null {
  const [first, ...more] = waits;
  if (first === undefined || more.length === 0) return first ?? null;
  const details = waits.flatMap(({ detail }) => detail ?? []);
  return {
    code: first.code,
    text: waits.map(({ text }) => text).join(' '),
    question: waits.map(({ question }, index) => `${index + 1}. ${question}`).join('\n'),
    detail: details.length === 0 ? null : details.join('\n\n'),
  };
}

/** The plan as people are shown it; null when there is none. */
export function planFacts({ plan: proposed, note, issues }: PlanResult): PlanFacts | null {
  if (proposed === null) return null;
  const parts = proposed.split.map((part) => `${part.title}: ${part.goal}`);
  return {
    summary: note ?? proposed.notes.join(' '),
    files: proposed.files,
    riskyInterfaces: proposed.interfaces,
    testsFirst: proposed.testsFirst,
    decisions: proposed.decisions,
    split: parts.length > 0 ? parts : issues.map(({ title }) => title),
  };
}

/** The plan and what is still wrong with it, for the builder's prompt; all of it is data. */
export function planText({ plan: proposed, objections, note }: PlanResult): string {
  if (proposed === null) return note ?? 'No plan.';
  const lines = [JSON.stringify(proposed, null, 1), ...objections.map(({ text }) => `Objection: ${text}`)];
  return lines.join('\n');
}
