import { Duplex } from 'node:stream';
import { FrameReader } from './frame-reader.ts';

const keptErrorBytes = 2_000;

/** The two ends of an attached container as one stream: its input, and its output without Docker's frames. */
export class AttachedStream extends Duplex {
  readonly #raw: NodeJS.ReadWriteStream;
  #errorText = '';

  constructor(raw: NodeJS.ReadWriteStream) {
    super();
    this.#raw = raw;
    const reader = new FrameReader((kind, bytes) => {
      if (kind === 2) this.#errorText = (this.#errorText + bytes.toString()).slice(-keptErrorBytes);
      else if (!this.push(bytes)) raw.pause();
    });
    raw.on('data', (chunk: Buffer) => reader.push(chunk));
    raw.on('error', (error: Error) => this.destroy(error));
    raw.on('end', () => this.push(null));
    raw.on('close', () => this.destroy());
  }

  /** The last that the container wrote to its standard error. */
  get errorText(): string {
    return this.#errorText;
  }

  override _read(): void {
    this.#raw.resume();
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#raw.write(chunk, done);
  }

  override _final(done: () => void): void {
    this.#raw.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if ('destroy' in this.#raw && typeof this.#raw.destroy === 'function') this.#raw.destroy();
    done(error);
  }
}
