import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isDone, once } from '../../src/engine/effects.ts';
import { moveRepository } from '../../src/engine/rename.ts';
import { enqueueRun, latestRun } from '../../src/engine/runs.ts';
import { reserve, settle, spentOn } from '../../src/engine/spend.ts';
import { newRun } from '../support/new-run.ts';
import { stores, type TestStore } from '../support/stores.ts';

const from = 'github.com/acme/shop';
const to = { key: 'github.com/acme/store', owner: 'acme', name: 'store' };

describe.each(stores)('a repository with a new name on %s', (_engine, open) => {
  let store: TestStore;
  beforeEach(async () => {
    store = await open();
  });
  afterEach(() => store.remove());

  const rename = () => store.db.transaction((sql) => moveRepository(sql, from, to), { claimLock: true });
  const budgetsOf = (repository: string) => [
    { key: `issue:${repository}#7`, limitUsd: 1, limitTokens: null },
    { key: `repo:${repository}`, daily: true, limitUsd: 1, limitTokens: null },
  ];

  test('takes its runs, what they spent, and what a call under way has set aside with it; a neighbour keeps its own', async () => {
    const { run } = await enqueueRun(store.db, newRun(7));
    const call = (repository: string) =>
      reserve(store.db, { runId: run.id, budgets: budgetsOf(repository), worstUsd: 0.4, worstTokens: 100 });
    const [first, second] = [await call(from), await call(from)];
    if (!first.ok || !second.ok) throw new Error('no room');
    await settle(store.db, first.reservation, { usd: 0.3, tokens: 50 });
    await call(`${from}ping`);

    await rename();
    await rename();
    await settle(store.db, second.reservation, { usd: 0.2, tokens: 30 });

    expect(await latestRun(store.db, to.key, 7)).toMatchObject({ id: run.id, name: 'store' });
    for (const budget of budgetsOf(to.key))
      expect(await spentOn(store.db, budget)).toMatchObject({ usd: 0.5, tokens: 80, reservedUsd: 0 });
    for (const budget of budgetsOf(from)) expect(await spentOn(store.db, budget)).toMatchObject({ usd: 0 });
    for (const budget of budgetsOf(`${from}ping`))
      expect(await spentOn(store.db, budget)).toMatchObject({ reservedUsd: 0.4 });
    expect(await call(to.key)).toMatchObject({ ok: true });
    expect(await call(to.key)).toMatchObject({ ok: false });
  });

  test('loses nothing that another process sets aside at that moment', async () => {
    const key = `issue:${from}#7`;
    await reserve(store.db, {
      runId: 'r1',
      budgets: [{ key, limitUsd: null, limitTokens: null }],
      worstUsd: 1,
      worstTokens: 10,
    });
    let renamed: Promise<void> | null = null;

    await store.another().transaction(async (sql) => {
      await sql.run('UPDATE limits SET reserved_tokens = reserved_tokens + 50 WHERE budget = $1', key);
      renamed = rename();
      await new Promise((resolve) => setTimeout(resolve, 300));
    });
    await renamed;

    expect(await spentOn(store.db, `issue:${to.key}#7`)).toMatchObject({ reservedTokens: 60 });
  });

  test('does not apply a command again that was applied under the old name', async () => {
    await once(store.db, `commands:${from}`, 'comment:1:0', async () => {});

    await rename();

    expect(await isDone(store.db, `commands:${to.key}`, 'comment:1:0')).toBe(true);
  });
});
