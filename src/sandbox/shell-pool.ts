import { MillwrightError } from '../errors.ts';
import { ShellChannel, type ShellEnd, type ShellSettings } from './shell-channel.ts';

/** Warm shells kept ready; a third one is kept aside for killing only. */
const warmShells = 2;

/** Retired shells that may wait for their background processes; beyond it they are asked whether they are free again. */
const maxRetired = 8;

/**
 * The shells of one container. A shell goes back to the pool only while no other process holds its output;
 * else it is retired (its late output is drained and dropped) and another is started.
 */
export class ShellPool {
  readonly #settings: ShellSettings;
  readonly #idle: ShellChannel[] = [];
  readonly #retired = new Set<ShellChannel>();
  /** Starts in flight: the engine must not be asked to pause, commit or list changes meanwhile. */
  readonly #starting = new Set<Promise<unknown>>();
  #aside: ShellChannel | null = null;
  /** Set while nothing may be started; resolves when it may again. */
  #gate: Promise<void> | null = null;
  #closed = false;

  constructor(settings: ShellSettings) {
    this.#settings = settings;
  }

  /** Starts the warm shells; resolves when the first answers, the rest follow. */
  async fill(): Promise<void> {
    const first = this.#start();
    void this.#refill();
    void this.#refillAside();
    this.#idle.push(await first);
  }

  /** A clean shell, warm if there is one. Rejects with `outside.sandbox` when none can be started. */
  async take(): Promise<ShellChannel> {
    if (this.#closed) throw new MillwrightError('outside.sandbox', { message: 'the sandbox is closed' });
    while (this.#gate) await this.#gate;
    for (let shell = this.#idle.pop(); shell; shell = this.#idle.pop()) {
      if (!shell.closed && !shell.foreign) return shell;
      this.#retire(shell);
    }
    return this.#start();
  }

  /** Takes a shell back after a call that ended so, and sees to it that the next call finds one. */
  give(shell: ShellChannel, end: ShellEnd): void {
    if (this.#closed || end === 'closed' || shell.closed) shell.close();
    else if (end.held || shell.foreign) this.#retire(shell);
    else this.#idle.push(shell);
    void this.#refill();
  }

  /** The shell kept for killing, or a new one. */
  async takeAside(): Promise<ShellChannel> {
    const aside = this.#aside;
    this.#aside = null;
    if (aside && !aside.closed && !aside.foreign) return aside;
    return this.#start();
  }

  giveAside(shell: ShellChannel): void {
    if (this.#closed || this.#aside || shell.closed) shell.close();
    else this.#aside = shell;
    void this.#refillAside();
  }

  /**
   * Holds all starts back and waits for those in flight, does the work, lets starts go on. For work that freezes the
   * container or replaces its processes: an exec start that met a pause once hung the engine for good.
   */
  async exclusively<T>(work: () => Promise<T>): Promise<T> {
    while (this.#gate) await this.#gate;
    let open = () => {};
    this.#gate = new Promise((resolve) => {
      open = resolve;
    });
    try {
      await Promise.allSettled(this.#starting);
      return await work();
    } finally {
      this.#gate = null;
      open();
    }
  }

  /** Drops every shell; later calls start new ones. */
  reset(): void {
    for (const shell of this.#idle.splice(0)) shell.close();
    for (const shell of this.#retired) shell.close();
    this.#retired.clear();
    this.#aside?.close();
    this.#aside = null;
  }

  /** Drops every shell for good. */
  close(): void {
    this.#closed = true;
    this.reset();
  }

  /** Not closed: the engine stalls for seconds when a shell exits while a background process holds its output. */
  #retire(shell: ShellChannel): void {
    if (shell.closed) return;
    shell.onClose = () => this.#retired.delete(shell);
    this.#retired.add(shell);
    if (this.#retired.size > maxRetired) void this.#reclaim();
  }

  /** Asks each retired shell whether its background processes are gone. */
  async #reclaim(): Promise<void> {
    for (const shell of [...this.#retired]) {
      if (!this.#retired.delete(shell)) continue;
      const end = await shell.ask(':');
      if (end !== 'closed' && (end.held || shell.foreign) && !this.#closed) this.#retired.add(shell);
      else if (this.#idle.length < warmShells) this.give(shell, end);
      else shell.close();
    }
  }

  async #start(): Promise<ShellChannel> {
    while (this.#gate) await this.#gate;
    const start = ShellChannel.start(this.#settings);
    this.#starting.add(start);
    try {
      const shell = await start;
      shell.siblings = () => this.#ownPids();
      if (this.#closed) shell.close();
      return shell;
    } finally {
      this.#starting.delete(start);
    }
  }

  #ownPids(): number[] {
    return [...this.#idle, ...this.#retired, ...(this.#aside ? [this.#aside] : [])]
      .filter(({ closed }) => !closed)
      .map(({ pid }) => pid);
  }

  /** Starts in the background what is missing. A failure is no news here: the next `take` starts one itself and reports. */
  async #refill(): Promise<void> {
    this.#idle.splice(0, this.#idle.length, ...this.#idle.filter((shell) => !shell.closed && !shell.foreign));
    if (this.#closed || this.#idle.length + this.#starting.size >= warmShells) return;
    const [result] = await Promise.allSettled([this.#start()]);
    if (result.status === 'fulfilled') {
      if (this.#closed || this.#idle.length >= warmShells) result.value.close();
      else this.#idle.push(result.value);
    }
  }

  async #refillAside(): Promise<void> {
    if (this.#closed || this.#aside) return;
    const [result] = await Promise.allSettled([this.#start()]);
    if (result.status === 'fulfilled') {
      if (this.#closed || this.#aside) result.value.close();
      else this.#aside = result.value;
    }
  }
}
