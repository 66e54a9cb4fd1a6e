import { Readable } from 'node:stream';
import type { Container } from 'dockerode';
import { extract, type Header, pack } from 'tar-stream';
import { MillwrightError } from '../errors.ts';
import { engineCall, engineError, statusOf } from './docker-client.ts';
import { workdir } from './shell-script.ts';

/** What the engine says of one path, from outside the container (1 ms, no content). */
export interface PathFacts {
  kind: 'file' | 'directory' | 'symlink' | 'other';
  /** Words for `other`. */
  what: string;
  sizeBytes: number;
  /** Where a link leads in the end, inside the container; empty for what is none. */
  linkTarget: string;
}

/** Go's file mode bits, as the engine reports them. */
const goMode = { directory: 2 ** 31, symlink: 2 ** 27, device: 2 ** 26, pipe: 2 ** 25, socket: 2 ** 24 } as const;

const unreachable = 'something that cannot be looked at';

/** Facts about a path without following it; undefined when it does not exist. */
export async function pathFacts(container: Container, path: string): Promise<PathFacts | undefined> {
  let answer: { headers: Record<string, string | string[] | undefined>; resume(): void };
  try {
    answer = (await container.infoArchive({ path })) as unknown as typeof answer;
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    // 500 for one path: the engine follows links, and this one leads in a circle or through a name that is too long.
    if (statusOf(error) === 500) return { kind: 'other', what: unreachable, sizeBytes: 0, linkTarget: '' };
    throw engineError(error, 'look at a file');
  }
  answer.resume();
  const header = String(answer.headers['x-docker-container-path-stat'] ?? '');
  const stat = JSON.parse(Buffer.from(header, 'base64').toString('utf8')) as {
    size: number;
    mode: number;
    linkTarget?: string;
  };
  return { ...kindOf(stat.mode), sizeBytes: stat.size, linkTarget: stat.linkTarget ?? '' };
}

function kindOf(mode: number): { kind: PathFacts['kind']; what: string } {
  const has = (bit: number) => Math.floor(mode / bit) % 2 === 1;
  if (has(goMode.directory)) return { kind: 'directory', what: 'a folder' };
  if (has(goMode.symlink)) return { kind: 'symlink', what: 'a link' };
  if (has(goMode.device)) return { kind: 'other', what: 'a device' };
  if (has(goMode.pipe)) return { kind: 'other', what: 'a named pipe' };
  if (has(goMode.socket)) return { kind: 'other', what: 'a socket' };
  return { kind: 'file', what: 'a file' };
}

/** One entry of an archive; `bytes` only for files that were asked for. */
export interface ArchiveEntry {
  header: Header;
  bytes: Buffer;
}

/**
 * Reads a path (a folder with all below it) as the engine archives it. `wanted` decides by header which contents are kept;
 * reading stops when `enough` says so. Rejects with `outside.sandbox`.
 */
export async function readArchive(
  container: Container,
  path: string,
  wanted: (header: Header) => boolean,
  take: (entry: ArchiveEntry) => 'more' | 'enough',
): Promise<void> {
  const { source, entries } = await openArchive(container, path);
  try {
    for await (const entry of entries) {
      const chunks: Buffer[] = [];
      const keep = wanted(entry.header);
      for await (const chunk of entry) if (keep) chunks.push(chunk as Buffer);
      if (take({ header: entry.header, bytes: Buffer.concat(chunks) }) === 'enough') return;
    }
  } catch (error) {
    throw engineError(error, 'read an archive of the container');
  } finally {
    source.destroy();
  }
}

async function openArchive(container: Container, path: string) {
  const source = (await engineCall('read a file', container.getArchive({ path }))) as unknown as Readable;
  const entries = extract();
  source.on('error', (error) => entries.destroy(error));
  source.pipe(entries as unknown as NodeJS.WritableStream);
  return { source, entries };
}

/** The first bytes of one regular file; null when there is none. Nothing beyond them is read. Rejects with `outside.sandbox`. */
export async function readFileStart(container: Container, path: string, maxBytes: number): Promise<Buffer | null> {
  const { source, entries } = await openArchive(container, path);
  try {
    for await (const entry of entries) {
      if (entry.header.type !== 'file') return null;
      const chunks: Buffer[] = [];
      let bytes = 0;
      for await (const chunk of entry) {
        chunks.push(chunk as Buffer);
        bytes += (chunk as Buffer).length;
        if (bytes >= maxBytes) break;
      }
      return Buffer.concat(chunks).subarray(0, maxBytes);
    }
    return null;
  } catch (error) {
    throw engineError(error, 'read a file of the container');
  } finally {
    source.destroy();
  }
}

/** A file, link or folder to put into a container. */
export type PutEntry =
  | { kind: 'file'; path: string; bytes: Uint8Array; mode: number }
  | { kind: 'link'; path: string; target: string }
  | { kind: 'folder'; path: string; mode: number };

/** Puts entries under `root`, owned by the agent's user. Works on a container that was not started yet. */
export async function putEntries(container: Container, root: string, entries: readonly PutEntry[]): Promise<void> {
  if (entries.length === 0) return;
  const archive = pack();
  for (const entry of entries) {
    const owner = { uid: 1000, gid: 1000 };
    if (entry.kind === 'folder')
      archive.entry({ name: `${entry.path}/`, type: 'directory', mode: entry.mode, ...owner });
    else if (entry.kind === 'link') {
      archive.entry({ name: entry.path, type: 'symlink', linkname: entry.target, mode: 0o777, ...owner });
    } else {
      archive.entry({ name: entry.path, type: 'file', mode: entry.mode, ...owner }, Buffer.from(entry.bytes));
    }
  }
  archive.finalize();
  await putTar(container, root, Readable.from(archive, { objectMode: false }));
}

/** Puts a tar under `root`. Rejects with `outside.sandbox`, also when the tar's source fails. */
export async function putTar(container: Container, root: string, tar: Readable): Promise<void> {
  const timeoutMs = 15 * 60_000;
  await engineCall('put files into the container', container.putArchive(tar, { path: root }), timeoutMs);
}

/**
 * Puts a repository's files into the work tree. A few objects of git can stand for more bytes than any disk has: past `maxBytes` nothing more is
 * taken. Rejects with `limit.disk`, `outside.sandbox`.
 */
export async function putFiles(container: Container, files: Readable, maxBytes: number): Promise<void> {
  await putTar(container, workdir, Readable.from(upTo(files, maxBytes), { objectMode: false }));
}

async function* upTo(files: Readable, maxBytes: number): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of files as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) {
      const detail = `The files of the commit take more than ${Math.floor(maxBytes / 1024 ** 2)} MiB, the value of \`limits.disk\`.`;
      throw new MillwrightError('limit.disk', { message: detail, detail });
    }
    yield chunk;
  }
}

/** The work tree and the home, owned by the agent's user; a link or file that the image has there is replaced. */
export async function putWorkFolders(container: Container): Promise<void> {
  await putEntries(container, '/', [
    { kind: 'folder', path: workdir.slice(1), mode: 0o755 },
    { kind: 'folder', path: 'home/agent', mode: 0o755 },
  ]);
}
