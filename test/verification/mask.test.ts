import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OutputCapture } from '../../src/sandbox/output-capture.ts';
import { createMask } from '../../src/verification/mask.ts';

const value = 'p@ss w0rd/with+"quotes"&ü';
const secrets = { TOKEN: value };

/** Every form in which the value may stand in a log. */
function spellings(secret: string): string[] {
  return [
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret),
    ...['', 'x', 'xy'].map((before) => Buffer.from(`${before}${secret}tail`).toString('base64')),
    Buffer.from(secret).toString('base64'),
    Buffer.from(secret).toString('base64url'),
    Buffer.from(secret).toString('hex'),
  ];
}

function wrapped(text: string, columns: number, end = '\n'): string {
  return (text.match(new RegExp(`.{1,${columns}}`, 'g')) ?? []).join(end);
}

/** As `od -tx1` writes it. */
function dumped(text: string): string {
  const bytes = [...Buffer.from(text)].map((byte) => byte.toString(16).padStart(2, '0'));
  const rows = Array.from({ length: Math.ceil(bytes.length / 16) }, (_, row) => bytes.slice(16 * row, 16 * row + 16));
  return rows.map((row, index) => `${(16 * index).toString(8).padStart(7, '0')} ${row.join(' ')}`).join('\n');
}

