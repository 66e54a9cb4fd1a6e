import type Docker from 'dockerode';
import { engineCall, type SandboxLog } from './docker-client.ts';

/** Kills by the memory limit as the engine tells of them; `OOMKilled` stays false unless the first process dies. */
export class OomEvents {
  readonly #docker: Docker;
  readonly #instance: string;
  readonly #log: SandboxLog;
  readonly #watched = new Map<string, () => void>();
  #stream: NodeJS.ReadableStream | null = null;

  constructor(docker: Docker, instance: string, log: SandboxLog) {
    this.#docker = docker;
    this.#instance = instance;
    this.#log = log;
  }

  /** Calls `note` at each event of that container until the returned function is called. */
  async watch(containerId: string, note: () => void): Promise<() => void> {
    this.#watched.set(containerId, note);
    if (!this.#stream) await this.#listen();
    return () => {
      this.#watched.delete(containerId);
      if (this.#watched.size === 0) this.#hangUp();
    };
  }

  async #listen(): Promise<void> {
    const filters = { type: ['container' as const], event: ['oom'], label: [`millwright.instance=${this.#instance}`] };
    const stream = await engineCall('listen to events', this.#docker.getEvents({ filters }));
    if (this.#stream) {
      hangUp(stream);
      return;
    }
    this.#stream = stream;
    let rest = '';
    stream.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString('utf8')).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.#take(line);
    });
    const lost = () => {
      if (this.#stream === stream) this.#stream = null;
    };
    stream.on('close', lost);
    stream.on('error', (error) => {
      lost();
      this.#log.debug({ error: error.message }, 'the engine event stream ended; the next container opens it again');
    });
  }

  #take(line: string): void {
    if (line.trim() === '') return;
    const event = JSON.parse(line) as { Actor?: { ID?: string } };
    this.#watched.get(event.Actor?.ID ?? '')?.();
  }

  #hangUp(): void {
    if (this.#stream) hangUp(this.#stream);
    this.#stream = null;
  }
}

function hangUp(stream: NodeJS.ReadableStream): void {
  (stream as NodeJS.ReadableStream & { destroy(): void }).destroy();
}
