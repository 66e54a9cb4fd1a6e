import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createMask, createStreamMask } from '../../src/verification/mask.ts';

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

  it('hides a value that a stream brings in pieces, however it is cut, and loses nothing else', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(80), { maxLength: 12 }), fc.nat(8), (cuts, which) => {
        const text = `one ${spellings(value)[which]} two ${value} three`;
        const stream = createStreamMask(secrets);
        let out = '';
        let at = 0;
        for (const cut of [...cuts].sort((a, b) => a - b)) {
          out += stream.push(text.slice(at, Math.max(at, cut)));
          at = Math.max(at, cut);
        }
        out += stream.push(text.slice(at)) + stream.end();

        expect(out).toBe(createMask(secrets)(text));
      }),
      { numRuns: 500 },
    );
  });
});
