import type { Readable } from 'node:stream';
import { dropped } from './archive-filter.ts';
import type { ImageFacts } from './base-image.ts';
import { labels } from './container-options.ts';
import { engineCall } from './docker-client.ts';
import type { EngineParts } from './engine-parts.ts';
import { cacheKey, type ImageCache } from './image-cache.ts';
import { workdir } from './shell-script.ts';

/**
 * An image without VOLUMEs: an anonymous volume would hide what lies under it from commits and escape the disk limit,
 * and no option at create can drop it. Such an image is flattened once (export, import), its environment kept.
 * `marks` label the container that is needed meanwhile, so that the reaper finds it after a crash.
 */
export async function withoutVolumes(
  parts: EngineParts,
  cache: ImageCache,
  image: ImageFacts,
  marks: Record<string, string>,
): Promise<ImageFacts> {
  if (image.volumes.length === 0) return image;
  return flatten(parts, cache, image, { key: cacheKey([image.id]), marks, changes: [] });
}

/**
 * An image without some files of its work tree, and without the folders that this leaves empty: for images that hold no program to delete
 * with. Serves one run, until its images are released.
 */
export async function withoutFiles(
  parts: EngineParts,
  cache: ImageCache,
  image: ImageFacts,
  { gone, emptied }: { gone: readonly string[]; emptied: readonly string[] },
  marks: Record<string, string>,
): Promise<ImageFacts> {
  const inImage = (path: string) => `${workdir.slice(1)}/${path}`;
  return flatten(parts, cache, image, {
    key: cacheKey([image.id, gone]),
    marks,
    changes: [`LABEL ${labels.private}=${JSON.stringify(marks[labels.run] ?? '')}`],
    filter: (files) => dropped(files, new Set(gone.map(inImage)), new Set(emptied.map(inImage))),
  });
}

interface Flattening {
  key: string;
  marks: Record<string, string>;
  /** Dockerfile lines beside those that keep the environment. */
  changes: readonly string[];
  filter?: (files: Readable) => Readable;
}

async function flatten(
  { docker, instance }: EngineParts,
  cache: ImageCache,
  image: ImageFacts,
  { key, marks, changes, filter = (files) => files }: Flattening,
): Promise<ImageFacts> {
  const known = await cache.find('flat', key);
  if (known) return known;
  const container = await engineCall(
    'create a container to flatten',
    docker.createContainer({ Image: image.id, Entrypoint: ['/bin/sh'], Labels: marks }),
  );
  try {
    const files = (await engineCall('export the image', container.export())) as Readable;
    const env = image.env.map(
      (line) => `ENV ${line.slice(0, line.indexOf('='))}=${JSON.stringify(line.slice(line.indexOf('=') + 1))}`,
    );
    const lines = [`LABEL ${labels.instance}=${instance}`, ...env, ...changes];
    return await cache.keepFiles(filter(files), 'flat', key, lines);
  } finally {
    await engineCall('remove a flattened container', container.remove({ force: true, v: true }));
  }
}
