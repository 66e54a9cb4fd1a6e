import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parsePolicyFile } from '../src/contract/policy.ts';
import type { Doors } from '../src/doors.ts';
import { MillwrightError } from '../src/errors.ts';
import { labelSpecs } from '../src/labels.ts';
import { formPath, issueForm, onboard, onboardAll, onboardingBranch } from '../src/onboarding.ts';
import { policyPath } from '../src/policy-source.ts';
import { type GitHubStandIn, startGitHub } from './support/github-stand-in.ts';
import { realDoors } from './support/real-doors.ts';

let github: GitHubStandIn;
let doors: Doors;
let remove: () => Promise<void>;

beforeEach(async () => {
  github = await startGitHub({ users: { ada: 'admin' } });
  ({ doors, remove } = await realDoors(github));
});

afterEach(async () => {
  await remove();
  await github.close();
});

const repo = 'acme/shop';
const ref = (fullName = repo) => ({
  installationId: github.installationId,
  owner: fullName.split('/')[0] ?? '',
  name: fullName.split('/')[1] ?? '',
});
const create = (files: Record<string, string> = {}, fullName = repo) => github.createRepository(fullName, { files });
const pulls = (fullName = repo) => [...github.repository(fullName).issues.values()].filter(({ pull }) => pull);
const onBranch = (path: string) => github.fileAt(repo, onboardingBranch, path);
const tip = () => github.repository(repo).git.resolve(onboardingBranch);
const node = {
  'package.json': JSON.stringify({ scripts: { test: 'vitest run' } }),
  'src/a.js': '',
  'test/a.test.js': '',
};

