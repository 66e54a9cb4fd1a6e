import type { WakeChannel } from './database.ts';

/** Who in this process wants to hear of which channel. */
export class WakeListeners {
  private readonly listeners = new Map<WakeChannel, Set<() => void>>();

  /** Returns how to stop listening. */
  add(channel: WakeChannel, listener: () => void): () => void {
    const set = this.listeners.get(channel) ?? new Set();
    this.listeners.set(channel, set);
    set.add(listener);
    return () => set.delete(listener);
  }

  /** Calls them after the current work, so that a wake-up never runs inside the statement that caused it. */
  tell(channel: WakeChannel): void {
    for (const listener of this.listeners.get(channel) ?? []) setImmediate(listener);
  }

  tellAll(): void {
    for (const channel of this.listeners.keys()) this.tell(channel);
  }
}
