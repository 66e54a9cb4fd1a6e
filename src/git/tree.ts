import { isUtf8 } from 'node:buffer';
import { MillwrightError } from '../errors.ts';
import { readBlobs } from './blobs.ts';
import type { TreeEntry } from './git.ts';
import type { Mirror } from './mirror.ts';
import { lackingObjects } from './mirror-blobs.ts';
import { isPlainPath } from './path-names.ts';
import { isSha } from './remote-address.ts';
import { boundedListing } from './tree-bounds.ts';

/** An entry with the bytes of its name: a repository may hold names that are not UTF-8. */
export interface RawEntry extends TreeEntry {
  rawPath: Buffer;
}

const lfsPointer = Buffer.from('version https://git-lfs.github.com/spec/v1\n');
// The LFS specification: a pointer file is smaller than 1024 bytes; with its three fixed lines it is longer than 100.
const smallestPointerBytes = 100;
const pointerLimitBytes = 1024;

/** Refuses anything but a full object name: nothing from outside may be read as a revision expression or an option. */
export function requireSha(sha: string): string {
  if (!isSha(sha))
    throw new MillwrightError('bug.unexpected', {
      message: `not an object name: ${JSON.stringify(sha.slice(0, 100))}`,
    });
  return sha;
}

export async function treeOf(mirror: Mirror, commit: string): Promise<string> {
  const out = await mirror.git(['rev-parse', '--verify', `${requireSha(commit)}^{tree}`]);
  return out.toString().trim();
}

/** Whether a tree is there with every file in it. */
export async function holdsTree(mirror: Mirror, tree: string): Promise<boolean> {
  const found = await mirror.result(['cat-file', '-e', `${requireSha(tree)}^{tree}`]);
  return found.exitCode === 0 && !(await lackingObjects(mirror, tree));
}

/**
 * Every file below a commit or tree, in git's order. Errors: `limit.repository` for one that holds too much (`tree-bounds.ts`), `outside.git`
 * for a tree that no checkout may hold.
 */
export async function listTree(mirror: Mirror, treeish: string, options: { sizes: boolean }): Promise<RawEntry[]> {
  const entries = parseListing(await boundedListing(mirror, requireSha(treeish), options));
  refuseImpossible(entries);
  return entries;
}

/** Records of `ls-tree -z`: `mode type sha[ size]<TAB>path<NUL>`. Folders are left out. */
export function parseListing(out: Buffer): RawEntry[] {
  const entries: RawEntry[] = [];
  for (let at = 0; at < out.length; ) {
    const tab = out.indexOf(9, at);
    const end = out.indexOf(0, tab);
    const [mode = '', type, blob = '', size = '0'] = out.toString('latin1', at, tab).split(/ +/);
    const rawPath = out.subarray(tab + 1, end);
    at = end + 1;
    if (type === 'tree') continue;
    entries.push({
      path: rawPath.toString('utf8'),
      rawPath,
      mode: knownMode(mode),
      blob,
      sizeBytes: Number(size) || 0,
    });
  }
  return entries;
}

/** Old tools wrote group-writable modes such as 100664; git reads them as 100644. */
export function knownMode(mode: string): TreeEntry['mode'] {
  if (mode === '120000' || mode === '160000') return mode;
  return Number.parseInt(mode, 8) & 0o100 ? '100755' : '100644';
}

const impossiblePart = /(?:^|\/)(?:\.{0,2}|\.git)(?=\/|$)/i;

/** A pushed tree may be malformed on purpose: `..`, `.git`, or one name that is a link and a folder at once. */
function refuseImpossible(entries: readonly RawEntry[]): void {
  const files = new Set<string>();
  const folders = new Set<string>();
  let folder = '';
  for (const { rawPath } of entries) {
    const path = rawPath.toString('latin1');
    const parent = path.slice(0, Math.max(0, path.lastIndexOf('/')));
    if (parent !== folder) {
      folder = parent;
      for (let at = parent.length; at > 0; at = parent.lastIndexOf('/', at - 1)) {
        const above = parent.slice(0, at);
        // What lies above a known folder is known.
        if (folders.has(above)) break;
        folders.add(above);
      }
    }
    if (files.has(path) || impossiblePart.test(path)) throw impossible(rawPath);
    files.add(path);
  }
  for (const path of folders) if (files.has(path)) throw impossible(Buffer.from(path, 'latin1'));
}

function impossible(path: Buffer): MillwrightError {
  return new MillwrightError('outside.git', {
    message: `the tree holds an entry that no checkout may hold: ${JSON.stringify(path.toString())}`,
  });
}

/** Bytes of a regular file, or null when there is none at that path. A link is not followed and is not a file. */
export async function readFile(mirror: Mirror, treeish: string, path: string): Promise<Buffer | null> {
  if (!isPlainPath(path)) return null;
  const out = await mirror.git(['ls-tree', '-z', '--full-tree', requireSha(treeish), '--', path]);
  const entry = parseListing(out).find((candidate) => candidate.path === path);
  if (!entry?.mode.startsWith('100')) return null;
  return await mirror.git(['cat-file', 'blob', entry.blob]);
}

/** What a checkout of raw blobs cannot hold. */
export async function findUnsupported(
  mirror: Mirror,
  treeish: string,
): Promise<{ submodules: string[]; lfsPointers: string[] }> {
  const entries = await listTree(mirror, treeish, { sizes: true });
  const candidates = entries.filter(
    ({ mode, sizeBytes }) =>
      mode.startsWith('100') && sizeBytes >= smallestPointerBytes && sizeBytes < pointerLimitBytes,
  );
  const blobs = await readBlobs(
    mirror,
    candidates.map(({ blob }) => blob),
  );
  const isPointer = (blob: string) => blobs.get(blob)?.subarray(0, lfsPointer.length).equals(lfsPointer) ?? false;
  return {
    submodules: entries.filter(({ mode }) => mode === '160000').map(({ path }) => path),
    lfsPointers: candidates.filter(({ blob }) => isPointer(blob)).map(({ path }) => path),
  };
}

/** The text of a name, for places that can only hold text. Errors: `outside.git`. */
export function textOfName(raw: Buffer): string {
  if (!isUtf8(raw))
    throw new MillwrightError('outside.git', {
      message: `a changed file has a name that is not UTF-8: ${JSON.stringify(raw.toString())}`,
    });
  return raw.toString('utf8');
}
