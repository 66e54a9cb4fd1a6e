import type Docker from 'dockerode';
import type { BlockedAttempt, NetworkWalls } from './sandbox.ts';

/** The one way out of a container: an allow-list proxy that the container reaches on its own loopback. */
export interface EgressWall {
  /**
   * Opens the way for one started container that has no network of its own. Resolves when requests that must be refused were refused.
   * Errors: `outside.sandbox`, `outside.no-engine`; `request.policy-invalid` for an address range that cannot be read.
   */
  open(request: EgressRequest): Promise<OpenEgress>;
  /** Proves on a container made for it, and removed again, that this engine holds the walls. Never rejects. */
  canary(engine: { docker: Docker; instance: string }): Promise<CanaryOutcome>;
}

export interface EgressRequest {
  docker: Docker;
  container: { id: string; name: string };
  instance: string;
  run: string;
  walls: NetworkWalls;
  /** The command that runs now, for the report of blocked attempts. */
  currentCommand: () => string | undefined;
}

export interface OpenEgress {
  /** Proxy variables for the container's processes. */
  env: Readonly<Record<string, string>>;
  blocked(): readonly BlockedAttempt[];
  /** Opens the way again for a container that was started anew: its loopback is another one. Errors as of `open`. */
  renew(): Promise<void>;
  /** May be called twice. */
  close(): Promise<void>;
}

export interface CanaryOutcome {
  held: boolean;
  /** What got through or could not be tried, for the operator, when not held. */
  reason?: string;
}
