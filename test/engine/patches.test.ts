import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventsOf } from '../../src/engine/ledger.ts';
import { keepPatch, patchOf } from '../../src/engine/patches.ts';
import { enqueueRun } from '../../src/engine/runs.ts';
import { newRun } from '../support/new-run.ts';
import { stores, type TestStore } from '../support/stores.ts';

describe.each(stores)('patches on %s', (_engine, open) => {
  let store: TestStore;
  let runId: string;
  beforeEach(async () => {
    store = await open();
    runId = (await enqueueRun(store.db, newRun(1))).run.id;
  });
  afterEach(() => store.remove());

  const base = 'b'.repeat(40);
  const keep = (tree: string, patch: Uint8Array, masked = false) =>
    keepPatch(store.db, { runId, attempt: 1, base, tree: tree.repeat(40), masked, patch });

  test('come back byte for byte, by their tree or as the newest, and the ledger tells of them', async () => {
    const bytes = randomBytes(300_000);
    await keep('1', bytes);
    await keep('2', Buffer.from('second'), true);

    expect(await patchOf(store.db, runId, '1'.repeat(40))).toMatchObject({ base, bytes: 300_000, masked: false });
    expect(Buffer.from((await patchOf(store.db, runId, '1'.repeat(40)))?.patch ?? []).equals(bytes)).toBe(true);
    expect(await patchOf(store.db, runId)).toMatchObject({ tree: '2'.repeat(40), masked: true, attempt: 1 });
    const told = await eventsOf(store.db, runId, { kinds: ['patch.kept'] });
    expect(told.map(({ data }) => data)).toEqual([
      { base, tree: '1'.repeat(40), bytes: 300_000, masked: false, kept: true },
      { base, tree: '2'.repeat(40), bytes: 6, masked: true, kept: true },
    ]);
  });

  test('kept again are the newest, not double', async () => {
    await keep('1', Buffer.from('first'));
    await keep('2', Buffer.from('second'));
    // The clock counts in milliseconds.
    await store.db.run('UPDATE patches SET made_at_ms = made_at_ms - 1000');
    await keep('1', Buffer.from('first'));

    expect((await patchOf(store.db, runId))?.tree).toBe('1'.repeat(40));
    expect(await store.db.all('SELECT tree FROM patches')).toHaveLength(2);
  });

  test('of another run, or none, are not found', async () => {
    await keep('1', Buffer.from('first'));

    expect(await patchOf(store.db, 'other')).toBeNull();
    expect(await patchOf(store.db, runId, '9'.repeat(40))).toBeNull();
  });
});
