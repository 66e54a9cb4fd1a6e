import { createHmac } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type RunningApp, startApp } from '../src/app.ts';
import type { Database } from '../src/engine/database.ts';
import { migrate } from '../src/engine/migrations.ts';
import { openSqlite } from '../src/engine/sqlite.ts';
import { Tally } from '../src/tally.ts';
import { type GitHubStandIn, startGitHub } from './support/github-stand-in.ts';

const secret = 'the secret of this test';
let dir: string;
let db: Database;
let github: GitHubStandIn;
let app: RunningApp | null = null;
let lines: string[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'app-'));
  db = openSqlite(dir);
  await migrate(db);
  github = await startGitHub();
  lines = [];
});

afterEach(async () => {
  await app?.stop();
  await github.close();
  await db.close();
  await rm(dir, { recursive: true, force: true });
});

async function start(store: Database = db, level = 'info'): Promise<void> {
  const log = pino({ level }, { write: (line: string) => void lines.push(line) });
  app = await startApp(
    {
      host: '127.0.0.1',
      port: 0,
      appId: github.appId,
      privateKey: github.privateKeyPem,
      webhookSecret: secret,
      apiUrl: github.apiUrl,
      log,
      tally: new Tally(),
    },
    store,
    [],
  );
}

const payload = { action: 'opened', repository: { full_name: 'acme/small' }, issue: { number: 1 } };

function deliver(given: { id?: string; event?: string; body?: string; signature?: string; secret?: string } = {}) {
  const body = given.body ?? JSON.stringify(payload);
  const signature = `sha256=${createHmac('sha256', given.secret ?? secret)
    .update(body)
    .digest('hex')}`;
  return fetch(`http://127.0.0.1:${app?.port}/api/github/webhooks`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-github-delivery': given.id ?? 'one',
      'x-github-event': given.event ?? 'issues',
      'x-hub-signature-256': given.signature ?? signature,
    },
    body,
  });
}

const stored = async () => (await db.all<{ id: string }>('SELECT id FROM deliveries ORDER BY id')).map(({ id }) => id);

test('a signed delivery is answered once it is stored', async () => {
  await start();

  const response = await deliver();

  expect(response.status).toBe(200);
  expect(await stored()).toEqual(['one']);
});

test('the same delivery twice counts once', async () => {
  await start();

  const responses = [await deliver(), await deliver(), await deliver({ id: 'two' })];

  expect(responses.map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(await stored()).toEqual(['one', 'two']);
});

test.each([
  { what: 'a signature by another secret', given: { secret: 'another' } },
  { what: 'no valid signature', given: { signature: 'sha256=00' } },
  { what: 'an empty signature', given: { signature: '' } },
  { what: 'no JSON', given: { body: 'payload=%7B%7D' } },
])('$what is refused and nothing is stored', async ({ given }) => {
  await start();

  const response = await deliver(given);

  expect(response.status).toBe(400);
  expect(await stored()).toEqual([]);
});

test('an event of another kind is fine', async () => {
  await start();

  const response = await deliver({ event: 'star', body: JSON.stringify({ action: 'created' }) });

  expect(response.status).toBe(200);
});

test('a store that cannot write answers 500, and the delivery counts when it comes again', async () => {
  const broken: Database = {
    ...db,
    run: async () => {
      throw new Error('attempt to write a readonly database');
    },
  };
  await start(broken);

  const response = await deliver();
  await app?.stop();
  await start();
  const again = await deliver();

  expect(response.status).toBe(500);
  expect(again.status).toBe(200);
  expect(await stored()).toEqual(['one']);
});

test('a store that does not answer in time answers 500 before Probot would answer 202', {
  timeout: 20_000,
}, async () => {
  await start({ ...db, run: () => new Promise(() => {}) });

  const startedAtMs = performance.now();
  const response = await deliver();

  expect(response.status).toBe(500);
  expect(performance.now() - startedAtMs).toBeLessThan(9_000);
});

test.each(['info', 'debug'])('at level %s the log holds neither signatures nor other headers', async (level) => {
  await start(db, level);

  await deliver();
  await deliver({ id: 'two', secret: 'another' });

  const text = lines.join('');
  expect(text).toContain('delivery received');
  expect(text).not.toMatch(/x-hub-signature|sha256=|user-agent/i);
});
