import { afterAll, beforeAll, expect, it } from 'vitest';
import { listRuns } from '../../src/engine/runs.ts';
import { startFactory } from '../support/factory.ts';
import { gateContract, gateRepository, repo, writes } from '../support/gate-site.ts';
import { startGitHub } from '../support/github-stand-in.ts';
import { type ChatRequest, startModel } from '../support/model-stand-in.ts';
import { docker, importShellImage, type TestEngine, testEngine } from '../support/sandboxes.ts';
import { call, scripted } from '../support/scripted.ts';
import { type SecondEngine, startSecondEngine } from '../support/second-engine.ts';
import { until } from '../support/until.ts';

const image = 'millwright-test-restart';
const files = { 'README.md': 'hello\n' };

let second: SecondEngine;
let engine: TestEngine;

beforeAll(async () => {
  await importShellImage(image, '/bin/dash');
  second = await startSecondEngine();
  await second.load(image);
  engine = testEngine({ docker: { socketPath: second.socketPath } });
});
afterAll(async () => {
  await second[Symbol.asyncDispose]();
  await docker('rmi', '-f', image);
});

it('an engine that goes away loses the containers, says so at once, and serves new ones when it is back', async () => {
  const prepared = await engine.prepareOn(files, { image });
  const sandbox = await engine.openOn(files, { image: prepared.image, run: 'restarted' });
  const running = sandbox.run({
    command: 'echo begun >begun; while :; do read -r line </dev/zero; done',
    timeoutMs: 60_000,
  });
  running.catch(() => {});
  await until(async () => (await sandbox.readFile('begun')).kind !== 'missing');

  await second.crash();

  await expect(running).rejects.toMatchObject({ code: expect.stringMatching(/^outside\.(sandbox|no-engine)$/) });
  await expect(sandbox.run({ command: 'true', timeoutMs: 1_000 })).rejects.toMatchObject({
    code: expect.stringMatching(/^outside\./),
  });
  expect(await engine.status()).toMatchObject({ available: false });
  await expect(engine.openOn(files, { image: prepared.image })).rejects.toMatchObject({ code: 'outside.no-engine' });

  await second.start();

  expect(await engine.status()).toMatchObject({ available: true });
  expect((await engine.prepareOn(files, { image })).image).toBe(prepared.image);
  await using next = await engine.openOn(files, { image: prepared.image, run: 'restarted', epoch: 2 });
  expect((await next.run({ command: 'echo back', timeoutMs: 10_000 })).stdout.text).toBe('back\n');
  const names = await second.docker('ps', '-a', '--format', '{{.Names}}');
  expect(names).toBe(next.name);
});

it('a run that loses its engine in its second round goes on in a fresh container, from the patch of its first', {
  timeout: 120_000,
}, async () => {
  const containers: string[] = [];
  const look = async () => void containers.push(await second.docker('ps', '--quiet', '--no-trunc'));
  const strikes = async () => {
    await look();
    await second.crash();
    await second.start();
    return call('write_file', { path: 'lost.txt', content: 'lost\n' });
  };
  const seen: string[] = [];
  const looks = async (request: ChatRequest) => {
    await look();
    seen.push(JSON.stringify(request.messages.at(-1)));
    return writes('5\n')[0] ?? {};
  };
  const asks = call('run_command', { command: 'echo *; read -r number <src/sum.txt; echo "the sum is $number"' });
  const script = scripted([...writes('4\n'), strikes, asks, looks, ...writes('5\n').slice(1)]);
  await using closing = new AsyncDisposableStack();
  const github = await startGitHub({ users: { maya: 'maintain' } });
  closing.defer(() => github.close());
  const model = await startModel(script);
  closing.defer(() => model.close());
  const policy = `image: ${image}\n${gateRepository['.github/millwright.yml']}`;
  const check = 'if [ -f src/sum.txt ]; then read -r number <src/sum.txt; test "$number" = 5; fi\n';
  await github.createRepository(repo, {
    files: { ...gateRepository, 'src/keep.txt': '', 'check.sh': check, '.github/millwright.yml': policy },
  });
  await using factory = await startFactory(github, model, { env: { DOCKER_HOST: `unix://${second.socketPath}` } });

  const issue = await github.openIssue({ repo, as: 'maya', title: 'write the sum', body: gateContract });
  await github.label(repo, issue.number, 'agent-ready', 'maya');
  await until(() => github.issue(repo, issue.number).labels.includes('agent:review'), 110_000);

  const [run] = await listRuns(factory.doors.db, {});
  expect(run).toMatchObject({ state: 'done', attempt: 1 });
  expect(seen.join()).toContain('the sum is 4');
  expect(containers.map((id) => /^[0-9a-f]{64}$/.test(id))).toEqual([true, true]);
  expect(new Set(containers).size).toBe(2);
  expect(script.rest()).toBe(0);
  expect(await second.docker('ps', '-aq')).toBe('');
});
