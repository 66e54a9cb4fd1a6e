import fc from 'fast-check';
import { expect, test } from 'vitest';
import { budgetedModel, createBudget, type SpendLedger } from '../../src/agent/budget.ts';
import { MillwrightError } from '../../src/errors.ts';
import type { ModelRequest } from '../../src/model/model.ts';
import { ScriptedModel } from '../doubles/scripted-model.ts';

const price = { inputPerMillion: 2, outputPerMillion: 10, cachedInputPerMillion: 0.5 };
const request = {
  model: 'gpt-4o',
  effort: null,
  messages: [{ role: 'user' as const, text: 'x' }],
  maxOutputTokens: 1_000,
};

test('sets the worst case aside and puts the real spend in its place', async () => {
  const budget = createBudget({ limits: { tokens: 10_000, dollars: null }, price });

  const held = await budget.reserve({ inputTokens: 1_000, maxOutputTokens: 4_000 });
  const meanwhile = budget.spent();
  if (held.ok) await held.settle({ inputTokens: 900, cachedInputTokens: 400, outputTokens: 100 });

  expect(meanwhile).toEqual({ tokens: 5_000, dollars: 0.042 });
  expect(budget.spent().tokens).toBe(1_000);
  expect(budget.spent().dollars).toBeCloseTo(0.0022);
});

test('a stage’s own model is paid at its own price', async () => {
  const dear = { inputPerMillion: 100, outputPerMillion: 100 };
  const budget = createBudget({ limits: { tokens: 10_000, dollars: 0.3 }, price, prices: { usual: price, dear } });

  const usual = await budget.reserve({ inputTokens: 1_000, maxOutputTokens: 3_000, model: 'usual' });
  const other = await budget.reserve({ inputTokens: 1_000, maxOutputTokens: 3_000, model: 'dear' });

  expect(usual.ok).toBe(true);
  expect(other).toMatchObject({ ok: false, clause: 'limits.dollars' });
});

test('names the limit that a call would pass, what came before included', async () => {
  const tokens = createBudget({
    limits: { tokens: 10_000, dollars: null },
    price,
    spent: { tokens: 6_000, dollars: 0 },
  });
  const dollars = createBudget({ limits: { tokens: 10_000, dollars: 1 }, price, spent: { tokens: 0, dollars: 0.99 } });

  const worst = { inputTokens: 1_000, maxOutputTokens: 4_000 };

  expect(await tokens.reserve(worst)).toEqual({ ok: false, limit: 'tokens', clause: 'limits.tokens' });
  expect(await dollars.reserve(worst)).toEqual({ ok: false, limit: 'dollars', clause: 'limits.dollars' });
});

test('asks the shared ledger, names its clause, and settles there', async () => {
  const notes: unknown[] = [];
  const ledger: SpendLedger = {
    reserve: async (worst) => {
      notes.push(worst);
      return notes.length > 1 ? { ok: false, clause: 'budget.org_dollars_per_day' } : { ok: true, id: 'r1' };
    },
    settle: async (id, actual) => void notes.push([id, actual]),
  };
  const budget = createBudget({ limits: { tokens: 100_000, dollars: null }, price: null, ledger });

  const first = await budget.reserve({ inputTokens: 10, maxOutputTokens: 5 });
  const second = await budget.reserve({ inputTokens: 10, maxOutputTokens: 5 });
  if (first.ok) await first.settle({ inputTokens: 9, cachedInputTokens: 0, outputTokens: 1 });
  if (first.ok) await first.settle({ inputTokens: 9, cachedInputTokens: 0, outputTokens: 1 });

  expect(second).toEqual({ ok: false, limit: 'dollars', clause: 'budget.org_dollars_per_day' });
  expect(notes).toEqual([
    { tokens: 15, dollars: null },
    { tokens: 15, dollars: null },
    ['r1', { tokens: 10, dollars: null }],
  ]);
  expect(budget.spent()).toEqual({ tokens: 10, dollars: null });
});

test('a dollar limit needs a price', () => {
  expect(() => createBudget({ limits: { tokens: 1, dollars: 5 }, price: null })).toThrow(
    expect.objectContaining({ code: 'request.model-unpriced' }),
  );
});

