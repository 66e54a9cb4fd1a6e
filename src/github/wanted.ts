import { AsyncLocalStorage } from 'node:async_hooks';

/** Of the work that makes a call: aborted when its answer is not wanted any more. */
const signals = new AsyncLocalStorage<AbortSignal>();

/** Calls made within the work are given up once the signal aborts. */
export const whileWanted = <T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> => signals.run(signal, work);

/** For an answer that others wait for as well: the end of one of them is not theirs. */
export const forEveryone = <T>(work: () => Promise<T>): Promise<T> => signals.exit(work);

/** The signal of the work under way, if it has one. */
export const wantedSignal = (): AbortSignal | undefined => signals.getStore();

/** Waits for an answer no longer than it is wanted. What the signal cannot reach, such as the token that a call needs first, goes on by itself. */
export async function unlessAborted<T>(answer: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return answer;
  const { promise: over, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([answer, over]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
