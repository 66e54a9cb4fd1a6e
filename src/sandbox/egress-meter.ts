/** Limits of one wall, over its whole life. */
export interface EgressLimits {
  /** Connections at once. */
  connections: number;
  /** Bytes that may come in. */
  receivedBytes: number;
  /** Bytes that may go out. */
  sentBytes: number;
  /** Silence after which a connection is closed. */
  idleMs: number;
  /** Longest time for one resolved address to answer. */
  connectMs: number;
}

/** Room for a large set-up; little enough that a loop cannot fill a disk or empty a repository for hours. */
export const usualEgressLimits: EgressLimits = {
  connections: 128,
  receivedBytes: 8 * 1024 ** 3,
  sentBytes: 1024 ** 3,
  idleMs: 120_000,
  connectMs: 10_000,
};

/** Counts what passes through one wall. */
export class EgressMeter {
  readonly #limits: EgressLimits;
  readonly #onExhausted: () => void;
  #receivedBytes = 0;
  #sentBytes = 0;

  constructor(limits: EgressLimits, onExhausted: () => void) {
    this.#limits = limits;
    this.#onExhausted = onExhausted;
  }

  get exhausted(): boolean {
    return this.#receivedBytes > this.#limits.receivedBytes || this.#sentBytes > this.#limits.sentBytes;
  }

  received(bytes: Uint8Array): void {
    this.#receivedBytes += bytes.length;
    if (this.exhausted) this.#onExhausted();
  }

  sent(bytes: Uint8Array): void {
    this.#sentBytes += bytes.length;
    if (this.exhausted) this.#onExhausted();
  }
}
