import type { ModelPrice } from '../contract/walls.ts';
import { MillwrightError } from '../errors.ts';
import { contextWindow, estimatePromptTokens } from '../model/context-window.ts';
import type { Model, ModelReply, ModelRequest, Usage } from '../model/model.ts';
import { addUsage, costUsd, noUsage, worstCaseUsd } from '../model/prices.ts';

/** The policy key that left no room. */
export type SpendClause =
  | 'limits.tokens'
  | 'limits.dollars'
  | 'budget.dollars_per_issue'
  | 'budget.dollars_per_day'
  | 'budget.org_dollars_per_day';

/** Tokens, and US dollars where the model has a price. */
interface Spend {
  tokens: number;
  dollars: number | null;
}

/** The durable ledger, as far as spending needs it: exact under concurrency, and a reservation outlives a crash as spent. */
export interface SpendLedger {
  /** Sets the worst case aside in every budget, or says which has no room. */
  reserve(worst: Spend): Promise<{ ok: true; id: string } | { ok: false; clause: SpendClause }>;
  /** Puts what was really spent in the reservation's place. May be called twice. */
  settle(id: string, actual: Spend): Promise<void>;
}

type Reservation =
  | { ok: true; settle: (usage: Usage) => Promise<void> }
  | { ok: false; limit: 'tokens' | 'dollars'; clause: SpendClause };

/** What a run may still spend. */
export interface Budget {
  /** Before a model call: sets its worst case aside, or names the limit that it would pass. */
  reserve(worst: { inputTokens: number; maxOutputTokens: number; model?: string }): Promise<Reservation>;
  /** Spent and set aside so far, what came before this budget included. */
  spent(): Spend;
}

interface BudgetOptions {
  /** Null dollars: not limited. */
  limits: { tokens: number; dollars: number | null };
  /** Null: the model has no price; dollars are then unknown. */
  price: ModelPrice | null;
  /** Prices of models that a stage may call instead, by name. */
  prices?: Readonly<Record<string, ModelPrice>>;
  /** What the issue has spent before. */
  spent?: Spend;
  /** Budgets that others share; none in a run without a store. */
  ledger?: SpendLedger | null;
}

/** Errors: `request.model-unpriced` when dollars are limited and the price is unknown. */
export function createBudget({ limits, price: usual, prices, spent, ledger }: BudgetOptions): Budget {
  if (limits.dollars !== null && usual === null) throw new MillwrightError('request.model-unpriced');
  let tokens = spent?.tokens ?? 0;
  let dollars = spent?.dollars ?? 0;
  const priceOf = (model: string | undefined): ModelPrice | null => {
    if (model === undefined || prices === undefined) return usual;
    return Object.hasOwn(prices, model) ? (prices[model] ?? null) : null;
  };
  return {
    async reserve({ inputTokens, maxOutputTokens, model }) {
      const price = priceOf(model);
      const worst: Spend = {
        tokens: inputTokens + maxOutputTokens,
        dollars: price === null ? null : worstCaseUsd(inputTokens, maxOutputTokens, price),
      };
      if (tokens + worst.tokens > limits.tokens) return { ok: false, limit: 'tokens', clause: 'limits.tokens' };
      // What cannot be priced cannot be kept below a limit.
      if (limits.dollars !== null && price === null) return { ok: false, limit: 'dollars', clause: 'limits.dollars' };
      const worstDollars = worst.dollars ?? 0;
      if (limits.dollars !== null && dollars + worstDollars > limits.dollars) {
        return { ok: false, limit: 'dollars', clause: 'limits.dollars' };
      }
      tokens += worst.tokens;
      dollars += worstDollars;
      const held = await ledger?.reserve(worst);
      if (held?.ok === false) {
        tokens -= worst.tokens;
        dollars -= worstDollars;
        return { ok: false, limit: held.clause === 'limits.tokens' ? 'tokens' : 'dollars', clause: held.clause };
      }
      let settled = false;
      return {
        ok: true,
        async settle(usage) {
          if (settled) return;
          settled = true;
          const actual: Spend = {
            tokens: usage.inputTokens + usage.outputTokens,
            dollars: price === null ? null : costUsd(usage, price),
          };
          tokens += actual.tokens - worst.tokens;
          dollars += (actual.dollars ?? 0) - worstDollars;
          if (held !== undefined) await ledger?.settle(held.id, actual);
        },
      };
    },
    spent: () => ({ tokens, dollars: usual === null ? null : dollars }),
  };
}

