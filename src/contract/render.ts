import { scanBlocks } from './blocks.ts';
import type { Contract, ContractCheck, ToolGrant } from './contract.ts';
import { type Field, type Section, sections } from './fields.ts';
import { readProse, readStatements, step } from './prose.ts';

/**
 * A contract as the body of an issue, in either written form: parsing it gives the contract back. Used to propose sub-issues. Text that would read as
 * something else where it stands goes into a code block, or onto one line.
 */
export function renderContract(contract: Contract, form: 'issue-form' | 'pasted'): string {
  const parts: string[] = [];
  const notes = [...contract.notes];
  if (notes[0]?.heading === '') parts.push(prose(notes.shift()?.text ?? ''));
  for (const section of sections)
    parts.push(...(form === 'pasted' ? pastedSection(contract, section) : formFields(contract, section)));
  for (const { heading, text } of notes) parts.push(`${form === 'pasted' ? '##' : '###'} ${heading}`, prose(text));
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

function pastedSection(contract: Contract, section: Section): string[] {
  const heading = `## ${section.label}`;
  const only = section.fields[0]?.key === section.key ? section.fields[0] : null;
  if (only) return [heading, linesOf(contract, only).join('\n')];
  if (section.key === 'checks') return [heading, contract.checks.map(checkBullet).join('\n')];
  return [heading, section.fields.map((field) => fieldBullet(field, linesOf(contract, field))).join('\n')];
}

function formFields(contract: Contract, section: Section): string[] {
  if (section.key === 'checks')
    return [`### ${section.label}`, contract.checks.map(checkBullet).join('\n') || '_No response_'];
  return section.fields.flatMap((field) => [
    `### ${field.label}`,
    linesOf(contract, field).join('\n') || '_No response_',
  ]);
}

function fieldBullet(field: Field, items: readonly string[]): string {
  return [`- ${field.label}:`, ...items.map((item) => `    ${item}`)].join('\n');
}

function checkBullet({ label, command, skip }: ContractCheck): string {
  if (command === null) return `- ${label}: skip: ${skip}`;
  const fence = fenceFor(command);
  return [`- ${label}:`, fence, ...command.split('\n'), fence].join('\n    ');
}

/** The lines of a field's value. */
function linesOf(contract: Contract, field: Field): string[] {
  const { context, tools, boundaries } = contract;
  const values: Readonly<Record<string, () => string[]>> = {
    goal: () => [prose(contract.goal)],
    criteria: () =>
      statements(
        contract.criteria.map(({ text }) => text),
        true,
      ),
    nonGoals: () => statements(contract.nonGoals, false),
    files: () => context.files.map(item),
    tests: () => context.tests.map(item),
    docs: () => context.docs.map(item),
    decisions: () => context.decisions.map(item),
    mcps: () => tools.mcps.map(grant),
    clis: () => tools.clis.map(grant),
    readOnly: () => tools.readOnly.map(item),
    mutating: () => tools.mutating.map(item),
    denied: () => tools.denied.map(item),
    allowedFiles: () => boundaries.files.map(item),
    allowedCommands: () => boundaries.commands.map(item),
    network: () => boundaries.network.map(item),
    secrets: () => boundaries.secrets.map(item),
    stop: () => [
      prose(contract.stop.text),
      ...(contract.stop.text === '' ? [] : ['']),
      ...Object.entries(contract.stop.limits).map(([name, limit]) => `- max ${name}: ${limit}`),
    ],
    reviewNote: () => [prose(contract.reviewNote)],
  };
  const lines = values[field.key]?.() ?? [];
  while (lines.at(-1) === '') lines.pop();
  return lines;
}

/** A list item in a code span, so that commas and stars in it mean nothing. */
function item(text: string): string {
  const ticks = '`'.repeat(longestRun(text) + 1);
  const edge = text.startsWith('`') || text.endsWith('`') ? ' ' : '';
  return `- ${ticks}${edge}${text}${edge}${ticks}`;
}

function grant({ name, access }: ToolGrant): string {
  return access === 'unstated' ? `- ${name}` : `- ${name} (${access})`;
}

/** Free text as it is if it reads back as itself and leaves the next heading alone, else in a code block. */
function prose(text: string): string {
  if (text === '') return '';
  const { lines, unclosedComment } = scanBlocks(`${text}\n\n# end`);
  const own = lines.slice(0, -1);
  const holds = lines.at(-1)?.kind === 'heading' && own.every(({ kind }) => kind !== 'heading');
  if (holds && unclosedComment === null && readProse(own) === text) return text;
  const fence = fenceFor(text);
  return `${fence}\n${text}\n${fence}`;
}

/** The lines of criteria or non-goals: list items if they read back as the same, else a code block, else one line each. */
function statements(texts: readonly string[], inSteps: boolean): string[] {
  const items = texts.flatMap(statement);
  if (readsAs(items, texts, inSteps)) return items;
  const fence = fenceFor(texts.join('\n'));
  const block = [fence, ...texts.flatMap((text) => text.split('\n')), fence];
  return readsAs(block, texts, inSteps) ? block : texts.map((text) => `- ${text.replace(/\s+/gu, ' ').trim()}`);
}

function statement(text: string): string[] {
  const [first = '', ...rest] = text.split('\n');
  const steps = step.test(first);
  let fence: string | null = null;
  const more = rest.map((line) => {
    const isStep = steps && fence === null && step.test(line);
    const [, mark = '', info = ''] = /^(`{3,}|~{3,})(.*)$/u.exec(line) ?? [];
    if (fence === null) fence = mark || null;
    // What closes it is as long at least, and has no word behind it.
    else if (mark.startsWith(fence) && info.trim() === '') fence = null;
    if (line === '') return '';
    return isStep ? `- ${line}` : `    ${line}`;
  });
  return [`- ${first}`, ...more];
}

function readsAs(lines: readonly string[], texts: readonly string[], inSteps: boolean): boolean {
  const read = readStatements(scanBlocks(lines.join('\n')).lines, inSteps).map(({ text }) => text);
  return read.length === texts.length && read.every((text, index) => text === texts[index]);
}

function fenceFor(text: string): string {
  return '`'.repeat(Math.max(3, longestRun(text) + 1));
}

function longestRun(text: string): number {
  return Math.max(0, ...(text.match(/`+/gu) ?? []).map((run) => run.length));
}
