import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readAllow, readCommands, readRetry, readWaive } from '../src/command-text.ts';

const names = (body: string) => readCommands(body).map(({ name }) => name);

test.each([
  ['/stop', ['stop']],
  ['/stop wrong issue', ['stop']],
  ['Thanks.\n/stop', ['stop']],
  ['Thanks.\r\n\r\n/stop\r\n', ['stop']],
  ['  /stop', ['stop']],
  ['/allow src/**\n/retry', ['allow', 'retry']],
  ['- nothing\n\n/help', ['help']],
  ['<details>\n\n/stop\n\n</details>\n\n/help', ['help']],
  ['<!-- <details> -->\n\n/stop', ['stop']],
  ['two<br>\n/stop', ['stop']],
  ['/stop\r\n\r\nOn Monday maya wrote:\r\n> /retry\r\n', ['stop']],
  [`${'x '.repeat(32_000)}\n\n/stop`, ['stop']],
  ['Two things:\n- the name\n- the test\n/retry mend both', ['retry']],
  ['1. the name\n   /stop', ['stop']],
  ['/stop\n===', ['stop']],
  ['/stop\r\n-- \r\nMaya', ['stop']],
  ['> ```\n> /retry\n> ```\n/stop', ['stop']],
  ['/Stop', ['stop']],
  ['/STOP!', ['stop']],
  ['/stop.', ['stop']],
  ['/stop, please', ['stop']],
])('%j holds the commands %j', (body, expected) => {
  expect(names(body)).toEqual(expected);
});

test.each([
  'please /stop',
  '`/stop`',
  '`code\n/stop\n`',
  '```\n/stop\n```',
  '~~~\n/stop',
  '    /stop',
  '> /stop',
  '> quoted\n/stop',
  '- /stop',
  '1. /stop',
  '<details>\n/stop\n</details>',
  '<!--\n/stop\n-->',
  '<!-- \n\n/stop\n\n-->',
  '<blockquote>\n\n/stop\n\n</blockquote>',
  '<details>\n<summary>log</summary>\n\n/stop\n\n</details>',
  '<pre><code>\n\n/stop\n\n</code></pre>',
  'as <code>said\n/stop\n</code>',
  '<details>\n\ntext\n\n/stop',
  '# /stop',
  '| a |\n|---|\n/stop',
  '| a |\r\n|---|\r\n/stop',
  '/stop | a\r\n---|---\r\n',
  '\uff0fstop',
  '\u2044stop',
  '\u2215stop',
  '> On Monday maya wrote:\r\n> /stop\r\n',
  '/stops',
  '/stop.md',
  '/stop:now',
  '//stop',
  '/ stop',
  '/stop-it',
  '\u200b/stop',
  '[x\n/stop](y)',
  '- > quoted\n/stop',
  '- ```\n  /stop\n  ```',
  '- a\n\n      /stop',
  '-\n\n\t/stop',
  'text <!--\n/stop\n-->',
  'text\n| a |\n|---|\n/stop',
  '',
])('%j holds no command', (body) => {
  expect(names(body)).toEqual([]);
});

test('the guidance of /retry goes on to the end of the comment or the next command, code and lists included', () => {
  const [retry, allow] = readCommands(
    '/retry use six\nand not seven\n\n- a list\n\n```js\n/stop\n```\n\n/allow docs/**',
  );

  expect(retry).toEqual({ name: 'retry', rest: 'use six\nand not seven\n\n- a list\n\n```js\n/stop\n```' });
  expect(allow).toEqual({ name: 'allow', rest: 'docs/**' });
});

test.each([
  ['', { from: null, guidance: null, unknownStage: null }],
  ['use six', { from: null, guidance: 'use six', unknownStage: null }],
  ['from verify', { from: 'verify', guidance: null, unknownStage: null }],
  ['from Plan: use six', { from: 'plan', guidance: 'use six', unknownStage: null }],
  ['from: verify', { from: 'verify', guidance: null, unknownStage: null }],
  ['verify', { from: 'verify', guidance: null, unknownStage: null }],
  ['verify the dates too', { from: null, guidance: 'verify the dates too', unknownStage: null }],
  ['from bulid', { from: null, guidance: null, unknownStage: 'bulid' }],
  ['from bulid please mend it', { from: null, guidance: 'please mend it', unknownStage: 'bulid' }],
  ['from reveiw, with care', { from: null, guidance: 'with care', unknownStage: 'reveiw,' }],
  ['from the beginning use tabs', { from: null, guidance: 'from the beginning use tabs', unknownStage: null }],
  ['from now on use tabs', { from: null, guidance: 'from now on use tabs', unknownStage: null }],
])('/retry %j is read as %j', (rest, expected) => {
  expect(readRetry(rest)).toEqual(expected);
});

test('/waive wants a name and a reason', () => {
  expect(readWaive('Lint the rule goes')).toEqual({ name: 'lint', reason: 'the rule goes' });
  expect(readWaive('lint')).toBeNull();
});

test('what ends a command like a sentence is no part of what it says', () => {
  expect(readCommands('/allow: docs/**\n/Waive, lint the rule goes')).toEqual([
    { name: 'allow', rest: 'docs/**' },
    { name: 'waive', rest: 'lint the rule goes' },
  ]);
});

test('one glob is read for /allow, in backticks when it holds spaces', () => {
  expect(readAllow('"docs/**"')).toBe('docs/**');
  expect(readAllow("'my docs/**'")).toBe('my docs/**');
  expect(readAllow("`maya's docs/**`")).toBe("maya's docs/**");
  expect(readAllow('docs/**.')).toBe('docs/**');
  expect(readAllow('"docs/**')).toBe('"docs/**');
  expect(readAllow('src/**')).toBe('src/**');
  expect(readAllow('`my docs/**`')).toBe('my docs/**');
  expect(readAllow('src/{a,b}/**')).toBe('src/{a,b}/**');
  expect(readAllow('src/a.ts src/b.ts')).toBeNull();
  expect(readAllow('src/a.ts,src/b.ts')).toBeNull();
  expect(readAllow('docs/** because the page is wrong')).toBeNull();
  expect(readAllow('')).toBeNull();
});

test('no text throws or takes long, and each command found is one of the names', () => {
  const line = fc.oneof(
    fc.string(),
    fc.constantFrom(
      '/stop',
      '/retry x',
      '```',
      '> ',
      '    ',
      '<!--',
      '-->',
      '- ',
      '`',
      '<details>',
      '</details>',
      '<blockquote',
      '\r',
    ),
  );

  fc.assert(
    fc.property(fc.array(line, { maxLength: 30 }), (lines) => {
      const startedAtMs = performance.now();
      readCommands(lines.join('\n'));
      expect(performance.now() - startedAtMs).toBeLessThan(500);
    }),
    { numRuns: 200 },
  );
});
