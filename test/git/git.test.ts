import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { startGitHttpServer } from './git-http-server.ts';
import { fetched, Origin, shape, temporaryFolder, type Workbench, workbench } from './workbench.ts';

const author = { name: 'millwright[bot]', email: '1+millwright[bot]@users.noreply.example.org' };

async function overHttp(token?: string): Promise<Workbench> {
  const bench = workbench();
  bench.origin.git(['config', 'uploadpack.allowFilter', token ? 'false' : 'true']);
  const server = await startGitHttpServer(dirname(bench.origin.path), token ? { token } : {});
  return {
    ...bench,
    remote: {
      repository: 'host.example/acme/widget',
      url: server.url(basename(bench.origin.path)),
      token: token ? async () => token : null,
    },
  };
}

describe.each([
  ['a local path', async () => workbench()],
  ['http, in parts', () => overHttp()],
  ['http with a token', () => overHttp('ghs_secret')],
])('the door to git over %s', (_name, open) => {
  it('fetches a branch by name and later sees where it moved', async () => {
    const { git, origin, remote } = await open();
    const first = origin.commit({ 'a.txt': 'one\n' });
    const seenFirst = await git.fetch(remote, 'main');
    const second = origin.commit({ 'a.txt': 'two\n' }, { parent: first });

    const seenSecond = await git.fetch(remote, 'main');

    expect([seenFirst, seenSecond]).toEqual([first, second]);
    expect(Buffer.from((await git.read(remote.repository, second, 'a.txt')) ?? []).toString()).toBe('two\n');
  });

  it('fetches a commit by sha and keeps it after the branch was forced elsewhere', async () => {
    const { git, origin, remote } = await open();
    const first = origin.commit({ 'a.txt': 'one\n' });
    await git.fetch(remote, first);
    origin.commit({ 'b.txt': 'other\n' });
    await git.fetch(remote, 'main');

    const again = await git.fetch(remote, first);

    expect(again).toBe(first);
    expect(await shape(git, remote.repository, first)).toEqual(['100644 a.txt']);
  });

  it('says what a branch points at, and null for one that is not there', async () => {
    const { git, origin, remote } = await open();
    const head = origin.commit({ 'a.txt': 'one\n' });
    origin.git(['update-ref', 'refs/heads/x/refs/heads/absent', head]);

    const heads = await Promise.all([git.remoteHead(remote, 'main'), git.remoteHead(remote, 'absent')]);

    expect(heads).toEqual([head, null]);
  });

  it('pushes a new branch, then a commit on top, and takes a repeated push for done', async () => {
    const { git, origin, remote } = await open();
    const base = await git.fetch(remote, origin.commit({ 'a.txt': 'one\n' }));
    const tree = await git.treeOf(remote.repository, base);
    const request = { tree, parents: [base], message: 'First', author, timestampS: 1_700_000_100 };
    const first = await git.commit(remote.repository, request);
    const second = await git.commit(remote.repository, { ...request, parents: [first], message: 'Second' });

    const results = [
      await git.push(remote, first, 'millwright/issue-1', null),
      await git.push(remote, first, 'millwright/issue-1', null),
      await git.push(remote, second, 'millwright/issue-1', first),
      await git.push(remote, second, 'millwright/issue-1', first),
    ];

    expect(results).toEqual([{ ok: true }, { ok: true }, { ok: true }, { ok: true }]);
    expect(origin.head('millwright/issue-1')).toBe(second);
  });

  it('does not push over a branch that moved or that should not exist, and says where it is', async () => {
    const { git, origin, remote } = await open();
    const base = await git.fetch(remote, origin.commit({ 'a.txt': 'one\n' }));
    const tree = await git.treeOf(remote.repository, base);
    const ours = await git.commit(remote.repository, { tree, parents: [base], message: 'Ours', author, timestampS: 1 });
    const theirs = origin.commit({ 'a.txt': 'theirs\n' }, { parent: base, branch: 'work' });

    const moved = await git.push(remote, ours, 'work', base);
    const exists = await git.push(remote, ours, 'work', null);
    const gone = await git.push(remote, ours, 'never', base);

    expect([moved, exists]).toEqual([
      { ok: false, reason: 'moved', actual: theirs },
      { ok: false, reason: 'moved', actual: theirs },
    ]);
    expect(gone).toEqual({ ok: false, reason: 'moved', actual: null });
    expect(origin.head('work')).toBe(theirs);
  });

  it('reports an address without a repository as gone', async () => {
    const { git, remote } = await open();
    const gone = { ...remote, url: remote.url.replace('origin.git', 'nothing.git') };

    await expect(git.fetch(gone, 'main')).rejects.toMatchObject({ code: 'outside.repository-gone' });
    await expect(git.remoteHead(gone, 'main')).rejects.toMatchObject({ code: 'outside.repository-gone' });
  });

  it('fails with a git error, not a lost repository, for a branch that is not there', async () => {
    const { git, origin, remote } = await open();
    origin.commit({ 'a.txt': 'one\n' });

    await expect(git.fetch(remote, 'absent')).rejects.toMatchObject({ code: 'outside.git' });
    await expect(git.fetch(remote, 'f'.repeat(40))).rejects.toMatchObject({ code: 'outside.git' });
  });
});

