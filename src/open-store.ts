import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Database } from './engine/database.ts';
import { migrate } from './engine/migrations.ts';
import { openSqlite } from './engine/sqlite.ts';
import { type Settings, SettingsError } from './settings.ts';

function makeDataDir(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new SettingsError([
      `DATA_DIR: ${path} cannot be made (${code}); expected a folder that this user may write.`,
    ]);
  }
}

/** Opens the store and brings its tables up to date. Errors: `outside.database`; a store of a newer version is refused. */
export async function openStore({ environment }: Settings): Promise<Database> {
  if (environment.DATABASE_URL === undefined) makeDataDir(environment.DATA_DIR);
  const db =
    environment.DATABASE_URL === undefined
      ? openSqlite(environment.DATA_DIR)
      : (await import('./engine/postgres.ts')).openPostgres(environment.DATABASE_URL);
  await migrate(db);
  return db;
}

/** Names the installation of an embedded store on a Docker engine that others may use. */
export function instanceIn(dataDir: string): string {
  const file = join(dataDir, 'instance');
  mkdirSync(dataDir, { recursive: true });
  if (!existsSync(file)) writeFileSync(file, randomBytes(4).toString('hex'), { flag: 'wx' });
  return readFileSync(file, 'utf8').trim();
}
