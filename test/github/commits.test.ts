import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { MillwrightError } from '../../src/errors.ts';
import type { FileChange, RepositoryGitHub } from '../../src/github/github.ts';
import { createGitHub } from '../../src/github/octokit-github.ts';
import { type GitHubStandIn, startGitHub } from '../support/github-stand-in.ts';

const repo = 'acme/small';
const bytes = Buffer.from([0, 255, 254, 10, 13]);
let stand: GitHubStandIn;
let github: RepositoryGitHub;

async function begin(options: Parameters<typeof startGitHub>[0] = {}): Promise<void> {
  stand = await startGitHub({ users: { maya: 'maintain' }, ...options });
  await stand.createRepository(repo, { files: { 'old.txt': 'old\n', 'plain.sh': 'echo\n' } });
  github = door().repository({ installationId: stand.installationId, owner: 'acme', name: 'small' });
}

const door = () =>
  createGitHub({
    appId: stand.appId,
    privateKey: stand.privateKeyPem,
    apiUrl: stand.apiUrl,
    clock: { ...systemClock, sleep: async () => {} },
    log: { warn: () => {} },
  });

beforeEach(() => begin());

afterEach(async () => {
  expect(stand.unhandled()).toEqual([]);
  await stand.close();
});

const git = () => stand.repository(repo).git;
const tip = async (branch: string) => git().ref(`refs/heads/${branch}`);
const called = (pattern: RegExp) => stand.requests().filter(({ path }) => pattern.test(path)).length;
const codeOf = (work: Promise<unknown>) =>
  work.then(String, (error: unknown) => (error instanceof MillwrightError ? error.code : String(error)));

/** A change of every kind, and the tree that comes of it. */
const changes: FileChange[] = [
  { path: 'old.txt', mode: '100644', bytes: null },
  { path: 'plain.sh', mode: '100755', bytes: Buffer.from('echo\n') },
  { path: 'new/ünï 😀.txt', mode: '100644', bytes: Buffer.from('\ufeffwörds\r\n') },
  { path: 'new/bytes.bin', mode: '100644', bytes },
  { path: 'link', mode: '120000', bytes: Buffer.from('new/bytes.bin') },
];

async function wanted() {
  const base = (await tip('main')) ?? '';
  const tree = await git().writeTree(base, {
    'old.txt': null,
    'plain.sh': { content: 'echo\n', mode: '100755' },
    'new/ünï 😀.txt': '\ufeffwörds\r\n',
    'new/bytes.bin': bytes,
    link: { content: 'new/bytes.bin', mode: '120000' },
  });
  const baseTree = (await git().resolve(base, 'tree')) ?? '';
  return { baseTree, tree, changes: async () => changes, parents: [base], message: 'Words\n\nRun: one' };
}

test('a commit made by the host is signed, by the bot, of the very tree, and no branch shows it yet', async () => {
  const request = await wanted();

  const sha = (await github.signedCommit(request)) ?? '';

  const commit = await git().readCommit(sha);
  const bot = stand.state.accounts.get(stand.botLogin)?.id;
  expect(commit).toMatchObject({ tree: request.tree, parents: request.parents });
  expect(commit.message.trim()).toBe(request.message);
  expect(commit.author).toMatchObject({
    name: stand.botLogin,
    email: `${bot}+${stand.botLogin}@users.noreply.127.0.0.1`,
  });
  expect(stand.repository(repo).verified.has(sha)).toBe(true);
  expect([...(await git().refs()).keys()]).toEqual(['refs/heads/main']);
});

test('the address that git writes into a commit is the bot’s own, as in those that the host makes', async () => {
  const fresh = door();

  const identity = await fresh.identity();

  const made = await git().readCommit((await github.signedCommit(await wanted())) ?? '');
  expect(identity.email).toBe(made.author.email);
});

