import type { Container } from 'dockerode';
import { inOrder } from '../in-order.ts';
import { pathFacts } from './archive.ts';
import type { LayerEntry } from './layer-reader.ts';
import type { ChangeLimits, ContainerChange } from './sandbox.ts';
import { workdir } from './shell-script.ts';

/** Folders that are looked at for having been replaced; more than that, and the engine's walk is no slower. */
const maxLooks = 200;
const looksAtOnce = 8;

/** Names that no image holds: its layers read them as deletions. */
const layerMark = /(?:^|\/)\.wh\./;

/**
 * What a container's layer means against the files that its image holds (`base`). Null where the layer alone does not decide: it holds
 * copies of files that were opened for writing and left as they are, so whoever counts or weighs has to ask the engine.
 */
export async function changesOfLayer(
  container: Container,
  layer: ReadonlyMap<string, LayerEntry>,
  base: readonly string[],
  limits: ChangeLimits,
): Promise<ContainerChange[] | null> {
  const listed = [...layer].filter(([, { kind }]) => kind !== 'folder');
  const ignored = limits.ignored ? await limits.ignored(listed.map(([path]) => path)) : new Set<string>();
  const kept = listed.filter(([path]) => !ignored.has(path));
  if (!fits(kept, limits)) return null;
  const replaced = await replacedFolders(container, layer, base);
  if (!replaced) return null;
  const files = new Set(base);
  const folders = [...layer].filter(([path, { kind }]) => kind === 'folder' && files.has(path));
  const deleted = [
    ...folders.map(([path]) => path),
    ...kept.filter(([, { kind }]) => kind === 'gone').map(([path]) => path),
  ];
  const changes = kept.flatMap(([path, entry]) => toChange(path, entry));
  return [...deleted.map((path) => ({ kind: 'deleted' as const, path })), ...replaced, ...changes];
}

function fits(kept: readonly (readonly [string, LayerEntry])[], limits: ChangeLimits): boolean {
  const present = kept.filter(([, { kind }]) => kind !== 'gone');
  const sizes = present.map(([, entry]) => (entry.kind === 'file' ? entry.sizeBytes : 0));
  return (
    present.length <= limits.maxFiles &&
    sizes.every((bytes) => bytes <= limits.maxFileBytes) &&
    sizes.reduce((sum, bytes) => sum + bytes, 0) <= limits.maxTotalBytes &&
    present.every(([, entry]) => entry.kind !== 'file' || entry.bytes !== null)
  );
}

function toChange(path: string, entry: LayerEntry): ContainerChange[] {
  if (entry.kind === 'gone' || entry.kind === 'folder') return [];
  if (path.includes('\ufffd')) return [{ kind: 'odd', path, what: 'its name is not valid UTF-8' }];
  if (entry.kind === 'file') return [{ kind: 'file', path, bytes: entry.bytes ?? Buffer.alloc(0), mode: entry.mode }];
  if (entry.kind === 'other') return [{ kind: 'odd', path, what: entry.what }];
  if (entry.target.includes('\ufffd')) return [{ kind: 'odd', path, what: 'its link target is not valid UTF-8' }];
  return [{ kind: 'symlink', path, target: entry.target }];
}

/**
 * A folder that was removed and made anew hides what the image holds below it, by a mark that no archive shows. So for each written folder
 * one child that the image has, and that nobody wrote, is looked for in the container itself: if it is not there, none is.
 */
async function replacedFolders(
  container: Container,
  layer: ReadonlyMap<string, LayerEntry>,
  base: readonly string[],
): Promise<ContainerChange[] | null> {
  const samples = [...sampleChildren(layer, base)];
  if (samples.length > maxLooks) return null;
  const found: ContainerChange[] = [];
  const facts = await inOrder(samples, looksAtOnce, ([, child]) => pathFacts(container, `${workdir}/${child}`));
  for (const [index, [folder, child]] of samples.entries()) {
    const fact = facts[index];
    if (!fact) found.push({ kind: 'deleted', path: folder });
    else if (fact.kind === 'other') found.push({ kind: 'odd', path: child, what: fact.what });
  }
  return found.sort((a, b) => Number(a.kind === 'odd') - Number(b.kind === 'odd'));
}

/** Written folder → one path right below it that the image holds and that was not written. */
function sampleChildren(layer: ReadonlyMap<string, LayerEntry>, base: readonly string[]): Map<string, string> {
  const samples = new Map<string, string>();
  for (const path of base) {
    // A name that cannot be said cannot be asked for, and one that no image holds is not there.
    if (layer.has(path) || path.includes('\ufffd') || layerMark.test(path)) continue;
    let child = path;
    let folder = parentOf(path);
    while (folder !== '.' && !layer.has(folder)) {
      child = folder;
      folder = parentOf(folder);
    }
    if (layer.get(folder)?.kind === 'folder' && !samples.has(folder)) samples.set(folder, child);
  }
  return samples;
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '.' : path.slice(0, slash);
}
