import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { claimRun, heartbeat, releaseLease } from '../../src/engine/claim.ts';
import { eventsOf } from '../../src/engine/ledger.ts';
import { queuePosition } from '../../src/engine/queue-position.ts';
import { dueRecords, saveMeasures } from '../../src/engine/records.ts';
import {
  beginAttempt,
  endRun,
  enqueueRun,
  getRun,
  latestRun,
  listRuns,
  liveRun,
  moveRun,
  requestCancel,
  runByPullRequest,
  updateRequest,
  updateRun,
} from '../../src/engine/runs.ts';
import { heartbeatWorker } from '../../src/engine/workers.ts';
import type { AttemptStart, RunState } from '../../src/run.ts';
import { claimNext, labelled, newRun, outcome, request, runInState } from '../support/new-run.ts';
import { stores, type TestStore } from '../support/stores.ts';
import { until } from '../support/until.ts';

const measures = {
  ...{ stage: 'build', sentBack: [], rounds: 0, rework: 0, judged: false, firstRoundPass: false },
  ...{ patchMs: null, reviewMs: null, turns: 0, tokens: 0, costUsd: null },
};

describe.each(stores)('runs on %s', (_engine, open) => {
  let store: TestStore;
  beforeEach(async () => {
    store = await open();
  });
  afterEach(() => store.remove());

  const claim = (worker?: string) => claimNext(store.db, worker);
  const runIn = (state: RunState) => runInState(store.db, state);

  test('words with a NUL in them stop a run as others do, and name none', async () => {
    const id = await runIn('queued');

    expect(await getRun(store.db, `${id}\0`)).toBeNull();
    expect(await requestCancel(store.db, id, { by: 'grace', reason: 'a\0b' })).toBe('stopped');
    expect((await getRun(store.db, id))?.outcome?.detail ?? '').toMatch(/^a.?b$/s);
  });

  test('an end that comes while the one before is measured waits for that, and neither fails', async () => {
    const id = await runIn('failed');
    const [end] = await dueRecords(store.db, 1);
    if (!end) throw new Error('nothing to measure');
    const another = store.another();
    let ended: Promise<boolean> | null = null;

    const saved = await saveMeasures(store.db, end, measures, { causes: [], failure: null }, async () => {
      ended = endRun(another, id, 'stopped', { ...outcome, code: 'stopped' });
      await new Promise((resolve) => setTimeout(resolve, 300));
    });

    expect(saved).toBe(true);
    expect(await ended).toBe(true);
  });

  test('an issue is queued once, though it is asked for twenty times at once', async () => {
    const other = store.another();

    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => enqueueRun(index % 2 ? store.db : other, newRun(1))),
    );

    expect(answers.filter(({ created }) => created)).toHaveLength(1);
    expect(new Set(answers.map(({ run }) => run.id)).size).toBe(1);
    expect(await listRuns(store.db)).toHaveLength(1);
  });

  test('a queued run reads back as it was asked for', async () => {
    const { run } = await enqueueRun(store.db, newRun(1, 'acme/shop', { priority: 3, pullRequest: 9, headSha: 'abc' }));

    expect(run).toMatchObject({
      repository: 'github.com/acme/shop',
      issue: 1,
      state: 'queued',
      stage: 'intake',
      attempt: 1,
      start: labelled,
      request,
      branch: 'millwright/issue-1',
      pullRequest: 9,
      headSha: 'abc',
      priority: 3,
      failures: 0,
      outcome: null,
      endedAtMs: null,
    });
    expect(run.id).toMatch(/^r[0-9a-v]{13}$/);
    expect(await getRun(store.db, run.id)).toEqual({ ...run, updatedAtMs: expect.any(Number) });
    expect((await liveRun(store.db, run.repository, 1))?.id).toBe(run.id);
    expect(await getRun(store.db, 'r0')).toBeNull();
  });

  test('a new label after the end begins a new run, found as the latest and by its pull request', async () => {
    const first = await runIn('failed');
    const { run: second, created } = await enqueueRun(store.db, newRun(1));
    const lease = await claim();
    await updateRun(store.db, lease, { pullRequest: 12 });

    expect(created).toBe(true);
    expect((await latestRun(store.db, second.repository, 1))?.id).toBe(second.id);
    expect((await runByPullRequest(store.db, second.repository, 12))?.id).toBe(second.id);
    expect(await runByPullRequest(store.db, 'github.com/acme/other', 12)).toBeNull();
    expect((await listRuns(store.db, { issue: 1 })).map(({ id }) => id)).toEqual([second.id, first]);
  });

  test('lists are newest first, in pages, by state and repository', async () => {
    const ids: string[] = [];
    for (let issue = 1; issue <= 5; issue++) ids.unshift((await enqueueRun(store.db, newRun(issue))).run.id);
    await enqueueRun(store.db, newRun(1, 'acme/other'));
    await claimRun(store.db, { id: 'w1', capacity: 1 });

    const repository = 'github.com/acme/shop';
    const page = await listRuns(store.db, { repository, limit: 2 });
    const rest = await listRuns(store.db, { repository, before: page[1]?.id ?? '' });

    expect([...page, ...rest].map(({ id }) => id)).toEqual(ids.toSorted().reverse());
    expect(await listRuns(store.db, { states: ['running'] })).toHaveLength(1);
    expect(await listRuns(store.db, { states: ['queued', 'running'] })).toHaveLength(6);
    expect(await listRuns(store.db, { states: [] })).toHaveLength(0);
  });

  test('every change is in the ledger, and wakes who watches', async () => {
    let heard = 0;
    store.db.onWake('events', () => heard++);
    const id = await runIn('done');
    await endRun(store.db, id, 'done', { ...outcome, code: 'merged' });

    const events = await eventsOf(store.db, id, { kinds: ['run.state'] });

    expect(events.map(({ data }) => (data as { state: string }).state)).toEqual(['queued', 'running', 'done', 'done']);
    await until(() => heard > 0);
  });

  test.each<[RunState, string, RunState]>([
    ['queued', 'stopped', 'stopped'],
    ['waiting', 'stopped', 'stopped'],
    ['done', 'stopped', 'stopped'],
    ['running', 'cancelling', 'running'],
    ['failed', 'already-ended', 'failed'],
    ['stopped', 'already-ended', 'stopped'],
  ])('a request to stop a %s run is answered "%s" and leaves it %s', async (state, answer, after) => {
    const id = await runIn(state);

    expect(await requestCancel(store.db, id, { by: 'grace', reason: 'wrong issue' })).toBe(answer);

    const run = await getRun(store.db, id);
    expect(run?.state).toBe(after);
    expect(run?.endedAtMs === null).toBe(after === 'running');
  });

  test('a request to stop a failed run that leaves a pull request open stops what is open', async () => {
    const id = await runIn('failed');
    await store.db.run('UPDATE runs SET pull_request = 9 WHERE id = $1', id);

    expect(await requestCancel(store.db, id, { by: 'grace', reason: null })).toBe('stopped');

    expect(await getRun(store.db, id)).toMatchObject({ state: 'stopped', outcome: { text: 'Stopped by grace.' } });
  });

  test('a running run hears who asked it to stop and why, and can only end as stopped', async () => {
    let heard = 0;
    store.db.onWake('cancel', () => heard++);
    await enqueueRun(store.db, newRun(1));
    const lease = await claim();
    expect(await heartbeat(store.db, lease)).toEqual({ held: true, cancel: null });

    await requestCancel(store.db, lease.run.id, { by: 'grace', reason: 'wrong issue' });
    await requestCancel(store.db, lease.run.id, { by: 'ada', reason: 'me too' });

    await until(() => heard > 0);
    expect(await heartbeat(store.db, lease)).toEqual({ held: true, cancel: { by: 'grace', reason: 'wrong issue' } });
    expect(await moveRun(store.db, lease, 'done', { outcome })).toBe(false);
    expect(await moveRun(store.db, lease, 'stopped', { outcome: { ...outcome, code: 'stopped' } })).toBe(true);
    expect(await getRun(store.db, lease.run.id)).toMatchObject({ state: 'stopped', outcome: { code: 'stopped' } });
  });

  test('additions to a request made at once are all kept', async () => {
    const id = await runIn('waiting');
    const globs = Array.from({ length: 8 }, (_, index) => `src/${index}/**`);

    await Promise.all(
      globs.map((glob) =>
        updateRequest(store.db, id, ({ allowed }) => ({ allowed: [...allowed, { glob, by: 'grace' }] })),
      ),
    );

    const run = await getRun(store.db, id);
    expect(run?.request.allowed.map(({ glob }) => glob).sort()).toEqual(globs);
    expect(await updateRequest(store.db, 'r0', {})).toBeNull();
  });

  test('a run that nobody works on is ended from outside; a running one is not', async () => {
    const id = await runIn('done');
    const endedAtMs = (await getRun(store.db, id))?.endedAtMs;

    expect(await endRun(store.db, id, 'done', { ...outcome, code: 'merged' })).toBe(true);
    expect(await getRun(store.db, id)).toMatchObject({ state: 'done', endedAtMs, outcome: { code: 'merged' } });
    expect(await endRun(store.db, id, 'failed', outcome)).toBe(false);

    await enqueueRun(store.db, newRun(2));
    const lease = await claim();
    expect(await endRun(store.db, lease.run.id, 'stopped', outcome)).toBe(false);
  });

  test('writes under a lease change their fields only', async () => {
    await enqueueRun(store.db, newRun(1));
    const lease = await claim();

    await updateRun(store.db, lease, { stage: 'review', pullRequest: 5, headSha: 'abc', outcome });
    await updateRun(store.db, lease, { outcome: null });
    await updateRun(store.db, lease, {});

    expect(await getRun(store.db, lease.run.id)).toMatchObject({
      stage: 'review',
      pullRequest: 5,
      headSha: 'abc',
      outcome: null,
      branch: 'millwright/issue-1',
      state: 'running',
    });
  });

  test('a process that carries no runs is no worker that a queued run could wait for', async () => {
    const { run } = await enqueueRun(store.db, newRun(1));
    await heartbeatWorker(store.db, { id: 'web', capacity: 0 });

    expect(await queuePosition(store.db, run.id)).toMatchObject({ reason: 'no-worker' });
  });

  test('what a person asked for again goes before what checks sent back, and that before new labels', async () => {
    const start = (reason: AttemptStart['reason']) => ({ from: 'build', reason, by: 'ada', guidance: null }) as const;
    for (const issue of [1, 2, 3]) {
      const { run } = await enqueueRun(store.db, newRun(issue, `a/${issue}`));
      await endRun(store.db, run.id, 'failed', outcome);
      if (issue > 1) await beginAttempt(store.db, run.id, start(issue === 2 ? 'ci' : 'retry'));
    }
    await enqueueRun(store.db, newRun(4, 'a/4'));

    const order = [];
    for (let n = 0; n < 3; n++) order.push((await claim()).run.issue);

    expect(order).toEqual([3, 2, 4]);
  });

  test('runs that come within a millisecond are claimed as they came', async () => {
    // More at once than any column holds: as many as there are.
    const limits = { repository: 3e9, organization: 3e9 };
    for (let issue = 1; issue <= 20; issue++) await enqueueRun(store.db, newRun(issue, `a/${issue}`, { limits }));

    const order: number[] = [];
    for (let n = 0; n < 20; n++) order.push((await claim()).run.issue);

    expect(order).toEqual(Array.from({ length: 20 }, (_none, index) => index + 1));
  });

  test('the queue tells the place among those that wait for the same thing, and why', async () => {
    const place = async (id: string) => await queuePosition(store.db, id);
    const a1 = (await enqueueRun(store.db, newRun(1, 'a/a'))).run.id;
    expect(await place(a1)).toEqual({ position: 1, ahead: 0, reason: 'no-worker' });
    await heartbeatWorker(store.db, { id: 'w1', capacity: 2 });
    await claim();
    const b1 = (await enqueueRun(store.db, newRun(1, 'b/b'))).run.id;
    const a2 = (await enqueueRun(store.db, newRun(2, 'a/a'))).run.id;
    const a3 = (await enqueueRun(store.db, newRun(3, 'a/a'))).run.id;
    const urgent = (await enqueueRun(store.db, newRun(4, 'a/a', { priority: 1 }))).run.id;

    expect(await place(urgent)).toEqual({ position: 1, ahead: 0, reason: 'limit-repository' });
    expect(await place(a2)).toMatchObject({ ahead: 1, reason: 'limit-repository' });
    expect(await place(a3)).toMatchObject({ ahead: 2, reason: 'limit-repository' });
    expect(await place(b1)).toMatchObject({ ahead: 1, reason: null });
    expect(await queuePosition(store.db, b1, { global: 1 })).toMatchObject({ reason: 'limit-global' });
    expect(await place(a1)).toEqual({ position: 0, ahead: 0, reason: null });

    const lease = await claim();
    await releaseLease(store.db, lease, { runAfterMs: 60_000 });
    expect(await place(lease.run.id)).toMatchObject({ reason: 'delayed' });
  });
});
