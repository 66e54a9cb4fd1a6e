import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { enqueueRun, requestCancel } from '../../src/engine/runs.ts';
import type { SandboxEngine } from '../../src/sandbox/sandbox.ts';
import { metricsHandler } from '../../src/web/metrics.ts';
import { newRun } from '../support/new-run.ts';
import { stores, type TestStore } from '../support/stores.ts';

const sandbox = { status: async () => ({ available: true }) } as Pick<SandboxEngine, 'status'>;
let closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closing.reverse()) await close();
  closing = [];
});

async function serve(store: TestStore, token: string | null): Promise<string> {
  const handler = metricsHandler({ db: store.db, sandbox }, token);
  const server = createServer((request: IncomingMessage, response) => void handler(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(store.remove, async () => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`;
}

describe.each(stores)('metrics on %s', (_name, openStore) => {
  test('tell runs by state, ended runs by outcome, and whether an engine answers', async () => {
    const store = await openStore();
    await enqueueRun(store.db, newRun(1));
    const { run } = await enqueueRun(store.db, newRun(2));
    await requestCancel(store.db, run.id, { by: 'ada', reason: '' });
    const url = await serve(store, null);

    const answer = await fetch(url);

    const text = await answer.text();
    expect(answer.headers.get('content-type')).toContain('text/plain');
    expect(text).toContain('millwright_runs{state="queued"} 1');
    expect(text).toContain('millwright_run_outcomes{outcome="stopped"} 1');
    expect(text).toContain('millwright_sandbox_available 1');
    expect(text).toContain('millwright_merged_pull_requests{repository="github.com/acme/shop"} 0');
    expect(text).toContain('millwright_cost_dollars{repository="github.com/acme/shop"} 0');
    expect(text).not.toContain('millwright_rework_ratio{');
  });
});

test('metrics asked for through a proxy need the token', async () => {
  const openStore = stores[0]?.[1];
  if (!openStore) throw new Error('there is no embedded store');
  const url = await serve(await openStore(), 'a-long-token');
  const forwarded = { 'x-forwarded-for': '203.0.113.9' };

  const refused = await fetch(url, { headers: forwarded });
  const wrong = await fetch(url, { headers: { ...forwarded, authorization: 'Bearer another-token' } });
  const allowed = await fetch(url, { headers: { ...forwarded, authorization: 'Bearer a-long-token' } });

  expect([refused.status, wrong.status, allowed.status]).toEqual([401, 401, 200]);
});
