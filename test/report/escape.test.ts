import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cell, code, fenced, folded, inert, link, plain, quote } from '../../src/report/escape.ts';
import { hostileText as hostile } from './hostile-text.ts';
import { kinds, liveText, parse } from './markdown.ts';

const runs = { numRuns: 300 };

describe('escaping', () => {
  it('leaves only words and code of any inline text', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const markdown = inert(text);

        expect(['root', 'paragraph', 'text', 'inlineCode']).toEqual(expect.arrayContaining(kinds(markdown)));
        expect(liveText(markdown)).toEqual([]);
      }),
      runs,
    );
  });

  it('keeps its place in a list item, in a quotation and beside other text', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const markdown = `- before ${inert(text)} after\n\n${quote(text)}\n\nend`;

        const found = kinds(markdown);
        expect(['blockquote', 'break', 'inlineCode', 'list', 'listItem', 'paragraph', 'root', 'text']).toEqual(
          expect.arrayContaining(found),
        );
        expect(liveText(markdown)).toEqual([]);
        expect(parse(markdown).children?.at(-1)?.children?.[0]?.value).toBe('end');
      }),
      runs,
    );
  });

  it('cannot add a column or a row to a table, in words or in code', () => {
    fc.assert(
      fc.property(hostile, hostile, (first, second) => {
        const markdown = `| a | b |\n| --- | --- |\n| ${cell(first)} | ${code(second, 'cell') || '–'} |\n\nend`;

        const table = parse(markdown).children?.[0];
        expect(table?.type).toBe('table');
        expect(table?.children?.map((row) => row.children?.length)).toEqual([2, 2]);
        expect(['inlineCode', 'paragraph', 'root', 'table', 'tableCell', 'tableRow', 'text']).toEqual(
          expect.arrayContaining(kinds(markdown)),
        );
        expect(liveText(markdown)).toEqual([]);
      }),
      runs,
    );
  });

  it('cannot leave a fenced block, whatever fences the text holds', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const tree = parse(`${fenced(text)}\n\nend`);

        expect(tree.children?.map((node) => node.type)).toEqual(['code', 'paragraph']);
      }),
      runs,
    );
  });

  it('cannot leave the summary of a folded part', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const markdown = `${folded(text, 'inside')}\n\nend`;

        expect(markdown.match(/<[/a-z!?][^>]*>/gi)?.filter((tag) => tag !== '<wbr>')).toEqual([
          '<details>',
          '<summary>',
          '</summary>',
          '</details>',
        ]);
        expect(parse(markdown).children?.map((node) => node.type)).toEqual(['html', 'paragraph', 'html', 'paragraph']);
      }),
      runs,
    );
  });

  it('removes what cannot be seen or reorders what is seen', () => {
    const text = 'a\u202eb\u200bc\u2066d\u{e0041}e\u00adf\ufeffg\u001b[31mred\u001b[0m\u0007\u3164';

    expect(inert(text)).toBe('abcdefgred');
    expect(fenced(text)).toBe('```text\nabcdefgred\n```');
  });

  it('stays readable for ordinary text', () => {
    const text = 'Given an empty list, `sum([])` returns 0 (not snake_case NaN); then it is done.';

    expect(inert(text)).toBe(text);
  });

  it('shows mentions, references and addresses as code', () => {
    const text = 'Thanks @octocat, this fixes #12 and acme/x#3, see https://example.org/a?b=c';

    expect(inert(text)).toBe('Thanks `@octocat,` this fixes `#12` and `acme/x#3,` see `https://example.org/a?b=c`');
  });

  it('links only to plain web addresses of the app', () => {
    expect(link('Run', 'https://mill.example.org/runs/a1?x=1')).toBe('[Run](<https://mill.example.org/runs/a1?x=1>)');
    expect(link('Run', 'javascript:alert(1)')).toBe('`javascript:alert(1)`');
    expect(link('Run', 'https://x/a>b')).toBe('`https://x/a>b`');
  });

  it('takes the life out of titles and commit messages, where nothing can be escaped', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const line = plain(text);

        expect(line).not.toMatch(/@\S|#\d|:\/\/|\bgh-\d|[\n\r]|\[skip ci\]/i);
      }),
      runs,
    );
    expect(plain('Do it [skip ci] @ada fixes #3')).toBe('Do it (skip ci) @ ada fixes # 3');
  });

  it('cuts long text without splitting a character', () => {
    expect(inert('𝒳'.repeat(20), { maxChars: 10 })).toBe(`${'𝒳'.repeat(4)}…`);
    expect(fenced(`${'x\n'.repeat(5000)}last`, 500)).toMatch(/characters not shown …\n(x\n)+last\n```$/);
  });
});
