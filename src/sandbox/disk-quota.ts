import type Docker from 'dockerode';
import type { Container, ContainerCreateOptions } from 'dockerode';
import { engineCall, type SandboxLog, statusOf } from './docker-client.ts';

/**
 * The quota lies above the limit, so that the poll still sees the limit passed and the command ends as `disk-limit`; the quota is
 * what holds in the half second between two looks.
 */
const quotaOverLimit = 9 / 8;

/** Creates containers with a disk quota of the engine where it has one: overlay2 on XFS that is mounted with `pquota`. */
export class DiskQuota {
  readonly #docker: Docker;
  readonly #log: SandboxLog;
  #possible: Promise<boolean> | null = null;

  constructor(docker: Docker, log: SandboxLog) {
    this.#docker = docker;
    this.#log = log;
  }

  /** Creates the container, with a quota for its layer if the engine takes one. Rejects with `outside.sandbox`. */
  async create(options: ContainerCreateOptions, diskBytes: number): Promise<Container> {
    this.#possible ??= layersOnXfs(this.#docker);
    if (!(await this.#possible)) return this.#create(options);
    try {
      const size = String(Math.ceil(diskBytes * quotaOverLimit));
      return await this.#create({ ...options, HostConfig: { ...options.HostConfig, StorageOpt: { size } } });
    } catch (error) {
      if (!isQuotaRefusal(error)) throw error;
      this.#log.warn({ error: (error as Error).message }, 'the engine has no disk quotas; sizes are watched instead');
      this.#possible = Promise.resolve(false);
      return this.#create(options);
    }
  }

  #create(options: ContainerCreateOptions): Promise<Container> {
    return engineCall('create the container', this.#docker.createContainer(options));
  }
}

/** Other drivers with quotas (btrfs, zfs) count the image's own bytes into them, or refuse. */
async function layersOnXfs(docker: Docker): Promise<boolean> {
  const info = (await engineCall('ask the engine', docker.info())) as { Driver?: string; DriverStatus?: string[][] };
  const backing = info.DriverStatus?.find(([name]) => name === 'Backing Filesystem')?.[1];
  return info.Driver === 'overlay2' && backing === 'xfs';
}

/** Whether a mount has quotas is told only by asking for one. */
function isQuotaRefusal(error: unknown): boolean {
  const { cause, message } = error as Error;
  return statusOf(cause) !== undefined && /storage-opt|quota/i.test(message);
}
