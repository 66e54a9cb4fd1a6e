import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../../src/engine/database.ts';
import { reserve, settle, spentOn, unsettledOf, untilTomorrowMs } from '../../src/engine/spend.ts';
import { stores, type TestStore } from '../support/stores.ts';

describe.each(stores)('money and tokens on %s', (engine, open) => {
  let store: TestStore;
  beforeEach(async () => {
    store = await open();
  });
  afterEach(() => store.remove());

  const issue = (limitUsd: number | null, limitTokens: number | null = null) => ({
    key: 'issue:github.com/acme/shop#1',
    limitUsd,
    limitTokens,
  });
  const day = (limitUsd: number | null) => ({
    key: 'repo:github.com/acme/shop:2026-11-22',
    limitUsd,
    limitTokens: null,
  });
  const call = (worstUsd: number | null, worstTokens: number, ...budgets: ReturnType<typeof issue>[]) =>
    reserve(store.db, { runId: 'r1', budgets, worstUsd, worstTokens });

  test('what was set aside is replaced by what was spent, once', async () => {
    const held = await call(0.5, 999.5, issue(1), day(null));
    if (!held.ok) throw new Error(held.key);
    expect(await spentOn(store.db, issue(1).key)).toMatchObject({ usd: 0, reservedUsd: 0.5, reservedTokens: 1000 });

    await settle(store.db, held.reservation, { usd: 0.123456, tokens: 320.5 });
    await settle(store.db, held.reservation, { usd: 9, tokens: 9 });

    const spent = { usd: 0.123456, tokens: 321, reservedUsd: 0, reservedTokens: 0, unpricedCalls: 0 };
    expect(await spentOn(store.db, issue(1).key)).toEqual(spent);
    expect(await spentOn(store.db, day(null).key)).toEqual(spent);
  });

  test('a limit larger than any column holds limits nothing', async () => {
    expect(await call(0.1, 10, issue(1e20, 1e20), day(1e20))).toMatchObject({ ok: true });
  });

  test('a call that fits one budget but not another takes from neither, and names the full one', async () => {
    expect(await call(2, 10, issue(5), day(1))).toEqual({ ok: false, key: day(1).key });
    expect(await call(0.1, 101, issue(5, 100), day(1))).toEqual({ ok: false, key: issue(5).key });

    expect(await spentOn(store.db, issue(5).key)).toMatchObject({ usd: 0, reservedUsd: 0, reservedTokens: 0 });
    expect(await spentOn(store.db, day(1).key)).toMatchObject({ usd: 0, reservedUsd: 0, reservedTokens: 0 });
  });

  test('calls at once from several machines fill a budget exactly', async () => {
    const connections = [store.db, store.another(), store.another()];

    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        reserve(connections[index % 3] ?? store.db, {
          runId: `r${index}`,
          // In either order: two calls never wait for each other.
          budgets: index % 2 ? [issue(null), day(0.7)] : [day(0.7), issue(null)],
          worstUsd: 0.1,
          worstTokens: 1,
        }),
      ),
    );

    expect(answers.filter(({ ok }) => ok)).toHaveLength(7);
    expect(await spentOn(store.db, day(0.7).key)).toMatchObject({ reservedUsd: 0.7, reservedTokens: 7 });
  });

  test('a reservation whose call was cut off stays counted', async () => {
    await call(0.6, 10, issue(1));

    expect(await call(0.6, 10, issue(1))).toEqual({ ok: false, key: issue(1).key });
  });

  test('a call of unknown price counts what was set aside, or is counted as unpriced', async () => {
    const known = await call(0.2, 10, issue(1));
    const unknown = await call(null, 10, issue(null));
    if (!known.ok || !unknown.ok) throw new Error('no room');

    await settle(store.db, known.reservation, { usd: null, tokens: 5 });
    await settle(store.db, unknown.reservation, { usd: null, tokens: 5 });

    expect(await spentOn(store.db, issue(1).key)).toMatchObject({
      usd: 0.2,
      tokens: 10,
      reservedUsd: 0,
      unpricedCalls: 2,
    });
  });

  test('a daily budget begins anew at midnight of the database’s clock, and a call counts on the day on which it was made', async () => {
    const midnight = Date.UTC(2026, 10, 23);
    const at = (nowMs: number): Database => ({
      sizeBytes: () => store.db.sizeBytes(),
      liveBytes: () => store.db.liveBytes(),
      returnSpace: () => store.db.returnSpace(),
      dialect: store.db.dialect,
      nowMs: `CAST(${nowMs} AS BIGINT)`,
      all: (text, ...values) => store.db.all(text, ...values),
      run: (text, ...values) => store.db.run(text, ...values),
      transaction: (work, options) => store.db.transaction(work, options),
      wake: (channel) => store.db.wake(channel),
      onWake: (channel, listener) => store.db.onWake(channel, listener),
      close: async () => {},
    });
    const [evening, morning] = [at(midnight - 1), at(midnight)];
    const budget = { key: 'repo:github.com/acme/shop', daily: true, limitUsd: 1, limitTokens: null };
    const ask = (db: Database) => reserve(db, { runId: 'r1', budgets: [budget], worstUsd: 0.7, worstTokens: 1 });

    const late = await ask(evening);
    const tooMuch = await ask(evening);
    const early = await ask(morning);
    if (!late.ok || !early.ok) throw new Error('no room');
    await settle(morning, late.reservation, { usd: 0.5, tokens: 1 });

    expect(tooMuch).toEqual({ ok: false, key: budget.key });
    expect(await spentOn(evening, budget)).toMatchObject({ usd: 0.5, reservedUsd: 0 });
    expect(await spentOn(morning, budget)).toMatchObject({ usd: 0, reservedUsd: 0.7 });
    expect([await untilTomorrowMs(evening), await untilTomorrowMs(morning)]).toEqual([1, 24 * 3_600_000]);
  });

  test('what a run set aside and never settled can be told', async () => {
    const held = await call(0.5, 10, issue(null));
    await call(0.25, 7, issue(null));
    await call(null, 3, issue(null));
    if (held.ok) await settle(store.db, held.reservation, { usd: 0.1, tokens: 1 });

    expect(await unsettledOf(store.db, 'r1')).toEqual({ calls: 2, usd: 0.25, tokens: 10 });
    expect(await unsettledOf(store.db, 'r2')).toEqual({ calls: 0, usd: 0, tokens: 0 });
  });

  test('no order of reserving and settling exceeds a limit or loses a micro-dollar', async () => {
    const calls = fc.array(
      fc.record({
        worst: fc.integer({ min: 1, max: 400_000 }),
        share: fc.integer({ min: 0, max: 100 }),
        settled: fc.boolean(),
      }),
      { minLength: 1, maxLength: 12 },
    );
    const property = fc.asyncProperty(calls, async (list) => {
      await store.db.run('DELETE FROM limits');
      let spent = 0;
      let open = 0;
      for (const { worst, share, settled } of list) {
        const held = await call(worst / 1e6, 1, issue(1));
        expect(held.ok).toBe(spent + open + worst <= 1_000_000);
        if (!held.ok) continue;
        const actual = Math.floor((worst * share) / 100);
        if (settled) await settle(store.db, held.reservation, { usd: actual / 1e6, tokens: 1 });
        if (settled) spent += actual;
        else open += worst;
      }
      expect(await spentOn(store.db, issue(1).key)).toMatchObject({ usd: spent / 1e6, reservedUsd: open / 1e6 });
    });

    await fc.assert(property, { numRuns: engine === 'SQLite' ? 60 : 15 });
  }, 60_000);
});
