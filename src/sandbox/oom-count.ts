import type { Container } from 'dockerode';
import { engineLookup } from './docker-client.ts';
import { scriptResult } from './own-exec.ts';
import type { ShellEnd, ShellSettings } from './shell-channel.ts';
import { prologue } from './shell-script.ts';
import type { Finish } from './supervision.ts';

/** Kills by the memory limit of one container: the kernel's counter when last seen, and what the engine's events told. */
export class OomCount {
  readonly #container: Container;
  readonly #settings: ShellSettings;
  #seen = 0;
  #events = 0;

  constructor(container: Container, settings: ShellSettings) {
    this.#container = container;
    this.#settings = settings;
  }

  get events(): number {
    return this.#events;
  }

  noteEvent(): void {
    this.#events += 1;
  }

  /** The kernel counts from zero again when the container starts again. */
  reset(): void {
    this.#seen = 0;
  }

  /** Whether the limit killed something during the call: kernel counter first, the engine's events where it is hidden. */
  async hasGrown(finish: Finish, end: ShellEnd, eventsBefore: number): Promise<boolean> {
    if (end !== 'closed' && end.oomKills !== null) return this.#count(end.oomKills);
    if (finish.code === 0) return false;
    const facts = await engineLookup('look at the container', this.#container.inspect());
    if (!facts?.State.Running) return facts?.State.OOMKilled ?? false;
    const { output } = await scriptResult(this.#settings, `${prologue}\nmw_oom; printf '%s' "$mw_o"`);
    if (/^\d+$/.test(output)) return this.#count(Number(output));
    return this.#events > eventsBefore;
  }

  #count(total: number): boolean {
    const grown = total > this.#seen;
    this.#seen = total;
    return grown;
  }
}
