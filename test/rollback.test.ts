import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Doors } from '../src/doors.ts';
import { claimRun } from '../src/engine/claim.ts';
import { eventsOf } from '../src/engine/ledger.ts';
import { enqueueRun, getRun, moveRun } from '../src/engine/runs.ts';
import { createSteps } from '../src/engine/steps.ts';
import { timersOf } from '../src/engine/timers.ts';
import { MillwrightError } from '../src/errors.ts';
import { runsWithRollback, verifyNextRollback } from '../src/rollback/verify-rollback.ts';
import { openRollback } from '../src/rollback.ts';
import type { Run } from '../src/run.ts';
import type { SandboxEngine } from '../src/sandbox/sandbox.ts';
import { IntakeResult } from '../src/stages/intake.ts';
import { type GitHubStandIn, startGitHub } from './support/github-stand-in.ts';
import { newRun } from './support/new-run.ts';
import { realDoors } from './support/real-doors.ts';
import { testEngine } from './support/sandboxes.ts';

const repo = 'acme/shop';
const branch = 'millwright/issue-7';
const policy = 'checks:\n  unit: sh test.sh\n  lint: { command: "! grep -r FORBIDDEN src", optional: true }\n';
const files = {
  'src/price.js': 'one\ntwo\nthree\n',
  'src/other.js': 'other\n',
  'test.sh': 'grep -q one src/price.js\n',
  '.github/millwright.yml': policy,
};

let github: GitHubStandIn;
let doors: Doors;
let closing: (() => Promise<unknown>)[] = [];

const noEngine: SandboxEngine = {
  status: async () => ({ available: false, reason: 'none in this test' }),
  prepare: () => Promise.reject(new MillwrightError('outside.no-engine')),
  open: () => Promise.reject(new MillwrightError('outside.no-engine')),
  reap: async () => 0,
  releaseImages: async () => 0,
  evict: async () => 0,
};

async function open(sandbox: SandboxEngine): Promise<void> {
  const real = await realDoors(github, sandbox);
  doors = real.doors;
  closing.push(real.remove);
}

beforeEach(async () => {
  github = await startGitHub({ users: { ada: 'write', bo: 'write' } });
  await github.createRepository(repo, { files });
  closing.push(() => github.close());
});

afterEach(async () => {
  for (const close of closing.reverse()) await close();
  closing = [];
});

const asApp = () => doors.github.repository({ installationId: github.installationId, owner: 'acme', name: 'shop' });
const reverted = (number: number, path: string) => github.fileAt(repo, `millwright/revert-${number}`, path);
const revertsOf = (number: number) =>
  [...github.repository(repo).issues.values()].filter(({ pull }) => pull?.headRef === `millwright/revert-${number}`);

type Method = 'merge' | 'squash' | 'rebase';
type Change = Record<string, string | null>;

/** A run whose pull request has these commits and was merged by another person. */
async function mergedRun(method: Method, commits: Change[], title = 'Raise prices'): Promise<Run> {
  return doneRun(commits, title, async (pull) => github.mergePull(repo, pull, 'bo', method));
}

async function doneRun(commits: Change[], title: string, merge: (pull: number) => Promise<unknown>): Promise<Run> {
  const base = (await github.repository(repo).git.resolve('main')) ?? '';
  for (const [index, change] of commits.entries())
    await github.commitOnBranch(repo, branch, change, 'ada', `Step ${index + 1}`);
  const pull = await asApp().upsertPullRequest({ branch, base: 'main', title, body: '', draft: false });
  await merge(pull.number);
  const key = `${doors.host.githubHost}/${repo}`;
  const wanted = newRun(7, repo, { repository: key, installationId: github.installationId, pullRequest: pull.number });
  await enqueueRun(doors.db, { ...wanted, request: { ...wanted.request, title } });
  const lease = await claimRun(doors.db, { id: 'worker', capacity: 1 });
  if (lease === null) throw new Error('the run was not claimed');
  const intake = { ...emptyIntake, base: { branch: 'main', commit: base } };
  await createSteps(doors.db, lease).save('intake', IntakeResult, intake);
  await moveRun(doors.db, lease, 'done', {
    outcome: { code: 'merged', text: 'merged', question: null, detail: null },
  });
  return (await getRun(doors.db, lease.run.id)) as Run;
}

