import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Database } from '../../src/engine/database.ts';
import { migrate } from '../../src/engine/migrations.ts';
import { openPostgres } from '../../src/engine/postgres.ts';
import { openSqlite } from '../../src/engine/sqlite.ts';
import { createPostgresDatabase } from './postgres.ts';

/** A migrated store of one test. */
export interface TestStore {
  db: Database;
  /** What `openAt` of a child process needs to open the same store. */
  address: string;
  /** A second connection to the same store, as another process would have. */
  another(): Database;
  /** Closes all of them and removes the store. */
  remove(): Promise<void>;
}

export type OpenStore = () => Promise<TestStore>;

/** Both engines, for `describe.each`. */
export const stores: [string, OpenStore][] = [
  ['SQLite', openSqliteStore],
  ['PostgreSQL', openPostgresStore],
];

/** A data folder or a `postgres:` address. */
export function openAt(address: string): Database {
  return address.startsWith('postgres:') ? openPostgres(address) : openSqlite(address);
}

export async function openSqliteStore(): Promise<TestStore> {
  const dir = mkdtempSync(join(tmpdir(), 'millwright-store-'));
  return await storeAt(dir, async () => rmSync(dir, { recursive: true }));
}

export async function openPostgresStore(): Promise<TestStore> {
  const { url, drop } = await createPostgresDatabase();
  return await storeAt(url, drop);
}

async function storeAt(address: string, drop: () => Promise<void>): Promise<TestStore> {
  const opened: Database[] = [];
  const another = () => {
    const db = openAt(address);
    opened.push(db);
    return db;
  };
  const db = another();
  await migrate(db);
  const remove = async () => {
    await Promise.all(opened.map((each) => each.close()));
    await drop();
  };
  return { db, address, another, remove };
}
