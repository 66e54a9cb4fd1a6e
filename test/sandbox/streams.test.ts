import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameReader, readFrames } from '../../src/sandbox/frame-reader.ts';
import { MarkedStream } from '../../src/sandbox/marked-stream.ts';
import { OutputCapture } from '../../src/sandbox/output-capture.ts';
import { printfWord, quote } from '../../src/sandbox/shell-script.ts';

const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));

/** The same bytes, cut at random places. */
function cut(data: Buffer, places: readonly number[]): Buffer[] {
  const at = [...new Set(places.map((place) => place % (data.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((from, index) => data.subarray(from, [...at, data.length][index]));
}

describe('output capture', () => {
  it('keeps everything that fits, and otherwise exactly the head, the tail and the count', () => {
    fc.assert(
      fc.property(
        fc.array(fc.stringMatching(/^[a-z]{0,30}$/), { maxLength: 12 }),
        fc.integer({ min: 0, max: 40 }),
        (chunks, keep) => {
          const capture = new OutputCapture(keep);
          const all = chunks.join('');

          for (const chunk of chunks) capture.write(Buffer.from(chunk));
          const { text, totalBytes, truncated } = capture.captured();

          expect(totalBytes).toBe(all.length);
          expect(truncated).toBe(all.length > 2 * keep);
          const missing = `\n[… ${all.length - 2 * keep} bytes cut …]\n`;
          expect(text).toBe(truncated ? `${all.slice(0, keep)}${missing}${all.slice(all.length - keep)}` : all);
        },
      ),
    );
  });

  it('does not show half a character where it cut', () => {
    const capture = new OutputCapture(4);

    capture.write(Buffer.from('aé€😀😀€éa'));

    expect(capture.captured().text).toBe('aé\n[… 14 bytes cut …]\néa');
  });
});

describe("Docker's frames", () => {
  it('come apart the same wherever the chunks were cut', () => {
    const frame = fc.record({ kind: fc.constantFrom(1 as const, 2 as const), body: bytes(40) });
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 8 }), fc.array(fc.nat(), { maxLength: 12 }), (frames, places) => {
        const stream = Buffer.concat(
          frames.flatMap(({ kind, body }) => {
            const header = Buffer.alloc(8);
            header[0] = kind;
            header.writeUInt32BE(body.length, 4);
            return [header, body];
          }),
        );
        const seen = { 1: [] as Buffer[], 2: [] as Buffer[] };
        const reader = new FrameReader((kind, body) => void seen[kind].push(Buffer.from(body)));

        for (const chunk of cut(stream, places)) reader.push(chunk);

        for (const kind of [1, 2] as const) {
          const sent = frames.filter((one) => one.kind === kind).map(({ body }) => body);
          expect(Buffer.concat(seen[kind])).toEqual(Buffer.concat(sent));
        }
      }),
    );
  });

  it('are freed once they were read, unless they share their memory with others', async () => {
    const frame = Buffer.from([1, 0, 0, 0, 0, 0, 0, 2, 0x61, 0x62]);
    const own = Buffer.from(new Uint8Array(frame).buffer);
    const shared = Buffer.concat([frame, frame]).subarray(0, frame.length);
    let text = '';
    const reader = new FrameReader((_kind, body) => (text += body.toString()));
    const stream = Readable.from([own, shared]);

    readFrames(stream, reader);
    await once(stream, 'end');

    expect([text, own.length, shared.length]).toEqual(['abab', 0, frame.length]);
  });
});

describe('a marked stream', () => {
  const nonce = 'c0ffee'.repeat(5);

  it('gives exactly the body wherever the chunks were cut, and whatever in it looks like the beginning of a marker', () => {
    const alike = fc.constantFrom(`\n${nonce} en`, `\n${nonce} go\n`, nonce, '\n').map((text) => Buffer.from(text));
    const bodies = fc.array(fc.oneof(bytes(80), alike), { maxLength: 6 }).map((parts) => Buffer.concat(parts));
    fc.assert(
      fc.property(bodies, fc.array(fc.nat(), { maxLength: 12 }), (body, places) => {
        const seen: Buffer[] = [];
        const stream = new MarkedStream(nonce, (part) => void seen.push(Buffer.from(part)));
        const whole = Buffer.concat([Buffer.from(`${nonce} go\n`), body, Buffer.from(`\n${nonce} end 3 0 7\n`)]);

        for (const chunk of cut(whole, places)) stream.push(chunk);

        expect(Buffer.concat(seen)).toEqual(body);
        expect(stream.end).toEqual({ code: 3, held: false, oomKills: 7 });
        expect(stream.foreign).toBe(false);
      }),
    );
  });

  it('notices what was written before its start and after its end', () => {
    const before = new MarkedStream(nonce, () => {});
    before.push(Buffer.from(`noise${nonce} go\n`));
    const after = new MarkedStream(nonce, () => {});
    after.push(Buffer.from(`${nonce} go\n\n${nonce} end 0 1 -\n`));
    after.push(Buffer.from('noise'));

    expect(before.foreign).toBe(true);
    expect(after).toMatchObject({ foreign: true, end: { code: 0, held: true, oomKills: null } });
  });

  it('hands on what follows a forged end marker, holds little of it back, and still finds the true one', () => {
    const seen: Buffer[] = [];
    const stream = new MarkedStream(nonce, (part) => void seen.push(Buffer.from(part)));
    const forged = `\n${nonce} end ${'A'.repeat(20_000)}\n${nonce} end of it\n`;

    stream.push(Buffer.from(`${nonce} go\n`));
    for (let at = 0; at < forged.length; at += 1000) {
      stream.push(Buffer.from(forged.slice(at, at + 1000)));
      expect(at - Buffer.concat(seen).length).toBeLessThan(200);
    }
    stream.push(Buffer.from(`\n${nonce} end 3 0 7\n`));

    expect(Buffer.concat(seen).toString()).toBe(forged);
    expect(stream).toMatchObject({ foreign: true, end: { code: 3, held: false, oomKills: 7 } });
  });

  it('hands on what it held back when the stream ends without a marker', () => {
    const seen: string[] = [];
    const stream = new MarkedStream(nonce, (part) => void seen.push(part.toString()));

    stream.push(Buffer.from(`${nonce} go\nlast words\n${nonce} e`));
    stream.flush();

    expect(seen.join('')).toBe(`last words\n${nonce} e`);
    expect(stream.end).toBeNull();
  });
});

describe('a word for the shell', () => {
  it('says any bytes through printf', () => {
    fc.assert(
      fc.property(bytes(300), (data) => {
        const said = execFileSync('/bin/sh', ['-c', `printf '%b' ${printfWord(data)}`]);

        expect(said.equals(data)).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  it('holds any text as one argument', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0')),
        (text) => {
          const said = execFileSync('/bin/sh', ['-c', `printf '%s' ${quote(text)}`]).toString();

          expect(said).toBe(text);
        },
      ),
      { numRuns: 40 },
    );
  });
});
