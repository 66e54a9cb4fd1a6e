import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { createAppAuth } from '@octokit/auth-app';
import { Octokit } from '@octokit/rest';
import { Webhooks } from '@octokit/webhooks';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type GitHubStandIn, startGitHub } from './github-stand-in.ts';

const repo = 'acme/widgets';
const at = { owner: 'acme', repo: 'widgets' };
let github: GitHubStandIn;

beforeEach(async () => {
  github = await startGitHub({ users: { mona: 'write', tria: 'triage', rita: 'read' } });
  await github.createRepository(repo);
});

afterEach(() => github.close());

const log = { debug() {}, info() {}, warn() {}, error() {} };
const app = () => ({ appId: github.appId, privateKey: github.privateKeyPem });
const asApp = (): Octokit => new Octokit({ log, baseUrl: github.apiUrl, authStrategy: createAppAuth, auth: app() });
const asInstallation = (): Octokit =>
  new Octokit({
    log,
    baseUrl: github.apiUrl,
    authStrategy: createAppAuth,
    auth: { ...app(), installationId: github.installationId },
  });
const asPerson = (login: string): Octokit =>
  new Octokit({ log, baseUrl: github.apiUrl, auth: github.userToken(login) });
const statusOf = (work: Promise<unknown>): Promise<number> =>
  work.then(
    () => 200,
    (error: { status?: number }) => error.status ?? 0,
  );

interface Heard {
  event: string;
  signature: string;
  guid: string;
  body: string;
}

