import type { Duplex } from 'node:stream';
import { Mux } from './relay/mux.mjs';

export interface TunnelEvents {
  /** A connection from inside. */
  onConnection: (client: Duplex) => void;
  /** What the relay's own attempts got through; nothing, when the walls hold. */
  onCanary: (findings: readonly string[]) => void;
  onClose: (reason: string) => void;
}

/** The app's end of the relay: each connection from inside comes as a stream of its own. */
export function openTunnel(attached: Duplex & { readonly errorText?: string }, events: TunnelEvents): void {
  new Mux(attached, {
    onOpen: events.onConnection,
    onReport: (json) => events.onCanary(findingsIn(json)),
    onClose: () => events.onClose(attached.errorText?.trim() || 'its streams were closed'),
  });
}

function findingsIn(json: string): string[] {
  try {
    const findings: unknown = JSON.parse(json);
    if (Array.isArray(findings)) return findings.map(String);
  } catch {
    // Falls through: a report that cannot be read proves nothing.
  }
  return ['the relay’s report cannot be read'];
}
