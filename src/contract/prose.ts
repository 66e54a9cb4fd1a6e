import type { Line } from './blocks.ts';
import { singleSpaced, tidyProse, withoutTail } from './text.ts';

/** The word that begins a step. */
export const step = /^(?:\*{1,2}|_{1,2}|`)?(given|when|then|and|but)(?=[\W_]|$)/iu;
/** A scenario's title goes with the steps beneath it. */
const scenario = /^(?:\*{1,2}|_{1,2})?(?:scenario|example)(?: outline)?\s*(?:\d+\s*)?[:：]/iu;
const onlyStepWords = /^(?:\W*(?:given|when|then|and|but)\b)+\W*$/iu;
/** Text of the essay's template and of our own form that nobody filled in. */
const templates: readonly RegExp[] = [
  /^(?:given|when|then|and|but|ac\d+|do not change|do not refactor|stop and ask for review if|[-*+])?[\s:]*(?:\.{2,}|…)$/iu,
  /^report what changed, what passed, what failed, what was skipped,? and the smallest rollback\.?$/iu,
  /^change one observable behaviou?r\s*:?$/iu,
];
const nothing =
  /^(?:no response|tbd|tba|to do|todo|fixme|n\/?a|none|nothing|nil|not (?:applicable|needed|required)|[-–—]|\?+)\.?$/iu;
/** The word for none, alone or with what a list may hold none of. */
const none =
  /^\(?(?:none|nothing|no|not)(?: (?:network|internet|external|services?|access|secrets?|credentials?|mcps?|clis?|servers?|tools?|needed|required|necessary|is|are|at|all|or|and))*\.?\)?$/iu;
/** A quick look before the expressions above. */
const templateEnds = ['.', '…', ':', 'rollback', 'behavior', 'behaviour'];
const goalPrompt = /^(?:[-*+]\s+)?[*_]{0,2}change one observable behaviou?r\s*[*_]{0,2}[:：][*_]{0,2}\s*/iu;

/** Longer than any placeholder: most text needs no closer look. */
const maxPlaceholderChars = 120;
const maxNothingChars = 20;
const maxNoneChars = 60;

/** Whether a value says nothing: `_No response_`, `TBD`, `none`, or template text as it was. */
export function saysNothing(text: string): boolean {
  if (text.length > maxPlaceholderChars) return text.trim() === '';
  const plain = withoutEmphasis(text);
  if (isPlainTemplate(plain)) return true;
  return plain === '' || (text.length <= maxNothingChars && nothing.test(plain));
}

/** Whether an item of a list says that there is none, and is not just empty or unfilled. */
export function saysNone(text: string): boolean {
  return text.length <= maxNoneChars && none.test(withoutEmphasis(text));
}

const emphasis = /^[*_`]{1,3}/u;

function withoutEmphasis(text: string): string {
  const plain = text.trim();
  const mark = plain.charAt(0);
  if (!'*_`'.includes(mark) || !plain.endsWith(mark)) return plain;
  const marks = emphasis.exec(plain)?.[0].length ?? 0;
  for (let length = marks; length > 0; length--)
    if (plain.length > 2 * length && plain.endsWith(plain.slice(0, length))) return plain.slice(length, -length);
  return plain;
}

export function isTemplate(text: string): boolean {
  return text.length <= maxPlaceholderChars && isPlainTemplate(withoutEmphasis(text));
}

function isPlainTemplate(plain: string): boolean {
  return templateEnds.some((end) => plain.endsWith(end)) && templates.some((template) => template.test(plain));
}

/** A line as written, but indented by its depth alone, so that how far a list was indented does not matter. */
function written(line: Line): string {
  if (line.text === '' && line.mark === '') return '';
  const mark = line.mark === '' || /^\d/u.test(line.mark) ? line.mark : '-';
  const depth = line.mark === '' ? line.depth : line.depth - 1;
  return ' '.repeat(4 * Math.max(depth, 0)) + (mark === '' ? '' : `${mark} `) + line.text;
}

/** Free text. `skip` leaves lines out that are not part of it. */
export function readProse(lines: readonly Line[], skip: (line: Line) => boolean = () => false): string {
  const kept = lines.filter(
    (line) => line.kind !== 'rule' && !skip(line) && !(line.kind === 'text' && isTemplate(line.text)),
  );
  const text = tidyProse(kept.map((line) => ({ text: written(line), verbatim: line.kind === 'code' })));
  return saysNothing(text) ? '' : unwrapFence(text);
}

/** The goal, without the template's prompt before it. */
export function readGoal(lines: readonly Line[]): string {
  const text = readProse(lines).replace(goalPrompt, '').trimStart();
  return saysNothing(withoutTail(text, /[*_]/u)) ? '' : text;
}

