import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { createGit } from '../../src/git/create-git.ts';
import { interleaved } from '../support/timing.ts';
import type { BenchRow } from './row.ts';

const rounds = 10;
const sizes = [1, 1_000, 10_000, 100_000] as const;

/** A fetch that brings nothing, the first of every attempt, as the repository has more and more refs. */
export async function mirrorBench(): Promise<BenchRow[]> {
  const root = mkdtempSync(join(tmpdir(), 'scale-mirrors-'));
  const git = createGit({ mirrorsDir: join(root, 'mirrors'), log: pino({ level: 'silent' }), env: {} });
  try {
    const works: Record<string, () => Promise<unknown>> = {};
    for (const size of sizes) {
      const remote = { repository: `local/acme/r${size}`, url: repositoryWith(root, size), token: async () => '' };
      works[`${size}`] = () => git.fetch(remote, 'refs/heads/main');
      await works[`${size}`]?.();
    }
    const times = await interleaved(rounds, works);
    return sizes.slice(1).map((size) => ({
      name: `fetch that brings nothing: ${size} refs / one`,
      figure: times[`${size}`] ?? Number.NaN,
      floor: times['1'] ?? Number.NaN,
      target: null,
      unit: 'ms',
    }));
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function repositoryWith(root: string, refs: number): string {
  const dir = join(root, `r${refs}.git`);
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', dir, '-c', 'user.name=b', '-c', 'user.email=b@example.org', ...args], {
      encoding: 'utf8',
    });
  execFileSync('git', ['init', '--quiet', '--bare', '--initial-branch=main', dir]);
  const tree = git('hash-object', '-t', 'tree', '-w', '/dev/null').trim();
  const commit = git('commit-tree', tree, '-m', 'one').trim();
  git('update-ref', 'refs/heads/main', commit);
  const lines = Array.from({ length: refs - 1 }, (_, n) => `${commit} refs/heads/b${String(n).padStart(6, '0')}`);
  if (lines.length > 0)
    writeFileSync(join(dir, 'packed-refs'), `# pack-refs with: peeled fully-peeled sorted \n${lines.join('\n')}\n`);
  return dir;
}
