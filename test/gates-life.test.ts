import { afterEach, expect, test } from 'vitest';
import { expireWaits } from '../src/waits.ts';
import { type GateOptions, type GateSite, gateContract, openSite, repo, writes } from './support/gate-site.ts';
import type { ChatRequest } from './support/model-stand-in.ts';
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
const branch = (number: number) => `millwright/issue-${number}`;

test('without an engine an issue stays queued and says so, leaves the queue with its label, and goes on when the engine is back', async () => {
  const { labelled, engine, status, reaches, github } = await open();
  engine.now = { available: false, reason: 'gone' };

  const left = await labelled();
  await until(() => status(left).includes('no sandbox engine'));
  await github.unlabel(repo, left, 'agent-ready', 'maya');
  await reaches(left, 'agent:stopped');
  expect(status(left)).toMatch(/stopped by `maya`/);

  const kept = await labelled();
  await until(() => status(kept).includes('no sandbox engine'));
  engine.now = { available: true };
  await reaches(kept, 'agent:review');
});

/** Where a run may hang for ever: a call to GitHub or git that is not answered, or the model in one of its three parts. */
const hanging: readonly { where: string; method?: string; path?: RegExp; asks?: string; signs?: boolean }[] = [
  { where: 'intake', path: /collaborators\/maya\/permission/ },
  { where: 'the fetch', method: 'POST', path: /git-upload-pack/ },
  { where: 'the plan', asks: 'You plan one' },
  { where: 'the build', asks: 'You carry out' },
  { where: 'the second look', asks: 'You take a second look' },
  { where: 'the commit', method: 'POST', path: /\/git\/commits$/ },
  { where: 'the branch', method: 'POST', path: /\/git\/refs$/ },
  { where: 'the push', method: 'POST', path: /git-receive-pack/, signs: false },
  { where: 'the pull request', method: 'POST', path: /\/pulls$/ },
  { where: 'the check run', method: 'POST', path: /\/check-runs$/ },
];

test.each(hanging)(
  '/stop while $where hangs ends the run within ten seconds',
  async ({ method, path, asks, signs }) => {
    const usual = scripted(writes());
    const hangs = (request: ChatRequest) => asks !== undefined && JSON.stringify(request.messages[0]).includes(asks);
    const { github, labelled, reaches, status, engine, model } = await open({
      script: (request) => (hangs(request) ? hang : usual(request)),
    });
    const over = Promise.withResolvers<void>();
    github.signCommits(signs ?? true);
    const fault = path && github.fault({ path, until: over.promise, ...(method ? { method } : {}) });
    const number = await labelled();
    await until(() => (fault ? fault.hits() > 0 : model.requests().some(hangs)), 30_000);

    const startedAtMs = Date.now();
    await github.comment(repo, number, '/stop', 'tom');
    await reaches(number, 'agent:stopped', 10_000).finally(over.resolve);
    await until(() => engine.opened === 0, 10_000 - (Date.now() - startedAtMs));

    expect(status(number)).toMatch(/stopped by `tom`/);
  },
);

test.each(['unlabel', 'close'] as const)(
  'a running run ends within ten seconds as stopped by who does this to its issue: %s',
  async (how) => {
    const { labelled, github, reaches, status, engine, pulls } = await open({ script: scripted([hang]) });
    const number = await labelled();
    await asked(2);

    const startedAtMs = Date.now();
    if (how === 'unlabel') await github.unlabel(repo, number, 'agent-ready', 'rita');
    else await github.closeIssue(repo, number, 'rita');
    await reaches(number, 'agent:stopped', 10_000);
    await until(() => engine.opened === 0, 10_000 - (Date.now() - startedAtMs));

    expect(status(number)).toMatch(/stopped by `rita`/);
    expect(pulls()).toEqual([]);
  },
);

