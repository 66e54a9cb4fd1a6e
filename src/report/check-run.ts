import type { Verdict } from '../verification/verdict.ts';
import { checkTable, findingsList, mostOutputs, outputs, skippedList } from './check-table.ts';
import { code, link } from './escape.ts';
import type { CheckRunInput, CheckRunReport } from './facts.ts';
import { type Block, fixed, joinWithin } from './join-within.ts';
import { checksInOrder, dollars, durationText, plural } from './phrases.ts';
import { cutEnd, visibleText } from './visible-text.ts';

/** GitHub refuses longer summaries and texts (65,535 characters) and more annotations in one call (50). */
const textLimit = 65_000;
const annotationLimit = 50;
/** GitHub refuses longer messages (64 KB); a reader wants far less. */
const messageChars = 500;

/** The check run `millwright` on the head commit: the verdict in full, with its outputs and annotations. */
export function checkRunReport(input: CheckRunInput): CheckRunReport {
  const { verdict } = input;
  return {
    conclusion: verdict.conclusion === 'none' ? 'failure' : verdict.conclusion,
    title: title(verdict),
    summary: joinWithin(summary(input), textLimit),
    text: joinWithin(fullOutputs(verdict), textLimit),
    annotations: annotations(verdict),
  };
}

function title(verdict: Verdict): string {
  const shown = checksInOrder(verdict);
  const counted = (state: string) => shown.filter((check) => check.state === state).length;
  const parts = [
    [counted('passed'), 'passed'],
    [counted('failing-before'), 'failing before'],
    [counted('flaky'), 'flaky'],
    [counted('waived'), 'waived'],
    [counted('not-runnable'), 'not runnable'],
    [
      shown.filter((check) => ['failed', 'timed-out', 'out-of-memory', 'output-limit'].includes(check.state)).length,
      'failed',
    ],
  ] as const;
  const waived = verdict.findings.filter((finding) => finding.waivedBy !== null && finding.gate !== 'check').length;
  const told = parts.filter(([number]) => number > 0).map(([number, word]) => `${number} ${word}`);
  if (waived > 0) told.push(`${plural(waived, 'finding')} waived`);
  return told.length === 0 ? 'No check ran' : `Checks: ${told.join(', ')}`;
}

function summary(input: CheckRunInput): Block[] {
  const { verdict, numbers } = input;
  const table = checkTable(verdict);
  const findings = findingsList(verdict.findings);
  const address = input.link === null ? '' : ` · ${link('run', input.link)}`;
  return [
    fixed(
      `Contract ${code(input.revision)} · ${plural(numbers.rounds, 'round')} · ${durationText(numbers.durationMs)} · ${dollars(numbers.costUsd)}${address}`,
    ),
    { importance: 90, variants: table.length === 0 ? ['No check ran.'] : table },
    ...(findings.length === 0 ? [] : [fixed('Findings:'), { importance: 80, variants: findings }]),
    fixed('Not run:'),
    { importance: 70, variants: skippedList(verdict) },
  ];
}

/** Full outputs of every check, what did not pass first, so that it is cut last. */
function fullOutputs(verdict: Verdict): Block[] {
  const shown = checksInOrder(verdict);
  const ordered = [
    ...shown.filter((check) => check.state !== 'passed'),
    ...shown.filter((check) => check.state === 'passed'),
  ];
  if (ordered.length === 0) return [fixed('No check ran.')];
  return ordered.slice(0, mostOutputs).map((check) => ({
    importance: check.state === 'passed' ? 10 : 20,
    variants: [60_000, 16_000, 4000, 1200].map((maxChars) => outputs(check, maxChars)).concat(''),
  }));
}

function annotations(verdict: Verdict): CheckRunReport['annotations'] {
  const states = new Map(verdict.checks.map((check) => [check.kind, check.state]));
  return verdict.annotations.slice(0, annotationLimit).map(({ kind, path, line, message }) => ({
    path,
    startLine: line,
    endLine: line,
    level: states.get(kind) === 'failed' ? 'failure' : 'warning',
    message: cutEnd(`${kind}: ${visibleText(message).trim()}`, messageChars),
  }));
}
