import { readFileSync } from 'node:fs';
import type { Contract } from '../contract/contract.ts';
import type { Walls } from '../contract/walls.ts';
import type { ModelMessage } from '../model/model.ts';
import { contractText, wallsText } from './contract-text.ts';
import { fence, fenceParts, type Part } from './fence.ts';

const names = [
  'system',
  'build',
  'briefing',
  'round',
  'feedback',
  'guidance',
  'tools',
  'plan-system',
  'plan',
  'objections',
  'review-system',
  'review',
  'lesson-system',
  'lesson',
] as const;
type PromptName = (typeof names)[number];

/** Read once at start: a missing file stops the app there, not a run. */
const templates = new Map(
  names.map((name) => [name, readFileSync(new URL(`./prompts/${name}.md`, import.meta.url), 'utf8')]),
);

/** Fills a template in one pass, so that nothing filled in can bring a placeholder of its own. */
function fill(name: PromptName, values: Readonly<Record<string, string>> = {}): string {
  const template = templates.get(name) ?? '';
  return template.replace(/\{\{(\w+)\}\}/g, (_placeholder, key: string) => values[key] ?? '').trimEnd();
}

/** What every message about a task may hold. Texts are untrusted unless the field says otherwise. */
interface TaskTexts {
  contract: Contract;
  walls: Walls;
  /** Of the context stage. */
  briefing: readonly Part[];
  /** Of people who may steer the run; null when there is none. */
  guidance: string | null;
  nonce: string;
}

/** System prompt and task for a fresh build. The same text for the same task, so that provider caches hit. */
export function buildMessages(
  task: TaskTexts & {
    plan: string;
    feedback: string | null;
    workdir: string;
    mask: (text: string) => string;
    /** What servers say about the tools that they give. */
    toolNotes?: readonly Part[];
  },
): ModelMessage[] {
  const { nonce, mask } = task;
  const text = fill('build', {
    nonce,
    ...shared(task, mask),
    plan: fence('plan', mask(task.plan || 'No plan was made.'), nonce),
    tools: optionalParts('tools', task.toolNotes ?? [], nonce, mask),
    ...turnTexts(task, mask),
    workdir: task.workdir,
  });
  return [
    { role: 'system', text: fill('system') },
    { role: 'user', text },
  ];
}

/** What a further round adds to the conversation. */
export function roundMessage(round: {
  feedback: string | null;
  guidance: string | null;
  nonce: string;
  mask: (text: string) => string;
}): ModelMessage {
  return { role: 'user', text: fill('round', { nonce: round.nonce, ...turnTexts(round, round.mask) }) };
}

/** The plan stage's single call. `objections` say why an earlier plan came back; null for the first. */
export function planMessages(
  task: TaskTexts & { objections: string | null; mask?: (text: string) => string },
): ModelMessage[] {
  const mask = task.mask ?? unmasked;
  const { nonce } = task;
  const text = fill('plan', {
    nonce,
    ...shared(task, mask),
    ...turnTexts({ guidance: task.guidance, feedback: null, nonce }, mask),
    // Objections quote the plan, which the model wrote.
    objections: optional('objections', task.objections, nonce, mask),
  });
  return [
    { role: 'system', text: fill('plan-system') },
    { role: 'user', text },
  ];
}

/** The second look's single call. All texts are untrusted; diff and evidence are to be cut by the caller. */
export function reviewMessages(look: {
  contract: Contract;
  diff: string;
  /** What the app saw: conclusions and outputs. Not what the agent says of them. */
  evidence: readonly Part[];
  /** Most findings wanted. */
  findings: number;
  nonce: string;
  mask?: (text: string) => string;
}): ModelMessage[] {
  const mask = look.mask ?? unmasked;
  const { nonce } = look;
  const text = fill('review', {
    nonce,
    contract: fence('contract', mask(contractText(look.contract)), nonce),
    diff: fence('change', mask(look.diff), nonce),
    evidence: fenceParts('evidence', maskedParts(look.evidence, mask), nonce),
  });
  return [
    { role: 'system', text: fill('review-system', { findings: String(look.findings) }) },
    { role: 'user', text },
  ];
}

/** The single call that words a lesson's rule. The failure is output of programs: untrusted, to be cut by the caller. */
export function lessonMessages(lesson: {
  failure: string;
  nonce: string;
  mask: (text: string) => string;
}): ModelMessage[] {
  const { nonce, mask } = lesson;
  const text = fill('lesson', { nonce, failure: fence('failure', mask(lesson.failure), nonce) });
  return [
    { role: 'system', text: fill('lesson-system') },
    { role: 'user', text },
  ];
}

const unmasked = (text: string) => text;

function shared(task: TaskTexts, mask: (text: string) => string): Record<string, string> {
  return {
    contract: fence('contract', mask(contractText(task.contract)), task.nonce),
    walls: fence('walls', mask(wallsText(task.walls)), task.nonce),
    briefing: optionalParts('briefing', task.briefing, task.nonce, mask),
  };
}

function turnTexts(
  texts: { guidance: string | null; feedback: string | null; nonce: string },
  mask: (text: string) => string,
): Record<string, string> {
  return {
    guidance: optional('guidance', texts.guidance, texts.nonce, mask),
    feedback: optional('feedback', texts.feedback, texts.nonce, mask),
  };
}

function optional(
  name: 'guidance' | 'feedback' | 'objections',
  text: string | null,
  nonce: string,
  mask: (text: string) => string,
): string {
  if (text === null || text.trim() === '') return '';
  return `${fill(name, { [name]: fence(name, mask(text), nonce) })}\n`;
}

function optionalParts(
  name: 'briefing' | 'tools',
  parts: readonly Part[],
  nonce: string,
  mask: (text: string) => string,
): string {
  if (parts.length === 0) return '';
  return `${fill(name, { [name]: fenceParts(name, maskedParts(parts, mask), nonce) })}\n`;
}

function maskedParts(parts: readonly Part[], mask: (text: string) => string): Part[] {
  return parts.map(({ heading, text }) => ({ heading: mask(heading), text: mask(text) }));
}
