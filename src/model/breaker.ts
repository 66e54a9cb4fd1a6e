import type { Clock } from '../clock.ts';

/** Stops a storm of calls that are known to fail: opens after failures in a row, lets one probe through after a while. */
export interface Breaker {
  /** Milliseconds until the next call may be made; 0 when it may be made now. A 0 from an open breaker is the one probe. */
  remainingMs(): number;
  succeeded(): void;
  /** Returns true when this failure opened the breaker: the one moment to raise an alert. */
  failed(): boolean;
}

interface BreakerOptions {
  clock: Clock;
  /** Failures in a row that open it. */
  threshold: number;
  /** How long it stays open before the next probe. */
  openMs: number;
}

/** A breaker that starts closed. */
export function createBreaker({ clock, threshold, openMs }: BreakerOptions): Breaker {
  let failures = 0;
  let openUntilMs = 0;
  let alerted = false;
  return {
    remainingMs() {
      if (failures < threshold) return 0;
      const remaining = openUntilMs - clock.elapsedMs();
      if (remaining > 0) return remaining;
      // The probe goes out; whoever comes while it is under way waits for its outcome.
      openUntilMs = clock.elapsedMs() + openMs;
      return 0;
    },
    succeeded() {
      failures = 0;
      alerted = false;
    },
    failed() {
      failures += 1;
      if (failures < threshold) return false;
      openUntilMs = clock.elapsedMs() + openMs;
      const first = !alerted;
      alerted = true;
      return first;
    },
  };
}
