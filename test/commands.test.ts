import { afterEach, expect, test } from 'vitest';
import { type GateOptions, type GateSite, gateContract, openSite, repo, writes } from './support/gate-site.ts';
import { call, scripted } from './support/scripted.ts';
import { until } from './support/until.ts';

let site: GateSite;
afterEach(() => site[Symbol.asyncDispose]());
const open = async (options: GateOptions = {}) => {
  site = await openSite(options);
  return site;
};

const hang = { hang: true } as const;
const asked = (calls: number) => until(() => site.model.requests().length >= calls, 30_000);
const comment = async (number: number, body: string, as: string) => {
  const { id } = await site.github.comment(repo, number, body, as);
  return id;
};
/** Waits for the app's answer to a comment. */
const answered = async (id: number, reaction: '+1' | 'confused') =>
  until(() => site.reactions(id).join() === `eyes,${reaction}`, 30_000).catch((error) => {
    throw new Error(`reactions: ${site.reactions(id)}`, { cause: error });
  });
const reply = (number: number, text: RegExp) => site.said(number).filter((body) => text.test(body));

test('/help and /status are answered on issues and pull requests, also where nothing was started', async () => {
  const { open: openIssue, labelled, reaches, pulls, said } = await open();
  const bare = await openIssue();
  await answered(await comment(bare, '/help', 'otto'), '+1');
  await answered(await comment(bare, '/status', 'otto'), '+1');
  expect(said(bare)).toHaveLength(2);
  expect(said(bare)[0]).toMatch(/\/retry.*write/);
  expect(said(bare)[1]).toMatch(/Nothing was started here/);

  const number = await labelled();
  await reaches(number, 'agent:review');
  const [pull = 0] = pulls();
  await answered(await comment(number, '/status', 'otto'), '+1');
  await answered(await comment(pull, '/status', 'otto'), '+1');
  await answered(await comment(pull, '/help', 'otto'), '+1');

  expect(reply(number, /In review/)).toHaveLength(2);
  expect(said(pull)).toHaveLength(2);
});

test.each(['/retry', '/stop', '/approve', '/allow src/**', '/waive unit slow', '/rollback'])(
  '%s where nothing was started is refused with the reason',
  async (command) => {
    const { open: openIssue, said } = await open();
    const number = await openIssue();

    await answered(await comment(number, command, 'maya'), 'confused');

    expect(said(number)).toHaveLength(1);
    expect(said(number)[0]).toMatch(/Nothing was started here/);
  },
);

test('commands in code, quotes, lists, edits and of bots have no effect', async () => {
  const { labelled, reaches, github, quiet, labels } = await open({ script: scripted([hang]) });
  const number = await labelled();
  await asked(2);

  const ids = [];
  for (const body of ['    /stop', '```\n/stop\n```', '> /stop', '- /stop', 'please /stop', '`/stop`', '/stopp'])
    ids.push(await comment(number, body, 'maya'));
  const later = await comment(number, 'nothing', 'maya');
  await github.editComment(repo, later, '/stop', 'maya');
  ids.push(later, await comment(number, '/stop', 'helper[bot]'), await comment(number, '/stop', github.botLogin));
  await quiet();

  expect(labels(number)).toEqual(['agent:running']);
  expect(ids.flatMap((id) => site.reactions(id))).toEqual([]);
  await comment(number, 'Enough.\n\n/stop now', 'maya');
  await reaches(number, 'agent:stopped');
});

test('/stop needs its role, is told once who may, and twice has one effect', async () => {
  const { labelled, reaches, said, status } = await open({ script: scripted([hang]) });
  const number = await labelled();
  await asked(2);

  await answered(await comment(number, '/stop', 'otto'), 'confused');
  await answered(await comment(number, '/stop please', 'otto'), 'confused');
  expect(reply(number, /needs the role `triage`/)).toHaveLength(1);
  const first = await comment(number, '/stop wrong issue', 'tom');
  const second = await comment(number, '/stop as well', 'rita');
  await reaches(number, 'agent:stopped', 10_000);
  await answered(first, '+1');
  await answered(second, '+1');

  expect(status(number)).toMatch(/stopped by `tom`: wrong issue/);
  expect(said(number)).toHaveLength(2);
});

