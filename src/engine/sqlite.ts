import { AsyncLocalStorage } from 'node:async_hooks';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { MillwrightError } from '../errors.ts';
import { type Database, type Sql, type SqlValue, type WakeChannel, withoutNul } from './database.ts';
import { WakeListeners } from './wake-listeners.ts';

/** How often a change made by another process (the command line on the same store) is looked for. */
const otherProcessPollMs = 200;
/** How long a statement is tried again while another process writes, and how often. */
const busyMs = { most: 10_000, pause: 5 };
/** While opening there is nothing else to do: SQLite may wait by itself, the thread standing still. */
const openTimeoutMs = 5_000;
/** Pages given back to the disk by one statement, about 5 ms of work; and how many free ones are kept for what comes next. */
const pagesAtOnce = 500;
const pagesKept = 500;
/** Prepared statements kept; the texts of the engine are few, lists build some of their own. */
const maxStatements = 200;

const sqliteBusy = 5;
/** Result codes of SQLite that our own SQL would cause: error, constraint, mismatch, misuse, range. */
const ownMistakes = new Set([1, 19, 20, 21, 25]);

/**
 * Opens the embedded store in `dataDir`, creating both when missing. Run `migrate` before anything else.
 * Errors: `outside.database` when the folder or file cannot be opened.
 */
export function openSqlite(dataDir: string): Database {
  return new SqliteDatabase(dataDir);
}

class SqliteDatabase implements Database {
  readonly dialect = 'sqlite';
  readonly nowMs = "CAST(ROUND(unixepoch('subsec') * 1000) AS INTEGER)";
  private readonly connection: DatabaseSync;
  private readonly statements = new Map<string, StatementSync>();
  private readonly listeners = new WakeListeners();
  private readonly inTransaction = new AsyncLocalStorage<{ open: boolean }>();
  private readonly poll: NodeJS.Timeout;
  private queue: Promise<unknown> = Promise.resolve();
  private dataVersion: number;
  private closed = false;

  constructor(dataDir: string) {
    this.connection = atDoor(() => openConnection(dataDir));
    this.dataVersion = this.readDataVersion();
    this.poll = setInterval(() => this.lookForOtherProcesses(), otherProcessPollMs);
    this.poll.unref();
  }

  all<Row>(text: string, ...values: SqlValue[]): Promise<Row[]> {
    return this.enqueue(() => unlessBusy(() => this.statement(text).all(...values.map(asBound)) as Row[]));
  }

  run(text: string, ...values: SqlValue[]): Promise<number> {
    return this.enqueue(() => unlessBusy(() => Number(this.statement(text).run(...values.map(asBound)).changes)));
  }

  /** `claimLock` needs nothing more here: every transaction begins IMMEDIATE, so there is one writer at a time. */
  transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.enqueue(async () => {
      await unlessBusy(() => this.connection.exec('BEGIN IMMEDIATE'));
      const context = { open: true };
      try {
        const result = await this.inTransaction.run(context, () => work(this.sqlInside()));
        this.connection.exec('COMMIT');
        return result;
      } catch (error) {
        // A full disk makes SQLite roll back by itself.
        if (this.connection.isTransaction) this.connection.exec('ROLLBACK');
        throw error;
      } finally {
        context.open = false;
      }
    });
  }

  async wake(channel: WakeChannel): Promise<void> {
    this.listeners.tell(channel);
  }

  onWake(channel: WakeChannel, listener: () => void): () => void {
    return this.listeners.add(channel, listener);
  }

  async sizeBytes(): Promise<number> {
    return (await this.pragma('page_count')) * (await this.pragma('page_size'));
  }

  async liveBytes(): Promise<number> {
    const pages = (await this.pragma('page_count')) - (await this.pragma('freelist_count'));
    return pages * (await this.pragma('page_size'));
  }

  async returnSpace(): Promise<void> {
    let free = await this.pragma('freelist_count');
    while (free > pagesKept) {
      await this.enqueue(() => unlessBusy(() => this.connection.exec(`PRAGMA incremental_vacuum(${pagesAtOnce})`)));
      const left = await this.pragma('freelist_count');
      // A store that was made without it, and could not be made over yet.
      if (left >= free) return;
      free = left;
    }
    // The file shrinks only as its log is written back.
    await this.enqueue(() => this.connection.exec('PRAGMA wal_checkpoint(TRUNCATE)'));
  }

  private pragma(name: 'page_count' | 'page_size' | 'freelist_count'): Promise<number> {
    return this.enqueue(() => unlessBusy(() => Number(this.connection.prepare(`PRAGMA ${name}`).get()?.[name])));
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    clearInterval(this.poll);
    await this.queue;
    this.connection.close();
  }

  /** One at a time: the connection is shared, so a statement from outside must not land in an open transaction. */
  private enqueue<T>(work: () => T | Promise<T>): Promise<T> {
    if (this.inTransaction.getStore()?.open) {
      const message =
        "the store was used inside a transaction instead of the transaction's own sql: it would wait for itself";
      return Promise.reject(new MillwrightError('bug.unexpected', { message }));
    }
    const result = this.queue.then(async () => {
      try {
        return await work();
      } catch (error) {
        throw wrapped(error);
      }
    });
    this.queue = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }

  private sqlInside(): Sql {
    return {
      all: async <Row>(text: string, ...values: SqlValue[]) =>
        atDoor(() => this.statement(text).all(...values.map(asBound)) as Row[]),
      run: async (text, ...values) => atDoor(() => Number(this.statement(text).run(...values.map(asBound)).changes)),
    };
  }

  private statement(text: string): StatementSync {
    const known = this.statements.get(text);
    if (known) return known;
    if (this.statements.size >= maxStatements) this.statements.clear();
    const statement = this.connection.prepare(text.replace(/\$(\d+)/g, '?$1'));
    this.statements.set(text, statement);
    return statement;
  }

  private readDataVersion(): number {
    return Number(this.connection.prepare('PRAGMA data_version').get()?.data_version);
  }

  /** `data_version` changes only when another connection has committed. */
  private lookForOtherProcesses(): void {
    const look = () => {
      const version = this.readDataVersion();
      if (version !== this.dataVersion) this.listeners.tellAll();
      this.dataVersion = version;
    };
    // A store that cannot be read is told to whoever reads it next; this is only a look-out.
    this.enqueue(look).catch(() => undefined);
  }
}

