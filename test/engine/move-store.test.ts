import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Database, Sql, SqlValue } from '../../src/engine/database.ts';
import { receiveDelivery } from '../../src/engine/inbox.ts';
import { installationName } from '../../src/engine/installation.ts';
import { append, eventsOf } from '../../src/engine/ledger.ts';
import { migrate } from '../../src/engine/migrations.ts';
import { moveStore } from '../../src/engine/move-store.ts';
import { enqueueRun, getRun } from '../../src/engine/runs.ts';
import { heartbeatWorker } from '../../src/engine/workers.ts';
import { claimNext, newRun } from '../support/new-run.ts';
import { openPostgresStore, openSqliteStore, type TestStore } from '../support/stores.ts';

let embedded: TestStore;
let server: TestStore;
let runId: string;

beforeEach(async () => {
  [embedded, server] = await Promise.all([openSqliteStore(), openPostgresStore()]);
  const { run } = await enqueueRun(embedded.db, newRun(1));
  runId = run.id;
  for (let count = 0; count < 120; count += 1)
    await append(embedded.db, { runId, attempt: 1, kind: 'note', data: { count, text: 'Grüße 🌱 \0' } });
  await receiveDelivery(embedded.db, { id: 'd1', event: 'ping', payload: '{}' });
  await fillEmptyTables(embedded.db);
});
afterEach(async () => {
  await Promise.all([embedded.remove(), server.remove()]);
});

const ownTables = ['installation', 'migrations', 'workers'];
const tablesOf = async (db: Database) =>
  (
    await db.all<{ name: string }>(
      `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name`,
    )
  )
    .map(({ name }) => name)
    .filter((name) => !ownTables.includes(name));

/** A row in each table that has none yet, one that comes with a later version too. */
async function fillEmptyTables(db: Database): Promise<void> {
  for (const table of await tablesOf(db)) {
    const columns = await db.all<{ name: string; type: string }>('SELECT name, type FROM pragma_table_info($1)', table);
    const [known] = await db.all(`SELECT 1 FROM ${table} LIMIT 1`);
    if (known) continue;
    const values = columns.map(
      ({ type }): SqlValue => (type === 'TEXT' ? '"a\'b"' : type.startsWith('DOUBLE') ? 0.25 : 7),
    );
    await db.run(`INSERT INTO ${table} VALUES (${columns.map((_, at) => `$${at + 1}`).join(', ')})`, ...values);
  }
}

/** Every row of every table, in the order of their text. */
async function everything(db: Database, tables: readonly string[]): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = {};
  for (const table of tables)
    found[table] = (await db.all(`SELECT * FROM ${table}`)).map((row) => JSON.stringify(row)).sort();
  return found;
}

const rowsOn = async (db: Database, table: string) =>
  Number((await db.all<{ n: number }>(`SELECT COUNT(*) AS n FROM ${table}`))[0]?.n);

/** The store, with one kind of statement failing. */
function failing(db: Database, statement: RegExp): Database {
  const broken = (sql: Sql): Sql => ({
    all: (text, ...values) => sql.all(text, ...values),
    run: (text, ...values) => (statement.test(text) ? Promise.reject(new Error('no room')) : sql.run(text, ...values)),
  });
  const transaction: Database['transaction'] = (work, options) => db.transaction((sql) => work(broken(sql)), options);
  return new Proxy(db, { get: (target, name) => (name === 'transaction' ? transaction : Reflect.get(target, name)) });
}

test('every row of every table is in the other store, as it was', async () => {
  const tables = await tablesOf(embedded.db);
  const before = await everything(embedded.db, tables);

  const { rows } = await moveStore(embedded.db, server.db, 'a1b2c3d4');

  expect(tables.length).toBeGreaterThan(12);
  expect(Object.values(before).every((each) => each.length > 0)).toBe(true);
  expect(await everything(server.db, tables)).toEqual(before);
  expect(rows).toEqual(Object.fromEntries(tables.map((table) => [table, before[table]?.length])));
});

test('a text that PostgreSQL could not hold keeps its place', async () => {
  await embedded.db.run(`INSERT INTO timers (id, at_ms, data) VALUES ($1, 1, 'a' || char(0) || 'b')`, 'nul');

  await moveStore(embedded.db, server.db, 'a1b2c3d4');

  expect(await server.db.all(`SELECT data FROM timers WHERE id = 'nul'`)).toEqual([{ data: 'a\ufffdb' }]);
});

test('work goes on there: the queue, the numbers of events, known deliveries, the name of the installation', async () => {
  await append(embedded.db, { runId: 'gone', attempt: 1, kind: 'note', data: {} });
  const [last] = await embedded.db.all<{ id: number }>('SELECT MAX(id) AS id FROM events');
  await embedded.db.run(`DELETE FROM events WHERE run_id = 'gone'`);

  await moveStore(embedded.db, server.db, 'a1b2c3d4');

  expect((await claimNext(server.db)).run.id).toBe(runId);
  const added = (await eventsOf(server.db, runId)).slice(121);
  expect(added.map(({ id }) => id)).toEqual([(last?.id ?? 0) + 1]);
  expect(await receiveDelivery(server.db, { id: 'd1', event: 'ping', payload: '{}' })).toBe('duplicate');
  expect(await receiveDelivery(server.db, { id: 'd2', event: 'ping', payload: '{}' })).toBe('new');
  expect(await installationName(server.db)).toBe('a1b2c3d4');
});

