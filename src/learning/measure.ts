import type { Doors } from '../doors.ts';
import { dueRecords, type EndRecord, giveUpMeasuring, saveMeasures } from '../engine/records.ts';
import { getRun } from '../engine/runs.ts';
import { asMillwrightError } from '../errors.ts';
import { readRecord } from '../record.ts';

type MeasuringDoors = Pick<Doors, 'db' | 'log'>;

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

async function measureEnd(end: EndRecord, { db }: MeasuringDoors): Promise<void> {
  const run = await getRun(db, end.runId);
  if (run === null) return giveUpMeasuring(db, end);
  const outcome = end.outcome || (run.outcome?.code ?? run.state);
  await saveMeasures(db, { ...end, outcome }, await readRecord(run, end.attempt, { db }));
}
