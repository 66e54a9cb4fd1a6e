import type Docker from 'dockerode';
import type { BlockedAttempt, NetworkWalls } from './sandbox.ts';

/** The one way out of a container: an allow-list proxy that the container reaches on its own loopback. */
export interface EgressWall {
  /**
   * Opens the way for one started container that has no network of its own. Resolves when a request that must be refused was refused.
   * Errors: `outside.sandbox`.
   */
  open(request: EgressRequest): Promise<OpenEgress>;
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
  close(): Promise<void>;
}
