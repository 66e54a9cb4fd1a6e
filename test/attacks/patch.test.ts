import { describe, expect, it } from 'vitest';
import type { PatchResult, PatchRules } from '../../src/git/git.ts';
import type { ContainerChange } from '../../src/sandbox/sandbox.ts';
import { deleted, fetched, file, link, odd, shape, wideRules } from '../git/workbench.ts';

/** The walls that every repository has (SPEC, section 4). */
const rules: PatchRules = {
  ...wideRules,
  isProtected: (path) =>
    /^\.github\/(?:workflows|actions)\//.test(path) ||
    ['.github/millwright.yml', '.gitmodules', '.gitattributes', 'CODEOWNERS', '.github/CODEOWNERS'].includes(path),
};

const files = {
  'README.md': 'hello\n',
  'src/Main.ts': 'main\n',
  'test/main.test.ts': 'test\n',
  'docs/café.md': 'x\n',
  'data/link': { link: '../README.md' },
  '.github/workflows/ci.yml': 'on: push\n',
};

async function attack(changes: readonly ContainerChange[]): Promise<{ result: PatchResult; untouched: boolean }> {
  const { git, base, repository } = await fetched(files);
  const before = await git.treeOf(repository, base);
  const result = await git.writePatch(repository, base, changes, rules);
  return { result, untouched: before === (await git.treeOf(repository, base)) };
}

describe('a patch that attacks is rejected whole, with a reason for every path', () => {
  const honest = file('src/Main.ts', 'honest work\n');
  const attacks: [string, ContainerChange[], string][] = [
    ['a path that climbs out', [file('../outside', 'x')], '../outside'],
    ['a path that climbs out from inside', [file('src/../../outside', 'x')], 'src/../../outside'],
    ['an absolute path', [file('/etc/cron.d/x', 'x')], '/etc/cron.d/x'],
    ['a nested repository', [file('lib/.git/hooks/post-checkout', 'x', 0o755)], 'lib/.git/hooks/post-checkout'],
    ['a nested gitdir file', [file('lib/.git', 'gitdir: /evil\n')], 'lib/.git'],
    ['.GIT at the root', [file('.GIT/hooks/pre-commit', 'x', 0o755)], '.GIT/hooks/pre-commit'],
    ['.git with an HFS+ ignorable', [file('.g\u200cit/config', 'x')], '.g\u200cit/config'],
    ['.git with an NTFS tail', [file('.git. ./config', 'x')], '.git. ./config'],
    ['.git as an NTFS stream', [file('.git::$INDEX_ALLOCATION/config', 'x')], '.git::$INDEX_ALLOCATION/config'],
    ['.git by its short name', [file('GIT~1/config', 'x')], 'GIT~1/config'],
    ['.git behind a backslash', [file('a\\.git\\config', 'x')], 'a\\.git\\config'],
    ['a link to a host file', [link('README.md', '/etc/passwd')], 'README.md'],
    ['a link that climbs out', [link('src/up', '../../etc')], 'src/up'],
    ['a link into .git', [link('conf', '.git/config')], 'conf'],
    ['a link and a file through it', [link('out', 'src'), file('out/x', 'x')], 'out/x'],
    ['a link that climbs through another link', [link('a/b/top', '../..'), link('l', 'a/b/top/../etc')], 'l'],
    ['a new workflow', [file('.github/workflows/evil.yml', 'x')], '.github/workflows/evil.yml'],
    [
      'a renamed workflow',
      [deleted('.github/workflows/ci.yml'), file('.github/workflows/c.yml', 'on: push\n')],
      '.github/workflows/c.yml',
    ],
    ['a deleted workflow', [deleted('.github/workflows/ci.yml')], '.github/workflows/ci.yml'],
    ['a deleted folder of workflows', [deleted('.github')], '.github/workflows/ci.yml'],
    ['a work tree that was removed', [deleted('.')], '.github/workflows/ci.yml'],
    ['.github made a link', [link('.github', 'src')], '.github'],
    ['.github made a file', [file('.github', 'x')], '.github'],
    ['the workflows folder made a link', [link('.github/workflows', '../src')], '.github/workflows'],
    ['the work tree made a link', [link('.', '/')], '.'],
    ['the work tree made a file', [file('', 'x')], ''],
    ['attributes with filters', [file('.gitattributes', '* filter=evil\n')], '.gitattributes'],
    [
      'a submodule with a command for an address',
      [file('.gitmodules', '[submodule "x"]\n\turl = ext::sh -c id\n')],
      '.gitmodules',
    ],
    ['a case collision', [file('src/main.ts', 'x')], 'src/main.ts'],
    ['a case collision of folders', [file('SRC/x.ts', 'x')], 'SRC/x.ts'],
    ['a Unicode twin', [file('docs/cafe\u0301.md', 'x')], 'docs/cafe\u0301.md'],
    ['a name with a line break', [file('a\nb', 'x')], 'a\nb'],
    ['a name with terminal colours', [file('\u001b[2J\u001b[31mok', 'x')], '\u001b[2J\u001b[31mok'],
    ['a name that reads backwards', [file('src/\u202egnp.ts', 'x')], 'src/\u202egnp.ts'],
    ['a name that is not UTF-8', [odd('b\ufffd', 'the name is not UTF-8')], 'b\ufffd'],
    ['a name with a NUL', [file('a\0.ts', 'x')], 'a\0.ts'],
    ['a part of 256 bytes', [file('x'.repeat(256), 'x')], 'x'.repeat(256)],
    [
      'a path of over 4096 bytes',
      [file(`${`${'y'.repeat(200)}/`.repeat(21)}x`, 'x')],
      `${`${'y'.repeat(200)}/`.repeat(21)}x`,
    ],
    ['a tree that is too deep', [file(`${'d/'.repeat(150)}x`, 'x')], `${'d/'.repeat(150)}x`],
    ['a fifo where a file was', [odd('README.md', 'fifo')], 'README.md'],
    ['a device where a folder was', [odd('src', 'block device')], 'src'],
    ['a sparse terabyte', [odd('big', 'the file has 1099511627776 bytes')], 'big'],
    ['a file over the limit', [file('big', Buffer.alloc(10 * 1024 ** 2 + 1))], 'big'],
  ];

  it.each(attacks)('%s', async (_what, changes, path) => {
    const { result, untouched } = await attack([honest, ...changes]);

    expect(result.ok).toBe(false);
    const rejection = result.ok ? undefined : result.rejections.find((candidate) => candidate.path === path);
    expect(rejection?.reason.length ?? 0).toBeGreaterThan(10);
    expect(result.ok ? [] : result.rejections.map((candidate) => candidate.path)).not.toContain('src/Main.ts');
    expect(untouched).toBe(true);
  });

  it('60,000 files, at once', async () => {
    const { git, base, repository } = await fetched(files);
    const changes = Array.from({ length: 60_000 }, (_, index) => file(`many/${index}.txt`, String(index)));
    const startedMs = performance.now();

    const result = await git.writePatch(repository, base, changes, rules);

    expect(result).toEqual({
      ok: false,
      rejections: [{ path: '.', reason: expect.stringContaining('60000 files differ') }],
    });
    expect(performance.now() - startedMs).toBeLessThan(5_000);
  });

  it('60,000 deletions of folders in a large repository, without hanging', async () => {
    const { git, base, repository } = await fetched(
      Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`d${i}/f`, 'x'])),
    );
    const changes = Array.from({ length: 60_000 }, (_, index) => deleted(`d${index}`));

    const result = await git.writePatch(repository, base, changes, { ...rules, maxFiles: 100_000 });

    expect(result).toMatchObject({ ok: true, empty: false });
  });
});

