import type { CheckVerdict, Finding, Verdict } from './verdict.ts';

const outputChars = 6000;
const feedbackChars = 30_000;

/** For the agent, when the work is sent back or has failed: what was objected to, and the output of what did not pass. Data, not instructions. */
export function feedbackOf(findings: readonly Finding[], checks: readonly CheckVerdict[]): string | null {
  const open = findings.filter((finding) => finding.next !== 'none');
  if (open.length === 0) return null;
  const kinds = new Set(open.map((finding) => finding.name));
  const failing = checks.filter((check) => kinds.has(check.kind) || (kinds.has('flaky') && check.state === 'flaky'));
  const parts = [['Verification objects:', ...open.map(findingLine)].join('\n'), ...failing.map(outputOf)];
  return cut(parts.join('\n\n'), feedbackChars);
}

function findingLine({ name, message, paths }: Finding): string {
  const where = paths.length === 0 ? '' : ` [${paths.slice(0, 20).join(', ')}${paths.length > 20 ? ', …' : ''}]`;
  return `- ${name}: ${message}${where}`;
}

function outputOf(check: CheckVerdict): string {
  const end = check.head === null ? 'did not run' : `${check.head.end}, exit code ${check.head.exitCode ?? 'none'}`;
  const fresh =
    check.newFailures.length === 0
      ? []
      : [`Fails on head and not on base: ${check.newFailures.slice(0, 30).join('; ')}`];
  const old =
    check.failingBefore.length === 0
      ? []
      : [`Fails on base as well, so not because of the patch: ${check.failingBefore.slice(0, 30).join('; ')}`];
  return [
    `Check ${check.kind}: \`${check.command ?? ''}\` (${end})`,
    ...fresh,
    ...old,
    cut(check.head?.output ?? '', outputChars),
  ].join('\n');
}

/** What runners say last matters most. */
function cut(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  const head = Math.floor(maxChars / 4);
  return `${text.slice(0, head)}\n… ${text.length - maxChars} characters not shown …\n${text.slice(text.length - (maxChars - head))}`;
}

/** The one question for the person, when a verdict waits. */
export function questionOf(verdict: Pick<Verdict, 'findings' | 'next'>, reason: string | null): string | null {
  if (verdict.next !== 'wait') return null;
  const waiting = verdict.findings.filter((finding) => finding.next === 'wait');
  const gates = new Set(waiting.map((finding) => finding.gate));
  if (gates.has('empty')) {
    const why = reason === null || reason.trim() === '' ? 'It gave no reason.' : `Its reason: ${reason}`;
    return `The agent changed nothing. ${why} Close the issue if no change is needed, or answer /retry with guidance.`;
  }
  const asks = [
    ...(gates.has('scope') ? [scopeQuestion(waiting)] : []),
    ...(gates.has('not-runnable')
      ? [`Can the environment be mended for ${names(waiting, 'not-runnable')}? Then answer /retry from verify.`]
      : []),
    ...waivable(waiting),
  ];
  return asks.join(' ');
}

function scopeQuestion(findings: readonly Finding[]): string {
  const paths = findings.filter((finding) => finding.gate === 'scope').flatMap((finding) => finding.paths);
  return `May these paths change: ${paths.slice(0, 20).join(', ')}? Answer /allow GLOB to admit them, or /retry with guidance to do without.`;
}

function waivable(findings: readonly Finding[]): string[] {
  const told = [
    ...new Set(findings.filter(({ gate }) => gate !== 'scope' && gate !== 'not-runnable').map(({ name }) => name)),
  ];
  if (told.length === 0) return [];
  return [
    `Is this acceptable: ${told.join(', ')}? Answer /waive ${told[0]} REASON to let it through, or /retry with guidance.`,
  ];
}

function names(findings: readonly Finding[], gate: Finding['gate']): string {
  return findings
    .filter((finding) => finding.gate === gate)
    .map((finding) => finding.name)
    .join(', ');
}