/** The code of a text that is one code block. Its closing mark may be shorter than the opening one; it never stands inside. */
function unwrapFence(text: string): string {
  const first = text.indexOf('\n');
  const mark = text.slice(text.lastIndexOf('\n') + 1);
  if (first < 0 || !/^(?:`{3,}|~{3,})$/u.test(mark) || !text.startsWith(mark)) return text;
  const inner = text.slice(first + 1, text.length - mark.length);
  if (inner.includes(mark)) return text;
  let start = 0;
  while (inner[start] === '\n') start++;
  return inner.slice(start).trimEnd();
}

/** A line of raw HTML that is nothing but tags, such as `<details>`: it frames text and says nothing. */
export function isTagLine({ kind, text }: Line): boolean {
  return kind === 'html' && /^(?:<[^<>]*>\s*)+$/u.test(text);
}

export interface Statement {
  text: string;
  line: number;
}

interface Group extends Statement {
  /** Made of Given/When/Then steps. */
  steps: boolean;
  hasWhen: boolean;
  hasThen: boolean;
  /** Lines that go on with it start to the right of this column. */
  indent: number;
  depth: number;
  /** Begins with a line that ends in a colon, or is a title in bold. */
  announces: boolean;
}

/**
 * One statement a line. Lines that go on with an item are joined to it, as are items nested in it, tables and code. With `steps`, consecutive
 * Given/When/Then/And lines are one statement; the next `Given` after a `Then` starts another.
 */
export function readStatements(lines: readonly Line[], steps: boolean): Statement[] {
  const groups: Group[] = [];
  let afterBlank = false;
  let attached: Group | null = null;
  let inFence = false;
  for (const line of lines) {
    if (line.kind === 'fence') {
      attached = inFence ? attached : (groups.at(-1) ?? null);
      if (attached) attached.text += `\n${line.text}`;
      if (inFence) attached = null;
      inFence = !inFence;
    } else if (inFence && attached && line.kind === 'code') attached.text += `\n${line.text}`;
    else if (line.kind === 'blank' || line.kind === 'rule' || isTagLine(line)) afterBlank = true;
    else {
      inFence = inFence && line.kind === 'code';
      addStatement(groups, line, steps, afterBlank);
      afterBlank = false;
    }
  }
  return groups
    .map(({ text, line }) => ({ text: text.trim(), line }))
    .filter(({ text }) => !saysNothing(text) && !(steps && onlyStepWords.test(text)));
}

function addStatement(groups: Group[], line: Line, steps: boolean, afterBlank: boolean): void {
  const unmarked = line.kind !== 'text' ? line.text.replace(/^\s*[-*+]\s+/u, '') : line.text;
  const text = singleSpaced(unmarked.replace(/^\[[ xX]\]\s+/u, '')).trim();
  if (saysNothing(text)) return;
  const current = groups.at(-1);
  const keyword = steps ? step.exec(text)?.[1]?.toLowerCase() : undefined;
  if (steps && scenario.test(text)) {
    groups.push({ ...newGroup(line, text, keyword), steps: true, hasWhen: false, hasThen: false });
    return;
  }
  if (current) {
    if (text.startsWith('|')) append(current, `\n${text}`);
    else if (keyword && current.steps && continuesSteps(keyword, current)) append(current, `\n${text}`);
    else if (isNested(line, current, afterBlank, keyword)) append(current, `\n- ${text}`);
    else if (goesOn(line, current, afterBlank, keyword)) append(current, ` ${text}`);
    else groups.push(newGroup(line, text, keyword));
  } else groups.push(newGroup(line, text, keyword));
}

function newGroup(line: Line, text: string, keyword: string | undefined): Group {
  const group = {
    line: line.number,
    steps: keyword !== undefined,
    indent: line.mark === '' ? line.indent : line.indent - 1,
    depth: line.depth,
    announces: /[:：][*_]*$|^(\*\*|__).+\1$/u.test(text),
  };
  const start: Group = { ...group, text: '', hasWhen: false, hasThen: false };
  append(start, text);
  return start;
}

function append(group: Group, text: string): void {
  group.text += text;
  group.hasWhen ||= /\bwhen\b/iu.test(text);
  group.hasThen ||= /\bthen\b/iu.test(text);
}

function continuesSteps(keyword: string, group: Group): boolean {
  if (keyword === 'given') return !group.hasWhen && !group.hasThen;
  return keyword !== 'when' || !group.hasThen;
}

/** Whether an item belongs to the statement before it: deeper in the same list, or announced by a plain line. */
function isNested(line: Line, current: Group, afterBlank: boolean, keyword: string | undefined): boolean {
  if (line.mark === '' || line.depth <= current.depth) return false;
  return current.depth > 0 || current.announces || keyword !== undefined || (current.steps && !afterBlank);
}

/** Whether a line without a marker of its own goes on with the statement before it: only when it is indented under it. */
function goesOn(line: Line, current: Group, afterBlank: boolean, keyword: string | undefined): boolean {
  if (line.mark !== '' || line.indent <= current.indent) return false;
  return line.depth > 0 || (!afterBlank && keyword === undefined);
}
