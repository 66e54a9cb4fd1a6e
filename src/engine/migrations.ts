import { createHash } from 'node:crypto';
import { MillwrightError } from '../errors.ts';
import type { Database, Sql } from './database.ts';
import { type Migration, migrations } from './schema.ts';

/** What has no common spelling: a number that grows with every row of the store, and the type of a JSON text. */
const spellings = {
  sqlite: { sequence: 'INTEGER PRIMARY KEY AUTOINCREMENT', json: 'TEXT' },
  postgres: { sequence: 'BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY', json: 'JSON' },
} as const;

/**
 * Brings the store to this version's schema, each migration in a transaction of its own; safe to call from several
 * processes at once and again. Refuses a store that a newer version has migrated, or whose history differs from ours.
 * Errors: `outside.database`, also for the refusals, with the reason as its message.
 */
export async function migrate(db: Database, list: readonly Migration[] = migrations): Promise<void> {
  await db.transaction(createHistory, { claimLock: true });
  for (const migration of list) {
    await db.transaction(
      async (sql) => {
        const applied = await historyOf(sql);
        refuseForeignHistory(applied, list);
        if (applied.some(({ id }) => id === migration.id)) return;
        for (const statement of statementsOf(migration, db.dialect)) await sql.run(statement);
        await sql.run(
          `INSERT INTO migrations (id, checksum, applied_at_ms) VALUES ($1, $2, ${db.nowMs})`,
          migration.id,
          checksum(migration),
        );
      },
      { claimLock: true },
    );
  }
}

/** Stands in the history of a store whose rows are another's now; no schema will be this new. */
const movedId = 1_000_000;

/** From now on the store is refused, by this version and by older ones. */
export async function markMoved(sql: Sql, nowMs: string): Promise<void> {
  await sql.run(`INSERT INTO migrations (id, checksum, applied_at_ms) VALUES ($1, 'moved', ${nowMs})`, movedId);
}

interface Applied {
  id: number;
  checksum: string;
}

async function createHistory(sql: Sql): Promise<void> {
  await sql.run(
    'CREATE TABLE IF NOT EXISTS migrations (id INTEGER PRIMARY KEY, checksum TEXT NOT NULL, applied_at_ms BIGINT NOT NULL)',
  );
}

function historyOf(sql: Sql): Promise<Applied[]> {
  return sql.all<Applied>('SELECT id, checksum FROM migrations ORDER BY id');
}

function refuseForeignHistory(applied: readonly Applied[], list: readonly Migration[]): void {
  const newest = list.at(-1)?.id ?? 0;
  for (const { id, checksum: found } of applied) {
    if (id === movedId) throw refusal('it was moved to PostgreSQL; set DATABASE_URL to where it is now');
    const ours = list.find((migration) => migration.id === id);
    if (!ours) throw refusal(`its schema (${id}) is newer than this version knows (${newest}); run a newer Millwright`);
    if (found !== checksum(ours)) throw refusal(`its migration ${id} is not the one of this version`);
  }
}

function refusal(reason: string): MillwrightError {
  return new MillwrightError('outside.database', { message: `This store cannot be used: ${reason}.` });
}

function statementsOf({ sql }: Migration, dialect: Database['dialect']): string[] {
  return sql
    .replaceAll('{SEQUENCE}', spellings[dialect].sequence)
    .replaceAll('{JSON}', spellings[dialect].json)
    .split(/;\s*$/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');
}

function checksum({ sql }: Migration): string {
  return createHash('sha256').update(sql).digest('hex');
}
