import { expect, test } from 'vitest';
import { callOf, calls } from './calls.ts';
import { answers, describeLives, whole } from './faults.ts';
import { live } from './life.ts';

test('the list of calls is what an issue’s life asks of GitHub', { timeout: 120_000 }, async () => {
  const { left, site } = await live([]);
  await using _ = site;

  const seen = site.github.requests().map((request) => callOf(request)?.name ?? `${request.method} ${request.path}`);

  expect([...new Set(seen)].sort()).toEqual(calls.map(({ name }) => name).sort());
  expect(site.github.unhandled()).toEqual([]);
  expect(left).toMatchObject(whole);
});

describeLives(answers);
