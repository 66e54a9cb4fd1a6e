import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { appendFile, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { deflateSync } from 'node:zlib';
import { type ChangedFile, parseChanges } from './changed-files.ts';
import { looseRef } from './loose-refs.ts';

export interface Person {
  name: string;
  email: string;
  /** Seconds since the epoch and the zone, as git writes them (`1700000000 +0000`), or an ISO date. */
  date?: string;
}

export interface CommitData {
  sha: string;
  tree: string;
  parents: string[];
  author: Required<Person>;
  committer: Required<Person>;
  message: string;
}

export interface TreeEntry {
  mode: string;
  type: 'blob' | 'tree' | 'commit';
  sha: string;
  size: number | null;
  path: string;
}

/** The content of files by path; `null` removes one, an object sets its mode too. */
export type Files = Record<
  string,
  string | Buffer | null | { content: string | Buffer; mode: '100644' | '100755' | '120000' }
>;

const PRE_RECEIVE = `#!/bin/sh
zero=0000000000000000000000000000000000000000
while read -r old new ref; do
  case "$ref" in
    $STAND_IN_PROTECTED) echo "error: GH006: Protected branch update failed for $ref." >&2; exit 1 ;;
  esac
  [ "$STAND_IN_WORKFLOWS" = no ] || continue
  [ "$new" = "$zero" ] && continue
  for file in $(git log --name-only --pretty=format: "$new" --not --all -- .github/workflows); do
    echo "refusing to allow a GitHub App to create or update workflow \\\`$file\\\` without \\\`workflows\\\` permission" >&2
    exit 1
  done
done
`;

const HOST_ENV = {
  PATH: process.env.PATH ?? '/usr/bin:/bin',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  LC_ALL: 'C',
};

// Nobody pushes to refs/pull, as on GitHub; everybody may fetch from there.
const CONFIG = `[http]
	receivepack = true
[uploadpack]
	allowAnySHA1InWant = true
	allowFilter = true
[receive]
	denyDeleteCurrent = ignore
	hideRefs = refs/pull
[gc]
	auto = 0
`;

/** What these say of commits and trees never changes. */
const LASTING = new Set(['cat-file', 'diff', 'ls-tree', 'merge-base', 'merge-tree', 'rev-list']);
const NAMES_OBJECTS = /^(-.*|blob|tree|commit|[0-9a-f]{40}(\.\.[0-9a-f]{40})?)$/;

export const gitEnvironment = (extra: Record<string, string> = {}): Record<string, string> => ({
  ...HOST_ENV,
  ...extra,
});

export interface GitOptions {
  input?: string | Buffer;
  env?: Record<string, string>;
  cwd?: string;
}

/** Runs git with an argument array; rejects with its standard error when it fails. */
export function runGit(args: string[], options: GitOptions = {}): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = spawn('git', args, {
      cwd: options.cwd,
      env: gitEnvironment({ HOME: '/nonexistent', ...options.env }),
    });
    const out: Buffer[] = [];
    const errors: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(Buffer.concat(out));
      else reject(new Error(`git ${args.join(' ')} ended with ${code}: ${Buffer.concat(errors).toString('utf8')}`));
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
  });
}

/** A bare repository, told and asked by plumbing only, and with few processes: most tests begin by making one. */
export class BareRepository {
  readonly dir: string;
  private readonly resolved = new Map<string, string>();
  private readonly known = new Map<string, Buffer>();

  constructor(dir: string) {
    this.dir = dir;
  }

  async init(defaultBranch: string): Promise<void> {
    await mkdir(path.dirname(this.dir), { recursive: true });
    await runGit(['init', '--quiet', '--bare', `--initial-branch=${defaultBranch}`, this.dir]);
    await appendFile(path.join(this.dir, 'config'), CONFIG);
    await writeFile(path.join(this.dir, 'hooks', 'pre-receive'), PRE_RECEIVE, { mode: 0o755 });
  }

