import type { Contract, ToolGrant } from '../contract/contract.ts';
import { code, folded, inert } from './escape.ts';
import { type Block, fixed } from './join-within.ts';

/** The contract as the app understood it, folded, and the revision by which it is pinned. */
export function contractBlocks(contract: Contract | null, revision: string | null): Block[] {
  const blocks: Block[] = [];
  if (revision !== null) blocks.push(fixed(`**Contract:** ${code(revision, 'text', 80)}`));
  if (contract === null) return blocks;
  const told = (items: number, maxChars: number) =>
    folded('Contract as parsed', contractBody(contract, items, maxChars));
  return [...blocks, { importance: 60, variants: [told(200, 600), told(40, 300), told(8, 160)] }];
}

function contractBody(contract: Contract, items: number, maxChars: number): string {
  const text = (value: string) => inert(value, { maxChars }) || '–';
  const words = (values: readonly string[]) => values.map(text);
  const codes = (values: readonly string[]) => values.map((value) => code(value, 'text', maxChars) || '–');
  const tools = (grants: readonly ToolGrant[]) =>
    grants.map((grant) => `${code(grant.name, 'text', 80) || '–'} (${grant.access})`);
  const limits = Object.entries(contract.stop.limits).map(([name, value]) => `max ${name}: ${value}`);
  const fields: [string, string[]][] = [
    ['Goal', [text(contract.goal)]],
    ['Acceptance criteria', contract.criteria.map(({ id, text: told }) => `${code(id)} ${text(told)}`)],
    ['Non-goals', words(contract.nonGoals)],
    ['Files in scope', codes(contract.context.files)],
    ['Tests in scope', codes(contract.context.tests)],
    ['Docs in scope', codes(contract.context.docs)],
    ['Prior decisions', codes(contract.context.decisions)],
    ['MCPs', tools(contract.tools.mcps)],
    ['CLIs', tools(contract.tools.clis)],
    ['Read-only tools', codes(contract.tools.readOnly)],
    ['Mutating tools', codes(contract.tools.mutating)],
    ['Tools explicitly denied', codes(contract.tools.denied)],
    ['Allowed files', codes(contract.boundaries.files)],
    ['Allowed commands', codes(contract.boundaries.commands)],
    ['Network or service access', codes(contract.boundaries.network)],
    ['Secrets and credentials', codes(contract.boundaries.secrets)],
    ['Checks before review', contract.checks.map((check) => checkLine(check, maxChars))],
    ['Stop condition', [...(contract.stop.text === '' ? [] : [text(contract.stop.text)]), ...limits]],
    ['Review note', contract.reviewNote === '' ? [] : [text(contract.reviewNote)]],
    ['Notes (unknown headings)', contract.notes.map(({ heading, text: told }) => `${text(heading)}: ${text(told)}`)],
  ];
  return fields
    .filter(([, values]) => values.length > 0)
    .map(([name, values]) => field(name, values, items))
    .join('\n');
}

function field(name: string, values: readonly string[], items: number): string {
  if (values.length === 1) return `- **${name}:** ${values[0]}`;
  const more = values.length > items ? [`  - ${values.length - items} more not shown here.`] : [];
  return [`- **${name}:**`, ...values.slice(0, items).map((value) => `  - ${value}`), ...more].join('\n');
}

function checkLine(check: Contract['checks'][number], maxChars: number): string {
  const label = inert(check.label, { maxChars: 60 });
  if (check.command !== null) return `${label}: ${code(check.command, 'text', maxChars)}`;
  return `${label}: skip: ${inert(check.skip ?? '', { maxChars })}`;
}
