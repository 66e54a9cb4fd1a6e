import type { Doors } from './doors.ts';
import { listRuns } from './engine/runs.ts';
import { type Pause, pauseOf } from './pause.ts';
import { showStatusSoon } from './status.ts';

/** Whether runs may be begun, asked before each claim. A change is logged, and queued runs tell it in their status comments. */
export function watchPause(doors: Doors): () => Promise<boolean> {
  let known: Pause['why'] | null = null;
  return async () => {
    const pause = await pauseOf(doors);
    const why = pause?.why ?? null;
    if (why === known) return why === null;
    known = why;
    if (pause === null) doors.log.info('runs are begun again');
    else doors.log.error({ reason: pause.reason }, 'no runs are begun: they stay queued');
    for (const run of await listRuns(doors.db, { states: ['queued'], limit: 1000 })) showStatusSoon(run, doors);
    return why === null;
  };
}
