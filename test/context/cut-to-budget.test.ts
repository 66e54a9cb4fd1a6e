import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutMiddle, cutToBudget, entryKinds, type Wish } from '../../src/context/cut-to-budget.ts';
import { outlineOf } from '../../src/context/outline.ts';
import { estimateTokens } from '../../src/model/context-window.ts';

const lines = (count: number) => Array.from({ length: count }, (_, index) => `line ${index}`).join('\n');
const wish = (path: string, change: Partial<Wish> = {}): Wish => ({
  path,
  kind: 'file',
  why: 'named',
  score: 1,
  named: false,
  text: 'text',
  ...change,
});

describe('cutting the briefing to its budget', () => {
  it('keeps everything whole while there is room', () => {
    const wishes = [wish('a', { text: lines(20) }), wish('b', { kind: 'rule', text: lines(20) })];

    const cut = cutToBudget(wishes, 10_000);

    expect(cut.entries.map(({ text }) => text)).toEqual([lines(20), lines(20)]);
    expect(cut.leftOut).toBe(0);
    expect(cut.tokens).toBe(cut.entries.reduce((sum, entry) => sum + entry.tokens, 0));
  });

  it('shows small texts whole and cuts the large ones, and leaves every later kind its share', () => {
    const wishes = [
      wish('large.ts', { text: lines(5_000), named: true }),
      wish('small.ts', { text: lines(10), named: true }),
      wish('a.test.ts', { kind: 'test', text: lines(5_000) }),
      wish('AGENTS.md', { kind: 'rule', text: lines(30) }),
    ];

    const { entries, tokens } = cutToBudget(wishes, 4_000);

    const shown = Object.fromEntries(entries.map(({ path, text }) => [path, text]));
    expect(shown['large.ts']).toMatch(/^line 0\n[\s\S]*characters left out[\s\S]*line 4999$/);
    expect(shown['small.ts']).toBe(lines(10));
    expect(shown['a.test.ts']).toMatch(/^line 0\n[\s\S]*characters left out/);
    expect(shown['AGENTS.md']).toBe(lines(30));
    expect(tokens).toBeLessThanOrEqual(4_000);
  });

  it('leaves out the last names, never those of the contract, and says how many', () => {
    const found = Array.from({ length: 50 }, (_, index) => wish(`found/${index}.ts`));

    const { entries, leftOut } = cutToBudget([...found, wish('named.ts', { named: true })], 500);

    expect(entries.map(({ path }) => path)).toEqual(expect.arrayContaining(['found/0.ts', 'named.ts']));
    expect(leftOut).toBe(51 - entries.length);
    expect(leftOut).toBeGreaterThan(30);
  });

  it('never costs more than the budget, in the order of the kinds, whatever is wished', () => {
    const anyWish = fc.record({
      path: fc.string({ maxLength: 30 }),
      kind: fc.constantFrom(...entryKinds),
      why: fc.string({ maxLength: 30 }),
      score: fc.integer(),
      named: fc.constant(false),
      text: fc.option(fc.string({ unit: 'binary', maxLength: 2_000 }), { nil: null }),
    });
    fc.assert(
      fc.property(fc.array(anyWish, { maxLength: 25 }), fc.integer({ min: 0, max: 3_000 }), (wishes, budget) => {
        const { entries, tokens, leftOut } = cutToBudget(wishes, budget);

        const kinds = entries.map(({ kind }) => entryKinds.indexOf(kind));
        expect(tokens).toBeLessThanOrEqual(budget);
        expect(kinds).toEqual(kinds.toSorted((a, b) => a - b));
        expect(entries.length + leftOut).toBe(wishes.length);
      }),
      { numRuns: 200 },
    );
  });

  it('cuts text of many bytes a character to its tokens, at whole characters', () => {
    const text = '\u{1f600}'.repeat(3_000);

    const cut = cutMiddle(text, 500) ?? '';

    expect(estimateTokens(cut)).toBeLessThanOrEqual(500);
    expect(estimateTokens(cut)).toBeGreaterThan(250);
    expect(cut.isWellFormed()).toBe(true);
  });
});

describe('outlines', () => {
  it.each([
    [
      'a.ts',
      "import x from 'x';\nexport function a(): void {\n  const b = 1;\n}\nclass C {}\n",
      ['2: export function a(): void {', '5: class C {}'],
    ],
    [
      'a.py',
      'import os\n\nclass A:\n    def run(self):\n        pass\n    def _own(self):\n        pass\n',
      ['3: class A:', '4:     def run(self):'],
    ],
    [
      'a.go',
      'package a\n\nfunc Trim(s string) string {\n\treturn s\n}\ntype T struct{}\n',
      ['3: func Trim(s string) string {', '6: type T struct{}'],
    ],
  ])('show what %s declares', (path, text, expected) => {
    expect(outlineOf(path, text)?.split('\n').slice(1)).toEqual(expected);
  });

  it('are none for what is no code or declares nothing', () => {
    expect(outlineOf('a.md', 'export function a')).toBeNull();
    expect(outlineOf('a.ts', 'run();\n')).toBeNull();
  });
});
