import type { ImageFacts } from './base-image.ts';
import { labels } from './container-options.ts';
import { engineCall } from './docker-client.ts';
import type { EngineParts } from './engine-parts.ts';
import { cacheKey, type ImageCache } from './image-cache.ts';

/**
 * An image without VOLUMEs: an anonymous volume would hide what lies under it from commits and escape the disk limit,
 * and no option at create can drop it. Such an image is flattened once (export, import), its environment kept.
 * `marks` label the container that is needed meanwhile, so that the reaper finds it after a crash.
 */
export async function withoutVolumes(
  { docker, instance }: EngineParts,
  cache: ImageCache,
  image: ImageFacts,
  marks: Record<string, string>,
): Promise<ImageFacts> {
  if (image.volumes.length === 0) return image;
  const key = cacheKey([image.id]);
  const known = await cache.find('flat', key);
  if (known) return known;
  const container = await engineCall(
    'create a container to flatten',
    docker.createContainer({ Image: image.id, Entrypoint: ['/bin/sh'], Labels: marks }),
  );
  try {
    const files = await engineCall('export the image', container.export());
    const env = image.env.map(
      (line) => `ENV ${line.slice(0, line.indexOf('='))}=${JSON.stringify(line.slice(line.indexOf('=') + 1))}`,
    );
    return await cache.keepFiles(files, 'flat', key, [`LABEL ${labels.instance}=${instance}`, ...env]);
  } finally {
    await engineCall('remove a flattened container', container.remove({ force: true, v: true }));
  }
}
