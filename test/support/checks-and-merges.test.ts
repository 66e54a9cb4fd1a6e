import { createAppAuth } from '@octokit/auth-app';
import { Octokit } from '@octokit/rest';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type GitHubStandIn, startGitHub } from './github-stand-in.ts';

const repo = 'acme/widgets';
const at = { owner: 'acme', repo: 'widgets' };
let github: GitHubStandIn;
let octokit: Octokit;
let pull: number;
let head: string;

beforeEach(async () => {
  github = await startGitHub({ users: { mona: 'write', rita: 'read' } });
  github.dropWebhooks(true);
  await github.createRepository(repo, { files: { 'README.md': '# Widgets\n', 'src/a.js': '1\n2\n3\n' } });
  octokit = new Octokit({
    baseUrl: github.apiUrl,
    log: { debug() {}, info() {}, warn() {}, error() {} },
    authStrategy: createAppAuth,
    auth: { appId: github.appId, privateKey: github.privateKeyPem, installationId: github.installationId },
  });
  await github.openIssue({ repo, as: 'rita', title: 'Fix it' });
  head = await github.commitOnBranch(repo, 'work', { 'src/a.js': '1\n2\n4\n' }, 'mona');
  const { data } = await octokit.pulls.create({ ...at, title: 'Fix', head: 'work', base: 'main', body: 'Closes #1' });
  pull = data.number;
});

afterEach(() => github.close());

const events = (): string[] =>
  github.deliveries().map(({ event, action }) => (action === null ? event : `${event}.${action}`));

test.each(['merge', 'squash', 'rebase'] as const)(
  '%s: the base branch has the change, the pull request is merged and the issue closed',
  async (method) => {
    const tip = await github.mergePull(repo, pull, 'mona', method);

    const { data } = await octokit.pulls.get({ ...at, pull_number: pull });
    const { data: base } = await octokit.repos.getCommit({ ...at, ref: 'main' });
    const { data: issue } = await octokit.issues.get({ ...at, issue_number: 1 });
    expect(data).toMatchObject({
      state: 'closed',
      merged: true,
      merge_commit_sha: tip,
      merged_by: { login: 'mona' },
      head: { sha: head },
    });
    expect(base.sha).toBe(tip);
    expect(base.parents).toHaveLength(method === 'merge' ? 2 : 1);
    expect(issue.state).toBe('closed');
    expect(await github.fileAt(repo, 'main', 'src/a.js')).toBe('1\n2\n4\n');
    expect(events()).toContain('pull_request.closed');
  },
);

test('a head that reaches the base branch by a push counts as merged, a conflicting base as not mergeable', async () => {
  await github.commitOnBranch(repo, 'other', { 'src/a.js': '1\n2\n5\n' }, 'mona');
  const other = await octokit.pulls.create({ ...at, title: 'Other', head: 'other', base: 'main' });

  await octokit.git.updateRef({ ...at, ref: 'heads/main', sha: head });

  const { data: first } = await octokit.pulls.get({ ...at, pull_number: pull });
  const { data: second } = await octokit.pulls.get({ ...at, pull_number: other.data.number });
  expect(first.merged).toBe(true);
  expect(second).toMatchObject({ state: 'open', mergeable: false, mergeable_state: 'dirty' });
});

