import fc from 'fast-check';
import picomatch from 'picomatch';
import { describe, expect, test } from 'vitest';
import { globCovers, globProblem, matchesGlob, plainGlob } from '../../src/contract/glob.ts';

const name = fc.constantFrom('a', 'b', 'ab', '.x', 'a.ts', 'B', 'ö', 'a b');
const path = fc.array(name, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('/'));
const part = fc.constantFrom(
  'a',
  'ab',
  '*',
  '**',
  '*.ts',
  'a*',
  '?',
  '[ab]',
  '[^a]',
  '{a,b}',
  '{a,b*}.ts',
  '.x',
  '*b*',
  'ö',
);
const glob = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));

describe('matching a path with a glob', () => {
  test('says what picomatch says with dotfiles, where both know the glob', () => {
    fc.assert(
      fc.property(path, glob, (file, pattern) => {
        const reference = picomatch(pattern, { dot: true, nonegate: true, noextglob: true });
        const parts = file.split('/');
        const folders = parts.map((_part, index) => parts.slice(0, index).join('/')).slice(1);

        // Ours also covers what lies beneath a plain name.
        const folder = picomatch(pattern.replace(/(?:\/\*\*)+$/u, ''), { dot: true, nonegate: true, noextglob: true });
        // Picomatch is of two minds whether `X/**` is `X` itself when X has wildcards.
        fc.pre(!(pattern.endsWith('/**') && folder(file)));
        if (reference(file)) expect(matchesGlob(file, pattern)).toBe(true);
        else if (!folders.some((folder) => reference(folder))) expect(matchesGlob(file, pattern)).toBe(false);
      }),
      { numRuns: 3000 },
    );
  });

  test.each([
    ['src/**', 'src/a/b.ts', true],
    ['src/**', 'src', true],
    ['src/', 'src/a.ts', true],
    ['src', 'src/a.ts', true],
    ['./src//a.ts', 'src/a.ts', true],
    ['**', '.github/x', true],
    ['*', '.env', true],
    ['*/**', 'a/b', true],
    ['*/**', 'a', false],
    ['src/**', 'Src/a.ts', false],
    ['*.ts', 'src/a.ts', false],
    ['app/[id]/page.tsx', 'app/[id]/page.tsx', true],
    ['app/(shop)/*.tsx', 'app/(shop)/page.tsx', true],
    ['app/(a|b)', 'app/a', false],
    ['a+(b)', 'abb', false],
    ['{a,{b,c}/d}/e', 'b/d/e', true],
    ['{a}', '{a}', true],
    ['src/**', 'src/../x', false],
    ['**', '../x', false],
    ['**', '/etc/passwd', false],
    ['!src/**', 'test/a.ts', false],
  ])('%s and %s: %s', (pattern, file, expected) => {
    expect(matchesGlob(file, pattern)).toBe(expected);
  });

  test.each(['*a*a*a*a*a*a*a*a*b', `${'**/a/'.repeat(20)}b`, `${'{a,b}'.repeat(6)}*c`, `${'[a-z]*'.repeat(30)}!`])(
    'takes no time for a hostile one: %s',
    (pattern) => {
      const file = `${'a/'.repeat(400)}${'a'.repeat(3000)}`;
      const timesMs = [1, 2, 3, 4, 5].map(() => {
        const start = performance.now();
        expect(matchesGlob(file, pattern)).toBe(false);
        return performance.now() - start;
      });

      expect(Math.min(...timesMs)).toBeLessThan(500);
    },
  );
});

describe('a glob', () => {
  test.each([
    ['', 'is empty'],
    ['/abs', 'is absolute'],
    ['C:/x', 'is absolute'],
    ['~/x', 'starts with `~`'],
    ['a/../b', 'has a `..`'],
    ['!a', 'starts with `!`'],
    ['a\\b', 'has a backslash'],
    ['a\nb', 'has control characters'],
    ['{a,b}'.repeat(7), 'has more than 64 alternatives'],
    ['a'.repeat(600), 'is longer than'],
  ])('%j is refused: it %s', (pattern, problem) => {
    expect(globProblem(pattern)).toContain(problem);
  });

  test('has one plain form', () => {
    expect(['src/', './src/**', 'src//**', '.', 'a'].map(plainGlob)).toEqual(['src/**', 'src/**', 'src/**', '**', 'a']);
  });
});

describe('whether one glob covers another', () => {
  test('is never said wrongly', () => {
    fc.assert(
      fc.property(glob, glob, path, (outer, inner, file) => {
        // A plain name with an extension is taken for a file, not for a folder.
        const beneathFile = /^[^*?[{]*\.[^/]+$/u.test(inner) && file !== inner;
        fc.pre(globCovers(outer, inner) && matchesGlob(file, inner) && !beneathFile);

        expect(matchesGlob(file, outer)).toBe(true);
      }),
      // About one draw in 500 is of use.
      { numRuns: 200, maxSkipsPerRun: 2000 },
    );
  });

  test.each([
    ['**', 'src/**', true],
    ['src/**', 'src/a/*.ts', true],
    ['src/**', 'src', true],
    ['src/*.ts', 'src/a.ts', true],
    ['src/**', 'test/**', false],
    ['src/a/**', 'src/**', false],
  ])('%s and %s: %s', (outer, inner, expected) => {
    expect(globCovers(outer, inner)).toBe(expected);
  });
});
