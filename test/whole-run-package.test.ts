import { execFile } from 'node:child_process';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { cli, startCli } from './support/cli.ts';
import { startModel } from './support/model-stand-in.ts';
import { contract, goodSource, scripted, smallRepository, solve } from './support/scripted.ts';
import { until } from './support/until.ts';

const run = promisify(execFile);
const installMs = 240_000;
let folder: string;
let tarball: string;
let program: string;

/** What `npm pack` ships, installed by npm in a folder that knows nothing of this checkout. */
beforeAll(async () => {
  folder = realpathSync(await mkdtemp(join(tmpdir(), 'package-')));
  tarball = await pack(join(folder, 'packed'));
  writeFileSync(join(folder, 'package.json'), '{ "name": "elsewhere", "private": true }\n');
  await npm(folder, 'install', '--no-audit', '--no-fund', '--loglevel=error', tarball);
  program = realpathSync(join(folder, 'node_modules/.bin/millwright'));
}, installMs);

afterAll(async () => {
  await removeImages();
  await rm(folder, { recursive: true, force: true });
});

async function npm(cwd: string, ...args: string[]): Promise<string> {
  return (await run('npm', args, { cwd, maxBuffer: 10 * 1024 ** 2 })).stdout;
}

async function pack(into: string): Promise<string> {
  mkdirSync(into, { recursive: true });
  const [made] = JSON.parse(await npm(process.cwd(), 'pack', '--json', '--silent', '--pack-destination', into)) as [
    { filename: string },
  ];
  return join(into, made.filename);
}

async function removeImages(): Promise<void> {
  const file = join(folder, 'data', 'local', 'instance');
  if (!existsSync(file)) return;
  const label = `label=millwright.instance=${readFileSync(file, 'utf8').trim()}`;
  const { stdout } = await run('docker', ['images', '--quiet', '--filter', label]);
  const images = [...new Set(stdout.split('\n').filter(Boolean))];
  if (images.length > 0) await run('docker', ['rmi', '--force', ...images]);
}

const digest = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');

test('the package is the same bytes whenever it is made from the same sources', { timeout: installMs }, async () => {
  const again = await pack(join(folder, 'again'));

  expect(digest(again)).toBe(digest(tarball));
});

test('the installed package carries a contract to a branch', { timeout: 120_000 }, async () => {
  const model = await startModel(scripted(solve));
  onTestFinished(() => model.close());
  const dir = join(folder, 'small');
  for (const [path, text] of Object.entries(smallRepository)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text);
  }
  const git = async (...args: string[]) =>
    (await run('git', ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org', ...args], { cwd: dir })).stdout;
  await git('init', '--quiet', '--initial-branch=trunk');
  await git('add', '--all');
  await git('commit', '--quiet', '--message=first');
  writeFileSync(join(folder, 'contract.md'), contract);
  const env = {
    OPENAI_API_KEY: model.apiKey,
    OPENAI_BASE_URL: model.url,
    OPENAI_MODEL: 'scripted',
    DATA_DIR: join(folder, 'data'),
  };

  const args = ['run', '--repo', dir, '--contract', join(folder, 'contract.md')];
  const { code, err } = await cli(args, { cwd: folder, env, program });

  expect(code, err).toBe(0);
  const [branch = ''] = (await git('branch', '--format=%(refname:short)', '--list', 'millwright/*')).trim().split('\n');
  expect(await git('show', `${branch}:src/add.js`)).toBe(goodSource);
});

test('the installed package serves, and ends cleanly on SIGTERM', { timeout: 60_000 }, async () => {
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  });
  const env = {
    APP_ID: '1',
    PRIVATE_KEY: privateKey,
    WEBHOOK_SECRET: 'a secret of this test',
    OPENAI_API_KEY: 'none',
    GHE_HOST: '127.0.0.1:9',
    GHE_PROTOCOL: 'http',
    HOST: '127.0.0.1',
    PORT: '0',
    DATA_DIR: join(folder, 'served'),
  };

  const service = startCli(['serve'], { cwd: folder, env, program });
  let port = '';
  await until(() => {
    port = /127\.0\.0\.1:(\d+)/.exec(service.out())?.[1] ?? '';
    return port !== '';
  }, 30_000);
  const answer = await fetch(`http://127.0.0.1:${port}/healthz`);
  service.child.kill('SIGTERM');
  const { code } = await service.ended;

  expect(answer.status).toBe(200);
  expect(code).toBe(0);
});

test('the package holds what the documents tell its users to run', () => {
  const root = dirname(dirname(program));

  for (const file of ['script/sandbox-image', 'docker/sandbox.Dockerfile', 'docker/compose.yml', 'app.yml', 'LICENSE'])
    expect(existsSync(join(root, file)), file).toBe(true);
});
