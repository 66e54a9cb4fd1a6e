import fc from 'fast-check';
import { fromMarkdown } from 'mdast-util-from-markdown';
import { gfmFromMarkdown } from 'mdast-util-gfm';
import { gfm } from 'micromark-extension-gfm';
import { describe, expect, it } from 'vitest';
import { cell, code, fenced, folded, inert, link, quote } from '../../src/report/escape.ts';

interface Node {
  type: string;
  value?: string;
  children?: Node[];
}

function parse(markdown: string): Node {
  return fromMarkdown(markdown, { extensions: [gfm()], mdastExtensions: [gfmFromMarkdown()] }) as Node;
}

function nodes(node: Node): Node[] {
  return [node, ...(node.children ?? []).flatMap(nodes)];
}

function kinds(markdown: string): string[] {
  return [...new Set(nodes(parse(markdown)).map((node) => node.type))].sort();
}

/** What GitHub makes live in plain text after Markdown is rendered. */
const live = /@[a-z0-9]|#\d|\bgh-\d|:\/\/|\bwww\./i;

function liveText(markdown: string): string[] {
  return nodes(parse(markdown))
    .filter((node) => node.type === 'text' && live.test(node.value ?? ''))
    .map((node) => node.value ?? '');
}

const nasty = fc.constantFrom(
  ...[
    '# x',
    '## What changed',
    '> q',
    '- a',
    '1. a',
    '---',
    '===',
    '|',
    '|-|-|',
    ':-',
    '<!-- x -->',
    '<details>',
    '</details>',
    '<img src=x>',
  ],
  ...[
    '![a](http://b.c/d.png)',
    '[text](http://evil)',
    '[x][y]',
    '[y]: http://z',
    '[^1]',
    '[^1]: note',
    '<http://a.b>',
    'http://a.b',
    'www.a.b',
  ],
  ...[
    'a@b.cc',
    '@octocat',
    '@acme/core',
    'fixes #1',
    'Closes acme/x#2',
    'GH-3',
    'https://github.com/a/b/issues/1',
    '0123456789abcdef0123',
  ],
  ...[
    '`',
    '``',
    '```',
    '~~~',
    '````js',
    '*a*',
    '**b**',
    '_c_',
    '__d__',
    '~~e~~',
    '$x$',
    '$$',
    '&lt;',
    '&#64;',
    '\\',
    '\\|',
    '\\`',
  ],
  ...[
    '\n',
    '\r\n',
    '\r',
    '\t',
    ' ',
    '    ',
    '\u202e',
    '\u200b',
    '\u2066',
    '\u{e0041}',
    '\u2028',
    '\u00a0',
    '\u001b[31m',
    '\u0000',
    ':octocat:',
    '- [ ] x',
  ],
);
const hostile = fc
  .array(
    fc.oneof({ weight: 3, arbitrary: nasty }, { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 6 }) }),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''));
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

  it('cuts long text without splitting a character', () => {
    expect(inert('𝒳'.repeat(20), { maxChars: 10 })).toBe(`${'𝒳'.repeat(4)}…`);
    expect(fenced(`${'x\n'.repeat(5000)}last`, 500)).toMatch(/characters not shown …\n(x\n)+last\n```$/);
  });
});
