import type { Git, TreeEntry } from '../git/git.ts';
import { isTestPath } from '../verification/test-paths.ts';
import { importsIn, languageOf } from './imports.ts';
import { baseName, folderOf } from './paths.ts';
import type { Snapshot } from './ranking.ts';
import { createResolver, type PackageNames, packageName } from './resolve.ts';

/** Commits that history and co-change look at. */
const logCommits = 5_000;
/** Larger files are generated or data. */
const largestFileBytes = 256 * 1024;
/** All code that is looked through, tests first: what keeps the stage under a second. */
const largestTotalBytes = 24 * 1024 * 1024;

/** As `Git.unsupported` tells pointers, here from blobs that are read anyway: by the LFS specification they begin so and are smaller than this. */
const lfsFirstLine = 'version https://git-lfs.github.com/spec/v1\n';
const lfsLimitBytes = 1024;
const mayBeLfsPointer = ({ sizeBytes }: TreeEntry) => sizeBytes > lfsFirstLine.length && sizeBytes < lfsLimitBytes;

/** As `isLayerMark` of git: names that image layers read as deletions. */
const layerMark = /(?:^|\/)\.wh\./;

/** A snapshot, and what of the repository it could not take in. */
export interface Read {
  snapshot: Snapshot;
  /** Code files beyond the bound. */
  unread: number;
  submodules: string[];
  lfsPointers: string[];
  /** Files whose names no image can hold. */
  layerMarks: string[];
}

/** Reads what ranking needs: the listing, the log, and the text of the code, in three calls of git. */
export async function readSnapshot(git: Git, repository: string, base: string): Promise<Read> {
  const [log, { listed, wanted, unread, blobs, texts, specifiers }] = await Promise.all([
    git.log(repository, { to: base, limit: logCommits }),
    readCode(git, repository, base),
  ]);
  const files = listed.filter(({ mode }) => mode !== '160000');
  const pointers = wanted.filter(
    (entry) => mayBeLfsPointer(entry) && textOf(blobs.get(entry.blob))?.startsWith(lfsFirstLine),
  );
  return {
    snapshot: { files, texts, imports: importGraph(files, texts, specifiers), log },
    unread,
    submodules: listed.filter(({ mode }) => mode === '160000').map(({ path }) => path),
    lfsPointers: pointers.map(({ path }) => path).sort(),
    layerMarks: files.map(({ path }) => path).filter((path) => layerMark.test(path)),
  };
}

async function readCode(git: Git, repository: string, base: string) {
  const listed = await git.list(repository, base);
  const { wanted, unread } = filesToRead(listed);
  const names = wanted.map(({ blob }) => blob);
  const blobs = await git.readBlobs(repository, names);
  const texts = new Map<string, string>();
  const specifiers = new Map<string, readonly string[]>();
  for (const { path, blob } of wanted) {
    const bytes = isCode(path) ? blobs.get(blob) : undefined;
    const text = textOf(bytes);
    if (bytes === undefined || text === null) continue;
    texts.set(path, text);
    specifiers.set(path, specifiersOf(bytes, path, text));
  }
  return { listed, wanted, unread, blobs, texts, specifiers };
}

function importGraph(
  files: readonly TreeEntry[],
  texts: ReadonlyMap<string, string>,
  specifiers: ReadonlyMap<string, readonly string[]>,
): Snapshot['imports'] {
  const paths = files.map(({ path }) => path);
  const resolve = createResolver(paths, packagesIn(texts));
  const imports = new Map<string, ReadonlySet<string>>();
  for (const [path, named] of specifiers) {
    const targets = named.flatMap((specifier) => resolve(path, specifier));
    const own = new Set(targets.filter((target) => target !== path));
    if (own.size > 0) imports.set(path, own);
  }
  return imports;
}

/** Texts and imports of bytes that are kept elsewhere for the next run: read once, forgotten with them. */
const textsOf = new WeakMap<Uint8Array, string | null>();

/** A file's text; null for what is no UTF-8 text. */
export function textOf(bytes: Uint8Array | undefined): string | null {
  if (bytes === undefined) return null;
  const known = textsOf.get(bytes);
  if (known !== undefined) return known;
  const binary = bytes.subarray(0, 8_000).includes(0);
  const text = binary ? null : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  textsOf.set(bytes, text);
  return text;
}

const importsOf = new WeakMap<Uint8Array, Map<string | null, readonly string[]>>();

/** By language: files of the same bytes may have different endings. */
function specifiersOf(bytes: Uint8Array, path: string, text: string): readonly string[] {
  const language = languageOf(path);
  const known = importsOf.get(bytes) ?? new Map<string | null, readonly string[]>();
  importsOf.set(bytes, known);
  const found = known.get(language) ?? importsIn(path, text);
  known.set(language, found);
  return found;
}

const isManifest = (path: string) => /^(?:package\.json|go\.mod)$/.test(baseName(path));

const isCode = (path: string) => languageOf(path) !== null || isManifest(path);

/** Code of a sensible size, tests first, up to the bound; and whatever may be a Git LFS pointer. */
function filesToRead(listed: readonly TreeEntry[]): { wanted: TreeEntry[]; unread: number } {
  const plain = listed.filter(({ mode, sizeBytes }) => mode.startsWith('100') && sizeBytes <= largestFileBytes);
  const code = plain.filter(({ path }) => isCode(path));
  const first = (path: string) => (isManifest(path) ? 0 : isTestPath(path) ? 1 : 2);
  const wanted: TreeEntry[] = [];
  let bytes = 0;
  for (const entry of code.toSorted((a, b) => first(a.path) - first(b.path))) {
    bytes += entry.sizeBytes;
    if (bytes <= largestTotalBytes) wanted.push(entry);
  }
  const unread = code.length - wanted.length;
  const taken = new Set(wanted);
  return { wanted: [...wanted, ...plain.filter((entry) => mayBeLfsPointer(entry) && !taken.has(entry))], unread };
}

/** The deepest folder first, so that a package inside another one is found before it. */
function packagesIn(texts: ReadonlyMap<string, string>): PackageNames {
  const script = new Map<string, string>();
  const go = new Map<string, string>();
  for (const [path, text] of [...texts].filter(([path]) => isManifest(path)).sort(([a], [b]) => b.length - a.length)) {
    const name = packageName(path, text);
    if (name !== null) (baseName(path) === 'go.mod' ? go : script).set(folderOf(path), name);
  }
  return { script, go };
}
