import type { Captured } from './sandbox.ts';

const empty = Buffer.alloc(0);

/** Keeps the first and the last `keepBytes` of a stream of any length. */
export class OutputCapture {
  // Taken when first needed: most commands say little.
  #head = empty;
  #tail = empty;
  readonly #keepBytes: number;
  #total = 0;
  /** Bytes ever written to the tail; its write position is this modulo the size. */
  #tailTotal = 0;

  constructor(keepBytes: number) {
    this.#keepBytes = keepBytes;
  }

  get totalBytes(): number {
    return this.#total;
  }

  write(bytes: Buffer): void {
    if (this.#head.length < this.#keepBytes) this.#head = Buffer.allocUnsafe(this.#keepBytes);
    const toHead = Math.min(Math.max(this.#keepBytes - this.#total, 0), bytes.length);
    if (toHead > 0) bytes.copy(this.#head, this.#total, 0, toHead);
    this.#total += bytes.length;
    if (toHead < bytes.length) this.#writeTail(bytes.subarray(toHead));
  }

  #writeTail(bytes: Buffer): void {
    if (this.#tail.length < this.#keepBytes) this.#tail = Buffer.allocUnsafe(this.#keepBytes);
    const kept = bytes.length > this.#keepBytes ? bytes.subarray(bytes.length - this.#keepBytes) : bytes;
    this.#tailTotal += bytes.length - kept.length;
    const at = this.#keepBytes === 0 ? 0 : this.#tailTotal % this.#keepBytes;
    const untilEnd = Math.min(kept.length, this.#keepBytes - at);
    kept.copy(this.#tail, at, 0, untilEnd);
    kept.copy(this.#tail, 0, untilEnd);
    this.#tailTotal += kept.length;
  }

  /** Head and tail as text; where bytes are missing, a line says how many. */
  captured(): Captured {
    const head = this.#head.subarray(0, Math.min(this.#total, this.#keepBytes));
    const tail = this.#orderedTail();
    if (head.length + tail.length === this.#total) {
      return { text: Buffer.concat([head, tail]).toString('utf8'), totalBytes: this.#total, truncated: false };
    }
    const start = withoutBrokenEnd(head);
    const end = withoutBrokenStart(tail);
    const cut = this.#total - start.length - end.length;
    return { text: `${start}\n[… ${cut} bytes cut …]\n${end}`, totalBytes: this.#total, truncated: true };
  }

  #orderedTail(): Buffer {
    if (this.#tailTotal <= this.#keepBytes) return this.#tail.subarray(0, this.#tailTotal);
    const at = this.#tailTotal % this.#keepBytes;
    return Buffer.concat([this.#tail.subarray(at), this.#tail.subarray(0, at)]);
  }
}

const isContinuation = (byte: number | undefined) => byte !== undefined && (byte & 0xc0) === 0x80;

/** Drops a UTF-8 character that the cut left without its last bytes. */
function withoutBrokenEnd(bytes: Buffer): Buffer {
  let at = bytes.length - 1;
  while (at > 0 && bytes.length - at < 4 && isContinuation(bytes[at])) at -= 1;
  const lead = bytes[at] ?? 0;
  const needed = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
  return bytes.length - at < needed ? bytes.subarray(0, at) : bytes;
}

/** Drops the last bytes of a UTF-8 character whose start was cut. */
function withoutBrokenStart(bytes: Buffer): Buffer {
  let at = 0;
  while (at < 3 && isContinuation(bytes[at])) at += 1;
  return bytes.subarray(at);
}
