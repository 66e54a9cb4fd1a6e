import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { createAppAuth } from '@octokit/auth-app';
import { Octokit } from '@octokit/rest';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type GitHubStandIn, startGitHub } from './github-stand-in.ts';

const run = promisify(execFile);
const repo = 'acme/widgets';
const at = { owner: 'acme', repo: 'widgets' };
let github: GitHubStandIn;
let work: string;

beforeEach(async () => {
  work = await mkdtemp(path.join(tmpdir(), 'stand-ins-test-'));
  github = await startGitHub({
    users: { mona: 'write', tria: 'triage', rita: 'read', stan: 'none', max: 'maintain', ada: 'admin' },
  });
  await github.createRepository(repo, { files: { 'README.md': '# Widgets\n', 'src/a.js': 'export const a = 1;\n' } });
});

afterEach(async () => {
  await github.close();
  await rm(work, { recursive: true, force: true });
});

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const asApp = (): Octokit =>
  new Octokit({
    log: silent,
    baseUrl: github.apiUrl,
    authStrategy: createAppAuth,
    auth: { appId: github.appId, privateKey: github.privateKeyPem },
  });
const asInstallation = (): Octokit =>
  new Octokit({
    log: silent,
    baseUrl: github.apiUrl,
    authStrategy: createAppAuth,
    auth: { appId: github.appId, privateKey: github.privateKeyPem, installationId: github.installationId },
  });
const asPerson = (login: string): Octokit =>
  new Octokit({ log: silent, baseUrl: github.apiUrl, auth: github.userToken(login) });
const statusOf = (work: Promise<unknown>): Promise<number> =>
  work.then(
    () => 200,
    (error: { status?: number }) => error.status ?? 0,
  );

async function git(cwd: string, ...args: string[]): Promise<string> {
  const env = { PATH: process.env.PATH, HOME: work, GIT_CONFIG_NOSYSTEM: '1', GIT_TERMINAL_PROMPT: '0' };
  const { stdout } = await run('git', ['-c', 'user.name=T', '-c', 'user.email=t@example.org', ...args], { cwd, env });
  return stdout.trim();
}

const remote = (token: string, name = repo): string => `http://x-access-token:${token}@${github.host}/${name}.git`;

async function gitToken(
  permissions: Record<string, 'read' | 'write'> = { contents: 'write' },
  name = 'widgets',
): Promise<string> {
  const { data } = await asApp().apps.createInstallationAccessToken({
    installation_id: github.installationId,
    repositories: [name],
    permissions,
  });
  return data.token;
}

async function clone(token: string): Promise<string> {
  await git(work, 'clone', '--quiet', remote(token), 'clone');
  return path.join(work, 'clone');
}

async function pushChange(dir: string, branch: string, file: string, content: string): Promise<string> {
  await git(dir, 'checkout', '--quiet', '-B', branch);
  await writeFile(path.join(dir, file), content);
  await git(dir, 'add', '.');
  await git(dir, 'commit', '--quiet', '-m', `Change ${file}`);
  await git(dir, 'push', '--quiet', 'origin', `HEAD:refs/heads/${branch}`);
  return git(dir, 'rev-parse', 'HEAD');
}

test('a token limited to the repository clones, pushes, and REST then tells the same commit', async () => {
  const dir = await clone(await gitToken());

  const sha = await pushChange(dir, 'millwright/issue-1', 'src/b.js', 'export const b = 2;\n');

  const octokit = asInstallation();
  const branch = await octokit.repos.getBranch({ ...at, branch: 'millwright/issue-1' });
  const ref = await octokit.git.getRef({ ...at, ref: 'heads/millwright/issue-1' });
  const compare = await octokit.repos.compareCommitsWithBasehead({ ...at, basehead: 'main...millwright/issue-1' });
  const file = await octokit.repos.getContent({ ...at, path: 'src/b.js', ref: 'millwright/issue-1' });
  expect(branch.data.commit.sha).toBe(sha);
  expect(ref.data.object.sha).toBe(sha);
  expect(compare.data).toMatchObject({
    status: 'ahead',
    ahead_by: 1,
    files: [{ filename: 'src/b.js', status: 'added', additions: 1 }],
  });
  expect(file.data).toMatchObject({ type: 'file', encoding: 'base64' });
  expect(github.unhandled()).toEqual([]);
});

test('git refuses callers without credentials, without contents:write, with a token of another repository and workflow changes', async () => {
  await github.createRepository('acme/secret');
  const url = `${github.url}/${repo}.git/info/refs?service=git-upload-pack`;
  const basic = (token: string) => ({
    headers: { authorization: `Basic ${Buffer.from(`x-access-token:${token}`).toString('base64')}` },
  });
  const reading = await gitToken({ contents: 'read' });
  const other = await gitToken({ contents: 'write' }, 'secret');

  const anonymous = await fetch(url);
  const foreign = await fetch(url, basic(other));
  const push = await fetch(url.replace('upload', 'receive'), basic(reading));
  const dir = await clone(await gitToken());
  const workflow = git(dir, 'checkout', '-b', 'x')
    .then(() => git(dir, 'rm', '-q', 'src/a.js'))
    .then(() => run('mkdir', ['-p', path.join(dir, '.github/workflows')]))
    .then(() => pushChange(dir, 'x', '.github/workflows/ci.yml', 'on: push\n'));

  expect(anonymous.status).toBe(401);
  expect(anonymous.headers.get('www-authenticate')).toContain('Basic');
  expect(foreign.status).toBe(404);
  expect(push.status).toBe(403);
  expect((await fetch(url, basic(reading))).status).toBe(200);
  await expect(workflow).rejects.toThrow(/without `workflows` permission/);
});

