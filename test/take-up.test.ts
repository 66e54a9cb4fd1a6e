import { rm } from 'node:fs/promises';
import { afterEach, expect, test } from 'vitest';
import { startFactory } from './support/factory.ts';
import { type GateSite, openSite, repo, writes } from './support/gate-site.ts';
import type { ChatRequest, Reply } from './support/model-stand-in.ts';
import { call, scripted } from './support/scripted.ts';
import { until } from './support/until.ts';

const runMs = 90_000;
let site: GateSite;
afterEach(async () => {
  await site[Symbol.asyncDispose]();
  // A factory that was given its folder leaves it.
  await rm(site.factory.dataDir, { recursive: true, force: true });
});
const branchOf = (number: number) => `millwright/issue-${number}`;
const at = (number: number, file: string) => site.github.fileAt(repo, branchOf(number), file);

async function labelAgain(number: number): Promise<void> {
  site.later();
  await site.github.unlabel(repo, number, 'agent-ready', 'maya');
  site.later();
  await site.github.label(repo, number, 'agent-ready', 'maya');
}

async function inReview(replies: readonly (Reply | ((request: ChatRequest) => Reply))[]): Promise<number> {
  site = await openSite({ script: scripted([...writes(), ...replies]) });
  const number = await site.labelled();
  await site.reaches(number, 'agent:review', runMs);
  return number;
}

test('work on an older base is carried to the base of now when the label is put on again', {
  timeout: runMs,
}, async () => {
  const number = await inReview(writes('6\n'));
  const moved = await site.github.commitOnBranch(repo, 'main', { 'README.md': 'moved\n' }, 'rita');

  await labelAgain(number);
  await until(async () => (await at(number, 'src/sum.txt')) === '6\n', runMs);
  await site.reaches(number, 'agent:review', runMs);

  expect(await at(number, 'README.md')).toBe('moved\n');
  const { git } = site.github.repository(repo);
  expect(await git.isAncestor(moved, (await git.ref(`refs/heads/${branchOf(number)}`)) ?? '')).toBe(true);
});

test('work that conflicts with the base of now waits for a person, and the branch stays', {
  timeout: runMs,
}, async () => {
  const number = await inReview([]);
  await site.github.commitOnBranch(repo, 'main', { 'src/sum.txt': 'seven\n' }, 'rita');

  await labelAgain(number);
  await site.reaches(number, 'agent:waiting', runMs);

  expect(site.status(number)).toContain('base-conflict');
  expect(site.status(number)).toMatch(/^[^<]*conflicts with it in src\/sum\.txt/m);
  expect(site.status(number)).toContain('<summary>Details</summary>');
  expect(await at(number, 'src/sum.txt')).toBe('5\n');
});

test('a person’s head that holds a newer base is judged on that one: what came from there is not out of scope', {
  timeout: runMs,
}, async () => {
  const number = await inReview([]);
  const base = await site.github.commitOnBranch(repo, 'main', { 'docs/news.md': 'news\n' }, 'rita');
  const { git } = site.github.repository(repo);
  const ref = `refs/heads/${branchOf(number)}`;
  const parents = [(await git.ref(ref)) ?? '', base];
  const tree = await git.writeTree(parents[0] ?? '', { 'docs/news.md': 'news\n', 'src/sum.txt': 'mine\n' });
  const author = { name: 'rita', email: 'rita@example.org' };
  await git.setRef(ref, await git.writeCommit({ tree, parents, message: 'Merge main', author }));
  site.later();

  await site.github.comment(repo, number, '/retry from verify', 'rita');
  await until(() => /In review.*attempt 2/s.test(site.status(number)), runMs);

  expect(site.status(number)).not.toContain('out of scope');
  expect(await at(number, 'src/sum.txt')).toBe('mine\n');
});

test('a run that ended between its push and its pull request knows its commit as its own', {
  timeout: runMs,
}, async () => {
  site = await openSite({
    script: scripted([...writes(), ...writes('6\n')]),
    before: (github) => github.fault({ method: 'POST', path: /\/pulls$/, status: 403 }),
  });
  const number = await site.labelled();
  await site.reaches(number, 'agent:failed', runMs);
  expect(await at(number, 'src/sum.txt')).toBe('5\n');
  site.later();

  await site.github.comment(repo, number, '/retry', 'maya');
  await site.reaches(number, 'agent:review', runMs);

  expect(await at(number, 'src/sum.txt')).toBe('6\n');
  expect(site.pulls()).toHaveLength(1);
});

test('guidance is told again to the fresh conversation that a restart begins', { timeout: runMs }, async () => {
  const prompts: string[] = [];
  const heard = (request: ChatRequest): Reply => {
    prompts.push(JSON.stringify(request.messages));
    return writes()[0] ?? {};
  };
  const script = scripted([call('ask', { question: 'Which?' }), { hang: true }, heard, ...writes().slice(1)]);
  site = await openSite({ script });
  const { github, model, engine, factory } = site;
  const number = await site.labelled();
  await site.reaches(number, 'agent:waiting', runMs);
  site.later();
  await github.comment(repo, number, '/retry use TWO-AND-THREE', 'maya');
  await until(() => script.rest() === 2, runMs);
  await factory.service.stop();

  site.factory = await startFactory(github, model, {
    dataDir: factory.dataDir,
    replace: () => ({ sandbox: engine }),
  });
  await site.reaches(number, 'agent:review', runMs);

  expect(prompts[0]).toContain('TWO-AND-THREE');
});

test('a machine whose clock is ahead of the database’s takes nothing from the minutes of a run', {
  timeout: runMs,
}, async () => {
  const anHourMs = 3_600_000;
  site = await openSite({
    script: scripted(writes()),
    replace: ({ clock }) => ({ clock: { ...clock, nowMs: () => clock.nowMs() + anHourMs } }),
  });

  const number = await site.labelled();
  await until(() => /^agent:(review|failed)$/.test(site.labels(number).join()), runMs);

  expect(site.labels(number)).toEqual(['agent:review']);
});
