import type { Readable } from 'node:stream';

/** Docker's stream kinds: 1 standard output, 2 standard error. */
export type StreamKind = 1 | 2;

const headerBytes = 8;

/**
 * Takes Docker's multiplexed frames apart (8-byte header: kind, three zeros, length) without joining chunks,
 * so that a flood of output costs no memory.
 */
export class FrameReader {
  readonly #header = Buffer.alloc(headerBytes);
  readonly #emit: (kind: StreamKind, bytes: Buffer) => void;
  #have = 0;
  #left = 0;
  #kind: StreamKind = 1;

  constructor(emit: (kind: StreamKind, bytes: Buffer) => void) {
    this.#emit = emit;
  }

  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      at += this.#left > 0 ? this.#takeBody(chunk, at) : this.#takeHeader(chunk, at);
    }
  }

  #takeBody(chunk: Buffer, at: number): number {
    const length = Math.min(this.#left, chunk.length - at);
    this.#left -= length;
    this.#emit(this.#kind, chunk.subarray(at, at + length));
    return length;
  }

  #takeHeader(chunk: Buffer, at: number): number {
    const length = Math.min(headerBytes - this.#have, chunk.length - at);
    chunk.copy(this.#header, this.#have, at, at + length);
    this.#have += length;
    if (this.#have === headerBytes) {
      this.#have = 0;
      this.#kind = this.#header[0] === 2 ? 2 : 1;
      this.#left = this.#header.readUInt32BE(4);
    }
    return length;
  }
}

/**
 * Feeds a stream to the reader and frees each chunk at once: a flood brings hundreds of megabytes in a second, long before they would be
 * collected. Whoever wants to keep bytes beyond the call has to copy them. A chunk that shares its memory with others is left alone.
 */
export function readFrames(stream: Readable, reader: FrameReader): void {
  stream.on('data', (chunk: Buffer) => {
    reader.push(chunk);
    const { buffer, byteLength } = chunk;
    if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
  });
}
