import type { Doors } from '../doors.ts';
import type { Sql } from '../engine/database.ts';
import { type Cause, dueRecords, type EndRecord, giveUpMeasuring, saveMeasures } from '../engine/records.ts';
import { getRun } from '../engine/runs.ts';
import { asMillwrightError } from '../errors.ts';
import { readLife, recordFrom } from '../record.ts';
import { noteMended } from './escapes.ts';
import { raiseLessons } from './lessons.ts';
import { livedOf, signsOf } from './signatures.ts';

type MeasuringDoors = Pick<Doors, 'db' | 'log'> & { host: Pick<Doors['host'], 'githubHost'> };

/** Measures the oldest end that waits for it; false when none does. Any process may; two at once write it once. Errors: `outside.database`. */
export async function measureNextEnd(doors: MeasuringDoors): Promise<boolean> {
  const [end] = await dueRecords(doors.db, 1);
  if (end === undefined) return false;
  try {
    await measureEnd(end, doors);
  } catch (error) {
    const known = asMillwrightError(error);
    if (known.retry) throw known;
    doors.log.error({ err: known, run: end.runId, attempt: end.attempt }, 'an end could not be measured');
    await giveUpMeasuring(doors.db, end);
  }
  return true;
}

async function measureEnd(end: EndRecord, { db, host }: MeasuringDoors): Promise<void> {
  const run = await getRun(db, end.runId);
  if (run === null) return giveUpMeasuring(db, end);
  const outcome = end.outcome || (run.outcome?.code ?? run.state);
  const { attempt, state } = end;
  const life = await readLife(run, { db });
  const signs = signsOf({
    outcome,
    state,
    verdicts: life.verdicts
      .filter((saved) => saved.attempt === attempt && !isCopy(saved, life.verdicts))
      .map(({ value }) => value),
    ...livedOf(life.events.filter((event) => event.attempt === attempt)),
  });
  // A repository of this machine has no pull requests.
  const raise = (sql: Sql, causes: readonly Cause[]) =>
    host.githubHost === 'local' ? Promise.resolve() : raiseLessons(db, sql, end.repository, causes);
  await saveMeasures(db, { ...end, outcome }, recordFrom(run, attempt, life), signs, raise);
  if (outcome === 'merged') await noteMended(db, run);
}

/** An attempt that begins late holds the verdicts of the one before; they taught then. */
function isCopy(saved: { name: string; attempt: number; savedAtMs: number }, all: readonly (typeof saved)[]): boolean {
  return all.some(
    ({ name, attempt, savedAtMs }) => name === saved.name && savedAtMs === saved.savedAtMs && attempt < saved.attempt,
  );
}
