import type { Container } from 'dockerode';
import type { Clock } from '../clock.ts';
import { MillwrightError } from '../errors.ts';
import { readChanges } from './changes.ts';
import { CommandRunner } from './command-runner.ts';
import { engineCall, engineLookup, type SandboxLog } from './docker-client.ts';
import type { OpenEgress } from './egress.ts';
import type { LayerReader } from './layer-reader.ts';
import { pauseContainer } from './pause.ts';
import { removeContainer } from './reaper.ts';
import type {
  BlockedAttempt,
  ChangeLimits,
  CommandCall,
  CommandResult,
  ContainerChange,
  FileRead,
  FileWrite,
  Sandbox,
  SandboxLimits,
} from './sandbox.ts';
import { type FileAccess, readContainerFile, writeContainerFile } from './shell-files.ts';
import { ShellPool } from './shell-pool.ts';
import { workdir } from './shell-script.ts';

export interface RunningSandboxParts {
  name: string;
  container: Container;
  /** `uid:gid` of the shells. */
  user: string;
  limits: SandboxLimits;
  /** Environment of every process, secrets included. */
  env: readonly string[];
  egress: OpenEgress | null;
  layers: LayerReader;
  /** Files of the checkout that the image was made without: deleted, although nothing in the container says so. */
  absent: readonly string[];
  onDispose: () => void;
  /** Called when the container was started again; must use no shell of the pool. */
  onRestart: () => Promise<void>;
  clock: Clock;
  log: SandboxLog;
}

/** A started container and its shells. */
export class RunningSandbox implements Sandbox {
  readonly name: string;
  readonly workdir = workdir;
  readonly #parts: RunningSandboxParts;
  readonly #pool: ShellPool;
  readonly #runner: CommandRunner;
  #disposed: Promise<void> | null = null;

  constructor(parts: RunningSandboxParts) {
    this.name = parts.name;
    this.#parts = parts;
    const settings = { container: parts.container, env: parts.env, user: parts.user };
    this.#pool = new ShellPool(settings);
    this.#runner = new CommandRunner({ ...parts, settings, pool: this.#pool });
  }

  /** Does work on the container itself while no shell is being started. */
  async alone<T>(work: (container: Container) => Promise<T>): Promise<T> {
    return this.#pool.exclusively(() => work(this.#parts.container));
  }

  /** Warms the shells up. */
  async start(): Promise<void> {
    await this.#pool.fill();
  }

  /** The command that runs now, if any. */
  get currentCommand(): string | undefined {
    return this.#runner.currentCommand;
  }

  /** Counts a kill by the memory limit that the engine told of. */
  noteOutOfMemory(): void {
    this.#runner.noteOutOfMemory();
  }

  async run(call: CommandCall): Promise<CommandResult> {
    this.#assertOpen();
    return this.#runner.run(call);
  }

  async readFile(path: string, options: { maxBytes?: number } = {}): Promise<FileRead> {
    this.#assertOpen();
    return readContainerFile(this.#files(), path, options.maxBytes ?? 16 * 1024 ** 2);
  }

  async writeFile(path: string, bytes: Uint8Array): Promise<FileWrite> {
    this.#assertOpen();
    return writeContainerFile(this.#files(), path, bytes);
  }

  async changes(limits: ChangeLimits): Promise<ContainerChange[]> {
    this.#assertOpen();
    const { container, layers, absent } = this.#parts;
    const { base } = limits;
    const held = base && absent.length > 0 ? async () => without(await base(), absent) : base;
    const found = await this.#paused(() =>
      readChanges(container, { ...limits, ...(held ? { base: held } : {}) }, layers),
    );
    return [...absent.map((path) => ({ kind: 'deleted' as const, path })), ...found];
  }

  blocked(): readonly BlockedAttempt[] {
    return this.#parts.egress?.blocked() ?? [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#dispose();
    await this.#disposed;
  }

  async #dispose(): Promise<void> {
    this.#pool.close();
    const { container, egress, log, name, onDispose } = this.#parts;
    onDispose();
    // The container first: its processes must be gone before their way out is.
    await removeContainer(container);
    if (egress) await egress.close();
    const left = await engineLookup('look for the removed container', container.inspect());
    if (left) log.warn({ name }, 'a removed container is still there; the reaper will take it');
  }

  async #paused<T>(work: () => Promise<T>): Promise<T> {
    const { container, clock } = this.#parts;
    return this.#pool.exclusively(async () => {
      await pauseContainer(container, clock);
      try {
        return await work();
      } finally {
        await engineCall('resume the container', container.unpause());
      }
    });
  }

  #files(): FileAccess {
    return { runner: this.#runner, container: this.#parts.container, paused: (work) => this.#paused(work) };
  }

  #assertOpen(): void {
    if (this.#disposed) throw new MillwrightError('outside.sandbox', { message: `${this.name} is already removed` });
  }
}

function without(paths: readonly string[], absent: readonly string[]): string[] {
  const dropped = new Set(absent);
  return paths.filter((path) => !dropped.has(path));
}
