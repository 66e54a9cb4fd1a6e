import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openPostgres } from '../../src/engine/postgres.ts';
import { docker } from '../support/sandboxes.ts';
import { startSecondEngine } from '../support/second-engine.ts';
import { until } from '../support/until.ts';
import { boundaries, type Seen } from './kills.ts';
import { type ChaosSite, image, openChaosSite, type SiteOptions } from './site.ts';

const run = promisify(execFile);
const build = boundaries[3];
const some = (random: () => number, mostMs: number) =>
  new Promise((resolve) => setTimeout(resolve, 300 + random() * mostMs));

/** The PostgreSQL server crashes while a run is built, and comes back. */
export async function restartDatabase(random: () => number): Promise<Seen> {
  await using site = await openChaosSite({ store: 'PostgreSQL' });
  const service = await site.serve();
  const issue = await site.labelled();
  await service.enters(build);
  await site.cluster?.stop('crash');
  await some(random, 3_000);
  await site.cluster?.start();
  return { kills: 0, violations: await site.settled([issue]) };
}

/** The database refuses every write for a while; what comes in meanwhile is not acknowledged and comes again. */
export async function readOnlyDatabase(random: () => number): Promise<Seen> {
  await using site = await openChaosSite({ store: 'PostgreSQL' });
  const service = await site.serve();
  const first = await site.labelled();
  await service.enters(build);
  await readOnly(site, true);
  const second = await site.labelled();
  const refused = site.github.deliveries().filter(({ statusCode }) => statusCode === 500);
  await some(random, 3_000);
  await readOnly(site, false);
  const violations = await site.settled([first, second]);
  if (refused.length === 0) violations.push('a store that cannot write acknowledged a delivery');
  return { kills: 0, violations };
}

async function readOnly({ databaseUrl }: ChaosSite, on: boolean): Promise<void> {
  const name = new URL(databaseUrl ?? '').pathname.slice(1);
  const admin = openPostgres((databaseUrl ?? '').replace(`/${name}`, '/postgres'));
  await admin.run(`ALTER DATABASE ${name} SET default_transaction_read_only = ${on ? 'on' : 'off'}`);
  // Connections keep what they began with.
  await admin.all(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`);
  await admin.close();
}

/** The container that the agent works in is killed by somebody else. */
export async function killContainer(): Promise<Seen> {
  await using site = await openChaosSite({ store: 'SQLite' });
  const service = await site.serve();
  const issue = await site.labelled();
  await service.enters(build);
  await until(async () => (await site.containers()).length > 0, 60_000);
  const [name = ''] = await site.containers();
  await docker('kill', name).catch(() => '');
  return { kills: 1, violations: await site.settled([issue]) };
}

/** The Docker engine, one of its own, ends with all its containers and comes back. */
export async function restartEngine(random: () => number): Promise<Seen> {
  await using engine = await startSecondEngine();
  const save = spawn('docker', ['save', image], { stdio: ['ignore', 'pipe', 'inherit'] });
  const load = spawn('docker', ['--host', `unix://${engine.socketPath}`, 'load'], {
    stdio: [save.stdout, 'ignore', 'inherit'],
  });
  await new Promise((resolve) => load.once('exit', resolve));
  await using site = await openChaosSite({ store: 'SQLite', dockerHost: `unix://${engine.socketPath}` });
  const service = await site.serve();
  const issue = await site.labelled();
  await service.enters(build);
  await until(async () => (await site.containers()).length > 0, 60_000);
  await engine.crash();
  await some(random, 3_000);
  await engine.start();
  return { kills: 0, violations: await site.settled([issue]) };
}

/** The disk of the embedded store is full for a while; it is a small file system of its own. */
export async function fullDisk(random: () => number): Promise<Seen> {
  const folder = await mkdtemp(join(tmpdir(), 'chaos-disk-'));
  const disk = join(folder, 'disk.img');
  const dataDir = join(folder, 'data');
  await run('truncate', ['-s', '64M', disk]);
  await run('mkfs.ext4', ['-q', '-m', '0', disk]);
  await run('mkdir', [dataDir]);
  await run('mount', ['-o', 'loop', disk, dataDir]);
  try {
    // So small a disk would be taken for a full one from the beginning.
    const policy = join(folder, 'policy.yml');
    await writeFile(policy, 'retention: { free: 1m }\n');
    return await fill({ store: 'SQLite', dataDir, policy }, random);
  } finally {
    await run('umount', ['--lazy', dataDir]);
    await rm(folder, { recursive: true, force: true });
  }
}

async function fill(options: SiteOptions & { dataDir: string }, random: () => number): Promise<Seen> {
  await using site = await openChaosSite(options);
  const service = await site.serve();
  const first = await site.labelled();
  await service.enters(build);
  const filling = join(options.dataDir, 'filling');
  // Until nothing fits any more, also not what the store has set aside in its log.
  for (let part = 0; part < 100; part++) {
    const full = await writeFile(`${filling}-${part}`, Buffer.alloc(1024 ** 2)).then(
      () => false,
      () => true,
    );
    if (full) break;
  }
  const second = await site.labelled();
  await some(random, 3_000);
  await run('sh', ['-c', `rm -f ${filling}-*`]);
  return { kills: 0, violations: await site.settled([first, second]) };
}
