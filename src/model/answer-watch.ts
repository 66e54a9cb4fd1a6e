import { BrokenAnswer } from './model-failure.ts';

/** Ends a call that is silent for too long, or that goes on for too long however busy it is. To be disposed of when the call is over. */
export interface AnswerWatch extends Disposable {
  signal: AbortSignal;
  /** Something arrived. */
  heard(): void;
  /** What the watch ended the call for; null when it did not. */
  broken(cause: unknown): BrokenAnswer | null;
}

export function watchAnswer(cancel: AbortSignal | undefined, limits: { idleMs: number; wholeMs: number }): AnswerWatch {
  const idle = new AbortController();
  const whole = new AbortController();
  const idleTimer = setTimeout(() => idle.abort(), limits.idleMs);
  const wholeTimer = setTimeout(() => whole.abort(), limits.wholeMs);
  return {
    signal: AbortSignal.any([idle.signal, whole.signal, ...(cancel === undefined ? [] : [cancel])]),
    heard: () => void idleTimer.refresh(),
    broken(cause) {
      if (whole.signal.aborted)
        return new BrokenAnswer(`The answer took longer than ${limits.wholeMs} ms.`, { final: true, cause });
      if (idle.signal.aborted)
        return new BrokenAnswer(`The model service was silent for ${limits.idleMs} ms.`, { cause });
      return null;
    },
    [Symbol.dispose]() {
      clearTimeout(idleTimer);
      clearTimeout(wholeTimer);
    },
  };
}
