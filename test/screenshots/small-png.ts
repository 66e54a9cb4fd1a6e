import { crc32, deflateSync, inflateSync } from 'node:zlib';

/**
 * A screenshot with at most 256 colours, as a picture with a palette: some four times smaller than what the browser writes, and nobody
 * sees the difference. Takes 8-bit RGB and RGBA without interlacing, which is what Chromium makes.
 */
export function smallPng(png: Buffer): Buffer {
  const { width, height, channels, bytes } = pixelsOf(png);
  return written(width, height, indexed(bytes, { width, height, channels }));
}

interface Size {
  width: number;
  height: number;
  channels: number;
}

function pixelsOf(png: Buffer): Size & { bytes: Uint8Array } {
  const [width, height, kind] = [png.readUInt32BE(16), png.readUInt32BE(20), png[25]];
  const channels = kind === 6 ? 4 : 3;
  const data: Buffer[] = [];
  for (let at = 8; at < png.length; at += png.readUInt32BE(at) + 12)
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT')
      data.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)));
  const raw = inflateSync(Buffer.concat(data));
  const line = width * channels;
  const bytes = new Uint8Array(height * line);
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (line + 1)];
    for (let x = 0; x < line; x++) {
      const left = x < channels ? 0 : (bytes[y * line + x - channels] ?? 0);
      const up = y === 0 ? 0 : (bytes[(y - 1) * line + x] ?? 0);
      const corner = x < channels || y === 0 ? 0 : (bytes[(y - 1) * line + x - channels] ?? 0);
      bytes[y * line + x] = (raw[y * (line + 1) + 1 + x] ?? 0) + predicted(filter ?? 0, left, up, corner);
    }
  }
  return { width, height, channels, bytes };
}

/** The filters of PNG: none, left, up, their mean, and whichever of three is nearest. */
function predicted(filter: number, left: number, up: number, corner: number): number {
  if (filter < 3) return [0, left, up][filter] ?? 0;
  if (filter === 3) return (left + up) >> 1;
  const [toLeft, toUp, toCorner] = [up - corner, left - corner, left + up - 2 * corner].map(Math.abs) as [
    number,
    number,
    number,
  ];
  return toLeft <= toUp && toLeft <= toCorner ? left : toUp <= toCorner ? up : corner;
}

/** Lines of palette numbers: the colours that most pixels have stay as they are, each other one becomes the nearest of them. */
function indexed(bytes: Uint8Array, { width, height, channels }: Size) {
  const colourAt = (pixel: number) => {
    const at = pixel * channels;
    return ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
  };
  const counts = new Map<number, number>();
  for (let pixel = 0; pixel < width * height; pixel++)
    counts.set(colourAt(pixel), (counts.get(colourAt(pixel)) ?? 0) + 1);
  const kept = [...counts].toSorted((left, right) => right[1] - left[1]).slice(0, 256);
  const palette = kept.map(([colour]) => [colour >> 16, (colour >> 8) & 255, colour & 255] as const);
  const numbers = new Map([...counts.keys()].map((colour) => [colour, nearest(colour, palette)]));
  const lines = Buffer.alloc(height * (width + 1));
  for (let pixel = 0; pixel < width * height; pixel++)
    lines[Math.floor(pixel / width) * (width + 1) + 1 + (pixel % width)] = numbers.get(colourAt(pixel)) ?? 0;
  return { lines, palette: palette.flat() };
}

function nearest(colour: number, palette: readonly (readonly [number, number, number])[]): number {
  let [best, least] = [0, Number.POSITIVE_INFINITY];
  for (const [number, [red, green, blue]] of palette.entries()) {
    const away = ((colour >> 16) - red) ** 2 + (((colour >> 8) & 255) - green) ** 2 + ((colour & 255) - blue) ** 2;
    if (away < least) [best, least] = [number, away];
  }
  return best;
}

function written(width: number, height: number, { lines, palette }: { lines: Buffer; palette: number[] }): Buffer {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 3, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', head),
    chunk('PLTE', Buffer.from(palette)),
    chunk('IDAT', deflateSync(lines, { level: 9, memLevel: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(name: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(name, 'latin1'), data]);
  const frame = Buffer.alloc(body.length + 8);
  frame.writeUInt32BE(data.length, 0);
  frame.set(body, 4);
  frame.writeUInt32BE(crc32(body), body.length + 4);
  return frame;
}
