import type { Walls } from './walls.ts';

/** What an issue may spend, in US dollars: the smaller of its limit and its budget. Null: as much as it takes. */
export function issueLimitUsd({ limits, budget }: Pick<Walls, 'limits' | 'budget'>): number | null {
  const set = [limits.dollars, budget.dollarsPerIssue].filter((limit) => limit !== null);
  return set.length === 0 ? null : Math.min(...set);
}
