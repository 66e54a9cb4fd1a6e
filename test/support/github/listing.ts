/** Sorts as `sort` and `direction` ask. */
export function order<T extends { createdAt: string; updatedAt: string; id: number }>(
  items: T[],
  query: URLSearchParams,
  fallback: 'asc' | 'desc',
): T[] {
  const key = query.get('sort') === 'updated' ? 'updatedAt' : 'createdAt';
  const sign = (query.get('direction') ?? fallback) === 'asc' ? 1 : -1;
  return items.sort((left, right) => sign * (left[key].localeCompare(right[key]) || left.id - right.id));
}

/** Leaves out what was updated before `since`. */
export const since = <T extends { updatedAt: string }>(items: T[], query: URLSearchParams): T[] => {
  const from = Date.parse(query.get('since') ?? '') || 0;
  return items.filter((item) => Date.parse(item.updatedAt) >= from);
};