function openConnection(dataDir: string): DatabaseSync {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const connection = new DatabaseSync(join(dataDir, 'millwright.db'), { timeout: openTimeoutMs });
  makeShrinkable(connection);
  connection.exec('PRAGMA journal_mode = WAL');
  // FULL: a transaction that was acknowledged survives a power cut.
  connection.exec('PRAGMA synchronous = FULL');
  connection.exec('PRAGMA journal_size_limit = 67108864');
  connection.exec('PRAGMA busy_timeout = 0');
  return connection;
}

/** So that the room of deleted rows can be given back. A store that was made otherwise is written anew, once. */
function makeShrinkable(connection: DatabaseSync): void {
  const incremental = 2;
  if (connection.prepare('PRAGMA auto_vacuum').get()?.auto_vacuum === incremental) return;
  connection.exec('PRAGMA auto_vacuum = INCREMENTAL');
  if (Number(connection.prepare('PRAGMA page_count').get()?.page_count) === 0) return;
  try {
    connection.exec('VACUUM');
  } catch (error) {
    // In use by another process, read-only, or no room for a copy: the next start tries again.
    if (primaryCode(error) === null) throw error;
  }
}

/** Lets the process go on while another one writes; SQLite's own waiting would stop every run's heartbeat. */
async function unlessBusy<T>(work: () => T): Promise<T> {
  const deadline = performance.now() + busyMs.most;
  while (true) {
    try {
      return work();
    } catch (error) {
      if (primaryCode(error) !== sqliteBusy || performance.now() > deadline) throw error;
      await sleep(busyMs.pause);
    }
  }
}

/** Extended result codes carry the primary one in the low byte. Null for what does not come from SQLite. */
function primaryCode(error: unknown): number | null {
  const { code, errcode } = error as { code?: string; errcode?: number };
  return code === 'ERR_SQLITE_ERROR' ? (errcode ?? 0) & 0xff : null;
}

/** node:sqlite binds every number as a float; whole ones go in as integers, so that sums and limits stay exact. */
function asBound(value: SqlValue): string | number | bigint | null {
  return typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : withoutNul(value);
}

function atDoor<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw wrapped(error);
  }
}

function wrapped(error: unknown): unknown {
  if (error instanceof MillwrightError || !(error instanceof Error)) return error;
  const primary = primaryCode(error);
  if (primary !== null && !ownMistakes.has(primary)) {
    return new MillwrightError('outside.database', { message: `the store: ${error.message}`, cause: error });
  }
  const { code } = error as NodeJS.ErrnoException;
  // From mkdir: no permission, no space.
  if (code !== undefined && ['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'ENOTDIR', 'EEXIST'].includes(code)) {
    return new MillwrightError('outside.database', { message: `the data folder: ${error.message}`, cause: error });
  }
  return error;
}
