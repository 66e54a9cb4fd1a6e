import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blobName, patchFacts } from '../../src/git/patch-facts.ts';
import { judgePatch, type PatchBase } from '../../src/git/patch-rules.ts';
import { foldPath, isDotGit, nameProblem, parentsOf } from '../../src/git/path-names.ts';
import type { ContainerChange } from '../../src/sandbox/sandbox.ts';
import { deleted, fetched, file, link, odd, wideRules } from './workbench.ts';

function baseOf(files: Readonly<Record<string, string>>, links: Readonly<Record<string, string>> = {}): PatchBase {
  const entries = new Map<string, { mode: '100644' | '120000'; blob: string }>();
  for (const [path, content] of Object.entries(files))
    entries.set(path, { mode: '100644', blob: blobName(Buffer.from(content)) });
  for (const [path, target] of Object.entries(links))
    entries.set(path, { mode: '120000', blob: blobName(Buffer.from(target)) });
  return { entries, links: new Map(Object.entries(links)) };
}

function judge(base: PatchBase, changes: readonly ContainerChange[], rules = wideRules) {
  return judgePatch(base, patchFacts(base.entries, changes, new Set()), rules).rejections;
}

describe('names', () => {
  it.each([
    [
      '.git',
      '.GIT',
      '.Git',
      '.git.',
      '.git ',
      '.git . .',
      '.git::$INDEX_ALLOCATION',
      '.git:x',
      'git~1',
      'GIT~2',
      'GITMOD~1',
      'gi7eba~1',
    ],
    [
      '.g\u200cit',
      '\ufeff.git',
      '.gi\u00adt',
      '.git\u200d',
      '.\u2064git',
      '.ｇｉｔ',
      '.gıt',
      '.g\u180eit',
      '.git\u{e0001}',
    ],
  ])('takes %s and its like for .git', (...names) => {
    expect(names.filter((name) => !isDotGit(name))).toEqual([]);
    expect(names.filter((name) => nameProblem(`a/${name}/b`) === null)).toEqual([]);
  });

  it('lets through names that only look similar', () => {
    const fine = [
      '.gitignore',
      '.github/x.md',
      'git',
      '.git-blame-ignore-revs',
      'a.git',
      '...x',
      'digit~1',
      'naïve café.txt',
      '日本語',
      '👩‍💻.md',
      '$(id)',
      '-rf',
      'a:b',
      '~x',
      "it's",
    ];

    expect(fine.map((name) => [name, nameProblem(name)])).toEqual(fine.map((name) => [name, null]));
  });

  it.each([
    ['', 'work tree'],
    ['/etc/passwd', 'absolute'],
    ['../x', '`..`'],
    ['a/../../x', '`..`'],
    ['a//b', 'empty'],
    ['a\nb', 'control'],
    ['a\u0000b', 'control'],
    ['a\u009bb', 'control'],
    ['\u001b[31mred', 'control'],
    ['a\u2028b', 'control'],
    ['exe\u202etxt.js', 'direction'],
    ['a\\b', 'backslash'],
    ['C:\\x', 'backslash'],
    ['\ud800', 'UTF-8'],
    ['a\ufffd', 'UTF-8'],
    ['x'.repeat(256), '255'],
    ['é'.repeat(128), '255'],
    [`${'x/'.repeat(2100)}x`, '4096'],
    [`${'x/'.repeat(100)}x`, 'deeper'],
    ['a/. ./b', 'dots and spaces'],
  ])('refuses %j', (path, reason) => {
    expect(nameProblem(path)).toContain(reason);
  });

  it('agrees with git: a name that is let through is one that git takes', async () => {
    const { origin } = await fetched({ a: '1' });
    const sha = origin.blob('x');
    const piece = fc.oneof(
      fc.constantFrom(
        '.git',
        '.GIT',
        'git~1',
        '.',
        '..',
        '/',
        '\\',
        ' ',
        ':',
        '~1',
        '\u200c',
        '\u202e',
        'É',
        'e\u0301',
        '::$INDEX_ALLOCATION',
        '.gitmodules',
        'a',
        'b.c',
      ),
      fc.string({ unit: 'binary', maxLength: 3 }),
    );
    const names = fc
      .sample(fc.array(piece, { minLength: 1, maxLength: 6 }), { numRuns: 3_000, seed: 7 })
      .map((pieces) => pieces.join(''))
      .filter((name) => nameProblem(name) === null);

    const env = {
      GIT_INDEX_FILE: `${origin.path}/names`,
      GIT_CONFIG_COUNT: '2',
      GIT_CONFIG_KEY_0: 'core.protectHFS',
      GIT_CONFIG_VALUE_0: 'true',
      GIT_CONFIG_KEY_1: 'core.protectNTFS',
      GIT_CONFIG_VALUE_1: 'true',
    };
    // A folder of its own for each, so that none is in another's way.
    const unique = names.map((name, index) => `${index}/${name}`);
    origin.git(['update-index', '-z', '--index-info'], {
      env,
      input: unique.map((name) => `100644 ${sha}\t${name}\0`).join(''),
    });
    const taken = new Set(origin.git(['ls-files', '-z'], { env }).split('\0'));

    expect(unique.length).toBeGreaterThan(300);
    expect(unique.filter((name) => !taken.has(name))).toEqual([]);
  });
});

