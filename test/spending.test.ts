import { afterEach, beforeEach, expect, test } from 'vitest';
import { payingModel, recordOf } from '../src/attempt.ts';
import type { Walls } from '../src/contract/walls.ts';
import type { Doors } from '../src/doors.ts';
import { eventsOf } from '../src/engine/ledger.ts';
import { enqueueRun, getRun } from '../src/engine/runs.ts';
import { spentOn, unsettledOf } from '../src/engine/spend.ts';
import { estimatePromptTokens } from '../src/model/context-window.ts';
import type { Run } from '../src/run.ts';
import { wallsWith } from './bench/bench-walls.ts';
import { ScriptedModel, type ScriptedReply } from './doubles/scripted-model.ts';
import { newRun } from './support/new-run.ts';
import { openSqliteStore, type TestStore } from './support/stores.ts';

let store: TestStore;
const outside = new AbortController().signal;
const day = (key: string) => ({ key, daily: true });

beforeEach(async () => {
  store = await openSqliteStore();
});
afterEach(() => store.remove());

async function runOf(issue: number, slug = 'acme/shop'): Promise<Run> {
  await enqueueRun(store.db, newRun(issue, slug));
  const [row] = await store.db.all<{ id: string }>('SELECT id FROM runs ORDER BY id DESC LIMIT 1');
  return (await getRun(store.db, row?.id ?? '')) as Run;
}

/** One dollar for a thousand tokens, in or out. */
const prices = { small: { inputPerMillion: 1000, outputPerMillion: 1000 } };

async function payer(run: Run, change: Partial<Walls>, ...replies: ScriptedReply[]) {
  const walls = wallsWith([], {
    model: { name: 'small', effort: null, perStage: {}, prices, allowed: null },
    ...change,
  });
  const model = new ScriptedModel(...replies);
  const doors = { db: store.db, model, host: { modelName: 'usual' } } as unknown as Doors;
  const record = recordOf(run, walls, (text) => text, doors);
  const { model: of } = await payingModel({ run, walls, record, mask: (text) => text }, doors);
  return { model, of };
}

const request = { messages: [{ role: 'user' as const, text: 'x' }], signal: outside };

test('each stage asks the model, and with the effort, that the policy names for it', async () => {
  const run = await runOf(1);
  const perStage = { plan: { name: 'small', effort: 'high' }, verify: { name: null, effort: 'low' } };
  const model = { name: null, effort: 'medium', perStage, prices: {}, allowed: null } as unknown as Walls['model'];
  const { of } = await payer(run, { model });

  expect(of('plan')).toMatchObject({ name: 'small', effort: 'high' });
  expect(of('verify')).toMatchObject({ name: 'usual', effort: 'low' });
  expect(of('review')).toMatchObject({ name: 'usual', effort: 'medium' });
});

test('a call counts against its issue, its repository and its organisation, and its price stays with it', async () => {
  const run = await runOf(1);
  const usage = { inputTokens: 300, cachedInputTokens: 0, outputTokens: 200 };
  const { of } = await payer(run, {}, { text: 'ok', usage });

  await of('plan').door.complete({ ...request, model: 'small', effort: null, maxOutputTokens: 400 });

  for (const key of ['issue:github.com/acme/shop#1', day('repo:github.com/acme/shop'), day('org:github.com/acme')])
    expect(await spentOn(store.db, key)).toMatchObject({ usd: 0.5, tokens: 500, reservedUsd: 0 });
  const [event] = await eventsOf(store.db, run.id, { kinds: ['model.call'] });
  expect(event?.data).toMatchObject({ stage: 'plan', costUsd: 0.5 });
});

test.each([
  [
    'repository',
    { dollarsPerIssue: null, dollarsPerDay: 2, orgDollarsPerDay: null },
    'acme/shop',
    'budget.dollars_per_day',
  ],
  [
    'organisation',
    { dollarsPerIssue: null, dollarsPerDay: null, orgDollarsPerDay: 2 },
    'acme/other',
    'budget.org_dollars_per_day',
  ],
] as const)(
  'runs at once fill the day’s budget of their %s to the cent and never pass it',
  async (_, budget, second, clause) => {
    const runs = await Promise.all(
      [1, 2, 3, 4, 5, 6].map((issue) => runOf(issue, issue % 2 === 0 ? second : 'acme/shop')),
    );
    // Each call may cost 50 cents at most, and does.
    const asked = runs.map(async (run) => {
      const spends = (made: { maxOutputTokens?: number }) => ({
        usage: {
          inputTokens: 500 - (made.maxOutputTokens ?? 0),
          cachedInputTokens: 0,
          outputTokens: made.maxOutputTokens ?? 0,
        },
      });
      const { of } = await payer(run, { budget }, spends);
      return of('plan').door.complete({
        ...request,
        model: 'small',
        effort: null,
        maxOutputTokens: 500 - estimatePromptTokens(request.messages),
      });
    });
    const ends = await Promise.allSettled(asked);

    const refused = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason] : []));
    expect(refused).toHaveLength(2);
    for (const error of refused) expect(error).toMatchObject({ code: 'limit.daily-budget', detail: clause });
    const key = clause === 'budget.dollars_per_day' ? 'repo:github.com/acme/shop' : 'org:github.com/acme';
    expect(await spentOn(store.db, day(key))).toMatchObject({ usd: 2, reservedUsd: 0 });
  },
);

test('a call that a crash cut off stays counted: what it set aside is told as unsettled, and the next attempt has less', async () => {
  const run = await runOf(1);
  const crash = () => Promise.reject(new Error('the process is gone'));
  const dollars = { limits: { ...wallsWith([]).limits, dollars: 1 } };
  const first = await payer(run, dollars, crash);
  const call = { ...request, model: 'small', effort: null, maxOutputTokens: 600 };
  await expect(first.of('plan').door.complete(call)).rejects.toThrow('gone');

  const second = await payer(run, dollars);

  await expect(second.of('plan').door.complete(call)).rejects.toMatchObject({ code: 'limit.dollars' });
  expect(await unsettledOf(store.db, run.id)).toMatchObject({ calls: 1 });
  expect(second.model.requests).toEqual([]);
});
