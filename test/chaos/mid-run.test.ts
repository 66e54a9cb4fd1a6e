import { afterEach, expect, test } from 'vitest';
import { listRuns } from '../../src/engine/runs.ts';
import { type GateSite, openSite, repo, writes } from '../support/gate-site.ts';
import type { GitHubStandIn } from '../support/github-stand-in.ts';
import type { Reply } from '../support/model-stand-in.ts';
import { scripted } from '../support/scripted.ts';
import { until } from '../support/until.ts';

const runMs = 120_000;
let site: GateSite;
afterEach(() => site[Symbol.asyncDispose]());

/** A run in the middle of whose build something happens to the repository or the app. */
async function runInWhich(happens: (github: GitHubStandIn) => void | Promise<void>, more: readonly Reply[] = []) {
  const [first = {}, ...rest] = writes();
  const strikes = async () => {
    await happens(site.github);
    return first;
  };
  site = await openSite({ script: scripted([strikes, ...rest, ...more]) });
  const number = await site.labelled();
  const ended = async () => (await listRuns(site.factory.doors.db, {}))[0]?.endedAtMs != null;
  await until(ended, runMs);
  await until(() => site.engine.opened === 0);
  const [run] = await listRuns(site.factory.doors.db, {});
  return { number, run };
}

const pullsOf = (fullName: string) =>
  [...site.github.repository(fullName).issues.values()].filter((issue) => issue.pull !== null);

test('tokens revoked in mid-run are replaced, those for git as well, and the run ends with its pull request', {
  timeout: runMs,
}, async () => {
  const { number, run } = await runInWhich((github) => github.revokeTokens());

  expect(run).toMatchObject({ state: 'done', outcome: { code: 'review' }, failures: 0 });
  await site.reaches(number, 'agent:review');
  expect(site.pulls()).toHaveLength(1);
});

test('a repository renamed in mid-run gets its pull request under the new name, and commands there are heard', {
  timeout: runMs,
}, async () => {
  const { number, run } = await runInWhich((github) => github.renameRepository(repo, 'smaller', 'maya'), writes('6\n'));
  const { github } = site;
  const labels = () => github.issue('acme/smaller', number).labels.filter((name) => name.startsWith('agent:'));
  await until(() => labels().join() === 'agent:review', runMs);
  site.later();

  await github.comment('acme/smaller', number, '/retry once more', 'maya');
  await until(
    async () => (await github.fileAt('acme/smaller', `millwright/issue-${number}`, 'src/sum.txt')) === '6\n',
    runMs,
  );

  expect(run).toMatchObject({ state: 'done', outcome: { code: 'review' } });
  expect(pullsOf('acme/smaller')).toHaveLength(1);
  const runs = await listRuns(site.factory.doors.db, {});
  expect(runs.map(({ id, name }) => [id, name])).toEqual([[run?.id, 'smaller']]);
  await until(() => labels().join() === 'agent:review', runMs);
});

test('a repository made private in mid-run changes nothing for an installed app', { timeout: runMs }, async () => {
  const { number, run } = await runInWhich((github) => github.makePrivate(repo, 'maya'));

  expect(run?.outcome?.code).toBe('review');
  await site.reaches(number, 'agent:review');
});

test('a branch that is protected in mid-run ends the run as refused push, and the issue says so', {
  timeout: runMs,
}, async () => {
  const { number, run } = await runInWhich((github) => github.protectRefs(repo, 'refs/heads/millwright/*'));

  expect(run).toMatchObject({ state: 'failed', outcome: { code: 'outside.push-refused' } });
  await site.reaches(number, 'agent:failed');
  expect(site.status(number)).toContain('The branch could not be pushed.');
  expect(site.status(number)).toContain('Protected branch update failed');
  expect(site.pulls()).toEqual([]);
});

test.each([
  {
    what: 'archived',
    happens: (github: GitHubStandIn) => github.archiveRepository(repo, 'maya'),
    code: 'outside.repository-archived',
  },
  {
    what: 'deleted',
    happens: (github: GitHubStandIn) => github.deleteRepository(repo, 'maya'),
    code: 'outside.repository-gone',
  },
  {
    what: 'taken from the app',
    happens: (github: GitHubStandIn) => github.removeRepositories(github.installationId, [repo], 'maya'),
    code: 'outside.repository-gone',
  },
])(
  'a repository $what in mid-run ends the run as $code, and nothing is tried for ever',
  {
    timeout: runMs,
  },
  async ({ happens, code }) => {
    const { run } = await runInWhich(happens);

    expect(run).toMatchObject({ state: 'failed', outcome: { code } });
  },
);

test.each([
  {
    what: 'suspended',
    happens: (github: GitHubStandIn) => github.suspendApp(github.installationId),
    code: 'outside.app-suspended',
  },
  {
    what: 'uninstalled',
    happens: (github: GitHubStandIn) => github.uninstallApp(github.installationId, 'maya'),
    code: 'outside.app-uninstalled',
  },
])(
  'an app $what in mid-run ends the run as $code, and nothing is tried for ever',
  {
    timeout: runMs,
  },
  async ({ happens, code }) => {
    const { run } = await runInWhich(happens);

    expect(run).toMatchObject({ state: 'failed', outcome: { code } });
  },
);
