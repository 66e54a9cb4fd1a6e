import { setTimeout as sleepFor } from 'node:timers/promises';

/** The door to time, so that tests can inject it. Durable times come from the database's clock instead. */
export interface Clock {
  /** Milliseconds since the epoch. */
  nowMs(): number;
  /** Resolves after `durationMs`; rejects with the signal's reason when it aborts first. */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void>;
}

/** The machine's own clock. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  sleep: async (durationMs, signal) => {
    await sleepFor(durationMs, undefined, signal ? { signal } : {});
  },
};
