import { mkdirSync } from 'node:fs';
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