test('never promises more than the limits, in any order of reserving and settling', async () => {
  const step = fc.record({ input: fc.nat(3_000), output: fc.nat(2_000), settleLater: fc.boolean() });

  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const budget = createBudget({ limits: { tokens: 20_000, dollars: 0.1 }, price });
      for (const { input, output, settleLater } of steps) {
        const held = await budget.reserve({ inputTokens: input, maxOutputTokens: output });
        expect(budget.spent().tokens).toBeLessThanOrEqual(20_000);
        expect(budget.spent().dollars ?? 0).toBeLessThanOrEqual(0.1 + 1e-9);
        if (held.ok && !settleLater) {
          await held.settle({ inputTokens: input, cachedInputTokens: 0, outputTokens: Math.floor(output / 2) });
        }
      }
    }),
  );
});

test('a budgeted model pays for each call, and does not make one that does not fit', async () => {
  const scripted = new ScriptedModel({ text: 'hi' });
  const budget = createBudget({ limits: { tokens: 1_100, dollars: null }, price: null });
  const model = budgetedModel(scripted, budget);

  const reply = await model.complete(request);
  const second = await model.complete(request).catch((error: unknown) => error);

  expect(reply.text).toBe('hi');
  expect(second).toMatchObject({ code: 'limit.tokens', detail: 'limits.tokens' });
  expect(scripted.requests).toHaveLength(1);
  expect(budget.spent().tokens).toBe(110);
});

test('an outage costs nothing, and a cancelled call counts as spent', async () => {
  const failing = (code: 'outside.model' | 'run.cancelled') => () => {
    throw new MillwrightError(code);
  };
  const budget = createBudget({ limits: { tokens: 10_000, dollars: null }, price: null });
  const model = budgetedModel(new ScriptedModel(failing('outside.model'), failing('run.cancelled')), budget);

  await model.complete(request).catch(() => undefined);
  const afterOutage = budget.spent().tokens;
  await model.complete(request).catch(() => undefined);

  expect(afterOutage).toBe(0);
  expect(budget.spent().tokens).toBeGreaterThan(1_000);
});

test('an answer that broke off is settled by what arrived, and asked for again only if that fits as well', async () => {
  const broken = { inputTokens: 100, cachedInputTokens: 0, outputTokens: 50 };
  const allowed: unknown[] = [];
  const breaking = async ({ onLost }: ModelRequest) => {
    allowed.push(await onLost?.(broken));
    return { text: 'whole', usage: { inputTokens: 200, cachedInputTokens: 0, outputTokens: 60 } };
  };
  const failing = async ({ onLost }: ModelRequest) => {
    allowed.push(await onLost?.(broken));
    throw new MillwrightError('outside.model');
  };
  const budget = createBudget({ limits: { tokens: 1_300, dollars: null }, price: null });
  const model = budgetedModel(new ScriptedModel(breaking, failing), budget);

  await model.complete(request);
  const afterFirst = budget.spent().tokens;
  await model.complete(request).catch(() => undefined);

  // The usage of the reply has what was lost in it.
  expect(afterFirst).toBe(260);
  expect(budget.spent().tokens).toBe(260 + 150);
  expect(allowed).toEqual([true, false]);
});

test('the dollars of a stage’s model without a price are unknown, and nothing is promised where dollars are limited', async () => {
  const asked: unknown[] = [];
  const ledger: SpendLedger = {
    reserve: async (worst) => {
      asked.push(worst);
      return { ok: true, id: 'x' };
    },
    settle: async () => {},
  };
  const price = { inputPerMillion: 1, outputPerMillion: 1 };
  const open = createBudget({ limits: { tokens: 10_000, dollars: null }, price, prices: { usual: price }, ledger });
  const limited = createBudget({ limits: { tokens: 10_000, dollars: 1 }, price, prices: { usual: price } });
  const worst = { inputTokens: 10, maxOutputTokens: 10 };

  await open.reserve({ ...worst, model: 'unknown' });
  await open.reserve({ ...worst, model: 'usual' });

  expect(asked).toMatchObject([{ dollars: null }, { dollars: 0.00002 }]);
  expect(await limited.reserve({ ...worst, model: 'unknown' })).toMatchObject({ ok: false, limit: 'dollars' });
});

test('a budget of the day that is used up is one that the run can wait for', async () => {
  const ledger: SpendLedger = {
    reserve: async () => ({ ok: false, clause: 'budget.org_dollars_per_day' }),
    settle: async () => {},
  };
  const budget = createBudget({ limits: { tokens: 10_000, dollars: null }, price: null, ledger });

  const error = await budgetedModel(new ScriptedModel(), budget)
    .complete(request)
    .catch((thrown: unknown) => thrown);

  expect(error).toMatchObject({ code: 'limit.daily-budget', detail: 'budget.org_dollars_per_day', counted: false });
});
