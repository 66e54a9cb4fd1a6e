import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { freeSpace, pauseOf } from '../../src/pause.ts';
import type { EngineStatus } from '../../src/sandbox/sandbox.ts';
import { healthHandler } from '../../src/web/health.ts';
import { openSqliteStore } from '../support/stores.ts';

const token = 'a-long-token';
let closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closing.reverse()) await close();
  closing = [];
});

async function serve(engine: EngineStatus, free?: number): Promise<string> {
  const store = await openSqliteStore();
  const host = { dataDir: store.address, operatorPolicy: free === undefined ? null : { retention: { free } } };
  const handler = healthHandler(store.db, token, () => pauseOf({ sandbox: { status: async () => engine }, host }));
  const server = createServer((request: IncomingMessage, response) => void handler(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(store.remove, async () => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const answerOf = async (url: string, headers: Record<string, string> = {}) => {
  const answer = await fetch(url, { headers });
  return { status: answer.status, body: await answer.json() };
};

test('a service with store and engine is alive and ready', async () => {
  const url = await serve({ available: true });

  expect(await answerOf(`${url}/healthz`)).toEqual({ status: 200, body: { ok: true } });
  expect(await answerOf(`${url}/readyz`)).toEqual({ status: 200, body: { ready: true, reasons: [] } });
});

test('without an engine the service is alive but not ready, and says why to this machine or with the token alone', async () => {
  const url = await serve({ available: false, reason: 'nobody listens' });
  const proxy = { 'x-forwarded-for': '203.0.113.9' };

  const here = await answerOf(`${url}/readyz`);
  const stranger = await answerOf(`${url}/readyz`, proxy);
  const known = await answerOf(`${url}/readyz`, { ...proxy, authorization: `Bearer ${token}` });

  expect((await answerOf(`${url}/healthz`)).status).toBe(200);
  expect(here).toEqual({ status: 503, body: { ready: false, reasons: ['no sandbox engine: nobody listens'] } });
  expect(stranger).toEqual({ status: 503, body: { ready: false } });
  expect(known).toEqual(here);
});

test('with less free disk than the operator wants left, the service is not ready and says where', async () => {
  const url = await serve({ available: true, dataRoot: '/nowhere/to/be/seen' }, 2 ** 60);

  const answer = await answerOf(`${url}/readyz`);

  expect(answer).toEqual({
    status: 503,
    body: {
      ready: false,
      reasons: [
        expect.stringMatching(
          /^the disk is nearly full: [\d.]+ GiB free for the data folder \(.+\), less than .+ \(retention\.free\)$/,
        ),
      ],
    },
  });
});

test('the disk of the Docker engine counts where it can be seen from here', async () => {
  const url = await serve({ available: true, dataRoot: '/' }, 0);

  expect((await answerOf(`${url}/readyz`)).status).toBe(200);
  expect(
    await freeSpace({
      sandbox: { status: async () => ({ available: true, dataRoot: '/' }) },
      host: { dataDir: '/nowhere', operatorPolicy: null },
    }),
  ).toEqual([{ place: 'docker', path: '/', freeBytes: expect.any(Number) }]);
});