test('check runs of the app and of others stand beside commit statuses, each with its event', async () => {
  const { data: run } = await octokit.checks.create({
    ...at,
    name: 'millwright',
    head_sha: head,
    external_id: 'run-1',
    status: 'in_progress',
  });
  await octokit.checks.update({
    ...at,
    check_run_id: run.id,
    status: 'completed',
    conclusion: 'success',
    output: { title: 'Fine', summary: 'All passed' },
  });

  await github.completeCheckSuite(repo, 'work', [{ name: 'build', conclusion: 'failure', summary: 'It broke' }]);
  await github.status(repo, 'work', { state: 'failure', context: 'legacy-ci' });

  const { data: runs } = await octokit.checks.listForRef({ ...at, ref: head });
  const { data: status } = await octokit.repos.getCombinedStatusForRef({ ...at, ref: head });
  const suite = github.deliveries().findLast(({ event }) => event === 'check_suite')?.payload.check_suite;
  expect(runs.check_runs.map(({ name, app, conclusion }) => [name, app?.slug, conclusion])).toEqual([
    ['build', 'ci', 'failure'],
    ['millwright', 'millwright', 'success'],
  ]);
  expect(status).toMatchObject({ state: 'failure', total_count: 1 });
  expect(suite).toMatchObject({
    head_sha: head,
    head_branch: 'work',
    conclusion: 'failure',
    pull_requests: [{ number: pull }],
  });
  expect(events()).toEqual(
    expect.arrayContaining(['check_run.created', 'check_run.completed', 'check_suite.completed', 'status']),
  );
});

test('GitHub limits hold: long texts, too many annotations, reviewers who cannot review', async () => {
  const statusOf = (work: Promise<unknown>): Promise<number> =>
    work.then(
      () => 200,
      (error: { status: number }) => error.status,
    );
  const annotations = Array.from({ length: 51 }, () => ({
    path: 'a',
    start_line: 1,
    end_line: 1,
    annotation_level: 'failure' as const,
    message: 'm',
  }));

  const outcomes = await Promise.all([
    statusOf(octokit.issues.createComment({ ...at, issue_number: 1, body: 'x'.repeat(65_537) })),
    statusOf(
      octokit.checks.create({ ...at, name: 'c', head_sha: head, output: { title: 't', summary: 's', annotations } }),
    ),
    statusOf(octokit.pulls.requestReviewers({ ...at, pull_number: pull, reviewers: ['millwright[bot]'] })),
    statusOf(octokit.pulls.requestReviewers({ ...at, pull_number: pull, reviewers: ['mona'] })),
  ]);

  expect(outcomes).toEqual([422, 422, 422, 200]);
});

test('reviews, installations and sign-in are there as well', async () => {
  const review = await github.review(
    repo,
    pull,
    { event: 'REQUEST_CHANGES', body: 'Not yet', comments: [{ path: 'src/a.js', line: 3, body: 'Why 4?' }] },
    'mona',
  );
  const { data: comments } = await octokit.pulls.listReviewComments({ ...at, pull_number: pull });
  await github.createRepository('acme/later', { installed: false });
  await github.addRepositories(github.installationId, ['acme/later'], 'mona');
  const added = github.deliveries().at(-1);
  const page = await fetch(`${github.url}/login/oauth/authorize?client_id=x&redirect_uri=http://127.0.0.1/back`);
  const answer = await fetch(`${github.url}/login/oauth/callback`, {
    method: 'POST',
    redirect: 'manual',
    body: new URLSearchParams({ login: 'rita', redirect_uri: 'http://127.0.0.1/back', client_id: 'x' }),
  });
  const code = new URL(answer.headers.get('location') ?? '').searchParams.get('code') ?? '';
  const token = await fetch(`${github.url}/login/oauth/access_token`, {
    method: 'POST',
    headers: { accept: 'application/json' },
    body: new URLSearchParams({ code, client_id: 'x' }),
  });
  const { access_token } = (await token.json()) as { access_token: string };

  const rita = new Octokit({ baseUrl: github.apiUrl, auth: access_token });

  expect(comments).toMatchObject([
    { pull_request_review_id: review.id, body: 'Why 4?', line: 3, user: { login: 'mona' } },
  ]);
  expect(added).toMatchObject({
    event: 'installation_repositories',
    action: 'added',
    payload: { repositories_added: [{ full_name: 'acme/later' }] },
  });
  expect(await page.text()).toContain('rita');
  expect((await rita.users.getAuthenticated()).data.login).toBe('rita');
  expect((await rita.repos.get(at)).data.permissions).toMatchObject({ pull: true, push: false });
});
