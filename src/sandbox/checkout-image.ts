import { putFiles, putWorkFolders } from './archive.ts';
import { type ImageFacts, policyImage } from './base-image.ts';
import { labels } from './container-options.ts';
import type { EngineParts } from './engine-parts.ts';
import { withoutVolumes } from './flat-image.ts';
import { cacheKey, type ImageCache } from './image-cache.ts';
import { createContainer } from './launch.ts';
import { removeContainer } from './reaper.ts';
import type { PreparedCheckout, PrepareRequest } from './sandbox.ts';
import { makeSetupImage, setupKey } from './setup-image.ts';
import { SharedWork } from './shared-work.ts';

/** How long making an image may take before the reaper may take its container. */
const makingMs = 30 * 60_000;

/** Base image → set-up image → checkout image, each made once per key and kept. */
export class CheckoutImages {
  readonly #parts: EngineParts;
  readonly #cache: ImageCache;
  readonly #making = new SharedWork<ImageFacts>();

  constructor(parts: EngineParts, cache: ImageCache) {
    this.#parts = parts;
    this.#cache = cache;
  }

  async prepare(request: PrepareRequest): Promise<PreparedCheckout> {
    const base = await this.#base(request);
    const { setup } = request;
    const setupPart = setup ? setupKey(request, setup, base) : null;
    const key = cacheKey([request.repository, request.commit, base.id, setupPart]);
    const image = this.#cache.reference('checkout', key);
    if (await this.#cache.find('checkout', key)) return { image, setup: setup ? 'cached' : 'none' };

    let from = base;
    let how: PreparedCheckout['setup'] = 'none';
    if (setup && setupPart) {
      const cached = await this.#cache.find('setup', setupPart);
      how = cached ? 'cached' : 'ran';
      from =
        cached ??
        (await this.#making.join(setupPart, request.signal, (signal) =>
          makeSetupImage(this.#parts, this.#cache, request, setup, base, setupPart, signal),
        ));
    }
    await this.#making.join(key, request.signal, () => this.#makeCheckout(request, from, key));
    return { image, setup: how };
  }

  async #base(request: PrepareRequest): Promise<ImageFacts> {
    const { docker, instance, clock, pullTimeoutMs } = this.#parts;
    const image = await policyImage(docker, request.image, pullTimeoutMs);
    return withoutVolumes(this.#parts, this.#cache, image, {
      [labels.instance]: instance,
      [labels.run]: request.run ?? 'prepare',
      [labels.deadline]: String(clock.nowMs() + makingMs),
    });
  }

  async #makeCheckout(request: PrepareRequest, from: ImageFacts, key: string): Promise<ImageFacts> {
    const container = await createContainer(this.#parts, {
      instance: this.#parts.instance,
      run: request.run ?? 'prepare',
      purpose: `checkout-${key.slice(0, 16)}`,
      epoch: 0,
      image: from.id,
      imageEnv: from.env,
      limits: request.limits,
      deadlineMs: this.#parts.clock.nowMs() + makingMs,
      hasNetwork: false,
    });
    try {
      await putWorkFolders(container);
      await putFiles(container, await request.files(), request.limits.diskBytes);
      const privateTo = request.setup && !request.setup.shared ? request.run : undefined;
      return await this.#cache.keep(container, 'checkout', key, privateTo);
    } finally {
      await removeContainer(container);
    }
  }
}
