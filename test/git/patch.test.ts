import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { deleted, fetched, file, link, odd, shape, wideRules } from './workbench.ts';

const executable = '#!/bin/sh\n';

describe('writing a patch', () => {
  it('adds, changes, deletes and makes executable, and leaves the rest as it is', async () => {
    const { git, base, repository } = await fetched({
      'a.txt': 'a',
      'b.txt': 'b',
      'run.sh': executable,
      keep: { executable },
    });

    const result = await git.writePatch(
      repository,
      base,
      [
        file('a.txt', 'changed'),
        deleted('b.txt'),
        file('run.sh', executable, 0o755),
        file('src/new/c.txt', 'c'),
        link('l', 'a.txt'),
      ],
      wideRules,
    );

    if (!result.ok) throw new Error(JSON.stringify(result));
    expect(result).toMatchObject({ empty: false, notes: [] });
    expect(await shape(git, repository, result.tree)).toEqual([
      '100644 a.txt',
      '100755 keep',
      '120000 l',
      '100755 run.sh',
      '100644 src/new/c.txt',
    ]);
    expect(Buffer.from((await git.read(repository, result.tree, 'a.txt')) ?? []).toString()).toBe('changed');
  });

  it('keeps bytes exactly: carriage returns, NUL, no final newline, empty', async () => {
    const bytes = Buffer.from([0, 13, 10, 255, 13]);
    const { git, base, repository } = await fetched({ '.gitattributes': '* text=auto eol=lf\n', a: 'a' });

    const result = await git.writePatch(
      repository,
      base,
      [file('a', bytes), file('empty', ''), file('crlf', 'x\r\n')],
      wideRules,
    );

    if (!result.ok) throw new Error(JSON.stringify(result));
    const read = async (path: string) => Buffer.from((await git.read(repository, result.tree, path)) ?? 'none');
    expect(await Promise.all(['a', 'empty', 'crlf'].map(read))).toEqual([bytes, Buffer.alloc(0), Buffer.from('x\r\n')]);
  });

  it('calls a patch empty when everything is as in the base', async () => {
    const { git, base, repository } = await fetched({ 'a.txt': 'a', out: { link: '/etc/passwd' } });

    const result = await git.writePatch(repository, base, [file('a.txt', 'a', 0o600), link('out', '/etc/passwd')], {
      ...wideRules,
      isProtected: () => true,
    });

    expect(result).toEqual({ ok: true, tree: await git.treeOf(repository, base), empty: true, notes: [] });
  });

  it('takes the deletion of a folder for the deletion of its files, but not of what was made anew in it', async () => {
    const { git, base, repository } = await fetched({ 'src/a': '1', 'src/b': '2', 'src/deep/c': '3', 'srcs/d': '4' });

    const result = await git.writePatch(
      repository,
      base,
      [deleted('src/'), file('./src/a', '1'), deleted('nothing')],
      wideRules,
    );

    expect(result.ok && (await shape(git, repository, result.tree))).toEqual(['100644 src/a', '100644 srcs/d']);
  });

  it('takes a work tree that is gone for the deletion of every file', async () => {
    const { git, base, repository } = await fetched({ a: '1', 'b/c': '2' });

    const result = await git.writePatch(repository, base, [deleted('.')], wideRules);

    expect(result).toMatchObject({ ok: true, empty: false, tree: '4b825dc642cb6eb9a060e54bf8d69288fbee4904' });
  });

  it('follows a folder that became a file or a link, and the other way round, without being told of deletions', async () => {
    const { git, base, repository } = await fetched({
      'dir/a': '1',
      'dir/b/c': '2',
      'linked/d': '3',
      plain: '4',
      link: { link: 'plain' },
    });

    const result = await git.writePatch(
      repository,
      base,
      [file('dir', 'file now'), link('linked', 'dir'), file('plain/x', 'x'), file('link/y', 'y')],
      wideRules,
    );

    if (!result.ok) throw new Error(JSON.stringify(result));
    expect(await shape(git, repository, result.tree)).toEqual([
      '100644 dir',
      '100644 link/y',
      '120000 linked',
      '100644 plain/x',
    ]);
    expect(result.notes).toEqual(['"link": a directory now, a link before']);
  });

  it('leaves out new files that the base ignores, wherever the rule stands, and nothing else', async () => {
    const { git, base, repository } = await fetched({
      '.gitignore': 'node_modules/\n*.log\n!keep.log\n/dist\n',
      'pkg/.gitignore': 'local.*\n',
      'tracked.log': 'old',
    });

    const result = await git.writePatch(
      repository,
      base,
      [
        file('node_modules/x/.git/config', 'ignored whole, whatever is in it'),
        file('node_modules/bad\nname', 'x'),
        odd('node_modules/sock', 'socket'),
        file('deep/a.log', 'x'),
        file('keep.log', 'kept'),
        file('dist/out.js', 'x'),
        file('src/dist/out.js', 'kept: the rule is anchored'),
        file('pkg/local.json', 'x'),
        file('local.json', 'kept'),
        file('tracked.log', 'new'),
        file('we[i]rd*?.txt', 'kept'),
      ],
      wideRules,
    );

    if (!result.ok) throw new Error(JSON.stringify(result));
    expect(await shape(git, repository, result.tree)).toEqual([
      '100644 .gitignore',
      '100644 keep.log',
      '100644 local.json',
      '100644 pkg/.gitignore',
      '100644 src/dist/out.js',
      '100644 tracked.log',
      '100644 we[i]rd*?.txt',
    ]);
    expect(result.notes).toEqual([]);
  });

  it('never calls ignored what the base holds, stands over or lies below it', async () => {
    const { git, base, repository } = await fetched({ '.gitignore': '*\n', 'out/kept': '1', plain: '2' });

    const ignored = await git.ignored(repository, base, [
      'out',
      'out/kept',
      'plain/x',
      'plain',
      'new',
      'out/new',
      'deep/x',
      '../x',
      '',
    ]);

    expect([...ignored].toSorted()).toEqual(['deep/x', 'new', 'out/new']);
  });

  it('asks the ignore rules of the base, not those that the patch brings', async () => {
    const { git, base, repository } = await fetched({ '.gitignore': 'a.tmp\n' });

    const result = await git.writePatch(
      repository,
      base,
      [file('.gitignore', '*.ts\n'), file('x.ts', 'x'), file('a.tmp', 'a')],
      wideRules,
    );

    expect(result.ok && (await shape(git, repository, result.tree))).toEqual(['100644 .gitignore', '100644 x.ts']);
  });

  it('never reads back the .git that stands at the root for convenience', async () => {
    const { git, base, repository } = await fetched({ a: '1' });

    const result = await git.writePatch(
      repository,
      base,
      [
        file('.git/hooks/pre-commit', 'evil', 0o755),
        file('.git', 'gitdir: /x'),
        deleted('.git'),
        odd('.git/fsmonitor', 'socket'),
      ],
      wideRules,
    );

    expect(result).toMatchObject({ ok: true, empty: true });
  });

  it('lowers special modes and drops what is no file, telling both', async () => {
    const { git, base, repository } = await fetched({ a: '1' });

    const result = await git.writePatch(
      repository,
      base,
      [file('tool', 'x', 0o106755), file('a', '2', 0o100666), odd('pipe', 'fifo'), odd('dev', 'character device')],
      wideRules,
    );

    if (!result.ok) throw new Error(JSON.stringify(result));
    expect(await shape(git, repository, result.tree)).toEqual(['100644 a', '100755 tool']);
    expect(result.notes).toEqual([
      '"tool": mode 6755 is kept as 100755',
      '"pipe": left out (fifo)',
      '"dev": left out (character device)',
    ]);
  });

  it('keeps submodules that the container never had, and refuses changes in them', async () => {
    const { git, origin, remote, base, repository } = await fetched({ 'vendor/a': '1' });
    const index = { GIT_INDEX_FILE: join(origin.path, 'index-sub') };
    origin.git(['read-tree', base], { env: index });
    origin.git(['update-index', '--add', '--cacheinfo', `160000,${base},vendor/lib`], { env: index });
    const withModule = await git.fetch(remote, origin.commitTree(origin.git(['write-tree'], { env: index })));

    const kept = await git.writePatch(repository, withModule, [deleted('vendor')], wideRules);
    const inside = await git.writePatch(repository, withModule, [file('vendor/lib/x', 'x')], wideRules);
    const over = await git.writePatch(repository, withModule, [file('vendor', 'x')], wideRules);

    expect(kept.ok && (await shape(git, repository, kept.tree))).toEqual(['160000 vendor/lib']);
    const reason = '"vendor/lib" is a submodule, which a patch cannot change';
    expect(inside).toEqual({ ok: false, rejections: [{ path: 'vendor/lib/x', reason }] });
    expect(over).toEqual({ ok: false, rejections: [{ path: 'vendor', reason }] });
  });

  it('deletes and renames base files whose names no patch could make', async () => {
    const { git, base, repository } = await fetched({ 'a\nb': '1', 'README.md': '2', c: '3' });

    const result = await git.writePatch(
      repository,
      base,
      [deleted('a\nb'), deleted('README.md'), file('readme.md', '2')],
      wideRules,
    );

    expect(result.ok && (await shape(git, repository, result.tree))).toEqual(['100644 c', '100644 readme.md']);
  });

  it('keeps unrelated base names that are not UTF-8, byte for byte', async () => {
    const { git, origin, remote, repository } = await fetched({ a: '1' });
    const sha = origin.blob('x');
    const tree = origin.rawTree([
      { mode: '100644', type: 'blob', sha, name: 'a' },
      { mode: '100644', type: 'blob', sha, name: Buffer.from([0x62, 0xff]) },
    ]);
    const base = await git.fetch(remote, origin.commitTree(tree));

    const result = await git.writePatch(repository, base, [file('a', 'changed')], wideRules);

    if (!result.ok) throw new Error(JSON.stringify(result));
    await git.push(
      remote,
      await git.commit(repository, {
        tree: result.tree,
        parents: [base],
        message: 'm',
        author: { name: 'n', email: 'e' },
        timestampS: 1,
      }),
      'out',
      null,
    );
    expect(origin.git(['ls-tree', '--name-only', 'out'])).toBe('a\n"b\\377"');
  });

  it('gives the same tree for the same patch, whichever mirror it is written in', async () => {
    const files = { 'a.txt': 'a', 'b/c.txt': 'c' };
    const [one, two] = [await fetched(files), await fetched(files)];
    const changes = [file('b/d.txt', 'd'), deleted('a.txt')];

    const results = [
      await one.git.writePatch(one.repository, one.base, changes, wideRules),
      await one.git.writePatch(one.repository, one.base, changes.toReversed(), wideRules),
      await two.git.writePatch(two.repository, two.base, changes, wideRules),
    ];

    expect(new Set(results.map((result) => result.ok && result.tree)).size).toBe(1);
  });

  it('writes nothing at all when one path is rejected', async () => {
    const { git, base, repository, mirrorsDir } = await fetched({ a: '1' });
    const mirror = readdirSync(mirrorsDir).find((name) => name.endsWith('.git')) ?? '';
    const looseObjects = () => readdirSync(join(mirrorsDir, mirror, 'objects')).filter((name) => name.length === 2);

    const result = await git.writePatch(repository, base, [file('good', 'g'), file('bad\\name', 'b')], wideRules);

    expect(result).toEqual({
      ok: false,
      rejections: [{ path: 'bad\\name', reason: expect.stringContaining('backslash') }],
    });
    expect(looseObjects()).toEqual([]);
  });
});
