import type { Verdict } from '../verification/verdict.ts';
import { changedFilesTable } from './changed-files.ts';
import { checkRunReport } from './check-run.ts';
import { checkTable, findingsList, outputBlocks, skippedList } from './check-table.ts';
import { code, inert, link, plain } from './escape.ts';
import { type ChangedFile, type CheckRunReport, noNumbers } from './facts.ts';
import { type Block, fixed, joinWithin, listVariants } from './join-within.ts';
import { changeTotals, plural } from './phrases.ts';
import { lastingNotes } from './rollback-section.ts';

/** Everything that the pull request of a revert tells. Every string may be hostile. */
export interface RevertInput {
  /** The merged pull request. */
  pullRequest: number;
  issue: number;
  issueTitle: string;
  run: string;
  /** How it was merged: `commits` of a linear one were made on the base branch. */
  form: 'merge' | 'linear';
  commits: number;
  /** The base branch just after the merge. */
  merged: string;
  base: { branch: string; commit: string };
  head: { branch: string; commit: string };
  /** Commits on the base branch since the merge. */
  later: number;
  /** What the revert changes. */
  changes: readonly ChangedFile[];
  verification: RevertVerification;
  /** Address of the run's page; null when the app has no public address. */
  link: string | null;
}

export type RevertVerification =
  | { state: 'pending' }
  /** `reason` in neutral words; `again`: it will be tried again. */
  | { state: 'not-verified'; reason: string; detail: string | null; again: boolean }
  | { state: 'verified'; verdict: Verdict };

const bodyLimit = 65_000;
const outputChars = 12_000;

export function revertTitle(input: Pick<RevertInput, 'issueTitle' | 'pullRequest'>): string {
  return `Revert "${plain(input.issueTitle, 120)}" (#${input.pullRequest})`;
}

/** Message of the commit that reverts. */
export function revertMessage(
  input: Pick<RevertInput, 'issueTitle' | 'pullRequest' | 'merged' | 'run'> & { into: string },
): string {
  const body = `Undoes what pull request ${input.pullRequest} brought to ${plain(input.into)}, as of ${input.merged}.`;
  return `Revert "${plain(input.issueTitle, 60)}"\n\n${body}\n\nRun: ${plain(input.run, 80)}\n`;
}

/** Body of the revert's pull request. At most 65,536 characters for any input. */
export function revertBody(input: RevertInput): string {
  const notes = lastingNotes(input.changes);
  return joinWithin(
    [
      fixed('## What is reverted'),
      fixed(whatIsReverted(input)),
      fixed(`${changeTotals(input.changes)}:`),
      { importance: 60, variants: changedFilesTable(input.changes) },
      ...(notes.length === 0 ? [] : [{ importance: 72, variants: listVariants(notes) }]),
      fixed('## Checks'),
      ...checks(input.verification),
      fixed('## Run'),
      fixed(runTable(input)),
    ],
    bodyLimit,
  );
}

function whatIsReverted(input: RevertInput): string {
  const how =
    input.form === 'merge'
      ? `by the merge commit ${input.merged}`
      : `in ${plural(input.commits, 'commit')} up to ${input.merged}`;
  const later =
    input.later === 0
      ? 'Nothing was committed there since.'
      : `${plural(input.later, 'later commit')} on that branch ${input.later === 1 ? 'stays' : 'stay'} as ${input.later === 1 ? 'it is' : 'they are'}.`;
  return [
    `Undoes exactly what #${input.pullRequest} (${inert(input.issueTitle, { maxChars: 200 })}) brought to ${code(input.base.branch)}, ${how}. It was made for issue #${input.issue}.`,
    `The revert was clean: no conflict with what is there now. ${later}`,
  ].join('\n\n');
}

function checks(verification: RevertVerification): Block[] {
  switch (verification.state) {
    case 'pending':
      return [
        fixed('**Not verified yet.** The checks of the repository run on the reverted tree; their table comes here.'),
      ];
    case 'not-verified': {
      const again = verification.again ? ' It is tried again in a few minutes.' : '';
      const detail = verification.detail === null ? '' : ` ${inert(verification.detail, { maxChars: 1000 })}`;
      return [fixed(`**Not verified.** ${inert(verification.reason)}${detail}${again}`)];
    }
    case 'verified': {
      const { verdict } = verification;
      const table = checkTable(verdict);
      const findings = findingsList(verdict.findings);
      return [
        fixed('Base is the branch as it is now, head the reverted tree; each check ran in a container of its own.'),
        { importance: 95, variants: table.length === 0 ? ['No check ran.'] : table },
        ...(findings.length === 0 ? [] : [{ importance: 85, variants: findings }]),
        ...outputBlocks(verdict, outputChars, 20),
        fixed('## Skipped checks'),
        { importance: 70, variants: skippedList(verdict) },
      ];
    }
  }
}

function runTable(input: RevertInput): string {
  const rows: [string, string][] = [
    [
      'Run',
      input.link === null ? code(input.run, 'cell', 80) : `${code(input.run, 'cell', 80)} ${link('page', input.link)}`,
    ],
    ['Base', `${code(input.base.commit, 'cell', 64)} on ${code(input.base.branch, 'cell', 200)}`],
    ['Head', `${code(input.head.commit, 'cell', 64)} on ${code(input.head.branch, 'cell', 200)}`],
  ];
  return ['| Run | |', '| --- | --- |', ...rows.map(([name, value]) => `| ${name} | ${value} |`)].join('\n');
}

/** The check run `millwright` on the head of the revert; null while there is nothing to conclude. */
export function revertCheckRun(input: RevertInput): CheckRunReport | null {
  const { verification } = input;
  if (verification.state === 'pending') return null;
  const summary = joinWithin([fixed(`Revert of #${input.pullRequest}.`), ...checks(verification)], bodyLimit);
  if (verification.state === 'not-verified')
    return { conclusion: 'neutral', title: 'Not verified', summary, text: '', annotations: [] };
  const { verdict } = verification;
  const report = checkRunReport({ verdict, revision: '', numbers: noNumbers, link: null });
  const ran = verdict.checks.some(({ head }) => head !== null);
  return { ...report, conclusion: ran ? report.conclusion : 'neutral', summary };
}
