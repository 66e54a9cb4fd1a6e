import { randomBytes } from 'node:crypto';
import type { Database } from './database.ts';

/**
 * What tells this installation's containers and images from another's on the same Docker engine: drawn once, and kept
 * in the store that its processes share. Two installations whose stores bear the same name still differ.
 */
export async function installationName(db: Database): Promise<string> {
  await db.run(
    'INSERT INTO installation (id, name) VALUES (1, $1) ON CONFLICT (id) DO NOTHING',
    randomBytes(4).toString('hex'),
  );
  const [row] = await db.all<{ name: string }>('SELECT name FROM installation WHERE id = 1');
  return row?.name ?? '';
}
