import { afterEach, expect, test } from 'vitest';
import { type GateOptions, type GateSite, openSite, people, repo, writes } from './support/gate-site.ts';
import { call, scripted } from './support/scripted.ts';
import { until } from './support/until.ts';

let site: GateSite;
afterEach(() => site[Symbol.asyncDispose]());
const open = async (options: GateOptions = {}) => {
  site = await openSite(options);
  return site;
};
const policy = (more: string) => ({
  '.github/millwright.yml': `files: { allow: ["src/**", "test/**"] }\nchecks: { unit: sh check.sh }\n${more}\n`,
});
const branch = (number: number) => `millwright/issue-${number}`;

/** The state labels of an issue after each time that one was put on or taken off, in order. */
function stateLabels(number: number): string[] {
  const on = new Set<string>();
  return site.github.repository(repo).events.flatMap(({ issue, event, detail }) => {
    const name = String(detail.label ?? '');
    if (issue !== number || !name.startsWith('agent:')) return [];
    if (event === 'labeled') on.add(name);
    else on.delete(name);
    return [[...on].join(' and ')];
  });
}

test('an issue has one state label at a time and one status comment, through waiting, failing, review, stop and merge', async () => {
  const { labelled, reaches, github, pulls, labels, later, said } = await open({
    files: { ...policy('limits: { rounds: 1 }'), 'check.sh': '! test -f src/bad.txt\n' },
    script: scripted([
      call('ask', { question: 'Which sum?' }),
      ...writes('5\n', 'src/bad.txt'),
      call('run_command', { command: 'rm src/bad.txt' }),
      ...writes(),
    ]),
  });
  const number = await labelled();
  await reaches(number, 'agent:waiting');
  for (const end of ['agent:failed', 'agent:review']) {
    later();
    await github.comment(repo, number, '/retry the first', 'rita');
    await reaches(number, end, 60_000);
  }
  later();
  await github.comment(repo, number, '/stop', 'tom');
  await reaches(number, 'agent:stopped');
  await github.mergePull(repo, pulls()[0] ?? 0, 'maya');
  await until(() => labels(number).length === 0);

  const running = ['agent:running', ''];
  expect(stateLabels(number)).toEqual([
    ...[...running, 'agent:waiting', '', ...running, 'agent:failed', '', ...running, 'agent:review', ''],
    ...['agent:stopped', ''],
  ]);
  expect(said(number)).toHaveLength(1);
});

test('a state label that a person puts on beside the run’s own goes again', async () => {
  const { labelled, reaches, github } = await open();
  const number = await labelled();
  await reaches(number, 'agent:review');

  await github.label(repo, number, 'agent:stopped', 'maya');
  await reaches(number, 'agent:review');
});

test('a run that ends at a limit shows its last output and its diffstat, folded', async () => {
  const { labelled, reaches, status } = await open({
    files: policy('limits: { turns: 2 }'),
    script: scripted([...writes().slice(0, 1), call('run_command', { command: 'echo LAST WORDS' })]),
  });

  const number = await labelled();
  await reaches(number, 'agent:failed', 60_000);

  expect(status(number)).toMatch(/<summary>Last output<\/summary>\n\n```text\n[^`]*LAST WORDS/);
  expect(status(number)).toMatch(/<summary>Patch so far: 1 file/);
});

test('the position in the queue follows when a run before it leaves', async () => {
  const { labelled, github, status, engine } = await open();
  engine.now = { available: false, reason: 'gone' };
  const [first, , last] = [await labelled(), await labelled(), await labelled()];
  await until(() => /Queued\*\* at position 3/.test(status(last)));

  await github.unlabel(repo, first, 'agent-ready', 'maya');

  await until(() => /Queued\*\* at position 2/.test(status(last)), 20_000);
});

test('a check of others that fails before the run has ended sends the work back as well', async () => {
  const { labelled, reaches, github, pulls, status } = await open({
    script: scripted([...writes(), ...writes('6\n')]),
  });
  const ready = Promise.withResolvers<void>();
  const held = github.fault({ method: 'POST', path: /\/check-runs$/, until: ready.promise });
  const number = await labelled();
  await until(() => held.hits() > 0 && pulls().length === 1, 30_000);

  await github.completeCheckSuite(repo, branch(number), [{ name: 'ci', conclusion: 'failure' }]);
  await site.quiet();
  ready.resolve();

  await until(async () => (await github.fileAt(repo, branch(number), 'src/sum.txt')) === '6\n', 30_000);
  await reaches(number, 'agent:review', 60_000);
  expect(status(number)).toContain('attempt 2');
});

