import type { Cause } from '../engine/records.ts';
import { cell, code, plain } from '../report/escape.ts';
import type { LessonRun } from './lessons.ts';
import type { Proposal } from './proposal.ts';
import { evidenceOf } from './proposals.ts';

/** Everything that the pull request of a lesson tells. Strings of causes may be hostile; the proposal's rule is finished Markdown. */
export interface LessonReport {
  id: string;
  signature: string;
  cause: Cause;
  runs: readonly LessonRun[];
  proposal: Pick<Proposal, 'path' | 'what' | 'rule'>;
  /** Whether a model wrote the rule's sentence. */
  byModel: boolean;
}

const mostRuns = 30;

/** What repeats, in the app's own words. */
export const kindWords: Readonly<Record<Cause['kind'], string>> = {
  check: 'the same failure of a check',
  environment: 'a check that could not run',
  gate: 'the same gate of verification',
  flaky: 'a flaky check',
  contract: 'contracts that were not testable',
  limit: 'the same limit',
  end: 'the same end',
  guidance: 'the same guidance',
  review: 'the same finding of the second look',
};

export function lessonTitle({ cause }: Pick<LessonReport, 'cause'>): string {
  const subject = cause.kind === 'guidance' ? '' : ` (${plain(cause.subject, 60)})`;
  return `Lesson: ${kindWords[cause.kind]}${subject}`;
}

/** No references in it: commit messages mention and close nothing. */
export function lessonMessage(report: Pick<LessonReport, 'cause' | 'id' | 'signature'>, path: string): string {
  return `${lessonTitle(report)}\n\nChanges ${plain(path)}, because runs of this repository met ${kindWords[report.cause.kind]} more than once.\n\nLesson: ${report.id}\nSignature: ${report.signature}\n`;
}

/** Written by code: names the runs, links their issues, quotes the evidence. */
export function lessonBody({ id, signature, cause, runs, proposal, byModel }: LessonReport): string {
  const evidence = evidenceOf(cause);
  return [
    `${runs.length} attempts here met ${kindWords[cause.kind]}. This pull request proposes ${proposal.what}, so that the next ones do not.`,
    '## What repeats',
    runsTable(runs),
    ...(evidence === '' ? [] : [`Evidence${cause.subject === '' ? '' : ` (${code(cause.subject)})`}:`, evidence]),
    '## What changes',
    `In ${code(proposal.path)}:`,
    `> ${proposal.rule}`,
    ...(byModel ? ['A model worded this sentence: read it as a suggestion.'] : []),
    '## What to do',
    [
      '1. Change it on this branch until it says what you want, or merge it as it is. Merged, it becomes part of the briefing of runs that it fits, and whether the failure comes back is counted.',
      '2. Close it instead if it is of no use: nothing is proposed for this failure again.',
    ].join('\n'),
    `Lesson ${code(id)}, signature ${code(signature)}.`,
  ].join('\n\n');
}

function runsTable(runs: readonly LessonRun[]): string {
  const shown = runs.slice(-mostRuns);
  const rows = shown.map(
    ({ runId, attempt, issue, outcome, atMs }) =>
      `| ${code(runId, 'cell')} | ${attempt} | #${issue} | ${cell(outcome)} | ${new Date(atMs).toISOString().slice(0, 10)} |`,
  );
  const older = runs.length > shown.length ? [`${runs.length - shown.length} older ones are not listed.`] : [];
  return [
    ['| Run | Attempt | Issue | Outcome | Day |', '| --- | --- | --- | --- | --- |', ...rows].join('\n'),
    ...older,
  ].join('\n\n');
}
