import { describe, expect, test } from 'vitest';
import { emptyContract } from '../../src/contract/contract.ts';
import { amendFiles, inScope, isProtected, keptOut } from '../../src/contract/globs.ts';
import type { Walls } from '../../src/contract/walls.ts';

function files(over: Partial<Walls['files']> = {}): { files: Walls['files'] } {
  return { files: { allow: [], deny: [], companions: [], unprotect: [], ...over } };
}

describe('protected paths', () => {
  test.each([
    '.github/workflows/ci.yml',
    '.github/actions/x/action.yml',
    '.github/millwright.yml',
    '.gitmodules',
    '.gitattributes',
    'src/.gitattributes',
    'CODEOWNERS',
    '.github/CODEOWNERS',
    '.GitHub/Workflows/ci.yml',
    '.git/config',
    'vendor/.GIT/hooks/pre-commit',
    '../outside',
    '/etc/passwd',
    '',
    'a//b',
  ])('%j is one', (path) => {
    expect(isProtected(path, files())).toBe(true);
  });

  test.each(['src/a.ts', '.github/dependabot.yml', '.gitignore', 'docs/workflows/x.md'])('%j is none', (path) => {
    expect(isProtected(path, files())).toBe(false);
  });

  test('may be given free by the operator, but never git’s own nor what is outside', () => {
    const walls = files({ unprotect: ['.github/workflows/**', '.git/**', '**'] });

    expect(isProtected('.github/workflows/ci.yml', walls)).toBe(false);
    expect(isProtected('.git/config', walls)).toBe(true);
    expect(isProtected('../x', walls)).toBe(true);
  });
});

describe('the scope of a change', () => {
  const walls = files({
    allow: [['src/**', 'docs/**'], ['src/**', 'test/**'], ['src/slug/**']],
    allowBy: ['organization', 'repository', 'contract'],
    deny: ['src/slug/generated/**'],
    companions: ['package-lock.json', 'secret/**'],
    companionsBy: 'repository',
  });

  test('is what matches in every list', () => {
    expect(inScope('src/slug/a.ts', walls)).toEqual({ ok: true });
  });

  test('ends at the first list that does not have it, and names its layer', () => {
    expect(inScope('src/b.ts', walls)).toEqual({
      ok: false,
      layer: 'contract',
      reason: 'outside',
      globs: ['src/slug/**'],
    });
    expect(inScope('docs/b.md', walls)).toMatchObject({ ok: false, layer: 'repository', reason: 'outside' });
    expect(inScope('test/b.ts', walls)).toMatchObject({ ok: false, layer: 'organization', reason: 'outside' });
  });

  test('ends at denied and protected paths, whatever is allowed', () => {
    expect(inScope('src/slug/generated/x.ts', walls)).toMatchObject({ ok: false, reason: 'denied' });
    expect(inScope('.github/workflows/x.yml', files({ allow: [['**']] }))).toMatchObject({
      ok: false,
      reason: 'protected',
    });
  });

  test('excuses companions from the list of the layer that names them and those below, not from those above', () => {
    const below = files({ ...walls.files, allow: [['src/**'], ['src/slug/**']], allowBy: ['repository', 'contract'] });

    expect(inScope('package-lock.json', below)).toEqual({ ok: true });
    expect(inScope('package-lock.json', walls)).toMatchObject({ ok: false, layer: 'organization' });
  });

  test('is everything when no layer has a list', () => {
    expect(inScope('anything/at.all', files())).toEqual({ ok: true });
  });
});

describe('a glob that a contract would allow', () => {
  const walls = files({
    allow: [['src/**', 'docs/**/*.md', '.github/**'], ['src/slug.ts']],
    allowBy: ['repository', 'contract'],
    deny: ['src/generated/**'],
    companions: ['package-lock.json', '**/yarn.lock'],
    companionsBy: 'repository',
    unprotect: ['.github/workflows/lint.yml'],
  }).files;

  test.each([
    ['.github/workflows/ci.yml', 'protected'],
    ['.GitHub/Actions/**', 'protected'],
    ['.git/hooks/**', 'protected'],
    ['**/.gitattributes', 'protected'],
    ['src/generated/a.ts', 'denied'],
    ['src/generated/**', 'denied'],
    ['infra/**', 'outside'],
    ['README.md', 'outside'],
    ['docs/a.ts', 'outside'],
  ])('%j is kept out whole, being %s', (glob, reason) => {
    expect(keptOut(glob, walls)).toMatchObject({ reason });
  });

  test.each([
    '**',
    'src/**',
    'docs',
    'docs/a.md',
    'docs/**/*.ts',
    '.github/workflows/**',
    'package-lock.json',
    '*.md',
    'src/*.ts',
  ])('%j may let something in', (glob) => {
    expect(keptOut(glob, walls)).toBeNull();
  });

  test('is held against the lists of the layers above alone, and against none where there is none', () => {
    expect(keptOut('infra/**', files({ allow: [['src/**']], allowBy: ['contract'] }).files)).toBeNull();
    expect(keptOut('infra/**', walls)).toEqual({
      reason: 'outside',
      layer: 'repository',
      globs: ['src/**', 'docs/**/*.md', '.github/**'],
    });
  });
});

describe('amending the allowed files', () => {
  const contract = { ...emptyContract(), boundaries: { files: ['src/**'], commands: [], network: [], secrets: [] } };

  test('adds a glob to the contract, once', () => {
    const amended = amendFiles(contract, './docs/');
    if (!amended.ok) throw new Error(amended.message);

    expect(amended).toMatchObject({ changed: true, contract: { boundaries: { files: ['src/**', 'docs/**'] } } });
    expect(amendFiles(amended.contract, 'docs/**')).toMatchObject({ ok: true, changed: false });
    expect(contract.boundaries.files).toEqual(['src/**']);
  });

  test.each(['../x', '/etc', '!src/a.ts', ''])('refuses %j, saying why', (glob) => {
    expect(amendFiles(contract, glob)).toMatchObject({ ok: false, message: expect.stringMatching(/^The glob /u) });
  });

  test('has nothing to widen where the contract restricts nothing', () => {
    expect(amendFiles(emptyContract(), 'docs/**')).toMatchObject({ ok: false });
  });
});
