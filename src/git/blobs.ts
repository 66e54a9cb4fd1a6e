import { MillwrightError } from '../errors.ts';
import type { Mirror } from './mirror.ts';

/** What the output of `git cat-file --batch` holds, told piece by piece. */
export interface BatchEvents {
  /** An object begins. */
  header(sha: string, sizeBytes: number): void;
  data(bytes: Buffer): void;
  end(): void;
}

const lineFeed = 10;

/** Reads `cat-file --batch` output as it comes: sizes may be anything and pieces may break anywhere. Throws for a missing object. */
export function batchReader(events: BatchEvents): (chunk: Buffer) => void {
  let headerStart = Buffer.alloc(0);
  let remaining = 0;
  let lineFeedDue = false;

  function readHeader(chunk: Buffer, at: number): number {
    const end = chunk.indexOf(lineFeed, at);
    if (end < 0) {
      headerStart = Buffer.concat([headerStart, chunk.subarray(at)]);
      return chunk.length;
    }
    const line = Buffer.concat([headerStart, chunk.subarray(at, end)]).toString('latin1');
    headerStart = Buffer.alloc(0);
    const [sha = '', type, size] = line.split(' ');
    if (size === undefined) throw new MillwrightError('outside.git', { message: `missing object ${sha} (${type})` });
    remaining = Number(size);
    events.header(sha, remaining);
    if (remaining === 0) finishObject();
    return end + 1;
  }

  function finishObject(): void {
    events.end();
    lineFeedDue = true;
  }

  return (chunk) => {
    let at = 0;
    while (at < chunk.length) {
      if (lineFeedDue) {
        lineFeedDue = false;
        at += 1;
      } else if (remaining > 0) {
        const taken = Math.min(remaining, chunk.length - at);
        events.data(chunk.subarray(at, at + taken));
        at += taken;
        remaining -= taken;
        if (remaining === 0) finishObject();
      } else {
        at = readHeader(chunk, at);
      }
    }
  };
}

/** Streams the objects in this order through `feed`; `drain` is awaited after each piece, so that a slow reader slows git down. */
export async function* streamBlobs<T>(
  mirror: Mirror,
  shas: readonly string[],
  feed: (chunk: Buffer) => void,
  drain: () => T,
): AsyncGenerator<T> {
  const running = mirror.start(['cat-file', '--batch', '--buffer'], { timeoutMs: 30 * 60_000 });
  let whole = false;
  try {
    running.stdin.end(shas.map((sha) => `${sha}\n`).join(''));
    for await (const chunk of running.stdout) {
      feed(chunk as Buffer);
      yield drain();
    }
    const ended = await running.ended;
    if (ended.exitCode !== 0) throw await mirror.failed('git cat-file', ended);
    whole = true;
  } catch (error) {
    if (error instanceof MillwrightError && error.message.startsWith('missing object')) {
      throw await mirror.failed('git cat-file', { exitCode: 0, stderr: error.message });
    }
    throw error;
  } finally {
    if (!whole) running.kill();
  }
}

/** What may be in memory at once. A small object of git can stand for any number of bytes. */
const mostBytesTogether = 512 * 1024 ** 2;

/** Bytes of each object, by name. Only for a bounded number of bounded objects. Errors: `limit.repository` for more than 512 MiB, `outside.git`. */
export async function readBlobs(mirror: Mirror, shas: Iterable<string>): Promise<Map<string, Buffer>> {
  const wanted = [...new Set(shas)];
  const found = new Map<string, Buffer>();
  if (wanted.length === 0) return found;
  let current = '';
  let total = 0;
  let parts: Buffer[] = [];
  const feed = batchReader({
    header: (sha, sizeBytes) => {
      total += sizeBytes;
      if (total > mostBytesTogether) {
        const detail = `files of more than ${mostBytesTogether / 1024 ** 2} MiB would have to be read at once`;
        throw new MillwrightError('limit.repository', { message: detail, detail });
      }
      current = sha;
      parts = [];
    },
    // Pieces of a pipe are never written again, so that most blobs need no copy.
    data: (bytes) => parts.push(bytes),
    end: () => found.set(current, parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts)),
  });
  for await (const _ of streamBlobs(mirror, wanted, feed, () => undefined)) {
    // `feed` collects.
  }
  return found;
}
