import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { pack } from 'tar-stream';
import { systemClock } from '../../src/clock.ts';
import { createDockerEngine, type DockerEngineOptions } from '../../src/sandbox/docker-sandbox.ts';
import {
  emptyOverlay,
  type OpenRequest,
  type PrepareRequest,
  type Sandbox,
  type SandboxEngine,
  type SandboxLimits,
} from '../../src/sandbox/sandbox.ts';

export const productImage = 'millwright/sandbox';

export const testLimits: SandboxLimits = {
  memoryBytes: 256 * 1024 ** 2,
  cpus: 1,
  pids: 128,
  diskBytes: 256 * 1024 ** 2,
  outputBytes: 32 * 1024 ** 2,
};

export const noNetwork = { hosts: [], addresses: [] };

const silent = { debug: () => {}, warn: () => {} };
const run = promisify(execFile);

/** Runs the Docker client; returns its output. Only for what a test must see or do from outside. */
export async function docker(...args: string[]): Promise<string> {
  const { stdout } = await run('docker', args, { maxBuffer: 64 * 1024 ** 2 });
  return stdout.trim();
}

export interface TestEngine extends SandboxEngine, AsyncDisposable {
  readonly instance: string;
  /** Opens a container on a checkout of these files (made once per set of files). */
  openOn(files: TestFiles, request?: Partial<OpenRequest>): Promise<Sandbox>;
  prepareOn(files: TestFiles, request?: Partial<PrepareRequest>): ReturnType<SandboxEngine['prepare']>;
}

/** An engine with an instance of its own; disposing removes its containers and images. */
export function testEngine(options: Partial<DockerEngineOptions> = {}): TestEngine {
  const instance = `test-${randomBytes(6).toString('hex')}`;
  const engine = createDockerEngine({ instance, clock: systemClock, log: silent, ...options });
  let runs = 0;
  const prepareOn = (files: TestFiles, request: Partial<PrepareRequest> = {}) =>
    engine.prepare({
      repository: 'test.example/acme/shop',
      commit: request.commit ?? JSON.stringify(files),
      image: productImage,
      setup: null,
      files: () => tarOf(files),
      limits: testLimits,
      ...request,
    });
  return {
    ...engine,
    instance,
    prepareOn,
    async openOn(files, request = {}) {
      const image = request.image ?? (await prepareOn(files)).image;
      runs += 1;
      return engine.open({
        run: `run-${runs}`,
        purpose: 'build',
        epoch: 1,
        overlay: emptyOverlay,
        limits: testLimits,
        network: noNetwork,
        secrets: {},
        deadlineMs: Date.now() + 600_000,
        ...request,
        image,
      });
    },
    async [Symbol.asyncDispose]() {
      await engine.reap({});
      await engine.evict(0);
    },
  };
}

export type TestFiles = Readonly<Record<string, string | Buffer | { executable: string } | { link: string }>>;

/** Tar of such files with their folders, owned by user 1000, as the git door makes it. */
export async function tarOf(files: TestFiles): Promise<Readable> {
  const archive = pack();
  const owner = { uid: 1000, gid: 1000 };
  const folders = new Set<string>();
  for (const [name, content] of Object.entries(files)) {
    for (let at = name.indexOf('/'); at > 0; at = name.indexOf('/', at + 1)) {
      const folder = name.slice(0, at + 1);
      if (!folders.has(folder)) archive.entry({ name: folder, type: 'directory', mode: 0o755, ...owner });
      folders.add(folder);
    }
    if (typeof content === 'string' || Buffer.isBuffer(content))
      archive.entry({ name, mode: 0o644, ...owner }, content);
    else if ('link' in content) archive.entry({ name, type: 'symlink', linkname: content.link, ...owner });
    else archive.entry({ name, mode: 0o755, ...owner }, content.executable);
  }
  archive.finalize();
  return Readable.from(archive, { objectMode: false });
}

/** An image that holds nothing but one shell, as `/bin/sh`, and the libraries that it needs; `changes` are Dockerfile lines. */
export async function importShellImage(
  name: string,
  shell: '/bin/dash' | '/bin/bash',
  changes: readonly string[] = [],
): Promise<void> {
  const gather = [
    'set -e; mkdir -p /tmp/r/bin',
    `cp ${shell} /tmp/r/bin/sh`,
    `for l in $(ldd ${shell} | grep -o '/[^ )]*'); do mkdir -p /tmp/r$(dirname $l); cp -L $l /tmp/r$l; done`,
    'tar -C /tmp/r -c .',
  ].join('; ');
  await importImage(name, gather, changes);
}

/** An image that holds nothing but this machine's static busybox (script/bootstrap --tests installs it), as small images do. */
export async function importBusyboxImage(name: string): Promise<void> {
  const busybox = (await run('sh', ['-c', 'command -v busybox'])).stdout.trim();
  const { stdout } = await run(busybox, ['--list']);
  const applets = stdout.split('\n').filter((applet) => applet !== '' && applet !== 'busybox');
  const archive = pack();
  archive.entry({ name: 'bin/busybox', mode: 0o755 }, await readFile(busybox));
  for (const applet of applets) archive.entry({ name: `bin/${applet}`, type: 'symlink', linkname: 'busybox' });
  archive.finalize();
  await importTar(name, Readable.from(archive, { objectMode: false }));
}

/** Imports what a script in the product's image writes to its output as a tar; `changes` are Dockerfile lines. */
export async function importImage(name: string, script: string, changes: readonly string[] = []): Promise<void> {
  const source = spawn('docker', ['run', '--rm', '--network', 'none', productImage, '/bin/sh', '-c', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await importTar(name, source.stdout, changes);
}

async function importTar(name: string, tar: Readable, changes: readonly string[] = []): Promise<void> {
  const target = spawn('docker', ['import', ...changes.flatMap((line) => ['--change', line]), '-', name], {
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  const ended = new Promise<void>((resolve, reject) => {
    target.on('error', reject);
    target.on('close', (code) => (code === 0 ? resolve() : reject(new Error(`docker import ended with ${code}`))));
  });
  await pipeline(tar, target.stdin);
  await ended;
}
