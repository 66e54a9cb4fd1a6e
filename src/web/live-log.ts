import type { Database } from '../engine/database.ts';
import { eventPage } from '../engine/ledger.ts';
import { getRun } from '../engine/runs.ts';
import { liveStates } from '../run.ts';
import { eventLine } from './event-line.ts';
import { shownEventChars } from './run-view.ts';

export interface LiveLogOptions {
  db: Database;
  runId: string;
  /** Id of the last event that the reader has. */
  afterId: number;
  /** Whether the reader may still read it; asked with every heartbeat. */
  mayRead: () => Promise<boolean>;
  /** Ends the stream: the reader is gone, or the process ends. */
  signal: AbortSignal;
}

/** Proxies cut connections on which nothing is sent for a minute or so. */
const beatMs = 15_000;
/** News that come close together are told together. */
const gatherMs = 150;
const atOnce = 200;
/** After this long the reader connects anew, with the id of the last line. */
const longestMs = 3_600_000;

/**
 * Server-sent events: each line of the log with its id as data, a comment as heartbeat, and `end` when the run waits for a
 * person or has ended. The stream closes after that; a reader that comes back with the last id misses nothing.
 */
export async function* liveLog(options: LiveLogOptions): AsyncGenerator<string> {
  const { db, runId, signal } = options;
  const bell = createBell(db, signal);
  const startedAtMs = performance.now();
  let { afterId } = options;
  try {
    yield 'retry: 2000\n\n';
    while (!signal.aborted && performance.now() - startedAtMs < longestMs) {
      bell.listen();
      // Read before the events: what is written between the two is told, and the end only after it.
      const run = await getRun(db, runId);
      const events = await eventPage(db, runId, { afterId, limit: atOnce, longestChars: shownEventChars });
      for (const event of events) {
        afterId = event.id;
        yield `id: ${event.id}\ndata: ${JSON.stringify(eventLine(event))}\n\n`;
      }
      if (events.length === atOnce) continue;
      if (run === null || !liveStates.includes(run.state) || run.state === 'waiting') {
        yield `event: end\ndata: ${JSON.stringify({ state: run?.state ?? 'gone' })}\n\n`;
        return;
      }
      if (await bell.rings(beatMs)) continue;
      if (signal.aborted || !(await options.mayRead())) return;
      yield ': beat\n\n';
    }
  } finally {
    bell.stop();
  }
}

interface Bell {
  /** What rings from now on counts. */
  listen(): void;
  /** True when it has rung since `listen`, at the latest after this time. */
  rings(withinMs: number): Promise<boolean>;
  stop(): void;
}

function createBell(db: Database, signal: AbortSignal): Bell {
  let rung = false;
  let wake: () => void = () => {};
  const ring = () => {
    rung = true;
    wake();
  };
  const off = db.onWake('events', ring);
  signal.addEventListener('abort', ring);
  const pause = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
      if (rung) wake();
    });
  return {
    listen() {
      rung = false;
    },
    async rings(withinMs) {
      await pause(withinMs);
      const heard = rung && !signal.aborted;
      if (heard) await new Promise((resolve) => setTimeout(resolve, gatherMs));
      return heard;
    },
    stop() {
      off();
      signal.removeEventListener('abort', ring);
      wake();
    },
  };
}

/** A bounded number of streams, each of which holds a connection. */
export interface Streams {
  /** Null when there are too many already, of this viewer or of all. */
  open(viewer: string, make: (signal: AbortSignal) => AsyncGenerator<string>, gone: AbortSignal): Response | null;
  /** Ends all of them. */
  close(): void;
}

export function createStreams(most: { all: number; perViewer: number }): Streams {
  const closing = new AbortController();
  const open = new Map<string, number>();
  const total = () => [...open.values()].reduce((sum, each) => sum + each, 0);
  return {
    open(viewer, make, gone) {
      const mine = open.get(viewer) ?? 0;
      if (closing.signal.aborted || mine >= most.perViewer || total() >= most.all) return null;
      open.set(viewer, mine + 1);
      const done = () => {
        const left = (open.get(viewer) ?? 1) - 1;
        if (left > 0) open.set(viewer, left);
        else open.delete(viewer);
      };
      const body = ReadableStream.from(encoded(make(AbortSignal.any([gone, closing.signal])), done));
      return new Response(body, { headers: { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' } });
    },
    close: () => closing.abort(),
  };
}

async function* encoded(texts: AsyncGenerator<string>, done: () => void): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  try {
    for await (const text of texts) yield encoder.encode(text);
  } finally {
    done();
  }
}
