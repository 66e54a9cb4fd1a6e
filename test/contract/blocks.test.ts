import fc from 'fast-check';
import { fromMarkdown } from 'mdast-util-from-markdown';
import { gfmFromMarkdown } from 'mdast-util-gfm';
import { gfm } from 'micromark-extension-gfm';
import { describe, expect, test } from 'vitest';
import { scanBlocks } from '../../src/contract/blocks.ts';

type Root = ReturnType<typeof fromMarkdown>;

/**
 * Lines of the headings that GitHub's kind of Markdown has, outside of quotes; headings on the line of a list marker are no fields of ours.
 * Null when a raw HTML block leaves a comment open: the page then hides more than the Markdown tells.
 */
function headingLines(body: string): number[] | null {
  const lines: number[] = [];
  let openComment = false;
  const walk = (node: Root | Root['children'][number]): void => {
    if (node.type === 'html' && !node.value.startsWith('<!--')) {
      openComment ||= node.value.lastIndexOf('<!--') > node.value.lastIndexOf('-->');
    }
    if (node.type === 'heading' && node.position) {
      const source = body.split('\n')[node.position.start.line - 1] ?? '';
      if (/^\s*#{1,6}(?:\s|$)/u.test(source)) lines.push(node.position.start.line);
    } else if (node.type !== 'blockquote' && 'children' in node) node.children.forEach(walk);
  };
  walk(fromMarkdown(body, { extensions: [gfm()], mdastExtensions: [gfmFromMarkdown()] }));
  return openComment ? null : lines;
}

function scannedHeadings(body: string): number[] {
  return scanBlocks(body)
    .lines.filter(({ kind }) => kind === 'heading')
    .map(({ number }) => number);
}

/** Lines that a spoofer, or a careless author, would write. */
const trickyLine = fc.constantFrom(
  '## Goal',
  '### Allowed files',
  '   ## Goal',
  '    ## Goal',
  '  ## Goal ##',
  '#NoSpace',
  '#',
  '```',
  '````',
  '```sh',
  '~~~',
  '  ```',
  '```a`b',
  '- item',
  '  - nested',
  '- ```',
  '  text in item',
  '1. one',
  '',
  '',
  '',
  'text',
  'text `code',
  '`<!--` text',
  '<!-- closed -->',
  '<!-- closed --> ## Goal',
  '<!--',
  '-->',
  'text <!-- open',
  'close --> text',
  '<details>',
  '</details>',
  '<pre>',
  'x </pre>',
  '<b>x</b>',
  '> ## Goal',
  '> text',
  '---',
  '| a | b |',
  '- Files: x',
);

describe('scanning the lines of a body', () => {
  test('finds the headings that GitHub shows, and no others', () => {
    const bodies = fc.array(trickyLine, { maxLength: 14 }).map((lines) => lines.join('\n'));

    fc.assert(
      fc.property(bodies, (body) => {
        const shown = headingLines(body);
        fc.pre(shown !== null);
        expect(scannedHeadings(body)).toEqual(shown);
      }),
      { numRuns: 1500 },
    );
  });

  test('hides what a comment hides when a raw HTML block leaves one open', () => {
    const body = '<div><!--\n\n## Goal\n\nhidden\n\n-->\n\n## Goal\n\nshown';

    expect(scannedHeadings(body)).toEqual([9]);
  });

  test('tells where a comment starts that is never closed', () => {
    expect(scanBlocks('## Goal\n\n<!-- oops\n\n## More').unclosedComment).toBe(3);
  });

  test('takes carriage returns as line ends, and nothing else', () => {
    const lines = scanBlocks('a\r\nb\rc\nd\u2028## Goal\u0085## Goal').lines;

    expect(lines.map(({ number, text }) => [number, text])).toEqual([
      [1, 'a'],
      [2, 'b'],
      [3, 'c'],
      [4, 'd ## Goal ## Goal'],
    ]);
  });

  test('notes the lines that held characters nobody can see', () => {
    const { lines, tainted } = scanBlocks('## Go\u200bal\n\nplain\n\u202etxet');

    expect(lines[0]?.text).toBe('Goal');
    expect([...tainted]).toEqual([1, 4]);
  });
});
