import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import Docker from 'dockerode';
import { createOptions } from '../../src/sandbox/container-options.ts';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { docker, productImage, type TestEngine, tarOf, testEngine, testLimits } from '../support/sandboxes.ts';
import { interleaved, median, timeMs } from '../support/timing.ts';
import type { BenchRow } from './row.ts';

const call = (command: string) => ({ command, timeoutMs: 60_000 });
const client = new Docker();
const limits = { ...testLimits, memoryBytes: 512 * 1024 ** 2, diskBytes: 1024 ** 3, outputBytes: 1024 ** 3 };

/** Start, calls, files, limits and memory of a sandbox, each beside what Docker or the kernel takes at least. */
export async function sandboxBench(): Promise<BenchRow[]> {
  await using engine = testEngine();
  return [
    ...(await startRows(engine)),
    ...(await callRows(engine)),
    ...(await limitRows(engine)),
    ...(await memoryRows()),
  ];
}

const plain = {
  Image: productImage,
  Entrypoint: ['/bin/sh', '-c', 'sleep 600'],
  HostConfig: { NetworkMode: 'none' },
};

async function startPlain(): Promise<Docker.Container> {
  const container = await client.createContainer(plain);
  await container.start();
  return container;
}

async function startRows(engine: TestEngine): Promise<BenchRow[]> {
  const { image } = await engine.prepareOn({});
  const hardened = createOptions({
    instance: engine.instance,
    run: 'bench',
    purpose: 'hardened',
    epoch: 0,
    image: productImage,
    imageEnv: [],
    limits,
    deadlineMs: Date.now() + 600_000,
    hasNetwork: false,
  });
  const cycle = async (options: Docker.ContainerCreateOptions) => {
    const container = await client.createContainer(options);
    const startMs = await timeMs(() => container.start());
    await container.remove({ force: true });
    return startMs;
  };
  const starts = { plain: [] as number[], hardened: [] as number[] };
  const cycles = await interleaved(9, {
    plain: async () => starts.plain.push(await cycle(plain)),
    hardened: async () => starts.hardened.push(await cycle(hardened)),
  });
  const opens: number[] = [];
  for (let round = 0; round < 7; round += 1) {
    let sandbox: Sandbox | undefined;
    const openMs = await timeMs(async () => {
      sandbox = await engine.openOn({}, { image, limits });
      await Promise.all([sandbox.run(call('true')), sandbox.run(call('true'))]);
    });
    opens.push(openMs);
    await sandbox?.[Symbol.asyncDispose]();
  }
  return [
    row('hardened start / plain start', median(starts.hardened), median(starts.plain), 1.1),
    row('open with 2 warm shells used / plain create, start, remove', median(opens), cycles.plain, 1.5),
  ];
}

async function callRows(engine: TestEngine): Promise<BenchRow[]> {
  await using sandbox = await engine.openOn({}, { limits });
  const container = client.getContainer(sandbox.name);
  const loops = 300;
  const bytes = Buffer.from('x'.repeat(63).concat('\n').repeat(64));
  await sandbox.run(call('true'));
  const times = await interleaved(15, {
    forks: () => sandbox.run({ ...call(`i=0; while [ $i -lt ${loops} ]; do /bin/true; i=$((i+1)); done`) }),
    warm: () => sandbox.run(call('true')),
    cli: () => docker('exec', sandbox.name, 'true'),
    write: () => sandbox.writeFile('file.txt', bytes),
    put: async () => container.putArchive(await tarOf({ 'file.txt': bytes }), { path: '/workspace' }),
    read: () => sandbox.readFile('file.txt'),
  });
  const { alone } = await interleaved(9, { alone: () => sandbox.run({ ...call('true'), isolated: true }) });
  await sandbox.run(call('true'));
  const burst = await interleaved(50, { warm: () => sandbox.run(call('true')) });
  const peer = await timeMs(async () => {
    for (let count = 0; count < 50; count += 1) await docker('exec', sandbox.name, 'bash', '-c', 'true');
  });
  const ours = await timeMs(async () => {
    for (let count = 0; count < 50; count += 1) await sandbox.run(call('true'));
  });
  return [
    row('true, warm / fork and exec inside', burst.warm, times.forks / loops, 3),
    row('true, warm / docker exec', times.warm, times.cli, 1 / 15),
    row('true, alone for a verdict / docker exec', alone, times.cli, null),
    row('50 calls / 50 docker exec (one per call, as a peer does)', ours, peer, 1 / 15),
    row('write 4 KB / putArchive', times.write, times.put, 1 / 8),
    row('read 4 KB / putArchive', times.read, times.put, null),
  ];
}

async function limitRows(engine: TestEngine): Promise<BenchRow[]> {
  await using sandbox = await engine.openOn({}, { limits });
  const overshoot = async (command: string, timeoutMs = 300) => {
    const { durationMs } = await sandbox.run({ command, timeoutMs });
    return durationMs - timeoutMs;
  };
  const gentle: number[] = [];
  for (let round = 0; round < 5; round += 1) gentle.push(await overshoot('sleep 60'));
  const ladder = await overshoot(
    `trap '' TERM; setsid sh -c 'trap "" TERM; while :; do sleep 1; done' & while :; do sleep 1; done`,
  );
  const cancel = new AbortController();
  const bomb = sandbox.run({ ...call('b() { b | b & b; }; b'), signal: cancel.signal });
  await new Promise((resolve) => setTimeout(resolve, 700));
  const bombMs = await timeMs(async () => {
    cancel.abort();
    await bomb;
  });
  await using leftovers = testEngine();
  const { image } = await leftovers.prepareOn({});
  for (let count = 0; count < 10; count += 1) await leftovers.openOn({}, { image });
  const reapMs = await timeMs(() => leftovers.reap({}));
  const others = await Promise.all(Array.from({ length: 10 }, () => startPlain()));
  const plainMs = await timeMs(() => Promise.all(others.map((one) => one.remove({ force: true }))));
  return [
    row('time limit passed by, command listens / 100 ms', median(gentle), 100, 1),
    row('time limit passed by, whole ladder / 2.5 s', ladder, 2_500, 1),
    row('fork bomb cancelled, container alive / 300 ms', bombMs, 300, 1),
    row('reap of 10 containers / 500 ms', reapMs, 500, 1),
    row('reap of 10 containers / removing 10 plain ones', reapMs, plainMs, 1.5),
  ];
}

/** Measured in a process of its own: this one holds memory of the rows before, which hides what is added. */
async function memoryRows(): Promise<BenchRow[]> {
  const child = new URL('./sandbox-memory/measure.ts', import.meta.url).pathname;
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', '--import', 'tsx', child]);
  const { perSandbox, forOutput } = JSON.parse(stdout) as { perSandbox: number; forOutput: number };
  return [
    row('memory of the app per open sandbox / 5 MB', perSandbox, 5, 1, 'MB'),
    row('memory of the app for 300 MB of output / 64 MB', forOutput, 64, 1, 'MB'),
  ];
}

function row(name: string, figure: number, floor: number, target: number | null, unit = 'ms'): BenchRow {
  return { name, figure, floor, target, unit };
}
