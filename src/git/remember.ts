import type { Overlay } from '../sandbox/sandbox.ts';
import type { Diff, Git, LogEntry, TreeEntry } from './git.ts';

/** Unpacked bytes of small blobs that are kept: the code of a large repository, once. */
const mostBytes = 32 * 1024 ** 2;
/** Larger blobs are rarely read twice. */
const largestBlobBytes = 256 * 1024;
/** Listings, histories and differences that are kept, of the commits asked for last. */
const mostCommits = 4;
/** Longer ones would fill the memory. */
const mostEntries = 50_000;
const longestDiffChars = 1024 ** 2;
const largestOverlayBytes = 1024 ** 2;
/** Names of trees are short. */
const mostTrees = 256;

type Reading = Pick<Git, 'diff' | 'list' | 'log' | 'overlay' | 'readBlobs' | 'treeOf'>;

/**
 * The same answers without asking git again. What an object name stands for never changes, so nothing here grows old; runs of
 * one repository read almost the same files, and an attempt begun anew reads the same commit.
 */
export function remembering(git: Reading): Reading {
  const blobs = createBlobStore();
  const isShort = (entries: readonly unknown[]) => entries.length <= mostEntries;
  const listings = createLatest<TreeEntry[]>(mostCommits, isShort);
  const logs = createLatest<LogEntry[]>(mostCommits, isShort);
  const diffs = createLatest<Diff>(mostCommits, ({ text }) => text.length <= longestDiffChars);
  const overlays = createLatest<Overlay>(mostCommits, isSmall);
  const trees = createLatest<string>(mostTrees, () => true);
  return {
    treeOf: (repository, commit) => trees(`${repository}\0${commit}`, () => git.treeOf(repository, commit)),
    async diff(repository, base, head) {
      const { files, text } = await diffs(`${repository}\0${base}\0${head}`, () => git.diff(repository, base, head));
      return { files: [...files], text };
    },
    async overlay(repository, base, head) {
      const ask = () => git.overlay(repository, base, head);
      const { writes, links, deletes } = await overlays(`${repository}\0${base}\0${head}`, ask);
      return { writes: [...writes], links: [...links], deletes: [...deletes] };
    },
    list: async (repository, commit) => [
      ...(await listings(`${repository}\0${commit}`, () => git.list(repository, commit))),
    ],
    log: async (repository, range) => [
      ...(await logs(`${repository}\0${JSON.stringify(range)}`, () => git.log(repository, range))),
    ],
    async readBlobs(repository, wanted) {
      const found = new Map<string, Uint8Array>();
      const unknown = new Set<string>();
      for (const blob of wanted) {
        const bytes = blobs.get(`${repository}\0${blob}`);
        if (bytes === undefined) unknown.add(blob);
        else found.set(blob, bytes);
      }
      for (const [blob, bytes] of await git.readBlobs(repository, unknown)) {
        found.set(blob, bytes);
        blobs.add(`${repository}\0${blob}`, bytes);
      }
      return found;
    },
  };
}

function isSmall({ writes, links, deletes }: Overlay): boolean {
  const bytes = writes.reduce((total, write) => total + write.bytes.byteLength, 0);
  return bytes <= largestOverlayBytes && writes.length + links.length + deletes.length <= mostEntries;
}

/** Keeps the answers to the latest questions, but those that are too large. One that failed is asked again. */
function createLatest<T>(
  most: number,
  fits: (answer: T) => boolean,
): (key: string, ask: () => Promise<T>) => Promise<T> {
  const kept = new Map<string, Promise<T>>();
  return (key, ask) => {
    const answer = kept.get(key) ?? ask();
    kept.delete(key);
    kept.set(key, answer);
    answer.then(
      (found) => fits(found) || kept.delete(key),
      () => kept.delete(key),
    );
    for (const oldest of kept.keys()) {
      if (kept.size <= most) break;
      kept.delete(oldest);
    }
    return answer;
  };
}

/** Blobs up to a bound of bytes; those that were not read for longest go first. */
function createBlobStore() {
  const kept = new Map<string, Uint8Array>();
  let total = 0;
  return {
    get(key: string): Uint8Array | undefined {
      const bytes = kept.get(key);
      if (bytes === undefined) return undefined;
      kept.delete(key);
      kept.set(key, bytes);
      return bytes;
    },
    add(key: string, bytes: Uint8Array): void {
      if (bytes.byteLength > largestBlobBytes || kept.has(key)) return;
      // A piece of a larger buffer would keep all of it.
      const own = bytes.buffer.byteLength > bytes.byteLength * 4 ? new Uint8Array(bytes) : bytes;
      kept.set(key, own);
      total += own.byteLength;
      for (const [oldest, old] of kept) {
        if (total <= mostBytes) break;
        kept.delete(oldest);
        total -= old.byteLength;
      }
    },
  };
}
