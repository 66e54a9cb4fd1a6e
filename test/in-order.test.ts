import { expect, test } from 'vitest';
import { inOrder } from '../src/in-order.ts';

test('takes up a few items at a time, and gives the results in the order of the items', async () => {
  let [busy, most] = [0, 0];
  const taken: number[] = [];

  const results = await inOrder([5, 1, 4, 2, 3], 2, async (item, index) => {
    taken.push(index);
    busy += 1;
    most = Math.max(most, busy);
    await new Promise((resolve) => setTimeout(resolve, item));
    busy -= 1;
    return item * 10;
  });

  expect(results).toEqual([50, 10, 40, 20, 30]);
  expect(taken).toEqual([0, 1, 2, 3, 4]);
  expect(most).toBe(2);
});

test('rejects with a failure, and needs no items', async () => {
  await expect(inOrder([1], 4, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(await inOrder([], 4, async () => 1)).toEqual([]);
});