test.each([
  { state: 'a model that never answers the plan', script: () => scripted([hang]), planHangs: true },
  { state: 'a model that never answers the build', script: () => scripted([hang]) },
  {
    state: 'a command of the agent that never ends',
    script: () => scripted([call('run_command', { command: 'sleep 300' })]),
  },
  {
    state: 'a check that never ends',
    script: () => scripted(writes()),
    policy: 'files: { allow: ["src/**", "test/**"] }\nchecks: { unit: sleep 300 }\n',
  },
])('/stop ends a run within ten seconds in $state', async ({ script, planHangs, policy, state }) => {
  const scripts = script();
  const { labelled, reaches, status, engine, pulls } = await open({
    script: planHangs ? () => hang : scripts,
    ...(policy === undefined ? {} : { files: { '.github/millwright.yml': policy } }),
  });
  const number = await labelled();
  if (planHangs) await asked(1);
  else if (policy) await until(() => /⚙️[^|]*round 1 of 3 \| ·/.test(status(number)) && engine.opened > 0, 30_000);
  else await asked(2);
  if (state.includes('command')) await until(() => engine.opened > 0);

  const startedAtMs = performance.now();
  await comment(number, '/stop', 'maya');
  await reaches(number, 'agent:stopped', 10_000);
  await until(() => engine.opened === 0, 10_000);

  expect(performance.now() - startedAtMs).toBeLessThan(10_000);
  expect(pulls()).toEqual([]);
});

test('/stop ends a run within ten seconds while git gets no answer', async () => {
  const { labelled, reaches, github, factory } = await open();
  const fault = github.fault({
    path: /small\.git\/(info\/refs|git-upload-pack)/,
    until: new Promise(() => {}),
    times: 9,
  });
  const number = await labelled();
  await until(() => fault.hits() > 0);

  const startedAtMs = performance.now();
  await comment(number, '/stop', 'maya');
  await reaches(number, 'agent:stopped', 10_000);

  expect(performance.now() - startedAtMs).toBeLessThan(10_000);
  expect(factory.service.app).not.toBeNull();
});

test('/stop on an open pull request ends all rounds from CI until /retry', async () => {
  const { labelled, reaches, github, pulls, model, quiet, later } = await open({
    script: scripted([...writes(), ...writes('6\n'), ...writes('7\n')]),
  });
  const number = await labelled();
  await reaches(number, 'agent:review');
  const [pull = 0] = pulls();

  await comment(pull, '/stop thanks', 'tom');
  await reaches(number, 'agent:stopped');
  const calls = model.requests().length;
  await github.completeCheckSuite(repo, `millwright/issue-${number}`, [{ name: 'ci', conclusion: 'failure' }]);
  await quiet();
  expect(model.requests()).toHaveLength(calls);
  expect(site.labels(number)).toEqual(['agent:stopped']);

  later();
  await comment(pull, '/retry', 'rita');
  await reaches(number, 'agent:review');
  await github.completeCheckSuite(repo, `millwright/issue-${number}`, [{ name: 'ci', conclusion: 'failure' }]);
  await until(async () => (await github.fileAt(repo, `millwright/issue-${number}`, 'src/sum.txt')) === '7\n', 30_000);
  await reaches(number, 'agent:review');
  expect(pulls()).toEqual([pull]);
});

test('/retry while a run goes on is refused, and of two people who ask at once one attempt begins', async () => {
  const { labelled, reaches, github, status, later, said } = await open({ script: scripted([hang, hang]) });
  const number = await labelled();
  await asked(2);
  await answered(await comment(number, '/retry', 'rita'), 'confused');
  expect(reply(number, /stop it first/)).toHaveLength(1);
  await comment(number, '/stop', 'rita');
  await reaches(number, 'agent:stopped');

  later();
  const both = await Promise.all([
    github.comment(repo, number, '/retry one', 'rita'),
    github.comment(repo, number, '/retry two', 'maya'),
  ]);
  await until(() => both.every(({ id }) => site.reactions(id).length === 2));

  expect(both.map(({ id }) => site.reactions(id)[1]).sort()).toEqual(['+1', 'confused']);
  await until(() => status(number).includes('attempt 2'));
  expect(said(number).filter((body) => body.includes('attempt 3'))).toEqual([]);
});