test.each([403, 404])('an app that may not ask for its account (%s) still knows its own name', async (status) => {
  stand.fault({ path: /\/users\//, status, times: 9 });

  const { login, email } = await door().identity();

  expect(login).toBe(stand.botLogin);
  expect(email).toBe(`${stand.appId}+${stand.botLogin}@users.noreply.127.0.0.1`);
});

test('the account is asked for through an installation that is not suspended', async () => {
  stand.suspendApp(stand.installationId);
  const other = await stand.installApp('umbrella', [], 'maya');

  const { email } = await door().identity();

  expect(other.id).not.toBe(stand.installationId);
  expect(email).toContain(`${stand.state.accounts.get(stand.botLogin)?.id}+`);
});

test('a host that signs nothing makes no commit, and is asked once only', async () => {
  await stand.close();
  await begin({ signsCommits: false });

  expect(await github.signedCommit(await wanted())).toBeNull();
  expect(await github.signedCommit(await wanted())).toBeNull();

  expect(called(/\/git\/commits$/)).toBe(1);
});

test('a host that says nothing of signatures leaves the commit to git', async () => {
  const base = (await tip('main')) ?? '';
  stand.fault({
    path: /\/git\/commits$/,
    method: 'POST',
    status: 201,
    body: { sha: base, tree: { sha: base }, parents: [], message: '' },
  });

  expect(await github.signedCommit(await wanted())).toBeNull();
});

test('another tree than the one that was verified is never committed', async () => {
  const request = await wanted();

  expect(await github.signedCommit({ ...request, changes: async () => changes.slice(1) })).toBeNull();

  expect(called(/\/git\/commits$/)).toBe(0);
});

test.each([404, 403, 422, 409, 501])(
  'a host that answers the files with %s leaves the commit to git',
  async (status) => {
    stand.fault({ path: /\/git\/trees$/, method: 'POST', status, times: 9 });

    expect(await github.signedCommit(await wanted())).toBeNull();
  },
);

test('a host that fails for now is tried again later rather than left unsigned', async () => {
  stand.fault({ path: /\/git\/trees$/, method: 'POST', status: 502, times: 99 });

  expect(await codeOf(github.signedCommit(await wanted()))).toBe('outside.github');
});

test('more files than the host takes in a moment are left to git without a call', async () => {
  const many = Array.from({ length: 41 }, (_, at): FileChange => ({ path: `${at}.bin`, mode: '100644', bytes }));

  expect(await github.signedCommit({ ...(await wanted()), changes: async () => many })).toBeNull();

  expect(called(/\/git\//)).toBe(0);
});

test.each([
  { what: 'an answer of 502 before', fault: { status: 502, mode: 'before' } },
  { what: 'an answer of 502 after', fault: { status: 502, mode: 'after' } },
  { what: 'a dropped connection after', fault: { drop: true, mode: 'after' } },
] as const)('a branch is made and moved forward in spite of $what', async ({ fault }) => {
  const first = (await github.signedCommit(await wanted())) ?? '';
  stand.fault({ ...fault, path: /\/git\/refs$/, method: 'POST' });
  stand.fault({ ...fault, path: /\/git\/refs\/heads/, method: 'PATCH' });

  const made = await github.moveBranch('work', first, null);
  const second = (await github.signedCommit({ ...(await wanted()), parents: [first] })) ?? '';
  const moved = await github.moveBranch('work', second, first);

  expect([made, moved]).toEqual([{ ok: true }, { ok: true }]);
  expect(await tip('work')).toBe(second);
});

test('a branch with commits of others is never moved', async () => {
  const theirs = await stand.commitOnBranch(repo, 'work', { 'a.txt': 'a' }, 'maya');
  const ours = (await github.signedCommit(await wanted())) ?? '';

  const made = await github.moveBranch('work', ours, null);
  const moved = await github.moveBranch('work', ours, (await tip('main')) ?? '');

  expect([made, moved]).toEqual([
    { ok: false, reason: 'moved', actual: await tip('work') },
    { ok: false, reason: 'moved', actual: await tip('work') },
  ]);
  expect(await tip('work')).toBe(theirs);
});

test('a branch that the host protects is refused with its words', async () => {
  const ours = (await github.signedCommit(await wanted())) ?? '';
  stand.protectRefs(repo, 'refs/heads/work');

  const refused = await github.moveBranch('work', ours, null);

  expect(refused).toEqual({ ok: false, reason: 'refused', message: expect.stringContaining('Protected branch') });
  expect(await tip('work')).toBeNull();
});
