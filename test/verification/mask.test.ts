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

describe('the mask', () => {
  it.each(spellings(value).map((text) => [text]))('hides %s', (text) => {
    const masked = createMask(secrets)(`before ${text} after`);

    expect(masked).toContain('[secret TOKEN]');
    expect(masked).not.toContain(value);
    expect(Buffer.from(masked.replace(/\[secret TOKEN\]/g, ''), 'base64').toString()).not.toContain(value);
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
