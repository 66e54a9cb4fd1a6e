import { join } from 'node:path';
import { safeFlags } from './diff.ts';
import type { Mirror } from './mirror.ts';
import { openScratch } from './scratch.ts';
import { requireSha } from './tree.ts';

/** A patch of binary files is longer than they are: base85, and both directions. */
const largestBytes = 256 * 1024 ** 2;

/** The change from `base` to `head` as `git apply` takes it. Renames are told as a file that goes and one that comes. */
export async function patchText(mirror: Mirror, base: string, head: string): Promise<Buffer> {
  const flags = [...safeFlags, '--no-renames', '--binary', '-p', '--src-prefix=a/', '--dst-prefix=b/'];
  return await mirror.git(['diff-tree', ...flags, requireSha(base), requireSha(head), '--'], {
    maxBytes: largestBytes,
  });
}

/** Only an index of its own is written, and objects: no work tree, no ref, no filter or attribute of the repository. */
export async function applyPatch(
  mirror: Mirror,
  scratchRoot: string,
  base: string,
  patch: Uint8Array,
): Promise<string> {
  await using scratch = await openScratch(scratchRoot);
  const env = { GIT_INDEX_FILE: join(scratch.path, 'index') };
  await mirror.git(['read-tree', requireSha(base)], { env });
  if (patch.length > 0)
    await mirror.git(['apply', '--cached', '--binary', '--whitespace=nowarn', '-'], { env, stdin: patch });
  return (await mirror.git(['write-tree'], { env })).toString().trim();
}
