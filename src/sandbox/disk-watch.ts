import type { Container } from 'dockerode';

const pollMs = 500;

/** What was seen of a container's layer so far, over all its commands. */
export interface DiskMemory {
  lastBytes: number;
}

/**
 * Asks the engine for the size of the container's layer each half second (less often where asking is slow: 90 ms at 40,000 files)
 * and raises the alarm once when it is past the limit and grows: a command that makes room, or writes nothing, may take its time.
 * Where the engine has quotas, `disk-quota.ts` sets one as well.
 */
export function watchDisk(
  container: Container,
  maxBytes: number,
  memory: DiskMemory,
  alarm: () => void,
): { stop(): void } {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  const wait = (delayMs: number) => {
    if (!stopped) timer = setTimeout(() => void look(), delayMs);
  };
  const look = async () => {
    const startedMs = performance.now();
    const size = await layerBytes(container);
    const grows = size > memory.lastBytes;
    memory.lastBytes = size;
    if (size > maxBytes && grows && !stopped) {
      // The command writes on until it is ended: how far, the next one's first look tells.
      memory.lastBytes = Number.POSITIVE_INFINITY;
      alarm();
    } else wait(Math.max(pollMs, 5 * (performance.now() - startedMs)));
  };
  wait(pollMs);
  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

/** Bytes written over the image; 0 when the engine does not answer, for then the command itself will find out. */
async function layerBytes(container: Container): Promise<number> {
  const [facts] = await Promise.allSettled([
    container.inspect({ size: true } as object) as Promise<{ SizeRw?: number }>,
  ]);
  return facts.status === 'fulfilled' ? (facts.value.SizeRw ?? 0) : 0;
}
