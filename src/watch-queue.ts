import type { Doors } from './doors.ts';
import { queuedRuns, queuePosition } from './engine/queue-position.ts';
import { getRun } from './engine/runs.ts';
import { showStatusSoon } from './status.ts';

/** Positions further back are told when they come nearer: each change is an edit of a comment. */
const mostShown = 50;

/** Brings the status comments of queued runs up to date whose place in the queue has changed since it was asked last. */
export function watchQueue(doors: Doors): () => Promise<void> {
  let shown = new Map<string, number>();
  return async () => {
    const now = new Map<string, number>();
    for (const id of await queuedRuns(doors.db, mostShown)) {
      const { position } = await queuePosition(doors.db, id);
      now.set(id, position);
      const run = shown.get(id) === position ? null : await getRun(doors.db, id);
      if (run !== null) showStatusSoon(run, doors);
    }
    shown = now;
  };
}
