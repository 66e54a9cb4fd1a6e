import type { Contract } from '../contract/contract.ts';
import type { CheckVerdict, CriterionEvidence, TestEvidence, Verdict } from '../verification/verdict.ts';
import { changedFilesTable } from './changed-files.ts';
import { checkTable, findingsList, outputBlocks, skippedList } from './check-table.ts';
import { cell, code, link, plain, quote } from './escape.ts';
import type { PullRequestInput } from './facts.ts';
import { type Block, fixed, joinWithin, tableVariants } from './join-within.ts';
import { notVerifiedBlocks } from './not-verified.ts';
import { changeTotals, checksInOrder, count, dollars, durationText, few, plural, tokensText } from './phrases.ts';
import { rollbackBlocks } from './rollback-section.ts';

/** GitHub refuses longer bodies (65,536 characters); a little room is left for what the host counts differently. */
const bodyLimit = 65_000;

/** Longest output of one check in the pull request; the check run has more. */
const outputChars = 12_000;

/** Title of the pull request: the issue's, as plain text. */
export function pullRequestTitle(input: { issueTitle: string; contract: Contract }): string {
  return plain(input.issueTitle, 120) || plain(input.contract.goal, 120) || 'Change by contract';
}

/** Body of the pull request: seven sections in a fixed order, written from what the app saw. At most 65,536 characters for any input. */
export function pullRequestBody(input: PullRequestInput): string {
  const blocks: Block[] = [
    fixed('## What changed'),
    ...whatChanged(input),
    fixed('## Acceptance criteria'),
    ...criteriaBlocks(input.verdict),
    fixed('## Checks'),
    ...checkBlocks(input.verdict),
    fixed('## Skipped checks'),
    { importance: 70, variants: skippedList(input.verdict) },
    fixed('## Not verified'),
    ...notVerifiedBlocks(input),
    fixed('## Rollback'),
    ...rollbackBlocks(input),
    fixed('## Run'),
    fixed(runTable(input)),
  ];
  return joinWithin(blocks, bodyLimit);
}

function whatChanged(input: PullRequestInput): Block[] {
  const blocks: Block[] = [
    { importance: 80, variants: [quote(input.contract.goal, 2000), quote(input.contract.goal, 400)] },
  ];
  if (input.claims.summary !== null && input.claims.summary.trim() !== '') {
    const told = (maxChars: number) =>
      `In the agent's own words (a claim, not evidence):\n\n${quote(input.claims.summary ?? '', maxChars)}`;
    blocks.push({ importance: 30, variants: [told(3000), told(600), ''] });
  }
  blocks.push(fixed(`${changeTotals(input.changes)}:`), { importance: 60, variants: changedFilesTable(input.changes) });
  if (input.issue !== null) blocks.push(fixed(`Closes #${input.issue}`));
  return blocks;
}

function criteriaBlocks(verdict: Verdict): Block[] {
  const rows = verdict.criteria.map((criterion) => [
    code(criterion.id, 'cell'),
    cell(criterion.text, 500),
    evidenceCell(criterion),
  ]);
  const blocks: Block[] = [{ importance: 90, variants: tableVariants(['ID', 'Criterion', 'Evidence'], rows) }];
  if (verdict.tests.length > 0) {
    const tests = verdict.tests.map((test) => [code(test.path, 'cell', 160), testCell(test)]);
    blocks.push(
      {
        importance: 50,
        variants: ['Tests that the patch adds or changes, run on base with only the test files applied:'],
      },
      { importance: 50, variants: tableVariants(['Test file', 'Seen'], tests) },
    );
  }
  return blocks;
}

function evidenceCell(criterion: CriterionEvidence): string {
  const note = criterion.note === null ? '' : ` (${cell(criterion.note, 200)})`;
  if (criterion.state === 'none' || criterion.by === null) return `⚪ no automated evidence${note}`;
  const seen = criterion.state === 'red-green' ? ': fails before, passes after' : '';
  return `✅ shown by ${cell(criterion.by, 300)}${seen}${note}`;
}

const testWords: Readonly<Record<TestEvidence['state'], string>> = {
  'fails-before-passes-after': '✅ fails before, passes after',
  'passes-without-the-change': '🟠 passes without the change',
  'fails-after': '❌ fails after the change as well',
  'not-run': '⚪ not run',
};

function testCell(test: TestEvidence): string {
  return test.note === null ? testWords[test.state] : `${testWords[test.state]}: ${cell(test.note, 200)}`;
}

function checkBlocks(verdict: Verdict): Block[] {
  const shown = checksInOrder(verdict);
  const before = shown.filter((check) => check.state === 'failing-before');
  const blocks: Block[] = [];
  if (before.length > 0) {
    const kinds = few(before.map(redBefore), 20);
    blocks.push(
      fixed(
        `**Failing before this change:** ${kinds} ${before.length === 1 ? 'is' : 'are'} red on the base commit as well.`,
      ),
    );
  }
  const table = checkTable(verdict);
  blocks.push({ importance: 95, variants: table.length === 0 ? ['No check ran.'] : table });
  const findings = findingsList(verdict.findings);
  if (findings.length > 0) {
    blocks.push({ importance: 85, variants: ['Findings of verification:'] }, { importance: 85, variants: findings });
  }
  return [...blocks, ...outputBlocks(verdict, outputChars, 20)];
}

/** The kind, with the tests that are red where they are known by name. */
function redBefore({ kind, failingBefore }: CheckVerdict): string {
  const names = failingBefore.map((name) => code(name, 'text', 120) || '–');
  const tests = names.length === 0 ? '' : ` (${plural(names.length, 'test')}: ${few(names)})`;
  return `${code(kind, 'text', 60)}${tests}`;
}

function runTable(input: PullRequestInput): string {
  const { numbers } = input;
  const rows: [string, string][] = [
    ['Contract', code(input.revision, 'cell', 80)],
    ['Base', `${code(input.base.commit, 'cell', 64)} on ${code(input.base.branch, 'cell', 200)}`],
    ['Head', `${code(input.head.commit, 'cell', 64)} on ${code(input.head.branch, 'cell', 200)}`],
    ['Rounds', count(numbers.rounds)],
    ['Turns', count(numbers.turns)],
    ['Tokens', tokensText(numbers)],
    ['Cost', dollars(numbers.costUsd)],
    ['Duration', durationText(numbers.durationMs)],
    ['Link', input.link === null ? '–' : link('run', input.link)],
  ];
  return ['| Run | |', '| --- | --- |', ...rows.map(([name, value]) => `| ${name} | ${value} |`)].join('\n');
}
