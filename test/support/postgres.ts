import { spawn } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import pg from 'pg';

/** For the first of the test processes to make the server. */
const deadlineMs = 60_000;

/** A PostgreSQL server of our own, on a unix socket in a temporary folder, without fsync. */
export interface Cluster {
  /** Of a database of this name. */
  url(database: string): string;
  start(): Promise<void>;
  /** Cuts every connection. `crash`: at once, with nothing written down in order; the next start recovers. */
  stop(how?: 'crash'): Promise<void>;
}

/**
 * A new, empty database on the server that all tests of one run share.
 * Fails when PostgreSQL is not installed: these tests are never skipped.
 */
export async function createPostgresDatabase(): Promise<{ url: string; drop: () => Promise<void> }> {
  const cluster = await sharedCluster();
  const name = `test_${process.pid}_${Math.random().toString(36).slice(2)}`;
  await administer(cluster, `CREATE DATABASE ${name}`);
  return { url: cluster.url(name), drop: () => administer(cluster, `DROP DATABASE ${name} WITH (FORCE)`) };
}

/** A server for one test alone, which may stop and start it. Ends with the test process. */
export async function startPostgres(): Promise<Cluster> {
  const cluster = clusterIn(mkdtempSync(join(tmpdir(), 'millwright-pg-')));
  await cluster.create(process.pid);
  return cluster;
}

/** The process that all test files of one run have in common: the runner, parent of its forks or home of its threads. */
const runnerPid = isMainThread ? process.ppid : process.pid;

async function sharedCluster(): Promise<Cluster> {
  const dir = join(tmpdir(), `millwright-pg-run-${runnerPid}`);
  const cluster = clusterIn(dir);
  if (claims(dir)) {
    await cluster.create(runnerPid);
    writeFileSync(join(dir, 'ready'), '');
  }
  const deadline = Date.now() + deadlineMs;
  while (!existsSync(join(dir, 'ready'))) {
    if (Date.now() > deadline) throw new Error(`no PostgreSQL in ${dir} after ${deadlineMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return cluster;
}

/** mkdir succeeds for exactly one of the test processes. */
function claims(dir: string): boolean {
  try {
    mkdirSync(dir);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function clusterIn(dir: string): Cluster & { create(ownerPid: number): Promise<void> } {
  const data = join(dir, 'data');
  const options = `-c listen_addresses= -c unix_socket_directories=${dir} -c fsync=off -c max_connections=300`;
  const control = (...args: string[]) => asServerUser('pg_ctl', ['-D', data, '-w', ...args]);
  const start = () => control('-l', join(dir, 'log'), '-o', options, 'start');
  const stop = (how?: 'crash') => control('-m', how === 'crash' ? 'immediate' : 'fast', 'stop');
  return {
    url: (database) => `postgres://postgres@localhost/${database}?host=${encodeURIComponent(dir)}`,
    start,
    stop,
    create: async (ownerPid) => {
      const user = serverUser();
      if (user) chownSync(dir, user.uid, user.gid);
      await asServerUser('initdb', [
        '-D',
        data,
        '-U',
        'postgres',
        '-A',
        'trust',
        '--no-sync',
        '-E',
        'UTF8',
        '--locale=C.UTF-8',
      ]);
      await start();
      removeAfter(ownerPid, dir, data);
    },
  };
}

/** Outlives the tests, even killed ones, by a second. Not the server's user: that one could not see our process. */
function removeAfter(ownerPid: number, dir: string, data: string): void {
  const immediately = 'kill -QUIT "$(head -n 1 "$2/postmaster.pid")"';
  const script = `while kill -0 "$1" 2>/dev/null; do sleep 1; done; ${immediately}; sleep 1; rm -rf "$3"`;
  const args = ['-c', script, 'sh', String(ownerPid), data, dir];
  spawn('sh', args, { cwd: '/', detached: true, stdio: 'ignore' }).unref();
}

async function asServerUser(program: string, args: string[]): Promise<void> {
  // pg_ctl's server keeps the pipes: with pipes of ours, we would wait for it for ever.
  const child = spawn(join(binaries(), program), args, { ...serverUser(), cwd: '/', stdio: 'ignore' });
  const code = await new Promise<number | null>((resolve, reject) => child.on('exit', resolve).on('error', reject));
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}`);
}

/** The server refuses to run as root: as root, we use the user that its package made. */
function serverUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith('postgres:'));
  if (!line) throw new Error('no user "postgres": install PostgreSQL (Debian: apt-get install postgresql)');
  const [, , uid, gid] = line.split(':');
  return { uid: Number(uid), gid: Number(gid) };
}

function binaries(): string {
  const root = '/usr/lib/postgresql';
  const versions = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : [];
  const found = versions.map((version) => join(root, version, 'bin')).find((dir) => existsSync(join(dir, 'initdb')));
  if (!found) throw new Error(`no initdb under ${root}: install PostgreSQL (Debian: apt-get install postgresql)`);
  return found;
}

async function administer(cluster: Cluster, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: cluster.url('postgres') });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