  async git(args: string[], options: GitOptions = {}): Promise<Buffer> {
    const [command = '', ...rest] = args;
    const lasts = LASTING.has(command) && rest.every((arg) => NAMES_OBJECTS.test(arg));
    const key = args.join(' ');
    const answer = this.known.get(key) ?? (await runGit(['--git-dir', this.dir, ...args], options));
    if (lasts) this.known.set(key, answer);
    return answer;
  }

  async text(args: string[], options: GitOptions = {}): Promise<string> {
    return (await this.git(args, options)).toString('utf8').trim();
  }

  /** The commit (or with `type` another object) that a name stands for, or null. */
  async resolve(revision: string, type = 'commit'): Promise<string | null> {
    if (revision === '' || revision.startsWith('-')) return null;
    const name = revision.startsWith('refs/') ? revision : `refs/heads/${revision}`;
    const sha = /^[0-9a-f]{40}$/.test(revision) ? revision : await looseRef(this.dir, name);
    if (sha === null && revision.startsWith('refs/')) return null;
    const object = `${sha ?? revision}^{${type}}`;
    const known = this.resolved.get(object) ?? (await this.parse(object));
    // What an object name stands for never changes.
    if (sha && known) this.resolved.set(object, known);
    return known;
  }

  private async parse(object: string): Promise<string | null> {
    const found = await this.text(['rev-parse', '--verify', '--quiet', '--end-of-options', object]).catch(() => '');
    return found.split('\n').pop() || null;
  }

  async refs(prefix = 'refs/'): Promise<Map<string, string>> {
    const listing = await this.text(['for-each-ref', '--format=%(objectname) %(refname)', prefix]);
    return new Map(
      listing
        .split('\n')
        .filter(Boolean)
        .map((line) => [line.slice(41), line.slice(0, 40)] as const),
    );
  }

  async ref(name: string): Promise<string | null> {
    const loose = await looseRef(this.dir, name);
    if (loose !== undefined) return loose;
    return (await this.text(['rev-parse', '--verify', '--quiet', name]).catch(() => '')) || null;
  }

  async setRef(name: string, sha: string | null): Promise<void> {
    await this.git(sha === null ? ['update-ref', '-d', name] : ['update-ref', name, sha]);
  }

  async writeBlob(content: string | Buffer): Promise<string> {
    const bytes = Buffer.from(content);
    const object = Buffer.concat([Buffer.from(`blob ${bytes.length}\0`), bytes]);
    const sha = createHash('sha1').update(object).digest('hex');
    const folder = path.join(this.dir, 'objects', sha.slice(0, 2));
    const unfinished = path.join(folder, `tmp_obj_${randomBytes(6).toString('hex')}`);
    await mkdir(folder, { recursive: true });
    await writeFile(unfinished, deflateSync(object), { mode: 0o444 });
    await rename(unfinished, path.join(folder, sha.slice(2)));
    return sha;
  }

  readObject(sha: string, type: string): Promise<Buffer> {
    return this.git(['cat-file', type, sha]);
  }

  /** A tree made from another one by setting and removing files. */
  async writeTree(base: string | null, files: Files): Promise<string> {
    const index = path.join(this.dir, `stand-in-index-${process.hrtime.bigint()}`);
    const env = { GIT_INDEX_FILE: index };
    try {
      if (base !== null) await this.git(['read-tree', base], { env });
      const lines: string[] = [];
      for (const [file, value] of Object.entries(files)) {
        if (value === null) lines.push(`0 ${'0'.repeat(40)}\t${file}\0`);
        else {
          const { content, mode } =
            typeof value === 'string' || Buffer.isBuffer(value) ? { content: value, mode: '100644' } : value;
          lines.push(`${mode} ${await this.writeBlob(content)}\t${file}\0`);
        }
      }
      await this.git(['update-index', '-z', '--index-info'], { env, input: lines.join('') });
      return await this.text(['write-tree'], { env });
    } finally {
      await rm(index, { force: true });
    }
  }

