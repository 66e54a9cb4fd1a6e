import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { mirrorKey } from '../src/doors.ts';
import { trust } from '../src/engine/repositories.ts';
import { latestRun, listRuns } from '../src/engine/runs.ts';
import { mirrorPath } from '../src/git/mirror.ts';
import {
  type GateOptions,
  type GateSite,
  gateContract,
  gateRepository,
  openSite,
  repo,
  writes,
} from './support/gate-site.ts';
import { scripted } from './support/scripted.ts';
import { until } from './support/until.ts';

let site: GateSite;
afterEach(() => site[Symbol.asyncDispose]());
const open = async (options: GateOptions = {}) => {
  site = await openSite(options);
  return site;
};
const wantsSecret = `${gateContract}- Secrets and credentials: STAGING_TOKEN\n`;

test('a repository that takes a freed name gets neither runs, mirror nor secrets of the one before, until the operator says so', async () => {
  const withSecret = {
    '.github/millwright.yml': `${gateRepository['.github/millwright.yml']}secrets: [STAGING_TOKEN]\n`,
  };
  const { github, reaches, factory, status, labelled, later } = await open({
    script: scripted([...writes(), ...writes()]),
    env: { MILLWRIGHT_SECRET_STAGING_TOKEN: 'hush-hush-value' },
    files: withSecret,
    replace: ({ host }) => ({
      host: { ...host, operatorPolicy: { for: [{ match: 'acme/small', secrets: ['STAGING_TOKEN'] }] } },
    }),
  });
  const { db, host } = factory.doors;
  const key = `${host.githubHost}/acme/small`;
  const mirrorOf = (id: number) => existsSync(mirrorPath(join(factory.dataDir, 'mirrors'), mirrorKey(key, id)));
  const first = await labelled(wantsSecret);
  await reaches(first, 'agent:review');
  const before = github.repository(repo).id;
  site.deafen();
  await github.renameRepository(repo, 'elsewhere', 'maya');
  await github.createRepository(repo, { files: { ...gateRepository, ...withSecret } });
  github.dropWebhooks(false);

  const second = await labelled(wantsSecret);
  await reaches(second, 'agent:waiting');

  expect(second).toBe(first);
  expect(status(second)).toContain('STAGING_TOKEN');
  expect(status(second)).toContain('millwright trust acme/small');
  expect(await listRuns(db, { repository: key })).toHaveLength(1);
  expect(await listRuns(db, { repository: `${key}@${before}` })).toHaveLength(1);
  await site.pass();
  expect(await latestRun(db, `${host.githubHost}/acme/elsewhere`, first)).toMatchObject({ state: 'done' });
  await trust(db, key);
  later();
  await github.unlabel(repo, second, 'agent-ready', 'maya');
  later();
  await github.label(repo, second, 'agent-ready', 'maya');
  await reaches(second, 'agent:review');
  expect([before, github.repository(repo).id].map(mirrorOf)).toEqual([true, true]);
});

test('a rename that only a pass tells of begins no second run, and a word under the old name is heard under the new', async () => {
  const { github, labelled, reaches, factory, later } = await open({
    script: scripted([...writes(), ...writes('6\n')]),
  });
  const number = await labelled();
  await reaches(number, 'agent:review');
  site.deafen();
  await github.renameRepository(repo, 'smaller', 'maya');

  await site.pass();
  await site.pass();

  const moved = 'acme/smaller';
  expect(await listRuns(factory.doors.db, {})).toHaveLength(1);
  github.dropWebhooks(false);
  later();
  await github.comment(moved, number, '/retry six', 'rita');
  await until(async () => (await github.fileAt(moved, `millwright/issue-${number}`, 'src/sum.txt')) === '6\n', 30_000);
  expect(await listRuns(factory.doors.db, {})).toMatchObject([{ name: 'smaller', attempt: 2 }]);
});

test('a run whose issue was transferred unheard ends, and the label works where the issue is now', async () => {
  const { github, labelled, model, factory, later } = await open({ script: scripted([{ hang: true }, ...writes()]) });
  await github.createRepository('acme/other', { files: gateRepository });
  const number = await labelled();
  await until(() => model.requests().length >= 2);
  site.deafen();
  later();
  const moved = await github.transferIssue(repo, number, 'acme/other', 'maya');

  await site.pass();

  const runsOf = (name: string) =>
    listRuns(factory.doors.db, { repository: `${factory.doors.host.githubHost}/acme/${name}` });
  await until(async () => (await runsOf('small'))[0]?.state === 'stopped', 15_000);
  expect((await runsOf('small'))[0]?.outcome).toMatchObject({ detail: 'deleted or moved the issue' });
  await until(async () => (await runsOf('other'))[0]?.state === 'done', 30_000);
  expect(await runsOf('other')).toMatchObject([{ issue: moved.number, attempt: 1 }]);
  const said = [...github.repository('acme/other').comments.values()].filter(
    ({ author }) => author === github.botLogin,
  );
  await until(() => said[0]?.body?.includes('In review') === true);
  expect(said).toHaveLength(1);
});
