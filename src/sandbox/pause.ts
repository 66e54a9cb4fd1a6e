import type { Container } from 'dockerode';
import type { Clock } from '../clock.ts';
import { engineCall, statusOf } from './docker-client.ts';

/** The kernel's freezer of cgroup 1 may find no quiet moment on a busy machine; runc then thaws the container and refuses. */
const tries = 4;
const betweenTriesMs = 100;

/** Pauses a container. Rejects with `outside.sandbox` when it does not hold still. */
export async function pauseContainer(container: Pick<Container, 'pause'>, clock: Clock): Promise<void> {
  for (let left = tries - 1; ; left -= 1) {
    try {
      await engineCall('pause the container', container.pause());
      return;
    } catch (error) {
      const busy = statusOf((error as Error).cause) === 500 && (error as Error).message.includes('unable to freeze');
      if (!busy || left === 0) throw error;
      await clock.sleep(betweenTriesMs);
    }
  }
}
