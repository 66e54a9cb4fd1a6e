import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { enqueueRun, requestCancel } from '../../src/engine/runs.ts';
import { reserve, settle } from '../../src/engine/spend.ts';
import { heartbeatWorker } from '../../src/engine/workers.ts';
import { metricTable } from '../../src/metric-table.ts';
import type { SandboxEngine } from '../../src/sandbox/sandbox.ts';
import { Tally } from '../../src/tally.ts';
import { metricsHandler } from '../../src/web/metrics.ts';
import { newRun } from '../support/new-run.ts';
import { stores, type TestStore } from '../support/stores.ts';

const sandbox = { status: async () => ({ available: true }) } as Pick<SandboxEngine, 'status'>;
let closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closing.reverse()) await close();
  closing = [];
});

async function serve(store: TestStore, token: string | null, tally = new Tally()): Promise<string> {
  const host = { dataDir: '/', operatorPolicy: null };
  const handler = metricsHandler({ db: store.db, sandbox, tally, host }, token);
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
    expect(text).toMatch(/^millwright_disk_free_bytes\{place="data"\} \d+$/m);
    expect(text).toMatch(/^millwright_store_bytes [1-9]\d+$/m);
  });

  test('tell what all processes of a store have counted, and what one read last', async () => {
    const store = await openStore();
    const [one, other] = [new Tally(), new Tally()];
    for (const seconds of [0.2, 2, 7200]) one.observe('millwright_stage_seconds', { stage: 'build' }, seconds);
    one.count('millwright_model_calls_total', { model: 'a "quoted" one', result: 'stop' });
    one.read('millwright_github_rate_limit_remaining', { installation: '7', resource: 'core' }, 4999);
    await one.flush(store.db);
    other.observe('millwright_stage_seconds', { stage: 'build' }, 0.2);
    other.count('millwright_model_calls_total', { model: 'a "quoted" one', result: 'stop' }, 2);
    other.read('millwright_github_rate_limit_remaining', { installation: '7', resource: 'core' }, 4990);
    const url = await serve(store, null, other);

    const text = await (await fetch(url)).text();

    const bucket = (le: string) => `millwright_stage_seconds_bucket{stage="build",le="${le}"}`;
    for (const line of [
      '# TYPE millwright_stage_seconds histogram',
      `${bucket('0.05')} 0`,
      `${bucket('0.25')} 2`,
      `${bucket('5')} 3`,
      `${bucket('3600')} 3`,
      `${bucket('+Inf')} 4`,
      'millwright_stage_seconds_sum{stage="build"} 7202.4',
      'millwright_stage_seconds_count{stage="build"} 4',
      'millwright_model_calls_total{model="a \\"quoted\\" one",result="stop"} 3',
      'millwright_github_rate_limit_remaining{installation="7",resource="core"} 4990',
    ])
      expect(text.split('\n')).toContain(line);
  });

  test('tell spend, workers that are paused and how long a run waits for its turn', async () => {
    const store = await openStore();
    await enqueueRun(store.db, newRun(1));
    await store.db.run('UPDATE runs SET run_after_ms = run_after_ms - 60000');
    await heartbeatWorker(store.db, { id: 'w1', capacity: 3, info: { paused: 'disk' } });
    await heartbeatWorker(store.db, { id: 'web', capacity: 0 });
    const budgets = ['issue:a#1', 'repo:a:2026-01-01'].map((key) => ({ key, limitUsd: null, limitTokens: null }));
    const held = await reserve(store.db, { runId: 'r', budgets, worstUsd: 1, worstTokens: 9 });
    await settle(store.db, held.ok ? held.reservation : '', { usd: 0.25, tokens: 5 });
    const url = await serve(store, null);

    const text = await (await fetch(url)).text();

    expect(text).toMatch(/^millwright_queue_age_seconds 6\d(\.\d+)?$/m);
    for (const line of [
      'millwright_spend_dollars 0.25',
      'millwright_spend_tokens 5',
      'millwright_workers{kind="worker"} 1',
      'millwright_workers{kind="web"} 1',
      'millwright_worker_capacity 3',
      'millwright_workers_paused{reason="disk"} 1',
      'millwright_workers_paused{reason="engine"} 0',
    ])
      expect(text.split('\n')).toContain(line);
  });

  test('are all in the table, and every one in the table is known to Prometheus by type and help', async () => {
    const store = await openStore();
    const url = await serve(store, null);

    const text = await (await fetch(url)).text();

    const told = [...text.matchAll(/^# TYPE (\S+) (\w+)$/gm)].map(([, name = '', type]) => [name, type]);
    const table = Object.entries(metricTable).map(([name, { type }]) => [name, type]);
    expect(table).toEqual(expect.arrayContaining(told));
    const counters = table.filter(([, type]) => type !== 'gauge');
    expect(told).toEqual(expect.arrayContaining(counters));
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