describe('a patch that looks odd but does no harm is written for what it is', () => {
  it('stores shell text, options and markup in names and contents as plain bytes', async () => {
    const { git, base, repository } = await fetched(files);
    const names = [
      '$(touch x)',
      '`id`',
      '-rf',
      '--help',
      'a;b',
      'a|b',
      '"q"',
      "'q'",
      '*',
      '[x]',
      '<img src=x>',
      '#1',
      ':(top)x',
      '!neg',
      'a b',
      '~',
      '@',
      '{x,y}',
    ];

    const result = await git.writePatch(
      repository,
      base,
      names.map((name) => file(`odd/${name}`, name)),
      rules,
    );

    if (!result.ok) throw new Error(JSON.stringify(result));
    const written = (await git.list(repository, result.tree))
      .map(({ path }) => path)
      .filter((path) => path.startsWith('odd/'));
    expect(new Set(written)).toEqual(new Set(names.map((name) => `odd/${name}`)));
    expect((await git.read(repository, result.tree, 'odd/:(top)x'))?.toString()).toBe(':(top)x');
  });

  it('makes plain files of what was a gitlink in the container, never a gitlink', async () => {
    const { git, base, repository } = await fetched(files);

    const result = await git.writePatch(repository, base, [file('lib/a.txt', 'a'), file('lib/b.txt', 'b')], rules);

    expect(
      result.ok && (await shape(git, repository, result.tree)).filter((line) => line.startsWith('160000')),
    ).toEqual([]);
  });

  it('does not let an unchanged protected file, touched or listed again, reject honest work', async () => {
    const { git, base, repository } = await fetched(files);

    const result = await git.writePatch(
      repository,
      base,
      [
        file('.github/workflows/ci.yml', 'on: push\n', 0o600),
        link('data/link', '../README.md'),
        file('src/Main.ts', 'new\n'),
      ],
      rules,
    );

    expect(result).toMatchObject({ ok: true, empty: false });
  });
});
