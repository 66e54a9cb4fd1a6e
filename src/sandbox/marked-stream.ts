/** The bytes are there during the call alone: what is kept has to be copied. */
export type ByteSink = (bytes: Buffer) => void;

/** What the end marker says: exit code, whether another process still holds the shell's output, kills by the memory limit so far. */
export interface EndMarker {
  code: number;
  held: boolean;
  /** Null when the image hides the kernel's counter. */
  oomKills: number | null;
}

/** Longest end marker after its nonce; a longer line is no marker of ours. */
const maxMarkerBytes = 80;

/**
 * One of the two streams of a call: drops what comes before the start marker, hands on the body, reads the end marker.
 * The nonce is new for each call, so output cannot imitate it. (A process of the same user could read the shell's memory:
 * whoever does that fools only the agent itself; verdicts use an exec of their own.)
 */
export class MarkedStream {
  readonly #go: Buffer;
  readonly #end: Buffer;
  readonly #sink: ByteSink;
  #phase: 'before' | 'body' | 'marker' | 'after' = 'before';
  #carry: Buffer = Buffer.alloc(0);
  /** Bytes came from outside the frame: someone else wrote to this shell's output. */
  foreign = false;
  end: EndMarker | null = null;

  constructor(nonce: string, sink: ByteSink) {
    this.#go = Buffer.from(`${nonce} go\n`);
    this.#end = Buffer.from(`\n${nonce} end `);
    this.#sink = sink;
  }

  get started(): boolean {
    return this.#phase !== 'before';
  }

  push(bytes: Buffer): void {
    if (bytes.length === 0) return;
    if (this.#phase === 'after') {
      this.foreign = true;
      return;
    }
    let data = this.#join(bytes);
    if (this.#phase === 'before') data = this.#findStart(data);
    while (data.length > 0) data = this.#phase === 'marker' ? this.#readMarker(data) : this.#passBody(data);
  }

  /** What was held back and what came now. In a flood the two stay apart, for joining them would copy every byte of it. */
  #join(bytes: Buffer): Buffer {
    const carry = this.#carry;
    this.#carry = Buffer.alloc(0);
    if (carry.length === 0) return bytes;
    if (this.#phase === 'body' && bytes.length >= this.#end.length) {
      const seam = Buffer.concat([carry, bytes.subarray(0, this.#end.length)]);
      if (seam.indexOf(this.#end) < 0) {
        this.#sink(carry);
        return bytes;
      }
    }
    return Buffer.concat([carry, bytes]);
  }

  /** Hands on what was held back when the stream ended without a marker. */
  flush(): void {
    if (this.#phase !== 'before' && this.#carry.length > 0) this.#sink(this.#carry);
    this.#carry = Buffer.alloc(0);
  }

  #findStart(data: Buffer): Buffer {
    const at = data.indexOf(this.#go);
    if (at < 0) {
      this.#hold(data, this.#go.length - 1);
      return Buffer.alloc(0);
    }
    if (at > 0) this.foreign = true;
    this.#phase = 'body';
    return data.subarray(at + this.#go.length);
  }

  /** Hands on the body; returns what comes from an end marker on. */
  #passBody(data: Buffer): Buffer {
    const at = data.indexOf(this.#end);
    if (at < 0) {
      const held = this.#hold(data, this.#end.length - 1);
      if (data.length > held) this.#sink(data.subarray(0, data.length - held));
      return Buffer.alloc(0);
    }
    if (at > 0) this.#sink(data.subarray(0, at));
    this.#phase = 'marker';
    return data.subarray(at);
  }

  /** Reads the end marker; returns what follows one that is none of ours, for that is output again. */
  #readMarker(data: Buffer): Buffer {
    const line = data.toString('latin1', this.#end.length, this.#end.length + maxMarkerBytes);
    if (!line.includes('\n') && line.length < maxMarkerBytes) {
      this.#carry = Buffer.from(data);
      return Buffer.alloc(0);
    }
    const [marker, code, held, oom = ''] = /^(\d+) (\S*) (\S*)\n/.exec(line) ?? [];
    if (marker === undefined) {
      this.foreign = true;
      this.#phase = 'body';
      this.#sink(data.subarray(0, this.#end.length));
      return data.subarray(this.#end.length);
    }
    this.end = { code: Number(code), held: held !== '0', oomKills: /^\d+$/.test(oom) ? Number(oom) : null };
    this.#phase = 'after';
    if (data.length > this.#end.length + marker.length) this.foreign = true;
    return Buffer.alloc(0);
  }

  /** Keeps the last bytes back, for they may be the start of a marker. A copy, so that the chunk can go. */
  #hold(data: Buffer, bytes: number): number {
    const held = Math.min(bytes, data.length);
    this.#carry = Buffer.from(data.subarray(data.length - held));
    return held;
  }
}
