import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../../src/engine/database.ts';
import { listRunHeads, repositoriesWithRuns } from '../../src/engine/run-list.ts';
import { beginAttempt, endRun, enqueueRun, updateRequest } from '../../src/engine/runs.ts';
import type { RunState } from '../../src/run.ts';
import { labelled, newRun, request } from '../support/new-run.ts';
import { stores, type TestStore } from '../support/stores.ts';

describe.each(stores)('the list of runs on %s', (_name, open) => {
  let store: TestStore;
  let db: Database;

  beforeEach(async () => {
    store = await open();
    db = store.db;
  });
  afterEach(() => store.remove());

  async function put(issue: number, title: string, slug = 'acme/shop', state: RunState = 'queued'): Promise<string> {
    const { run } = await enqueueRun(db, newRun(issue, slug, { request: { ...request, title } }));
    const outcome = { code: state, text: 'ended', question: null, detail: null };
    if (state !== 'queued' && state !== 'running') await endRun(db, run.id, state, outcome);
    return run.id;
  }

  const issues = async (filter: Omit<Parameters<typeof listRunHeads>[1], 'limit'>, limit = 50) =>
    (await listRunHeads(db, { ...filter, limit })).map(({ issue }) => issue);

  test('is newest first, and goes on after the last run of a page', async () => {
    for (const issue of [1, 2, 3, 4]) await put(issue, `title ${issue}`);

    const first = await listRunHeads(db, { limit: 2 });
    const second = await listRunHeads(db, { limit: 2, before: first[1]?.id ?? '' });

    expect(first.map(({ issue }) => issue)).toEqual([4, 3]);
    expect(second.map(({ issue }) => issue)).toEqual([2, 1]);
    expect(first[0]).toMatchObject({ title: 'title 4', owner: 'acme', name: 'shop', state: 'queued', outcome: null });
  });

  test('is narrowed by states, repository, issue and part of the title, together', async () => {
    await put(1, 'Limit 100% of_all', 'acme/shop', 'failed');
    await put(2, 'limit the rest', 'acme/shop', 'waiting');
    await put(3, 'Something else', 'acme/shop');
    await put(4, 'Limit elsewhere', 'acme/other', 'failed');

    expect(await issues({ states: ['failed', 'waiting'] })).toEqual([4, 2, 1]);
    expect(await issues({ repository: 'github.com/acme/shop' })).toEqual([3, 2, 1]);
    expect(await issues({ without: ['github.com/acme/shop'] })).toEqual([4]);
    expect(await issues({ issue: 2 })).toEqual([2]);
    expect(await issues({ text: 'LIMIT' })).toEqual([4, 2, 1]);
    expect(await issues({ text: '% of_' })).toEqual([1]);
    expect(await issues({ text: '%' })).toEqual([1]);
    expect(await issues({ text: '!' })).toEqual([]);
    expect(await issues({ states: ['failed'], repository: 'github.com/acme/shop', text: 'limit' })).toEqual([1]);
  });

  test('finds letters beyond ASCII as they are written, and a text with NUL nowhere', async () => {
    await put(1, 'Ärger mit der ÄNDERUNG');

    for (const text of ['Ärger', 'ÄNDERUNG', 'mit DER Ä']) expect(await issues({ text })).toEqual([1]);
    expect(await issues({ text: 'a\0b' })).toEqual([]);
    expect(await issues({ repository: 'a\0b' })).toEqual([]);
  });

  test('keeps a title short enough for every index', async () => {
    const long = Array.from({ length: 3_000 }, (_, index) => String.fromCodePoint(0x4e00 + ((index * 7919) % 20_000)));

    await put(1, long.join(''));

    expect((await listRunHeads(db, { limit: 1 }))[0]?.title).toBe(long.slice(0, 256).join(''));
  });

  test('has the title that the request has now', async () => {
    const id = await put(1, 'old', 'acme/shop', 'waiting');

    await updateRequest(db, id, { title: 'newer' });
    const after = await listRunHeads(db, { limit: 1 });
    await beginAttempt(db, id, labelled, { title: 'nul\0newest' });

    expect(after[0]?.title).toBe('newer');
    expect((await listRunHeads(db, { limit: 1 }))[0]?.title).toBe('nul\ufffdnewest');
  });

  test('knows the repositories that have runs', async () => {
    await put(1, 'a', 'acme/shop');
    await put(2, 'b', 'beta/Other');
    await put(3, 'c', 'acme/shop');

    const all = await repositoriesWithRuns(db, 10);

    expect(all).toEqual([
      { repository: 'github.com/acme/shop', owner: 'acme', name: 'shop' },
      { repository: 'github.com/beta/Other', owner: 'beta', name: 'Other' },
    ]);
    expect(await repositoriesWithRuns(db, 1)).toHaveLength(1);
  });

  test('is empty in an empty store', async () => {
    expect(await listRunHeads(db, { limit: 5 })).toEqual([]);
    expect(await repositoriesWithRuns(db, 5)).toEqual([]);
  });
});
