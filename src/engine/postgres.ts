import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { MillwrightError } from '../errors.ts';
import { type Database, type Sql, type SqlValue, type WakeChannel, withoutNul } from './database.ts';
import { WakeListeners } from './wake-listeners.ts';

/** Connections of one process; a worker holds one only for the milliseconds of a transaction. */
const poolSize = 8;
const connectTimeoutMs = 5_000;
/** Longest wait for a lock or a statement: beyond it the work is rolled back and tried again by whoever asked. */
const lockTimeoutMs = 10_000;
const statementTimeoutMs = 30_000;
const measureTimeoutMs = 10 * 60_000;
/** A stopped worker (SIGSTOP, a lost machine) must not keep the claim lock from the others. */
const idleInTransactionTimeoutMs = 10_000;
/** Waits between tries to get the listening connection back. */
const reconnectMs = { first: 100, most: 5_000 };
/** Any number will do, as long as every version uses the same. */
const claimLockKey = 6_175_011;
const notifyChannel = 'millwright';

/** SQLSTATE classes that our own SQL would cause: data, constraint, syntax or unknown names. */
const ownMistakes = /^(22|23|42(?!501))/;

/**
 * Opens a store on a PostgreSQL server that several machines share. Nothing is connected yet; run `migrate` first.
 * Errors later on: `outside.database` when the server cannot be reached or refuses.
 */
export function openPostgres(url: string): Database {
  return new PostgresDatabase(url);
}

class PostgresDatabase implements Database {
  readonly dialect = 'postgres';
  /** The statement's time and not the transaction's, which may have begun long before its lock was granted. */
  readonly nowMs = 'CAST(EXTRACT(EPOCH FROM statement_timestamp()) * 1000 AS BIGINT)';
  private readonly url: string;
  private readonly pool: pg.Pool;
  private readonly listeners = new WakeListeners();
  private readonly self = randomUUID();
  private readonly pendingWakes = new Map<WakeChannel, Promise<void>>();
  private listening: Listening | undefined;
  private closing: Promise<void> | undefined;

  constructor(url: string) {
    this.url = url;
    this.pool = new pg.Pool({
      connectionString: url,
      max: poolSize,
      connectionTimeoutMillis: connectTimeoutMs,
      keepAlive: true,
      types: numbersAsNumbers,
      lock_timeout: lockTimeoutMs,
      statement_timeout: statementTimeoutMs,
      idle_in_transaction_session_timeout: idleInTransactionTimeoutMs,
    });
    // An idle connection was closed by the server; the pool has dropped it already and makes another when needed.
    this.pool.on('error', () => undefined);
    // One lost between two statements of a transaction: the next statement fails and says so.
    this.pool.on('connect', (client) => client.on('error', () => undefined));
  }

  async all<Row>(text: string, ...values: SqlValue[]): Promise<Row[]> {
    return (await atDoor(this.pool.query(text, values.map(withoutNul)))).rows as Row[];
  }

  async run(text: string, ...values: SqlValue[]): Promise<number> {
    return (await atDoor(this.pool.query(text, values.map(withoutNul)))).rowCount ?? 0;
  }

  async transaction<T>(work: (sql: Sql) => Promise<T>, options: { claimLock?: boolean } = {}): Promise<T> {
    const client = await atDoor(this.begin());
    try {
      if (options.claimLock) await atDoor(client.query('SELECT pg_advisory_xact_lock($1)', [claimLockKey]));
      const result = await work(sqlOf(client));
      await atDoor(client.query('COMMIT'));
      client.release();
      return result;
    } catch (error) {
      // A connection on which even ROLLBACK fails is thrown away; the server rolls back when it is gone.
      await client.query('ROLLBACK').then(
        () => client.release(),
        (broken: Error) => client.release(broken),
      );
      throw error;
    }
  }

  /** Never rejects: what it tells of is committed already, and whoever misses it finds it by its poll. */
  async wake(channel: WakeChannel): Promise<void> {
    this.listeners.tell(channel);
    // One that has not been sent yet tells of this change as well.
    const pending = this.pendingWakes.get(channel) ?? this.notifyOthers(channel);
    this.pendingWakes.set(channel, pending);
    await pending;
  }

  onWake(channel: WakeChannel, listener: () => void): () => void {
    this.listening ??= new Listening(this.url, this.self, this.listeners);
    return this.listeners.add(channel, listener);
  }

  async sizeBytes(): Promise<number> {
    const [row] = await this.all<{ bytes: number }>('SELECT pg_database_size(current_database()) AS bytes');
    return row?.bytes ?? 0;
  }

