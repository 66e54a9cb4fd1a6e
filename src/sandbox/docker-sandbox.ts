import type { Clock } from '../clock.ts';
import { MillwrightError } from '../errors.ts';
import { putEntries } from './archive.ts';
import { type ImageFacts, localImage } from './base-image.ts';
import { CheckoutImages } from './checkout-image.ts';
import { ownLabels } from './container-options.ts';
import { DiskQuota } from './disk-quota.ts';
import { connectDocker, type DockerAddress, type SandboxLog } from './docker-client.ts';
import type { EgressWall } from './egress.ts';
import type { EngineParts } from './engine-parts.ts';
import { engineStatus } from './engine-status.ts';
import { withoutFiles } from './flat-image.ts';
import { ImageCache } from './image-cache.ts';
import { launch } from './launch.ts';
import { LayerReader } from './layer-reader.ts';
import { OomEvents } from './oom-events.ts';
import { cannotDelete, deletionScripts, overlayEntries, removalsOf } from './overlay.ts';
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
    open: (request) => openSandbox(parts, cache, request),
    reap: (filter) => reapContainers(docker, instance, filter),
    evict: (maxBytes, age) => cache.evict(maxBytes, age),
    releaseImages: (run) => cache.release(run),
  };
}

async function openSandbox(parts: EngineParts, cache: ImageCache, request: OpenRequest): Promise<Sandbox> {
  if (request.signal?.aborted) throw new MillwrightError('run.cancelled');
  const image = await preparedImage(parts, request.image);
  const sandbox = await startOn(parts, request, image);
  let deleted = false;
  try {
    deleted = await deleteInside(sandbox, request);
    if (request.signal?.aborted) throw new MillwrightError('run.cancelled');
  } catch (error) {
    await sandbox[Symbol.asyncDispose]();
    throw error;
  }
  if (deleted) return sandbox;
  await sandbox[Symbol.asyncDispose]();
  const removals = removalsOf(request.overlay);
  const without = await withoutFiles(parts, cache, image, removals, ownLabels({ ...request, ...parts }));
  return startOn(parts, request, without, removals.gone);
}

async function preparedImage({ docker }: EngineParts, reference: string): Promise<ImageFacts> {
  const image = await localImage(docker, reference);
  if (!image) throw new MillwrightError('outside.sandbox', { message: `the prepared image ${reference} is gone` });
  if (image.volumes.length > 0) {
    throw new MillwrightError('bug.unexpected', {
      message: 'a container is only opened from a prepared image, which has no volumes',
    });
  }
  return image;
}

const startOn = (parts: EngineParts, request: OpenRequest, image: ImageFacts, absent: readonly string[] = []) =>
  launch(parts, {
    ...request,
    image: image.id,
    imageEnv: image.env,
    absent,
    env: { ...request.env, ...request.secrets },
    fill: (container) => putEntries(container, workdir, overlayEntries(request.overlay)),
  });

/** False where the image has nothing to delete with. */
async function deleteInside(sandbox: Sandbox, { overlay }: OpenRequest): Promise<boolean> {
  for (const command of deletionScripts(overlay)) {
    const { exitCode, stderr } = await sandbox.run({ command, timeoutMs: 60_000 });
    if (exitCode === cannotDelete) return false;
    if (exitCode !== 0)
      throw new MillwrightError('outside.sandbox', { message: `files could not be deleted: ${stderr.text}` });
  }
  return true;
}
