import type { Doors } from './doors.ts';
import { beginAttempt } from './engine/runs.ts';
import type { AttemptStart, Judged, Run } from './run.ts';

/** Ends of an attempt that an amendment may answer, and where the work then goes on, with the same patch. */
const amendable: Record<string, AttemptStart['from']> = {
  'plan-scope': 'plan',
  scope: 'verify',
  size: 'verify',
  tests: 'verify',
  definitions: 'verify',
  flaky: 'verify',
  check: 'verify',
  verification: 'verify',
  'not-runnable': 'verify',
  'too-big': 'plan',
  'verification-failed': 'verify',
};

/** Where a run goes on when the contract is amended now; null when it waits for nothing that an amendment answers. */
export function goesOnFrom({ state, outcome }: Pick<Run, 'state' | 'outcome'>): AttemptStart['from'] | null {
  return state === 'waiting' || state === 'failed' ? (amendable[outcome?.code ?? ''] ?? null) : null;
}

/**
 * Goes on at once where `/allow` or `/waive` came after the verdict that the run has ended with and before that end was written: the person
 * has answered already. Null when nothing came. Errors: `outside.database`.
 */
export async function goOnAmended(run: Run, judged: Judged, { db }: Pick<Doors, 'db'>): Promise<Run | null> {
  const from = goesOnFrom(run);
  const { allowed, waived } = run.request;
  const glob = allowed.find((entry) => !judged.allowed.some((old) => old.glob === entry.glob));
  const name = waived.find((entry) => !judged.waived.some((old) => old.name === entry.name));
  const amendment = glob ?? name;
  if (from === null || amendment === undefined) return null;
  const reason = glob === undefined ? 'waive' : 'allow';
  // One end is answered once, whoever sees it first.
  const cause = `amended:${run.attempt}`;
  return beginAttempt(db, run.id, { from, reason, by: amendment.by, guidance: null, cause });
}
