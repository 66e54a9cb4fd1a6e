import type { Duplex } from 'node:stream';

export interface MuxEvents {
  /** The other end opened a connection. */
  onOpen?: (channel: Duplex) => void;
  /** The other end reported something, as JSON. */
  onReport?: (json: string) => void;
  onClose?: () => void;
}

/** Many connections over one stream. Closes the stream on anything that it cannot read. */
export declare class Mux {
  constructor(stream: Duplex, events?: MuxEvents);
  /** Connections that are open now. */
  readonly size: number;
  open(): Duplex;
  report(value: unknown): void;
  close(): void;
}
