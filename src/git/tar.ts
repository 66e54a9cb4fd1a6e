import { Readable } from 'node:stream';
import { batchReader, streamBlobs } from './blobs.ts';
import type { Mirror } from './mirror.ts';
import { isLayerMark } from './path-names.ts';
import { listTree, type RawEntry } from './tree.ts';

const blockBytes = 512;
const slabBytes = 256 * 1024;
/** Two empty blocks, which end an archive. */
const zeros = Buffer.alloc(2 * blockBytes);
const owner = 1000;
// Longest target that Linux can hold in a link; a longer blob marked as a link is kept as a file, content and all.
const longestLinkBytes = 4095;
// Trees carry no time. Any fixed one will do that zip tools (which begin in 1980) accept.
const treeTimeS = 1_577_836_800;

/** Tar of raw blobs: no attribute, filter or end-of-line rule of the repository applies. Submodules are left out, and names that no image can hold. */
export async function tarOf(mirror: Mirror, treeish: string, paths?: readonly string[]): Promise<Readable> {
  const [listed, mtimeS] = await Promise.all([listTree(mirror, treeish, { sizes: false }), timeOf(mirror, treeish)]);
  const entries = listed.filter(({ mode, path }) => mode !== '160000' && !isLayerMark(path) && isWanted(path, paths));
  return Readable.from(tarPieces(mirror, entries, mtimeS), { objectMode: false, highWaterMark: 1024 ** 2 });
}

function isWanted(path: string, paths: readonly string[] | undefined): boolean {
  return paths === undefined || paths.some((wanted) => path === wanted || path.startsWith(`${wanted}/`));
}

async function timeOf(mirror: Mirror, treeish: string): Promise<number> {
  const found = await mirror.result(['log', '-1', '--format=%ct', `${treeish}^{commit}`, '--']);
  return found.exitCode === 0 ? Math.max(0, Number(found.stdout.toString().trim())) : treeTimeS;
}

async function* tarPieces(mirror: Mirror, entries: readonly RawEntry[], mtimeS: number): AsyncGenerator<Buffer> {
  const writer = tarWriter(entries, mtimeS);
  const shas = entries.map(({ blob }) => blob);
  if (shas.length > 0) {
    for await (const full of streamBlobs(mirror, shas, writer.feed, writer.takeFull)) yield* full;
  }
  yield writer.end();
}

/** Turns the blobs of `entries`, coming in their order, into tar records. */
function tarWriter(
  entries: readonly RawEntry[],
  mtimeS: number,
): { feed: (chunk: Buffer) => void; takeFull: () => Buffer[]; end: () => Buffer } {
  const slabs = slabWriter();
  let index = 0;
  let sizeBytes = 0;
  let link: Buffer[] | undefined;
  const folders = new Set<string>();

  function putFolders(path: Buffer): void {
    for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) {
      const folder = path.subarray(0, at + 1);
      const key = folder.toString('latin1');
      if (folders.has(key)) continue;
      folders.add(key);
      slabs.put(tarHeader({ name: folder, type: '5', mode: 0o755, sizeBytes: 0, mtimeS }));
    }
  }

  const feed = batchReader({
    header: (_sha, size) => {
      const entry = entries[index] as RawEntry;
      sizeBytes = size;
      putFolders(entry.rawPath);
      link = entry.mode === '120000' && size > 0 && size <= longestLinkBytes ? [] : undefined;
      if (link) return;
      const mode = entry.mode === '100755' ? 0o755 : 0o644;
      slabs.put(tarHeader({ name: entry.rawPath, type: '0', mode, sizeBytes: size, mtimeS }));
    },
    data: (bytes) => (link ? link.push(bytes) : slabs.put(bytes)),
    end: () => {
      const { rawPath } = entries[index] as RawEntry;
      if (link) {
        slabs.put(
          tarHeader({ name: rawPath, type: '2', mode: 0o777, sizeBytes: 0, mtimeS, link: Buffer.concat(link) }),
        );
      } else if (sizeBytes % blockBytes !== 0) {
        slabs.put(zeros.subarray(0, blockBytes - (sizeBytes % blockBytes)));
      }
      index += 1;
    },
  });

  const end = (): Buffer => {
    slabs.put(zeros);
    return slabs.rest();
  };
  return { feed, takeFull: slabs.takeFull, end };
}