test('the head of a pull request follows a push, is opened as the app and only once', async () => {
  const dir = await clone(await gitToken());
  const first = await pushChange(dir, 'work', 'src/b.js', 'export const b = 2;\n');
  const octokit = asInstallation();

  const opened = await octokit.pulls.create({ ...at, title: 'Add b', head: 'work', base: 'main', body: 'Closes #7' });
  const second = await pushChange(dir, 'work', 'src/b.js', 'export const b = 3;\n');

  const { data: pull } = await octokit.pulls.get({ ...at, pull_number: opened.data.number });
  const { data: found } = await octokit.pulls.list({ ...at, head: 'acme:work', state: 'open' });
  const again = octokit.pulls.create({ ...at, title: 'Again', head: 'work', base: 'main' });
  expect(opened.data.head.sha).toBe(first);
  expect(pull).toMatchObject({ head: { sha: second }, commits: 2, changed_files: 1, mergeable: true });
  expect(pull.user).toMatchObject({ login: 'millwright[bot]', type: 'Bot' });
  expect(found.map((entry) => entry.number)).toEqual([opened.data.number]);
  await expect(again).rejects.toMatchObject({
    status: 422,
    message: expect.stringContaining('A pull request already exists for acme:work.'),
  });
});

test('a branch and a file made through the API are there for git', async () => {
  const octokit = asInstallation();
  const { data: main } = await octokit.git.getRef({ ...at, ref: 'heads/main' });

  await octokit.git.createRef({ ...at, ref: 'refs/heads/onboarding', sha: main.object.sha });
  await octokit.repos.createOrUpdateFileContents({
    ...at,
    path: 'docs/x.md',
    branch: 'onboarding',
    message: 'Add x',
    content: Buffer.from('hello').toString('base64'),
  });

  const heads = await git(work, 'ls-remote', remote(await gitToken()), 'refs/heads/onboarding');
  const { data: branch } = await octokit.repos.getBranch({ ...at, branch: 'onboarding' });
  expect(heads.split('\t')[0]).toBe(branch.commit.sha);
  expect(branch.commit.sha).not.toBe(main.object.sha);
  expect(branch.commit.commit.verification?.verified).toBe(true);
  expect(await github.fileAt(repo, 'onboarding', 'docs/x.md')).toBe('hello');
  expect(await statusOf(octokit.git.createRef({ ...at, ref: 'refs/heads/onboarding', sha: main.object.sha }))).toBe(
    422,
  );
});

test('the permission of each person is told by flags, role and the old word', async () => {
  const octokit = asInstallation();
  const ask = async (username: string) =>
    (await octokit.repos.getCollaboratorPermissionLevel({ ...at, username })).data;

  const [admin, maintain, write, triage, read, none] = await Promise.all(
    ['ada', 'max', 'mona', 'tria', 'rita', 'stan'].map(ask),
  );

  expect([admin, maintain, write, triage, read, none].map((answer) => answer?.role_name)).toEqual([
    'admin',
    'maintain',
    'write',
    'triage',
    'read',
    'none',
  ]);
  expect([maintain?.permission, triage?.permission]).toEqual(['write', 'read']);
  expect(triage?.user?.permissions).toEqual({ admin: false, maintain: false, push: false, triage: true, pull: true });
  expect(write?.user?.permissions).toMatchObject({ push: true, maintain: false });
  expect(await statusOf(ask('nobody-at-all'))).toBe(404);
});

test('the API knows the app, its installation and a person apart', async () => {
  const issue = await github.openIssue({ repo, as: 'rita', title: 'Fix it', body: 'b' });
  const number = { ...at, issue_number: issue.number };
  const forged = new Octokit({ log: silent, baseUrl: github.apiUrl, auth: 'ghs_made_up' });
  await github.createRepository('acme/secret');

  const comment = await asInstallation().issues.createComment({ ...number, body: 'From the app' });
  const narrow = new Octokit({ log: silent, baseUrl: github.apiUrl, auth: await gitToken({ contents: 'write' }) });

  expect(comment.data.user?.login).toBe('millwright[bot]');
  expect(comment.data.performed_via_github_app?.slug).toBe('millwright');
  expect((await asApp().apps.getAuthenticated()).data?.slug).toBe('millwright');
  expect((await asApp().apps.getRepoInstallation(at)).data.id).toBe(github.installationId);
  expect(await statusOf(narrow.issues.createComment({ ...number, body: 'x' }))).toBe(403);
  expect(await statusOf(narrow.repos.get({ owner: 'acme', repo: 'secret' }))).toBe(404);
  expect(await statusOf(forged.issues.get(number))).toBe(401);
  expect(await statusOf(asPerson('rita').issues.addLabels({ ...number, labels: ['agent-ready'] }))).toBe(403);
  expect(await statusOf(asPerson('tria').issues.addLabels({ ...number, labels: ['agent-ready'] }))).toBe(200);
  expect(await statusOf(asPerson('stan').issues.get(number))).toBe(404);
});
