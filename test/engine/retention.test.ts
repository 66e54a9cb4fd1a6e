import { statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { claimRun, type Lease } from '../../src/engine/claim.ts';
import { once } from '../../src/engine/effects.ts';
import { finishDelivery, receiveDelivery } from '../../src/engine/inbox.ts';
import { append } from '../../src/engine/ledger.ts';
import { deleteOldRows, eraseOldRuns, finishErasing, repositoriesInUse } from '../../src/engine/retention.ts';
import { endRun, enqueueRun, getRun, moveRun } from '../../src/engine/runs.ts';
import { reserve, settle, spentOn } from '../../src/engine/spend.ts';
import { createSteps } from '../../src/engine/steps.ts';
import { setTimer } from '../../src/engine/timers.ts';
import type { RunState } from '../../src/run.ts';
import { newRun } from '../support/new-run.ts';
import { openSqliteStore, stores, type TestStore } from '../support/stores.ts';

const dayMs = 24 * 60 * 60_000;

describe.each(stores)('retention on %s', (_engine, open) => {
  let store: TestStore;
  beforeEach(async () => {
    store = await open();
  });
  afterEach(() => store.remove());

  const count = async (table: string) =>
    Number((await store.db.all<{ n: number }>(`SELECT COUNT(*) AS n FROM ${table}`))[0]?.n);
  const outcome = (code: string) => ({ code, text: code, question: null, detail: null });
  /** As if everything so far had been done so many days ago. */
  const age = (days: number) =>
    store.db.run(
      `UPDATE runs SET updated_at_ms = updated_at_ms - $1, created_at_ms = created_at_ms - $1, ended_at_ms = ended_at_ms - $1`,
      days * dayMs,
    );

  /** A run with a ledger, a saved stage and an effect, brought to a state. */
  async function runIn(
    state: RunState,
    issue: number,
    more: { code?: string; pullRequest?: number; slug?: string } = {},
  ) {
    const { run } = await enqueueRun(store.db, newRun(issue, more.slug));
    if (state === 'queued') return run.id;
    const lease = (await claimRun(store.db, { id: 'w', capacity: 99 })) as Lease;
    await createSteps(store.db, lease).save('plan', z.string(), 'saved');
    await once(store.db, run.id, 'pushed', async () => {});
    if (state !== 'running') {
      const fields = more.pullRequest === undefined ? {} : { pullRequest: more.pullRequest };
      await moveRun(store.db, lease, state, { outcome: outcome(more.code ?? 'failed'), ...fields });
    }
    return run.id;
  }

  test('erases a run that ended long ago with all that it left, and nothing of one that ended lately', async () => {
    const old = await runIn('failed', 1);
    await age(91);
    const recent = await runIn('failed', 2);

    expect(await eraseOldRuns(store.db, 90 * dayMs)).toBe(1);

    expect(await getRun(store.db, old)).toBeNull();
    expect((await getRun(store.db, recent))?.state).toBe('failed');
    for (const table of ['events', 'stages', 'effects'])
      expect(await store.db.all(`SELECT DISTINCT run_id FROM ${table}`)).toEqual([{ run_id: recent }]);
  });

  test.each(['queued', 'running', 'waiting'] as const)(
    'never erases a %s run, however old, nor an ended one of its issue',
    async (state) => {
      const ended = await runIn('failed', 1);
      const live = await runIn(state, 1);
      await age(400);

      expect(await eraseOldRuns(store.db, dayMs)).toBe(0);

      expect(await getRun(store.db, live)).not.toBeNull();
      expect(await getRun(store.db, ended)).not.toBeNull();
    },
  );

  test('keeps a run as long as its pull request may be open, and erases it once that was merged', async () => {
    const earlier = await runIn('done', 1, { code: 'review', pullRequest: 7 });
    const id = await runIn('done', 1, { code: 'review', pullRequest: 7 });
    const failed = await runIn('failed', 2, { pullRequest: 8 });
    await age(400);

    expect(await eraseOldRuns(store.db, dayMs)).toBe(0);
    await endRun(store.db, id, 'done', outcome('merged'));
    await age(400);
    expect(await eraseOldRuns(store.db, dayMs)).toBe(2);

    expect(await getRun(store.db, earlier)).toBeNull();
    expect(await getRun(store.db, failed)).not.toBeNull();
  });

  test('keeps a merged run whose revert waits for its checks', async () => {
    const id = await runIn('done', 1, { code: 'merged', pullRequest: 7 });
    await setTimer(store.db, `rollback:${id}`, 0, null);
    await age(400);

    expect(await eraseOldRuns(store.db, dayMs)).toBe(0);
  });

  test('keeps what an issue has spent when its runs go, and forgets daily budgets of days gone by', async () => {
    const id = await runIn('failed', 1);
    const budgets = [
      'issue:github.com/acme/shop#1',
      'repo:github.com/acme/shop:2024-01-01',
      'org:github.com/acme:2024-01-01',
    ];
    const held = await reserve(store.db, {
      runId: id,
      budgets: budgets.map((key) => ({ key, limitUsd: null, limitTokens: null })),
      worstUsd: 2,
      worstTokens: 100,
    });
    await settle(store.db, held.ok ? held.reservation : '', { usd: 1.5, tokens: 60 });
    await age(91);
    await store.db.run('UPDATE limits SET updated_at_ms = 1');
    await store.db.run('UPDATE reservations SET made_at_ms = 1');

    await eraseOldRuns(store.db, dayMs);
    const removed = await deleteOldRows(store.db, dayMs);

    expect(removed).toMatchObject({ budgets: 2, reservations: 1 });
    expect(await spentOn(store.db, 'issue:github.com/acme/shop#1')).toMatchObject({ usd: 1.5, tokens: 60 });
  });

  test('a pass that was cut short is finished by the next', async () => {
    const id = await runIn('failed', 1);
    for (let n = 0; n < 600; n++) await append(store.db, { runId: id, kind: 'tool.call', data: { n } });
    await store.db.run('DELETE FROM runs');
    await setTimer(store.db, `erase:${id}`, 0, null);

    await finishErasing(store.db);

    expect([await count('events'), await count('stages'), await count('effects'), await count('timers')]).toEqual([
      0, 0, 0, 0,
    ]);
  });

  test('forgets deliveries that were handled long ago, none that waits, and commands of long ago, none of a kept run', async () => {
    for (const id of ['done', 'new']) await receiveDelivery(store.db, { id, event: 'ping', payload: '{}' });
    await finishDelivery(store.db, 'done');
    const run = await runIn('failed', 1);
    await once(store.db, 'commands:github.com/acme/shop', 'comment:1:0', async () => {});
    await store.db.run('UPDATE deliveries SET finished_at_ms = 1 WHERE finished_at_ms IS NOT NULL');
    await store.db.run('UPDATE effects SET made_at_ms = 1');

    expect(await deleteOldRows(store.db, dayMs)).toMatchObject({ deliveries: 1, effects: 1 });

    expect(await store.db.all('SELECT id FROM deliveries')).toEqual([{ id: 'new' }]);
    expect(await store.db.all('SELECT run_id FROM effects')).toEqual([{ run_id: run }]);
  });

  test('keeps records, causes and uses of lessons for two years, beyond their runs', async () => {
    const days = [800, 700];
    for (const [attempt, ago] of days.entries()) {
      const at = [`r${attempt}`, attempt, ago * dayMs] as const;
      await store.db.run(
        `INSERT INTO records (run_id, attempt, repository, issue, latest, state, outcome, ended_at_ms, week, due)
         VALUES ($1, $2, 'x', 1, 1, 'failed', 'x', ${store.db.nowMs} - $3, 1, 0)`,
        ...at,
      );
      await store.db.run(
        `INSERT INTO causes (run_id, attempt, signature, repository, issue, kind, data, at_ms)
         VALUES ($1, $2, 's', 'x', 1, 'check', '{}', ${store.db.nowMs} - $3)`,
        ...at,
      );
      await store.db.run(
        `INSERT INTO lesson_uses (lesson_id, run_id, attempt, at_ms) VALUES ('l', $1, $2, ${store.db.nowMs} - $3)`,
        ...at,
      );
    }

    const removed = await deleteOldRows(store.db, dayMs);

    expect(removed).toMatchObject({ records: 1, causes: 1, lesson_uses: 1 });
    for (const table of ['records', 'causes', 'lesson_uses'])
      expect(await store.db.all(`SELECT run_id FROM ${table}`)).toEqual([{ run_id: 'r1' }]);
  });

  test('a repository is in use while a run of it lives, may be taken up again, or has a pull request that may be open', async () => {
    await runIn('waiting', 1, { slug: 'a/waiting' });
    await runIn('done', 1, { slug: 'a/review', code: 'review', pullRequest: 1 });
    await runIn('done', 1, { slug: 'a/merged', code: 'merged', pullRequest: 1 });
    await runIn('failed', 1, { slug: 'a/gone' });
    await age(30);
    await runIn('failed', 1, { slug: 'a/failed' });

    const inUse = await repositoriesInUse(store.db, 14 * dayMs);

    expect(inUse.map(({ repository }) => repository).sort()).toEqual(
      ['a/failed', 'a/review', 'a/waiting'].map((slug) => `github.com/${slug}`),
    );
  });

  test('the size of the rows shrinks as runs are erased', async () => {
    const id = await runIn('failed', 1);
    // Random, so that no engine compresses it away.
    const noise = () => Array.from({ length: 2_000 }, () => Math.random().toString(36).slice(2)).join('');
    for (let n = 0; n < 100; n++) await append(store.db, { runId: id, kind: 'tool.call', data: noise() });
    await age(91);
    const before = await store.db.liveBytes();

    await eraseOldRuns(store.db, dayMs);

    expect(before).toBeGreaterThan(1_000_000);
    expect(await store.db.liveBytes()).toBeLessThan(before - 1_000_000);
    expect(await store.db.sizeBytes()).toBeGreaterThanOrEqual(await store.db.liveBytes());
  });
});

test('an embedded store gives the room of deleted rows back to the disk', async () => {
  const store = await openSqliteStore();
  const file = join(store.address, 'millwright.db');
  const { run } = await enqueueRun(store.db, newRun(1));
  for (let n = 0; n < 100; n++) await append(store.db, { runId: run.id, kind: 'tool.call', data: 'x'.repeat(200_000) });
  await store.db.run('DELETE FROM events');
  await store.db.returnSpace();

  expect(statSync(file).size).toBeLessThan(5_000_000);
  await store.remove();
});

test('an embedded store that was made without giving room back is made over at its start, with all it held, as soon as nobody else writes', async () => {
  const store = await openSqliteStore();
  const { run } = await enqueueRun(store.db, newRun(1));
  for (let n = 0; n < 100; n++) await append(store.db, { runId: run.id, kind: 'tool.call', data: 'x'.repeat(200_000) });
  await store.db.close();
  const file = join(store.address, 'millwright.db');
  using raw = new DatabaseSync(file);
  raw.exec('PRAGMA auto_vacuum = NONE; VACUUM');
  // By a connection of its own: one keeps what it read first.
  const way = () => {
    using fresh = new DatabaseSync(file);
    return fresh.prepare('PRAGMA auto_vacuum').get()?.auto_vacuum;
  };
  raw.exec('BEGIN IMMEDIATE');

  const early = store.another();
  const seenEarly = await getRun(early, run.id);
  const wayEarly = way();
  await early.close();
  raw.exec('COMMIT');
  const late = store.another();

  expect([seenEarly?.id, wayEarly]).toEqual([run.id, 0]);
  expect(way()).toBe(2);
  expect((await getRun(late, run.id))?.id).toBe(run.id);
  await late.run('DELETE FROM events');
  await late.returnSpace();
  expect(statSync(file).size).toBeLessThan(5_000_000);
  await store.remove();
});
