import { Writable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { installationName } from '../src/engine/installation.ts';
import { readSettings } from '../src/settings.ts';
import { createLog } from '../src/wiring.ts';
import { stores } from './support/stores.ts';

const token = `ghs_${'a1B2'.repeat(9)}`;
const held = {
  OPENAI_API_KEY: 'sk-model key/with+signs',
  WEBHOOK_SECRET: 'hook"secret\\with quotes',
  METRICS_TOKEN: 'metrics-token-value',
  DATABASE_URL: 'postgres://app:p%40ss%20word@db/millwright',
  MILLWRIGHT_SECRET_STAGING: 'staging-value-äöü',
  APP_ID: '1',
  PRIVATE_KEY:
    '-----BEGIN RSA PRIVATE KEY-----\nMIIEfirstlineofkeymaterial\nsecondlineofkeymaterial\n-----END RSA PRIVATE KEY-----\n',
};

describe('the log', () => {
  test('shows no secret of this process, in whichever encoding and however deep it stands', () => {
    const lines: string[] = [];
    const sink = new Writable({ write: (chunk, _encoding, done) => done(void lines.push(String(chunk))) });
    const log = createLog(readSettings(['app'], held), sink);
    const values = [
      held.OPENAI_API_KEY,
      held.WEBHOOK_SECRET,
      held.METRICS_TOKEN,
      'p@ss word',
      held.MILLWRIGHT_SECRET_STAGING,
      'MIIEfirstlineofkeymaterial',
      token,
    ];

    for (const value of values) {
      const cause = new Error(`inside of ${value}`);
      log
        .child({ run: 'r1', delivery: 'd1' })
        .error({ err: new Error(`with ${value}`, { cause }), deep: { list: [value] } }, value);
      log.info(
        { url: `https://x/?q=${encodeURIComponent(value)}`, hex: Buffer.from(value).toString('hex') },
        'encoded',
      );
      log.info(
        { basic: Buffer.from(`x-access-token:${value}`).toString('base64'), json: JSON.stringify({ value }) },
        'encoded',
      );
    }

    const text = lines.join('');
    const spellings = values
      .filter((value) => value !== token)
      .flatMap((value) => [
        value,
        JSON.stringify(value).slice(1, -1),
        encodeURIComponent(value),
        Buffer.from(value).toString('hex'),
        Buffer.from(value).toString('base64').slice(0, -4),
      ]);
    expect([...spellings, token].filter((spelling) => text.includes(spelling))).toEqual([]);
    expect(lines).toHaveLength(3 * values.length);
    for (const line of lines) expect(JSON.parse(line)).toHaveProperty('time');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ run: 'r1', delivery: 'd1' });
  });
});

describe.each(stores)('the name of an installation on %s', (_engine, open) => {
  test('is drawn once for all processes of a store, and differs from that of any other', async () => {
    const [store, elsewhere] = [await open(), await open()];

    const names = await Promise.all([store.db, store.another(), store.another()].map(installationName));

    expect(new Set(names).size).toBe(1);
    expect(names[0]).toMatch(/^[0-9a-f]{8}$/);
    expect(await installationName(elsewhere.db)).not.toBe(names[0]);
    await Promise.all([store.remove(), elsewhere.remove()]);
  });
});
