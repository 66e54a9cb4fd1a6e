import type Docker from 'dockerode';
import type { Clock } from '../clock.ts';
import type { DiskQuota } from './disk-quota.ts';
import type { SandboxLog } from './docker-client.ts';
import type { EgressWall } from './egress.ts';
import type { LayerReader } from './layer-reader.ts';
import type { OomEvents } from './oom-events.ts';

/** What every part of the engine shares. */
export interface EngineParts {
  docker: Docker;
  /** Which installation the containers and images belong to; part of every name, label and look-up. */
  instance: string;
  clock: Clock;
  log: SandboxLog;
  /** Absent: requests for network are refused. */
  egress: EgressWall | undefined;
  oomEvents: OomEvents;
  layers: LayerReader;
  quota: DiskQuota;
  pullTimeoutMs: number;
}