async function receiver(): Promise<{
  url: string;
  heard: Heard[];
  answer: (status: number) => void;
  close: () => void;
}> {
  const heard: Heard[] = [];
  let status = 200;
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const header = (name: string): string => String(request.headers[name]);
    heard.push({
      event: header('x-github-event'),
      signature: header('x-hub-signature-256'),
      guid: header('x-github-delivery'),
      body: Buffer.concat(chunks).toString('utf8'),
    });
    response.writeHead(status).end('noted');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks`;
  return {
    url,
    heard,
    answer: (next) => {
      status = next;
    },
    close: () => server.close(),
  };
}

test('what people and the app do arrives as signed webhooks with sender and installation', async () => {
  const hooks = await receiver();
  github.setWebhookUrl(hooks.url);

  const issue = await github.openIssue({ repo, as: 'rita', title: 'Fix it', body: 'before' });
  await github.editIssue(repo, issue.number, { body: 'after' }, 'mona');
  await github.label(repo, issue.number, 'agent-ready', 'tria');
  await asInstallation().issues.createComment({ ...at, issue_number: issue.number, body: 'Working on it' });
  await github.settled();
  hooks.close();

  const webhooks = new Webhooks({ secret: github.webhookSecret });
  const payloads = hooks.heard.map(({ event, body }) => ({ event, ...JSON.parse(body) }));
  expect(await Promise.all(hooks.heard.map(({ body, signature }) => webhooks.verify(body, signature)))).toEqual([
    true,
    true,
    true,
    true,
  ]);
  expect(payloads.map(({ event, action, sender }) => `${event}.${action} by ${sender.login}`)).toEqual([
    'issues.opened by rita',
    'issues.edited by mona',
    'issues.labeled by tria',
    'issue_comment.created by millwright[bot]',
  ]);
  expect(payloads[1].changes).toEqual({ body: { from: 'before' } });
  expect(payloads[2]).toMatchObject({
    label: { name: 'agent-ready' },
    issue: { body: 'after' },
    installation: { id: github.installationId },
  });
  expect(payloads[3].repository.clone_url).toBe(`${github.url}/${repo}.git`);
});

test('GraphQL tells the last editor and the time of the edit', async () => {
  const issue = await github.openIssue({ repo, as: 'rita', title: 'Fix it', body: 'before' });
  github.advanceClock(60_000);
  await github.editIssue(repo, issue.number, { body: 'after' }, 'mona');

  const answer = await asInstallation().graphql<{ repository: { issue: Record<string, unknown> } }>(
    `query ($owner: String!, $repo: String!, $number: Int!) {
      repository(owner: $owner, name: $repo) {
        issue(number: $number) { body state author { login } editor { login ... on User { id } } lastEditedAt userContentEdits(first: 5) { totalCount } }
      }
    }`,
    { ...at, number: issue.number },
  );

  expect(answer.repository.issue).toMatchObject({
    body: 'after',
    state: 'OPEN',
    author: { login: 'rita' },
    editor: { login: 'mona' },
    userContentEdits: { totalCount: 2 },
  });
  expect(Date.parse(String(answer.repository.issue.lastEditedAt))).toBeGreaterThan(Date.parse(issue.createdAt));
});

test('lost deliveries are listed as failed and can be asked for again', async () => {
  const hooks = await receiver();
  github.setWebhookUrl(hooks.url);
  github.dropWebhooks(true);
  await github.openIssue({ repo, as: 'rita', title: 'Unheard' });
  github.dropWebhooks(false);

  const { data: failed } = await asApp().apps.listWebhookDeliveries({ status: 'failure' });
  await asApp().apps.redeliverWebhookDelivery({ delivery_id: failed[0]?.id ?? 0 });
  await github.settled();
  hooks.close();

  const { data: all } = await asApp().apps.listWebhookDeliveries();
  expect(failed.map(({ event, action }) => `${event}.${action}`)).toEqual(['issues.opened']);
  expect(hooks.heard.map(({ guid }) => guid)).toEqual([failed[0]?.guid]);
  expect(all.map(({ status_code, redelivery }) => [status_code, redelivery])).toEqual([
    [200, true],
    [502, false],
  ]);
});

test('faults strike as often as told, before or after the effect', async () => {
  const issue = await github.openIssue({ repo, as: 'rita', title: 'Fix it' });
  const say = (body: string) => asPerson('rita').issues.createComment({ ...at, issue_number: issue.number, body });
  const before = github.fault({ method: 'POST', path: /\/comments$/, status: 503, times: 2 });

  const refused = [await statusOf(say('a')), await statusOf(say('b')), await statusOf(say('c'))];
  github.fault({ method: 'POST', path: /\/comments$/, mode: 'after', drop: true });
  const lost = await statusOf(say('d'));

  const { data: comments } = await asInstallation().issues.listComments({ ...at, issue_number: issue.number });
  expect(refused).toEqual([503, 503, 200]);
  expect(before.hits()).toBe(2);
  expect(lost).toBe(500);
  expect(comments.map(({ body }) => body)).toEqual(['c', 'd']);
});

test('a push whose answer is lost has moved the branch, and pushing again says that nothing is left to do', async () => {
  const dir = await mkdtemp(path.join(tmpdir(), 'lost-push-'));
  const env = { PATH: process.env.PATH, HOME: dir, GIT_CONFIG_NOSYSTEM: '1', GIT_TERMINAL_PROMPT: '0' };
  const git = async (...args: string[]): Promise<string> =>
    (
      await promisify(execFile)('git', ['-c', 'user.name=T', '-c', 'user.email=t@example.org', ...args], {
        cwd: dir,
        env,
      })
    ).stdout.trim();
  await git('clone', '--quiet', `http://x-access-token:${github.installationToken()}@${github.host}/${repo}.git`, '.');
  await git('commit', '--quiet', '--allow-empty', '-m', 'Work');
  github.fault({ method: 'POST', path: /git-receive-pack$/, mode: 'after', drop: true });

  const lost = git('push', '--quiet', 'origin', 'HEAD:refs/heads/work');

  await expect(lost).rejects.toThrow();
  const { data } = await asInstallation().repos.getBranch({ ...at, branch: 'work' });
  expect(data.commit.sha).toBe(await git('rev-parse', 'HEAD'));
  await git('push', '--quiet', 'origin', 'HEAD:refs/heads/work');
  await rm(dir, { recursive: true, force: true });
});

test('lists come in pages, issues with the pull requests among them, and unknown routes are remembered', async () => {
  for (const title of ['one', 'two', 'three'])
    await github.openIssue({ repo, as: 'rita', title, labels: ['agent-ready'] });
  await github.commitOnBranch(repo, 'work', { 'src/b.js': 'export {};\n' }, 'mona');
  const octokit = asInstallation();
  await octokit.pulls.create({ ...at, title: 'four', head: 'work', base: 'main' });

  const issues = await octokit.paginate(octokit.issues.listForRepo, { ...at, per_page: 2, direction: 'asc' });
  const labelled = await octokit.paginate(octokit.issues.listForRepo, { ...at, labels: 'agent-ready', per_page: 1 });
  const unknown = await statusOf(octokit.request('GET /repos/{owner}/{repo}/traffic/views', at));

  expect(issues.map(({ title }) => title)).toEqual(['one', 'two', 'three', 'four']);
  expect(issues.at(-1)?.pull_request).toBeDefined();
  expect(labelled).toHaveLength(3);
  expect(unknown).toBe(404);
  expect(github.unhandled()).toEqual(['GET /repos/acme/widgets/traffic/views']);
});