/** By hand, as `git push origin HEAD:main` does: GitHub takes the pull request for merged. */
async function pushBranchToMain(): Promise<void> {
  const sha = await github.repository(repo).git.resolve(branch);
  const answer = await fetch(`${github.apiUrl}/repos/${repo}/git/refs/heads/main`, {
    method: 'PATCH',
    headers: { authorization: `token ${github.userToken('ada')}` },
    body: JSON.stringify({ sha }),
  });
  expect(answer.status).toBe(200);
}

const emptyIntake: IntakeResult = {
  kind: 'ready',
  contract: null,
  problems: [],
  refusals: [],
  walls: null,
  narrowed: [],
  base: null,
  outcome: null,
};

const number = (run: Run) => run.pullRequest ?? 0;

describe('a rollback', () => {
  beforeEach(() => open(noEngine));

  test.each(['merge', 'squash', 'rebase'] as const)(
    'takes back all commits of a %s and leaves later ones',
    async (method) => {
      const run = await mergedRun(method, [
        { 'src/price.js': 'one\nTWO\nthree\n' },
        { 'src/new.js': 'new\n', 'src/other.js': null },
      ]);
      await github.commitOnBranch(repo, 'main', { 'src/later.js': 'later\n' }, 'ada');

      const result = await openRollback(run, doors);

      expect(result).toEqual({ ok: true });
      const at = (path: string) => reverted(number(run), path);
      expect(await at('src/price.js')).toBe(files['src/price.js']);
      expect(await at('src/other.js')).toBe(files['src/other.js']);
      expect(await at('src/new.js')).toBeNull();
      expect(await at('src/later.js')).toBe('later\n');
      const [pull] = revertsOf(number(run));
      expect(pull?.title).toBe(`Revert "Raise prices" (#${number(run)})`);
      expect(pull?.body).toContain(`#${number(run)}`);
      expect(pull?.body).toContain(run.id);
      expect(pull?.body).toContain('The revert was clean');
      expect(pull?.body).toContain('1 later commit');
      expect(pull?.body).toContain(
        method === 'rebase' ? 'in 2 commits' : method === 'squash' ? 'in 1 commit' : 'merge commit',
      );
      expect(github.unhandled()).toEqual([]);
    },
  );

  test('takes back a squash of commits with one subject, as the attempts of a run are, and not what was there before', async () => {
    await github.commitOnBranch(repo, 'main', { 'src/before.js': 'before\n' }, 'ada', 'Step 1');
    const run = await mergedRun('squash', [
      { 'src/price.js': 'one\nTWO\nthree\n' },
      { 'src/price.js': 'one\n2\nthree\n' },
    ]);

    await openRollback(run, doors);

    expect(await reverted(number(run), 'src/price.js')).toBe(files['src/price.js']);
    expect(await reverted(number(run), 'src/before.js')).toBe('before\n');
  });

  test('takes back commits that were pushed to the base branch as they were', async () => {
    const changes: Change[] = [{ 'src/price.js': 'one\nTWO\nthree\n' }, { 'src/new.js': 'new\n' }];
    const run = await doneRun(changes, 'Raise prices', pushBranchToMain);

    const result = await openRollback(run, doors);

    expect(result).toEqual({ ok: true });
    expect(await reverted(number(run), 'src/price.js')).toBe(files['src/price.js']);
    expect(await reverted(number(run), 'src/new.js')).toBeNull();
  });

  test('names the paths where later commits stand in the way, and pushes nothing', async () => {
    const run = await mergedRun('squash', [{ 'src/price.js': 'one\nTWO\nthree\n' }]);
    await github.commitOnBranch(repo, 'main', { 'src/price.js': 'one\nTWO!\nthree\n' }, 'ada');

    const result = await openRollback(run, doors);

    expect(result).toMatchObject({ ok: false, reason: expect.stringContaining('`src/price.js`') });
    expect(revertsOf(number(run))).toEqual([]);
    expect(await reverted(number(run), 'README.md')).toBeNull();
  });

  test('asked for again finds the open pull request', async () => {
    const run = await mergedRun('merge', [{ 'src/price.js': 'one\nTWO\nthree\n' }]);
    await openRollback(run, doors);
    const [first] = revertsOf(number(run));
    await github.commitOnBranch(repo, 'main', { 'src/later.js': 'later\n' }, 'ada');

    const again = await openRollback(run, doors);

    expect(again).toEqual({ ok: true });
    expect(revertsOf(number(run))).toHaveLength(1);
    expect(revertsOf(number(run))[0]?.pull?.headSha).toBe(first?.pull?.headSha);
    expect(await timersOf(doors.db, 'rollback:')).toHaveLength(1);
  });

  test('that died after the push goes on with the same commit', async () => {
    const run = await mergedRun('merge', [{ 'src/price.js': 'one\nTWO\nthree\n' }]);
    const fault = github.fault({ method: 'POST', path: /\/pulls$/, status: 500, times: 4 });
    await expect(openRollback(run, doors)).rejects.toThrow(MillwrightError);
    fault.remove();
    const pushed = await github.repository(repo).git.resolve(`millwright/revert-${number(run)}`);

    const again = await openRollback(run, doors);

    expect(again).toEqual({ ok: true });
    expect(revertsOf(number(run)).map(({ pull }) => pull?.headSha)).toEqual([pushed]);
  });

  test('after a closed one builds on its branch without rewriting it', async () => {
    const run = await mergedRun('merge', [{ 'src/price.js': 'one\nTWO\nthree\n' }]);
    await openRollback(run, doors);
    const [first] = revertsOf(number(run));
    await github.closePull(repo, first?.number ?? 0, 'ada');
    await github.commitOnBranch(repo, 'main', { 'src/later.js': 'later\n' }, 'ada');

    const again = await openRollback(run, doors);

    expect(again).toEqual({ ok: true });
    const open = revertsOf(number(run)).filter(({ state }) => state === 'open');
    expect(open).toHaveLength(1);
    expect(await reverted(number(run), 'src/later.js')).toBe('later\n');
    const merged = await github
      .repository(repo)
      .git.git(['merge-base', '--is-ancestor', first?.pull?.headSha ?? '', open[0]?.pull?.headSha ?? '']);
    expect(merged.toString()).toBe('');
  });

  test('leaves a branch of that name alone when a person made it', async () => {
    const run = await mergedRun('merge', [{ 'src/price.js': 'one\nTWO\nthree\n' }]);
    const theirs = await github.commitOnBranch(
      repo,
      `millwright/revert-${number(run)}`,
      { 'mine.txt': 'mine\n' },
      'ada',
    );

    const result = await openRollback(run, doors);

    expect(result).toMatchObject({ ok: false, reason: expect.stringContaining('did not make') });
    expect(await github.repository(repo).git.resolve(`millwright/revert-${number(run)}`)).toBe(theirs);
  });

  test('of what is undone already says so', async () => {
    const run = await mergedRun('merge', [{ 'src/price.js': 'one\nTWO\nthree\n' }]);
    await github.commitOnBranch(repo, 'main', { 'src/price.js': files['src/price.js'] }, 'ada');

    const result = await openRollback(run, doors);

    expect(result).toMatchObject({ ok: false, reason: expect.stringContaining('not on main any more') });
  });

  test('of a pull request that is not merged is refused', async () => {
    const run = await mergedRun('merge', [{ 'src/price.js': 'one\nTWO\nthree\n' }]);
    await github.commitOnBranch(repo, 'other', { 'a.txt': 'a\n' }, 'ada');
    const open = await asApp().upsertPullRequest({ branch: 'other', base: 'main', title: 'x', body: '', draft: false });

    const result = await openRollback({ ...run, pullRequest: open.number }, doors);

    expect(result.ok).toBe(false);
  });

  test('escapes a hostile title', async () => {
    const title = 'x" closes #1 @ada <img src=x> \n## Checks\n| a | b |';
    const run = await mergedRun('merge', [{ 'src/price.js': 'one\nTWO\nthree\n' }], title.replaceAll('\n', ' '));

    await openRollback(run, doors);

    const [pull] = revertsOf(number(run));
    expect(pull?.title).not.toMatch(/#1\b.*\(#|@ada/);
    expect(pull?.body).not.toMatch(/(?<!\\)<img|[^`]@ada/);
  });

  test('without an engine says that it is not verified, and tries again later', async () => {
    const run = await mergedRun('merge', [{ 'src/price.js': 'one\nTWO\nthree\n' }]);
    await openRollback(run, doors);

    const worked = await verifyNextRollback(doors, new AbortController().signal);

    const [pull] = revertsOf(number(run));
    expect(worked).toBe(true);
    expect(pull?.body).toContain('**Not verified.**');
    expect(await runsWithRollback(doors)).toEqual([run.id]);
    expect(await verifyNextRollback(doors, new AbortController().signal)).toBe(false);
    const [check] = [...github.repository(repo).checkRuns.values()];
    expect(check).toMatchObject({ name: 'millwright', headSha: pull?.pull?.headSha, conclusion: 'neutral' });
  });
});

describe('the checks of a rollback', () => {
  test('run on the reverted tree, and their table stands in the pull request and the check run', async () => {
    const engine = testEngine();
    closing.push(async () => engine[Symbol.asyncDispose]());
    await open(engine);
    const run = await mergedRun('squash', [{ 'src/price.js': 'FORBIDDEN\n' }]);
    await openRollback(run, doors);

    const worked = await verifyNextRollback(doors, new AbortController().signal);

    const [pull] = revertsOf(number(run));
    expect(worked).toBe(true);
    expect(pull?.body).toMatch(/`unit` \| `sh test.sh` \| failed \| passed \| 0 \|.*passed \|/);
    expect(pull?.body).toMatch(/`lint`.*passed \|/);
    const checks = [...github.repository(repo).checkRuns.values()];
    expect(checks).toHaveLength(1);
    expect(checks[0]).toMatchObject({ name: 'millwright', headSha: pull?.pull?.headSha, conclusion: 'success' });
    expect(await runsWithRollback(doors)).toEqual([]);
    expect(await eventsOf(doors.db, run.id, { kinds: ['rollback.verified'] })).toHaveLength(1);
    await openRollback(run, doors);
    expect(await runsWithRollback(doors)).toEqual([]);
  });

  test('that fail are shown as failed, beside the branch as it is now', async () => {
    const engine = testEngine();
    closing.push(async () => engine[Symbol.asyncDispose]());
    await open(engine);
    const run = await mergedRun('squash', [{ 'src/price.js': 'one\nzero\nthree\n' }]);
    await github.commitOnBranch(repo, 'main', { 'test.sh': 'grep -q zero src/price.js\n' }, 'ada');
    await openRollback(run, doors);

    await verifyNextRollback(doors, new AbortController().signal);

    const [pull] = revertsOf(number(run));
    expect(pull?.body).toMatch(/`unit` \|.*\| passed \| failed \| 1 \|/);
    expect([...github.repository(repo).checkRuns.values()][0]).toMatchObject({ conclusion: 'failure' });
  });
});
