import { posix } from 'node:path';
import type { PutEntry } from './archive.ts';
import type { Overlay } from './sandbox.ts';
import { quote, workdir } from './shell-script.ts';

/** Folders and files of an overlay in the order in which they must be put; every folder belongs to the agent's user. */
export function overlayEntries(overlay: Overlay): PutEntry[] {
  const files: PutEntry[] = [
    ...overlay.writes.map(({ path, bytes, executable }) => ({
      kind: 'file' as const,
      path,
      bytes,
      mode: executable ? 0o755 : 0o644,
    })),
    ...overlay.links.map(({ path, target }) => ({ kind: 'link' as const, path, target })),
  ];
  const folders = new Set(files.flatMap(({ path }) => foldersOf(path)));
  return [...[...folders].sort().map((path) => ({ kind: 'folder' as const, path, mode: 0o755 })), ...files];
}

/**
 * What an overlay takes away: files and links, and the folders that may be left empty by that, innermost first. Paths under or over something
 * that was just written are left out: the archive has replaced them already, and a link written there must not be followed.
 */
export function removalsOf(overlay: Overlay): { gone: string[]; emptied: string[] } {
  const written = new Set([...overlay.writes, ...overlay.links].map(({ path }) => path));
  const occupied = new Set([...written].flatMap((path) => [path, ...foldersOf(path)]));
  const gone = overlay.deletes.filter(
    (path) => !occupied.has(path) && !foldersOf(path).some((folder) => written.has(folder)),
  );
  return { gone, emptied: [...new Set(gone.flatMap(foldersOf))].sort().reverse() };
}

/** Exit code of a deletion script in an image that has no program to delete with. */
export const cannotDelete = 14;

/** Paths given to one `rm`. */
const pathsPerCommand = 400;

/** Shell commands that remove what the overlay deletes, and folders left empty, as git would. */
export function deletionScripts(overlay: Overlay): string[] {
  const { gone, emptied } = removalsOf(overlay);
  return [
    ...commands(`command -v rm >/dev/null || exit ${cannotDelete}; rm -rf`, gone),
    ...commands('rmdir', emptied).map((command) => `${command} 2>/dev/null || :`),
  ];
}

function commands(program: string, paths: readonly string[]): string[] {
  const scripts: string[] = [];
  for (let at = 0; at < paths.length; at += pathsPerCommand) {
    const words = paths.slice(at, at + pathsPerCommand).map((path) => quote(`${workdir}/${path}`));
    scripts.push(`${program} -- ${words.join(' ')}`);
  }
  return scripts;
}

/** `a/b/c` → `a`, `a/b`. */
function foldersOf(path: string): string[] {
  const folders: string[] = [];
  for (let folder = posix.dirname(path); folder !== '.' && folder !== '/'; folder = posix.dirname(folder))
    folders.unshift(folder);
  return folders;
}
