import type { Container } from 'dockerode';
import type { Clock } from '../clock.ts';
import { MillwrightError } from '../errors.ts';
import { engineCall, engineLookup, type SandboxLog } from './docker-client.ts';
import { killEverything, scriptResult } from './own-exec.ts';
import { holdsOnlyInit } from './process-list.ts';
import type { ShellSettings } from './shell-channel.ts';
import type { ShellPool } from './shell-pool.ts';

export interface HealthParts {
  container: Container;
  settings: ShellSettings;
  pool: ShellPool;
  onRestart: () => Promise<void>;
  clock: Clock;
  log: SandboxLog;
}

const aliveTries = 5;
const betweenTriesMs = 100;

/** Whether a container can still run something, and what makes it fit to again. */
export class ContainerHealth {
  readonly #parts: HealthParts;
  #restarting: Promise<void> | null = null;

  constructor(parts: HealthParts) {
    this.#parts = parts;
  }

  /** Waits while another call has the container started anew: what ends meanwhile ended by that. */
  async settled(): Promise<void> {
    await this.#restarting;
  }

  async isRunning(): Promise<boolean> {
    await this.settled();
    const facts = await engineLookup('look at the container', this.#parts.container.inspect());
    if (!facts) throw new MillwrightError('outside.sandbox', { message: 'the container is gone' });
    return facts.State.Running;
  }

  /** Whether the container can still run something: one that was killed counts as running for a moment longer. */
  async isAlive(): Promise<boolean> {
    for (let tries = 1; tries <= aliveTries; tries += 1) {
      if (!(await this.isRunning())) return false;
      const { code, late } = await scriptResult(this.#parts.settings, 'exit 42');
      if (code === 42) return true;
      // Stopped by a process inside, which is no death of the container.
      if (late && (await this.isRunning())) await this.clear();
      else await this.#parts.clock.sleep(betweenTriesMs);
    }
    return false;
  }

  /** Leaves no process of any earlier command, seen from outside; a container that cannot be cleared is started anew. */
  async clear(): Promise<void> {
    const { container, settings, pool } = this.#parts;
    pool.reset();
    await scriptResult(settings, killEverything);
    if (!(await holdsOnlyInit(container))) await this.restart();
  }

  /** Kills and starts the container; its files stay. Two calls at once are one restart. */
  async restart(): Promise<void> {
    this.#restarting ??= this.#restart().finally(() => {
      this.#restarting = null;
    });
    await this.#restarting;
  }

  async #restart(): Promise<void> {
    const { container, pool, onRestart, log } = this.#parts;
    log.warn({ container: container.id }, 'a container is restarted: its processes could not be ended otherwise');
    pool.reset();
    await engineCall('kill the container', container.kill().catch(ignoreNotRunning));
    await engineCall('start the container again', container.start());
    await onRestart();
  }
}

function ignoreNotRunning(error: { statusCode?: number }): void {
  if (error.statusCode !== 409 && error.statusCode !== 500) throw error;
}
