import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import type { MillwrightError } from '../errors.ts';
import { labels } from './container-options.ts';
import { engineCall, statusOf } from './docker-client.ts';
import type { ReapFilter } from './sandbox.ts';

/** A removal kills processes, unmounts and deletes files: a busy engine needs minutes where its other answers come at once. */
const removalMs = 5 * 60_000;
const betweenLooksMs = 100;

/**
 * Removes a container and its anonymous volumes, whatever state it is in; it is gone when this resolves, also where somebody else is
 * removing it or has done so. Rejects with `outside.sandbox` or `outside.no-engine`.
 */
export async function removeContainer(
  container: Pick<Docker.Container, 'remove'>,
  deadlineMs = removalMs,
): Promise<void> {
  const endsAtMs = performance.now() + deadlineMs;
  for (;;) {
    try {
      const leftMs = Math.max(0, endsAtMs - performance.now());
      await engineCall('remove the container', container.remove({ force: true, v: true }), leftMs);
      return;
    } catch (error) {
      const status = statusOf((error as MillwrightError).cause);
      if (status === 404) return;
      // Another removal is under way. Its end is waited for: until then the name is taken.
      if (status !== 409 || performance.now() + betweenLooksMs > endsAtMs) throw error;
      await sleep(betweenLooksMs);
    }
  }
}

/**
 * Removes this instance's containers that match, all at once; another instance's are never listed, and those that are being removed
 * already are left to whoever does it. Rejects with `outside.sandbox`.
 */
export async function reapContainers(docker: Docker, instance: string, filter: ReapFilter): Promise<number> {
  const wanted = [`${labels.instance}=${instance}`];
  if (filter.run !== undefined) wanted.push(`${labels.run}=${filter.run}`);
  const found = await engineCall('list containers', docker.listContainers({ all: true, filters: { label: wanted } }));
  const matching = found.filter(({ Labels, State }) => {
    if (State === 'removing') return false;
    const run = Labels[labels.run] ?? '';
    if (filter.exceptRuns?.includes(run)) return false;
    return filter.expiredAtMs === undefined || Number(Labels[labels.deadline] ?? 0) <= filter.expiredAtMs;
  });
  await Promise.all(matching.map(({ Id }) => removeContainer(docker.getContainer(Id))));
  return matching.length;
}
