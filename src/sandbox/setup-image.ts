import { randomUUID } from 'node:crypto';
import { MillwrightError } from '../errors.ts';
import { putFiles, putWorkFolders } from './archive.ts';
import type { ImageFacts } from './base-image.ts';
import type { EngineParts } from './engine-parts.ts';
import { cacheKey, type ImageCache } from './image-cache.ts';
import { launch } from './launch.ts';
import type { CommandResult, PrepareRequest, SetupRequest } from './sandbox.ts';
import { workdir } from './shell-script.ts';

/** Key of a set-up's image. One that is not shared is bound to its run (to this call, when the run is not named). */
export function setupKey(request: PrepareRequest, setup: SetupRequest, base: ImageFacts): string {
  const owner = setup.shared ? 'shared' : (request.run ?? randomUUID());
  return cacheKey([request.repository, base.id, setup.command, isRoot(setup), setup.inputsHash, owner]);
}

/** A set-up whose inputs came with a patch never runs as root. */
const isRoot = (setup: SetupRequest) => setup.root && setup.shared;

/** Time added to the set-up's own limit before the reaper may take its container. */
const reaperMarginMs = 10 * 60_000;

/** Runs the set-up over its declared inputs alone and keeps the result. Errors: `request.setup-failed`, `run.cancelled`, `outside.sandbox`. */
export async function makeSetupImage(
  parts: EngineParts,
  cache: ImageCache,
  request: PrepareRequest,
  setup: SetupRequest,
  base: ImageFacts,
  key: string,
  signal: AbortSignal,
): Promise<ImageFacts> {
  await using sandbox = await launch(parts, {
    run: request.run ?? 'prepare',
    purpose: `setup-${key.slice(0, 16)}`,
    epoch: 0,
    image: base.id,
    imageEnv: base.env,
    limits: request.limits,
    deadlineMs: parts.clock.nowMs() + setup.timeoutMs + reaperMarginMs,
    runtime: request.runtime,
    setup: { root: isRoot(setup) },
    network: { ...setup.network, hosts: setup.hosts },
    env: {},
    fill: async (container) => {
      await putWorkFolders(container);
      await putFiles(container, await setup.inputs(), request.limits.diskBytes);
    },
  });
  const result = await sandbox.run({ command: setup.command, timeoutMs: setup.timeoutMs, isolated: true, signal });
  if (result.end === 'cancelled') throw new MillwrightError('run.cancelled');
  if (result.end !== 'exited' || result.exitCode !== 0) {
    throw new MillwrightError('request.setup-failed', { detail: describeFailure(setup, result) });
  }
  const owned = isRoot(setup) ? `chown -R 1000:1000 ${workdir} /home/agent; ` : '';
  await sandbox.run({
    command: `${owned}rm -rf /tmp/* /tmp/.[!.]*; :`,
    timeoutMs: setup.timeoutMs,
    isolated: true,
    signal,
  });
  // Awaited here: the container is removed on return.
  return await sandbox.alone((container) =>
    cache.keep(container, 'setup', key, setup.shared ? undefined : request.run),
  );
}

function describeFailure(setup: SetupRequest, result: CommandResult): string {
  const how = result.end === 'exited' ? `exit code ${result.exitCode}` : result.end;
  const output = [result.stdout.text, result.stderr.text].filter((text) => text.trim() !== '').join('\n');
  return `$ ${setup.command}\n(${how}, ${Math.round(result.durationMs / 1000)} s)\n${output.slice(-8_000)}`;
}