describe('reading a repository', () => {
  it('lists files with mode, size and blob, sorted', async () => {
    const { git, base, repository } = await fetched({
      'b/run.sh': { executable: '#!/bin/sh\n' },
      'a.txt': 'hello',
      link: { link: 'a.txt' },
    });

    const entries = await git.list(repository, base);

    expect(entries.map(({ path, mode, sizeBytes }) => ({ path, mode, sizeBytes }))).toEqual([
      { path: 'a.txt', mode: '100644', sizeBytes: 5 },
      { path: 'b/run.sh', mode: '100755', sizeBytes: 10 },
      { path: 'link', mode: '120000', sizeBytes: 5 },
    ]);
    expect(entries[0]?.blob).toBe('b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0');
  });

  it('reads files by exact path, and nothing for links, folders and what is not there', async () => {
    const { git, base, repository } = await fetched({
      'a*[b]?.txt': 'x',
      'dir/file': 'y',
      'abb.txt': 'wrong',
      link: { link: 'abb.txt' },
    });

    const read = async (path: string) => (await git.read(repository, base, path))?.toString();

    expect(await Promise.all(['a*[b]?.txt', 'dir/file', 'dir', 'dir/', 'link', 'none', '', '../x'].map(read))).toEqual([
      'x',
      'y',
      ...Array(6).fill(undefined),
    ]);
  });

  it('reads many blobs at once, byte for byte, each once', async () => {
    const bytes = Buffer.from([0, 10, 255, 13, 10]);
    const { git, base, repository } = await fetched({ 'a.txt': 'a\n', 'same.txt': 'a\n', empty: '', 'b.bin': bytes });
    const blobs = (await git.list(repository, base)).map(({ blob }) => blob);

    const read = await git.readBlobs(repository, blobs);

    expect(blobs.map((blob) => Buffer.from(read.get(blob) ?? 'missing'))).toEqual(
      ['a\n', bytes, '', 'a\n'].map((content) => Buffer.from(content)),
    );
    expect(read.size).toBe(3);
  });

  it('takes nothing but full object names for blobs, and says when one is not there', async () => {
    const { git, repository } = await fetched({ 'a.txt': 'a\n' });

    await expect(git.readBlobs(repository, ['HEAD'])).rejects.toMatchObject({ code: 'bug.unexpected' });
    await expect(git.readBlobs(repository, ['f'.repeat(40)])).rejects.toMatchObject({ code: 'outside.git' });
  });

  it('names submodules and Git LFS pointers', async () => {
    const { git, origin, remote } = workbench();
    const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'a'.repeat(64)}\nsize 12345\n`;
    const parent = origin.commit({ 'big.bin': pointer, 'about.md': `# LFS\n\n${pointer}` });
    const index = { GIT_INDEX_FILE: join(origin.path, 'index-sub') };
    origin.git(['read-tree', parent], { env: index });
    origin.git(['update-index', '--add', '--cacheinfo', `160000,${parent},vendor/lib`], { env: index });
    const commit = await git.fetch(remote, origin.commitTree(origin.git(['write-tree'], { env: index })));

    const unsupported = await git.unsupported(remote.repository, commit);

    expect(unsupported).toEqual({ submodules: ['vendor/lib'], lfsPointers: ['big.bin'] });
  });

  it('makes a tar with files, modes, links and long names, owned by the sandbox user', async () => {
    const long = `${'d'.repeat(90)}/${'e'.repeat(90)}/${'é'.repeat(60)}.txt`;
    const crlf = 'one\r\ntwo\r\n';
    const { git, base, repository, folder } = await fetched({
      'crlf.txt': crlf,
      'bin/run': { executable: '#!/bin/sh\nexit 0\n' },
      [long]: 'long',
      'to/long': { link: `../${long}` },
      'empty/.keep': '',
      'exact.bin': Buffer.alloc(1024, 7),
    });

    writeFileSync(join(folder, 'out.tar'), await buffer(await git.tar(repository, base)));

    const listing = execFileSync('tar', [
      '-tvf',
      join(folder, 'out.tar'),
      '--numeric-owner',
      '--quoting-style=literal',
    ]).toString();
    mkdirSync(join(folder, 'out'));
    execFileSync('tar', ['-xf', join(folder, 'out.tar'), '-C', join(folder, 'out')]);
    const cat = (path: string) => execFileSync('cat', [join(folder, 'out', path)]);
    expect(cat('crlf.txt').toString()).toBe(crlf);
    expect(cat('to/long').toString()).toBe('long');
    expect(cat('exact.bin').equals(Buffer.alloc(1024, 7))).toBe(true);
    expect(listing).toMatch(/^-rwxr-xr-x 1000\/1000 +17 2023-11-14 .* bin\/run$/m);
    expect(listing).toMatch(/^drwxr-xr-x 1000\/1000 +0 .* bin\/$/m);
    expect(listing.split('\n').filter((line) => line !== '').length).toBe(6 + 5);
  });

  it('makes a tar of large and small files without losing a byte between its pieces', async () => {
    const files = Object.fromEntries(
      [0, 1, 511, 512, 262_144 - 512, 262_144, 700_001, 3].map((bytes, n) => [`f${n}.bin`, randomBytes(bytes)]),
    );
    const { git, base, repository, folder } = await fetched(files);

    const tar = await buffer(await git.tar(repository, base));

    writeFileSync(join(folder, 'out.tar'), tar);
    execFileSync('tar', ['-xf', join(folder, 'out.tar'), '-C', folder]);
    for (const [path, bytes] of Object.entries(files))
      expect(readFileSync(join(folder, path)).equals(bytes)).toBe(true);
    expect(tar.length % 512).toBe(0);
    expect(tar.subarray(-1024).equals(Buffer.alloc(1024))).toBe(true);
  });

  it('limits a tar to files and folders, and makes the same bytes again', async () => {
    const { git, base, repository, folder } = await fetched({ 'a.txt': 'a', 'b/c.txt': 'c', 'bb/d.txt': 'd' });

    const once = await buffer(await git.tar(repository, base, ['a.txt', 'b']));
    const twice = await buffer(await git.tar(repository, base, ['a.txt', 'b']));
    const none = await buffer(await git.tar(repository, base, []));

    writeFileSync(join(folder, 'out.tar'), once);
    expect(execFileSync('tar', ['-tf', join(folder, 'out.tar')]).toString()).toBe('a.txt\nb/\nb/c.txt\n');
    expect(once.equals(twice)).toBe(true);
    expect(none.equals(Buffer.alloc(1024))).toBe(true);
  });

  it('ends the tar and its git when the reader goes away', async () => {
    const { git, base, repository } = await fetched({ 'big.bin': Buffer.alloc(8 * 1024 ** 2, 1) });
    const tar = await git.tar(repository, base);

    await new Promise<void>((resolve) => tar.once('data', () => resolve()));
    tar.destroy();

    await expect.poll(() => tar.closed, { timeout: 5_000 }).toBe(true);
  });

  it('lists commits newest first, with files, also of merges, within a range and for paths', async () => {
    const { git, origin, remote } = workbench();
    const first = origin.commit({ 'a.txt': '1' }, { message: 'First\n\nbody' });
    const second = origin.commit({ 'b.txt': '2' }, { parent: first, message: 'Second' });
    const third = origin.commit({ 'a.txt': '3', 'c d.txt': '3' }, { parent: second, message: 'Third' });
    await git.fetch(remote, 'main');

    const all = await git.log(remote.repository, { to: third, limit: 10 });
    const some = await git.log(remote.repository, { from: first, to: third, limit: 10, paths: ['a.txt'] });
    const one = await git.log(remote.repository, { to: third, limit: 1 });

    expect(all.map(({ subject, files }) => ({ subject, files }))).toEqual([
      { subject: 'Third', files: ['a.txt', 'c d.txt'] },
      { subject: 'Second', files: ['b.txt'] },
      { subject: 'First', files: ['a.txt'] },
    ]);
    expect(all[1]).toMatchObject({
      commit: second,
      parents: [first],
      author: 'Ada',
      email: 'ada@example.org',
      committedAtS: 1_700_000_000,
    });
    expect(some.map(({ commit }) => commit)).toEqual([third]);
    expect(one.map(({ commit }) => commit)).toEqual([third]);
  });
});