interface SlabWriter {
  put: (bytes: Buffer) => void;
  takeFull: () => Buffer[];
  rest: () => Buffer;
}

/** Gathers many small pieces in few large ones. Each byte is copied once: joining the pieces of every read costs twice as much, most of it for garbage. */
function slabWriter(): SlabWriter {
  let slab = Buffer.allocUnsafeSlow(slabBytes);
  let used = 0;
  let full: Buffer[] = [];

  function put(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      if (used === slab.length) {
        full.push(slab);
        slab = Buffer.allocUnsafeSlow(slabBytes);
        used = 0;
      }
      const copied = bytes.copy(slab, used, at);
      used += copied;
      at += copied;
    }
  }

  function takeFull(): Buffer[] {
    const taken = full;
    full = [];
    return taken;
  }

  return { put, takeFull, rest: () => Buffer.concat([...takeFull(), slab.subarray(0, used)]) };
}

interface TarRecord {
  name: Buffer;
  /** `0` file, `2` link, `5` folder, `x` PAX record for the next one. */
  type: '0' | '2' | '5' | 'x';
  mode: number;
  sizeBytes: number;
  mtimeS: number;
  link?: Buffer;
}

/** POSIX ustar; what its fields cannot hold goes before it in a PAX record. */
function tarHeader(record: TarRecord): Buffer {
  const pax: [string, Buffer][] = [];
  if (record.name.length > 100) pax.push(['path', record.name]);
  if (record.link && record.link.length > 100) pax.push(['linkpath', record.link]);
  if (record.sizeBytes > 0o77777777777) pax.push(['size', Buffer.from(String(record.sizeBytes))]);
  const header = ustarHeader(record);
  if (pax.length === 0) return header;

  const body = Buffer.concat(pax.map(([key, value]) => paxLine(key, value)));
  const padding = Buffer.alloc((blockBytes - (body.length % blockBytes)) % blockBytes);
  const paxHeader = ustarHeader({
    name: Buffer.from('PaxHeader'),
    type: 'x',
    mode: 0o644,
    sizeBytes: body.length,
    mtimeS: record.mtimeS,
  });
  return Buffer.concat([paxHeader, body, padding, header]);
}

/** `length key=value\n`, where the length counts itself. */
function paxLine(key: string, value: Buffer): Buffer {
  const rest = key.length + value.length + 3;
  let length = rest + String(rest).length;
  length = rest + String(length).length;
  return Buffer.concat([Buffer.from(`${length} ${key}=`), value, Buffer.from('\n')]);
}

function ustarHeader({ name, type, mode, sizeBytes, mtimeS, link }: TarRecord): Buffer {
  const header = Buffer.alloc(blockBytes);
  name.copy(header, 0, 0, Math.min(100, name.length));
  writeOctal(header, 100, 8, mode);
  writeOctal(header, 108, 8, owner);
  writeOctal(header, 116, 8, owner);
  writeOctal(header, 124, 12, sizeBytes % 0o100000000000);
  writeOctal(header, 136, 12, mtimeS);
  header.fill(' ', 148, 156);
  header.write(type, 156, 'latin1');
  link?.copy(header, 157, 0, Math.min(100, link.length));
  header.write('ustar\x0000', 257, 'latin1');
  let sum = 0;
  for (const byte of header) sum += byte;
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}

function writeOctal(header: Buffer, at: number, width: number, value: number): void {
  header.write(`${value.toString(8).padStart(width - 1, '0')}\0`, at, 'latin1');
}
