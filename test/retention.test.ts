import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Doors } from '../src/doors.ts';
import { append } from '../src/engine/ledger.ts';
import { endRun, enqueueRun, getRun } from '../src/engine/runs.ts';
import { timersOf } from '../src/engine/timers.ts';
import { retainMachine, retainStore } from '../src/retention.ts';
import { startGitHub } from './support/github-stand-in.ts';
import { newRun } from './support/new-run.ts';
import { realDoors } from './support/real-doors.ts';

const dayMs = 24 * 60 * 60_000;
let opened: Doors;
let close: () => Promise<unknown>;
const doing: string[] = [];

beforeEach(async () => {
  doing.length = 0;
  const github = await startGitHub({ users: {} });
  const { doors, remove } = await realDoors(github);
  opened = {
    ...doors,
    sandbox: {
      ...doors.sandbox,
      evict: async (maxBytes, age) => doing.push(`images ${maxBytes} ${age?.unusedForMs}`) && 0,
    },
    git: { ...doors.git, prune: async ({ keep, maxBytes }) => doing.push(`mirrors ${maxBytes} ${[...keep]}`) && 0 },
  };
  close = () => Promise.all([remove(), github.close()]);
});
afterEach(() => close());

const within = (retention: { days?: number; size?: number }): Doors => ({
  ...opened,
  host: { ...opened.host, operatorPolicy: { retention } },
});

async function endedRun(issue: number, daysAgo: number): Promise<string> {
  const { run } = await enqueueRun(opened.db, newRun(issue));
  for (let n = 0; n < 10; n++) await append(opened.db, { runId: run.id, kind: 'tool.call', data: 'x'.repeat(100_000) });
  await endRun(opened.db, run.id, 'failed', { code: 'failed', text: '', question: null, detail: null });
  const ms = daysAgo * dayMs;
  await opened.db.run(
    'UPDATE runs SET ended_at_ms = ended_at_ms - $1, updated_at_ms = updated_at_ms - $1 WHERE id = $2',
    ms,
    run.id,
  );
  return run.id;
}

const left = async (ids: readonly string[]) =>
  (await Promise.all(ids.map((id) => getRun(opened.db, id)))).map((run) => run?.issue);

test('runs go after the days that the operator wants them kept, once an hour whichever process comes first', async () => {
  const ids = [await endedRun(1, 11), await endedRun(2, 9)];
  const before = await opened.db.sizeBytes();

  await retainStore(within({ days: 10 }));
  const after = await left(ids);
  ids.push(await endedRun(3, 11));
  await retainStore(within({ days: 10 }));

  expect(after).toEqual([undefined, 2]);
  expect(await left(ids)).toEqual([undefined, 2, 3]);
  expect((await timersOf(opened.db, 'retention')).map(({ atMs }) => atMs > Date.now() + 50 * 60_000)).toEqual([true]);
  expect(before).toBeGreaterThan(2_000_000);
});

test('beyond the size that the store may have, the runs that ended first go, none of the last day', async () => {
  const ids = [await endedRun(1, 5), await endedRun(2, 3), await endedRun(3, 0)];

  await retainStore(within({ size: 2_500_000 }));
  expect(await left(ids)).toEqual([undefined, undefined, 3]);
  await opened.db.run('DELETE FROM timers');
  await retainStore(within({ size: 1 }));

  expect(await left(ids)).toEqual([undefined, undefined, 3]);
  expect(await opened.db.sizeBytes()).toBeLessThan(3_500_000);
});

test('mirrors of runs that live are kept, and both mirrors and images held to the operator’s bounds', async () => {
  await enqueueRun(opened.db, newRun(1, 'acme/live'));

  await retainMachine(within({ days: 3, size: 1000 }));

  expect(doing).toEqual([`images 1000 ${3 * dayMs}`, 'mirrors 1000 github.com/acme/live']);
});
