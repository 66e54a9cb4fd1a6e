import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { clearTimer, dueTimers, moveTimer, setTimer, setTimerOnce, timersOf } from '../../src/engine/timers.ts';
import { forgetWorker, heartbeatWorker, listWorkers, reapDeadWorkers } from '../../src/engine/workers.ts';
import { stores, type TestStore } from '../support/stores.ts';

describe.each(stores)('timers and workers on %s', (_engine, open) => {
  let store: TestStore;
  beforeEach(async () => {
    store = await open();
  });
  afterEach(() => store.remove());

  test('due timers come oldest first, those of the future not yet', async () => {
    await setTimer(store.db, 'b', -1000, { n: 2 });
    await setTimer(store.db, 'a', -2000, null);
    await setTimer(store.db, 'future', 3_600_000, null);

    expect(await dueTimers(store.db)).toMatchObject([
      { key: 'a', data: null },
      { key: 'b', data: { n: 2 } },
    ]);
  });

  test('a due timer goes to one taker, and comes again if that one died', async () => {
    await setTimer(store.db, 'a', -2000, null);
    const other = store.another();

    const taken = await Promise.all(Array.from({ length: 10 }, (_, index) => dueTimers(index % 2 ? store.db : other)));

    expect(taken.flat()).toHaveLength(1);
    await store.db.run('UPDATE timers SET at_ms = at_ms - 60001');
    expect(await dueTimers(store.db)).toHaveLength(1);
  });

  test('a timer is moved by setting it, kept by setting it once, gone by clearing it', async () => {
    await setTimer(store.db, 'a', 3_600_000.5, 1);
    await setTimerOnce(store.db, 'a', -1000.5, 2);
    expect(await dueTimers(store.db)).toEqual([]);

    await setTimer(store.db, 'a', -2000, 3);
    await setTimerOnce(store.db, 'b', 0, 4);
    expect((await dueTimers(store.db)).map(({ data }) => data)).toEqual([3, 4]);

    await clearTimer(store.db, 'a');
    await store.db.run('UPDATE timers SET at_ms = 1');
    expect((await dueTimers(store.db, { limit: 5 })).map(({ key }) => key)).toEqual(['b']);
  });

  test('timers of one prefix are taken and listed apart from others', async () => {
    await setTimer(store.db, 'rollback:1', -1000, 1);
    await setTimer(store.db, 'rollback%2', -2000, 2);
    await setTimer(store.db, 'rollback:3', 3_600_000, 3);

    expect((await timersOf(store.db, 'rollback:')).map(({ key }) => key)).toEqual(['rollback:1', 'rollback:3']);
    expect((await dueTimers(store.db, { prefix: 'rollback:' })).map(({ key }) => key)).toEqual(['rollback:1']);
    expect((await dueTimers(store.db)).map(({ key }) => key)).toEqual(['rollback%2']);
  });

  test('a timer that is renewed stays with its taker, one that is gone does not come back', async () => {
    await setTimer(store.db, 'a', -2000, null);
    await moveTimer(store.db, 'a', 3_600_000.5);
    await moveTimer(store.db, 'gone', 0);

    expect(await dueTimers(store.db)).toEqual([]);
    await moveTimer(store.db, 'a', 0);
    expect((await dueTimers(store.db)).map(({ key }) => key)).toEqual(['a']);
  });

  test('workers are known while they are heard of', async () => {
    await heartbeatWorker(store.db, { id: 'w1', capacity: 1 });
    await heartbeatWorker(store.db, { id: 'w2', capacity: 2, info: { version: '0.1.0' } });
    await heartbeatWorker(store.db, { id: 'w1', capacity: 3 });
    expect(await listWorkers(store.db)).toMatchObject([
      { id: 'w1', capacity: 3, info: {} },
      { id: 'w2', capacity: 2, info: { version: '0.1.0' } },
    ]);

    await store.db.run(`UPDATE workers SET seen_at_ms = seen_at_ms - 60000 WHERE id = 'w2'`);
    expect(await reapDeadWorkers(store.db, 30_000)).toEqual(['w2']);
    await forgetWorker(store.db, 'w1');

    expect(await listWorkers(store.db)).toEqual([]);
  });
});
