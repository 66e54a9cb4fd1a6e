import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createGit } from '../../src/git/create-git.ts';
import { mirrorPath } from '../../src/git/mirror.ts';
import { serveGit } from '../support/github/git-http.ts';
import { median, timeMs } from '../support/timing.ts';
import type { BenchRow } from './row.ts';

const rounds = 5;
const files = 5_000;
const commits = 1_000;
const changedByEach = 10;

/** A repository with a history over http, from a server that hands out parts and from one that does not. */
export async function partialMirrorBench(): Promise<BenchRow[]> {
  const root = mkdtempSync(join(tmpdir(), 'partial-mirror-'));
  const server = createServer((request, response) => {
    const { pathname, search } = new URL(request.url ?? '/', 'http://localhost');
    const finished = async () => {};
    const rest = { user: 'b', workflows: true, finished, unheard: false, protectedRefs: '' };
    void serveGit(request, response, { projectRoot: root, pathInfo: pathname, query: search.slice(1), ...rest });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const parts = await measure(root, makeOrigin(root, 'parts', true), `${origin}/parts.git`);
    const whole = await measure(root, makeOrigin(root, 'whole', false), `${origin}/whole.git`);
    const row = (name: string, key: keyof Measured, unit: string): BenchRow => {
      return { name, figure: parts[key], floor: whole[key], target: 1, unit };
    };
    return [
      row('first fetch, 1,000 commits: blobs of one / of all', 'firstMs', 'ms'),
      row('disk of that mirror', 'megabytes', 'MB'),
      { ...row('fetch of one more commit', 'nextMs', 'ms'), target: null },
    ];
  } finally {
    server.closeAllConnections();
    server.close();
    rmSync(root, { recursive: true, force: true });
  }
}

interface Measured {
  firstMs: number;
  nextMs: number;
  megabytes: number;
}

async function measure(root: string, addCommit: () => void, url: string): Promise<Measured> {
  const firsts: number[] = [];
  const nexts: number[] = [];
  let megabytes = 0;
  for (let round = 0; round < rounds; round += 1) {
    const mirrorsDir = mkdtempSync(join(root, 'mirrors-'));
    const git = createGit({ mirrorsDir, env: { PATH: process.env.PATH } });
    const remote = { repository: 'host.example/acme/widget', url, token: null };
    firsts.push(await timeMs(() => git.fetch(remote, 'refs/heads/main')));
    megabytes = bytesBelow(mirrorPath(mirrorsDir, remote.repository)) / 1024 ** 2;
    addCommit();
    nexts.push(await timeMs(() => git.fetch(remote, 'refs/heads/main')));
  }
  return { firstMs: median(firsts), nextMs: median(nexts), megabytes };
}

function bytesBelow(folder: string): number {
  const found = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return found.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
}

/** Text that packs to about half, as source does; returns what adds one more commit. */
function makeOrigin(root: string, name: string, filters: boolean): () => void {
  const dir = join(root, `${name}.git`);
  execFileSync('git', ['init', '--quiet', '--bare', '--initial-branch=main', dir]);
  execFileSync('git', ['-C', dir, 'config', 'uploadpack.allowFilter', String(filters)]);
  let at = 0;
  const file = (n: number) => {
    const text = randomBytes(2_000).toString('hex');
    return `M 100644 inline src/part-${Math.floor(n / 50)}/file-${n}.txt\ndata ${text.length}\n${text}\n`;
  };
  const commit = (changed: readonly number[]) => {
    at += 1;
    const from = at === 1 ? '' : 'from refs/heads/main^0\n';
    return `commit refs/heads/main\ncommitter b <b@example.org> ${at} +0000\ndata 1\nm\n${from}${changed.map(file).join('')}\n`;
  };
  const load = (stream: string) => execFileSync('git', ['-C', dir, 'fast-import', '--quiet'], { input: stream });
  load(commit(Array.from({ length: files }, (_, n) => n)));
  const some = () => Array.from({ length: changedByEach }, (_, n) => (at * 37 + n * 501) % files);
  let history = '';
  for (let count = 1; count < commits; count += 1) {
    // Only the first of a stream needs its parent named.
    history += history === '' ? commit(some()) : commit(some()).replace('from refs/heads/main^0\n', '');
  }
  load(history);
  return () => load(commit(some()));
}
