import type { EgressRefusal } from './egress-target.ts';
import type { BlockedAttempt } from './sandbox.ts';

const maxEntries = 200;
const maxHostLength = 260;
const maxCommandLength = 500;

/** Counts refused attempts. What is kept is bounded, whatever the container does. */
export class BlockedAttempts {
  readonly #entries = new Map<string, BlockedAttempt>();
  readonly #currentCommand: () => string | undefined;
  /** False while the wall itself makes attempts. */
  counting = true;
  #more = 0;

  constructor(currentCommand: () => string | undefined) {
    this.#currentCommand = currentCommand;
  }

  /** `port` 0: none could be read. */
  add(host: string, port: number, reason: EgressRefusal): void {
    if (!this.counting) return;
    const command = this.#currentCommand()?.slice(0, maxCommandLength);
    const name = printable(host);
    const key = JSON.stringify([name, port, reason, command]);
    const known = this.#entries.get(key);
    if (known) known.count += 1;
    else if (this.#entries.size >= maxEntries) this.#more += 1;
    else {
      const attempt = { host: name, port, reason, count: 1 };
      this.#entries.set(key, command === undefined ? attempt : { ...attempt, command });
    }
  }

  list(): readonly BlockedAttempt[] {
    const entries = [...this.#entries.values()].map((entry) => ({ ...entry }));
    if (this.#more === 0) return entries;
    return [...entries, { host: '(others)', port: 0, reason: 'more than are listed', count: this.#more }];
  }
}

/** The container chose these bytes: nothing of them may steer a terminal, a log or a page. */
function printable(host: string): string {
  return host.slice(0, maxHostLength).replaceAll(/[^\x21-\x7e]/g, '?');
}
