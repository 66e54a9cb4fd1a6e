import { OutputCapture } from './output-capture.ts';

/** Both streams of one command, and the alarm when they pass the limit together. */
export class CommandCapture {
  readonly #out: OutputCapture;
  readonly #err: OutputCapture;
  readonly #maxBytes: number;
  onOverflow: () => void = () => {};

  constructor(keepBytes: number, maxBytes: number) {
    this.#out = new OutputCapture(keepBytes);
    this.#err = new OutputCapture(keepBytes);
    this.#maxBytes = maxBytes;
  }

  readonly stdout = (bytes: Buffer) => this.#take(this.#out, bytes);
  readonly stderr = (bytes: Buffer) => this.#take(this.#err, bytes);

  captured() {
    return { stdout: this.#out.captured(), stderr: this.#err.captured() };
  }

  #take(stream: OutputCapture, bytes: Buffer): void {
    stream.write(bytes);
    if (this.#out.totalBytes + this.#err.totalBytes > this.#maxBytes) this.onOverflow();
  }
}
