import type { Database } from '../../src/engine/database.ts';
import { enqueueRun } from '../../src/engine/runs.ts';
import { newRun } from '../support/new-run.ts';

const rowsAtOnce = 25_000;
let made = 0;

/** Numbers from 1 to `count`, as the beginning of a statement on either engine. */
const numbers = (count: number): string =>
  `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})`;

/** Puts runs into a store by statement, spread over organisations of ten repositories: as `enqueueRun` leaves them, but for their state. */
export async function fillRuns(
  db: Database,
  count: number,
  state: 'queued' | 'running' | 'done',
  organizations: number,
): Promise<void> {
  const template = (await enqueueRun(db, newRun(1, 'template/one'))).run.id;
  const [row] = await db.all<Record<string, unknown>>('SELECT * FROM runs WHERE id = $1', template);
  const columns = Object.keys(row ?? {});
  const organization = `'github.com/org' || CAST(i % ${organizations} AS TEXT)`;
  const later = `${db.nowMs} + 36000000`;
  for (let left = count; left > 0; left -= rowsAtOnce) {
    const first = made;
    made += rowsAtOnce;
    const own: Record<string, string> = {
      id: `'r0' || CAST(i + ${first} AS TEXT)`,
      issue: `i + ${first}`,
      organization,
      repository: `${organization} || '/${state}' || CAST((i / ${organizations}) % 10 AS TEXT)`,
      state: `'${state}'`,
      ended_at_ms: state === 'done' ? db.nowMs : 'NULL',
      lease_owner: state === 'running' ? `'another'` : 'NULL',
      lease_until_ms: state === 'running' ? later : 'NULL',
    };
    await db.run(
      `${numbers(Math.min(left, rowsAtOnce))} INSERT INTO runs (${columns.join(', ')})
       SELECT ${columns.map((column) => own[column] ?? `t.${column}`).join(', ')} FROM n, runs t WHERE t.id = '${template}'`,
    );
  }
  await db.run('DELETE FROM runs WHERE id = $1', template);
  await settle(db);
}

/** Puts events of a hundred runs into the ledger by statement. */
export async function fillEvents(db: Database, count: number): Promise<void> {
  const data = JSON.stringify({ text: 'x'.repeat(200) });
  for (let left = count; left > 0; left -= rowsAtOnce) {
    await db.run(
      `${numbers(Math.min(left, rowsAtOnce))} INSERT INTO events (run_id, attempt, kind, at_ms, data)
       SELECT 'r00' || CAST(i % 100 AS TEXT), 1, 'tool.call', ${db.nowMs}, '${data}' FROM n`,
    );
  }
  await settle(db);
}

/** What PostgreSQL does by itself a minute later. */
async function settle(db: Database): Promise<void> {
  if (db.dialect === 'postgres') for (const table of ['runs', 'events']) await db.run(`ANALYZE ${table}`);
}
