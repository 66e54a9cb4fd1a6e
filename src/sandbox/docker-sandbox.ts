import type { Clock } from '../clock.ts';
import { MillwrightError } from '../errors.ts';
import { putEntries } from './archive.ts';
import { localImage } from './base-image.ts';
import { CheckoutImages } from './checkout-image.ts';
import { DiskQuota } from './disk-quota.ts';
import { connectDocker, type DockerAddress, type SandboxLog } from './docker-client.ts';
import type { EgressWall } from './egress.ts';
import type { EngineParts } from './engine-parts.ts';
import { engineStatus } from './engine-status.ts';
import { ImageCache } from './image-cache.ts';
import { launch } from './launch.ts';
import { LayerReader } from './layer-reader.ts';
import { OomEvents } from './oom-events.ts';
import { deletionScripts, overlayEntries } from './overlay.ts';
import { reapContainers } from './reaper.ts';
import type { OpenRequest, Sandbox, SandboxEngine } from './sandbox.ts';
import { workdir } from './shell-script.ts';

export interface DockerEngineOptions {
  /** Where Docker listens; see `parseDockerHost`. Default: its usual socket. */
  docker?: DockerAddress;
  /** Names this installation: containers and images of others on the same Docker are never touched. */
  instance: string;
  clock: Clock;
  log: SandboxLog;
  /** Absent: a request for network is refused, never granted openly. */
  egress?: EgressWall;
  /** Longest time for pulling an image that is not here. Default ten minutes. */
  pullTimeoutMs?: number;
}

export function createDockerEngine(options: DockerEngineOptions): SandboxEngine {
  const docker = connectDocker(options.docker ?? {});
  const { instance, clock, log, egress } = options;
  const oomEvents = new OomEvents(docker, instance, log);
  const pullTimeoutMs = options.pullTimeoutMs ?? 10 * 60_000;
  const quota = new DiskQuota(docker, log);
  const layers = new LayerReader(docker, log);
  const parts: EngineParts = { docker, instance, clock, log, egress, oomEvents, layers, quota, pullTimeoutMs };
  const cache = new ImageCache(parts);
  const checkouts = new CheckoutImages(parts, cache);
  return {
    status: () => engineStatus(docker, options.docker?.host === undefined),
    prepare: (request) => checkouts.prepare(request),
    open: (request) => openSandbox(parts, request),
    reap: (filter) => reapContainers(docker, instance, filter),
    evict: (maxBytes, age) => cache.evict(maxBytes, age),
    releaseImages: (run) => cache.release(run),
  };
}

async function openSandbox(parts: EngineParts, request: OpenRequest): Promise<Sandbox> {
  if (request.signal?.aborted) throw new MillwrightError('run.cancelled');
  const image = await localImage(parts.docker, request.image);
  if (!image) throw new MillwrightError('outside.sandbox', { message: `the prepared image ${request.image} is gone` });
  if (image.volumes.length > 0) {
    throw new MillwrightError('bug.unexpected', {
      message: 'a container is only opened from a prepared image, which has no volumes',
    });
  }
  const sandbox = await launch(parts, {
    ...request,
    imageEnv: image.env,
    env: { ...request.env, ...request.secrets },
    fill: (container) => putEntries(container, workdir, overlayEntries(request.overlay)),
  });
  try {
    for (const command of deletionScripts(request.overlay)) {
      const { exitCode, stderr } = await sandbox.run({ command, timeoutMs: 60_000 });
      if (exitCode !== 0)
        throw new MillwrightError('outside.sandbox', { message: `files could not be deleted: ${stderr.text}` });
    }
    if (request.signal?.aborted) throw new MillwrightError('run.cancelled');
    return sandbox;
  } catch (error) {
    await sandbox[Symbol.asyncDispose]();
    throw error;
  }
}
