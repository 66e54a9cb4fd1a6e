import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';

const sqliteBusy = 5;
const longestPauseMs = 100;

const queues = new Map<string, Promise<void>>();

/**
 * Runs `work` while no other caller, in this process or another, holds the lock at `path`.
 * The lock is SQLite's on an empty file: the kernel frees it with the process, so none is ever stale and no pid is guessed at.
 */
export async function withMirrorLock<T>(
  path: string,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  const before = queues.get(path) ?? Promise.resolve();
  const { promise: mine, resolve: leave } = Promise.withResolvers<void>();
  const tail = before.then(() => mine);
  queues.set(path, tail);
  try {
    await orAbort(before, signal);
    return await lockedByFile(path, signal, work);
  } finally {
    leave();
    if (queues.get(path) === tail) queues.delete(path);
  }
}

async function lockedByFile<T>(path: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    for (let pauseMs = 5; !tryLock(database); pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      await orAbort(sleep(pauseMs), signal);
    }
    return await work();
  } finally {
    database.close();
  }
}

function tryLock(database: DatabaseSync): boolean {
  try {
    database.exec('BEGIN EXCLUSIVE');
    return true;
  } catch (error) {
    if ((error as { errcode?: number }).errcode === sqliteBusy) return false;
    throw error;
  }
}

/** Waits, but no longer than until the signal aborts; then rejects with its reason. */
async function orAbort(waited: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (!signal) return await waited;
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await Promise.race([waited, promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