  /** Writes a commit object; it moves no branch. */
  writeCommit(commit: {
    tree: string;
    parents: string[];
    message: string;
    author: Person;
    committer?: Person;
  }): Promise<string> {
    const committer = commit.committer ?? commit.author;
    const env: Record<string, string> = {
      GIT_AUTHOR_NAME: commit.author.name,
      GIT_AUTHOR_EMAIL: commit.author.email,
      GIT_COMMITTER_NAME: committer.name,
      GIT_COMMITTER_EMAIL: committer.email,
    };
    if (commit.author.date) env.GIT_AUTHOR_DATE = commit.author.date;
    if (committer.date) env.GIT_COMMITTER_DATE = committer.date;
    const parents = commit.parents.flatMap((parent) => ['-p', parent]);
    return this.text(['commit-tree', commit.tree, ...parents, '-F', '-'], { env, input: commit.message });
  }

  async readCommit(sha: string): Promise<CommitData> {
    const raw = (await this.readObject(sha, 'commit')).toString('utf8');
    const split = raw.indexOf('\n\n');
    const headers = raw.slice(0, split).split('\n');
    const value = (name: string): string =>
      headers.find((line) => line.startsWith(`${name} `))?.slice(name.length + 1) ?? '';
    return {
      sha,
      tree: value('tree'),
      parents: headers.filter((line) => line.startsWith('parent ')).map((line) => line.slice(7)),
      author: parseIdentity(value('author')),
      committer: parseIdentity(value('committer')),
      message: raw.slice(split + 2).replace(/\n$/, ''),
    };
  }

  async readTree(treeish: string, recursive: boolean): Promise<TreeEntry[]> {
    const listing = (await this.git(['ls-tree', '-z', '-l', ...(recursive ? ['-r', '-t'] : []), treeish])).toString(
      'utf8',
    );
    return listing
      .split('\0')
      .filter(Boolean)
      .map((line) => {
        const [meta = '', name = ''] = [line.slice(0, line.indexOf('\t')), line.slice(line.indexOf('\t') + 1)];
        const [mode = '', type = 'blob', sha = '', size = '-'] = meta.split(/ +/);
        return { mode, type: type as TreeEntry['type'], sha, size: size === '-' ? null : Number(size), path: name };
      });
  }

  async isAncestor(ancestor: string, descendant: string): Promise<boolean> {
    return this.git(['merge-base', '--is-ancestor', ancestor, descendant]).then(
      () => true,
      () => false,
    );
  }

  async mergeBase(left: string, right: string): Promise<string | null> {
    return (await this.text(['merge-base', left, right]).catch(() => '')) || null;
  }

  /** Oldest first, as GitHub lists the commits of a comparison. */
  async commitsBetween(base: string, head: string): Promise<string[]> {
    return (await this.text(['rev-list', '--reverse', '--topo-order', `${base}..${head}`])).split('\n').filter(Boolean);
  }

  async changedFiles(base: string, head: string): Promise<ChangedFile[]> {
    const [raw, numbers] = await Promise.all([
      this.git(['diff', '--raw', '-z', '-M', '--abbrev=40', '--no-textconv', base, head]),
      this.git(['diff', '--numstat', '-z', '-M', '--no-textconv', base, head]),
    ]);
    return parseChanges(raw.toString('utf8').split('\0'), numbers.toString('utf8').split('\0'));
  }

  async patchOf(base: string, head: string, file: string): Promise<string | undefined> {
    const diff = await this.text(['diff', '--no-ext-diff', '--no-textconv', base, head, '--', file]);
    const start = diff.indexOf('\n@@');
    return start < 0 ? undefined : diff.slice(start + 1);
  }

  /** The tree of merging two commits, or null when they conflict. */
  async mergedTree(ours: string, theirs: string): Promise<string | null> {
    return this.text(['merge-tree', '--write-tree', ours, theirs]).catch(() => null);
  }
}

function parseIdentity(line: string): Required<Person> {
  const match = /^(.*?) ?<([^>]*)> (\d+) ([+-]\d{4})$/.exec(line);
  const date = new Date(Number(match?.[3] ?? 0) * 1000).toISOString().replace('.000Z', 'Z');
  return { name: match?.[1] ?? '', email: match?.[2] ?? '', date };
}
