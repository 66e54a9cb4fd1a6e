import type { Container } from 'dockerode';
import { type ArchiveEntry, type PathFacts, pathFacts, readArchive } from './archive.ts';
import { engineError, statusOf } from './docker-client.ts';
import { changesOfLayer } from './layer-changes.ts';
import type { LayerReader } from './layer-reader.ts';
import type { ChangeLimits, ContainerChange } from './sandbox.ts';
import { workdir } from './shell-script.ts';

/** One file costs 37 ms to fetch alone; from this many on, the folder that holds them all is read instead. */
const readTogetherFrom = 40;
const oneFileMs = 38;

interface Listed {
  path: string;
  deleted: boolean;
  /** Listed for what was deleted below it. The engine does so for a socket in the place of a folder too: it takes one for the other. */
  emptied: boolean;
}

/**
 * What differs from the image under the work tree. The container is paused, so every file is read whole and consistent;
 * nothing inside takes part, so nothing inside can lie about it. Rejects with `outside.sandbox`.
 */
export async function readChanges(
  container: Container,
  limits: ChangeLimits,
  layers: LayerReader,
): Promise<ContainerChange[]> {
  const root = await pathFacts(container, workdir);
  if (root?.kind !== 'directory') return [oddRoot(`the work tree is ${root?.what ?? 'gone'}`)];
  return (await readLayer(container, limits, layers)) ?? walk(container, limits);
}

/** The quick way; null where the engine or what was written does not allow it. */
async function readLayer(
  container: Container,
  limits: ChangeLimits,
  layers: LayerReader,
): Promise<ContainerChange[] | null> {
  if (!limits.base) return null;
  const [base, layer] = await Promise.all([limits.base(), layers.read(container)]);
  if (!layer) return null;
  try {
    return await changesOfLayer(container, layer.entries, base, limits);
  } finally {
    await layer.released;
  }
}

/** The engine's own list of changes: exact everywhere, at the price of a walk through the whole image. */
async function walk(container: Container, limits: ChangeLimits): Promise<ContainerChange[]> {
  const listed = await listChanges(container);
  if (typeof listed === 'string') return [oddRoot(listed)];

  const ignored = limits.ignored ? await limits.ignored(listed.map(({ path }) => path)) : new Set<string>();
  const paths = listed.filter(({ path }) => !ignored.has(path));
  const present = paths.filter(({ deleted, emptied }) => !deleted && !emptied).length;
  if (present > limits.maxFiles)
    return [oddRoot(`${present} changed files are more than the ${limits.maxFiles} allowed`)];
  const base = new Set(await limits.base?.());
  const found = await statAll(container, paths, limits, base);
  const contents = await readContents(container, found.toRead);
  return [...found.deleted, ...found.odd, ...contents];
}

const oddRoot = (what: string): ContainerChange => ({ kind: 'odd', path: '.', what });

/** Changed paths relative to the work tree, without folders that only hold other written ones. A text says why they could not be listed. */
async function listChanges(container: Container): Promise<Listed[] | string> {
  let reply: { Path: string; Kind: number }[];
  try {
    const answer: unknown = await container.changes();
    // An unchanged container answers null, which dockerode hands on as the bytes of that word.
    reply = Array.isArray(answer) ? answer : [];
  } catch (error) {
    // 500 from a living container: the tree itself cannot be walked, such as one deeper than a path may be long.
    if (statusOf(error) === 500) return 'the changed files cannot be listed';
    throw engineError(error, 'list changed files');
  }
  const prefix = `${workdir}/`;
  const listed = reply
    .filter(({ Path }) => Path.startsWith(prefix))
    .map(({ Path, Kind }) => ({ path: Path.slice(prefix.length), deleted: Kind === 2 }))
    .filter(({ path }) => path !== '.git' && !path.startsWith('.git/'));
  const holders = foldersOf(listed.filter(({ deleted }) => !deleted));
  const emptied = foldersOf(listed.filter(({ deleted }) => deleted));
  return listed
    .filter(({ path, deleted }) => deleted || !holders.has(path))
    .map((change) => ({ ...change, emptied: !change.deleted && emptied.has(change.path) }));
}

/** Every folder above one of these paths. */
function foldersOf(listed: readonly { path: string }[]): Set<string> {
  const folders = new Set<string>();
  for (const { path } of listed) {
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) folders.add(path.slice(0, at));
  }
  return folders;
}

interface Found {
  deleted: ContainerChange[];
  odd: ContainerChange[];
  toRead: { path: string; facts: PathFacts }[];
}

