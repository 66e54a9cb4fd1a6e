import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { listRuns } from '../src/engine/runs.ts';
import { FolderEngine } from './doubles/sandbox-engine.ts';
import { cli } from './support/cli.ts';
import { startFactory } from './support/factory.ts';
import { gateContract, gateRepository, repo, writes } from './support/gate-site.ts';
import { startGitHub } from './support/github-stand-in.ts';
import { startModel } from './support/model-stand-in.ts';
import { createPostgresDatabase } from './support/postgres.ts';
import { scripted } from './support/scripted.ts';
import { until } from './support/until.ts';

test('a service that moved from its embedded store to PostgreSQL hears commands on the pull requests that it had opened', async () => {
  await using opened = new AsyncDisposableStack();
  const github = await startGitHub({ users: { maya: 'maintain' } });
  opened.defer(() => github.close());
  const model = await startModel(scripted([...writes('5\n'), ...writes('five\n')]));
  opened.defer(() => model.close());
  await github.createRepository(repo, { files: gateRepository });
  const dataDir = await mkdtemp(join(tmpdir(), 'moved-'));
  opened.defer(() => rm(dataDir, { recursive: true, force: true }));
  const { url, drop } = await createPostgresDatabase();
  opened.defer(drop);
  const sandbox = new FolderEngine();
  const start = (env: Record<string, string> = {}) =>
    startFactory(github, model, { dataDir, env, replace: () => ({ sandbox }) });
  const { number } = await github.openIssue({ repo, as: 'maya', title: 'write the sum', body: gateContract });
  {
    await using _embedded = await start();
    await github.label(repo, number, 'agent-ready', 'maya');
    await until(() => github.issue(repo, number).labels.includes('agent:review'), 60_000);
  }

  const moved = await cli(['move-store'], { cwd: dataDir, env: { DATA_DIR: dataDir, DATABASE_URL: url } });
  await using there = await start({ DATABASE_URL: url });
  await github.comment(repo, number, '/retry write it as a word', 'maya');
  const second = async () => (await listRuns(there.doors.db)).find(({ attempt }) => attempt === 2);
  await until(async () => (await second())?.endedAtMs != null, 60_000);

  expect(moved.code).toBe(0);
  expect(await second()).toMatchObject({ issue: number, state: 'done', outcome: { code: 'review' } });
  expect(there.doors.host.instance).toMatch(/^[0-9a-f]{8}$/);
});
