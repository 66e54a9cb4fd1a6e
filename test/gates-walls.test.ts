import { afterEach, expect, test } from 'vitest';
import { repositoryKey } from '../src/doors.ts';
import { policyPath, readLayers } from '../src/policy-source.ts';
import { type GateOptions, type GateSite, gateContract, openSite, repo, writes } from './support/gate-site.ts';
import { call, scripted } from './support/scripted.ts';
import { until } from './support/until.ts';

let site: GateSite;
afterEach(() => site[Symbol.asyncDispose]());
const open = async (options: GateOptions = {}) => {
  site = await openSite(options);
  return site;
};
const refOf = (name: string) => ({ installationId: site.github.installationId, owner: 'acme', name });
const comment = async (number: number, body: string, as: string) => {
  const { id } = await site.github.comment(repo, number, body, as);
  return id;
};
const answered = async (id: number, reaction: '+1' | 'confused') =>
  until(() => site.reactions(id).join() === `eyes,${reaction}`, 30_000).catch((error) => {
    throw new Error(`reactions: ${site.reactions(id)}`, { cause: error });
  });
const asks = () => scripted([call('ask', { question: 'Which sum?' })]);

test('/allow and /waive that would change nothing are refused with the wall that they meet', async () => {
  const { labelled, reaches, said, later } = await open({ script: asks() });
  const number = await labelled();
  await reaches(number, 'agent:waiting');
  later();

  const refused = async (body: string) => {
    await answered(await comment(number, body, 'maya'), 'confused');
    return said(number).findLast((text) => text.includes('millwright:reply:refused')) ?? '';
  };
  expect(await refused('/allow .github/workflows/ci.yml')).toMatch(/protected/);
  expect(await refused('/allow docs/**')).toMatch(/allows only src/);
  expect(await refused('/allow src/a.ts src/b.ts')).toMatch(/Expected \/allow GLOB/);
  expect(await refused('/waive smoke we have none')).toMatch(/smoke cannot be waived/);
  await answered(await comment(number, '/allow src/other/**', 'rita'), '+1');
});

test('while a policy file cannot be read only admins steer, the rest are told why, and anyone who could may stop', async () => {
  const { labelled, reaches, said, later, github, labels } = await open({
    script: asks(),
    users: { maya: 'maintain', rita: 'write', tom: 'triage', ada: 'admin' },
    files: {
      [policyPath]:
        'roles: { command: maintain }\nfiles: { allow: [src/**, test/**] }\nchecks: { unit: sh check.sh }\n',
    },
  });
  const number = await labelled();
  await reaches(number, 'agent:waiting');
  later();
  await github.commitOnBranch(repo, 'main', { [policyPath]: 'roles: { command: maintain }\nrolls: {}\n' }, 'ada');

  await answered(await comment(number, '/retry take the first', 'rita'), 'confused');
  await answered(await comment(number, '/waive unit it is slow', 'maya'), 'confused');
  expect(said(number).join('\n')).toMatch(/millwright\.yml:2:.*rolls/);
  expect(labels(number)).toEqual(['agent:waiting']);
  await answered(await comment(number, '/waive unit it is slow', 'ada'), '+1');
  await answered(await comment(number, '/stop', 'tom'), '+1');
});

test.each([
  ['a folder', { '.github/millwright.yml/a.yml': 'plan: approve\n' }],
  ['a link that leads out', { '.github/millwright.yml': { content: '../../elsewhere', mode: '120000' as const } }],
])('a policy that is %s is a problem, not no policy', async (_what, files) => {
  const { github, factory } = await open();
  await github.createRepository('acme/odd', { files });

  const { repository, problems } = await readLayers(factory.doors, refOf('odd'));

  expect(repository).toBeNull();
  expect(problems).toMatchObject([{ file: policyPath }]);
});

test('a policy of which GitHub sends no text is a problem, of the organisation too', async () => {
  const { github, factory } = await open();
  const body = { type: 'file', encoding: 'none', content: '', size: 2_000_000 };
  github.fault({ path: /\.github\/contents/, status: 200, body, times: 9 });

  const { problems } = await readLayers(factory.doors, refOf('small'));

  expect(problems).toMatchObject([{ file: `acme/.github/${policyPath}`, message: expect.stringMatching(/too large/) }]);
});