describe('links', () => {
  const base = baseOf(
    { 'src/a': '1', 'deep/er/b': '2' },
    { 'deep/up': '..', 'deep/er/top': '../..', out: '/etc', back: 'back' },
  );

  it.each([
    ['l', 'src/a'],
    ['src/l', 'a'],
    ['src/l', '../deep/er/b'],
    ['l', 'not/there/yet'],
    ['l', './src//a'],
    ['l', 'deep/up/src/a'],
    ['src/l', '.'],
  ])('lets %s point to %s', (path, target) => {
    expect(judge(base, [link(path, target)])).toEqual([]);
  });

  it.each([
    ['l', '/etc/passwd', 'absolute'],
    ['l', 'C:/Windows', 'absolute'],
    ['l', '..', 'out of the repository'],
    ['src/l', '../../x', 'out of the repository'],
    ['l', 'src/../..', 'out of the repository'],
    ['l', 'deep/er/top/../x', 'out of the repository'],
    ['l', 'deep/up/../x', 'out of the repository'],
    ['l', 'out/passwd', 'absolute'],
    ['l', 'back', 'circle'],
    ['l', 'l', 'circle'],
    ['l', '.git/config', '`.git`'],
    ['src/l', '../.GIT', '`.git`'],
    ['src/l', '../.g\u200cit/hooks', '`.git`'],
    ['l', '..\\..\\x', 'backslash'],
    ['l', '', 'empty'],
    ['l', 'a\nb', 'control'],
    ['l', 'x/'.repeat(600), '1024'],
  ])('refuses %s pointing to %j', (path, target, reason) => {
    expect(judge(base, [link(path, target)])).toEqual([{ path, reason: expect.stringContaining(reason) }]);
  });

  it('walks through the links of the patch too, not those that the patch removes', () => {
    expect(judge(base, [link('x/l', 'm/../../../s'), link('x/m', '../deep/er')])).toMatchObject([{ path: 'x/l' }]);
    expect(judge(base, [link('l', 'out/x'), deleted('out')])).toEqual([]);
  });
});

