import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { createGit } from '../../src/git/create-git.ts';
import { mirrorPath } from '../../src/git/mirror.ts';
import { fetched, file, link, Origin, wideRules, workbench, writeFiles } from '../git/workbench.ts';

const author = { name: 'n', email: 'e@example.org' };

/** Every attribute that can make git run a program, change bytes or leave files out. */
const attributes = [
  '* filter=evil diff=evil merge=evil working-tree-encoding=UTF-16 text eol=crlf ident',
  '*.ts binary -diff',
  'test/** export-ignore',
  '*.txt export-subst merge=union',
  '.gitattributes export-ignore',
  '',
].join('\n');

/** Settings that would run `touch CANARY` in git, were they ever obeyed. */
function hostileSettings(canary: string): string {
  const run = `touch ${canary}`;
  return `
[core]
	fsmonitor = ${run}
	hooksPath = HOOKS
	sshCommand = ${run}
	alternateRefsCommand = ${run}
	editor = ${run}
	pager = ${run}
	askPass = ${run}
	gitProxy = ${run}
[filter "evil"]
	clean = ${run}
	smudge = ${run}
	process = ${run}
	required = true
[diff]
	external = ${run}
[diff "evil"]
	textconv = ${run}
	command = ${run}
[merge "evil"]
	driver = ${run}
[credential]
	helper = "!${run}"
[gpg]
	program = ${run}
[commit]
	gpgSign = true
[push]
	gpgSign = true
[uploadpack]
	packObjectsHook = ${run}
[protocol "ext"]
	allow = always
[url "ext::sh -c ${canary}"]
	insteadOf = http
	insteadOf = /
`;
}

const hookNames = [
  'pre-commit',
  'pre-push',
  'post-checkout',
  'post-merge',
  'post-index-change',
  'reference-transaction',
  'pre-receive',
  'update',
  'post-receive',
  'post-update',
  'proc-receive',
  'push-to-checkout',
  'pre-auto-gc',
  'post-commit',
  'fsmonitor-watchman',
];

function layHooks(folder: string, canary: string): void {
  mkdirSync(folder, { recursive: true });
  for (const name of hookNames) {
    writeFileSync(join(folder, name), `#!/bin/sh\ntouch ${canary}\n`);
    chmodSync(join(folder, name), 0o755);
  }
}

/** Sends a repository through every verb of the door, with a patch that tries to turn the same tricks on. */
async function wholeLine(bench: ReturnType<typeof workbench>, base: string) {
  const { git, remote } = bench;
  const { repository } = remote;
  await git.fetch(remote, 'main');
  await git.remoteHead(remote, 'main');
  await git.unsupported(repository, base);
  await buffer(await git.tar(repository, base));
  const changes = [
    file('.gitattributes', attributes),
    file('src/new.ts', 'new\n'),
    file('a.txt', '1\n2\nthree\n'),
    file('.gitignore', '*\n'),
  ];
  const patch = await git.writePatch(repository, base, changes, wideRules);
  if (!patch.ok) throw new Error(JSON.stringify(patch));
  const commit = await git.commit(repository, {
    tree: patch.tree,
    parents: [base],
    message: 'm',
    author,
    timestampS: 1,
  });
  const other = await git.writePatch(repository, base, [file('a.txt', 'one\n2\n3\n')], wideRules);
  const merged = other.ok ? await git.mergeTrees(repository, base, patch.tree, other.tree) : undefined;
  const diff = await git.diff(repository, base, commit);
  const overlay = await git.overlay(repository, base, commit);
  await git.log(repository, { to: commit, limit: 5, paths: ['a.txt'] });
  const pushed = await git.push(remote, commit, 'work', null);
  await buffer(await git.tar(repository, commit));
  return { commit, diff, overlay, pushed, merged };
}

