import type { CheckRunRecord, CheckVerdict, Finding, Verdict } from '../verification/verdict.ts';
import { cell, code, fenced, folded, inert } from './escape.ts';
import { type Block, listVariants, tableVariants } from './join-within.ts';
import { checksInOrder, durationText, endText, exitText, few, stateWithMark, stateWords } from './phrases.ts';

/** The check table, the same in the pull request and in the check run. Empty when no check ran. */
export function checkTable(verdict: Verdict): string[] {
  const rows = checksInOrder(verdict).map((check) => [
    kindCell(check),
    check.command === null ? '–' : code(check.command, 'cell', 160),
    endText(check.base),
    endText(check.head),
    exitText(check.head),
    check.head === null ? '–' : durationText(check.head.durationMs),
    stateCell(check),
  ]);
  if (rows.length === 0) return [];
  return tableVariants(['Check', 'Command', 'Base', 'Head', 'Exit code', 'Duration', 'State'], rows);
}

/** The label, and beside it the kind, which is what `/waive` takes. */
function kindCell(check: CheckVerdict): string {
  const kind = code(check.kind, 'cell', 60);
  return check.label.toLowerCase() === check.kind ? kind : `${cell(check.label, 60)} ${kind}`;
}

function stateCell(check: CheckVerdict): string {
  const reason = check.reason === null ? '' : `: ${cell(check.reason, 160)}`;
  return `${stateWithMark(check.state)}${reason}`;
}

/** Every check that did not run, with the reason. */
export function skippedList(verdict: Verdict): string[] {
  const items = verdict.checks
    .filter((check) => ['skipped', 'not-configured', 'not-runnable'].includes(check.state))
    .map((check) => {
      const reason = inert(check.reason ?? '', { maxChars: 300 }) || 'no reason given';
      return `${inert(check.label, { maxChars: 60 })} (${stateWords[check.state]}): ${reason}`;
    });
  return items.length === 0 ? ['None: every check of the contract and of the repository ran.'] : listVariants(items);
}

/** What verification objected to, with who let it through. */
export function findingsList(findings: readonly Finding[]): string[] {
  return findings.length === 0 ? [] : listVariants(findings.map(findingLine));
}

function findingLine(finding: Finding): string {
  const paths = finding.paths.map((path) => code(path, 'text', 120));
  const where = paths.length === 0 ? '' : ` (${few(paths, 10)})`;
  const waived =
    finding.waivedBy === null
      ? ''
      : ` Waived by ${code(finding.waivedBy)}: ${inert(finding.waiveReason ?? '', { maxChars: 300 }) || 'no reason given'}`;
  return `${code(finding.name)}: ${inert(finding.message, { maxChars: 600 })}${where}${waived}`;
}

/** Nobody unfolds more. */
export const mostOutputs = 40;

/** Outputs of what did not pass, each folded and each at several lengths. */
export function outputBlocks(verdict: Verdict, longestChars: number, importance: number): Block[] {
  return checksInOrder(verdict)
    .filter((check) => check.state !== 'passed')
    .slice(0, mostOutputs)
    .map((check) => ({
      importance,
      variants: [longestChars, 4000, 1200]
        .filter((chars) => chars <= longestChars)
        .map((chars) => outputs(check, chars))
        .concat(''),
    }));
}

/** All executions of one check, folded. */
export function outputs(check: CheckVerdict, maxChars: number): string {
  const executions: [string, CheckRunRecord | null][] = [
    ['Head', check.head],
    ['Head, run again', check.headAgain],
    ['Base', check.base],
    ['Base, run again', check.baseAgain],
  ];
  const parts = executions.flatMap(([name, record]) => {
    if (record === null) return [];
    const heading = `${name}: ${endText(record)}, exit code ${exitText(record)}, ${durationText(record.durationMs)}`;
    const isRepeated = name !== 'Head' && record.output.trim() === check.head?.output.trim();
    const output =
      record.output.trim() === ''
        ? 'No output.'
        : isRepeated
          ? 'The same output as on head.'
          : fenced(record.output, name === 'Head' ? maxChars : maxChars / 2);
    return [`${heading}\n\n${output}`];
  });
  parts.unshift(...failedTests(check));
  return parts.length === 0 ? '' : folded(`Output of ${check.label} (${stateWords[check.state]})`, parts.join('\n\n'));
}

const mostNames = 20;

/** Which tests are new failures and which failed before, where a report or the output names them. */
function failedTests({ newFailures, failingBefore }: CheckVerdict): string[] {
  return [
    ...testNames('Fails on head and not on base', newFailures),
    ...testNames('Failing before, on base as well', failingBefore),
  ];
}

function testNames(title: string, names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const shown = names.slice(0, mostNames).map((name) => `- ${code(name, 'text', 160) || '–'}`);
  const more = names.length > mostNames ? [`- and ${names.length - mostNames} more`] : [];
  return [`**${title}**\n\n${[...shown, ...more].join('\n')}`];
}
