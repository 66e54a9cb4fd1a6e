import fc from 'fast-check';

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
  ],
  ...[':octocat:', '- [ ] x', '</summary>', 'Closes #7', '\n\n## Rollback\n\n'],
);

/** Text that tries to be anything but text. */
export const hostileText = fc
  .array(
    fc.oneof({ weight: 3, arbitrary: nasty }, { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 6 }) }),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''));

/** The same plain data with every string in it made by `make`, but for the keys that the app itself writes. */
export function poisoned<T>(value: T, make: () => string, own: ReadonlySet<string>): T {
  const walk = (part: unknown, key: string): unknown => {
    if (typeof part === 'string') return own.has(key) ? part : make();
    if (Array.isArray(part)) return part.map((item) => walk(item, key));
    if (part !== null && typeof part === 'object') {
      return Object.fromEntries(Object.entries(part).map(([name, item]) => [name, walk(item, name)]));
    }
    return part;
  };
  return walk(value, '') as T;
}
