import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { causeWith, lessonsOf, newestLessons } from '../../src/learning/lessons.ts';
import { expireLessons, scoreOf } from '../../src/learning/score.ts';
import { stores, type TestStore } from '../support/stores.ts';

const repository = 'github.com/acme/shop';
const mergedMs = 1_000_000;

describe.each(stores)('lessons on %s', (_engine, open) => {
  let store: TestStore;
  beforeEach(async () => {
    store = await open();
  });
  afterEach(() => store.remove());

  const lesson = (id: string, more: { state?: string; path?: string; createdMs?: number } = {}) =>
    store.db.run(
      `INSERT INTO lessons (id, repository, signature, state, data, created_at_ms, updated_at_ms, decided_at_ms)
       VALUES ($1, $2, $1, $3, $4, $5, 0, $6)`,
      id,
      repository,
      more.state ?? 'active',
      JSON.stringify({ path: more.path ?? 'AGENTS.md', rule: 'x', undo: { from: 'a', to: 'b' } }),
      more.createdMs ?? 1,
      mergedMs,
    );
  /** A run that ended at a moment; with a signature, it failed with that. */
  async function run(id: string, atMs: number, signature: string | null): Promise<void> {
    await store.db.run(
      `INSERT INTO records (run_id, attempt, repository, issue, latest, state, outcome, ended_at_ms, week, due)
       VALUES ($1, 1, $2, 1, 1, 'failed', 'x', $3, 1, 0)`,
      id,
      repository,
      atMs,
    );
    if (signature !== null)
      await store.db.run(
        `INSERT INTO causes (run_id, attempt, signature, repository, issue, kind, data, at_ms)
         VALUES ($1, 1, $2, $3, 1, 'check', $4, $5)`,
        id,
        signature,
        repository,
        JSON.stringify({ subject: id, lines: [], paths: [] }),
        atMs,
      );
  }
  const read = (run: string) =>
    store.db.run(`INSERT INTO lesson_uses (lesson_id, run_id, attempt, at_ms) VALUES ('l', $1, 1, 5)`, run);

  test('are scored by the runs that met their failure before and since, and by those that had read them', async () => {
    await lesson('l');
    for (const [index, signature] of ['l', 'l', null, 'other'].entries())
      await run(`before-${index}`, mergedMs - 1 - index, signature);
    for (const [index, signature] of ['l', null, null].entries())
      await run(`after-${index}`, mergedMs + index, signature);
    await read('after-0');
    await read('after-1');
    const [one] = await lessonsOf(store.db, repository, ['active']);
    if (!one) throw new Error('there is no lesson');

    const score = await scoreOf(store.db, one);

    expect(score).toMatchObject({
      before: { count: 2, of: 4 },
      after: { count: 1, of: 3 },
      used: { count: 1, of: 2 },
    });
  });

  test('are listed newest first, of the asked repositories, with what their newest run met', async () => {
    await lesson('old', { createdMs: 1 });
    await lesson('new', { createdMs: 2, state: 'open' });
    await run('first', 1, 'old');
    await run('second', 2, 'old');

    expect((await newestLessons(store.db, [repository, 'github.com/acme/none'], 9)).map(({ id }) => id)).toEqual([
      'new',
      'old',
    ]);
    expect(await newestLessons(store.db, [], 9)).toEqual([]);
    expect(await causeWith(store.db, repository, 'old')).toMatchObject({ cause: { subject: 'second' }, runs: 2 });
    expect(await causeWith(store.db, repository, 'new')).toBeNull();
  });

  test('of every kind are proposed for removal once when their failure comes as often as before', async () => {
    await lesson('l', { path: '.github/millwright.yml' });
    await lesson('fine', { path: '.github/ISSUE_TEMPLATE/agent-task.yml' });
    await run('before', 1, 'l');
    await run('before-2', 2, null);
    for (let index = 0; index < 8; index++) await run(`after-${index}`, mergedMs + index, index % 2 ? null : 'l');

    await expireLessons(store.db);
    await expireLessons(store.db);

    expect((await lessonsOf(store.db, repository, ['new'])).map(({ data }) => data.removes)).toEqual(['l']);
  });
});
