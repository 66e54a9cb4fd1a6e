import { afterEach, expect, test } from 'vitest';
import { reconcile } from '../src/reconcile.ts';
import { type GateSite, openSite, repo } from './support/gate-site.ts';
import { until } from './support/until.ts';

let site: GateSite;
afterEach(() => site[Symbol.asyncDispose]());

async function inReview(): Promise<{ number: number; pull: number }> {
  site = await openSite();
  const number = await site.labelled();
  await site.reaches(number, 'agent:review');
  return { number, pull: site.pulls()[0] ?? 0 };
}

const bodyOf = (pull: number) => site.github.issue(repo, pull).body ?? '';
const main = async () => (await site.github.repository(repo).git.resolve('main')) ?? '';
const ended = () => until(async () => site.labels(1).length === 0, 30_000);

test.each([
  [
    'merge',
    (sha: string) =>
      `Merged (merge commit). To undo it, or \`/rollback\` as a comment:\n\n\`\`\`sh\ngit revert -m 1 ${sha}\n`,
  ],
  [
    'squash',
    (sha: string) =>
      `Merged (one commit). To undo it, or \`/rollback\` as a comment:\n\n\`\`\`sh\ngit revert --no-edit ${sha}\n`,
  ],
] as const)('a pull request that was merged by %s says how to undo just that', async (method, told) => {
  const { pull } = await inReview();
  expect(bodyOf(pull)).toContain('After the merge, by its form');

  await site.github.mergePull(repo, pull, 'rita', method);
  await ended();
  await until(() => bodyOf(pull).includes('Merged ('), 30_000);

  expect(bodyOf(pull)).toContain(told(await main()));
  expect(bodyOf(pull)).not.toContain('After the merge, by its form');
});

test('commits of several attempts that were rebased are undone from the first to the last', async () => {
  const { pull, number } = await inReview();
  await site.github.commitOnBranch(repo, `millwright/issue-${number}`, { 'src/more.txt': 'more\n' }, 'rita', 'More');
  const before = await main();

  await site.github.mergePull(repo, pull, 'rita', 'rebase');
  await until(() => bodyOf(pull).includes('Merged ('), 30_000);

  const range = /git revert --no-edit ([0-9a-f]{40})\^\.\.([0-9a-f]{40})/.exec(bodyOf(pull));
  expect(range?.[2]).toBe(await main());
  expect((await site.github.repository(repo).git.git(['rev-parse', `${range?.[1]}^`])).toString().trim()).toBe(before);
});

test('a merge that no delivery told of, and one whose edit failed, are filled in by a later pass, once', async () => {
  const { pull } = await inReview();
  const refused = site.github.fault({ method: 'PATCH', path: /\/pulls\/\d+$/, status: 404, times: 50 });
  await site.github.mergePull(repo, pull, 'rita', 'squash');
  await ended();
  await site.quiet();
  expect(bodyOf(pull)).not.toContain('Merged (');
  refused.remove();

  await reconcile(site.factory.doors);
  await until(() => bodyOf(pull).includes('Merged ('), 30_000);
  await site.quiet();
  const edits = () =>
    site.github.requests().filter(({ method, path }) => method === 'PATCH' && /\/pulls\/\d+$/.test(path)).length;
  const made = edits();
  await reconcile(site.factory.doors);
  await site.quiet();

  expect(edits()).toBe(made);
});

test('a pull request that was closed unmerged keeps its text', async () => {
  const { pull } = await inReview();
  const before = bodyOf(pull);

  await site.github.closePull(repo, pull, 'rita');
  await ended();
  await site.quiet();

  expect(bodyOf(pull)).toBe(before);
});
