import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { latestRun } from '../src/engine/runs.ts';
import { type Service, startService } from '../src/serve.ts';
import { readSettings } from '../src/settings.ts';
import { showStatus } from '../src/status.ts';
import { openDoors } from '../src/wiring.ts';
import { FolderEngine } from './doubles/sandbox-engine.ts';
import { environmentFor } from './support/factory.ts';
import { gateContract, gateRepository, openSite, people, repo, writes } from './support/gate-site.ts';
import { startGitHub } from './support/github-stand-in.ts';
import { startModel } from './support/model-stand-in.ts';
import { call, scripted } from './support/scripted.ts';
import { until } from './support/until.ts';

let closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.reverse()) await close();
  closing = [];
});

async function open(options: Parameters<typeof openSite>[0] = {}) {
  const site = await openSite(options);
  closing.push(async () => site[Symbol.asyncDispose]());
  return site;
}

test('nothing is written when nothing has changed', async () => {
  const site = await open();
  const number = await site.labelled();
  await site.reaches(number, 'agent:review');
  const { doors } = site.factory;
  const run = await latestRun(doors.db, `${site.github.host}/${repo}`, number);
  if (run === null) throw new Error('there is no run');
  // The last thing that a run does is to look whether checks of others failed early.
  await until(() => site.github.requests().some(({ path }) => path.endsWith(`${run.headSha}/status?per_page=100`)));
  await showStatus(run, doors);
  site.github.clearRequests();

  await showStatus(run, doors);

  expect(site.github.requests()).toEqual([]);
});

test('labels are made with colour and description, and a waiting run assigns who labelled', async () => {
  const site = await open();

  const number = await site.labelled('make it better', { labeller: 'rita' });
  await until(() => site.github.issue(repo, number).assignees.join() === 'rita');

  const label = site.github.repository(repo).labels.get('agent:waiting');
  expect(label).toMatchObject({ color: 'fbca04', description: 'Millwright: a person must answer' });
});

test('while GitHub refuses to write, the end of a run is not lost: the status is written when it can be', async () => {
  let hits = () => 0;
  const site = await open({
    script: scripted([
      () => {
        const path = /\/issues\/comments\/\d+$/;
        hits = site.github.fault({ path, method: 'PATCH', status: 502, times: 5 }).hits;
        return call('ask', { question: 'Which sum?' });
      },
    ]),
  });
  const number = await site.labelled();

  await until(() => /Which sum/.test(site.status(number)), 40_000);
  await site.reaches(number, 'agent:waiting');

  expect(hits()).toBe(5);
  expect(site.said(number)).toHaveLength(1);
});

test('two processes on one store show one comment and the right label at every turn', { timeout: 60_000 }, async () => {
  const github = await startGitHub({ users: people });
  const model = await startModel(scripted([{ hang: true }, ...writes()]));
  await github.createRepository(repo, { files: gateRepository });
  const dataDir = await mkdtemp(join(tmpdir(), 'two-'));
  const settings = readSettings(['app', 'model'], environmentFor(github, model, dataDir));
  const services: Service[] = [];
  for (const options of [
    { web: true, runs: false },
    { web: false, runs: true },
  ]) {
    const sandbox = new FolderEngine();
    // The process without a worker has no engine beside it, which says nothing about the others.
    if (!options.runs) sandbox.now = { available: false, reason: 'none here' };
    services.push(await startService(settings, { ...(await openDoors(settings)), sandbox }, options));
  }
  closing.push(
    () => rm(dataDir, { recursive: true, force: true }),
    () => model.close(),
    () => github.close(),
    ...services.map((service) => () => service.stop()),
  );
  github.setWebhookUrl(`http://127.0.0.1:${services[0]?.app?.port}/api/github/webhooks`);
  const said = () => [...github.repository(repo).comments.values()].filter(({ author }) => author === github.botLogin);
  const { number } = await github.openIssue({ repo, as: 'maya', title: 'sum', body: gateContract });
  const shows = (label: string, text: RegExp) =>
    until(
      () =>
        github
          .issue(repo, number)
          .labels.filter((name) => name.startsWith('agent:'))
          .join() === label && text.test(said()[0]?.body ?? ''),
      30_000,
    );

  await github.label(repo, number, 'agent-ready', 'maya');
  await until(() => model.requests().length >= 2, 30_000);
  await shows('agent:running', /Running/);
  expect(said()[0]?.body).not.toContain('no sandbox engine');
  await github.comment(repo, number, '/stop', 'maya');
  await shows('agent:stopped', /Stopped/);
  await github.comment(repo, number, '/retry', 'maya');
  await shows('agent:review', /In review.*attempt 2/s);
  await github.comment(repo, number, '/stop', 'maya');
  await shows('agent:stopped', /Stopped/);

  expect(said()).toHaveLength(1);
});
