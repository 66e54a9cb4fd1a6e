import { statfs } from 'node:fs/promises';
import { defaultRetention } from './contract/defaults.ts';
import type { Doors, HostFacts } from './doors.ts';

/** Why a worker begins no runs now: no Docker engine answers, or a disk is nearly full. */
export interface Pause {
  why: 'engine' | 'disk';
  /** In words for the operator. */
  reason: string;
}

interface Place {
  sandbox: Pick<Doors['sandbox'], 'status'>;
  host: Pick<HostFacts, 'dataDir' | 'operatorPolicy'>;
}

/** Why this process would begin no run now; null when it would. Never rejects. */
export async function pauseOf({ sandbox, host }: Place): Promise<Pause | null> {
  const { available, reason } = await sandbox.status();
  if (!available) return { why: 'engine', reason: `no sandbox engine: ${reason ?? 'it does not answer'}` };
  const least = host.operatorPolicy?.retention?.free ?? defaultRetention.freeBytes;
  for (const { place, path, freeBytes } of await freeSpace({ sandbox, host })) {
    if (freeBytes >= least) continue;
    const [free, wanted] = [freeBytes, least].map((bytes) => `${(bytes / 1024 ** 3).toFixed(1)} GiB`);
    const what = place === 'data' ? 'the data folder' : 'the Docker engine';
    return {
      why: 'disk',
      reason: `the disk is nearly full: ${free} free for ${what} (${path}), less than ${wanted} (retention.free)`,
    };
  }
  return null;
}

/** Free space where this process keeps its data and, where it can be seen from here, where its Docker engine does. */
export async function freeSpace({
  sandbox,
  host,
}: Place): Promise<{ place: 'data' | 'docker'; path: string; freeBytes: number }[]> {
  const { dataRoot } = await sandbox.status();
  const places = [{ place: 'data' as const, path: host.dataDir }];
  const all = dataRoot === undefined ? places : [...places, { place: 'docker' as const, path: dataRoot }];
  const found = await Promise.all(
    all.map(async ({ place, path }) => {
      // Inside a container the engine's folder is not there, and another user may not look.
      const space = await statfs(path).catch(() => null);
      return space === null ? [] : [{ place, path, freeBytes: space.bavail * space.bsize }];
    }),
  );
  return found.flat();
}