test('the pull request is a draft, with the labels and the reviewers of the policy, those that can be asked', async () => {
  const { labelled, reaches, github, pulls } = await open({
    files: policy('pull_request: { draft: true, labels: [agent, small], reviewers: [nobody-here, rita, acme/core] }'),
  });

  const number = await labelled();
  await reaches(number, 'agent:review', 60_000);

  const { pull, labels } = github.pull(repo, pulls()[0] ?? 0);
  expect(pull).toMatchObject({ draft: true, reviewers: ['rita'], teams: ['core'] });
  expect(labels).toEqual(['agent', 'small']);
});

test('each accepted attempt adds one commit of the app on top, with title, body and trailers of the contract', async () => {
  const { labelled, reaches, github, status, later } = await open({
    script: scripted([...writes(), ...writes('6\n')]),
  });
  const number = await labelled();
  await reaches(number, 'agent:review', 60_000);
  later();
  await github.comment(repo, number, '/retry six', 'rita');
  await until(() => /In review.*attempt 2/.test(status(number)), 30_000);

  const log = await github.repository(repo).git.text(['log', '--format=%an|%P|%B%x00', branch(number), '^main']);
  const commits = log.split('\0').filter((entry) => entry.trim() !== '');
  expect(commits).toHaveLength(2);
  const revision = /sha256:[0-9a-f]{64}/.exec(status(number))?.[0];
  for (const commit of commits) {
    const [author, parents, message = ''] = commit.trim().split('|');
    expect([author, parents?.split(' ').length]).toEqual([github.botLogin, 1]);
    expect(message).toMatch(/^write the sum\n\nGoal: write the sum\.\n/);
    expect(message.trimEnd().split('\n\n').at(-1)).toMatch(new RegExp(`^Contract: ${revision}\nRun: \\w+$`));
  }
});

test('on installation and in added repositories labels and one pull request come, at a start they do not', async () => {
  const files = { 'package.json': '{"scripts":{"test":"node --test"}}' };
  const { github, quiet } = await open({
    before: async (stand) => {
      for (const name of ['acme/there', 'globex/new', 'acme/added'])
        await stand.createRepository(name, { files, installed: name === 'acme/there' });
    },
  });
  const pullsOf = (name: string) => [...github.repository(name).issues.values()].filter(({ pull }) => pull);
  await quiet();

  await github.installApp('globex', ['globex/new'], 'maya');
  await github.addRepositories(github.installationId, ['acme/added'], 'maya');
  await until(() => pullsOf('globex/new').length + pullsOf('acme/added').length === 2, 60_000);

  for (const name of ['globex/new', 'acme/added']) {
    expect(pullsOf(name).map(({ pull }) => pull?.headRef)).toEqual(['millwright/onboarding']);
    expect(github.repository(name).labels.get('agent-ready')).toMatchObject({
      description: expect.stringMatching(/./),
    });
  }
  expect(pullsOf('acme/there')).toEqual([]);
  expect(github.repository('acme/there').labels.size).toBe(0);
});

/** Who may give which command when no policy says otherwise: the least role of each. */
const least = {
  '/retry': 'write',
  '/stop': 'triage',
  '/approve': 'write',
  '/allow src/**': 'write',
  '/rollback': 'write',
};
const ranks = ['none', 'read', 'triage', 'write', 'maintain'] as const;

test.each(Object.entries({ ...least, '/waive unit it is slow': 'maintain', '/status': 'read', '/help': 'read' }))(
  '%s is refused to everyone below %s, and to nobody else, when the policy is silent',
  async (command, role) => {
    const { labelled, reaches, github, later, said, reactions } = await open({
      script: scripted([call('ask', { question: 'Which sum?' })]),
    });
    const number = await labelled();
    await reaches(number, 'agent:waiting');
    later();

    const below = Object.entries(people).filter(([, has]) => ranks.indexOf(has) < ranks.indexOf(role as 'write'));
    const given = await Promise.all(below.map(([login]) => github.comment(repo, number, command, login)));
    await until(() => given.every(({ id }) => reactions(id).join() === 'eyes,confused'), 30_000);
    const told = said(number).filter((body) => body.includes(`needs the role \`${role}\``));
    expect(told).toHaveLength(below.length);

    const [just = ''] = Object.entries(people).find(([, has]) => has === role) ?? [];
    const { id } = await github.comment(repo, number, command, just);
    await until(() => reactions(id).length === 2, 30_000);
    expect(said(number).filter((body) => body.includes('needs the role'))).toHaveLength(below.length);
  },
);