describe('comparing and joining', () => {
  it('shows what changed, with renames, binaries and kinds', async () => {
    const { git, origin, remote, base, repository } = await fetched({
      'old name.txt': 'a\nb\nc\nd\ne\n',
      'gone.txt': 'gone\n',
      'pic.bin': Buffer.from([0, 1, 2]),
      kind: 'file\n',
      'edit.txt': 'one\ntwo\n',
    });
    const head = await git.fetch(
      remote,
      origin.commit(
        {
          'old name.txt': null,
          'new\tname.txt': 'a\nb\nc\nd\nE\n',
          'gone.txt': null,
          'pic.bin': Buffer.from([0, 1, 3]),
          kind: { link: 'edit.txt' },
          'edit.txt': 'one\n2\nthree\n',
        },
        { parent: base },
      ),
    );

    const diff = await git.diff(repository, base, head);

    const brief = diff.files.map(({ path, from, status, binary, added, removed }) => ({
      path,
      from,
      status,
      binary,
      added,
      removed,
    }));
    expect(brief).toEqual([
      { path: 'edit.txt', from: undefined, status: 'modified', binary: false, added: 2, removed: 1 },
      { path: 'gone.txt', from: undefined, status: 'deleted', binary: false, added: 0, removed: 1 },
      { path: 'kind', from: undefined, status: 'type-changed', binary: false, added: 1, removed: 1 },
      { path: 'new\tname.txt', from: 'old name.txt', status: 'renamed', binary: false, added: 1, removed: 1 },
      { path: 'pic.bin', from: undefined, status: 'modified', binary: true, added: 0, removed: 0 },
    ]);
    expect(diff.text).toContain('--- a/edit.txt\n+++ b/edit.txt\n@@ -1,2 +1,3 @@\n one\n-two\n+2\n+three\n');
    expect(diff.text).toContain('Binary files a/pic.bin and b/pic.bin differ');
  });

  it('gives the overlay between two commits, deletes included where the kind changes', async () => {
    const { git, origin, remote, base, repository } = await fetched({
      'dir/a': '1',
      'dir/b': '2',
      kind: 'file',
      same: 's',
      mode: 'm',
      old: { link: 'same' },
    });
    const head = await git.fetch(
      remote,
      origin.commit(
        {
          'dir/a': null,
          'dir/b': null,
          dir: 'now a file',
          kind: { link: 'same' },
          mode: { executable: 'm' },
          old: { link: 'mode' },
        },
        { parent: base },
      ),
    );

    const overlay = await git.overlay(repository, base, head);

    expect(
      overlay.writes.map(({ path, bytes, executable }) => [path, Buffer.from(bytes).toString(), executable]),
    ).toEqual([
      ['dir', 'now a file', false],
      ['mode', 'm', true],
    ]);
    expect(overlay.links).toEqual([
      { path: 'kind', target: 'same' },
      { path: 'old', target: 'mode' },
    ]);
    expect(overlay.deletes).toEqual(['dir/a', 'dir/b', 'kind']);
    expect(await git.overlay(repository, base, base)).toEqual({ writes: [], links: [], deletes: [] });
  });

  it('makes the same commit from the same request, whatever the text holds', async () => {
    const { git, base, repository, origin, remote } = await fetched({ 'a.txt': 'a' });
    const tree = await git.treeOf(repository, base);
    const message = '-F /etc/passwd\n\n# not a comment\n\u0000Réfs: `$(id)`\n';
    const request = {
      tree,
      parents: [base],
      message,
      author: { name: 'A <b>\n', email: 'x@y' },
      timestampS: 1_700_000_500,
    };

    const [once, twice] = [await git.commit(repository, request), await git.commit(repository, request)];

    await git.push(remote, once, 'b', null);
    expect(once).toBe(twice);
    expect(origin.git(['log', '-1', '--format=%B', once])).toBe('-F /etc/passwd\n\n# not a comment\nRéfs: `$(id)`');
    expect(origin.git(['log', '-1', '--format=%an|%ae|%at|%cn', once])).toBe('A b|x@y|1700000500|A b');
  });

  it('merges trees in memory and names the paths that conflict', async () => {
    const { git, origin, remote, base, repository } = await fetched({ 'a.txt': '1\n2\n3\n4\n5\n', 'b.txt': 'b\n' });
    const ours = await git.fetch(
      remote,
      origin.commit({ 'a.txt': 'one\n2\n3\n4\n5\n' }, { parent: base, branch: 'ours' }),
    );
    const theirs = await git.fetch(
      remote,
      origin.commit({ 'a.txt': '1\n2\n3\n4\nfive\n' }, { parent: base, branch: 'theirs' }),
    );
    const clash = await git.fetch(
      remote,
      origin.commit({ 'a.txt': 'uno\n2\n3\n4\n5\n', 'b.txt': null }, { parent: base, branch: 'clash' }),
    );

    const merged = await git.mergeTrees(repository, base, ours, theirs);
    const same = await git.mergeTrees(repository, base, ours, ours);
    const conflict = await git.mergeTrees(repository, base, ours, clash);

    expect(merged.ok && (await git.read(repository, merged.tree, 'a.txt'))?.toString()).toBe('one\n2\n3\n4\nfive\n');
    expect(same).toEqual({ ok: true, tree: await git.treeOf(repository, ours) });
    expect(conflict).toEqual({ ok: false, conflicts: ['a.txt'] });
  });

  it('refuses to push a commit that would drop what the branch holds', async () => {
    const { git, origin, remote, base, repository } = await fetched({ 'a.txt': 'a' });
    const other = await git.fetch(remote, origin.commit({ 'b.txt': 'b' }, { branch: 'work' }));

    await expect(git.push(remote, base, 'work', other)).rejects.toMatchObject({ code: 'bug.unexpected' });

    expect(origin.head('work')).toBe(other);
    expect(await git.treeOf(repository, other)).toHaveLength(40);
  });

  it('tells a refusal by the other side from a branch that moved', async () => {
    const { git, origin, remote, base } = await fetched({ 'a.txt': 'a' });
    const work = new Origin(join(temporaryFolder(), 'work.git'));
    origin.git(['push', '--quiet', work.path, 'main:main']);
    work.git(['config', 'receive.denyCurrentBranch', 'refuse']);
    work.git(['config', 'core.bare', 'false']);
    const tree = await git.treeOf(remote.repository, base);
    const next = await git.commit(remote.repository, { tree, parents: [base], message: 'Next', author, timestampS: 2 });

    const result = await git.push({ ...remote, url: work.path }, next, 'main', base);

    expect(result).toMatchObject({
      ok: false,
      reason: 'refused',
      message: expect.stringContaining('branch is currently checked out'),
    });
  });

  it('passes on why the other side refused a push', async () => {
    const { git, origin, remote } = await overHttp();
    const base = await git.fetch(remote, origin.commit({ 'a.txt': 'a' }));
    const hook = join(origin.path, 'hooks', 'pre-receive');
    mkdirSync(dirname(hook), { recursive: true });
    writeFileSync(hook, '#!/bin/sh\necho "branches named $(id) are \x1b[31mprotected"\nexit 1\n', { mode: 0o755 });

    const result = await git.push(remote, base, 'new', null);

    const message = '(pre-receive hook declined) remote: branches named';
    expect(result).toMatchObject({ ok: false, reason: 'refused', message: expect.stringContaining(message) });
    expect(JSON.stringify(result)).not.toMatch(/\\u001b|\\n/);
  });

  it('leaves no scratch folders behind', async () => {
    const { git, base, repository, mirrorsDir } = await fetched({ '.gitignore': 'x\n' });
    const rules = { maxFiles: 9, maxFileBytes: 99, maxTotalBytes: 99, isProtected: () => false };
    const change = { kind: 'file' as const, path: 'new.txt', bytes: Buffer.from('n'), mode: 0o644 };

    await git.writePatch(repository, base, [change], rules);

    expect(readdirSync(join(mirrorsDir, '.scratch'))).toEqual([]);
  });
});
