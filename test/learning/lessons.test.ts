import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Cause } from '../../src/engine/records.ts';
import { moveRepository } from '../../src/engine/rename.ts';
import { raiseLessons } from '../../src/learning/lessons.ts';
import { stores, type TestStore } from '../support/stores.ts';

const shop = 'github.com/acme/shop';
const moved = { key: 'github.com/acme/store', owner: 'acme', name: 'store' };
const cause: Cause = { signature: 'check:0123456789abcdef', kind: 'check', subject: 'unit', lines: [], paths: [] };

describe.each(stores)('lessons on %s', (_engine, open) => {
  let store: TestStore;
  beforeEach(async () => {
    store = await open();
  });
  afterEach(() => store.remove());

  /** As a run that ended by the cause leaves it. */
  const fails = (runId: string) =>
    store.db.transaction(async (sql) => {
      await sql.run(
        `INSERT INTO causes (run_id, attempt, signature, repository, issue, kind, data, at_ms)
         VALUES ($1, 1, $2, $3, 7, 'check', '{}', 1)`,
        runId,
        cause.signature,
        shop,
      );
      await raiseLessons(store.db, sql, shop, [cause]);
    });
  const lessons = () =>
    store.db.all<{ id: string; repository: string; due: number }>(
      'SELECT id, repository, due FROM lessons ORDER BY repository',
    );

  test('a cause that has come again is one lesson, due as often as it came since', async () => {
    await fails('r1');
    expect(await lessons()).toEqual([]);

    await fails('r2');
    await fails('r3');

    expect(await lessons()).toMatchObject([{ repository: shop, due: 2 }]);
  });

  test('one that is silenced stays so', async () => {
    for (const run of ['r1', 'r2']) await fails(run);
    await store.db.run(`UPDATE lessons SET state = 'closed', due = 0`);

    await fails('r3');

    expect(await lessons()).toMatchObject([{ due: 0 }]);
  });

  test('a repository that takes over the name of another has lessons of its own', async () => {
    for (const run of ['r1', 'r2']) await fails(run);
    await store.db.transaction((sql) => moveRepository(sql, shop, moved), { claimLock: true });

    for (const run of ['r3', 'r4']) await fails(run);

    const found = await lessons();
    expect(found.map(({ repository }) => repository)).toEqual([shop, moved.key]);
    expect(new Set(found.map(({ id }) => id)).size).toBe(2);
  });
});
