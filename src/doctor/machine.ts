import { statfs } from 'node:fs/promises';
import type { Database } from '../engine/database.ts';
import { untrusted } from '../engine/repositories.ts';
import { listWorkers } from '../engine/workers.ts';
import type { Settings } from '../settings.ts';
import { type Finding, failed, ok, warning } from './finding.ts';

const leastNode = 24;
const leastFreeBytes = 2 * 1024 ** 3;

export function checkNode(version: string): Finding {
  const major = Number(version.split('.')[0]?.replace(/^v/, ''));
  if (major >= leastNode) return ok('node', `Node ${version}`);
  return failed('node', `Node ${version}`, `Install Node ${leastNode} or later: https://nodejs.org/`);
}

/** Opens the store and brings its tables up to date, as the service does. */
export async function checkStore(
  settings: Settings,
  open: (settings: Settings) => Promise<Database>,
): Promise<Finding[]> {
  const { DATA_DIR, DATABASE_URL } = settings.environment;
  const db = await open(settings);
  try {
    const [row] = await db.all<{ count: number }>('SELECT COUNT(*) AS count FROM runs');
    const workers = await listWorkers(db);
    const where = DATABASE_URL === undefined ? `embedded store in ${DATA_DIR}` : 'PostgreSQL';
    const found = ok('store', `${where} opens and is up to date: ${row?.count ?? 0} runs, ${workers.length} processes`);
    const findings = [found, ...(await checkNames(db))];
    return DATABASE_URL === undefined ? [...findings, await checkDisk(DATA_DIR)] : findings;
  } finally {
    await db.close();
  }
}

/** Names that the operator may have granted something to when others bore them. */
async function checkNames(db: Database): Promise<Finding[]> {
  return (await untrusted(db)).map((name) =>
    warning(
      `name ${name}`,
      'another repository had this name before: nothing that the operator ceiling grants counts for it',
      `If you mean the one that has the name now: millwright trust ${name}`,
    ),
  );
}

async function checkDisk(folder: string): Promise<Finding> {
  const { bavail, bsize } = await statfs(folder);
  return freeSpace('data disk', bavail * bsize, `where DATA_DIR (${folder}) is`, leastFreeBytes);
}

export function freeSpace(name: string, freeBytes: number, where: string, leastBytes: number): Finding {
  const gigabytes = (bytes: number) => `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
  const found = `${gigabytes(freeBytes)} free ${where}`;
  if (freeBytes >= leastBytes) return ok(name, found);
  return warning(name, found, `Make room: at least ${gigabytes(leastBytes)} are advised.`);
}
