import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Database } from '../../src/engine/database.ts';
import { listRuns } from '../../src/engine/runs.ts';
import type { Run } from '../../src/run.ts';
import { environmentFor } from '../support/factory.ts';
import { gateContract } from '../support/gate-site.ts';
import { type GitHubStandIn, startGitHub } from '../support/github-stand-in.ts';
import { type ModelStandIn, startModel } from '../support/model-stand-in.ts';
import { type Cluster, startPostgres } from '../support/postgres.ts';
import { docker, importImage } from '../support/sandboxes.ts';
import { openAt } from '../support/stores.ts';
import { until } from '../support/until.ts';
import { violations } from './invariants.ts';
import { chaosRepository, twoRounds } from './model.ts';
import { type Service, startService } from './service.ts';

export const repo = 'acme/small';
export const image = 'millwright-chaos';
/** How long the model takes to answer: enough for a signal to fall into the stage that it is meant for. */
const modelMs = 100;
const endMs = 240_000;

export type Store = 'SQLite' | 'PostgreSQL';

export interface SiteOptions {
  store: Store;
  /** Folder of the service's data; a temporary one when absent. */
  dataDir?: string;
  dockerHost?: string;
  /** File of the operator's policy. */
  policy?: string;
}

/** GitHub, a model, a store, and the processes of a service between them that may be killed at any moment. */
export interface ChaosSite extends AsyncDisposable {
  github: GitHubStandIn;
  model: ModelStandIn;
  /** The PostgreSQL server of this site alone; null with SQLite. */
  cluster: Cluster | null;
  databaseUrl: string | null;
  /** The store, as another process sees it. */
  db: () => Database;
  serve(...args: string[]): Promise<Service>;
  work(): Promise<Service>;
  /** Opens an issue and labels it. */
  labelled(): Promise<number>;
  run(issue: number): Promise<Run | null>;
  /** Names of containers of its runs, those that make images left out. */
  containers(): Promise<string[]>;
  /** Waits until the issue is in review and nothing is left to do; returns what is not as it should be. */
  settled(issues: readonly number[]): Promise<string[]>;
}

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

/** With a name of its own, because the name tells the containers of one installation from another's. */
async function newDatabase(cluster: Cluster): Promise<string> {
  const name = `chaos_${randomBytes(6).toString('hex')}`;
  const admin = openAt(cluster.url('postgres'));
  await admin.run(`CREATE DATABASE ${name}`);
  await admin.close();
  return cluster.url(name);
}

/** What a sandbox uses besides its shell. */
const programs = ['cat', 'mkdir', 'rm', 'mv', 'cp', 'ls', 'sleep', 'env', 'chmod', 'dirname', 'head', 'wc', 'true'];

/** Once for all sites: an image of a few megabytes. */
export const makeImage = () => {
  const copies = programs.map((name) => `add $(command -v ${name})`);
  const gather = [
    'set -e; mkdir -p /tmp/r/bin /tmp/r/usr; ln -s /bin /tmp/r/usr/bin',
    `libs() { for l in $(ldd $1 | grep -o '/[^ )]*'); do mkdir -p /tmp/r$(dirname $l); cp -L $l /tmp/r$l; done; }`,
    'add() { case $1 in /*) cp -L $1 /tmp/r/bin/; libs $1 ;; esac; }',
    'cp -L /bin/dash /tmp/r/bin/sh; libs /bin/dash',
    ...copies,
    'tar -C /tmp/r -c .',
  ];
  return importImage(image, gather.join('\n'));
};

export async function openChaosSite(options: SiteOptions): Promise<ChaosSite> {
  const github = await startGitHub({ users: { maya: 'maintain' } });
  const model = await startModel(twoRounds(modelMs));
  const cluster = options.store === 'PostgreSQL' ? await startPostgres() : null;
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'chaos-')));
  await github.createRepository(repo, { files: chaosRepository(image) });
  const databaseUrl = cluster ? await newDatabase(cluster) : null;
  const port = await freePort();
  github.setWebhookUrl(`http://127.0.0.1:${port}/api/github/webhooks`);
  const env = {
    ...environmentFor(github, model, dataDir),
    PORT: String(port),
    RECONCILE_MINUTES: '0.05',
    ...(databaseUrl ? { DATABASE_URL: databaseUrl } : {}),
    ...(options.dockerHost ? { DOCKER_HOST: options.dockerHost } : {}),
    ...(options.policy ? { MILLWRIGHT_POLICY: options.policy } : {}),
  };
  const services: Service[] = [];
  let opened: Database | null = null;
  const start = async (args: readonly string[], more: Record<string, string> = {}) => {
    const service = await startService(args, { ...env, ...more });
    services.push(service);
    return service;
  };
  const engine: readonly string[] = options.dockerHost ? ['--host', options.dockerHost] : [];
  const run = async (issue: number) => (await listRuns(site.db(), { issue, limit: 1 }))[0] ?? null;
  const site: ChaosSite = {
    github,
    model,
    cluster,
    databaseUrl,
    db: () => {
      opened ??= openAt(databaseUrl ?? dataDir);
      return opened;
    },
    serve: (...args) => start(['serve', ...args]),
    // Each with mirrors of its own, as on another machine.
    work: () => start(['worker'], { DATA_DIR: join(dataDir, `worker-${services.length}`) }),
    async labelled() {
      const { number } = await github.openIssue({ repo, as: 'maya', title: 'write the sum', body: gateContract });
      await github.label(repo, number, 'agent-ready', 'maya');
      return number;
    },
    run,
    async containers() {
      const runs = await listRuns(site.db(), { limit: 1_000 });
      const out = await docker(...engine, 'ps', '-a', '--format', '{{.Names}}\t{{.Label "millwright.run"}}');
      const lines = out.split('\n').map((line) => line.split('\t'));
      return lines.flatMap(([name = '', of]) => (runs.some(({ id }) => id === of) ? [name] : []));
    },
    async settled(issues) {
      const labels = (number: number) => github.issue(repo, number).labels.filter((name) => name.startsWith('agent:'));
      for (const number of issues)
        await until(() => labels(number).join() === 'agent:review', endMs).catch(async () => {
          const { state, outcome, stage, failures } = (await run(number)) ?? {};
          const at = JSON.stringify({ labels: labels(number), state, stage, failures, outcome });
          throw new Error(`#${number} did not come to review: ${at}`);
        });
      return violations(site, issues);
    },
    async [Symbol.asyncDispose]() {
      for (const service of services) {
        service.signal('SIGCONT');
        await service.kill();
      }
      await opened?.close();
      await cluster?.stop();
      await Promise.all([github.close(), model.close()]);
      await removeImages(engine, instanceOf(dataDir, databaseUrl));
      if (options.dataDir === undefined) await rm(dataDir, { recursive: true, force: true });
    },
  };
  return site;
}

/** As the service names itself on its engine. */
function instanceOf(dataDir: string, databaseUrl: string | null): string {
  if (databaseUrl === null) return readFileSync(join(dataDir, 'instance'), 'utf8').trim();
  const { host, pathname } = new URL(databaseUrl);
  return createHash('sha256').update(`${host}${pathname}`).digest('hex').slice(0, 8);
}

/** Checkouts of this site's repository are of no use to anything else. */
async function removeImages(engine: readonly string[], instance: string): Promise<void> {
  const found = await docker(...engine, 'images', '--quiet', '--filter', `label=millwright.instance=${instance}`).catch(
    () => '',
  );
  const images = found.split('\n').filter(Boolean);
  if (images.length > 0) await docker(...engine, 'rmi', '--force', ...images).catch(() => '');
}
