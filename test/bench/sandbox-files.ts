import { execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import Docker from 'dockerode';
import { createGit } from '../../src/git/create-git.ts';
import type { Sandbox, SetupRequest } from '../../src/sandbox/sandbox.ts';
import {
  noNetwork,
  productImage,
  type TestEngine,
  type TestFiles,
  tarOf,
  testEngine,
  testLimits,
} from '../support/sandboxes.ts';
import { interleaved, median, timeMs } from '../support/timing.ts';
import type { BenchRow } from './row.ts';

const run = promisify(execFile);
const client = new Docker();
const limits = { ...testLimits, memoryBytes: 512 * 1024 ** 2, diskBytes: 1024 ** 3 };
const patchLimits = { maxFiles: 1_000, maxFileBytes: 1024 ** 2, maxTotalBytes: 8 * 1024 ** 2 };
const call = (command: string) => ({ command, timeoutMs: 60_000 });

/** Checkouts, set-ups and patches of repositories of different sizes. */
export async function sandboxFilesBench(): Promise<BenchRow[]> {
  await using engine = testEngine();
  const middle = repositoryOf(5_000, 12_000);
  return [...(await checkoutRows(engine, middle)), ...(await patchRows(engine, middle)), ...(await setupRows(engine))];
}

/** That many files of that many bytes, in folders of 50. */
function repositoryOf(count: number, bytes: number): TestFiles {
  const files: Record<string, Buffer> = {};
  for (let n = 0; n < count; n += 1)
    files[`src/part-${Math.floor(n / 50)}/file-${n}.txt`] = Buffer.alloc(bytes, `line ${n}\n`);
  return files;
}

async function checkoutRows(engine: TestEngine, middle: TestFiles): Promise<BenchRow[]> {
  const empty = await engine.prepareOn({}, { commit: 'empty' });
  const large = await engine.prepareOn(repositoryOf(50_000, 1_000), { commit: 'large' });
  const open = async (image: string) => {
    await using sandbox = await engine.openOn({}, { image, limits });
    await sandbox.run(call('true'));
  };
  const opens = await interleaved(5, { empty: () => open(empty.image), large: () => open(large.image) });
  const { extract: extractMs, put: putMs } = await timesOfFilling(engine, middle);
  const freshMs = await timeMs(() => engine.prepareOn(middle, { commit: 'middle' }));
  const againMs = await timeMs(() => engine.prepareOn(middle, { commit: 'middle' }));
  return [
    row('open on 50,000 files / on none', opens.large, opens.empty, 1.1),
    row('fresh putArchive of 60 MB / git archive | tar -x', putMs, extractMs, 3.5),
    row('checkout image of 60 MB, once / git archive | tar -x', freshMs, extractMs, null),
    row('checkout image of 60 MB, again / once', againMs, freshMs, 1 / 8),
  ];
}

/** What git and tar take for the same files on the host, and what a container takes that is made, filled and started. */
async function timesOfFilling(engine: TestEngine, files: TestFiles): Promise<{ extract: number; put: number }> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-'));
  try {
    const source = join(folder, 'source');
    await mkdir(source);
    const unpack = spawn('tar', ['-x', '-C', source], { stdio: ['pipe', 'ignore', 'inherit'] });
    await pipeline(await tarOf(files), unpack.stdin);
    await new Promise((resolve) => unpack.on('close', resolve));
    const git = (...args: string[]) => run('git', ['-C', source, ...args], { maxBuffer: 64 * 1024 ** 2 });
    await git('init', '-q');
    await git('add', '.');
    await git('-c', 'user.name=b', '-c', 'user.email=b@test.example', 'commit', '-qm', 'all');
    let targets = 0;
    const extract = async () => {
      targets += 1;
      const target = join(folder, `target-${targets}`);
      await mkdir(target);
      await run('sh', ['-c', `git -C '${source}' archive HEAD | tar -x -C '${target}'`]);
    };
    const mirrors = createGit({ mirrorsDir: join(folder, 'mirrors') });
    const { stdout: head } = await git('rev-parse', 'HEAD');
    const commit = await mirrors.fetch({ repository: 'acme/middle', url: source, token: null }, head.trim());
    const tar = () => mirrors.tar('acme/middle', commit);
    return await interleaved(3, { extract, put: () => fillContainer(engine, tar) });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function fillContainer(engine: TestEngine, tar: () => Promise<Readable>): Promise<void> {
  const container = await client.createContainer({
    Image: productImage,
    Entrypoint: ['/bin/sh', '-c', 'sleep 600'],
    Labels: { 'millwright.instance': engine.instance },
    HostConfig: { NetworkMode: 'none' },
  });
  await container.putArchive(await tar(), { path: '/workspace' });
  await container.start();
}

async function patchRows(engine: TestEngine, middle: TestFiles): Promise<BenchRow[]> {
  const { image } = await engine.prepareOn(middle, { commit: 'middle' });
  const empty = await engine.prepareOn({}, { commit: 'empty' });
  const change = 'for n in 1 2 3 4 5 6 7 8 9; do echo changed >>src/part-$n/file-$((n * 50)).txt; done';
  const times = { patch: [] as number[], open: [] as number[], whole: [] as number[] };
  for (let round = 0; round < 5; round += 1) {
    times.open.push(
      await timeMs(async () => {
        await using sandbox = await engine.openOn({}, { image: empty.image, limits });
        await sandbox.run(call('true'));
      }),
    );
    times.whole.push(
      await timeMs(async () => {
        await using sandbox = await engine.openOn({}, { image, limits });
        for (let count = 0; count < 50; count += 1) await sandbox.run(call(count === 25 ? change : 'true'));
        times.patch.push(await timeMs(() => patchOf(sandbox, 9, Object.keys(middle))));
      }),
    );
  }
  return [
    row('patch out, 9 of 5,000 files / 1 s', median(times.patch), 1_000, 1),
    row('patch out, 9 of 5,000 files / empty open and remove', median(times.patch), median(times.open), 5),
    row('open, 50 calls, patch out, remove; 5,000 files / 1.5 s', median(times.whole), 1_500, 1),
  ];
}

async function patchOf(sandbox: Sandbox, expected: number, base: readonly string[]): Promise<void> {
  const changes = await sandbox.changes({ ...patchLimits, base: async () => base });
  if (changes.length !== expected) throw new Error(`${changes.length} changes, not ${expected}`);
}

async function setupRows(engine: TestEngine): Promise<BenchRow[]> {
  const setup: SetupRequest = {
    command: 'python3 -m venv .venv',
    root: false,
    hosts: [],
    inputs: () => tarOf({ 'requirements.txt': '\n' }),
    inputsHash: 'bench',
    shared: true,
    network: noNetwork,
    timeoutMs: 120_000,
  };
  const prepared = async (commit: string) => {
    const { image } = await engine.prepareOn({}, { commit, setup, limits });
    await using sandbox = await engine.openOn({}, { image, limits });
    await sandbox.run(call('.venv/bin/python --version'));
  };
  const freshMs = await timeMs(() => prepared('set-up-1'));
  const cached = await interleaved(3, { again: () => prepared('set-up-1') });
  const nextMs = await timeMs(() => prepared('set-up-2'));
  return [
    row('set-up from the cache, same commit / fresh', cached.again, freshMs, 1 / 8),
    row('set-up from the cache, next commit / fresh', nextMs, freshMs, null),
  ];
}

function row(name: string, figure: number, floor: number, target: number | null): BenchRow {
  return { name, figure, floor, target, unit: 'ms' };
}