test('a waiting run ends with its label', async () => {
  const { labelled, github, reaches } = await open();
  const number = await labelled('make it better');
  await reaches(number, 'agent:waiting');

  await github.unlabel(repo, number, 'agent-ready', 'maya');

  await reaches(number, 'agent:stopped');
});

test('an edited contract is tried again when the label is put on again, in the same comment', async () => {
  const { labelled, github, reaches, said, status } = await open();
  const number = await labelled('## Goal\n- Goal: make it better\n');
  await reaches(number, 'agent:waiting');
  expect(status(number)).toMatch(/Acceptance criteria/);

  await github.editIssue(repo, number, { body: gateContract }, 'maya');
  await github.unlabel(repo, number, 'agent-ready', 'maya');
  await github.label(repo, number, 'agent-ready', 'maya');
  await reaches(number, 'agent:review');

  expect(said(number)).toHaveLength(1);
});

test('a label taken off and put on again at once while a run goes on works on the new text, and nothing is lost', async () => {
  const { labelled, github, reaches, status } = await open({ script: scripted([hang, ...writes()]) });
  const number = await labelled();
  await asked(2);

  await github.editIssue(repo, number, { body: gateContract.replace('says 5', 'says five') }, 'maya');
  await github.unlabel(repo, number, 'agent-ready', 'maya');
  await github.label(repo, number, 'agent-ready', 'maya');
  await reaches(number, 'agent:review');

  expect(status(number)).toContain('says five');
});

test('a label put on again whose removal was never told of ends the older run first', async () => {
  const { labelled, github, reaches, status } = await open({ script: scripted([hang, ...writes()]) });
  const number = await labelled();
  await asked(2);
  github.advanceClock(5_000);

  github.dropWebhooks(true);
  await github.editIssue(repo, number, { body: gateContract.replace('says 5', 'says V') }, 'maya');
  await github.unlabel(repo, number, 'agent-ready', 'maya');
  github.dropWebhooks(false);
  await github.label(repo, number, 'agent-ready', 'maya');
  await reaches(number, 'agent:review');

  expect(status(number)).toContain('says V');
});

test('an edit in mid-run gets one comment and reaches nobody; another edit adds nothing', async () => {
  const { labelled, github, reaches, said, quiet } = await open({
    script: scripted([{ ...call('run_command', { command: 'true' }), delayMs: 1_500 }, ...writes()]),
  });
  const number = await labelled();
  await asked(2);

  await github.editIssue(repo, number, { body: gateContract.replace('says 5', 'says 6') }, 'maya');
  await github.editIssue(repo, number, { title: 'another title' }, 'maya');
  await github.editIssue(repo, number, { body: gateContract.replace('says 5', 'says 7') }, 'maya');
  await reaches(number, 'agent:review');
  await quiet();

  const about = said(number).filter((body) => body.includes('The issue was edited'));
  expect(about).toHaveLength(1);
  expect(said(number)).toHaveLength(2);
  expect(site.status(number)).toContain('says 5');
});

test('relabelled with an open pull request, a new revision goes to the same branch and the same pull request', async () => {
  const { labelled, github, reaches, pulls, status } = await open({
    script: scripted([...writes(), ...writes('8\n')]),
  });
  const number = await labelled();
  await reaches(number, 'agent:review');
  const [pull] = pulls();

  await github.unlabel(repo, number, 'agent-ready', 'maya');
  await github.editIssue(repo, number, { body: gateContract.replace('says 5', 'says 8') }, 'maya');
  expect(site.labels(number)).toEqual(['agent:review']);
  await github.label(repo, number, 'agent-ready', 'maya');
  await until(async () => (await github.fileAt(repo, branch(number), 'src/sum.txt')) === '8\n', 30_000);
  await reaches(number, 'agent:review');

  expect(pulls()).toEqual([pull]);
  expect(status(number)).toContain('says 8');
});

