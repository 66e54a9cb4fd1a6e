import { randomUUID } from 'node:crypto';
import type Docker from 'dockerode';
import type { Container, ContainerInspectInfo } from 'dockerode';
import type { Header } from 'tar-stream';
import { pathFacts, readArchive } from './archive.ts';
import { labels } from './container-options.ts';
import { engineCall, type SandboxLog, statusOf } from './docker-client.ts';
import { removeContainer } from './reaper.ts';
import { workdir } from './shell-script.ts';

/** One path that a container wrote under its work tree. `gone`: it was deleted from what the image holds there. */
export type LayerEntry =
  /** Null bytes: too large to be kept, or a second name of such a file. */
  | { kind: 'file'; sizeBytes: number; mode: number; bytes: Buffer | null }
  | { kind: 'symlink'; target: string }
  | { kind: 'folder' }
  | { kind: 'gone' }
  | { kind: 'other'; what: string };

/** What a container wrote, by path relative to the work tree; the work tree itself is `.`. */
export interface Layer {
  entries: ReadonlyMap<string, LayerEntry>;
  /** Resolves when what was needed for reading is gone. */
  released: Promise<void>;
}

/** A larger layer is not read whole: dependency folders that the agent filled would travel each time. */
const maxLayerBytes = 32 * 1024 ** 2;
const maxEntries = 20_000;

/** The engine's own walk stops without a word where a path is too long for the kernel; this leaves room for the prefix on its host. */
const maxPathBytes = 3_000;

interface Reader {
  container: Container;
  /** Where the layer is, inside. */
  mountPoint: string;
}

interface Written {
  upperDir: string;
  sizeBytes: number;
  image: string;
  labels: Record<string, string>;
}

/**
 * Reads the layer that overlay2 keeps for each container: what was written and what was deleted, at a cost that the size of the image
 * does not change (the engine's list of changes walks all of it). The engine itself reads it, on its own host: a second container that is
 * never started has that folder as a read-only mount, and is asked for an archive of it.
 */
export class LayerReader {
  readonly #docker: Docker;
  readonly #log: SandboxLog;
  #supported: Promise<boolean> | null = null;
  /** A work tree was read through a mount: this engine's archives do show what is mounted. */
  #hasShown = false;

  constructor(docker: Docker, log: SandboxLog) {
    this.#docker = docker;
    this.#log = log;
  }

  /** Null where this engine keeps no such layer or does not show it, and where the layer is too large. The container has to be paused. */
  async read(container: Container): Promise<Layer | null> {
    this.#supported ??= keepsWholeLayers(this.#docker);
    if (!(await this.#supported)) return null;
    const written = await writtenBy(container);
    if (!written || written.sizeBytes > maxLayerBytes) return null;
    const reader = await this.#createReader(written);
    if (!reader) return null;
    const entries = new Map<string, LayerEntry>();
    let whole = false;
    try {
      const found = await readEntries(reader, entries);
      if (found === 'whole') this.#hasShown = true;
      whole = found === 'whole' || (found === 'nothing' && (await this.#showsNothing(reader)));
    } finally {
      // Not awaited where it went well: the caller has other work meanwhile.
      if (!whole) await removeContainer(reader.container);
    }
    if (!whole) return null;
    const released = removeContainer(reader.container);
    released.catch(() => {});
    return { entries, released };
  }

  /**
   * A work tree that the layer does not hold was not written, if the layer was looked at: the place where it is mounted is there, by a
   * name that no image has, and this engine has shown a layer in that way before.
   */
  async #showsNothing(reader: Reader): Promise<boolean> {
    return this.#hasShown && (await pathFacts(reader.container, reader.mountPoint))?.kind === 'directory';
  }

  /** A container of the same labels, so that whatever removes the first one removes this one too. */
  async #createReader({ upperDir, image, labels }: Written): Promise<Reader | null> {
    const mountPoint = `/layer-${randomUUID()}`;
    try {
      const container = await engineCall(
        'make a reader of a layer',
        this.#docker.createContainer({
          Image: image,
          Entrypoint: ['/never-started'],
          Cmd: [],
          Labels: labels,
          HostConfig: {
            NetworkMode: 'none',
            CapDrop: ['ALL'],
            // A mount, not a bind string: the engine refuses a folder that it does not have instead of making it.
            Mounts: [{ Type: 'bind', Source: upperDir, Target: mountPoint, ReadOnly: true }],
          },
        }),
      );
      return { container, mountPoint };
    } catch (error) {
      if (statusOf((error as Error).cause) === undefined) throw error;
      this.#log.warn(
        { error: (error as Error).message },
        'the engine does not show layers; changes are read by its walk',
      );
      this.#supported = Promise.resolve(false);
      return null;
    }
  }
}

