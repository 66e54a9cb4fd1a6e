import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readLocalRepository } from '../../src/git/local-repository.ts';

let folder: string;

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'local-repository-')));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

const git = (dir: string, ...args: string[]) =>
  execFileSync('git', ['-c', 'user.name=T', '-c', 'user.email=t@example.org', ...args], { cwd: dir, encoding: 'utf8' });
const read = (dir: string) => readLocalRepository(dir, { home: join(folder, 'home'), env: { PATH: process.env.PATH } });

function repository(name: string): string {
  const dir = join(folder, name);
  mkdirSync(join(dir, 'src'), { recursive: true });
  git(dir, 'init', '--quiet', '--initial-branch=trunk');
  return dir;
}

function committed(name: string): string {
  const dir = repository(name);
  writeFileSync(join(dir, 'src', 'a.js'), 'export {};\n');
  git(dir, 'add', '.');
  git(dir, 'commit', '--quiet', '--message=first');
  return dir;
}

describe('a repository of this machine', () => {
  it('tells its branch and commit, whoever owns it and whatever its settings ask for', async () => {
    const dir = committed('r');
    git(dir, 'config', 'core.fsmonitor', 'touch /should-not-run');

    const found = await read(dir);

    const commit = git(dir, 'rev-parse', 'HEAD').trim();
    expect(found).toEqual({ ok: true, repository: { dir, branch: 'trunk', commit } });
  });

  it('may be a further work tree, on its own branch', async () => {
    const dir = committed('r');
    git(dir, 'worktree', 'add', '--quiet', '-b', 'topic/one', join(folder, 'tree'));

    expect(await read(join(folder, 'tree'))).toMatchObject({ ok: true, repository: { branch: 'topic/one' } });
  });

  it.each<[string, () => string, RegExp]>([
    ['a folder that is not there', () => join(folder, 'nowhere'), /nowhere is no folder/],
    ['a folder without git', () => folder, /is no git repository: name one, or run `git init`/],
    ['a folder within a repository', () => join(committed('r'), 'src'), /name its top folder, \S+\/r$/],
    ['a repository without a commit', () => repository('empty'), /has no commit yet: commit/],
    [
      'a detached head',
      () => {
        const dir = committed('r');
        git(dir, 'checkout', '--quiet', '--detach');
        return dir;
      },
      /on no branch.*check a branch out/,
    ],
    [
      'a shallow clone, from which nothing can be fetched',
      () => {
        const dir = committed('r');
        git(dir, 'commit', '--quiet', '--allow-empty', '--message=second');
        git(folder, 'clone', '--quiet', '--depth=1', `file://${dir}`, 'shallow');
        return join(folder, 'shallow');
      },
      /git fetch --unshallow/,
    ],
  ])('is not %s, and the reason says what to do', async (_what, dir, words) => {
    const found = await read(dir());

    expect(found).toMatchObject({ ok: false, reason: expect.stringMatching(words) });
  });
});
