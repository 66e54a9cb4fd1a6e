import { createHash } from 'node:crypto';
import type { Container } from 'dockerode';
import { type ImageFacts, localImage } from './base-image.ts';
import { labels } from './container-options.ts';
import { engineCall, engineLookup, statusOf } from './docker-client.ts';
import type { EngineParts } from './engine-parts.ts';
import type { EvictAges } from './sandbox.ts';

export type CacheKind = 'checkout' | 'setup' | 'flat';

/** A key for what an image was made from. */
export function cacheKey(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

/** The engine removes no image that another was made from, and lists those of one second in any order. */
export function childrenFirst<T extends Pick<ImageFacts, 'id' | 'parent'>>(images: readonly T[]): T[] {
  const parents = new Set(images.map(({ parent }) => parent));
  const children = images.filter(({ id }) => !parents.has(id));
  // No circle is possible, but an endless loop would be.
  if (children.length === 0) return [...images];
  return [...children, ...childrenFirst(images.filter(({ id }) => parents.has(id)))];
}

/** The images of one instance, found by name and checked by label; their last use is kept by the engine as the time of tagging. */
export class ImageCache {
  readonly #parts: EngineParts;

  constructor(parts: EngineParts) {
    this.#parts = parts;
  }

  /** Local name of the image with that key. */
  reference(kind: CacheKind, key: string): string {
    const { repo, tag } = this.#names(kind, key);
    return `${repo}:${tag}`;
  }

  /** The image with that key, its use noted; undefined when it was not made yet. */
  async find(kind: CacheKind, key: string): Promise<ImageFacts | undefined> {
    const { docker, instance } = this.#parts;
    const facts = await localImage(docker, this.reference(kind, key));
    if (!facts || facts.labels[labels[kind]] !== key || facts.labels[labels.instance] !== instance) return undefined;
    await engineLookup('note the use of an image', docker.getImage(facts.id).tag(this.#names(kind, key)));
    return facts;
  }

  /** Keeps a container's files as the image with that key. The container's processes must have been ended. */
  async keep(container: Container, kind: CacheKind, key: string, privateTo: string | undefined): Promise<ImageFacts> {
    const changes = [`LABEL ${labels[kind]}=${key}`];
    if (privateTo !== undefined) changes.push(`LABEL ${labels.private}=${JSON.stringify(privateTo)}`);
    const timeoutMs = 15 * 60_000;
    // Without a pause: one that met a starting exec once hung the engine.
    const options = { ...this.#names(kind, key), pause: false, changes };
    await engineCall('keep an image', container.commit(options), timeoutMs);
    return this.#made(kind, key);
  }

  /** Keeps files (a tar) as the image with that key; `changes` are Dockerfile lines. */
  async keepFiles(files: NodeJS.ReadableStream, kind: CacheKind, key: string, changes: string[]): Promise<ImageFacts> {
    const { docker } = this.#parts;
    const options = { ...this.#names(kind, key), changes: [...changes, `LABEL ${labels[kind]}=${key}`] };
    const progress = await engineCall('import an image', docker.importImage(files, options), 15 * 60_000);
    await new Promise<void>((resolve, reject) =>
      docker.modem.followProgress(progress, (error) => (error ? reject(error) : resolve())),
    );
    return this.#made(kind, key);
  }

  async #made(kind: CacheKind, key: string): Promise<ImageFacts> {
    const facts = await localImage(this.#parts.docker, this.reference(kind, key));
    if (!facts) throw new Error(`the image ${this.reference(kind, key)} is gone right after it was made`);
    return facts;
  }

  /** Removes the images that only this run may use; returns how many. */
  async release(run: string): Promise<number> {
    const images = await this.#list([`${labels.private}=${run}`]);
    return this.#removeAll(images.map(({ facts }) => facts));
  }

  /** See `SandboxEngine.evict`. */
  async evict(maxBytes: number, age: EvictAges = {}): Promise<number> {
    const { unusedForMs = Number.POSITIVE_INFINITY, keepUsedForMs = 0 } = age;
    const nowMs = this.#parts.clock.nowMs();
    const images = (await this.#list([])).sort((a, b) => b.facts.lastTaggedMs - a.facts.lastTaggedMs);
    let keptBytes = 0;
    const surplus = images.filter(({ facts, ownBytes }) => {
      keptBytes += ownBytes;
      const idleMs = nowMs - facts.lastTaggedMs;
      return idleMs >= keepUsedForMs && (keptBytes > maxBytes || idleMs > unusedForMs);
    });
    return this.#removeAll(surplus.map(({ facts }) => facts));
  }

  async #list(filters: readonly string[]): Promise<{ facts: ImageFacts; ownBytes: number }[]> {
    const { docker, instance } = this.#parts;
    const label = [`${labels.instance}=${instance}`, ...filters];
    const listed = await engineCall('list images', docker.listImages({ filters: { label } }));
    const images = await Promise.all(listed.map(({ Id }) => localImage(docker, Id)));
    return Promise.all(
      images
        .filter((facts) => facts !== undefined)
        .map(async (facts) => {
          const parent = facts.parent ? await localImage(docker, facts.parent) : undefined;
          return { facts, ownBytes: facts.sizeBytes - (parent?.sizeBytes ?? 0) };
        }),
    );
  }

  /** An image that a container uses stays; the engine itself refuses to remove it. */
  async #removeAll(images: readonly ImageFacts[]): Promise<number> {
    let removed = 0;
    for (const { id } of childrenFirst(images)) {
      const kept = await engineCall(
        'remove an image',
        this.#parts.docker
          .getImage(id)
          .remove({ force: false })
          .then(() => false)
          .catch((error: unknown) => {
            if (statusOf(error) === 409 || statusOf(error) === 404) return true;
            throw error;
          }),
      );
      if (!kept) removed += 1;
    }
    return removed;
  }

  #names(kind: CacheKind, key: string): { repo: string; tag: string } {
    const owner = createHash('sha256').update(this.#parts.instance).digest('hex').slice(0, 12);
    return { repo: `millwright-${owner}/${kind}`, tag: key.slice(0, 40) };
  }
}
