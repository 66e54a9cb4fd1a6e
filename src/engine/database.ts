/** The door to the store: one SQL text, `$1` placeholders, on SQLite (embedded) and PostgreSQL (many machines). */
export interface Database extends Sql {
  readonly dialect: 'sqlite' | 'postgres';
  /** SQL expression for now in milliseconds since the epoch, by the database's clock. */
  readonly nowMs: string;
  /**
   * One short transaction. With `claimLock`, serialised against all other claims.
   * Errors: `outside.database` when the store cannot be reached or written; the work is rolled back whole.
   */
  transaction<T>(work: (sql: Sql) => Promise<T>, options?: { claimLock?: boolean }): Promise<T>;
  /** Tells other parts of the app, on every machine, that something changed on a channel. A poll is the safety net. */
  wake(channel: WakeChannel): Promise<void>;
  /** Calls the listener after each wake-up; returns how to stop. */
  onWake(channel: WakeChannel, listener: () => void): () => void;
  /** Bytes that the store takes on its disk. */
  sizeBytes(): Promise<number>;
  /** Bytes of that which rows take, as far as the engine can tell: deleting rows makes it smaller at once. May read every row. */
  liveBytes(): Promise<number>;
  /** Gives the room of deleted rows back to the disk, a little at a time, where the server does not see to it by itself. */
  returnSpace(): Promise<void>;
  close(): Promise<void>;
}

export type WakeChannel = 'deliveries' | 'runs' | 'cancel' | 'events';

export type SqlValue = string | number | null;

/** A value as every store keeps it: PostgreSQL has no NUL in its texts, and people may send one. */
export const withoutNul = (value: SqlValue): SqlValue =>
  typeof value === 'string' ? value.replaceAll('\0', '\ufffd') : value;

export interface Sql {
  /** Rows of a statement. */
  all<Row>(text: string, ...values: SqlValue[]): Promise<Row[]>;
  /** Changed rows of a statement. */
  run(text: string, ...values: SqlValue[]): Promise<number>;
}
