import { afterAll, beforeAll, expect, it } from 'vitest';
import { docker, importShellImage, type TestEngine, testEngine } from '../support/sandboxes.ts';
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
