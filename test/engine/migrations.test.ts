import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { migrate } from '../../src/engine/migrations.ts';
import { migrations } from '../../src/engine/schema.ts';
import { stores, type TestStore } from '../support/stores.ts';

describe.each(stores)('migrations on %s', (_engine, open) => {
  let store: TestStore;
  beforeEach(async () => {
    store = await open();
  });
  afterEach(() => store.remove());

  const next = {
    id: migrations.length + 1,
    sql: 'CREATE TABLE later (seq {SEQUENCE}, a TEXT);\nINSERT INTO later (a) VALUES (1);\n',
  };

  test('are applied once, however many processes start together', async () => {
    const list = [...migrations, next];

    await Promise.all([store.db, store.another(), store.another()].map((db) => migrate(db, list)));
    await migrate(store.db, list);

    expect(await store.db.all('SELECT seq, a FROM later')).toEqual([{ seq: 1, a: '1' }]);
  });

  test('refuse a store that a newer version has used', async () => {
    await migrate(store.db, [...migrations, next]);

    const older = migrate(store.db, migrations);

    await expect(older).rejects.toThrow(
      `its schema (${next.id}) is newer than this version knows (${migrations.length})`,
    );
    await expect(older).rejects.toMatchObject({ code: 'outside.database' });
  });

  test('refuse a store whose history was made of another text', async () => {
    const edited = migrations.map((migration) => ({ ...migration, sql: `${migration.sql}\n` }));

    await expect(migrate(store.db, edited)).rejects.toThrow('its migration 1 is not the one of this version');
  });

  test('that fail half-way leave nothing of themselves', async () => {
    const broken = { id: next.id, sql: 'CREATE TABLE half (a TEXT);\nINSERT INTO nowhere (a) VALUES (1);\n' };

    await expect(migrate(store.db, [...migrations, broken])).rejects.toThrow(/nowhere/);

    await expect(store.db.all('SELECT a FROM half')).rejects.toThrow(/half/);
    await migrate(store.db, [...migrations, next]);
  });
});
