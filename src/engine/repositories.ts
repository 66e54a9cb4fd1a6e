import type { Database } from './database.ts';

/** Moves the runs of a repository that has a new name (same owner) to it. */
export async function renameRepository(db: Database, from: string, to: { key: string; name: string }): Promise<void> {
  await db.run('UPDATE runs SET repository = $2, name = $3 WHERE repository = $1', from, to.key, to.name);
}

/** The app was installed anew: what is known of a repository is reached through its present installation from now on. */
export async function followInstallation(db: Database, repository: string, installationId: number): Promise<void> {
  const moved = 'UPDATE runs SET installation_id = $2 WHERE repository = $1 AND installation_id <> $2';
  await db.run(moved, repository, installationId);
}