export type PaidReply =
  | { ok: true; reply: ModelReply }
  | { ok: false; limit: 'tokens' | 'dollars'; clause: SpendClause };

/**
 * Makes a call if its worst case fits, and settles it. An answer that broke off is settled by what arrived of it, and asked for
 * again only if that fits as well; an outage costs nothing; a call that was cancelled in between stays reserved, because nobody
 * knows what it cost.
 */
export async function payFor(
  model: Model,
  budget: Budget,
  request: ModelRequest & { maxOutputTokens: number },
  inputTokens: number,
): Promise<PaidReply> {
  const { model: name, maxOutputTokens } = request;
  const worst = { inputTokens, maxOutputTokens, model: name };
  const first = await budget.reserve(worst);
  if (!first.ok) return first;
  let reservation = first;
  let lost = noUsage;
  const onLost = async (usage: Usage) => {
    await reservation.settle(usage);
    lost = addUsage(lost, usage);
    const next = await budget.reserve(worst);
    if (next.ok) reservation = next;
    return next.ok;
  };
  try {
    const reply = await model.complete({ ...request, onLost });
    await reservation.settle(withoutLost(reply.usage, lost));
    return { ok: true, reply };
  } catch (error) {
    const answered = error instanceof MillwrightError && error.code.startsWith('outside.model');
    if (answered) await reservation.settle(noUsage);
    throw error;
  }
}

/** The usage of a reply has in it what broke off before, which is settled already. */
function withoutLost(usage: Usage, lost: Usage): Usage {
  return {
    inputTokens: Math.max(0, usage.inputTokens - lost.inputTokens),
    cachedInputTokens: Math.max(0, usage.cachedInputTokens - lost.cachedInputTokens),
    outputTokens: Math.max(0, usage.outputTokens - lost.outputTokens),
  };
}

/**
 * A model whose every call is paid for, for stages that make single calls.
 * Errors beyond the model's own: `limit.tokens`, `limit.dollars` when the worst case does not fit; the detail names the clause.
 */
export function budgetedModel(model: Model, budget: Budget): Model {
  return {
    async complete(request) {
      const maxOutputTokens = request.maxOutputTokens ?? defaultOutputTokens(request.model);
      const inputTokens = estimatePromptTokens(request.messages, request.tools) + schemaTokens(request);
      const paid = await payFor(model, budget, { ...request, maxOutputTokens }, inputTokens);
      if (paid.ok) return paid.reply;
      throw limitError(paid);
    },
  };
}

/** The error for a limit that was reached: a budget of the day is one that the run can wait for. */
export function limitError({ limit, clause }: { limit: 'tokens' | 'dollars'; clause: SpendClause }): MillwrightError {
  if (isDaily(clause)) return new MillwrightError('limit.daily-budget', { detail: clause });
  return new MillwrightError(limit === 'tokens' ? 'limit.tokens' : 'limit.dollars', { detail: clause });
}

export function isDaily(clause: string): boolean {
  return clause === 'budget.dollars_per_day' || clause === 'budget.org_dollars_per_day';
}

/** Enough for thinking and a large file, and no more: the worst case of each call is set aside in full. */
export function defaultOutputTokens(model: string): number {
  const { windowTokens, maxOutputTokens } = contextWindow(model);
  return Math.min(32_768, maxOutputTokens, Math.floor(windowTokens / 4));
}

function schemaTokens(request: ModelRequest): number {
  return request.schema === undefined ? 0 : Math.ceil(JSON.stringify(request.schema.json).length / 3);
}
