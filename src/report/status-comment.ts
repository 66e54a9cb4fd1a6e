import { issueLimitUsd } from '../contract/money.ts';
import { changedFilesTable } from './changed-files.ts';
import { contractBlocks } from './contract-section.ts';
import { code, fenced, folded, inert, link, quote } from './escape.ts';
import type { PlanFacts, ShownState, StageLine, StatusInput } from './facts.ts';
import { type Block, fixed, joinWithin, listVariants } from './join-within.ts';
import { changeTotals, dollars, durationText, plural, tokensText } from './phrases.ts';
import { wallsBlocks } from './walls-section.ts';

/** By this the one status comment of an issue is found again. */
export const statusMarker = '<!-- millwright:status -->';

const commentLimit = 65_000;

const stateLines: Readonly<Record<ShownState, string>> = {
  refused: '✋ **Not started**: the contract is not testable yet.',
  queued: '🕓 **Queued**',
  running: '⚙️ **Running**',
  waiting: '✋ **Waiting for a person**',
  review: '👀 **In review**: the pull request is open.',
  failed: '❌ **Failed**',
  stopped: '⏹️ **Stopped**',
  merged: '✅ **Merged**',
  closed: '⏹️ **Closed**',
};

/** The one comment on an issue, edited in place. At most 65,536 characters for any input. */
export function statusComment(input: StatusInput): string {
  const blocks: Block[] = [
    fixed(`${statusMarker}\n${stateLine(input)}`),
    ...input.notices.slice(0, 5).map((notice) => fixed(`> [!IMPORTANT]\n> ${inert(notice)}`)),
    ...question(input),
    ...problems(input),
    ...timeline(input.timeline),
    ...numbers(input),
    ...addresses(input),
    ...contractBlocks(input.contract, input.revision),
    ...(input.walls === null ? [] : wallsBlocks(input.walls, input.narrowed)),
    ...planBlocks(input.plan),
    ...issueBlocks(input.issues),
    ...evidence(input),
  ];
  return joinWithin(blocks, commentLimit);
}

function stateLine(input: StatusInput): string {
  const parts = [stateLines[input.state]];
  if (input.attempt > 1) parts.push(`(attempt ${input.attempt})`);
  if (input.state === 'queued' && input.queue !== null) {
    const reason = input.queue.reason === null ? '' : `: ${inert(input.queue.reason, { maxChars: 200 })}`;
    parts.push(`at position ${input.queue.position}${reason}`);
  }
  if (input.stoppedBy !== null) {
    const reason = input.stoppedBy.reason === null ? '' : `: ${inert(input.stoppedBy.reason, { maxChars: 300 })}`;
    parts.push(`stopped by ${code(input.stoppedBy.login)}${reason}`);
  }
  const outcome = input.outcome === null ? '' : `\n\n${inert(input.outcome.text)} ${code(input.outcome.code)}`;
  return parts.join(' ') + outcome;
}

function question(input: StatusInput): Block[] {
  if (input.question === null) return [];
  return [
    {
      importance: 98,
      variants: [`**Question**\n\n${quote(input.question, 3000)}`, `**Question**\n\n${quote(input.question, 600)}`],
    },
  ];
}

/** Each missing or unreadable field with an example of a good value, and what the walls refuse. */
function problems(input: StatusInput): Block[] {
  const fields = input.problems.map((problem) => {
    const line = problem.line === null ? '' : ` (line ${problem.line})`;
    const text =
      problem.text === null || problem.text.trim() === '' ? '' : ` Found: ${code(problem.text, 'text', 160)}.`;
    const weight = problem.blocking ? '' : ' _Not blocking._';
    return `**${inert(problem.field, { maxChars: 80 }) || 'A field'}**${line}: ${inert(problem.message, { maxChars: 400 })}${text} For example: ${code(problem.example, 'text', 200)}.${weight}`;
  });
  const refused = input.refusals.map(
    (refusal) =>
      `${code(refusal.key)} ${code(refusal.name, 'text', 160)} is not granted: ${inert(refusal.message, { maxChars: 400 })}`,
  );
  const blocks: Block[] = [];
  if (fields.length > 0) {
    const title = input.problems.some((problem) => problem.blocking) ? 'What the contract needs' : 'About the contract';
    blocks.push(fixed(`**${title}**`), { importance: 96, variants: listVariants(fields) });
  }
  if (refused.length > 0)
    blocks.push(fixed('**Beyond the walls**'), { importance: 96, variants: listVariants(refused) });
  if (input.state === 'refused') {
    blocks.push(fixed('Edit the issue, then remove the label `agent-ready` and add it again.'));
  }
  return blocks;
}

