import { MillwrightError } from '../errors.ts';
import type { Database, Sql, SqlValue } from './database.ts';
import { markMoved } from './migrations.ts';

/** A worker that was seen within this time may still be at work; each tells of itself every few seconds. */
const quietMs = 30_000;
/** Rows of one statement, which takes at most 65,535 values; one row where a row may be tens of megabytes. */
const rowsAtOnce = 50;
const largeRows = new Set(['patches', 'stages', 'deliveries']);
/** The history of the schema is each store's own, as are its workers and its name. */
const ownTables = new Set(['migrations', 'workers', 'installation']);

export interface Moved {
  /** Rows copied, by table. Empty when an earlier call, ended between its last two steps, had copied them. */
  rows: Record<string, number>;
}

type Row = Record<string, SqlValue>;

/**
 * Copies everything of an embedded store (SQLite) into an empty one on a server (PostgreSQL), both of this version's schema, and marks the
 * first as moved, so that no process opens it or writes into it any more. All of it is there, or nothing. `instance` names the installation, so
 * that its containers and images are still its own. Errors: `outside.database`, also where a worker is at work or the other store holds
 * something already.
 */
export async function moveStore(from: Database, to: Database, instance: string): Promise<Moved> {
  // The writer's lock of the first one is held all along: nothing is written there that would not be copied.
  return await from.transaction(async (source) => {
    await refuseWorkers(source, from.nowMs);
    const tables = await tablesOf(source, to);
    const rows = await to.transaction((target) => copyAll(source, target, { tables, instance }), { claimLock: true });
    await refuseWrites(source, [...tables, 'workers']);
    await markMoved(source, from.nowMs);
    return { rows };
  });
}

/** Reaches a process that has the store open already, too: its rows would be nowhere else. */
async function refuseWrites(source: Sql, tables: readonly string[]): Promise<void> {
  for (const table of tables)
    for (const change of ['INSERT', 'UPDATE'])
      await source.run(
        `CREATE TRIGGER "${table}_moved_${change}" BEFORE ${change} ON "${table}"
         BEGIN SELECT RAISE(ABORT, 'this store was moved to PostgreSQL; start the service with DATABASE_URL'); END`,
      );
}

async function refuseWorkers(source: Sql, nowMs: string): Promise<void> {
  const [worker] = await source.all<{ id: string }>(`SELECT id FROM workers WHERE seen_at_ms > ${nowMs} - $1`, quietMs);
  if (worker)
    throw refusal(`worker ${worker.id} was at work within the last ${quietMs / 1000} s: stop the service first`);
}

/** Ours, not those of a tool that keeps its own in the file. */
async function tablesOf(source: Sql, to: Database): Promise<string[]> {
  const there = await to.all<{ name: string }>(
    'SELECT table_name AS name FROM information_schema.tables WHERE table_schema = current_schema() ORDER BY 1',
  );
  const here = await source.all<{ name: string }>(`SELECT name FROM sqlite_master WHERE type = 'table'`);
  const names = new Set(here.map(({ name }) => name));
  return there.map(({ name }) => name).filter((name) => names.has(name) && !ownTables.has(name));
}

async function copyAll(
  source: Sql,
  target: Sql,
  { tables, instance }: { tables: readonly string[]; instance: string },
): Promise<Record<string, number>> {
  const state = await stateOf(source);
  const known = await target.all<{ id: number; name: string }>('SELECT id, name FROM installation ORDER BY id');
  if (known[0]?.name === instance) {
    // Copied before; whether the old store was used since shows in the numbers that it has given.
    if (known[1]?.name === state) return {};
    throw refusal(
      'it was copied to the one at DATABASE_URL before, and was worked on since: give it a new, empty database',
    );
  }
  for (const table of tables) {
    const [row] = await target.all(`SELECT 1 FROM "${table}" LIMIT 1`);
    if (row || known.length > 0)
      throw refusal(`the one at DATABASE_URL is not empty (${row ? table : 'installation'}): give it a new database`);
  }
  const rows: Record<string, number> = {};
  for (const table of tables) rows[table] = await copyTable(source, target, table);
  await continueNumbers(source, target);
  await target.run('INSERT INTO installation (id, name) VALUES (1, $1), (2, $2)', instance, state);
  return rows;
}

/** Of a store, in words that change with all that is done in it: an event is written for each, a delivery comes before most. */
async function stateOf(source: Sql): Promise<string> {
  const given = await source.all<{ name: string; seq: number }>('SELECT name, seq FROM sqlite_sequence ORDER BY name');
  return given.map(({ name, seq }) => `${name} ${seq}`).join(', ');
}

async function copyTable(source: Sql, target: Sql, table: string): Promise<number> {
  const columns = await source.all<Column>('SELECT name, type FROM pragma_table_info($1)', table);
  const most = largeRows.has(table) ? 1 : rowsAtOnce;
  let copied = 0;
  for (let last = Number.MIN_SAFE_INTEGER; ; ) {
    const page = await source.all<Row & { mw_row: number }>(
      `SELECT rowid AS mw_row, * FROM "${table}" WHERE rowid > $1 ORDER BY rowid LIMIT ${most}`,
      last,
    );
    if (page.length === 0) return copied;
    copied += await insert(target, table, columns, page);
    last = page.at(-1)?.mw_row ?? last;
  }
}

interface Column {
  name: string;
  /** As the schema declares it. */
  type: string;
}

async function insert(target: Sql, table: string, columns: readonly Column[], rows: readonly Row[]): Promise<number> {
  const values = rows.flatMap((row) => columns.map(({ name, type }) => whole(row[name] ?? null, type)));
  const places = rows.map(
    (_, row) => `(${columns.map((__, column) => `$${row * columns.length + column + 1}`).join(', ')})`,
  );
  const names = columns.map(({ name }) => `"${name}"`).join(', ');
  // Numbers that the store gives by itself are kept as well: cursors and links name them.
  const text = `INSERT INTO "${table}" (${names}) OVERRIDING SYSTEM VALUE VALUES ${places.join(', ')}`;
  try {
    return await target.run(text, ...values);
  } catch (error) {
    if (error instanceof MillwrightError) throw error;
    throw refusal(`rows of ${table} do not fit (${(error as Error).message})`, error);
  }
}

/** PostgreSQL takes no fraction where a column is of whole numbers; older versions wrote some of a millisecond. */
function whole(value: SqlValue, type: string): SqlValue {
  return typeof value === 'number' && /INT/i.test(type) ? Math.ceil(value) : value;
}

/** Growing numbers go on after the largest that was ever given, also where its row is gone. */
async function continueNumbers(source: Sql, target: Sql): Promise<void> {
  const given = await source.all<{ name: string; seq: number }>('SELECT name, seq FROM sqlite_sequence WHERE seq > 0');
  for (const { name, seq } of given) {
    const [key] = await source.all<{ name: string }>('SELECT name FROM pragma_table_info($1) WHERE pk = 1', name);
    await target.all('SELECT setval(pg_get_serial_sequence($1, $2), $3)', name, key?.name ?? '', seq);
  }
}

function refusal(reason: string, cause?: unknown): MillwrightError {
  return new MillwrightError('outside.database', { message: `The store cannot be moved: ${reason}.`, cause });
}
