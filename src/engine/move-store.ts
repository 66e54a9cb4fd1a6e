import { MillwrightError } from '../errors.ts';
import type { Database, Sql, SqlValue } from './database.ts';
import { markMoved } from './migrations.ts';

/** Rows of one statement: an event may be 256 KB, and a statement takes at most 65,535 values. */
const rowsAtOnce = 50;
/** A worker that was seen within this time may still be at work; each tells of itself every few seconds. */
const quietMs = 30_000;

export interface Moved {
  /** Rows copied, by table. Empty when an earlier call, ended between its last two steps, had copied them. */
  rows: Record<string, number>;
}

type Row = Record<string, SqlValue>;

/**
 * Copies everything of an embedded store (SQLite) into an empty one on a server (PostgreSQL), both of this version's schema, and marks the
 * first as moved, so that no process opens it any more. All of it is there, or nothing. `instance` names the installation, so that its containers
 * and images are still its own. Errors: `outside.database`, also where a worker is at work or the other store holds something already.
 */
export async function moveStore(from: Database, to: Database, instance: string): Promise<Moved> {
  // The writer's lock of the first one is held all along: nothing is written there that would not be copied.
  return await from.transaction(async (source) => {
    await refuseWorkers(source, from.nowMs);
    const rows = await to.transaction((target) => copyAll(source, target, instance), { claimLock: true });
    await markMoved(source, from.nowMs);
    return { rows };
  });
}

async function copyAll(source: Sql, target: Sql, instance: string): Promise<Record<string, number>> {
  const tables = await tablesOf(source);
  const [known] = await target.all<{ name: string }>('SELECT name FROM installation');
  if (known?.name === instance) return {};
  for (const table of tables) {
    const [row] = await target.all(`SELECT 1 FROM "${table}" LIMIT 1`);
    if (row || known)
      throw refusal(`the one at DATABASE_URL is not empty (${row ? table : 'installation'}): give it a new database`);
  }
  const rows: Record<string, number> = {};
  for (const table of tables) rows[table] = await copyTable(source, target, table);
  await continueNumbers(source, target);
  await target.run('INSERT INTO installation (id, name) VALUES (1, $1)', instance);
  return rows;
}

async function refuseWorkers(source: Sql, nowMs: string): Promise<void> {
  const [worker] = await source.all<{ id: string }>(`SELECT id FROM workers WHERE seen_at_ms > ${nowMs} - $1`, quietMs);
  if (worker)
    throw refusal(`worker ${worker.id} was at work within the last ${quietMs / 1000} s: stop the service first`);
}

/** Those whose rows move. The history of the schema is the other store's own, and so are its workers. */
async function tablesOf(source: Sql): Promise<string[]> {
  const found = await source.all<{ name: string }>(
    `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name`,
  );
  return found.map(({ name }) => name).filter((name) => !['migrations', 'installation', 'workers'].includes(name));
}

async function copyTable(source: Sql, target: Sql, table: string): Promise<number> {
  let copied = 0;
  for (let last = 0; ; ) {
    const page = await source.all<Row & { mw_row: number }>(
      `SELECT rowid AS mw_row, * FROM "${table}" WHERE rowid > $1 ORDER BY rowid LIMIT ${rowsAtOnce}`,
      last,
    );
    if (page.length === 0) return copied;
    copied += await insert(
      target,
      table,
      page.map(({ mw_row, ...row }) => row),
    );
    last = page.at(-1)?.mw_row ?? last;
  }
}

async function insert(target: Sql, table: string, rows: readonly Row[]): Promise<number> {
  const columns = Object.keys(rows[0] ?? {});
  const values = rows.flatMap((row) => columns.map((column) => holdable(row[column] ?? null)));
  const places = rows.map(
    (_, row) => `(${columns.map((__, column) => `$${row * columns.length + column + 1}`).join(', ')})`,
  );
  const names = columns.map((column) => `"${column}"`).join(', ');
  // Numbers that the store gives by itself are kept as well: cursors and links name them.
  return await target.run(
    `INSERT INTO "${table}" (${names}) OVERRIDING SYSTEM VALUE VALUES ${places.join(', ')}`,
    ...values,
  );
}

/** PostgreSQL has no NUL in its texts. */
function holdable(value: SqlValue): SqlValue {
  return typeof value === 'string' ? value.replaceAll('\0', '\ufffd') : value;
}

/** Growing numbers go on after the largest that was ever given, also where its row is gone. */
async function continueNumbers(source: Sql, target: Sql): Promise<void> {
  const given = await source.all<{ name: string; seq: number }>('SELECT name, seq FROM sqlite_sequence WHERE seq > 0');
  for (const { name, seq } of given) {
    const [key] = await source.all<{ name: string }>('SELECT name FROM pragma_table_info($1) WHERE pk = 1', name);
    await target.all('SELECT setval(pg_get_serial_sequence($1, $2), $3)', name, key?.name ?? '', seq);
  }
}

function refusal(reason: string): MillwrightError {
  return new MillwrightError('outside.database', { message: `The store cannot be moved: ${reason}.` });
}
