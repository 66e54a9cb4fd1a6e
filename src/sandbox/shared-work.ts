import { MillwrightError } from '../errors.ts';

interface Work<T> {
  result: Promise<T>;
  controller: AbortController;
  waiters: number;
}

/** Work that several callers want at once is done once; it is given up when the last of them gives up. */
export class SharedWork<T> {
  readonly #running = new Map<string, Work<T>>();

  /** Rejects with `run.cancelled` when the caller's signal aborts first. */
  async join(key: string, signal: AbortSignal | undefined, start: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (signal?.aborted) throw new MillwrightError('run.cancelled');
    const work = this.#running.get(key) ?? this.#begin(key, start);
    work.waiters += 1;
    let leave = () => {};
    const left = new Promise<never>((_, reject) => {
      leave = () => reject(new MillwrightError('run.cancelled'));
    });
    left.catch(() => {});
    signal?.addEventListener('abort', leave, { once: true });
    try {
      return await Promise.race([work.result, left]);
    } finally {
      signal?.removeEventListener('abort', leave);
      work.waiters -= 1;
      if (work.waiters === 0) this.#giveUp(key, work);
    }
  }

  #begin(key: string, start: (signal: AbortSignal) => Promise<T>): Work<T> {
    const controller = new AbortController();
    const work: Work<T> = { result: start(controller.signal), controller, waiters: 0 };
    this.#running.set(key, work);
    const forget = () => this.#giveUp(key, work);
    work.result.then(forget, forget);
    return work;
  }

  #giveUp(key: string, work: Work<T>): void {
    if (this.#running.get(key) === work) this.#running.delete(key);
    work.controller.abort();
  }
}