describe('the mask', () => {
  it.each(spellings(value).map((text) => [text]))('hides %s', (text) => {
    const masked = createMask(secrets)(`before ${text} after`);

    expect(masked).toContain('[secret TOKEN]');
    expect(masked).not.toContain(value);
    expect(Buffer.from(masked.replace(/\[secret TOKEN\]/g, ''), 'base64').toString()).not.toContain(value);
  });

  const token = 'Ab/Cd+0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWX';

  it.each([
    ['base64', (text: string) => wrapped(Buffer.from(text).toString('base64'), 76)],
    ['base64 behind a name', (text: string) => wrapped(Buffer.from(`TOKEN=${text}`).toString('base64'), 76)],
    ['base64 with CRLF', (text: string) => wrapped(Buffer.from(text).toString('base64'), 64, '\r\n')],
    ['base64 in JSON', (text: string) => JSON.stringify(wrapped(Buffer.from(text).toString('base64'), 76))],
    ['base64 in PHP', (text: string) => Buffer.from(text).toString('base64').replaceAll('/', '\\/')],
    ['base64 in a URL', (text: string) => encodeURIComponent(Buffer.from(text).toString('base64'))],
    ['xxd -p', (text: string) => wrapped(Buffer.from(text).toString('hex'), 60)],
    ['hexadecimal in upper case', (text: string) => Buffer.from(text).toString('hex').toUpperCase()],
    ['od -tx1', (text: string) => dumped(text)],
    ['od -tx1, without offsets', (text: string) => dumped(text).replace(/^\w{7}/gm, '')],
    ['hexadecimal with colons', (text: string) => (Buffer.from(text).toString('hex').match(/../g) ?? []).join(':')],
    ['\\x', (text: string) => Buffer.from(text).toString('hex').replace(/../g, '\\x$&')],
  ])('hides a long value as tools lay it out: %s', (_tool, spell) => {
    const masked = createMask({ TOKEN: token })(`before ${spell(token)} after`);

    expect(masked).toMatch(/^before "?(?:0000000 )?(?:\\x)?\s*(?:VE9LRU49)?\[secret TOKEN\][^[]{0,12} after$/);
  });

  it.each([
    ['JavaScript, URLSearchParams', "Ab/C!d'(*)~ ü", 'Ab%2FC%21d%27%28*%29%7E+%C3%BC'],
    ['a URL with small digits', 'Ab/Cd:Ef', 'Ab%2fCd%3aEf'],
    ['a URL in a URL', 'Ab/Cd:Ef', 'Ab%252FCd%253AEf'],
    ['Python, quote', 'Ab/Cd:Ef ü', 'Ab/Cd%3AEf%20%C3%BC'],
    ['Python, quote_plus', "it's (a) b*d!", 'it%27s+%28a%29+b%2Ad%21'],
    ['Python, json.dumps', 'pässwörd😀x', 'p\\u00e4ssw\\u00f6rd\\ud83d\\ude00x'],
    ['Python, repr', 'a\'b"c\\d\te', 'a\\\'b"c\\\\d\\te'],
    ['Python, repr of bytes', 'pässwörd', 'p\\xc3\\xa4ssw\\xc3\\xb6rd'],
    ['Python, shlex.quote', "it's secret", "'it'\"'\"'s secret'"],
    ['PHP, json_encode', 'Ab/Cd/Ef"g', 'Ab\\/Cd\\/Ef\\"g'],
    ['Go, json.Marshal', 'a<b>c&d"e', 'a\\u003cb\\u003ec\\u0026d\\"e'],
    ['JSON in JSON', 'a"b\\c\nd', JSON.stringify(JSON.stringify('a"b\\c\nd')).slice(3, -3)],
    ['HTML', 'a<b>c&d"e\'f', 'a&lt;b&gt;c&amp;d&quot;e&#39;f'],
    ['HTML, hexadecimal', 'a<b>c&d"e\'f', 'a&#x3C;b&#x3e;c&amp;d&#34;e&#x27;f'],
    ['HTML in HTML', 'a<b>c&d', 'a&amp;lt;b&amp;gt;c&amp;amp;d'],
    ['shell, set -x', "it's se'cret", "'it'\\''s se'\\''cret'"],
    ['shell, printf %q', 'a b$c"d\'e!', 'a\\ b\\$c\\"d\\\'e\\!'],
    ['shell, printf %q of other bytes', "pä\tb'c\x1bd", "$'p\\303\\244\\tb\\'c\\Ed'"],
    ['YAML and CSV', 'it\'s "so" x', 'it\'\'s ""so"" x'],
    ['CRLF', 'ab\ncd\nef', 'ab\r\ncd\r\nef'],
  ])('hides what %s makes of %j', (_encoder, secret, text) => {
    const masked = createMask({ TOKEN: secret })(`before ${text} after`);

    expect(masked).toMatch(/^before \$?'?\[secret TOKEN\]'? after$/);
  });

  it.each([
    wrapped(Buffer.from(token).toString('base64'), 20),
    dumped(token),
    encodeURIComponent("+/'!ü <>&".repeat(9)),
  ])('hides what a cut left of a value that was laid out: %s', (text) => {
    const mask = createMask({ TOKEN: token, SIGNS: "+/'!ü <>&".repeat(9) });

    for (let at = 20; at < text.length - 20; at++) {
      const masked = mask(`x ${text.slice(0, at)}\n[… 9 bytes cut …]\n${text.slice(at)} y`);

      expect(masked.replace(/\[secret \w+\]|bytes cut/g, '').length).toBeLessThan(50);
    }
  });

  it('leaves no spelling of any value in any text', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 6, maxLength: 40, unit: 'binary' }).filter((text) => text.trim().length >= 6),
        fc.nat(8),
        (secret, which) => {
          const text = spellings(secret)[which] ?? secret;
          const masked = createMask({ KEY: secret })(`a ${text} z`);

          expect(masked).not.toContain(text);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('hides the lines of a value that has several', () => {
    const key = '-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA\nq83vEjRWeJA=\n-----END KEY-----';

    expect(createMask({ KEY: key })('  MIIEpAIBAAKCAQEA\n')).toBe('  [secret KEY]\n');
  });

  it('leaves text without secrets as it is, and does nothing without values', () => {
    expect(createMask(secrets)('nothing here')).toBe('nothing here');
    expect(createMask({ EMPTY: '', SHORT: 'ab' })('ab and more')).toBe('ab and more');
  });

  it('is idempotent and takes the longer of two values', () => {
    const mask = createMask({ A: 'abcdef', B: 'abcdef-longer' });

    expect(mask('abcdef-longer abcdef')).toBe('[secret B] [secret A]');
    expect(mask(mask('abcdef-longer'))).toBe('[secret B]');
  });

  /** Those without neighbours, which are no part of the value. */
  const alone = spellings(value).filter((_text, index) => index < 3 || index > 5);

  it.each(alone.map((text) => [text]))('hides what an output that was cut still holds of %s', (text) => {
    const mask = createMask(secrets);

    for (let shown = 0; shown <= text.length; shown++) {
      const start = `${'.'.repeat(100 - shown)}${text.slice(0, shown)}`;
      const end = `${text.slice(text.length - shown)}${'.'.repeat(100 - shown)}`;
      const output = new OutputCapture(100);
      output.write(Buffer.from(`${start}${text.slice(shown)} … ${text.slice(0, text.length - shown)}${end}`));

      const left = mask(output.captured().text).replace(/\[secret TOKEN\]|bytes cut/g, '');

      // Shorter pieces are in too many innocent texts, and base64 shares its first and last characters with its neighbours.
      for (let at = 0; at + 8 <= text.length; at++) expect(left).not.toContain(text.slice(at, at + 8));
    }
  });

  it('looks beside the cut of a long output no longer than beside that of a short one', () => {
    const key = Array.from({ length: 60 }, (_, line) => `${line}`.padEnd(64, 'a')).join('\n');
    const mask = createMask({ KEY: key });
    const text = `${'a'.repeat(1_000_000)}\n[… 9 bytes cut …]\n${'a'.repeat(1_000_000)}`;

    const startedMs = process.cpuUsage().user;
    mask(text);

    expect((process.cpuUsage().user - startedMs) / 1000).toBeLessThan(2_000);
  });
});
