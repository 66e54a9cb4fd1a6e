import { createHash } from 'node:crypto';
import type { ContainerChange } from '../sandbox/sandbox.ts';
import type { PatchBase, PatchFacts, PatchWrite } from './patch-rules.ts';
import { parentsOf } from './path-names.ts';

/** Sorts what a container holds into what it means for the base. `ignored` are new paths that the base's ignore rules leave out. */
export function patchFacts(
  base: PatchBase['entries'],
  changes: readonly ContainerChange[],
  ignored: ReadonlySet<string>,
): PatchFacts {
  const writes = new Map<string, PatchWrite>();
  const unchanged = new Set<string>();
  const odd: (ContainerChange & { kind: 'odd' })[] = [];
  const notes: string[] = [];
  for (const change of changes) {
    if (change.kind === 'deleted' || ignored.has(change.path)) continue;
    if (change.kind === 'odd') {
      odd.push(change);
      continue;
    }
    const write = asWrite(change);
    const before = base.get(change.path);
    if (before?.blob === write.blob && before.mode === write.mode) unchanged.add(change.path);
    else writes.set(change.path, write);
    if (change.kind === 'file' && change.mode & 0o7000 && !unchanged.has(change.path)) {
      notes.push(`${JSON.stringify(change.path)}: mode ${(change.mode & 0o7777).toString(8)} is kept as ${write.mode}`);
    }
  }
  const gone = goneFrom(base, changes);
  for (const path of [...writes.keys(), ...unchanged]) gone.delete(path);
  return { writes: [...writes.values()], unchanged, gone, odd, notes };
}

/** `.git` at the root is the convenience copy that we gave; it is never read back. Only this very spelling is. */
export function isConvenienceGit(path: string): boolean {
  return path === '.git' || path.startsWith('.git/');
}

/** The same relative path, without a leading `./` or a slash at the end, as tar tools write them. */
export function tidyChange<T extends ContainerChange>(change: T): T {
  const path = change.path.replace(/^(?:\.\/)+/, '').replace(/(?<=[^/])\/+$/, '');
  return path === change.path ? change : { ...change, path };
}

/** Name that git gives to these bytes. */
export function blobName(bytes: Uint8Array): string {
  return createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
}

function asWrite(change: ContainerChange & { kind: 'file' | 'symlink' }): PatchWrite {
  const bytes = change.kind === 'symlink' ? Buffer.from(change.target) : change.bytes;
  const mode = change.kind === 'symlink' ? '120000' : change.mode & 0o100 ? '100755' : '100644';
  return { path: change.path, mode, bytes, blob: blobName(bytes) };
}

/**
 * Files of the base that can no longer be there. A path that exists is proof about others: what lies above it is a directory,
 * and what lay below it is gone unless listed. Submodules are never in the container, so their absence says nothing.
 */
function goneFrom(base: PatchBase['entries'], changes: readonly ContainerChange[]): Set<string> {
  const deleted = new Set<string>();
  const replaced = new Set<string>();
  const folders = new Set<string>();
  for (const { kind, path } of changes) {
    if (kind === 'deleted') deleted.add(path === '.' ? '' : path);
    else {
      replaced.add(path);
      for (const parent of parentsOf(path)) folders.add(parent);
    }
  }
  const gone = new Set<string>();
  for (const [path, { mode }] of base) {
    if (mode === '160000') continue;
    const above = parentsOf(path);
    const isGone =
      deleted.has('') ||
      deleted.has(path) ||
      folders.has(path) ||
      above.some((parent) => deleted.has(parent) || replaced.has(parent));
    if (isGone) gone.add(path);
  }
  return gone;
}
