import { createHash } from 'node:crypto';
import { z } from 'zod';
import { askForShape } from '../agent/ask-for-shape.ts';
import { planMessages } from '../agent/prompts.ts';
import { PlanShape } from '../agent/shapes.ts';
import type { Attempt } from '../attempt.ts';
import { inScope, isProtected } from '../contract/globs.ts';
import type { Walls } from '../contract/walls.ts';
import type { PlanFacts } from '../report/facts.ts';
import type { Outcome } from '../run.ts';
import { type Briefing, briefingText } from './context.ts';

/** The plan as the model gave it, and what code found when it was held against the contract. */
export const PlanResult = z.object({
  /** Null when the model gave none that could be used: the run goes on without, and says so. */
  plan: PlanShape.nullable(),
  /** Still wrong after it was sent back once. */
  objections: z.array(z.object({ kind: z.enum(['scope', 'tests', 'size']), text: z.string() })),
  /** Why there is no plan. */
  note: z.string().nullable(),
});
export type PlanResult = z.infer<typeof PlanResult>;

/** Stage 3: one structured call without tools, held against the contract by code, sent back once. */
export async function plan(attempt: Attempt, briefing: Briefing): Promise<PlanResult> {
  const first = await ask(attempt, briefing, null);
  if (!first.ok) return { plan: null, objections: [], note: `The model gave no plan (${first.reason}).` };
  const objections = objectionsTo(first.value, attempt);
  if (objections.length === 0) return { plan: first.value, objections, note: null };
  const second = await ask(attempt, briefing, { proposed: first.value, objections });
  const mended = second.ok ? second.value : first.value;
  return { plan: mended, objections: objectionsTo(mended, attempt), note: null };
}

interface Refused {
  proposed: PlanShape;
  objections: PlanResult['objections'];
}

function ask(attempt: Attempt, briefing: Briefing, refused: Refused | null) {
  const { name, effort, door } = attempt.model('plan');
  const messages = planMessages({
    contract: attempt.contract,
    walls: attempt.walls,
    briefing: briefingText(briefing),
    guidance: attempt.run.start.from === 'plan' ? attempt.run.start.guidance : null,
    nonce: attempt.nonce,
    objections:
      refused &&
      `${JSON.stringify(refused.proposed)}\n\n${refused.objections.map(({ text }) => `- ${text}`).join('\n')}`,
    mask: attempt.mask,
  });
  return askForShape(door, { model: name, effort, messages, name: 'plan', signal: attempt.signal }, PlanShape);
}

function objectionsTo(proposed: PlanShape, { walls, contract }: Attempt): PlanResult['objections'] {
  const objections: PlanResult['objections'] = [];
  for (const path of new Set(proposed.files)) {
    if (!mayChange(path, walls)) objections.push({ kind: 'scope', text: `${path} is outside the allowed files` });
  }
  if (
    proposed.testsFirst.length === 0 &&
    contract.criteria.length > 0 &&
    walls.checks.some((check) => check.kind === 'unit' && check.state === 'run')
  ) {
    objections.push({ kind: 'tests', text: 'no test is named that will be written or changed first' });
  }
  // Counted from the listed paths, never taken from the model's own estimate.
  const count = new Set(proposed.files).size;
  if (count > walls.limits.files)
    objections.push({ kind: 'size', text: `${count} files are planned, ${walls.limits.files} are allowed` });
  return objections;
}

function mayChange(path: string, walls: Walls): boolean {
  return !isProtected(path, walls) && inScope(path, walls).ok;
}

/** Names a plan, so that an approval is of this one and of no later one. */
export function planRevision({ plan: proposed, objections }: PlanResult): string {
  return `sha256:${createHash('sha256').update(JSON.stringify({ proposed, objections })).digest('hex')}`;
}

/** What keeps the plan from being built until a person answers; null when nothing does. */
export function planWait(planned: PlanResult, { run, walls }: Pick<Attempt, 'run' | 'walls'>): Outcome | null {
  const revision = planRevision(planned);
  if (run.request.approved.some((entry) => entry.gate === 'plan' && entry.revision === revision)) return null;
  // `/retry from build` is the answer of a person to everything but the policy's own gate.
  const objection = run.start.from === 'build' ? null : objectionWait(planned);
  if (objection || walls.plan !== 'approve') return objection;
  return {
    code: 'plan-approval',
    text: 'The policy asks for the plan to be approved.',
    question: 'Is this plan right? Answer /approve, or /retry from plan with guidance.',
    detail: planned.note,
  };
}

function objectionWait({ plan: proposed, objections }: PlanResult): Outcome | null {
  if (proposed === null) return null;
  const wait = (code: string, text: string, question: string, detail: string | null): Outcome => ({
    code,
    text,
    question,
    detail,
  });
  const size = objections.filter(({ kind }) => kind === 'size');
  if (size.length > 0) {
    return wait(
      'too-big',
      'The work is too big for one run.',
      'Open the smaller issues proposed below, or raise the limit and answer /retry from plan.',
      splitText(proposed),
    );
  }
  const scope = objections.filter(({ kind }) => kind === 'scope');
  if (scope.length > 0) {
    return wait(
      'plan-scope',
      'The plan needs files that the contract does not allow.',
      'Widen the contract with /allow GLOB, or answer /retry from plan with guidance.',
      scope.map(({ text }) => text).join('\n'),
    );
  }
  if (proposed.decisions.length > 0) {
    return wait(
      'decision',
      'The plan depends on a decision that only a person can make.',
      `${proposed.decisions.join(' ')} Answer with /retry from plan and the decision.`,
      null,
    );
  }
  return null;
}

/** Sub-issues as contracts, ready to paste. */
function splitText(proposed: PlanShape): string {
  return proposed.split
    .map((part) =>
      [
        `# ${part.title}`,
        '',
        '## Goal',
        part.goal,
        '',
        '## Acceptance criteria',
        ...part.criteria.map((text) => `- ${text}`),
        '',
        '## Execution boundaries',
        `- Allowed files: ${part.files.join(', ')}`,
      ].join('\n'),
    )
    .join('\n\n');
}

export function planFacts({ plan: proposed, note }: PlanResult): PlanFacts | null {
  if (proposed === null) return null;
  return {
    summary: note ?? proposed.notes.join(' '),
    files: proposed.files,
    riskyInterfaces: proposed.interfaces,
    testsFirst: proposed.testsFirst,
    decisions: proposed.decisions,
    split: proposed.split.map((part) => `${part.title}: ${part.goal}`),
  };
}

export function planText({ plan: proposed, objections, note }: PlanResult): string {
  if (proposed === null) return note ?? 'No plan.';
  const lines = [JSON.stringify(proposed, null, 1), ...objections.map(({ text }) => `Objection: ${text}`)];
  return lines.join('\n');
}
