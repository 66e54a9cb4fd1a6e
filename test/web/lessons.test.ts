import { afterEach, expect, test } from 'vitest';
import { repositoryKey } from '../../src/doors.ts';
import { type GitHubStandIn, startGitHub } from '../support/github-stand-in.ts';
import { oauth, openWeb, type Web } from '../support/web.ts';

const hostile = '</title><script>alert(1)</script><img src=x onerror=alert(2)> \u202Eevil [x](javascript:alert(3))';

let github: GitHubStandIn;
let web: Web;
afterEach(async () => {
  await web[Symbol.asyncDispose]();
  await github.close();
});

async function begin(env: Record<string, string> = {}): Promise<void> {
  github = await startGitHub({ users: { maya: 'maintain' } });
  await github.createRepository('acme/shop');
  web = await openWeb(github, env);
}

/** A lesson of a repository with a run, as two runs of it have taught it. */
async function lesson(slug: string, state: string, rule: string, subject = 'unit'): Promise<void> {
  const { db, host } = web.doors;
  await web.run(1, { slug });
  const [owner = '', name = ''] = slug.split('/');
  const repository = repositoryKey(host.githubHost, { owner, name });
  const id = `${state}-${name}`;
  await db.run(
    `INSERT INTO lessons (id, repository, signature, state, data, created_at_ms, updated_at_ms, pull_request, decided_at_ms)
     VALUES ($1, $2, $1, $3, $4, 1000, 1000, 12, 2000)`,
    id,
    repository,
    state,
    JSON.stringify({ path: 'AGENTS.md', rule }),
  );
  const happened = [
    [1000, 'a'],
    [1500, 'b'],
    [3000, 'c'],
  ] as const;
  for (const [atMs, run] of happened) {
    await db.run(
      `INSERT INTO causes (run_id, attempt, signature, repository, issue, kind, data, at_ms) VALUES ($1, 1, $2, $3, 1, 'check', $4, $5)`,
      `${run}-${id}`,
      id,
      repository,
      JSON.stringify({ subject, lines: [], paths: [] }),
      atMs,
    );
    await db.run(
      `INSERT INTO records (run_id, attempt, repository, issue, latest, state, outcome, ended_at_ms, week, due)
       VALUES ($1, 1, $2, 1, 1, 'failed', 'x', $3, 1, 0)`,
      `${run}-${id}`,
      repository,
      atMs,
    );
  }
}

test('lessons are shown with what they propose, where, and whether the failure came back', async () => {
  await begin();
  await lesson('acme/shop', 'active', 'Before handing in, run `npm test`: it \\*always\\* tells.');

  const html = await (await web.ask('/lessons', { cookie: await web.operator() })).text();

  expect(html).toContain('The same failure of a check');
  expect(html).toContain('run <code>npm test</code>: it *always* tells.');
  expect(html).toContain(`href="${web.doors.host.githubUrl}/acme/shop/pull/12"`);
  expect(html).toMatch(/Met it before<\/dt><dd>2 of 2 runs[\s\S]*since the merge<\/dt><dd>1 of 1 runs/);
  expect(html).toContain('in force');
});

test('lessons are shown to those alone who can read the repository', async () => {
  await begin(oauth);
  await lesson('acme/shop', 'open', 'Seen.');
  await lesson('acme/secret', 'open', 'Not seen.');
  const cookie = await web.signIn('maya');

  const all = await (await web.ask('/lessons', { cookie })).text();
  const asked = await (await web.ask('/lessons?repository=acme/secret', { cookie })).text();

  expect(all).toContain('Seen.');
  for (const html of [all, asked]) expect(html).not.toMatch(/Not seen|acme\/secret/);
  expect((await web.ask('/lessons')).status).toBe(303);
});

test('what a lesson quotes stays text', async () => {
  await begin();
  await lesson('acme/shop', 'new', hostile, hostile);

  const html = await (await web.ask('/lessons', { cookie: await web.operator() })).text();

  expect(html).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
  expect(html).not.toMatch(/<script>|<img src=x|href="javascript|\u202e/);
});
