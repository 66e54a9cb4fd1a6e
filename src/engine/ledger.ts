import { MillwrightError } from '../errors.ts';
import type { Database, Sql } from './database.ts';

/** Largest event kept whole, in characters of JSON. Of a longer one the longest texts are cut, each where it says so. */
const maxEventChars = 256 * 1024;
/** How long a text may be then, tried in this order. */
const textChars = [96 * 1024, 32 * 1024, 8 * 1024, 1024] as const;

export interface NewEvent {
  runId: string;
  /** The run's current attempt when absent. */
  attempt?: number;
  /** What happened, such as `run.state`, `tool.call`, `model.call`. */
  kind: string;
  /** Anything JSON. Secrets are masked by the caller, before. */
  data: unknown;
}

export interface LedgerEvent {
  /** Grows within a run in the order of commits: reading after the last id seen misses nothing. */
  id: number;
  runId: string;
  attempt: number;
  kind: string;
  /** Database clock. */
  atMs: number;
  data: unknown;
}

/** Appends to the record of a run and wakes its readers. Errors: `outside.database`. */
export async function append(db: Database, event: NewEvent): Promise<void> {
  await db.transaction((sql) => appendIn(db, sql, event));
  await db.wake('events');
}

/** The same within a transaction that has more to write; its owner wakes 'events' afterwards. */
export async function appendIn(db: Database, sql: Sql, event: NewEvent): Promise<void> {
  // Holds the run's row until the commit: ids of one run become visible in their order.
  const rows = await sql.all<{ attempt: number }>(
    `UPDATE runs SET updated_at_ms = ${db.nowMs} WHERE id = $1 RETURNING attempt`,
    event.runId,
  );
  const attempt = event.attempt ?? rows[0]?.attempt;
  if (attempt === undefined) {
    throw new MillwrightError('bug.unexpected', { message: `an event of a run that does not exist: ${event.runId}` });
  }
  await sql.run(
    `INSERT INTO events (run_id, attempt, kind, at_ms, data) VALUES ($1, $2, $3, ${db.nowMs}, $4)`,
    event.runId,
    attempt,
    event.kind,
    bounded(event.data),
  );
}

/** Events of a run in order, oldest first, at most `limit` (default 1000). */
export async function eventsOf(
  db: Database,
  runId: string,
  options: { afterId?: number; kinds?: readonly string[]; limit?: number } = {},
): Promise<LedgerEvent[]> {
  const kinds = options.kinds ?? [];
  const ofKind = kinds.length > 0 ? `AND kind IN (${kinds.map((_, index) => `$${index + 4}`).join(', ')})` : '';
  const rows = await db.all<EventRow>(
    `SELECT id, run_id, attempt, kind, at_ms, data FROM events WHERE run_id = $1 AND id > $2 ${ofKind} ORDER BY id LIMIT $3`,
    runId,
    options.afterId ?? 0,
    options.limit ?? 1000,
    ...kinds,
  );
  return rows.map(eventOf);
}

/** An event as lists show it. */
export interface EventHead extends Omit<LedgerEvent, 'data'> {
  /** Null where it is longer than was asked for; `eventById` has it. */
  data: unknown;
  /** Length of the data as JSON, in characters. */
  chars: number;
}

export interface EventPage {
  /** Kinds that begin with one of these; all when absent. */
  prefixes?: readonly string[];
  afterId?: number;
  /** Only events before this one; together with `newest`. */
  beforeId?: number;
  /** The last `limit` events instead of the first; in order all the same. */
  newest?: boolean;
  limit: number;
  /** Longest data that is read along, in characters. */
  longestChars: number;
}

/** A part of the events of a run in order, oldest first, without reading the longest ones. */
export async function eventPage(db: Database, runId: string, page: EventPage): Promise<EventHead[]> {
  const values: (string | number)[] = [runId, page.longestChars];
  const bind = (value: string | number) => `$${values.push(value)}`;
  const conditions = ['run_id = $1'];
  if (page.afterId !== undefined) conditions.push(`id > ${bind(page.afterId)}`);
  if (page.beforeId !== undefined) conditions.push(`id < ${bind(page.beforeId)}`);
  if (page.prefixes && page.prefixes.length > 0)
    conditions.push(`(${page.prefixes.map((prefix) => `kind LIKE ${bind(`${prefix}%`)}`).join(' OR ')})`);
  const rows = await db.all<EventRow & { chars: number; data: string | null }>(
    `SELECT id, run_id, attempt, kind, at_ms, LENGTH(data) AS chars,
       CASE WHEN LENGTH(data) <= $2 THEN data END AS data
     FROM events WHERE ${conditions.join(' AND ')} ORDER BY id ${page.newest ? 'DESC' : 'ASC'} LIMIT ${bind(page.limit)}`,
    ...values,
  );
  const heads = rows.map(({ data, chars, ...row }) => ({ ...eventOf({ ...row, data: data ?? 'null' }), chars }));
  return page.newest ? heads.reverse() : heads;
}

/** One event of a run, whole; null when there is none with this id. */
export async function eventById(db: Database, runId: string, id: number): Promise<LedgerEvent | null> {
  const one = 'SELECT id, run_id, attempt, kind, at_ms, data FROM events WHERE run_id = $1 AND id = $2';
  const [row] = await db.all<EventRow>(one, runId, id);
  return row ? eventOf(row) : null;
}

interface EventRow {
  id: number;
  run_id: string;
  attempt: number;
  kind: string;
  at_ms: number;
  data: string;
}

function eventOf(row: EventRow): LedgerEvent {
  const { id, attempt, kind } = row;
  return { id, runId: row.run_id, attempt, kind, atMs: row.at_ms, data: JSON.parse(row.data) };
}

function bounded(data: unknown): string {
  const text = JSON.stringify(data) ?? 'null';
  if (text.length <= maxEventChars) return text;
  for (const most of textChars) {
    const shorter = JSON.stringify(data, (_key, value: unknown) =>
      typeof value === 'string' ? cut(value, most) : value,
    );
    if (shorter.length <= maxEventChars) return shorter;
  }
  return JSON.stringify({ cut: true, chars: text.length, head: text.slice(0, maxEventChars) });
}

/** Head and tail: of outputs and prompts the end tells as much as the beginning. */
function cut(text: string, mostChars: number): string {
  if (text.length <= mostChars) return text;
  const half = Math.floor(mostChars / 2);
  const note = `\n[… ${text.length - 2 * half} characters cut in the ledger …]\n`;
  return `${text.slice(0, half)}${note}${text.slice(-half)}`.toWellFormed();
}

/** How long ago a moment of the ledger was, by the database's clock, in milliseconds. */
export async function ageMs(db: Database, atMs: number): Promise<number> {
  const [row] = await db.all<{ age: number }>(`SELECT ${db.nowMs} - CAST($1 AS BIGINT) AS age`, atMs);
  return row?.age ?? 0;
}
