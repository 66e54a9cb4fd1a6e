import type { ByteSink } from './marked-stream.ts';
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

export interface Sinks {
  stdout?: ByteSink;
  stderr?: ByteSink;
}

/** The same sinks for `maxBytes` of both streams together; past them nothing is handed on, but the alarm is raised. */
export function upTo(maxBytes: number, sinks: Sinks, onOverflow: () => void): Sinks {
  let bytes = 0;
  const bounded = (sink: ByteSink | undefined) => (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > maxBytes) onOverflow();
    else sink?.(chunk);
  };
  return { stdout: bounded(sinks.stdout), stderr: bounded(sinks.stderr) };
}
