import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import { listRuns } from '../src/engine/runs.ts';
import { openSqlite } from '../src/engine/sqlite.ts';
import { instanceIn } from '../src/open-store.ts';
import { environmentFor, startFactory } from './support/factory.ts';
import { startGitHub } from './support/github-stand-in.ts';
import { startModel } from './support/model-stand-in.ts';
import { docker, productImage } from './support/sandboxes.ts';
import { call, contract, scripted, smallRepository } from './support/scripted.ts';
import { until } from './support/until.ts';

let child: ChildProcess | null = null;

afterEach(() => {
  child?.kill('SIGKILL');
});

const main = new URL('../src/main.ts', import.meta.url).pathname;

test('SIGTERM in mid-build hands the run back, removes its containers and exits 0 within ten seconds', {
  timeout: 120_000,
}, async () => {
  const github = await startGitHub({ users: { maya: 'maintain' } });
  const model = await startModel(scripted([call('run_command', { command: 'sleep 300', timeout_seconds: 120 })]));
  const dataDir = await mkdtemp(join(tmpdir(), 'sigterm-'));
  await github.createRepository('acme/small', { files: smallRepository });
  const app = await start(environmentFor(github, model, dataDir), (port) =>
    github.setWebhookUrl(`http://127.0.0.1:${port}/api/github/webhooks`),
  );
  const issue = await github.openIssue({ repo: 'acme/small', as: 'maya', title: 'add', body: contract });
  await github.label('acme/small', issue.number, 'agent-ready', 'maya');
  const db = openSqlite(dataDir);
  await until(async () => (await containersOf(db)).length > 0, 60_000);

  const startedAtMs = Date.now();
  app.kill('SIGTERM');
  await until(() => app.exitCode !== null || app.signalCode !== null, 15_000);

  expect(app.exitCode).toBe(0);
  expect(Date.now() - startedAtMs).toBeLessThan(10_000);
  const [run] = await listRuns(db, { limit: 1 });
  expect(run).toMatchObject({ state: 'queued', failures: 0 });
  expect(await containersOf(db)).toEqual([]);
  await Promise.all([db.close(), github.close(), model.close()]);
  await rm(dataDir, { recursive: true, force: true });
});

test('a service that starts removes what a killed one has left, by run and by deadline, and nothing of others', {
  timeout: 60_000,
}, async () => {
  await using closing = new AsyncDisposableStack();
  const dataDir = await mkdtemp(join(tmpdir(), 'left-'));
  closing.defer(() => rm(dataDir, { recursive: true, force: true }));
  const leave = async (labels: { instance?: string; run: string; deadlineMs: number }) => {
    const { instance = instanceIn(dataDir), run, deadlineMs } = labels;
    const all = Object.entries({ instance, run, deadline: deadlineMs });
    const flags = all.flatMap(([label, value]) => ['--label', `millwright.${label}=${value}`]);
    const id = await docker('run', '--detach', '--network', 'none', ...flags, productImage, 'sleep', '600');
    closing.defer(async () => void (await docker('rm', '--force', id).catch(() => '')));
    return id;
  };
  const [later, past] = [Date.now() + 600_000, Date.now() - 1_000];
  const left = [await leave({ run: 'r-killed', deadlineMs: later }), await leave({ run: 'prepare', deadlineMs: past })];
  const kept = [
    await leave({ run: 'prepare', deadlineMs: later }),
    await leave({ run: 'r-killed', deadlineMs: past, instance: 'another' }),
  ];
  const github = await startGitHub({ users: {} });
  closing.defer(() => github.close());
  const model = await startModel(scripted([]));
  closing.defer(() => model.close());

  await using _factory = await startFactory(github, model, { dataDir });

  const there = async () => (await docker('ps', '--quiet', '--no-trunc')).split('\n');
  await until(async () => !(await there()).some((id) => left.includes(id)), 30_000);
  expect((await there()).filter((id) => kept.includes(id)).sort()).toEqual(kept.sort());
});

async function start(env: Record<string, string>, listening: (port: number) => void): Promise<ChildProcess> {
  const started = spawn(process.execPath, ['--import', 'tsx', main, 'serve'], {
    env: { ...env, LOG_LEVEL: 'info' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child = started;
  started.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const port = () => Number(/Listening on http:\/\/[^"]*:(\d+)/.exec(output)?.[1]);
  await until(() => {
    if (started.exitCode !== null) throw new Error(output);
    return port() > 0;
  }, 60_000);
  listening(port());
  return started;
}

async function containersOf(db: ReturnType<typeof openSqlite>): Promise<string[]> {
  const [run] = await listRuns(db, { limit: 1 });
  const { stdout } = await promisify(execFile)('docker', [
    'ps',
    '-a',
    '--filter',
    `label=millwright.run=${run?.id}`,
    '--format',
    '{{.Names}}',
  ]);
  return stdout.split('\n').filter(Boolean);
}