describe('no code of a repository runs on the host', () => {
  it('through attributes, settings and hooks of the repository, whichever verb touches it', async () => {
    const bench = workbench();
    const canary = join(bench.folder, 'owned');
    const hooks = join(bench.origin.path, 'hooks');
    const base = bench.origin.commit({
      '.gitattributes': attributes,
      '.gitignore': 'x\n',
      'a.txt': '1\n2\n3\n',
      'src/old.ts': 'old\n',
      '.gitconfig': hostileSettings(canary),
    });
    layHooks(hooks, canary);
    writeFileSync(
      join(bench.origin.path, 'config'),
      `[core]\n\tbare = true\n${hostileSettings(canary).replace('HOOKS', hooks)}`,
    );

    const { pushed } = await wholeLine(bench, base);

    expect(pushed).toEqual({ ok: true });
    expect(existsSync(canary)).toBe(false);
  });

  it('through hooks and attributes that were laid into the mirror', async () => {
    const bench = workbench();
    const canary = join(bench.folder, 'owned');
    const base = bench.origin.commit({ '.gitattributes': attributes, 'a.txt': '1\n2\n3\n' });
    await bench.git.fetch(bench.remote, base);
    layHooks(join(mirrorPath(bench.mirrorsDir, bench.remote.repository), 'hooks'), canary);

    await wholeLine(bench, base);

    expect(existsSync(canary)).toBe(false);
  });

  it('through the environment and the home of whoever started the app, or a repository around the mirrors', async () => {
    const outer = workbench();
    const canary = join(outer.folder, 'owned');
    const settings = hostileSettings(canary).replace('HOOKS', join(outer.folder, 'hooks'));
    layHooks(join(outer.folder, 'hooks'), canary);
    writeFiles(outer.folder, {
      '.gitconfig': settings,
      'home/.gitconfig': settings,
      '.git/config': settings,
      '.git/HEAD': 'ref: refs/heads/x\n',
      '.git/refs/x': '',
      '.git/objects/x': '',
    });
    const env = {
      PATH: process.env.PATH,
      HOME: join(outer.folder, 'home'),
      GIT_CONFIG_GLOBAL: join(outer.folder, '.gitconfig'),
      GIT_EXTERNAL_DIFF: `touch ${canary}`,
      GIT_SSH_COMMAND: `touch ${canary}`,
      GIT_ASKPASS: `touch ${canary}`,
      GIT_PROXY_COMMAND: `touch ${canary}`,
      GIT_EXEC_PATH: outer.folder,
      GIT_DIR: join(outer.folder, '.git'),
      GIT_TRACE: join(outer.folder, 'trace'),
      LD_PRELOAD: '/nonexistent.so',
    };
    const bench = { ...outer, git: createGit({ mirrorsDir: outer.mirrorsDir, env }) };
    const base = bench.origin.commit({ '.gitattributes': attributes, 'a.txt': '1\n2\n3\n' });

    await wholeLine(bench, base);

    expect(existsSync(canary)).toBe(false);
    expect(existsSync(join(outer.folder, 'trace'))).toBe(false);
  });

  it.each([
    'ext::sh -c "touch CANARY"',
    'ssh://-oProxyCommand=touch CANARY/x',
    'git@host:repo',
    '--upload-pack=touch CANARY',
    '-oProxyCommand=touch CANARY',
    'fd::17',
    'git://127.0.0.1/x',
    'file://host/x',
    'relative/path',
    'http://user:secret@127.0.0.1/x',
    '',
  ])('through the address %j', async (address) => {
    const { git, folder, remote } = workbench();
    const canary = join(folder, 'owned');
    const evil = { ...remote, url: address.replace('CANARY', canary) };

    await expect(git.fetch(evil, 'main')).rejects.toMatchObject({ code: 'outside.git' });
    await expect(git.remoteHead(evil, 'main')).rejects.toMatchObject({ code: 'outside.git' });
    await expect(git.push(evil, 'a'.repeat(40), 'main', null)).rejects.toMatchObject({ code: 'outside.git' });

    expect(existsSync(canary)).toBe(false);
  });

  it.each([
    '--upload-pack=touch CANARY',
    '-x',
    'a b',
    'a..b',
    'a:refs/heads/b',
    '+main',
    '*',
    'refs/heads/*',
    'a\nb',
    '@{-1}',
    'x.lock',
    '',
  ])('through the branch name %j', async (name) => {
    const { git, folder, remote, base } = await fetched({ a: '1' });
    const canary = join(folder, 'owned');
    const branch = name.replace('CANARY', canary);

    const outcomes = [
      await git.fetch(remote, branch).catch(({ code }) => code),
      await git.remoteHead(remote, branch).catch(({ code }) => code),
    ];

    expect(outcomes.filter((outcome) => outcome !== 'outside.git' && outcome !== null)).toEqual([]);
    expect(existsSync(canary)).toBe(false);
    expect(await git.treeOf(remote.repository, base)).toHaveLength(40);
  });

  it('through anything but a full object name where one is expected', async () => {
    const { git, folder, repository } = await fetched({ a: '1' });
    const output = join(folder, 'owned');

    for (const name of [
      `--output=${output}`,
      'HEAD',
      '--all',
      'refs/heads/main',
      '-',
      'abc123',
      'A'.repeat(40),
      `${'a'.repeat(40)}\n`,
    ]) {
      await expect(git.diff(repository, name, name)).rejects.toMatchObject({ code: 'bug.unexpected' });
      await expect(git.list(repository, name)).rejects.toMatchObject({ code: 'bug.unexpected' });
      await expect(git.log(repository, { to: name, limit: 1 })).rejects.toMatchObject({ code: 'bug.unexpected' });
    }

    expect(existsSync(output)).toBe(false);
  });
});