describe('onboarding', () => {
  test('creates the labels and opens one pull request with the issue form and a policy', async () => {
    await create(node);

    await onboard(ref(), doors);

    expect([...github.repository(repo).labels.values()].map(({ name }) => name)).toEqual(
      expect.arrayContaining(labelSpecs.map(({ name }) => name)),
    );
    expect(pulls().map(({ title, author }) => [title, author])).toEqual([['Set up Millwright', github.botLogin]]);
    expect(pulls()[0]?.pull).toMatchObject({ headRef: onboardingBranch, baseRef: 'main', draft: false });
    expect(await onBranch(formPath)).toBe(issueForm);
    const parsed = parsePolicyFile((await onBranch(policyPath)) ?? '', policyPath, 'repository');
    expect(parsed).toMatchObject({ policy: { checks: { unit: 'npm test' }, files: { allow: ['src/**', 'test/**'] } } });
    expect(await onBranch('package.json')).toBe(node['package.json']);
    expect(github.unhandled()).toEqual([]);
  });

  test('adds only the file that is missing', async () => {
    const own = 'plan: approve\n';
    await create({ ...node, [policyPath]: own });

    await onboard(ref(), doors);

    expect(await onBranch(formPath)).toBe(issueForm);
    expect(await onBranch(policyPath)).toBe(own);
    expect(pulls()[0]?.body).not.toContain('What was found');
  });

  test('opens nothing where both files are', async () => {
    await create({ [formPath]: 'form', [policyPath]: 'plan: auto\n' });

    await onboard(ref(), doors);

    expect(pulls()).toEqual([]);
    expect(await tip()).toBeNull();
    expect(github.repository(repo).labels.size).toBeGreaterThanOrEqual(labelSpecs.length);
  });

  test('is not repeated while the pull request is open, though base has moved', async () => {
    await create(node);
    await onboard(ref(), doors);
    const before = await tip();
    await github.commitOnBranch(repo, 'main', { 'src/b.js': '' }, 'ada');

    await onboard(ref(), doors);

    expect(pulls()).toHaveLength(1);
    expect(await tip()).toBe(before);
  });

  test('is not repeated when the pull request was closed unmerged', async () => {
    await create(node);
    await onboard(ref(), doors);
    await github.closePull(repo, pulls()[0]?.number ?? 0, 'ada');
    await github.deleteBranch(repo, onboardingBranch, 'ada');

    await onboard(ref(), doors);

    expect(pulls()).toHaveLength(1);
    expect(await tip()).toBeNull();
  });

  test('changes nothing after the pull request was merged', async () => {
    await create(node);
    await onboard(ref(), doors);
    await github.mergePull(repo, pulls()[0]?.number ?? 0, 'ada');

    await onboard(ref(), doors);

    expect(pulls()).toHaveLength(1);
    expect(await github.fileAt(repo, 'main', formPath)).toBe(issueForm);
  });

  test.each(['before', 'after'] as const)('goes on after GitHub failed %s it opened the pull request', async (mode) => {
    await create(node);
    const fault = github.fault({ method: 'POST', path: /\/pulls$/, status: 502, mode, times: 1 });
    await onboard(ref(), doors).catch((error) => expect(error).toBeInstanceOf(MillwrightError));
    expect(fault.hits()).toBe(1);
    const pushed = await tip();

    await onboard(ref(), doors);

    expect(pulls()).toHaveLength(1);
    expect(await tip()).toBe(pushed);
  });

  test('builds on its own branch when base moved before the pull request was opened', async () => {
    await create(node);
    // The door looks and tries once more by itself.
    github.fault({ method: 'POST', path: /\/pulls$/, status: 502, times: 2 });
    await expect(onboard(ref(), doors)).rejects.toThrow(MillwrightError);
    const pushed = (await tip()) ?? '';
    await github.commitOnBranch(repo, 'main', { 'src/b.js': 'b\n' }, 'ada');

    await onboard(ref(), doors);

    expect(pulls()).toHaveLength(1);
    expect(await onBranch('src/b.js')).toBe('b\n');
    await github.repository(repo).git.git(['merge-base', '--is-ancestor', pushed, (await tip()) ?? '']);
  });

  test('knows the branch for its own that an earlier version of the app made with another number in its address', async () => {
    await create(node);
    const { git } = github.repository(repo);
    const base = (await git.ref('refs/heads/main')) ?? '';
    const author = { name: github.botLogin, email: `77+${github.botLogin}@users.noreply.127.0.0.1` };
    const tree = await git.writeTree(base, { 'old.txt': 'from before\n' });
    const left = await git.writeCommit({ tree, parents: [base], message: 'Onboarding', author, committer: author });
    await git.setRef(`refs/heads/${onboardingBranch}`, left);

    await onboard(ref(), doors);

    expect(pulls()).toHaveLength(1);
    await git.git(['merge-base', '--is-ancestor', left, (await tip()) ?? '']);
  });

  test('leaves a branch of that name alone when a person made it', async () => {
    await create(node);
    const theirs = await github.commitOnBranch(repo, onboardingBranch, { 'mine.txt': '' }, 'ada');

    await onboard(ref(), doors);

    expect(await tip()).toBe(theirs);
    expect(pulls()).toEqual([]);
  });

  test('gives an empty repository its labels only, an archived one nothing', async () => {
    await create();
    await github.repository(repo).git.setRef('refs/heads/main', null);
    await create(node, 'acme/old');
    github.repository('acme/old').archived = true;

    await onboardAll([ref('acme/old'), ref()], doors);

    expect(github.repository(repo).labels.size).toBeGreaterThanOrEqual(labelSpecs.length);
    expect(github.repository('acme/old').labels.size).toBe(0);
    expect([...pulls(), ...pulls('acme/old')]).toEqual([]);
  });

  test('goes on with the others when one repository is gone, refused or fails', async () => {
    await create(node);
    await create(node, 'acme/refused');
    await create(node, 'acme/failing');
    github.fault({ path: /\/repos\/acme\/refused\/labels/, status: 403, times: 100 });
    github.fault({ path: /\/repos\/acme\/failing\/labels/, method: 'POST', status: 500, times: 100 });

    const all = onboardAll([ref('acme/gone'), ref('acme/refused'), ref('acme/failing'), ref()], doors);

    await expect(all).rejects.toMatchObject({ code: 'outside.github' });
    expect(pulls()).toHaveLength(1);
  });

  test('opens nothing where .github is a file', async () => {
    await create({ ...node, '.github': 'a file\n' });

    await onboard(ref(), doors);

    expect(pulls()).toEqual([]);
  });

  test('installs the very form that this repository uses', () => {
    expect(issueForm).toBe(readFileSync('.github/ISSUE_TEMPLATE/agent-task.yml', 'utf8'));
  });
});
