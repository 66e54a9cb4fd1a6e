import { describe, expect, test } from 'vitest';
import type { Fault } from '../support/github/faults.ts';
import type { GitHubStandIn } from '../support/github-stand-in.ts';
import { createPostgresDatabase } from '../support/postgres.ts';
import { type Call, calls } from './calls.ts';
import { hurry, live } from './life.ts';

const retryAfterS = 4;
/** What that is by the clock of the door. */
const waitMs = (retryAfterS * 1000) / hurry;
/** Calls that are on their way when the answer comes arrive so much later at most, also in a process that is busy. */
const onTheWayMs = 600;
const roundingMs = 20;
const limited = { 'retry-after': String(retryAfterS) };
const secondary = {
  message: 'You have exceeded a secondary rate limit. Please wait a few minutes before you try again.',
};

/** How a call fails. */
export interface Failure {
  what: string;
  fault: Omit<Fault, 'path'>;
  /** How long an answer is waited for, in the place of the real 30 s. */
  timeoutMs?: number;
}

/** GitHub answers that it cannot, or not now. */
export const answers: readonly Failure[] = [
  { what: 'answers 500', fault: { status: 500 } },
  { what: 'answers 502', fault: { status: 502 } },
  { what: 'answers 429 with Retry-After', fault: { status: 429, headers: limited } },
  { what: 'meets a secondary limit', fault: { status: 403, headers: limited, body: secondary } },
];

/** The answer is lost or late. One second stands for ten. */
export const silences: readonly Failure[] = [
  { what: 'loses its connection', fault: { drop: true } },
  { what: 'answers slowly', fault: { delayMs: 1_000 } },
  { what: 'answers after the time-out', fault: { delayMs: 2_500 }, timeoutMs: 1_500 },
];

const modes = ['before', 'after'] as const;

/**
 * All calls fail in one life, each once, so that the matrix takes a minute. Over more lives (`FAULT_GROUPS=35`: each
 * call in one of its own) to see which call it was.
 */
const groups = Number(process.env.FAULT_GROUPS ?? 1);
const cellsOf = (failures: readonly Failure[]) =>
  failures.flatMap((failure) =>
    modes.flatMap((mode) =>
      Array.from({ length: groups }, (_, part) => ({
        ...failure,
        mode,
        // Each kind of failure meets both.
        store: mode === 'before' ? 'SQLite' : 'PostgreSQL',
        part: part + 1,
        struck: calls.filter((_call, index) => index % groups === part),
      })),
    ),
  );
type Cell = ReturnType<typeof cellsOf>[number];

/** What a life leaves. */
export const whole = {
  branches: [expect.stringMatching(/^refs\/heads\/millwright\/issue-\d+$/)],
  pulls: 1,
  statusComments: 1,
  labels: expect.arrayContaining(['agent-ready', 'agent:review']),
  assignees: ['maya'],
  reviewers: ['maya'],
  sum: '6\n',
  sumNow: '6\n',
};

/** Tests in files of their own, so that two processes share them: one with many lives in it takes long to start each git. */
export const describeLives = (failures: readonly Failure[]) =>
  describe('an issue lives through it when each call once', { concurrent: true }, () => {
    test.each(cellsOf(failures))(
      '$what, $mode it takes effect, on $store (part $part)',
      { timeout: 600_000 },
      async (cell) => {
        await using stack = new AsyncDisposableStack();
        const server = cell.store === 'PostgreSQL' ? await createPostgresDatabase() : null;
        stack.defer(async () => server?.drop());
        const { left, site, hits } = await live(
          cell.struck.map((call) => faultOf(call, cell)),
          { ...(cell.timeoutMs ? { timeoutMs: cell.timeoutMs } : {}), ...(server ? { databaseUrl: server.url } : {}) },
        );
        await using _ = site;

        expect(cell.struck.filter((_call, index) => hits[index] !== 1).map(({ name }) => name)).toEqual([]);
        expect(left).toMatchObject(whole);
        expect(Object.values(left.checkRuns)).toEqual([['millwright'], ['millwright']]);
        expect(hurried(site.github)).toEqual([]);
        expect(site.github.unhandled()).toEqual([]);
      },
    );
  });

const faultOf = ({ method, path }: Call, { fault, mode }: Cell): Fault => ({
  ...fault,
  method,
  path,
  mode,
});

/** Calls with a token that had been asked to wait, made before it was over. git asks by itself and is told nothing by GitHub. */
function hurried(github: GitHubStandIn): string[] {
  const all = github.requests().filter(({ path }) => !path.includes('.git/'));
  return all.flatMap((limit) => {
    const { answeredAtMs } = limit;
    if ((limit.status !== 429 && limit.status !== 403) || answeredAtMs === null) return [];
    const endMs = answeredAtMs + waitMs;
    return all
      .filter(
        ({ token, atMs }) => token === limit.token && atMs > answeredAtMs + onTheWayMs && atMs < endMs - roundingMs,
      )
      .map(({ method, path, atMs }) => `${method} ${path} ${atMs - answeredAtMs} ms after ${limit.path}`);
  });
}
