import { setTimeout as sleepFor } from 'node:timers/promises';

/** The door to time, so that tests can inject it. Durable times come from the database's clock instead. */
export interface Clock {
  /** Milliseconds since the epoch, as the machine believes; may jump forward and back. For what others tell times by. */
  nowMs(): number;
  /** Milliseconds since some moment in the life of this process; never jumps. For how long something takes or may take. */
  elapsedMs(): number;
  /** Resolves after `durationMs`; rejects with the signal's reason when it aborts first. */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void>;
}

/** The machine's own clock. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  elapsedMs: () => performance.now(),
  sleep: async (durationMs, signal) => {
    await sleepFor(durationMs, undefined, signal ? { signal } : {});
  },
};
