import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  isTrusted,
  recognise,
  recogniseInstalled,
  type Told,
  trust,
  untrusted,
} from '../../src/engine/repositories.ts';
import { endRun, enqueueRun, getRun, latestRun, liveRun } from '../../src/engine/runs.ts';
import { reserve, settle, spentOn } from '../../src/engine/spend.ts';
import { newRun } from '../support/new-run.ts';
import { stores, type TestStore } from '../support/stores.ts';

/** Repository `id` under a name of today; an account has its own number. */
function told(slug: string, id: number, ownerId = 100): Told {
  const [owner = '', name = ''] = slug.split('/');
  return { key: `github.com/${slug}`.toLowerCase(), owner, name, id, ownerId };
}
const sure = { sure: true };
const maybeLate = { sure: false };

describe.each(stores)('whose a name is, on %s', (_engine, open) => {
  let store: TestStore;
  beforeEach(async () => {
    store = await open();
  });
  afterEach(() => store.remove());
  const runIn = async (slug: string, issue = 7) => (await enqueueRun(store.db, newRun(issue, slug))).run;
  const at = (slug: string, issue = 7) => latestRun(store.db, `github.com/${slug}`, issue);

  test('a repository that takes the name of another finds nothing of it, and what went on there is stopped', async () => {
    await recognise(store.db, told('acme/shop', 1), maybeLate);
    const run = await runIn('acme/shop');
    const budget = { key: 'issue:github.com/acme/shop#7', limitUsd: 1, limitTokens: null };
    const call = await reserve(store.db, { runId: run.id, budgets: [budget], worstUsd: 0.4, worstTokens: 10 });
    if (!call.ok) throw new Error('no room');
    await settle(store.db, call.reservation, { usd: 0.4, tokens: 10 });
    await store.db.run(
      `INSERT INTO lessons (id, repository, signature, state, data, created_at_ms, updated_at_ms)
       VALUES ('l1', 'github.com/acme/shop', 's', 'active', '{}', 0, 0)`,
    );

    const found = await recognise(store.db, told('Acme/Shop', 2, 200), maybeLate);

    expect(found).toEqual({ owner: 'Acme', name: 'Shop' });
    expect(await at('acme/shop')).toBeNull();
    expect(await getRun(store.db, run.id)).toMatchObject({
      state: 'stopped',
      repository: 'github.com/acme/shop@1',
      name: 'shop@1',
    });
    expect(await spentOn(store.db, budget)).toMatchObject({ usd: 0 });
    const lessons = await store.db.all<{ repository: string }>('SELECT repository FROM lessons');
    expect(lessons).toEqual([{ repository: 'github.com/acme/shop@1' }]);
  });

  test('what comes late from the repository that had the name is of no effect', async () => {
    await recognise(store.db, told('acme/shop', 1), maybeLate);
    await recognise(store.db, told('acme/shop', 2), maybeLate);
    const run = await runIn('acme/shop');

    expect(await recognise(store.db, told('acme/shop', 1), maybeLate)).toBeNull();

    expect(await at('acme/shop')).toMatchObject({ id: run.id, state: 'queued' });
  });

  test('a new name takes runs along, and a late word under the old one finds them there', async () => {
    await recognise(store.db, told('acme/shop', 1), maybeLate);
    const run = await runIn('acme/shop');

    await recogniseInstalled(store.db, [told('acme/store', 1)]);

    expect(await at('acme/store')).toMatchObject({ id: run.id, name: 'store', state: 'queued' });
    expect(await recognise(store.db, told('acme/shop', 1), maybeLate)).toEqual({ owner: 'acme', name: 'store' });
    expect(await at('acme/shop')).toBeNull();
  });

  test('a renamed account keeps everything', async () => {
    await recognise(store.db, told('acme/shop', 1), maybeLate);
    const run = await runIn('acme/shop');

    await recogniseInstalled(store.db, [told('acme-corp/shop', 1)]);

    expect(await at('acme-corp/shop')).toMatchObject({ id: run.id, owner: 'acme-corp', state: 'queued' });
  });

  test('names that were exchanged take their runs along, whichever is told first', async () => {
    await recognise(store.db, told('acme/shop', 1), maybeLate);
    await recognise(store.db, told('acme/store', 2), maybeLate);
    const [first, second] = [await runIn('acme/shop'), await runIn('acme/store')];

    await recogniseInstalled(store.db, [told('acme/store', 1), told('acme/shop', 2)]);

    expect(await at('acme/store')).toMatchObject({ id: first.id, state: 'queued' });
    expect(await at('acme/shop')).toMatchObject({ id: second.id, state: 'queued' });
  });

  test('under another account a repository begins anew, and leaves nothing under its old name', async () => {
    await recognise(store.db, told('acme/shop', 1), maybeLate);
    const run = await runIn('acme/shop');

    await recognise(store.db, told('globex/shop', 1, 200), sure);

    expect(await at('globex/shop')).toBeNull();
    expect(await at('acme/shop')).toBeNull();
    expect(await getRun(store.db, run.id)).toMatchObject({ state: 'stopped' });
    expect(await recognise(store.db, told('globex/shop', 1, 200), maybeLate)).toEqual({
      owner: 'globex',
      name: 'shop',
    });
  });

  test('a store from before numbers were kept gives its runs to the first that bears the name, or that was renamed from it', async () => {
    const [kept, moved] = [await runIn('acme/shop'), await runIn('acme/old')];

    await recognise(store.db, told('acme/shop', 1), maybeLate);
    await recognise(store.db, told('acme/new', 2), { sure: true, formerly: 'github.com/acme/old' });

    expect(await at('acme/shop')).toMatchObject({ id: kept.id });
    expect(await at('acme/new')).toMatchObject({ id: moved.id });
  });

  test('a rename that is told late takes nothing from whoever has the old name by now', async () => {
    await recognise(store.db, told('acme/shop', 2), maybeLate);
    const run = await runIn('acme/shop');

    await recognise(store.db, told('acme/store', 1), { sure: true, formerly: 'github.com/acme/shop' });

    expect(await at('acme/shop')).toMatchObject({ id: run.id, state: 'queued' });
  });

  test('a name that comes back to its repository brings back what was found there', async () => {
    await recognise(store.db, told('acme/shop', 1), maybeLate);
    const run = await runIn('acme/shop');
    await endRun(store.db, run.id, 'stopped', { code: 'stopped', text: '', question: null, detail: null });
    await recognise(store.db, told('acme/shop', 2), maybeLate);
    const other = await runIn('acme/shop');

    await recogniseInstalled(store.db, [told('acme/shop', 1)]);

    expect(await at('acme/shop')).toMatchObject({ id: run.id });
    expect(await liveRun(store.db, 'github.com/acme/shop', 7)).toBeNull();
    expect(await getRun(store.db, other.id)).toMatchObject({ state: 'stopped' });
  });

  test('what was set aside by a process that was killed then is stopped by the next look', async () => {
    await recognise(store.db, told('acme/shop', 1), maybeLate);
    const run = await runIn('acme/shop');
    await store.db.run('UPDATE runs SET repository = $1', 'github.com/acme/shop@1');

    await recogniseInstalled(store.db, [told('acme/shop', 1)]);

    expect(await getRun(store.db, run.id)).toMatchObject({ state: 'stopped' });
  });

  test('what the operator grants by name is for the first that bore it, until the operator says otherwise', async () => {
    await recognise(store.db, told('acme/shop', 1), maybeLate);
    expect(await isTrusted(store.db, 'github.com/acme/shop')).toBe(true);

    await recognise(store.db, told('acme/shop', 2), maybeLate);
    await recognise(store.db, told('acme/other', 3, 200), maybeLate);
    await recognise(store.db, told('globex/web', 4, 300), maybeLate);

    const keys = ['github.com/acme/shop', 'github.com/acme/other', 'github.com/globex/web', 'github.com/new/name'];
    expect(await Promise.all(keys.map((key) => isTrusted(store.db, key)))).toEqual([false, false, true, true]);
    expect(await untrusted(store.db)).toEqual(['acme/other', 'acme/shop']);
    expect(await trust(store.db, 'github.com/acme/shop')).toBe(true);
    expect(await isTrusted(store.db, 'github.com/acme/shop')).toBe(true);
    expect(await trust(store.db, 'github.com/no/where')).toBe(false);
  });

  test('of many processes that hear of two repositories by one name at once, none gives it back to the one heard of first', async () => {
    const others = Array.from({ length: 5 }, () => store.another());

    const found = await Promise.all(
      others.map((db, index) => recognise(db, told('acme/shop', 1 + (index % 2)), maybeLate)),
    );

    const rows = await store.db.all<{ id: number; key: string }>('SELECT id, key FROM repositories ORDER BY id');
    const [first] = await store.db.all<{ id: number }>('SELECT id FROM names WHERE name = $1', 'github.com/acme/shop');
    const bearer = rows.find(({ key }) => key === 'github.com/acme/shop');
    expect(rows.map(({ id }) => id)).toEqual([1, 2]);
    expect(bearer?.id).toBe(first?.id === 1 ? 2 : 1);
    expect(found.filter((one, index) => one === null && 1 + (index % 2) === bearer?.id)).toEqual([]);
  });
});
