import { createCheckouts } from './checkout.ts';
import type { Doors } from './doors.ts';
import { eventsOf } from './engine/ledger.ts';
import { latestOutput, type SavedOutput } from './engine/outputs.ts';
import { restoreTree } from './evidence.ts';
import type { Remote } from './git/git.ts';
import type { Run } from './run.ts';
import { askedKind, judge, VerifyAsked } from './stages/verify.ts';
import type { BaselineCache } from './verification/baseline.ts';
import { createMask } from './verification/mask.ts';
import { type CheckRunRecord, Verdict } from './verification/verdict.ts';

/** The last verdict of a run with everything that it was reached from. */
export interface Replayable {
  stored: SavedOutput<Verdict>;
  asked: VerifyAsked;
}

/** Where two verdicts differ: what about, and what each says. */
export interface Difference {
  about: string;
  stored: string;
  again: string;
}

/** What was seen on base before proves nothing here. */
const nothingKept: BaselineCache = { get: async () => null, put: async () => {} };

/** Null when the run has no verdict, or one of a version that kept less. */
export async function replayable(run: Run, db: Doors['db']): Promise<Replayable | null> {
  const stored = await latestOutput(db, run.id, 'verify', Verdict);
  if (stored === null) return null;
  const events = await eventsOf(db, run.id, { kinds: [askedKind], limit: 10_000 });
  const asked = events
    .map(({ data }) => VerifyAsked.safeParse(data).data)
    .findLast((each) => each?.tree === stored.value.tree && each.base === stored.value.base);
  return asked === undefined ? null : { stored, asked };
}

/**
 * Reaches the verdict again: the stored patch over the base commit, in fresh containers, with nothing kept of the first time.
 * Writes nothing to the store. Errors: `outside.git` when patch or base are gone; those of the sandbox; the signal's reason.
 */
export async function replay(
  { asked }: Replayable,
  run: Run,
  place: { remote: Remote; secrets: Readonly<Record<string, string>>; deadlineMs: number },
  doors: Pick<Doors, 'db' | 'git' | 'sandbox'>,
  signal: AbortSignal,
): Promise<Verdict> {
  const { repository } = place.remote;
  await restoreTree({ run, remote: place.remote, repository }, asked.tree, doors);
  const secrets = Object.fromEntries(
    asked.walls.secrets.flatMap((name) => (place.secrets[name] ? [[name, place.secrets[name]]] : [])),
  );
  const checkouts = createCheckouts(
    {
      run,
      lease: { epoch: run.epoch },
      walls: asked.walls,
      repository,
      base: { branch: run.branch, commit: asked.base },
      signal,
      secrets,
      deadlineMs: place.deadlineMs,
    },
    doors,
  );
  const at = { repository, mask: createMask(secrets), signal, record: async () => {} };
  return judge(asked, at, checkouts, { git: doors.git, baseCache: nothingKept });
}

/** What decides, compared; durations and the text of outputs differ each time and do not count. */
export function differences(stored: Verdict, again: Verdict): Difference[] {
  const [before, after] = [facts(stored), facts(again)];
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((about) => {
    const [was, is] = [before.get(about) ?? 'absent', after.get(about) ?? 'absent'];
    return was === is ? [] : [{ about, stored: was, again: is }];
  });
}

function facts(verdict: Verdict): Map<string, string> {
  const told: [string, string][] = [
    ['next', verdict.next],
    ['conclusion', verdict.conclusion],
    ['rollback', verdict.rollbackTried === null ? 'not tried' : String(verdict.rollbackTried.ok)],
    ...verdict.checks.map((check): [string, string] => [
      `check ${check.kind} (${check.origin}): ${check.command ?? 'none'}`,
      `${check.state}, head ${ended(check.head)}, base ${ended(check.base)}`,
    ]),
    ...verdict.findings.map(({ gate, name, next, paths }): [string, string] => [
      `finding ${gate} ${name}`,
      [next, ...paths.toSorted()].join(' '),
    ]),
    ...verdict.criteria.map(({ id, state, by }): [string, string] => [
      `criterion ${id}`,
      `${state} by ${by ?? 'nothing'}`,
    ]),
    ...verdict.tests.map(({ path, state }): [string, string] => [`test ${path}`, state]),
  ];
  return new Map(told);
}

function ended(record: CheckRunRecord | null): string {
  if (record === null) return 'not run';
  return record.end === 'exited' ? `exit ${record.exitCode}` : record.end;
}