test('/stop has its effect where no reaction can be put on the comment', async () => {
  const { labelled, reaches, github } = await open({ script: scripted([{ hang: true }]) });
  const number = await labelled();
  await until(() => site.model.requests().length >= 2);
  github.fault({ path: /\/reactions/, status: 403, times: 100 });

  await comment(number, '/stop', 'maya');

  await reaches(number, 'agent:stopped', 10_000);
});

test('labels that someone made in other letters count, and are never two', async () => {
  const { github, reaches, labels, model } = await open({
    script: scripted(writes()),
    before: (stand) => {
      for (const name of ['Agent-Ready', 'Agent:Running', 'Agent:Review'])
        stand
          .repository(repo)
          .labels.set(name.toLowerCase(), { id: name.length, name, color: 'ededed', description: null });
    },
  });
  const number = await site.open();
  await github.label(repo, number, 'Agent-Ready', 'maya');
  await until(() => github.issue(repo, number).labels.includes('Agent:Review'), 30_000);

  expect(github.issue(repo, number).labels.sort()).toEqual(['Agent-Ready', 'Agent:Review']);
  expect(model.requests().length).toBeGreaterThan(0);
  await github.unlabel(repo, number, 'Agent-Ready', 'maya');
  await github.label(repo, number, 'agent-ready', 'maya');
  await until(() => site.status(number).includes('attempt') || site.status(number).includes('Queued'));
  expect(labels(number)).toEqual([]);
  expect(reaches).toBeDefined();
});

test('a label on a closed issue starts a run once the issue is opened again, and not before', async () => {
  const { github, reaches, model, quiet, said } = await open();
  const number = await site.open();
  await github.closeIssue(repo, number, 'maya');
  site.later();
  await github.label(repo, number, 'agent-ready', 'maya');
  await quiet();
  expect(model.requests()).toEqual([]);
  expect(said(number)).toEqual([]);

  site.later();
  await github.reopenIssue(repo, number, 'maya');
  await reaches(number, 'agent:review');
});

test('an issue that was closed while it waited stays stopped when it is opened again, until someone asks', async () => {
  const { github, reaches, labelled, quiet, labels } = await open({ script: scripted([...asks0(), ...writes()]) });
  const number = await labelled();
  await reaches(number, 'agent:waiting');
  site.later();
  await github.closeIssue(repo, number, 'maya');
  await reaches(number, 'agent:stopped');
  site.later();
  await github.reopenIssue(repo, number, 'maya');
  await site.pass();
  await quiet();
  expect(labels(number)).toEqual(['agent:stopped']);

  site.later();
  await comment(number, '/retry the first', 'rita');
  await reaches(number, 'agent:review');
});
const asks0 = () => [call('ask', { question: 'Which sum?' })];

test('failing checks of others that nobody told of send the work back, once', async () => {
  const { github, reaches, labelled, pulls, status } = await open({
    script: scripted([...writes(), ...writes('6\n')]),
  });
  const number = await labelled();
  await reaches(number, 'agent:review');
  site.deafen();
  await github.completeCheckSuite(repo, `millwright/issue-${number}`, [{ name: 'ci', conclusion: 'failure' }]);

  await site.pass();
  await until(async () => (await github.fileAt(repo, `millwright/issue-${number}`, 'src/sum.txt')) === '6\n', 30_000);
  await reaches(number, 'agent:review');
  await site.pass();

  expect(status(number)).toContain('attempt 2');
  expect(pulls()).toHaveLength(1);
});

test('a pull request that was opened again unheard is in review again', async () => {
  const { github, reaches, labelled, pulls, labels } = await open();
  const number = await labelled();
  await reaches(number, 'agent:review');
  const [pull = 0] = pulls();
  await github.closePull(repo, pull, 'maya');
  await until(() => labels(number).length === 0);
  site.deafen();
  site.later();
  await github.reopenPull(repo, pull, 'maya');

  await site.pass();

  await reaches(number, 'agent:review');
});