test('/retry from a stage begins there; a stage that does not exist is refused', async () => {
  const { labelled, reaches, pulls, later, status, model } = await open({ script: scripted(writes()) });
  const number = await labelled();
  await reaches(number, 'agent:review');
  const calls = model.requests().length;
  later();

  await answered(await comment(number, '/retry from bulid', 'rita'), 'confused');
  await comment(number, '/retry from verify', 'rita');
  await until(() => /In review.*attempt 2/s.test(status(number)), 30_000);

  expect(status(number)).toMatch(/no further change/);
  expect(model.requests().length).toBeLessThanOrEqual(calls + 1);
  expect(pulls()).toHaveLength(1);
});

test('commands in a review and on a line of the diff count like those in a comment', async () => {
  const { labelled, reaches, github, pulls, later } = await open({ script: scripted([...writes(), hang, hang]) });
  const number = await labelled();
  await reaches(number, 'agent:review');
  const [pull = 0] = pulls();
  const calls = site.model.requests().length;
  later();

  const review = await github.review(repo, pull, { event: 'REQUEST_CHANGES', body: '/retry make it 6' }, 'rita');
  await asked(calls + 1);
  await until(() => review.reactions.map(({ content }) => content).join() === 'eyes,+1');
  const line = await github.reviewComment(repo, pull, { path: 'src/sum.txt', line: 1, body: '/stop' }, 'tom');
  await reaches(number, 'agent:stopped');

  expect(line.reactions.map(({ content }) => content)).toEqual(['eyes', '+1']);
});

test('/allow waits for the next verdict while the run goes on, and takes up a run that waits for it', async () => {
  const gate = Promise.withResolvers<void>();
  const { labelled, reaches, later, status, model, github } = await open({
    script: scripted([
      call('write_file', { path: 'docs/sum.md', content: 'five\n' }),
      async () => {
        await gate.promise;
        return writes()[0] as never;
      },
      writes()[1] as never,
      call('write_file', { path: 'docs/more.md', content: 'six\n' }),
      writes()[1] as never,
    ]),
    files: {
      '.github/millwright.yml': 'files: { allow: ["src/**", "test/**", "docs/**"] }\nchecks: { unit: sh check.sh }\n',
    },
  });
  const number = await labelled();
  await asked(3);
  await answered(await comment(number, '/allow docs/sum.md', 'rita'), '+1');
  gate.resolve();
  await reaches(number, 'agent:review');
  expect(await github.fileAt(repo, `millwright/issue-${number}`, 'docs/sum.md')).toBe('five\n');

  later();
  await comment(number, '/retry more', 'rita');
  await reaches(number, 'agent:waiting');
  expect(status(number)).toContain('docs/more.md');
  const calls = model.requests().length;
  later();
  await answered(await comment(number, '/allow ../etc/**', 'rita'), 'confused');
  await answered(await comment(number, '/allow docs/**', 'otto'), 'confused');
  await comment(number, '/allow docs/more.md', 'rita');
  await reaches(number, 'agent:review');

  expect(await github.fileAt(repo, `millwright/issue-${number}`, 'docs/more.md')).toBe('six\n');
  expect(model.requests().length).toBeLessThanOrEqual(calls + 1);
});

test('/waive needs its role, a known name and a reason', async () => {
  const { labelled, reaches, later, said } = await open({
    script: scripted([call('ask', { question: 'Which sum?' })]),
  });
  const number = await labelled();
  await reaches(number, 'agent:waiting');
  later();

  await answered(await comment(number, '/waive unit it is slow', 'rita'), 'confused');
  await answered(await comment(number, '/waive unit', 'maya'), 'confused');
  await answered(await comment(number, '/waive protected I say so', 'maya'), 'confused');
  await answered(await comment(number, '/waive unit it is slow', 'maya'), '+1');

  expect(said(number).join('\n')).toMatch(/protected cannot be waived/);
  expect(site.labels(number)).toEqual(['agent:waiting']);
});

test('an issue about nothing else than commands keeps one status comment and one reply for each kind', async () => {
  const { labelled, reaches, said, later } = await open();
  const number = await labelled(gateContract);
  await reaches(number, 'agent:review');
  later();

  for (const body of ['/help', '/help', '/status', '/status', '/approve', '/approve']) {
    const id = await comment(number, body, 'maya');
    await until(() => site.reactions(id).length === 2);
  }

  expect(said(number)).toHaveLength(4);
});
