import { posix } from 'node:path';
import type { Container } from 'dockerode';
import { pathFacts, putEntries, readFileStart } from './archive.ts';
import type { FileRead, FileWrite } from './sandbox.ts';
import { workdir } from './shell-script.ts';

/**
 * Reads by the engine's archive (39 ms), for images that hold a shell and no program to read with. Shows what lies in memory, such as `/tmp`,
 * as what cannot be read. Whether the container's user may read it has to be known before. Rejects with `outside.sandbox`.
 */
export async function readThroughArchive(container: Container, path: string, maxBytes: number): Promise<FileRead> {
  const unreadable = { kind: 'other', what: 'cannot be read' } as const;
  const asked = await pathFacts(container, path);
  const place = asked?.kind === 'symlink' ? asked.linkTarget : path;
  const facts = asked?.kind === 'symlink' ? await pathFacts(container, place) : asked;
  if (facts?.kind !== 'file') return unreadable;
  const bytes = await readFileStart(container, place, maxBytes);
  if (bytes === null) return unreadable;
  const totalBytes = Math.max(facts.sizeBytes, bytes.length);
  return { kind: 'file', bytes, totalBytes, truncated: totalBytes > bytes.length };
}

/**
 * Makes the folders above a path of the work tree, for images without `mkdir`. The engine writes them with its own power, so nothing above
 * may be a link, and the container has to be paused meanwhile. Null when they are there now. Rejects with `outside.sandbox`.
 */
export async function makeFolders(
  container: Container,
  path: string,
): Promise<(FileWrite & { kind: 'refused' }) | null> {
  const parts = posix.relative(workdir, posix.dirname(path)).split('/');
  if (parts[0] === '' || parts[0] === '..') return { kind: 'refused', what: 'its folder does not exist' };
  const missing: { kind: 'folder'; path: string; mode: number }[] = [];
  for (const at of parts.keys()) {
    const folder = parts.slice(0, at + 1).join('/');
    const facts = missing.length > 0 ? undefined : await pathFacts(container, `${workdir}/${folder}`);
    if (facts && facts.kind !== 'directory')
      return { kind: 'refused', what: `${folder} is no folder but ${facts.what}` };
    if (!facts) missing.push({ kind: 'folder', path: folder, mode: 0o755 });
  }
  await putEntries(container, workdir, missing);
  return null;
}
