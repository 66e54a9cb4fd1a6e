import fc from 'fast-check';
import type { Nodes } from 'mdast';
import { fromMarkdown } from 'mdast-util-from-markdown';
import { gfmFromMarkdown } from 'mdast-util-gfm';
import { gfm } from 'micromark-extension-gfm';
import { expect, test } from 'vitest';
import { commandLines } from '../src/command-lines.ts';

const mayStop = (body: string) => (line: number) => /^\s*\/stop/.test(body.split('\n')[line] ?? '');

/**
 * Lines of prose by the page's own reading: paragraphs and headings that are underlined, outside of quotes, tables, code and comments.
 * Null when raw HTML leaves a comment open: the page then hides more than the Markdown tells.
 */
function proseOf(body: string): number[] | null {
  const lines: number[] = [];
  let openComment = false;
  const walk = (node: Nodes): void => {
    if (node.type === 'html') openComment ||= node.value.lastIndexOf('<!--') > node.value.lastIndexOf('-->');
    if (node.type === 'blockquote' || node.type === 'table') return;
    const isMarked = /^#{1,6}(?:\s|$)/.test(body.slice(node.position?.start.offset));
    const isProse = node.type === 'paragraph' || (node.type === 'heading' && !isMarked);
    if (!isProse) {
      if ('children' in node) node.children.forEach(walk);
      return;
    }
    const apart = node.children.filter(({ type }) => type === 'inlineCode' || type === 'html');
    // The last line of such a heading is what underlines it.
    const last = (node.position?.end.line ?? 0) - (node.type === 'heading' ? 1 : 0);
    for (let line = node.position?.start.line ?? 1; line <= last; line++) {
      const inside = apart.some(
        ({ position }) => (position?.start.line ?? 0) < line && line <= (position?.end.line ?? 0),
      );
      if (!inside) lines.push(line - 1);
    }
  };
  walk(fromMarkdown(body, { extensions: [gfm()], mdastExtensions: [gfmFromMarkdown()] }));
  return openComment ? null : lines;
}

/** Lines with which somebody could hide a command, or hide that there is none. */
const trickyLine = fc.constantFrom(
  ...['/stop', '/stop', '  /stop', '    /stop', '      /stop', '\t/stop', 'text', 'text', '', '', ''],
  ...[
    '> quoted',
    '>',
    '> /stop',
    '> ```',
    '> - item',
    '>text',
    '- item',
    '* item',
    '  - nested',
    '    - deeper',
    '- > quoted',
  ],
  ...['1. one', '2. two', '10) ten', '- - twice', '   /stop', '- /stop', '- ```', '  ```', '-     code'],
  ...['```', '````', '```sh', '~~~', '~~~ x', '```a`b', '# head', '#none', '===', '---', '***', '- - -'],
  ...[
    'a `b',
    'c` d',
    '`` x',
    '\\`',
    '<!-- x',
    'y -->',
    'z <!-- a',
    '<!-- whole -->',
    '<script>',
    'x </script>',
    '<div>',
    '<b>x</b>',
    '<?php',
    '?>',
  ],
);

/** Other than CommonMark and GitHub, micromark sees no list straight after indented code. */
const codeBeforeList = /^(?: {4}|\t).*\n *(?:\d+[.)]|[-*])(?: |$)/m;

test('lines of prose are those that the page shows as prose', () => {
  const bodies = fc.array(trickyLine, { maxLength: 12 }).map((lines) => lines.join('\n'));

  fc.assert(
    fc.property(bodies, (body) => {
      const prose = proseOf(body);
      fc.pre(prose !== null && !codeBeforeList.test(body));
      expect([...commandLines(body.split('\n'))].filter(mayStop(body))).toEqual(prose.filter(mayStop(body)));
    }),
    { numRuns: 2000 },
  );
});

test.each([
  ['- ', 32_000],
  ['> ', 32_000],
  ['1. ', 20_000],
  ['- a\n', 16_000],
  ['- a\n  - b\n', 6_000],
  ['a\n\n', 20_000],
  ['`a', 32_000],
  ['<!-- ', 13_000],
  ['<a ', 20_000],
  ['[a](', 16_000],
  ['-', 60_000],
  ['|-', 30_000],
  ['\t', 60_000],
])('64 KB of %j are read in a moment', (piece, times) => {
  const body = `${piece.repeat(times)}x\n\n/stop`;
  const startedAt = process.cpuUsage();

  commandLines(body.split('\n'));

  const { user, system } = process.cpuUsage(startedAt);
  expect((user + system) / 1000).toBeLessThan(1_000);
});