/** Without native diffs the kernel may keep renames and content elsewhere than in the layer. */
async function keepsWholeLayers(docker: Docker): Promise<boolean> {
  const info = (await engineCall('ask the engine', docker.info())) as { Driver?: string; DriverStatus?: string[][] };
  const native = info.DriverStatus?.some(([name, value]) => name === 'Native Overlay Diff' && value === 'true');
  return info.Driver === 'overlay2' && native === true;
}

async function writtenBy(container: Container): Promise<Written | null> {
  const facts = (await engineCall(
    'look at the container',
    container.inspect({ size: true } as object),
  )) as ContainerInspectInfo & { SizeRw?: number };
  const upperDir = (facts.GraphDriver?.Data as Record<string, unknown> | null | undefined)?.UpperDir;
  if (typeof upperDir !== 'string' || !upperDir.startsWith('/') || facts.SizeRw === undefined) return null;
  const own = Object.values(labels) as string[];
  const kept = Object.entries(facts.Config.Labels).filter(([name]) => own.includes(name));
  return { upperDir, sizeBytes: facts.SizeRw, image: facts.Image, labels: Object.fromEntries(kept) };
}

/** `nothing`: there is no work tree. `part`: not all of it could be read, or it is something else than a folder. */
async function readEntries(
  { container, mountPoint }: Reader,
  entries: Map<string, LayerEntry>,
): Promise<'whole' | 'part' | 'nothing'> {
  let readable = true;
  let keptBytes = 0;
  try {
    await readArchive(
      container,
      `${mountPoint}${workdir}`,
      ({ type, size }) => type === 'file' && keptBytes + (size ?? 0) <= maxLayerBytes,
      ({ header, bytes }) => {
        const path = pathIn(header.name);
        keptBytes += bytes.length;
        if (isOwnGit(path)) return 'more';
        entries.set(path, toEntry(header, bytes, entries));
        readable = entries.size <= maxEntries && Buffer.byteLength(path) <= maxPathBytes;
        return readable ? 'more' : 'enough';
      },
    );
  } catch (error) {
    if (statusOf((error as Error).cause) !== 404) throw error;
    return 'nothing';
  }
  return readable && entries.get('.')?.kind === 'folder' ? 'whole' : 'part';
}

/** `workspace/a/b` → `a/b`; the work tree itself → `.`. */
function pathIn(name: string): string {
  const slash = name.indexOf('/');
  const path = slash < 0 ? '' : name.slice(slash + 1).replace(/\/+$/, '');
  return path === '' ? '.' : path;
}

const isOwnGit = (path: string) => path === '.git' || path.startsWith('.git/');

function toEntry(header: Header, bytes: Buffer, earlier: ReadonlyMap<string, LayerEntry>): LayerEntry {
  const mode = (header.mode ?? 0) % 0o10000;
  switch (header.type) {
    case 'file': {
      const sizeBytes = header.size ?? 0;
      return { kind: 'file', sizeBytes, mode, bytes: bytes.length === sizeBytes ? bytes : null };
    }
    case 'link': {
      const first = earlier.get(pathIn(header.linkname ?? ''));
      if (first?.kind === 'file') return { ...first, mode };
      return first ?? { kind: 'other', what: 'a second name of something else' };
    }
    case 'symlink':
      return { kind: 'symlink', target: header.linkname ?? '' };
    case 'directory':
      return { kind: 'folder' };
    case 'character-device': {
      // So the kernel marks what was deleted; no process inside can make such a device.
      const isMark = (header.devmajor ?? 0) === 0 && (header.devminor ?? 0) === 0;
      return isMark ? { kind: 'gone' } : { kind: 'other', what: 'a device' };
    }
    case 'fifo':
      return { kind: 'other', what: 'a named pipe' };
    default:
      return { kind: 'other', what: 'a device' };
  }
}
