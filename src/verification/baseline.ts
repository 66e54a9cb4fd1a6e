import { createHash } from 'node:crypto';
import type { Walls } from '../contract/walls.ts';
import type { Execution, Job } from './execute.ts';
import { lacksSomething } from './lacking.ts';

/** Results of base, kept across rounds and runs: base does not change, only its flakes and what it reaches outside do. */
export interface BaselineCache {
  /** Null when it is not known, or only from longer ago than `maxAgeMs`. */
  get(key: string, maxAgeMs: number): Promise<Execution | null>;
  put(key: string, execution: Execution): Promise<void>;
}

/** Changes whenever an execution is read or told differently, so that older results are not taken for new ones. */
const format = 1;

type BaselineWalls = Pick<Walls, 'image' | 'setup' | 'network' | 'secrets' | 'limits' | 'runtime'>;

/**
 * Everything that a base result hangs on: commit, the image that its containers start from (base image, set-up and files), walls of the
 * container and the job itself. `turn` tells a first run from the second.
 */
export function baselineKey(
  at: { repository: string; base: string; image: string },
  walls: BaselineWalls,
  job: Job,
  turn: 'first' | 'again',
): string {
  const { memoryBytes, cpus, pids, diskBytes, outputBytes } = walls.limits;
  const facts = [
    format,
    at.repository,
    at.base,
    at.image,
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

const hourMs = 60 * 60_000;

/** How long a base result counts: what reaches a service or knows a secret depends on more than on the commit. */
export function baselineAgeMs(walls: Pick<Walls, 'network' | 'secrets'>): number {
  return walls.network.hosts.length + walls.secrets.length > 0 ? hourMs : 7 * 24 * hourMs;
}

/** Only what ended by itself and lacked nothing is base's own: a time-out or a missing service may be over the next time. */
export function isLasting(execution: Execution): boolean {
  return execution.record.end === 'exited' && !lacksSomething(execution);
}
