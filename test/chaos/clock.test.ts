import { afterEach, expect, test } from 'vitest';
import type { Clock } from '../../src/clock.ts';
import { eventsOf } from '../../src/engine/ledger.ts';
import { listRuns } from '../../src/engine/runs.ts';
import type { ReapFilter } from '../../src/sandbox/sandbox.ts';
import { FolderEngine } from '../doubles/sandbox-engine.ts';
import { type GateSite, gateRepository, openSite, writes } from '../support/gate-site.ts';
import type { ChatRequest, Reply } from '../support/model-stand-in.ts';
import { scripted, submit } from '../support/scripted.ts';
import { until } from '../support/until.ts';

const runMs = 120_000;
const hourMs = 3_600_000;
let site: GateSite;
afterEach(() => site[Symbol.asyncDispose]());

/** A clock that is put forward and back while others look at it, as a wrong time server does. */
function steppingClock(clock: Clock): Clock & { stepMs: number } {
  return { ...clock, stepMs: 0, nowMs: () => clock.nowMs() + stepped.stepMs };
}
let stepped: ReturnType<typeof steppingClock>;

const policy = `${gateRepository['.github/millwright.yml']}limits: { minutes: 5 }\n`;

/** One run whose machine's clock stands `stepsMs` off while each of the model's answers is made. */
async function runThrough(stepsMs: readonly number[]) {
  const replies = writes().map((reply, index) => async () => {
    stepped.stepMs = stepsMs[index] ?? 0;
    // Long enough for heartbeats to be made, and missed if they were counted by this clock.
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    return reply;
  });
  site = await openSite({
    files: { '.github/millwright.yml': policy },
    script: scripted(replies),
    replace: ({ clock }) => {
      stepped = steppingClock(clock);
      return { clock: stepped };
    },
  });
  const number = await site.labelled();
  await until(() => /^agent:(review|failed|waiting|stopped)$/.test(site.labels(number).join()), runMs);
  return number;
}

test.each([
  { what: 'forward by two hours and back by four', stepsMs: [2 * hourMs, -2 * hourMs] },
  { what: 'back by two hours and forward by four', stepsMs: [-2 * hourMs, 2 * hourMs] },
])(
  'a clock that jumps $what in mid-build takes no minutes from the run and no lease from its worker',
  {
    timeout: runMs,
  },
  async ({ stepsMs }) => {
    const number = await runThrough(stepsMs);

    expect(site.labels(number)).toEqual(['agent:review']);
    const { db } = site.factory.doors;
    const [run] = await listRuns(db, {});
    expect(run).toMatchObject({ state: 'done', outcome: { code: 'review' }, attempt: 1, failures: 0 });
    expect(site.pulls()).toHaveLength(1);
    const taken = (await eventsOf(db, run?.id ?? '', { kinds: ['run.state'] })).filter(
      ({ data }) => (data as { state?: string }).state === 'running',
    );
    expect(taken).toHaveLength(1);
  },
);

test('a store whose clock jumps beyond the lease in mid-build lets the run begin that stage again, once, and ends with one pull request', {
  timeout: runMs,
}, async () => {
  const jump = async () => {
    const { db } = site.factory.doors;
    await until(async () => {
      // The embedded store reads the machine's clock: what was leased until later is over now. Its worker may beat first.
      await db.run(`UPDATE runs SET lease_until_ms = lease_until_ms - $1 WHERE state = 'running'`, hourMs);
      await db.wake('runs');
      return (await listRuns(db, {}))[0]?.failures === 1;
    }, 20_000);
  };
  let jumped: Promise<void> | null = null;
  const planned = scripted([]) as (request: ChatRequest, index: number) => Promise<Reply>;
  // By what the conversation holds: both carriers of the run may ask for a while.
  const script = async (request: ChatRequest, index: number) => {
    if (request.response_format?.json_schema) return await planned(request, index);
    jumped ??= jump();
    await jumped;
    const said = request.messages.filter(({ role }) => role === 'assistant').length;
    return writes()[said] ?? submit('the sum is written');
  };
  site = await openSite({ script });
  const number = await site.labelled();

  await site.reaches(number, 'agent:review', runMs);

  const [run] = await listRuns(site.factory.doors.db, {});
  expect(run).toMatchObject({ state: 'done', outcome: { code: 'review' }, attempt: 1 });
  expect(site.pulls()).toHaveLength(1);
  expect(site.said(number)).toHaveLength(1);
});

test('a clock that jumps forward takes no container before its deadline', { timeout: runMs }, async () => {
  const filters: ReapFilter[] = [];
  const engine = new FolderEngine();
  engine.reap = async (filter) => {
    filters.push(filter);
    return 0;
  };
  const deadlines = () => filters.flatMap(({ expiredAtMs }) => (expiredAtMs === undefined ? [] : [expiredAtMs]));
  site = await openSite({
    replace: ({ clock }) => {
      // What is done each minute is done at once.
      stepped = steppingClock({ ...clock, sleep: (ms, signal) => clock.sleep(ms === 60_000 ? 50 : ms, signal) });
      return { clock: stepped, sandbox: engine };
    },
  });
  await until(() => deadlines().length > 0);
  const before = deadlines().length;
  stepped.stepMs = 2 * hourMs;

  await until(() => deadlines().length > before + 2);

  expect(Math.max(...deadlines()) - Date.now()).toBeLessThan(1_000);
});
