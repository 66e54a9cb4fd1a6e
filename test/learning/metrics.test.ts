import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../../src/engine/database.ts';
import { append } from '../../src/engine/ledger.ts';
import { dueRecords, markWeeks } from '../../src/engine/records.ts';
import { beginAttempt, endRun, enqueueRun, getRun, requestCancel } from '../../src/engine/runs.ts';
import { measureNextEnd } from '../../src/learning/measure.ts';
import { type Metrics, readMetrics } from '../../src/learning/metrics.ts';
import type { Run } from '../../src/run.ts';
import { newRun } from '../support/new-run.ts';
import { stores, type TestStore } from '../support/stores.ts';

const dayMs = 24 * 60 * 60_000;
const shop = 'github.com/acme/shop';
const log = pino({ level: 'silent' });
const host = { githubHost: 'github.com' };

describe.each(stores)('metrics over time on %s', (_engine, open) => {
  let store: TestStore;
  let db: Database;
  beforeEach(async () => {
    store = await open();
    db = store.db;
  });
  afterEach(() => store.remove());

  const outcome = (code: string) => ({ code, text: code, question: null, detail: null });
  const finish = async (run: Run, ...codes: string[]) => {
    await db.run(`UPDATE runs SET state = 'done' WHERE id = $1`, run.id);
    for (const code of codes) expect(await endRun(db, run.id, 'done', outcome(code))).toBe(true);
  };
  const measureAll = async () => {
    let ends = 0;
    while (await measureNextEnd({ db, log, host })) ends += 1;
    return ends;
  };
  const started = async (issue: number, slug = 'acme/shop') => (await enqueueRun(db, newRun(issue, slug))).run;
  const verdict = (run: Run, name: string, next: string, savedAtMs: number, findings: string[] = []) =>
    db.run(
      'INSERT INTO stages (run_id, attempt, name, output, saved_at_ms) VALUES ($1, $2, $3, $4, $5)',
      run.id,
      run.attempt,
      name,
      JSON.stringify({ value: verdictOf(next, findings) }),
      savedAtMs,
    );
  const moveEnd = async (run: Run, byMs: number) => {
    await db.run(
      `UPDATE records SET ended_at_ms = ended_at_ms - CAST($2 AS BIGINT),
         week = (ended_at_ms - CAST($2 AS BIGINT) + 259200000) / 604800000 WHERE run_id = $1`,
      run.id,
      byMs,
    );
    await markWeeks(db, run.id);
  };
  const only = (groups: Metrics[]) => {
    expect(groups).toHaveLength(1);
    return groups[0] as Metrics;
  };
  const now = () => ({ nowMs: Date.now() });

  test('tell of a store without an end nothing', async () => {
    await started(1);

    expect(await readMetrics(db, now())).toEqual([]);
    expect(await readMetrics(db, { ...now(), by: 'all' })).toEqual([]);
    expect(await readMetrics(db, { ...now(), repositories: [] })).toEqual([]);
  });

  test('tell each end by repository and week, with its outcome', async () => {
    const first = await started(1);
    await requestCancel(db, first.id, { by: 'ada', reason: null });
    const second = await started(2);
    await endRun(db, second.id, 'waiting', outcome('question'));
    const other = await started(1, 'acme/site');
    await endRun(db, other.id, 'failed', outcome('limit.tokens'));
    await moveEnd(other, 21 * dayMs);

    const groups = await readMetrics(db, now());

    const monday = new Date(Date.now() - ((new Date().getUTCDay() + 6) % 7) * dayMs).toISOString().slice(0, 10);
    expect(groups).toMatchObject([
      { repository: shop, week: monday, runs: 2, outcomes: { stopped: 1, question: 1 }, merged: 0 },
      { repository: 'github.com/acme/site', runs: 1, outcomes: { 'limit.tokens': 1 } },
    ]);
    expect(Date.parse(groups[1]?.week ?? '')).toBe(Date.parse(monday) - 21 * dayMs);
    expect(only(await readMetrics(db, { ...now(), weeks: 2 })).repository).toBe(shop);
    expect(only(await readMetrics(db, { ...now(), repositories: ['github.com/acme/site'] })).runs).toBe(1);
    expect(only(await readMetrics(db, { ...now(), by: 'all' }))).toMatchObject({
      repository: null,
      week: null,
      runs: 3,
    });
    expect((await readMetrics(db, { ...now(), by: 'repository' })).map(({ runs }) => runs)).toEqual([2, 1]);
    expect((await readMetrics(db, { ...now(), by: 'week' })).map(({ runs }) => runs)).toEqual([2, 1]);
  });

  test('tell rework, first rounds, times and cost of what was measured', async () => {
    const usage = { inputTokens: 1000, cachedInputTokens: 0, outputTokens: 500 };
    const smooth = await started(1);
    await verdict(smooth, 'verify-1', 'open', smooth.createdAtMs + 60_000);
    await append(db, { runId: smooth.id, kind: 'model.call', data: { model: 'm', usage, costUsd: 0.5 } });
    await finish(smooth, 'review', 'merged');
    const rough = await started(2);
    await verdict(rough, 'verify-1', 'build', rough.createdAtMs + 60_000, ['unit']);
    await verdict(rough, 'verify-2', 'open', rough.createdAtMs + 180_000);
    await append(db, { runId: rough.id, kind: 'model.call', data: { model: 'm', usage, costUsd: 1 } });
    await finish(rough, 'review');
    await started(3).then((run) => endRun(db, run.id, 'failed', outcome('limit.minutes')));

    expect(await measureAll()).toBe(3);

    expect(only(await readMetrics(db, now()))).toMatchObject({
      runs: 3,
      merged: 1,
      rework: { count: 1, of: 2 },
      firstRoundPass: { count: 1, of: 2 },
      timeToPatchMs: 120_000,
      reviewMs: expect.any(Number),
      escapedDefects: { count: 0, of: 1 },
      tokens: 3000,
      costUsd: 1.5,
      costPerMergedUsd: 1.5,
      unpricedRuns: 0,
    });
  });

  test('tell no cost for each merge where a price is not known', async () => {
    const run = await started(1);
    const usage = { inputTokens: 1000, cachedInputTokens: 0, outputTokens: 500 };
    await append(db, { runId: run.id, kind: 'model.call', data: { model: 'm', usage, costUsd: null } });
    await finish(run, 'merged');

    await measureAll();

    expect(only(await readMetrics(db, now()))).toMatchObject({ costUsd: 0, unpricedRuns: 1, costPerMergedUsd: null });
  });

  test('count a run once, by its newest attempt, and another attempt as rework', async () => {
    const run = await started(1);
    await verdict(run, 'verify-1', 'open', run.createdAtMs + 1_000);
    await finish(run, 'review');
    await measureAll();
    const again = await beginAttempt(db, run.id, { from: 'build', reason: 'retry', by: 'ada', guidance: 'smaller' });
    expect(only(await readMetrics(db, now()))).toMatchObject({
      runs: 1,
      outcomes: { review: 1 },
      rework: { count: 0 },
    });
    await endRun(db, again?.id ?? '', 'waiting', outcome('stuck'));
    await requestCancel(db, run.id, { by: 'ada', reason: null });

    await measureAll();

    expect(only(await readMetrics(db, now()))).toMatchObject({
      runs: 1,
      outcomes: { stopped: 1 },
      rework: { count: 1, of: 1 },
      firstRoundPass: { count: 1, of: 1 },
    });
  });

  test('are measured once for each word on an end, by however many processes', async () => {
    const run = await started(1);
    await verdict(run, 'verify-1', 'fail', run.createdAtMs + 1_000, ['unit']);
    await endRun(db, run.id, 'failed', outcome('verification-failed'));
    const other = store.another();

    await Promise.all([measureNextEnd({ db, log, host }), measureNextEnd({ db: other, log, host })]);

    expect(await dueRecords(db, 10)).toEqual([]);
    const told = () => db.all<{ data: string }>(`SELECT data FROM events WHERE kind = 'learn.record' ORDER BY id`);
    expect(await told()).toHaveLength(1);
    expect(JSON.parse((await told())[0]?.data ?? '')).toMatchObject({
      outcome: 'verification-failed',
      state: 'failed',
      sentBack: [{ round: 1, findings: ['unit'] }],
      judged: true,
      firstRoundPass: false,
    });
    expect(await getRun(db, run.id)).toMatchObject({ state: 'failed' });
  });

  test('are not kept from others by an end that cannot be measured', async () => {
    const broken = await started(1);
    await db.run(
      `INSERT INTO stages (run_id, attempt, name, output, saved_at_ms) VALUES ($1, 1, 'verify-1', '{"value":{}}', 0)`,
      broken.id,
    );
    await endRun(db, broken.id, 'failed', outcome('stuck'));
    const fine = await started(2);
    await endRun(db, fine.id, 'failed', outcome('stuck'));

    await measureAll();

    expect(await dueRecords(db, 10)).toEqual([]);
    expect(only(await readMetrics(db, now())).runs).toBe(2);
  });
});

function verdictOf(next: string, findings: readonly string[]) {
  return {
    base: 'b',
    tree: 't',
    checks: [],
    findings: findings.map((name) => ({
      name,
      gate: 'check',
      message: name,
      paths: [],
      next,
      waivedBy: null,
      waiveReason: null,
    })),
    criteria: [],
    tests: [],
    notes: [],
    rollbackTried: null,
    blocked: [],
    annotations: [],
    next,
    feedback: null,
    question: null,
    conclusion: 'none',
  };
}
