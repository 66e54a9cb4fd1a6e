import { describe, expect, it } from 'vitest';
import { mentionsIn } from '../../src/context/mentions.ts';
import { findReference, likeNamed, mayCreate } from '../../src/context/references.ts';
import { emptyContract } from '../../src/contract/contract.ts';

const repository = 'git.example/acme/widget';
const paths = ['docs/a b.md', 'docs/adr/1.md', 'lib/date.ts', 'src/date.ts', 'src/range.ts'];

describe('finding what a reference of the contract means', () => {
  it.each([
    ['src/date.ts', ['src/date.ts']],
    ['src', ['src/date.ts', 'src/range.ts']],
    ['**/date.ts', ['lib/date.ts', 'src/date.ts']],
    ['https://git.example/Acme/Widget/blob/main/docs/adr/1.md#L3', ['docs/adr/1.md']],
    ['https://git.example/acme/widget/blob/feature/long/name/docs/a%20b.md', ['docs/a b.md']],
  ])('finds the files of %s', (reference, expected) => {
    expect(findReference(reference, repository, paths)).toEqual({ kind: 'files', paths: expected });
  });

  it.each([
    '#12',
    'GH-12',
    'acme/other#3',
    'https://git.example/acme/widget/issues/12',
    'https://git.example/acme/other/blob/main/src/date.ts',
    'https://elsewhere.example/acme/widget/blob/main/src/date.ts',
    'https://git.example/acme/widget/blob/main/%ff',
  ])('leaves %s to the host', (reference) => {
    expect(findReference(reference, repository, paths)).toEqual({ kind: 'host' });
  });

  it('says when nothing matches, and what has the same name elsewhere', () => {
    expect(findReference('app/date.ts', repository, paths)).toEqual({ kind: 'no-match' });
    expect(likeNamed('app/Date.ts', paths)).toEqual(['lib/date.ts', 'src/date.ts']);
    expect(likeNamed('app/*.ts', paths)).toEqual([]);
  });

  it.each([
    ['src/new.ts', [], true],
    ['src/new.ts', [['src/**']], true],
    ['src/new.ts', [['src/**'], ['test/**']], false],
    ['src/new/**', [['src/*/api.ts']], true],
    ['lib/**', [['src/**']], false],
    ['lib/**', [[]], false],
  ])('tells whether %s may be created within %j', (reference, allow, expected) => {
    expect(mayCreate(reference, allow)).toBe(expected);
  });
});

describe('reading what the prose names', () => {
  it('finds paths, names of code and words', () => {
    const contract = {
      ...emptyContract(),
      goal: 'Ranges from `Dates.parseRange(text)` keep ./src/range.ts in step with max_days. See date.ts, `npm test` and e.g. this.',
    };

    const mentions = mentionsIn(contract, paths);

    expect(mentions.paths).toEqual(['src/range.ts', 'lib/date.ts', 'src/date.ts']);
    expect(mentions.identifiers).toEqual(['Dates', 'parseRange', 'max_days']);
    expect(mentions.words).toEqual(expect.arrayContaining(['ranges', 'step']));
    expect(mentions.words).not.toContain('this');
  });

  it('takes no file by a name that many bear', () => {
    const many = Array.from({ length: 5 }, (_, index) => `p${index}/README.md`);

    expect(mentionsIn({ ...emptyContract(), goal: 'Mend README.md' }, many).paths).toEqual([]);
    expect(mentionsIn({ ...emptyContract(), goal: 'Mend p3/README.md' }, many).paths).toEqual(['p3/README.md']);
  });

  it.each([
    ['a'.repeat(60_000)],
    [`a${'A'.repeat(60_000)}_`],
    ['`'.repeat(60_000)],
    ['a_'.repeat(30_000)],
    ['./'.repeat(30_000)],
  ])('stays quick on hostile text', (goal) => {
    const startedAt = performance.now();

    mentionsIn({ ...emptyContract(), goal }, paths);

    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });
});
