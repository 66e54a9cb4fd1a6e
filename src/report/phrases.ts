import type { CheckRunRecord, CheckState, CheckVerdict, Verdict } from '../verification/verdict.ts';
import type { ChangedFile, RunNumbers } from './facts.ts';

/** How a state is called where people read it. */
export const stateWords: Readonly<Record<CheckState, string>> = {
  passed: 'passed',
  failed: 'failed',
  'failing-before': 'failing before',
  flaky: 'flaky',
  'timed-out': 'timed out',
  'out-of-memory': 'out of memory',
  'output-limit': 'output limit',
  'not-runnable': 'not runnable',
  skipped: 'skipped',
  'not-configured': 'not configured',
  waived: 'waived',
};

const stateMarks: Readonly<Record<CheckState, string>> = {
  passed: '✅',
  failed: '❌',
  'failing-before': '🟠',
  flaky: '🟠',
  'timed-out': '❌',
  'out-of-memory': '❌',
  'output-limit': '❌',
  'not-runnable': '⚪',
  skipped: '⚪',
  'not-configured': '⚪',
  waived: '🟡',
};

export function stateWithMark(state: CheckState): string {
  return `${stateMarks[state]} ${stateWords[state]}`;
}

/** `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`. */
export function durationText(durationMs: number): string {
  const seconds = durationMs / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return whole % 60 === 0 ? `${whole / 60} min` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const minutes = Math.round(whole / 60);
  return minutes % 60 === 0 ? `${minutes / 60} h` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** US dollars; cents below one cent are told as such instead of as nothing. */
export function dollars(costUsd: number | null): string {
  if (costUsd === null) return 'unknown (the model has no price in the policy)';
  if (costUsd > 0 && costUsd < 0.01) return '< $0.01';
  return `$${costUsd.toFixed(2)}`;
}

export function tokensText(numbers: RunNumbers, unit = ''): string {
  const total = numbers.inputTokens + numbers.outputTokens;
  const cached = numbers.cachedInputTokens > 0 ? `, ${count(numbers.cachedInputTokens)} of them cached` : '';
  const repeated =
    numbers.stablePrefix === null ? '' : `, ${shareText(numbers.stablePrefix)} of it as in the call before`;
  return `${count(total)}${unit} (${count(numbers.inputTokens)} in${repeated}${cached}; ${count(numbers.outputTokens)} out)`;
}

/** `97 %`; never 100 for a share that is less. */
export function shareText(share: number): string {
  return `${Math.floor(share * 100)} %`;
}

/** `12,345` */
export function count(value: number): string {
  return value.toLocaleString('en-US');
}

/** `1 file`, `3 files` */
export function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
}

/** How one execution ended, for the base and head columns. */
export function endText(record: CheckRunRecord | null): string {
  if (record === null) return '–';
  if (record.end === 'exited') return record.exitCode === 0 ? 'passed' : 'failed';
  return record.end.replaceAll('-', ' ');
}

export function exitText(record: CheckRunRecord | null): string {
  return record?.exitCode === null || record?.exitCode === undefined ? '–' : String(record.exitCode);
}

/** What a reviewer must see first comes first: what was red before, flaky or waived, then what failed, then the rest. */
export function checksInOrder(verdict: Verdict): CheckVerdict[] {
  const rank: Partial<Record<CheckState, number>> = { 'failing-before': 0, flaky: 1, waived: 2, passed: 9 };
  return verdict.checks
    .filter((check) => check.state !== 'skipped' && check.state !== 'not-configured')
    .map((check, index) => ({ check, index, rank: rank[check.state] ?? 3 }))
    .sort((a, b) => a.rank - b.rank || a.index - b.index)
    .map(({ check }) => check);
}

/** Lines added and removed, over all files. */
export function changeTotals(changes: readonly ChangedFile[]): string {
  const added = changes.reduce((sum, file) => sum + file.added, 0);
  const removed = changes.reduce((sum, file) => sum + file.removed, 0);
  return `${plural(changes.length, 'file')}, ${count(added)} added and ${count(removed)} removed lines`;
}

/** The first of a list for a sentence, and how many more there are. As trusted as its parts. */
export function few(items: readonly string[], most = 5): string {
  const more = items.length > most ? ` and ${items.length - most} more` : '';
  return `${items.slice(0, most).join(', ')}${more}`;
}
