import Docker, { type ContainerCreateOptions } from 'dockerode';
import { describe, expect, it } from 'vitest';
import { DiskQuota } from '../../src/sandbox/disk-quota.ts';
import { docker, testEngine } from '../support/sandboxes.ts';

/** An engine on that storage; kernels of test machines have no XFS quotas, so what it takes and refuses is said here in its words. */
function engineOn(driver: string, backing: string, refuses?: string) {
  const created: ContainerCreateOptions[] = [];
  const engine = Object.assign(new Docker(), {
    info: async () => ({ Driver: driver, DriverStatus: [['Backing Filesystem', backing]] }),
    createContainer: async (options: ContainerCreateOptions) => {
      created.push(options);
      if (refuses && (options.HostConfig?.StorageOpt || !refuses.includes('storage-opt')))
        throw Object.assign(new Error(refuses), { statusCode: 500 });
      return engine.getContainer('made');
    },
  });
  const warnings: string[] = [];
  const log = { debug: () => {}, warn: (_: object, message: string) => void warnings.push(message) };
  const quota = new DiskQuota(engine, log);
  const sizes = () => created.map(({ HostConfig }) => HostConfig?.StorageOpt?.size);
  return { quota, sizes, warnings };
}

const options = { Image: 'x', HostConfig: { NetworkMode: 'none' } };

describe('the disk quota of a container', () => {
  it('is asked for where layers lie on XFS, an eighth above the limit, beside everything else', async () => {
    const { quota, sizes } = engineOn('overlay2', 'xfs');

    await quota.create(options, 800);

    expect(sizes()).toEqual(['900']);
  });

  it.each([
    ['overlay2', 'extfs'],
    ['btrfs', 'btrfs'],
    ['overlayfs', 'xfs'],
  ])('is not asked for with %s on %s', async (driver, backing) => {
    const { quota, sizes } = engineOn(driver, backing);

    await quota.create(options, 800);

    expect(sizes()).toEqual([undefined]);
  });

  it('is done without, and not asked for again, where XFS is mounted without quotas', async () => {
    const refusal = `--storage-opt is supported only for overlay over xfs with 'pquota' mount option`;
    const { quota, sizes, warnings } = engineOn('overlay2', 'xfs', refusal);

    await quota.create(options, 800);
    await quota.create(options, 800);

    expect(sizes()).toEqual(['900', undefined, undefined]);
    expect(warnings).toHaveLength(1);
  });

  it('does not hide another refusal', async () => {
    const { quota, sizes } = engineOn('overlay2', 'xfs', 'no such image');

    await expect(quota.create(options, 800)).rejects.toMatchObject({ code: 'outside.sandbox' });
    expect(sizes()).toEqual(['900']);
  });

  it('keeps no container from starting on the engine at hand', async () => {
    await using engine = testEngine();
    await using sandbox = await engine.openOn({});

    const backing = await docker('info', '--format', '{{range .DriverStatus}}{{index . 1}} {{end}}');
    const asked = await docker('inspect', '--format', '{{json .HostConfig.StorageOpt}}', sandbox.name);
    // On XFS either is right: whether it has quotas is the mount's matter.
    expect(asked === 'null' || backing.includes('xfs')).toBe(true);
  });
});