test.each(['merge', 'close'] as const)('when the pull request ends (%s), all state labels go', async (how) => {
  const { labelled, github, reaches, pulls, labels, status } = await open();
  const number = await labelled();
  await reaches(number, 'agent:review');
  const [pull = 0] = pulls();

  if (how === 'merge') await github.mergePull(repo, pull, 'maya');
  else await github.closePull(repo, pull, 'maya');
  await until(() => labels(number).length === 0);

  await until(() => status(number).includes(how === 'merge' ? 'Merged' : 'Closed'));
});

test('a pull request that is merged while a further round is worked ends that round, and no label stays', async () => {
  const { labelled, github, reaches, pulls, labels, status, later } = await open({
    script: scripted([...writes(), hang]),
  });
  const number = await labelled();
  await reaches(number, 'agent:review');
  const [pull = 0] = pulls();
  const calls = site.model.requests().length;
  later();
  await github.comment(repo, pull, '/retry once more', 'rita');
  await asked(calls + 1);

  await github.mergePull(repo, pull, 'maya');

  await until(() => labels(number).length === 0 && status(number).includes('Merged'), 15_000);
});

test('a closed pull request stays closed until /retry, which opens the same one again', async () => {
  const { labelled, github, reaches, pulls, labels, later } = await open({
    script: scripted([...writes(), ...writes('6\n')]),
  });
  const number = await labelled();
  await reaches(number, 'agent:review');
  const [pull = 0] = pulls();
  await github.closePull(repo, pull, 'maya');
  await until(() => labels(number).length === 0);

  await github.completeCheckSuite(repo, branch(number), [{ name: 'ci', conclusion: 'failure' }]);
  await site.quiet();
  expect(github.issue(repo, pull).state).toBe('closed');
  later();
  await github.comment(repo, pull, '/retry with six', 'rita');
  await reaches(number, 'agent:review');

  expect(github.issue(repo, pull).state).toBe('open');
  expect(pulls()).toEqual([pull]);
});

test('/stop on a failed attempt whose pull request is open leaves it stopped until /retry', async () => {
  const { labelled, github, reaches, labels, later, pulls } = await open({
    script: scripted([...writes(), ...writes('6\n', 'src/other.txt'), ...writes('7\n')]),
    files: {
      '.github/millwright.yml':
        'files: { allow: ["src/**", "test/**"] }\nchecks: { unit: sh check.sh, lint: "! test -f src/other.txt" }\nlimits: { rounds: 1 }\n',
    },
  });
  const number = await labelled();
  await reaches(number, 'agent:review');
  later();
  await github.comment(repo, number, '/retry once more', 'rita');
  await reaches(number, 'agent:failed');
  later();

  await github.comment(repo, pulls()[0] ?? 0, '/stop', 'tom');

  await reaches(number, 'agent:stopped');
  expect(github.issue(repo, pulls()[0] ?? 0).state).toBe('open');
  later();
  await github.mergePull(repo, pulls()[0] ?? 0, 'maya');
  await until(() => labels(number).length === 0);
});

test('a wait that nobody answers ends after wait_days, saying so, and /retry takes it up', async () => {
  const { labelled, github, reaches, status, factory, later } = await open({
    files: {
      '.github/millwright.yml':
        'files: { allow: ["src/**", "test/**"] }\nchecks: { unit: sh check.sh }\nlimits: { wait_days: 3 }\n',
    },
    script: scripted([call('ask', { question: 'Which sum?' }), ...writes()]),
  });
  const number = await labelled();
  await reaches(number, 'agent:waiting');
  const inDays = (days: number) => ({
    ...factory.doors,
    clock: { ...factory.doors.clock, nowMs: () => Date.now() + days * 86_400_000 },
  });

  await expireWaits(inDays(2.9));
  expect(site.labels(number)).toEqual(['agent:waiting']);
  await expireWaits(inDays(3.1));

  await reaches(number, 'agent:failed');
  expect(status(number)).toContain('Nobody answered within 3 days');
  later();
  await github.comment(repo, number, '/retry the first one', 'rita');
  await reaches(number, 'agent:review');
});
