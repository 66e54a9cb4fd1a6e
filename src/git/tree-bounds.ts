import { MillwrightError } from '../errors.ts';
import type { Mirror } from './mirror.ts';
import { longestPathBytes } from './path-names.ts';

/**
 * What one commit may hold. Trees that repeat themselves name more files than any disk has room for with a handful of objects, so the
 * count has to be watched while git lists. Twice the Linux kernel and more is within; what is beyond would hold this process up for seconds.
 */
const mostFiles = 250_000;
const mostListedBytes = 64 * 1024 ** 2;
/** Folders above a file. */
const deepest = 256;
/** A listing comes at millions of files a second. */
const listingMs = 60_000;

const nul = 0;
const tab = 9;
const slash = 0x2f;

/** git lists by recursion: from some depth on its stack ends, or newer ones stop by themselves. */
const tooDeepForGit = /ended by SIGSEGV|exceeded maximum allowed tree depth/;

/**
 * `ls-tree -r -z` of a commit or tree that a checkout can hold. Costs no more than that listing, whatever the tree names. Errors:
 * `limit.repository`, whose detail names the limit and says what to do; `outside.git`.
 */
export async function boundedListing(mirror: Mirror, treeish: string, options: { sizes: boolean }): Promise<Buffer> {
  const args = ['ls-tree', '-r', '-z', '--full-tree', ...(options.sizes ? ['--long'] : []), treeish];
  const listed = await mirror.result(args, { maxBytes: mostListedBytes, timeoutMs: listingMs }).catch((error) => {
    if (error instanceof MillwrightError && error.code === 'limit.repository')
      throw tooLarge(treeish, `the names of its files take more than ${mostListedBytes / 1024 ** 2} MiB`, error);
    throw error;
  });
  if (listed.exitCode !== 0) {
    if (tooDeepForGit.test(listed.stderr)) throw tooLarge(treeish, `its folders are deeper than ${deepest}`);
    throw await mirror.failed('git ls-tree', listed);
  }
  const problem = excessOf(listed.stdout);
  if (problem) throw tooLarge(treeish, problem);
  return listed.stdout;
}

function excessOf(listing: Buffer): string | null {
  let files = 0;
  for (let at = 0; at < listing.length; ) {
    const name = listing.indexOf(tab, at) + 1;
    const end = listing.indexOf(nul, name);
    at = end + 1;
    files += 1;
    if (files > mostFiles) return `it holds more than ${mostFiles} files`;
    if (end - name > longestPathBytes) return `a path in it is longer than ${longestPathBytes} bytes`;
    if (end - name > 2 * deepest && depthOf(listing.subarray(name, end)) > deepest)
      return `its folders are deeper than ${deepest}`;
  }
  return null;
}

function depthOf(path: Buffer): number {
  let depth = 0;
  for (let at = path.indexOf(slash); at >= 0; at = path.indexOf(slash, at + 1)) depth += 1;
  return depth;
}

function tooLarge(treeish: string, problem: string, cause?: unknown): MillwrightError {
  const detail = `${treeish.slice(0, 10)} cannot be checked out: ${problem}. Take generated or repeated files out of the repository, or split it.`;
  return new MillwrightError('limit.repository', { message: detail, detail, cause });
}
