import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { heartbeat } from '../../src/engine/claim.ts';
import { beginAttempt, enqueueRun, getRun, moveRun, requestCancel } from '../../src/engine/runs.ts';
import { createSteps } from '../../src/engine/steps.ts';
import type { RunState } from '../../src/run.ts';
import { claimNext, newRun, outcome, request, runInState } from '../support/new-run.ts';
import { stores, type TestStore } from '../support/stores.ts';

const retry = { from: 'build', reason: 'retry', by: 'grace', guidance: 'smaller' } as const;

describe.each(stores)('attempts on %s', (_engine, open) => {
  let store: TestStore;
  beforeEach(async () => {
    store = await open();
  });
  afterEach(() => store.remove());

  const claim = (worker?: string) => claimNext(store.db, worker);
  const runIn = (state: RunState) => runInState(store.db, state);

  test.each<RunState>(['waiting', 'done', 'failed', 'stopped'])(
    'a %s run begins another attempt, once',
    async (state) => {
      const id = await runIn(state);

      const results = await Promise.all([1, 2, 3].map(() => beginAttempt(store.db, id, retry, { title: 'Smaller' })));

      const begun = results.filter((run) => run !== null);
      expect(begun).toHaveLength(1);
      expect(begun[0]).toMatchObject({
        state: 'queued',
        stage: 'build',
        attempt: 2,
        failures: 0,
        outcome: null,
        endedAtMs: null,
      });
      expect(begun[0]?.start).toEqual(retry);
      expect(begun[0]?.request).toEqual({ ...request, title: 'Smaller' });
    },
  );

  test.each<RunState>(['queued', 'running'])('a %s run begins no other attempt', async (state) => {
    const id = await runIn(state);

    expect(await beginAttempt(store.db, id, retry)).toBeNull();
    expect((await getRun(store.db, id))?.attempt).toBe(1);
  });

  test('an ended run begins no attempt while another of its issue is live', async () => {
    const old = await runIn('failed');
    await enqueueRun(store.db, newRun(1));

    expect(await beginAttempt(store.db, old, retry)).toBeNull();
  });

  test('the same cause begins one attempt, even asked again after that one has ended', async () => {
    const id = await runIn('failed');
    const start = { ...retry, cause: 'comment:17:0' };
    await beginAttempt(store.db, id, start);
    await moveRun(store.db, await claim(), 'failed', { outcome });

    const again = await beginAttempt(store.db, id, start);

    expect(again).toMatchObject({ state: 'failed', attempt: 2 });
    expect(await beginAttempt(store.db, id, { ...retry, cause: 'comment:18:0' })).toMatchObject({ attempt: 3 });
  });

  test('an attempt forgets an earlier request to stop', async () => {
    await enqueueRun(store.db, newRun(1));
    const lease = await claim();
    await requestCancel(store.db, lease.run.id, { by: 'grace', reason: null });
    await moveRun(store.db, lease, 'stopped', { outcome });

    await beginAttempt(store.db, lease.run.id, retry);

    expect(await heartbeat(store.db, await claim())).toEqual({ held: true, cancel: null });
  });

  test('an attempt carries over what the stages before its start had saved, and nothing else', async () => {
    await enqueueRun(store.db, newRun(1));
    const lease = await claim();
    const first = createSteps(store.db, lease);
    for (const name of ['intake', 'context', 'plan', 'plan-split', 'build-1', 'verify-1/base', 'review', 'odd']) {
      await first.save(name, z.string(), `saved ${name}`);
    }
    await moveRun(store.db, lease, 'failed', { outcome });

    await beginAttempt(store.db, lease.run.id, { ...retry, from: 'verify' });

    const second = createSteps(store.db, await claim());
    const names = ['intake', 'context', 'plan', 'plan-split', 'build-1', 'verify-1/base', 'review', 'odd'];
    const saved = await Promise.all(names.map((name) => second.saved(name, z.string())));
    expect(saved).toEqual([
      'saved intake',
      'saved context',
      'saved plan',
      'saved plan-split',
      'saved build-1',
      null,
      null,
      null,
    ]);
  });
});