/** Looks at each path before any content is fetched: 300 MB or a sparse terabyte is refused in a millisecond. */
async function statAll(
  container: Container,
  listed: readonly Listed[],
  limits: ChangeLimits,
  base: ReadonlySet<string>,
): Promise<Found> {
  const found: Found = { deleted: [], odd: [], toRead: [] };
  let totalBytes = 0;
  const odd = (path: string, what: string) => found.odd.push({ kind: 'odd', path, what });
  for (const { path, deleted } of listed) {
    if (path.includes('\ufffd')) {
      odd(path, 'its name is not valid UTF-8');
      continue;
    }
    // A replaced folder is reported as deleted, then what is in it now.
    if (deleted) found.deleted.push({ kind: 'deleted', path });
    const facts = deleted ? undefined : await pathFacts(container, `${workdir}/${path}`);
    if (!facts) continue;
    if (facts.kind === 'directory') {
      // An empty folder in the place of a file.
      if (!deleted && base.has(path)) found.deleted.push({ kind: 'deleted', path });
    } else if (facts.kind === 'other') odd(path, facts.what);
    else if (facts.sizeBytes > limits.maxFileBytes)
      odd(path, `${facts.sizeBytes} bytes are more than the ${limits.maxFileBytes} allowed`);
    else {
      totalBytes += facts.sizeBytes;
      found.toRead.push({ path, facts });
    }
  }
  if (totalBytes <= limits.maxTotalBytes) return found;
  odd('.', `${totalBytes} changed bytes are more than the ${limits.maxTotalBytes} allowed`);
  return { ...found, toRead: [] };
}

async function readContents(container: Container, toRead: Found['toRead']): Promise<ContainerChange[]> {
  const left = new Map(toRead.map(({ path, facts }) => [path, facts]));
  const contents = new Map<string, ContainerChange>();
  if (left.size > readTogetherFrom) await readTogether(container, left, contents);
  for (const path of left.keys()) contents.set(path, await readOne(container, path));
  return toRead.map(({ path }) => contents.get(path) as ContainerChange);
}

/** Reads the folder that holds all changed files in one archive; gives up when that takes longer than fetching each would. */
async function readTogether(
  container: Container,
  left: Map<string, PathFacts>,
  contents: Map<string, ContainerChange>,
): Promise<void> {
  const folder = commonFolder([...left.keys()]);
  const deadline = performance.now() + left.size * oneFileMs;
  const above = folder === '' ? '' : folder.slice(0, folder.lastIndexOf('/') + 1);
  const toPath = (name: string) => (folder === '' ? name.slice(name.indexOf('/') + 1) : `${above}${name}`);
  await readArchive(
    container,
    folder === '' ? workdir : `${workdir}/${folder}`,
    (header) => header.type === 'file' && left.has(toPath(header.name)),
    ({ header, bytes }) => {
      const path = toPath(header.name);
      const change = left.has(path) ? toChange(path, header, bytes) : undefined;
      // A second name of one file has no content of its own here; it is fetched alone.
      if (change) {
        contents.set(path, change);
        left.delete(path);
      }
      return left.size === 0 || performance.now() > deadline ? 'enough' : 'more';
    },
  );
}

function commonFolder(paths: readonly string[]): string {
  let common = (paths[0] ?? '').split('/').slice(0, -1);
  for (const path of paths) {
    const parts = path.split('/');
    const same = common.findIndex((part, at) => part !== parts[at]);
    if (same >= 0) common = common.slice(0, same);
  }
  return common.join('/');
}

async function readOne(container: Container, path: string): Promise<ContainerChange> {
  let change: ContainerChange | undefined;
  await readArchive(
    container,
    `${workdir}/${path}`,
    (header) => header.type === 'file',
    ({ header, bytes }) => {
      change = toChange(path, header, bytes);
      return 'enough';
    },
  );
  return change ?? { kind: 'odd', path, what: 'it could not be read' };
}

function toChange(path: string, header: ArchiveEntry['header'], bytes: Buffer): ContainerChange | undefined {
  if (header.type === 'file') return { kind: 'file', path, bytes, mode: (header.mode ?? 0) % 0o10000 };
  if (header.type !== 'symlink') return undefined;
  const target = header.linkname ?? '';
  if (target.includes('\ufffd')) return { kind: 'odd', path, what: 'its link target is not valid UTF-8' };
  return { kind: 'symlink', path, target };
}
