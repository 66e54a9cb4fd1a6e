import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findBaseline, keepBaseline } from '../../src/engine/baselines.ts';
import { stores, type TestStore } from '../support/stores.ts';

const day = 24 * 60 * 60_000;

describe.each(stores)('results of base commits in %s', (_name, openStore) => {
  let store: TestStore;
  beforeEach(async () => {
    store = await openStore();
  });
  afterEach(() => store.remove());

  const age = (key: string, byMs: number) =>
    store.db.run('UPDATE baselines SET made_at_ms = made_at_ms - $2 WHERE key = $1', key, byMs);

  it('are found by every process on the store, the newest of several', async () => {
    await keepBaseline(store.db, 'a', { exitCode: 1 });
    await keepBaseline(store.another(), 'a', { exitCode: 0 });

    expect(await findBaseline(store.another(), 'a', day)).toEqual({ exitCode: 0 });
    expect(await findBaseline(store.db, 'b', day)).toBeNull();
  });

  it('are not told once they are older than asked for', async () => {
    await keepBaseline(store.db, 'a', 1);
    await age('a', day);

    expect(await findBaseline(store.db, 'a', day / 2)).toBeNull();
    expect(await findBaseline(store.db, 'a', day * 2)).toBe(1);
  });

  it('leave the store once nobody asks for them, and never enter it when they are huge', async () => {
    await keepBaseline(store.db, 'old', 1);
    await age('old', 15 * day);
    await keepBaseline(store.db, 'huge', 'x'.repeat(3 * 1024 ** 2));
    await keepBaseline(store.db, 'new', 1);

    expect((await store.db.all<{ key: string }>('SELECT key FROM baselines')).map(({ key }) => key)).toEqual(['new']);
  });
});
