import { performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
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

export interface TunnelEvents {
  /** A connection from inside. */
  onConnection: (client: Duplex) => void;
  /** What the relay's own attempts got through; nothing, when the walls hold. */
  onCanary: (findings: readonly string[]) => void;
  onClose: (reason: string) => void;
}

const maxReportBytes = 16 * 1024;

/** The app's end of the relay: each stream of the relay is one connection from inside. */
export function openTunnel(
  attached: Duplex & { readonly errorText?: string },
  maxConnections: number,
  events: TunnelEvents,
): ServerHttp2Session {
  const session = performServerHandshake(attached, {
    settings: { initialWindowSize: 256 * 1024, maxConcurrentStreams: maxConnections + 8 },
    maxSessionMemory: 64,
    // Connections that the container breaks off are its own business, up to a flood.
    streamResetBurst: 20_000,
    streamResetRate: 2_000,
  });
  session.setLocalWindowSize(4 * 1024 ** 2);
  let reason = '';
  session.on('error', (error) => {
    reason = error.message;
  });
  session.once('close', () => events.onClose(attached.errorText?.trim() || reason || 'it ended'));
  attached.once('close', () => session.destroy());
  session.on('stream', (stream, headers) => {
    stream.on('error', () => stream.destroy());
    stream.respond({ ':status': 200 });
    if (headers[':path'] === '/canary') readReport(stream, events.onCanary);
    else events.onConnection(stream);
  });
  return session;
}

function readReport(stream: ServerHttp2Stream, onCanary: TunnelEvents['onCanary']): void {
  let text = '';
  stream.on('data', (bytes: Buffer) => {
    if (text.length < maxReportBytes) text += bytes.toString();
  });
  stream.on('end', () => {
    stream.end();
    onCanary(findingsIn(text));
  });
}

function findingsIn(text: string): string[] {
  try {
    const findings: unknown = JSON.parse(text);
    if (Array.isArray(findings)) return findings.map(String);
  } catch {
    // Falls through: a report that cannot be read proves nothing.
  }
  return ['the relay’s report cannot be read'];
}
