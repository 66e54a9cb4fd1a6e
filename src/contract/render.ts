import type { Contract, ContractCheck, ToolGrant } from './contract.ts';
import { type Field, type Section, sections } from './fields.ts';

/**
 * A contract as the body of an issue, in either written form: parsing it gives the contract back. Used to propose sub-issues. The texts go in as
 * they are, so they have to be texts that the parser would give: never put a model's or a stranger's words in here without parsing them first.
 */
export function renderContract(contract: Contract, form: 'issue-form' | 'pasted'): string {
  const parts: string[] = [];
  const notes = [...contract.notes];
  if (notes[0]?.heading === '') parts.push(notes.shift()?.text ?? '');
  for (const section of sections)
    parts.push(...(form === 'pasted' ? pastedSection(contract, section) : formFields(contract, section)));
  for (const { heading, text } of notes) parts.push(`${form === 'pasted' ? '##' : '###'} ${heading}`, text);
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
    goal: () => [contract.goal],
    criteria: () => contract.criteria.flatMap(({ text }) => statement(text)),
    nonGoals: () => contract.nonGoals.flatMap(statement),
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
      contract.stop.text,
      ...(contract.stop.text === '' ? [] : ['']),
      ...Object.entries(contract.stop.limits).map(([name, limit]) => `- max ${name}: ${limit}`),
    ],
    reviewNote: () => [contract.reviewNote],
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

const step = /^(?:\*{1,2}|_{1,2})?(?:given|when|then|and|but)\b/iu;

function statement(text: string): string[] {
  const [first = '', ...rest] = text.split('\n');
  const steps = step.test(first);
  return [
    `- ${first}`,
    ...rest.map((line) => (steps && step.test(line) ? `- ${line}` : line === '' ? '' : `    ${line}`)),
  ];
}

function fenceFor(text: string): string {
  return '`'.repeat(Math.max(3, longestRun(text) + 1));
}

function longestRun(text: string): number {
  return Math.max(0, ...(text.match(/`+/gu) ?? []).map((run) => run.length));
}
