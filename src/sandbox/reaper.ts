import type Docker from 'dockerode';
import { labels } from './container-options.ts';
import { engineCall, statusOf } from './docker-client.ts';
import type { ReapFilter } from './sandbox.ts';

/** Removes a container and its anonymous volumes, whatever state it is in. One that is gone, or going, is fine. */
export async function removeContainer(container: Docker.Container): Promise<void> {
  await engineCall(
    'remove the container',
    container.remove({ force: true, v: true }).catch((error: unknown) => {
      const status = statusOf(error);
      if (status !== 404 && status !== 409) throw error;
    }),
  );
}

/** Removes this instance's containers that match; another instance's are never listed. Rejects with `outside.sandbox`. */
export async function reapContainers(docker: Docker, instance: string, filter: ReapFilter): Promise<number> {
  const wanted = [`${labels.instance}=${instance}`];
  if (filter.run !== undefined) wanted.push(`${labels.run}=${filter.run}`);
  const found = await engineCall('list containers', docker.listContainers({ all: true, filters: { label: wanted } }));
  const matching = found.filter(({ Labels }) => {
    const run = Labels[labels.run] ?? '';
    if (filter.exceptRuns?.includes(run)) return false;
    return filter.expiredAtMs === undefined || Number(Labels[labels.deadline] ?? 0) <= filter.expiredAtMs;
  });
  await Promise.all(matching.map(({ Id }) => removeContainer(docker.getContainer(Id))));
  return matching.length;
}
