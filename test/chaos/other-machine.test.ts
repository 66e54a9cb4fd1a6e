import { beforeAll, expect, test } from 'vitest';
import { makeImage, openChaosSite } from './site.ts';

beforeAll(makeImage);

test('a worker killed while it verifies is replaced by one of another machine, which has no mirror and asks the model for nothing again', {
  timeout: 240_000,
}, async () => {
  await using site = await openChaosSite({ store: 'PostgreSQL' });
  await site.serve('--no-worker');
  const first = await site.work();
  const issue = await site.labelled();
  await first.enters({ stage: 'verify', round: 2 });
  await first.kill();
  const builds = () => site.model.requests().filter((request) => request.response_format === undefined).length;
  const before = builds();

  await site.work();
  const wrong = await site.settled([issue]);

  expect(wrong).toEqual([]);
  expect(before).toBeGreaterThan(0);
  expect(builds()).toBe(before);
  expect(await site.github.fileAt('acme/small', `millwright/issue-${issue}`, 'src/sum.txt')).toBe('5\n');
});
