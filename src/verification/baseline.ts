import { createHash } from 'node:crypto';
import type { Walls } from '../contract/walls.ts';
import type { Execution, Job } from './execute.ts';

/** Results of base, kept across rounds and runs: base does not change, only its flakes do. */
export interface BaselineCache {
  get(key: string): Promise<Execution | null>;
  put(key: string, execution: Execution): Promise<void>;
}

/** Everything that a base result hangs on: commit, image, set-up, walls of the container and the job itself. `turn` tells a first run from the second. */
export function baselineKey(
  repository: string,
  base: string,
  walls: Pick<Walls, 'image' | 'setup' | 'network' | 'secrets' | 'limits' | 'runtime'>,
  job: Job,
  turn: 'first' | 'again',
): string {
  const { memoryBytes, cpus, pids, diskBytes, outputBytes } = walls.limits;
  const facts = [
    repository,
    base,
    walls.image,
    walls.setup,
    walls.network,
    walls.secrets,
    walls.runtime,
    [memoryBytes, cpus, pids, diskBytes, outputBytes],
    job,
    turn,
  ];
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex');
}

/** An execution is at most some 100 KB. */
const mostKept = 500;

/** Keeps the latest results of this process. */
export function memoryBaselineCache(): BaselineCache {
  const kept = new Map<string, Execution>();
  return {
    get: async (key) => kept.get(key) ?? null,
    put: async (key, execution) => {
      kept.set(key, execution);
      // A map remembers the order of insertion: the oldest goes.
      for (const oldest of kept.keys()) {
        if (kept.size <= mostKept) break;
        kept.delete(oldest);
      }
    },
  };
}
