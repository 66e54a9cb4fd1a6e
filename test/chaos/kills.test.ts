import { beforeAll, expect, test } from 'vitest';
import { killAtEachBoundary } from './kills.ts';
import { makeImage } from './site.ts';

beforeAll(makeImage);

test('a run whose process is killed as each of its stages begins, in both rounds, ends as if nothing had happened', {
  timeout: 300_000,
}, async () => {
  const { violations } = await killAtEachBoundary('SQLite');

  expect(violations).toEqual([]);
});
