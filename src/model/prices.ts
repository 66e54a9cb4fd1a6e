import type { ModelPrice } from '../contract/walls.ts';
import type { Usage } from './model.ts';

const million = 1_000_000;

/** US dollars that a call cost. Cached input counts at its own price, or at the full one when the table names none. */
export function costUsd(usage: Usage, price: ModelPrice): number {
  const cached = Math.min(usage.cachedInputTokens, usage.inputTokens);
  const fresh = usage.inputTokens - cached;
  const cachedPrice = price.cachedInputPerMillion ?? price.inputPerMillion;
  return (fresh * price.inputPerMillion + cached * cachedPrice + usage.outputTokens * price.outputPerMillion) / million;
}

/** US dollars that a call can cost at most: nothing cached (whichever price is higher), every output token used. */
export function worstCaseUsd(inputTokens: number, maxOutputTokens: number, price: ModelPrice): number {
  const inputPrice = Math.max(price.inputPerMillion, price.cachedInputPerMillion ?? 0);
  return (inputTokens * inputPrice + maxOutputTokens * price.outputPerMillion) / million;
}

export const noUsage: Usage = { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0 };

export function addUsage(left: Usage, right: Usage): Usage {
  return {
    inputTokens: left.inputTokens + right.inputTokens,
    cachedInputTokens: left.cachedInputTokens + right.cachedInputTokens,
    outputTokens: left.outputTokens + right.outputTokens,
    ...(left.estimated || right.estimated ? { estimated: true } : {}),
  };
}
