import { code, inert, quote } from './escape.ts';
import type { PullRequestInput } from './facts.ts';
import { type Block, fixed, listVariants } from './join-within.ts';
import { judgmentItems } from './judgment.ts';

/** What nobody proved: assumptions, claims, gaps, refusals and questions that only a person can answer. */
export function notVerifiedBlocks(input: PullRequestInput): Block[] {
  const unproven = input.verdict.criteria
    .filter((criterion) => criterion.state === 'none')
    .map((criterion) => `${code(criterion.id)} ${inert(criterion.text, { maxChars: 300 })}`);
  const blocks = [
    ...group('Criteria without automated evidence', unproven, 65),
    ...group('Assumptions of the agent (claims)', input.claims.assumptions.map(item), 40),
    ...reviewNote(input),
    ...group('Missing context', input.missingContext.map(item), 45),
    ...group('Deviations from plan and scope', deviations(input), 55),
    ...group('Blocked hosts and commands', blocked(input), 45),
    ...group('Second look (a model’s findings, which decide nothing)', input.secondLook.map(secondLook), 45),
    ...group('Seen when the patch was taken', input.patchNotes.map(item), 48),
    ...group('Seen by verification', input.verdict.notes.map(item), 50),
    fixed('**For your judgment**'),
    { importance: 75, variants: listVariants(judgmentItems(input)) },
  ];
  return blocks;
}

function group(title: string, items: readonly string[], importance: number): Block[] {
  if (items.length === 0) return [];
  return [
    {
      importance,
      variants: listVariants(items)
        .map((list) => `**${title}**\n\n${list}`)
        .concat(`**${title}**: ${items.length}, not shown here.`),
    },
  ];
}

function item(text: string): string {
  return inert(text, { maxChars: 500 }) || '–';
}

function reviewNote(input: PullRequestInput): Block[] {
  if (input.contract.reviewNote.trim() === '') return [];
  const answer = input.claims.reviewNote?.trim() ?? '';
  const told = (maxChars: number) =>
    [
      '**Asked for by the review note**',
      quote(input.contract.reviewNote, maxChars),
      answer === '' ? 'The agent gave no answer to it.' : `The agent's answer (a claim):\n\n${quote(answer, maxChars)}`,
    ].join('\n\n');
  return [{ importance: 42, variants: [told(1500), told(300)] }];
}

function deviations(input: PullRequestInput): string[] {
  return [
    ...input.deviations.map(item),
    ...input.allowed.map(({ glob, by }) => `${code(glob)} was added to the allowed files by ${code(by)}`),
    ...input.narrowed.map(
      ({ key, asked, granted, by }) =>
        `${code(key)}: asked ${code(asked, 'text', 120) || 'nothing'}, granted ${code(granted, 'text', 120) || 'nothing'} (${by} policy)`,
    ),
  ];
}

function blocked(input: PullRequestInput): string[] {
  const hosts = [...input.blockedHosts, ...input.verdict.blocked].map(({ host, port, command, count }) => {
    const by = command === null ? '' : ` by ${code(command, 'text', 160)}`;
    return `host ${code(`${host}:${port}`, 'text', 160)}${by}${count > 1 ? `, ${count} times` : ''}`;
  });
  const commands = input.blockedCommands.map(
    ({ command, reason }) => `command ${code(command, 'text', 160)}: ${inert(reason, { maxChars: 200 })}`,
  );
  return [...hosts, ...commands];
}

function secondLook(finding: PullRequestInput['secondLook'][number]): string {
  const where = finding.line === null ? finding.path : `${finding.path}:${finding.line}`;
  return `${code(where, 'text', 160)}: ${inert(finding.consequence, { maxChars: 500 })}`;
}