describe('no attribute of a repository bends what is seen', () => {
  it('the tar holds every file, byte for byte', async () => {
    const text = 'one\r\ntwo\n$Id$ $Format:%H$\n';
    const { git, base, repository, folder } = await fetched({
      '.gitattributes': attributes,
      'a.txt': text,
      'test/x.ts': text,
      'src/x.ts': text,
    });

    writeFileSync(join(folder, 'out.tar'), await buffer(await git.tar(repository, base)));

    mkdirSync(join(folder, 'out'));
    execFileSync('tar', ['-xf', join(folder, 'out.tar'), '-C', join(folder, 'out')]);
    const read = (path: string) => readFileSync(join(folder, 'out', path), 'utf8');
    expect(['.gitattributes', 'a.txt', 'test/x.ts', 'src/x.ts'].map(read)).toEqual([attributes, text, text, text]);
  });

  it('the diff shows text that the repository calls binary, and merges conflict though it says union', async () => {
    const bench = workbench();
    const base = bench.origin.commit({ '.gitattributes': attributes, 'a.txt': '1\n2\n3\n', 'src/x.ts': 'old\n' });
    await bench.git.fetch(bench.remote, base);
    const { git, remote } = bench;
    const write = async (path: string, text: string) => {
      const result = await git.writePatch(remote.repository, base, [file(path, text)], wideRules);
      if (!result.ok) throw new Error('rejected');
      return result.tree;
    };

    const diff = await git.diff(remote.repository, base, await write('src/x.ts', 'new\n'));
    const merge = await git.mergeTrees(
      remote.repository,
      base,
      await write('a.txt', 'one\n2\n3\n'),
      await write('a.txt', 'uno\n2\n3\n'),
    );

    expect(diff.files).toMatchObject([{ path: 'src/x.ts', binary: false, added: 1, removed: 1 }]);
    expect(diff.text).toContain('-old\n+new\n');
    expect(merge).toEqual({ ok: false, conflicts: ['a.txt'] });
  });

  it('ignore rules come from plain files of the base alone: not from links, not from the mirror', async () => {
    const { git, base, repository, mirrorsDir, folder } = await fetched({
      '.gitignore': { link: 'rules' },
      rules: '*\n',
      'sub/.gitignore': '*.tmp\n',
      'index/.gitignore': 'y\n',
    });
    writeFiles(mirrorPath(mirrorsDir, repository), { 'info/exclude': '' });
    writeFiles(folder, { 'mirrors/.home/git/ignore': '*\n' });

    const result = await git.writePatch(
      repository,
      base,
      [file('a', 'a'), file('sub/b.tmp', 'b'), file('sub/c', 'c')],
      wideRules,
    );

    expect(result.ok && (await git.diff(repository, base, result.tree)).files.map(({ path }) => path)).toEqual([
      'a',
      'sub/c',
    ]);
  });
});