test('the old store is kept, and no process opens it any more', async () => {
  await moveStore(embedded.db, server.db, 'a1b2c3d4');

  await expect(migrate(embedded.another())).rejects.toThrow(/was moved to PostgreSQL; set DATABASE_URL/);
  expect(await getRun(embedded.db, runId)).toMatchObject({ id: runId });
});

test('a process that has the old store open still writes nothing into it', async () => {
  await moveStore(embedded.db, server.db, 'a1b2c3d4');

  await expect(heartbeatWorker(embedded.db, { id: 'w1', capacity: 1 })).rejects.toThrow('was moved to PostgreSQL');
  await expect(receiveDelivery(embedded.db, { id: 'd2', event: 'ping', payload: '{}' })).rejects.toThrow('was moved');
  await expect(embedded.db.run('UPDATE runs SET priority = 1')).rejects.toThrow('was moved');
  expect(await rowsOn(embedded.db, 'deliveries')).toBe(1);
});

test('a fraction of a millisecond, as older versions wrote it, is rounded; that of a reading is kept', async () => {
  await embedded.db.run('UPDATE deliveries SET due_at_ms = 1795819013054.5156');
  await embedded.db.run('UPDATE counters SET value = 0.5');

  await moveStore(embedded.db, server.db, 'a1b2c3d4');

  expect(await server.db.all('SELECT due_at_ms FROM deliveries')).toEqual([{ due_at_ms: 1795819013055 }]);
  expect(await server.db.all('SELECT value FROM counters')).toEqual([{ value: 0.5 }]);
});

test('tables that a tool keeps in the file are left to it, and what does not fit is named', async () => {
  await embedded.db.run('CREATE TABLE _tool_seq (seq INTEGER)');
  await embedded.db.run('INSERT INTO _tool_seq VALUES (1)');
  await embedded.db.run('UPDATE runs SET priority = 3000000000');

  await expect(moveStore(embedded.db, server.db, 'a1b2c3d4')).rejects.toMatchObject({
    code: 'outside.database',
    message: expect.stringMatching(/rows of runs do not fit \(.*out of range/),
  });

  await embedded.db.run('UPDATE runs SET priority = 3');
  await moveStore(embedded.db, server.db, 'a1b2c3d4');
});

test('a worker at work, or one that was a moment ago, is not left without its store', async () => {
  await heartbeatWorker(embedded.db, { id: 'w7', capacity: 1 });

  await expect(moveStore(embedded.db, server.db, 'a1b2c3d4')).rejects.toThrow(
    /worker w7 was at work.*stop the service/,
  );

  expect(await rowsOn(server.db, 'runs')).toBe(0);
  await embedded.db.run('UPDATE workers SET seen_at_ms = seen_at_ms - 40000');
  await moveStore(embedded.db, server.db, 'a1b2c3d4');
});

test.each([
  ['a run', (db: Database) => enqueueRun(db, newRun(9)), 'events'],
  ['another installation', installationName, 'installation'],
])('a database that holds %s already is left alone', async (_what, fill, table) => {
  await fill(server.db);

  await expect(moveStore(embedded.db, server.db, 'a1b2c3d4')).rejects.toThrow(`not empty (${table})`);

  expect(await rowsOn(server.db, 'deliveries')).toBe(0);
  await migrate(embedded.another());
});

test('a copy that fails half-way leaves nothing there, and may be begun again', async () => {
  const broken = failing(server.db, /INSERT INTO "runs"/);
  await expect(moveStore(embedded.db, broken, 'a1b2c3d4')).rejects.toThrow('no room');

  const tables = await tablesOf(embedded.db);
  expect(Object.values(await everything(server.db, tables)).flat()).toEqual([]);
  await migrate(embedded.another());
  await moveStore(embedded.db, server.db, 'a1b2c3d4');
  expect(await rowsOn(server.db, 'events')).toBe(121);
});

test('a process that ends between copying and marking has moved the store: once more only marks it', async () => {
  const broken = failing(embedded.db, /INSERT INTO migrations/);
  await expect(moveStore(broken, server.db, 'a1b2c3d4')).rejects.toThrow('no room');
  await append(server.db, { runId, attempt: 1, kind: 'later', data: {} });

  const { rows } = await moveStore(embedded.db, server.db, 'a1b2c3d4');

  expect(rows).toEqual({});
  expect(await rowsOn(server.db, 'events')).toBe(122);
  await expect(migrate(embedded.another())).rejects.toThrow('was moved to PostgreSQL');
});

test('one that was worked on after such an end is not marked: what came since is nowhere else', async () => {
  const broken = failing(embedded.db, /INSERT INTO migrations/);
  await expect(moveStore(broken, server.db, 'a1b2c3d4')).rejects.toThrow('no room');
  await enqueueRun(embedded.db, newRun(2));

  await expect(moveStore(embedded.db, server.db, 'a1b2c3d4')).rejects.toThrow(
    /was worked on since.*new, empty database/,
  );

  await migrate(embedded.another());
});