const stageMarks: Readonly<Record<StageLine['state'], string>> = {
  pending: '·',
  running: '⚙️',
  done: '✅',
  waiting: '✋',
  failed: '❌',
  stopped: '⏹️',
  skipped: '⏭️',
};

function timeline(stages: readonly StageLine[]): Block[] {
  if (stages.length === 0) return [];
  const cells = stages.slice(0, 20).map((stage) => {
    const took = stage.durationMs === null ? '' : durationText(stage.durationMs);
    const note = stage.note === null ? '' : inert(stage.note, { maxChars: 80, place: 'cell' });
    return {
      name: inert(stage.stage, { maxChars: 20, place: 'cell' }),
      told: [stageMarks[stage.state], took, note].filter((part) => part !== '').join(' '),
    };
  });
  const row = (values: readonly string[]) => `| ${values.join(' | ')} |`;
  return [
    fixed(
      [row(cells.map(({ name }) => name)), row(cells.map(() => '---')), row(cells.map(({ told }) => told))].join('\n'),
    ),
  ];
}

function numbers(input: StatusInput): Block[] {
  const spent = input.numbers;
  if (spent === null) return [];
  const limit = input.walls === null ? null : issueLimitUsd(input.walls);
  const cost = limit === null ? dollars(spent.costUsd) : `${dollars(spent.costUsd)} of ${dollars(limit)}`;
  const told = [
    plural(spent.rounds, 'round'),
    plural(spent.turns, 'turn'),
    tokensText(spent, ' tokens'),
    durationText(spent.durationMs),
  ];
  return [fixed(`**Spent so far:** ${cost}; ${told.join('; ')}`)];
}

function addresses(input: StatusInput): Block[] {
  const own = input.links.slice(0, 10).map(({ label, url }) => link(label, url));
  const pull =
    input.pullRequest === null ? [] : [link(`Pull request ${input.pullRequest.number}`, input.pullRequest.url)];
  const all = [...pull, ...own];
  return all.length === 0 ? [] : [fixed(all.join(' · '))];
}

function planBlocks(plan: PlanFacts | null): Block[] {
  if (plan === null) return [];
  const lists: [string, readonly string[]][] = [
    ['Files in scope', plan.files],
    ['Risky interfaces', plan.riskyInterfaces],
    ['Tests to move first', plan.testsFirst],
    ['Decisions for a person', plan.decisions],
    ['Proposed split', plan.split],
  ];
  const body = (items: number) =>
    [
      ...(plan.summary.trim() === '' ? [] : [quote(plan.summary, items * 60)]),
      ...lists
        .filter(([, entries]) => entries.length > 0)
        .map(([title, entries]) => {
          const shown = entries.slice(0, items).map((entry) => `- ${inert(entry, { maxChars: 300 }) || '–'}`);
          const more = entries.length > items ? [`- ${entries.length - items} more not shown here.`] : [];
          return `**${title}**\n\n${[...shown, ...more].join('\n')}`;
        }),
    ].join('\n\n');
  return [
    {
      importance: 50,
      variants: [folded('Plan (proposed by the model)', body(40)), folded('Plan (proposed by the model)', body(8)), ''],
    },
  ];
}

/** Each whole in a fold of its own, to be copied as it is: a contract that is cut is none. */
function issueBlocks(issues: StatusInput['issues']): Block[] {
  return issues.map(({ title, body }, index) => {
    const place = `Proposed issue ${index + 1} of ${issues.length}`;
    const untold = `${place}, ${inert(title, { maxChars: 120 })}: too long to be shown beside the others; \`millwright show\` has it.`;
    return { importance: 60, variants: [folded(`${place}: ${title.slice(0, 120)}`, fenced(body, 60_000)), untold] };
  });
}

function evidence(input: StatusInput): Block[] {
  const blocks: Block[] = [];
  const detail = input.detail?.trim() ?? '';
  if (detail !== '') {
    const title = input.state === 'waiting' ? 'Details' : 'Last output';
    const told = (maxChars: number) => folded(title, fenced(detail, maxChars));
    blocks.push({ importance: 40, variants: [told(20_000), told(4000), told(1000)] });
  }
  if (input.changes.length > 0) {
    const title = `Patch so far: ${changeTotals(input.changes)}`;
    blocks.push({ importance: 35, variants: changedFilesTable(input.changes).map((table) => folded(title, table)) });
  }
  return blocks;
}
