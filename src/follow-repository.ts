import { type Doors, repositoryKey, toldOf } from './doors.ts';
import { followInstallation, recognise } from './engine/repositories.ts';
import type { InstalledRepository, RepositoryRef } from './github/github.ts';

/**
 * Where the things of a repository are kept that GitHub told of, reached through its present installation. Null when its name
 * is another's by now and its own is not known. Errors: `outside.database`.
 */
export async function followRepository(
  told: InstalledRepository,
  how: { sure: boolean; formerly?: string },
  { db, host }: Pick<Doors, 'db' | 'host'>,
): Promise<RepositoryRef | null> {
  const found = await recognise(db, toldOf(host.githubHost, told), how);
  if (found === null) return null;
  const ref = { installationId: told.installationId, ...found };
  await followInstallation(db, repositoryKey(host.githubHost, ref), ref.installationId);
  return ref;
}