describe('a patch as a whole', () => {
  it('refuses names that are the same elsewhere, against the base and within the patch', () => {
    const base = baseOf({ 'src/Main.ts': '1', 'docs/caf\u00e9.md': '2' });
    const twins = (paths: readonly string[]) =>
      judge(
        base,
        paths.map((path) => file(path, 'x')),
      ).map(({ path }) => path);

    expect(twins(['src/main.ts'])).toEqual(['src/main.ts']);
    expect(twins(['SRC/other.ts'])).toEqual(['SRC/other.ts']);
    expect(twins(['docs/cafe\u0301.md'])).toEqual(['docs/cafe\u0301.md']);
    expect(twins(['docs/CAFE\u0301.md'])).toEqual(['docs/CAFE\u0301.md']);
    expect(twins(['new/a', 'new/A'])).toEqual(['new/a', 'new/A']);
    expect(twins(['a/x', 'A/y'])).toEqual(['a/x', 'A/y']);
    expect(twins(['straße', 'STRASSE'])).toEqual(['straße', 'STRASSE']);
    expect(twins(['zero\u200bwidth', 'zerowidth'])).toEqual(['zero\u200bwidth', 'zerowidth']);
    expect(twins(['dot', 'dot.'])).toEqual(['dot', 'dot.']);
    expect(twins(['src/Main.ts', 'src/main.tsx', 'x²', 'x2'])).toEqual([]);
  });

  it('does not blame a patch for twins that the base already has', () => {
    const base = baseOf({ 'net/xt_MARK.c': '1', 'net/xt_mark.c': '2' });

    expect(judge(base, [file('net/xt_mark.c', 'changed'), file('net/new.c', 'n')])).toEqual([]);
  });

  it('refuses protected paths in every disguise, their deletion, and anything in the place of their folders', () => {
    const base = baseOf({ '.github/workflows/ci.yml': 'x', CODEOWNERS: 'x', 'a.txt': 'x' });
    const rules = {
      ...wideRules,
      isProtected: (path: string) =>
        path.startsWith('.github/workflows/') || ['CODEOWNERS', '.gitattributes', '.gitmodules'].includes(path),
    };
    const paths = (changes: readonly ContainerChange[]) => [
      ...new Set(judge(base, changes, rules).map(({ path }) => path)),
    ];

    expect(paths([file('.github/workflows/new.yml', 'y')])).toEqual(['.github/workflows/new.yml']);
    expect(paths([file('.github/workflows/ci.yml', 'y')])).toEqual(['.github/workflows/ci.yml']);
    expect(paths([deleted('.github')])).toEqual(['.github/workflows/ci.yml']);
    expect(paths([file('.github', 'y')])).toEqual(['.github', '.github/workflows/ci.yml']);
    expect(paths([link('.github', 'src')])).toEqual(['.github', '.github/workflows/ci.yml']);
    expect(paths([link('.github/workflows', '../src')])).toEqual(['.github/workflows', '.github/workflows/ci.yml']);
    expect(paths([file('.GitHub/Workflows/x.yml', 'y')])).toContain('.GitHub/Workflows/x.yml');
    expect(paths([file('.github\u200d/workflows./x', 'y')])).toContain('.github\u200d/workflows./x');
    expect(paths([file('.gitattributes::$DATA', 'y'), file('.GITMODULES', 'y')])).toEqual([
      '.gitattributes::$DATA',
      '.GITMODULES',
    ]);
    expect(paths([file('.github/dependabot.md', 'y'), file('.github/workflows/ci.yml', 'x')])).toEqual([]);
    expect(judge(baseOf({ 'a.txt': 'x' }), [link('.github', 'docs')])).toMatchObject([{ path: '.github' }]);
  });

  it('refuses too many files, too large ones and too much in all, naming the limit', () => {
    const rules = { ...wideRules, maxFiles: 2, maxFileBytes: 5, maxTotalBytes: 8 };
    const base = baseOf({ a: '1', b: '2', c: '3' });

    expect(judge(base, [deleted('a'), deleted('b'), deleted('c')], rules)).toMatchObject([
      { path: '.', reason: expect.stringContaining('the limit is 2') },
    ]);
    expect(judge(base, [file('x', '123456')], rules)).toMatchObject([
      { path: 'x', reason: expect.stringContaining('the limit is 5') },
    ]);
    expect(judge(base, [file('x', '12345'), file('y', '1234')], rules)).toMatchObject([
      { path: '.', reason: expect.stringContaining('the limit is 8') },
    ]);
    expect(judge(base, [file('x', '12345'), file('y', '123')], rules)).toEqual([]);
  });

  it('lists at most fifty rejections and counts the rest', () => {
    const changes = Array.from({ length: 60 }, (_, index) => file(`bad\\${index}`, 'x'));

    const rejections = judge(baseOf({}), changes);

    expect(rejections).toHaveLength(51);
    expect(rejections.at(-1)).toEqual({ path: '.', reason: 'and 10 more paths are rejected' });
  });

  it('refuses a file through a link or file of the same patch', () => {
    expect(judge(baseOf({}), [link('l', 'src'), file('l/x', 'x')])).toMatchObject([
      { path: 'l/x', reason: expect.stringContaining('is a link in the same patch') },
    ]);
    expect(judge(baseOf({}), [file('f', 'src'), file('f/a/x', 'x')])).toMatchObject([
      { path: 'f/a/x', reason: expect.stringContaining('is a file in the same patch') },
    ]);
  });

  it('refuses what is no file where the base has one, and what could not be read', () => {
    const base = baseOf({ a: '1', 'dir/b': '2' });

    expect(judge(base, [odd('a', 'fifo')])).toMatchObject([{ path: 'a', reason: expect.stringContaining('fifo') }]);
    expect(judge(base, [odd('dir', 'socket')])).toMatchObject([
      { path: 'dir', reason: expect.stringContaining('socket') },
    ]);
    expect(judge(base, [odd('big.bin', '300 MB, the limit is 10 MB')])).toEqual([
      { path: 'big.bin', reason: '300 MB, the limit is 10 MB' },
    ]);
    expect(judge(base, [odd('.', 'the work tree is a socket')])).toMatchObject([{ path: '.' }]);
    expect(judge(base, [odd('new', 'a named pipe')])).toEqual([]);
    expect(judge(base, [odd('n\ufffd', 'the name is not UTF-8')])).toMatchObject([{ reason: 'the name is not UTF-8' }]);
  });

  it('lets through only patches that hold every promise', () => {
    const part = fc.constantFrom('a', 'A', 'b', '.git', '.github', '..', 'é', 'e\u0301', 'l', 'x ', 'git~1');
    const path = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
    const change: fc.Arbitrary<ContainerChange> = fc.oneof(
      fc
        .tuple(path, fc.nat(3), fc.constantFrom(0o644, 0o4755))
        .map(([name, size, mode]) => file(name, 'x'.repeat(size), mode)),
      fc.tuple(path, path).map(([name, target]) => link(name, target)),
      path.map(deleted),
    );
    const safeBase = fc.uniqueArray(fc.constantFrom('a/b', 'b/a', 'l/x', 'é', '.github/a'), { minLength: 1 });

    fc.assert(
      fc.property(safeBase, fc.array(change, { maxLength: 5 }), (basePaths, changes) => {
        const base = baseOf(Object.fromEntries(basePaths.map((name) => [name, 'x'])));
        const facts = patchFacts(base.entries, changes, new Set());
        if (
          judgePatch(base, facts, { ...wideRules, isProtected: (name) => name.startsWith('.github/') }).rejections
            .length > 0
        )
          return;

        const final = [...base.entries.keys()].filter((name) => !facts.gone.has(name));
        for (const { path: name } of facts.writes) if (!final.includes(name)) final.push(name);
        const written = facts.writes.map(({ path: name }) => name);
        expect(written.filter((name) => nameProblem(name) !== null)).toEqual([]);
        expect(written.concat([...facts.gone]).filter((name) => name.startsWith('.github'))).toEqual([]);
        expect(final.filter((name) => parentsOf(name).some((parent) => final.includes(parent)))).toEqual([]);
        expect(new Set(final.map(foldPath)).size).toBe(final.length);
      }),
      { numRuns: 5_000 },
    );
  });
});
