import type { LedgerEvent } from '../engine/ledger.ts';
import type { KeptPatch } from '../engine/patches.ts';
import type { RunNumbers } from '../report/facts.ts';
import { count, dollars, durationText, plural, shareText } from '../report/phrases.ts';
import type { Run } from '../run.ts';
import { cost, line, shown, type Terminal, table, tokens } from './terminal.ts';

/** Events of a long run that are shown; `--json` has them all. */
const mostShown = 400;
const longest = 160;

interface Shown {
  run: Run;
  numbers: RunNumbers;
  /** What calls set aside that never settled. */
  unsettled: { calls: number; usd: number; tokens: number };
  events: readonly LedgerEvent[];
}

/** One run as a person reads it: facts, outcome, ledger. */
export function printRun({ run, numbers, unsettled, events }: Shown, terminal: Terminal): void {
  const facts: [string, string | null][] = [
    ['Run', run.id],
    ['Issue', run.issue === 0 ? null : `${run.owner}/${run.name}#${run.issue}`],
    ['Title', line(run.request.title)],
    [
      'State',
      `${run.state} (stage ${run.stage}, attempt ${run.attempt}, by ${line(run.start.by)}: ${run.start.reason})`,
    ],
    ['Outcome', run.outcome && `${line(run.outcome.text)} [${run.outcome.code}]`],
    ['Question', run.outcome?.question ? line(run.outcome.question, 1000) : null],
    ['Contract', run.request.revision],
    ['Branch', run.branch],
    ['Pull request', run.pullRequest === null || run.issue === 0 ? null : `#${run.pullRequest}`],
    ['Head', run.headSha],
    [
      'Spent',
      `${cost(numbers)}; ${numbers.rounds} rounds, ${numbers.turns} turns, ${tokens(numbers)} tokens, ${durationText(numbers.durationMs)}`,
    ],
    [
      'Set aside',
      unsettled.calls === 0
        ? null
        : `${dollars(unsettled.usd)} and ${count(unsettled.tokens)} tokens for ${plural(unsettled.calls, 'call')} whose end is not known: they count as spent`,
    ],
    [
      'Prompts',
      numbers.stablePrefix === null
        ? null
        : `${shareText(numbers.stablePrefix)} as in the call before, ${count(numbers.cachedInputTokens)} of ${count(numbers.inputTokens)} tokens cached`,
    ],
    ['Began', new Date(run.createdAtMs).toISOString()],
    ['Ended', run.endedAtMs === null ? null : new Date(run.endedAtMs).toISOString()],
  ];
  for (const [name, value] of facts) if (value !== null) terminal.out(`${`${name}:`.padEnd(14)}${value}`);
  if (run.outcome?.detail) terminal.out(`\n${shown(run.outcome.detail).replace(/^/gm, '  ')}`);
  const last = events.slice(-mostShown);
  if (last.length < events.length)
    terminal.out(`\n${events.length - last.length} earlier events are left out: --json has them.`);
  terminal.out('');
  terminal.out(
    table(
      ['TIME', 'ATTEMPT', 'EVENT', 'DATA'],
      last.map(({ atMs, attempt, kind, data }) => [
        new Date(atMs).toISOString(),
        String(attempt),
        line(kind, 40),
        line(JSON.stringify(data) ?? '', longest),
      ]),
    ),
  );
}

/** The patch as it is for a file or a pipe, readable for a terminal. Returns the exit code. */
export function printPatch(kept: KeptPatch | null, terminal: Terminal): number {
  if (kept?.patch) {
    if (kept.masked) terminal.err('The value of a secret was taken out: this patch can be read, not applied.');
    terminal.bytes(kept.patch);
    return 0;
  }
  const why = kept === null ? 'The run has made no patch.' : `Its patch was too large to keep (${kept.bytes} bytes).`;
  terminal.err(why);
  return 1;
}
