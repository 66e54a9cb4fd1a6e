import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { Container } from 'dockerode';
import { MillwrightError } from '../errors.ts';
import { engineCall } from './docker-client.ts';
import { FrameReader, readFrames } from './frame-reader.ts';
import { type ByteSink, type EndMarker, MarkedStream } from './marked-stream.ts';
import { framed, prologue, workdir } from './shell-script.ts';

export interface ShellSettings {
  container: Container;
  /** Environment of the exec'd shell and all it starts; the only place where secrets go. */
  env: readonly string[];
  user: string;
}

/** How a call on a shell ended: by its marker, or by the shell going away. */
export type ShellEnd = EndMarker | 'closed';

/** A shell whose acknowledgement takes longer than this is broken or robbed of its input. */
const acknowledgeMs = 5_000;

const maxPidChars = 10;

/** One `docker exec /bin/sh` with its streams kept open; runs one call at a time. */
export class ShellChannel {
  readonly #stream: Duplex;
  readonly #reader: FrameReader;
  #streams: { 1: MarkedStream; 2: MarkedStream } | null = null;
  #settle: ((end: ShellEnd) => void) | null = null;
  #started: (() => void) | null = null;
  #closed = false;
  #foreign = false;
  #pid = 0;
  /** Process ids of the other shells of ours in the same container. */
  siblings: () => readonly number[] = () => [];
  /** Called once when the stream ends. */
  onClose: () => void = () => {};

  private constructor(stream: Duplex) {
    this.#stream = stream;
    this.#reader = new FrameReader((kind, bytes) => this.#accept(kind, bytes));
    readFrames(stream, this.#reader);
    stream.on('end', () => this.#close());
    stream.on('close', () => this.#close());
    stream.on('error', () => this.#close());
  }

  /** Starts a shell and waits until it has answered with its process id. Rejects with `outside.sandbox`. */
  static async start(settings: ShellSettings): Promise<ShellChannel> {
    const stream = await openExec(settings, ['/bin/sh']);
    const channel = new ShellChannel(stream);
    let pid = '';
    stream.write(`${prologue}\n`);
    const keep = (bytes: Buffer) => {
      if (pid.length < maxPidChars) pid += bytes.toString('latin1', 0, maxPidChars);
    };
    const end = await channel.ask("printf '%s' $$", { stdout: keep });
    channel.#pid = Number(pid);
    if (end === 'closed' || !(channel.#pid > 1)) {
      channel.close();
      throw new MillwrightError('outside.sandbox', { message: 'a shell of the sandbox did not answer' });
    }
    return channel;
  }

  /** Process id inside the container; also the id of its process group. */
  get pid(): number {
    return this.#pid;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Whether somebody else wrote to this shell's output, so that it must not be used again. */
  get foreign(): boolean {
    return this.#foreign;
  }

  /**
   * Runs a script of ours that takes no time. A shell that has not ended it in time was stopped or robbed from inside, and is closed.
   * Never rejects.
   */
  async ask(body: string, sinks: { stdout?: ByteSink } = {}, waitMs = acknowledgeMs): Promise<ShellEnd> {
    const timer = setTimeout(() => this.close(), waitMs);
    try {
      return await this.send(body, sinks).ended;
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Runs a script. `started` tells whether the shell took it (false: nothing ran, another shell may be tried);
   * `ended` resolves when both streams have shown the end marker or the shell is gone. Neither rejects.
   */
  send(
    body: string,
    sinks: { stdout?: ByteSink; stderr?: ByteSink },
  ): { started: Promise<boolean>; ended: Promise<ShellEnd> } {
    if (this.#streams) throw new MillwrightError('bug.unexpected', { message: 'a shell was given a second call' });
    if (this.#closed) return { started: Promise.resolve(false), ended: Promise.resolve('closed') };
    const nonce = randomBytes(16).toString('hex');
    const ignore = () => {};
    this.#streams = {
      1: new MarkedStream(nonce, sinks.stdout ?? ignore),
      2: new MarkedStream(nonce, sinks.stderr ?? ignore),
    };
    const ended = new Promise<ShellEnd>((resolve) => {
      this.#settle = resolve;
    });
    const started = new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), acknowledgeMs);
      const decide = (answer: boolean) => {
        clearTimeout(timer);
        resolve(answer);
      };
      this.#started = () => decide(true);
      ended.then(() => decide(false));
    });
    this.#stream.write(framed(nonce, body, this.siblings()));
    return { started, ended };
  }

  /** Closes our end. The shell and what it started may live on until the container goes. */
  close(): void {
    this.#stream.destroy();
    this.#close();
  }

  #accept(kind: 1 | 2, bytes: Buffer): void {
    if (!this.#streams) {
      this.#foreign = true;
      return;
    }
    const stream = this.#streams[kind];
    stream.push(bytes);
    if (stream.started) this.#started?.();
    const first = this.#streams[1];
    const second = this.#streams[2];
    if (first.foreign || second.foreign) this.#foreign = true;
    if (first.end && second.end) this.#finish(first.end);
  }

  #finish(end: ShellEnd): void {
    const settle = this.#settle;
    this.#streams = null;
    this.#settle = null;
    this.#started = null;
    settle?.(end);
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#streams?.[1].flush();
    this.#streams?.[2].flush();
    this.#finish('closed');
    this.onClose();
  }
}

/** Starts an exec and returns its raw stream, multiplexed by Docker. */
async function openExec(settings: ShellSettings, command: readonly string[]): Promise<Duplex> {
  const { stream } = await startExec(settings, command, true);
  return stream;
}

/** An exec of its own: its exit code comes from the engine, not from the stream. */
export async function startExec(settings: ShellSettings, command: readonly string[], stdin = false) {
  const exec = await engineCall(
    'prepare a command',
    settings.container.exec({
      AttachStdin: stdin,
      AttachStdout: true,
      AttachStderr: true,
      Cmd: [...command],
      Env: [...settings.env],
      User: settings.user,
      WorkingDir: workdir,
    }),
  );
  const stream = await engineCall('start a command', exec.start({ hijack: true, stdin, Tty: false }));
  return { exec, stream };
}
