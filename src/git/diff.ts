import type { Overlay } from '../sandbox/sandbox.ts';
import { readBlobs } from './blobs.ts';
import type { Diff, DiffFile } from './git.ts';
import type { Mirror } from './mirror.ts';
import { requireSha, textOfName } from './tree.ts';

/** One changed path of `git diff-tree --raw -z`. */
export interface RawChange {
  path: Buffer;
  from?: Buffer;
  status: string;
  oldMode: string;
  newMode: string;
  newBlob: string;
}

const largestTextBytes = 64 * 1024 ** 2;
const statuses: Readonly<Record<string, DiffFile['status']>> = {
  A: 'added',
  M: 'modified',
  D: 'deleted',
  R: 'renamed',
  T: 'type-changed',
};

// No external diff, no textconv: settings could not name one here, but the promise should not hang on one wall alone.
export const safeFlags = [
  '-r',
  '--no-ext-diff',
  '--no-textconv',
  '--no-color',
  '--full-index',
  '--ignore-submodules=none',
];

export async function diffTrees(mirror: Mirror, base: string, head: string): Promise<Diff> {
  const range = [requireSha(base), requireSha(head), '--'];
  const [summary, text] = await Promise.all([
    mirror.git(['diff-tree', ...safeFlags, '-M', '--raw', '--numstat', '-z', ...range]),
    mirror.git(['diff-tree', ...safeFlags, '-M', '-p', '--src-prefix=a/', '--dst-prefix=b/', ...range], {
      maxBytes: largestTextBytes,
    }),
  ]);
  return { files: readSummary(summary), text: text.toString('utf8') };
}

/** First all `:mode mode sha sha status<NUL>path<NUL>` records, then all `added<TAB>removed<TAB>path<NUL>` records. */
function readSummary(out: Buffer): DiffFile[] {
  const { changes, rest } = readRaw(out);
  const counts = readCounts(rest, changes.length);
  return changes.map((change, index) => {
    const count = counts[index];
    return {
      path: change.path.toString('utf8'),
      ...(change.from ? { from: change.from.toString('utf8') } : {}),
      status: statuses[change.status] ?? 'modified',
      oldMode: change.oldMode,
      newMode: change.newMode,
      binary: count?.added === '-',
      added: Number(count?.added) || 0,
      removed: Number(count?.removed) || 0,
    };
  });
}

function readRaw(out: Buffer): { changes: RawChange[]; rest: Buffer } {
  const changes: RawChange[] = [];
  let at = 0;
  const field = () => {
    const end = out.indexOf(0, at);
    const value = out.subarray(at, end);
    at = end + 1;
    return value;
  };
  while (out[at] === 0x3a) {
    const [oldMode = '', newMode = '', , newBlob = '', status = ''] = field().toString('latin1').slice(1).split(' ');
    const first = field();
    const moved = status.startsWith('R') || status.startsWith('C');
    changes.push({
      oldMode,
      newMode,
      newBlob,
      status: status.charAt(0),
      ...(moved ? { from: first, path: field() } : { path: first }),
    });
  }
  return { changes, rest: out.subarray(at) };
}

/** In the order of the raw records. A rename has an empty path here, followed by its two paths. */
function readCounts(out: Buffer, count: number): { added: string; removed: string }[] {
  const fields = out.toString('latin1').split('\0');
  const counts: { added: string; removed: string }[] = [];
  for (let at = 0; counts.length < count && at < fields.length; ) {
    const [added = '', removed = '', ...path] = (fields[at] ?? '').split('\t');
    counts.push({ added, removed });
    at += path.join('\t') === '' ? 3 : 1;
  }
  return counts;
}

/** What differs between two trees, without looking for renames. */
export async function rawChanges(mirror: Mirror, base: string, head: string): Promise<RawChange[]> {
  const out = await mirror.git([
    'diff-tree',
    ...safeFlags,
    '--no-renames',
    '--raw',
    '-z',
    requireSha(base),
    requireSha(head),
    '--',
  ]);
  return readRaw(out).changes;
}

/**
 * The overlay that turns `base`'s files into `head`'s. Deletes come first when it is applied: a path whose kind changes
 * (file, link) is among the deletes as well as among the writes or links. Submodules are left out, as in the tar.
 */
export async function overlayBetween(mirror: Mirror, base: string, head: string): Promise<Overlay> {
  const changes = (await rawChanges(mirror, base, head)).map((change) => ({
    ...change,
    name: textOfName(change.path),
  }));
  const isFile = (mode: string) => mode.startsWith('100');
  const isHeld = (mode: string) => isFile(mode) || mode === '120000';
  const arriving = changes.filter(({ newMode }) => isHeld(newMode));
  const blobs = await readBlobs(
    mirror,
    arriving.map(({ newBlob }) => newBlob),
  );
  const bytesOf = (blob: string) => blobs.get(blob) ?? Buffer.alloc(0);
  return {
    writes: arriving
      .filter(({ newMode }) => isFile(newMode))
      .map(({ name, newMode, newBlob }) => ({ path: name, bytes: bytesOf(newBlob), executable: newMode === '100755' })),
    links: arriving
      .filter(({ newMode }) => newMode === '120000')
      .map(({ name, newBlob }) => ({ path: name, target: textOfName(bytesOf(newBlob)) })),
    deletes: changes
      .filter(({ status, oldMode }) => isHeld(oldMode) && (status === 'D' || status === 'T'))
      .map(({ name }) => name),
  };
}
