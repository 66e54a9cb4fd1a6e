import { cutMiddle } from '../report/visible-text.ts';
import type { CheckRunRecord, CheckVerdict, Verdict } from '../verification/verdict.ts';

/** Of all outputs together, and of one: a check that passed needs little to be believed. */
const mostChars = 24_000;
const partChars = { passed: 600, other: 4000 };

/**
 * The evidence that the app saw, for a reader who is to judge the change: how each check ended and what it wrote, where it was red before and
 * what it wrote then. Never what the agent said of them. Untrusted: to be shown as data.
 */
export function evidenceParts(verdict: Verdict): { heading: string; text: string }[] {
  const ran = verdict.checks.flatMap(executionsOf);
  const share = Math.floor(mostChars / Math.max(1, ran.length));
  return [
    { heading: 'what the app concluded', text: conclusions(verdict) },
    ...ran.map(({ heading, output, most }) => ({ heading, text: cutMiddle(output, Math.min(most, share)) })),
  ];
}

function conclusions(verdict: Verdict): string {
  return [
    ...verdict.checks.map(({ label, state, reason }) => `${label}: ${state}${reason === null ? '' : ` (${reason})`}`),
    ...verdict.criteria.map(({ id, state, by }) =>
      state === 'none' ? `${id}: no automated evidence` : `${id}: shown by ${by} (${state})`,
    ),
    ...verdict.tests.map(({ path, state }) => `${path}: ${state}`),
    ...verdict.findings.map(({ name, message }) => `${name}: ${message}`),
    ...verdict.checks.flatMap(({ label, newFailures }) =>
      newFailures.length === 0 ? [] : [`${label} fails newly in: ${newFailures.slice(0, 30).join('; ')}`],
    ),
    ...verdict.notes,
  ].join('\n');
}

interface Seen {
  heading: string;
  output: string;
  most: number;
}

/** What passed at once is told by head alone; where it did not, each of the runs is part of what was concluded. */
function executionsOf(check: CheckVerdict): Seen[] {
  const runs: [string, CheckRunRecord | null][] = [['head', check.head]];
  if (check.state !== 'passed')
    runs.push(['base', check.base], ['head, again', check.headAgain], ['base, again', check.baseAgain]);
  return runs.flatMap(([on, seen]) => {
    if (seen === null || seen.output.trim() === '') return [];
    const end = seen.end === 'exited' ? `exit code ${seen.exitCode}` : seen.end;
    const most = check.state === 'passed' ? partChars.passed : partChars.other;
    return [{ heading: `output of ${check.label} on ${on} (${end})`, output: seen.output, most }];
  });
}
