import { z } from 'zod';
import type { Database } from './database.ts';
import { wholeMs } from './whole-ms.ts';

/** Time that a delivery's handler has; afterwards another may take it. */
const deliveryLeaseMs = 60_000;
/** Tries before a delivery is parked with its error, so that the ones behind it go on. */
export const maxDeliveryAttempts = 10;

/** A webhook as it came. */
export interface Delivery {
  /** GitHub's delivery id. */
  id: string;
  /** Such as `issues.labeled`: whatever the receiver named it. */
  event: string;
  /** JSON text. */
  payload: string;
  /** Counts from 1. */
  attempts: number;
  receivedAtMs: number;
}

/**
 * Writes a delivery durably, once per id, and wakes 'deliveries'. Answer the sender only after it resolves.
 * Errors: `outside.database`: answer 500.
 */
export async function receiveDelivery(
  db: Database,
  delivery: { id: string; event: string; payload: string },
): Promise<'new' | 'duplicate'> {
  const { repository, subject } = orderOf(delivery.payload);
  const added = await db.run(
    `INSERT INTO deliveries (id, event, repository, subject, payload, state, attempts, due_at_ms, received_at_ms)
     VALUES ($1, $2, $3, $4, $5, 'new', 0, ${db.nowMs}, ${db.nowMs}) ON CONFLICT (id) DO NOTHING`,
    delivery.id,
    delivery.event,
    repository,
    subject,
    delivery.payload,
  );
  if (added === 0) return 'duplicate';
  await db.wake('deliveries');
  return 'new';
}

const Ordered = z.object({
  repository: z.object({ full_name: z.string() }),
  issue: z.object({ number: z.number() }).optional(),
  pull_request: z.object({ number: z.number() }).optional(),
});

/** What a delivery is ordered by: none for those of a whole installation, no subject for those of a whole repository. */
function orderOf(payload: string): { repository: string | null; subject: number | null } {
  const { data } = Ordered.safeParse(JSON.parse(payload));
  if (!data) return { repository: null, subject: null };
  const subject = data.issue?.number ?? data.pull_request?.number ?? null;
  return { repository: data.repository.full_name.toLowerCase(), subject };
}

/**
 * The oldest delivery that is due, leased for 60 s; null when there is none. One repository's are handled one at a time
 * in the order they came. Behind one that failed and waits to be tried again only those of the same issue or pull
 * request wait, until it is finished or parked.
 */
export async function takeDelivery(db: Database, owner: string): Promise<Delivery | null> {
  const waiting = await db.all(`SELECT id FROM deliveries WHERE state = 'new' LIMIT 1`);
  if (waiting.length === 0) return null;
  const rows = await db.transaction(
    async (sql) => {
      // Its handler died each time.
      await sql.run(
        `UPDATE deliveries SET state = 'parked', finished_at_ms = ${db.nowMs}, error = 'its handler never came back'
         WHERE state = 'new' AND attempts >= ${maxDeliveryAttempts} AND lease_until_ms < ${db.nowMs}`,
      );
      return await sql.all<DeliveryRow>(
        `UPDATE deliveries SET owner = $1, attempts = attempts + 1, lease_until_ms = ${db.nowMs} + ${deliveryLeaseMs}
         WHERE seq = (
           SELECT d.seq FROM deliveries d
           WHERE d.state = 'new' AND d.due_at_ms <= ${db.nowMs}
             AND (d.lease_until_ms IS NULL OR d.lease_until_ms < ${db.nowMs})
             AND NOT EXISTS (
               SELECT 1 FROM deliveries e WHERE e.state = 'new' AND e.repository = d.repository AND e.seq < d.seq
                 AND (e.subject = d.subject OR e.lease_until_ms >= ${db.nowMs})
             )
           ORDER BY d.seq LIMIT 1
         ) RETURNING id, event, payload, attempts, received_at_ms`,
        owner,
      );
    },
    { claimLock: true },
  );
  const [row] = rows;
  if (!row) return null;
  const { id, event, payload, attempts } = row;
  return { id, event, payload, attempts, receivedAtMs: row.received_at_ms };
}

interface DeliveryRow {
  id: string;
  event: string;
  payload: string;
  attempts: number;
  received_at_ms: number;
}

/** Handled. Its id is kept, so that it counts once; its text is not needed any more. */
export async function finishDelivery(db: Database, id: string): Promise<void> {
  await db.run(
    `UPDATE deliveries SET state = 'done', payload = '', owner = NULL, lease_until_ms = NULL, error = NULL,
       finished_at_ms = ${db.nowMs} WHERE id = $1 AND state = 'new'`,
    id,
  );
  await db.wake('deliveries');
}

/**
 * Not handled: due again in `retryInMs` milliseconds, or parked with the error when that is null or it was tried
 * `maxDeliveryAttempts` times.
 */
export async function failDelivery(
  db: Database,
  id: string,
  message: string,
  retryInMs: number | null,
): Promise<'retry' | 'parked'> {
  const mayRetry = retryInMs === null ? '0 = 1' : `attempts < ${maxDeliveryAttempts}`;
  const [row] = await db.all<{ state: string }>(
    `UPDATE deliveries SET owner = NULL, lease_until_ms = NULL, error = $2, due_at_ms = ${db.nowMs} + $3,
       state = CASE WHEN ${mayRetry} THEN 'new' ELSE 'parked' END,
       finished_at_ms = CASE WHEN ${mayRetry} THEN NULL ELSE ${db.nowMs} END
     WHERE id = $1 AND state = 'new' RETURNING state`,
    id,
    message.slice(0, 4000),
    wholeMs(retryInMs ?? 0),
  );
  await db.wake('deliveries');
  return row?.state === 'new' ? 'retry' : 'parked';
}

/** Not yet: due again in `inMs`, as if it had not been tried. For what waits for something that is sure to come. */
export async function deferDelivery(db: Database, id: string, inMs: number): Promise<void> {
  await db.run(
    `UPDATE deliveries SET owner = NULL, lease_until_ms = NULL, due_at_ms = ${db.nowMs} + $2, attempts = attempts - 1
     WHERE id = $1 AND state = 'new'`,
    id,
    wholeMs(inMs),
  );
  await db.wake('deliveries');
}