  /** Files of a server do not shrink when rows go; the rows themselves are measured, compressed as they lie there. */
  async liveBytes(): Promise<number> {
    return await this.transaction(async (sql) => {
      // Tens of gigabytes on a slow disk take longer than a statement may.
      await sql.run(`SET LOCAL statement_timeout = ${measureTimeoutMs}`);
      return await measuredBytes(sql);
    });
  }

  /** The server's own vacuum makes the room of deleted rows usable again. */
  async returnSpace(): Promise<void> {}

  close(): Promise<void> {
    this.closing ??= Promise.all([this.pool.end(), this.listening?.close()]).then(() => undefined);
    return this.closing;
  }

  /** Tried twice: a pooled connection may have died with the last restart of the server, and nothing has run yet. */
  private async begin(): Promise<pg.PoolClient> {
    const client = await this.pool.connect();
    try {
      await client.query('BEGIN');
      return client;
    } catch (error) {
      client.release(error as Error);
    }
    const second = await this.pool.connect();
    try {
      await second.query('BEGIN');
      return second;
    } catch (error) {
      second.release(error as Error);
      throw error;
    }
  }

  private async notifyOthers(channel: WakeChannel): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.pendingWakes.delete(channel);
    const sent = this.pool.query('SELECT pg_notify($1, $2)', [notifyChannel, `${this.self} ${channel}`]);
    await sent.then(
      () => undefined,
      () => undefined,
    );
  }
}

/** The connection that hears of other machines' changes: comes back after a restart of the server. */
class Listening {
  private client: pg.Client | undefined;
  private retry: NodeJS.Timeout | undefined;
  private waitMs = reconnectMs.first;
  private closed = false;
  private readonly url: string;
  private readonly self: string;
  private readonly listeners: WakeListeners;

  constructor(url: string, self: string, listeners: WakeListeners) {
    this.url = url;
    this.self = self;
    this.listeners = listeners;
    void this.connect();
  }

  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.retry);
    await this.client?.end().catch(() => undefined);
  }

  private async connect(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.url,
      connectionTimeoutMillis: connectTimeoutMs,
      keepAlive: true,
    });
    this.client = client;
    let lost = false;
    const onLost = () => {
      if (!lost) this.connectLater();
      lost = true;
    };
    client.on('error', onLost);
    client.on('end', onLost);
    client.on('notification', ({ payload }) => this.hear(payload ?? ''));
    try {
      await client.connect();
      await client.query(`LISTEN ${notifyChannel}`);
      this.waitMs = reconnectMs.first;
      // Whatever was told while nobody listened.
      this.listeners.tellAll();
    } catch {
      client.end().catch(() => undefined);
      onLost();
    }
  }

  private connectLater(): void {
    if (this.closed) return;
    this.retry = setTimeout(() => void this.connect(), this.waitMs);
    this.retry.unref();
    this.waitMs = Math.min(this.waitMs * 2, reconnectMs.most);
  }

  private hear(payload: string): void {
    const [sender, channel] = payload.split(' ');
    if (sender !== this.self) this.listeners.tell(channel as WakeChannel);
  }
}

async function measuredBytes(sql: Sql): Promise<number> {
  const [row] = await sql.all<{ bytes: number }>(
    `SELECT CAST((SELECT COALESCE(SUM(pg_column_size(data)), 0) FROM events)
       + (SELECT COALESCE(SUM(pg_column_size(output)), 0) FROM stages)
       + (SELECT COALESCE(SUM(pg_column_size(body)), 0) FROM patches)
       + (SELECT COALESCE(SUM(pg_column_size(payload)), 0) FROM deliveries) AS BIGINT) AS bytes`,
  );
  return row?.bytes ?? 0;
}

function sqlOf(client: pg.PoolClient): Sql {
  return {
    all: async <Row>(text: string, ...values: SqlValue[]) =>
      (await atDoor(client.query(text, values.map(withoutNul)))).rows as Row[],
    run: async (text, ...values) => (await atDoor(client.query(text, values.map(withoutNul)))).rowCount ?? 0,
  };
}

/** BIGINT (20) and NUMERIC (1700, the sum of BIGINTs) as numbers: milliseconds and micro-dollars fit in 53 bits. */
const numbersAsNumbers = {
  getTypeParser: ((oid: number, format?: 'text') =>
    oid === 20 || oid === 1700 ? Number : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
};

async function atDoor<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof MillwrightError || !(error instanceof Error)) throw error;
    const { code } = error as { code?: string };
    if (code !== undefined && ownMistakes.test(code)) throw error;
    throw new MillwrightError('outside.database', { message: `the store: ${error.message}`, cause: error });
  }
}
