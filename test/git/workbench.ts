import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { createGit, type GitOptions } from '../../src/git/create-git.ts';
import type { Git, PatchRules, Remote } from '../../src/git/git.ts';

const environment = {
  PATH: process.env.PATH,
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_AUTHOR_NAME: 'Ada',
  GIT_AUTHOR_EMAIL: 'ada@example.org',
  GIT_COMMITTER_NAME: 'Ada',
  GIT_COMMITTER_EMAIL: 'ada@example.org',
  GIT_AUTHOR_DATE: '@1700000000 +0000',
  GIT_COMMITTER_DATE: '@1700000000 +0000',
};

/** A folder that goes with the test. */
export function temporaryFolder(): string {
  const path = mkdtempSync(join(tmpdir(), 'millwright-git-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A file's content, an executable, a link, or nothing. */
export type Content = string | Buffer | { executable: string } | { link: string } | null;

/** A bare repository that stands for the one on GitHub, written by plumbing, so that it may hold anything. */
export class Origin {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
    mkdirSync(path, { recursive: true });
    this.git(['init', '--bare', '--quiet', '--template=', '--initial-branch=main']);
  }

  git(args: readonly string[], options: { input?: string | Buffer; env?: Record<string, string> } = {}): string {
    return execFileSync('git', [...args], {
      cwd: this.path,
      input: options.input ?? '',
      env: { ...environment, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      maxBuffer: 256 * 1024 ** 2,
    })
      .toString()
      .trim();
  }

  blob(content: string | Buffer): string {
    return this.git(['hash-object', '-w', '--stdin', '--no-filters'], { input: content });
  }

  /** Commits these files (over the parent's, when one is named) and moves the branch. */
  commit(
    files: Readonly<Record<string, Content>>,
    options: { branch?: string; parent?: string; message?: string } = {},
  ): string {
    const index = join(this.path, `index-${Math.random()}`);
    const env = { GIT_INDEX_FILE: index };
    if (options.parent) this.git(['read-tree', options.parent], { env });
    const lines = Object.entries(files).map(([path, content]) => {
      if (content === null) return `0 ${'0'.repeat(40)}\t${path}\0`;
      const isPlain = typeof content === 'string' || Buffer.isBuffer(content);
      if (isPlain) return `100644 ${this.blob(content)}\t${path}\0`;
      if ('link' in content) return `120000 ${this.blob(content.link)}\t${path}\0`;
      return `100755 ${this.blob(content.executable)}\t${path}\0`;
    });
    this.git(['update-index', '-z', '--index-info'], { env, input: lines.join('') });
    return this.commitTree(this.git(['write-tree'], { env }), options);
  }

  /** A tree written entry by entry, as only a hostile tool would. */
  rawTree(entries: readonly { mode: string; type: string; sha: string; name: string | Buffer }[]): string {
    const body = Buffer.concat(
      entries.flatMap(({ mode, sha, name }) => [
        Buffer.from(`${mode} `),
        Buffer.from(name),
        Buffer.from([0]),
        Buffer.from(sha, 'hex'),
      ]),
    );
    return this.git(['hash-object', '-w', '-t', 'tree', '--literally', '--stdin'], { input: body });
  }

  commitTree(tree: string, options: { branch?: string; parent?: string; message?: string } = {}): string {
    const parents = options.parent ? ['-p', options.parent] : [];
    const commit = this.git(['commit-tree', tree, ...parents, '-m', options.message ?? 'a change']);
    this.git(['update-ref', `refs/heads/${options.branch ?? 'main'}`, commit]);
    return commit;
  }

  head(branch = 'main'): string {
    return this.git(['rev-parse', `refs/heads/${branch}`]);
  }
}

export interface Workbench {
  folder: string;
  mirrorsDir: string;
  origin: Origin;
  git: Git;
  remote: Remote;
}

/** A repository, a door to git, and a fresh folder for mirrors. */
export function workbench(options: Partial<GitOptions> = {}): Workbench {
  const folder = temporaryFolder();
  const mirrorsDir = join(folder, 'mirrors');
  const origin = new Origin(join(folder, 'origin.git'));
  const git = createGit({ mirrorsDir, env: { PATH: process.env.PATH }, ...options });
  return {
    folder,
    mirrorsDir,
    origin,
    git,
    remote: { repository: 'host.example/acme/widget', url: origin.path, token: null },
  };
}

/** A workbench with these files fetched. */
export async function fetched(
  files: Readonly<Record<string, Content>>,
): Promise<Workbench & { base: string; repository: string }> {
  const bench = workbench();
  bench.origin.commit(files);
  const base = await bench.git.fetch(bench.remote, 'main');
  return { ...bench, base, repository: bench.remote.repository };
}

export const wideRules: PatchRules = {
  maxFiles: 1_000,
  maxFileBytes: 10 * 1024 ** 2,
  maxTotalBytes: 50 * 1024 ** 2,
  isProtected: () => false,
};

/** A file as a container reports it. */
export function file(path: string, content: string | Buffer, mode = 0o644) {
  return { kind: 'file' as const, path, bytes: Buffer.from(content), mode };
}

export function link(path: string, target: string) {
  return { kind: 'symlink' as const, path, target };
}

export function deleted(path: string) {
  return { kind: 'deleted' as const, path };
}

export function odd(path: string, what: string) {
  return { kind: 'odd' as const, path, what };
}

/** `mode path` of every file of a tree. */
export async function shape(git: Git, repository: string, tree: string): Promise<string[]> {
  return (await git.list(repository, tree)).map(({ mode, path }) => `${mode} ${path}`);
}

export function writeFiles(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
}
