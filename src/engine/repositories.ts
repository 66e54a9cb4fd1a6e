import type { Database } from './database.ts';

/** The app was installed anew: what is known of a repository is reached through its present installation from now on. */
export async function followInstallation(db: Database, repository: string, installationId: number): Promise<void> {
  const moved = 'UPDATE runs SET installation_id = $2 WHERE repository = $1 AND installation_id <> $2';
  await db.run(moved, repository, installationId);
}