describe('no tree of a repository leads outside', () => {
  async function hostileTree(make: (origin: Origin, sha: string) => string) {
    const bench = workbench();
    const tree = make(bench.origin, bench.origin.blob('evil\n'));
    return { ...bench, commit: bench.origin.commitTree(tree) };
  }

  const blob = (sha: string, name: string | Buffer) => ({ mode: '100644', type: 'blob', sha, name });
  const folder = (sha: string, name: string) => ({ mode: '40000', type: 'tree', sha, name });

  it.each<[string, (origin: Origin, sha: string) => string]>([
    ['a name that climbs', (origin, sha) => origin.rawTree([blob(sha, '../outside')])],
    ['a folder named ..', (origin, sha) => origin.rawTree([folder(origin.rawTree([blob(sha, 'outside')]), '..')])],
    ['a folder named .git', (origin, sha) => origin.rawTree([folder(origin.rawTree([blob(sha, 'config')]), '.git')])],
    ['a folder named .GIT', (origin, sha) => origin.rawTree([folder(origin.rawTree([blob(sha, 'config')]), '.GIT')])],
    ['a name that is absolute', (origin, sha) => origin.rawTree([blob(sha, '/etc/outside')])],
    [
      'a link and a folder of the same name',
      (origin, sha) =>
        origin.rawTree([
          { mode: '120000', type: 'blob', sha: origin.blob('/tmp'), name: 'd' },
          folder(origin.rawTree([blob(sha, 'x')]), 'd'),
        ]),
    ],
    ['the same name twice', (origin, sha) => origin.rawTree([blob(sha, 'a'), blob(origin.blob('other'), 'a')])],
  ])('%s is refused before a byte of it is handed out', async (_what, make) => {
    const { git, remote, commit } = await hostileTree(make);

    const fetching = git.fetch(remote, commit);

    await expect(fetching.then(() => git.list(remote.repository, commit))).rejects.toMatchObject({
      code: 'outside.git',
    });
    await expect(fetching.then(() => git.tar(remote.repository, commit))).rejects.toMatchObject({
      code: 'outside.git',
    });
    await expect(
      fetching.then(() => git.writePatch(remote.repository, commit, [file('b', 'b')], wideRules)),
    ).rejects.toMatchObject({ code: 'outside.git' });
  });

  it('alternates, settings and gitdir files of the repository do not reach the mirror', async () => {
    const bench = workbench();
    const secret = new Origin(join(bench.folder, 'secret.git'));
    const hidden = secret.commit({ key: 'secret\n' });
    writeFiles(bench.origin.path, { 'objects/info/alternates': `${secret.path}/objects\n` });
    const base = bench.origin.commit({ 'sub/file': 'gitdir: /evil\n' });

    await bench.git.fetch(bench.remote, base);

    const mirror = mirrorPath(bench.mirrorsDir, bench.remote.repository);
    await expect(bench.git.list(bench.remote.repository, hidden)).rejects.toMatchObject({ code: 'outside.git' });
    expect(existsSync(join(mirror, 'objects/info/alternates'))).toBe(false);
    expect(readFileSync(join(mirror, 'config'), 'utf8')).toBe(
      '[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n',
    );
    expect(readdirSync(mirror).toSorted()).toEqual(['HEAD', 'config', 'info', 'objects', 'refs']);
  });

  it('submodules are not fetched, whatever their address says', async () => {
    const bench = workbench();
    const canary = join(bench.folder, 'owned');
    const parent = bench.origin.commit({
      '.gitmodules': `[submodule "x"]\n\tpath = x\n\turl = ext::sh -c 'touch ${canary}'\n\tupdate = !touch ${canary}\n`,
      a: '1',
    });
    const env = { GIT_INDEX_FILE: join(bench.origin.path, 'index-sub') };
    bench.origin.git(['read-tree', parent], { env });
    bench.origin.git(['update-index', '--add', '--cacheinfo', `160000,${parent},x`], { env });
    const base = bench.origin.commitTree(bench.origin.git(['write-tree'], { env }));

    const { pushed } = await wholeLine({ ...bench }, await bench.git.fetch(bench.remote, base));

    expect(pushed).toEqual({ ok: true });
    expect(existsSync(canary)).toBe(false);
  });

  it('links of the base that lead outside stay links, and the host never follows them', async () => {
    const { git, base, repository, folder } = await fetched({ out: { link: '../../../../../../etc' }, a: '1' });

    const read = await git.read(repository, base, 'out');
    const through = await git.read(repository, base, 'out/passwd');
    const result = await git.writePatch(repository, base, [link('again', 'out/passwd')], wideRules);
    writeFileSync(join(folder, 'out.tar'), await buffer(await git.tar(repository, base)));

    expect([read, through, result.ok]).toEqual([null, null, false]);
    expect(execFileSync('tar', ['-tvf', join(folder, 'out.tar')]).toString()).toContain('out -> ../../../../../../etc');
  });
});
