import type Docker from 'dockerode';
import { MillwrightError } from '../errors.ts';
import { engineLookup } from './docker-client.ts';

/** What of a local image matters here. */
export interface ImageFacts {
  id: string;
  env: readonly string[];
  labels: Readonly<Record<string, string>>;
  volumes: readonly string[];
  sizeBytes: number;
  parent: string;
  /** When it was last tagged: the engine's own record of last use. */
  lastTaggedMs: number;
}

/** The characters of an image reference; it becomes part of an engine address. */
const reference = /^[a-zA-Z0-9][a-zA-Z0-9._/:@-]{0,254}$/;

/** Facts about an image that is here, or undefined. */
export async function localImage(docker: Docker, image: string): Promise<ImageFacts | undefined> {
  if (!reference.test(image) || image.includes('..')) {
    throw new MillwrightError('request.image-refused', { detail: `\`${image.slice(0, 100)}\` is no image reference` });
  }
  const facts = await engineLookup('look at the image', docker.getImage(image).inspect());
  if (!facts) return undefined;
  const metadata = (facts as { Metadata?: { LastTagTime?: string } }).Metadata;
  return {
    id: facts.Id,
    env: facts.Config?.Env ?? [],
    labels: facts.Config?.Labels ?? {},
    volumes: Object.keys(facts.Config?.Volumes ?? {}),
    sizeBytes: facts.Size,
    parent: facts.Parent,
    lastTaggedMs: Date.parse(metadata?.LastTagTime ?? '') || 0,
  };
}

/** Whether an image was made by this app: it may hold another repository's private source. */
export function isOwnImage(facts: ImageFacts): boolean {
  return Object.keys(facts.labels).some((name) => name.startsWith('millwright.'));
}

/** The policy's image, pulled when it is not here. Errors: `request.image-unknown`, `request.image-refused`, `outside.sandbox`. */
export async function policyImage(docker: Docker, image: string, pullTimeoutMs: number): Promise<ImageFacts> {
  let facts = await localImage(docker, image);
  if (!facts) {
    await pull(docker, image, pullTimeoutMs);
    facts = await localImage(docker, image);
  }
  if (!facts) throw new MillwrightError('request.image-unknown', { detail: `\`${image}\` is not on the sandbox host` });
  if (isOwnImage(facts)) {
    throw new MillwrightError('request.image-refused', {
      detail: `\`${image}\` was made by this app from a repository`,
    });
  }
  return facts;
}

async function pull(docker: Docker, image: string, timeoutMs: number): Promise<void> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const progress = await docker.pull(image.includes('@') || /:[^/]+$/.test(image) ? image : `${image}:latest`, {
      abortSignal: signal,
    });
    await new Promise<void>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(new Error(`not pulled in ${timeoutMs} ms`)));
      docker.modem.followProgress(progress, (error) => (error ? reject(error) : resolve()));
    });
  } catch (error) {
    const code = (error as { code?: string }).code;
    if (code === 'ECONNREFUSED' || code === 'ENOENT') throw new MillwrightError('outside.no-engine', { cause: error });
    throw new MillwrightError('request.image-unknown', {
      detail: `\`${image}\` is not on the sandbox host and could not be pulled`,
      cause: error,
    });
  }
}
