import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Sql } from '../../src/engine/database.ts';
import { openPostgres } from '../../src/engine/postgres.ts';
import { openSqlite } from '../../src/engine/sqlite.ts';
import { startPostgres } from '../support/postgres.ts';
import { openSqliteStore, stores, type TestStore } from '../support/stores.ts';
import { until } from '../support/until.ts';

describe.each(stores)('a store on %s', (_engine, open) => {
  let store: TestStore;
  beforeEach(async () => {
    store = await open();
    await store.db.run('CREATE TABLE boxes (id INTEGER PRIMARY KEY, n BIGINT, t TEXT)');
    await store.db.run(`INSERT INTO boxes (id, n, t) VALUES (1, 0, '')`);
  });
  afterEach(() => store.remove());

  const read = async (sql: Sql) => (await sql.all<{ n: number }>('SELECT n FROM boxes WHERE id = 1'))[0]?.n ?? -1;

  test('values come back as they went in: large numbers, text of any script, null', async () => {
    const nowMs = Date.now();

    await store.db.run('INSERT INTO boxes (id, n, t) VALUES ($1, $2, $3)', 2, nowMs * 1000, 'žluť — 機織り 🧵\n"\'\\');
    await store.db.run('INSERT INTO boxes (id, n, t) VALUES ($1, $3, $2)', 3, null, -1);

    expect(await store.db.all('SELECT n, t FROM boxes WHERE id > $1 ORDER BY id', 1)).toEqual([
      { n: nowMs * 1000, t: 'žluť — 機織り 🧵\n"\'\\' },
      { n: -1, t: null },
    ]);
    expect(await store.db.all('SELECT SUM(n) AS sum, COUNT(*) AS count FROM boxes WHERE id = 2')).toEqual([
      { sum: nowMs * 1000, count: 1 },
    ]);
  });

  test('now is the time in whole milliseconds', async () => {
    const [row] = await store.db.all<{ now: number }>(`SELECT ${store.db.nowMs} AS now`);

    expect(Math.abs((row?.now ?? 0) - Date.now())).toBeLessThan(2000);
    expect(Number.isInteger(row?.now)).toBe(true);
  });

  test('a transaction that throws leaves nothing behind and passes its error on', async () => {
    const work = store.db.transaction(async (sql) => {
      await sql.run('UPDATE boxes SET n = 5 WHERE id = 1');
      throw new RangeError('changed my mind');
    });

    await expect(work).rejects.toThrow(new RangeError('changed my mind'));
    expect(await read(store.db)).toBe(0);
  });

  test('a failed statement rolls its transaction back, and the store goes on', async () => {
    const work = store.db.transaction(async (sql) => {
      await sql.run('UPDATE boxes SET n = 5 WHERE id = 1');
      await sql.run('INSERT INTO boxes (id, n) VALUES (1, 1)');
    });

    await expect(work).rejects.toThrow();
    expect(await read(store.db)).toBe(0);
    expect(await store.db.run('UPDATE boxes SET n = 6 WHERE id = 1')).toBe(1);
  });

  test('transactions under the claim lock never interleave, from however many connections', async () => {
    const connections = [store.db, store.another(), store.another()];

    await Promise.all(
      Array.from({ length: 48 }, (_, index) =>
        connections[index % 3]?.transaction(
          async (sql) => {
            const before = await read(sql);
            await sql.run('UPDATE boxes SET n = $1 WHERE id = 1', before + 1);
          },
          { claimLock: true },
        ),
      ),
    );

    expect(await read(store.db)).toBe(48);
  });

  test('a statement from outside never lands in an open transaction', async () => {
    const { promise: outside, resolve } = Promise.withResolvers<number>();

    const work = store.db.transaction(async (sql) => {
      await sql.run('UPDATE boxes SET n = 5 WHERE id = 1');
      setImmediate(() => resolve(store.another().run('UPDATE boxes SET n = n + 1 WHERE id = 2')));
      throw new Error('rolled back');
    });
    await expect(work).rejects.toThrow('rolled back');

    expect(await outside).toBe(0);
    expect(await read(store.db)).toBe(0);
  });

  test('a wake-up reaches listeners of its channel here and on another connection, until they stop', async () => {
    const heard: string[] = [];
    const other = store.another();
    store.db.onWake('runs', () => heard.push('here'));
    const stop = other.onWake('runs', () => heard.push('there'));

    // The other connection needs a moment to begin listening.
    await until(async () => {
      await store.db.run('UPDATE boxes SET n = n + 1 WHERE id = 1');
      await store.db.wake('runs');
      return heard.includes('there') && heard.includes('here');
    });

    stop();
    // What was on its way already may still arrive.
    await new Promise((resolve) => setTimeout(resolve, 200));
    heard.length = 0;
    store.db.onWake('cancel', () => heard.push('wrong channel'));
    await store.db.wake('runs');
    await until(() => heard.includes('here'));
    expect(new Set(heard)).toEqual(new Set(['here']));
  });

  test('a mistake of ours is not told as a store out of reach', async () => {
    const mistake = store.db.all('SELECT 1 FROM nowhere');

    await expect(mistake).rejects.toThrow(/nowhere/);
    await expect(mistake).rejects.not.toMatchObject({ code: 'outside.database' });
  });
});

describe('a store on SQLite', () => {
  test('refuses to be used inside its own transaction instead of waiting for itself', async () => {
    const store = await openSqliteStore();

    const work = store.db.transaction(() => store.db.all('SELECT 1'));

    await expect(work).rejects.toMatchObject({ code: 'bug.unexpected' });
    expect(await store.db.all('SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await store.remove();
  });

  test('in a folder that cannot be made is an outside error', () => {
    expect(() => openSqlite('/dev/null/millwright')).toThrow(expect.objectContaining({ code: 'outside.database' }));
  });
});

describe('a store on PostgreSQL', () => {
  test('that does not answer is an outside error', async () => {
    const db = openPostgres('postgres://postgres@127.0.0.1:1/millwright');

    await expect(db.all('SELECT 1')).rejects.toMatchObject({ code: 'outside.database' });
    await expect(db.transaction(async () => 1)).rejects.toMatchObject({ code: 'outside.database' });
    await db.close();
  });

  test('is found again after the server was restarted, its wake-ups included', async () => {
    const cluster = await startPostgres();
    const db = openPostgres(cluster.url('postgres'));
    const other = openPostgres(cluster.url('postgres'));
    let heard = 0;
    other.onWake('runs', () => heard++);
    await until(async () => {
      await db.wake('runs');
      return heard > 0;
    });

    await cluster.stop();
    await expect(db.all('SELECT 1')).rejects.toMatchObject({ code: 'outside.database' });
    await db.wake('runs');
    // Before the start: the listener may be back as soon as the server is.
    heard = 0;
    await cluster.start();

    expect(await db.transaction((sql) => sql.all('SELECT 1 AS one'))).toEqual([{ one: 1 }]);
    await until(() => heard > 0);
    heard = 0;
    await until(async () => {
      await db.wake('runs');
      return heard > 0;
    });
    await Promise.all([db.close(), other.close()]);
    await cluster.stop();
  }, 60_000);
});