test('a repository that was added unheard is onboarded, those that were there at the first pass are not', async () => {
  const files = { 'package.json': '{"scripts":{"test":"node --test"}}' };
  const { github } = await open({ before: (stand) => stand.createRepository('acme/old', { files }) });
  await site.pass();
  site.deafen();
  await github.createRepository('acme/new', { files });

  await site.pass();
  await site.pass();

  const pullsOf = (name: string) => [...github.repository(`acme/${name}`).issues.values()].filter(({ pull }) => pull);
  expect(pullsOf('new')).toHaveLength(1);
  expect(pullsOf('old')).toHaveLength(0);
});

test.each(['queued', 'waiting'] as const)('/stop ends a run that is %s', async (state) => {
  const { labelled, reaches, engine, status, later } = await open({ script: asks() });
  if (state === 'queued') engine.now = { available: false, reason: 'gone' };
  const number = await labelled();
  if (state === 'queued') await until(() => status(number).includes('no sandbox engine'));
  else await reaches(number, 'agent:waiting');
  later();

  await answered(await comment(number, '/stop', 'tom'), '+1');

  await reaches(number, 'agent:stopped', 10_000);
  expect(status(number)).toContain('stopped by `tom`');
});

test('/retry from review or learn opens nothing that verification has not let through', async () => {
  const { labelled, reaches, later, pulls, status } = await open({
    script: scripted(writes('5\n', 'src/bad.txt')),
    files: {
      'check.sh': 'test ! -f src/bad.txt\n',
      [policyPath]: 'files: { allow: ["src/**", "test/**"] }\nchecks: { unit: sh check.sh }\nlimits: { rounds: 1 }\n',
    },
  });
  const number = await labelled();
  await reaches(number, 'agent:failed');

  for (const [index, stage] of ['review', 'learn'].entries()) {
    later();
    await answered(await comment(number, `/retry from ${stage}`, 'rita'), '+1');
    await until(() => status(number).includes(`attempt ${index + 2}`) && site.labels(number).join() === 'agent:failed');
  }

  expect(pulls()).toEqual([]);
});

test('a role that was taken away counts for nothing at the gate', async () => {
  const { labelled, reaches, later, github, said } = await open();
  const number = await labelled(gateContract, { author: 'otto' });
  await reaches(number, 'agent:waiting');
  later();
  github.addUser('rita', 'read');

  await answered(await comment(number, '/approve', 'rita'), 'confused');

  expect(said(number).join('\n')).toMatch(/\/approve` needs the role `write`/);
  expect(site.labels(number)).toEqual(['agent:waiting']);
});

test('a run that waited while the app was installed anew goes on through the new installation', async () => {
  const { labelled, reaches, later, github } = await open({ script: scripted([...asks0(), ...writes()]) });
  const number = await labelled();
  await reaches(number, 'agent:waiting');
  await github.uninstallApp(github.installationId, 'maya');
  await github.installApp('acme', [repo], 'maya');
  later();

  await comment(number, '/retry the first', 'rita');

  await reaches(number, 'agent:review');
});

test('the run of an issue that was deleted unheard is stopped', async () => {
  const { github, labelled, factory } = await open({ script: scripted([{ hang: true }]) });
  const number = await labelled(gateContract);
  await until(() => site.model.requests().length >= 2);
  site.deafen();
  await github.unlabel(repo, number, 'agent-ready', 'maya');
  github.fault({ path: new RegExp(`/issues/${number}(?:/|$)`), status: 410, times: 100 });

  await site.pass();

  const key = repositoryKey(factory.doors.host.githubHost, refOf('small'));
  await until(async () => {
    const [run] = await factory.doors.db.all<{ state: string }>('SELECT state FROM runs WHERE repository = $1', key);
    return run?.state === 'stopped';
  }, 15_000);
});

test('a money limit with a model whose price nobody knows is refused by name, before anything is asked', async () => {
  const { labelled, reaches, status } = await open({
    script: scripted([]),
    files: { [policyPath]: 'limits: { dollars: 3 }\nfiles: { allow: [src/**] }\nchecks: { unit: sh check.sh }\n' },
  });
  const number = await labelled();

  await reaches(number, 'agent:waiting');

  expect(status(number)).toMatch(/model\.prices.*scripted|scripted.*price/s);
});
