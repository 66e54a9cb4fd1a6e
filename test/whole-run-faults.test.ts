import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { listRuns } from '../src/engine/runs.ts';
import { type Factory, startFactory } from './support/factory.ts';
import { type GitHubStandIn, startGitHub } from './support/github-stand-in.ts';
import { type ModelScript, startModel } from './support/model-stand-in.ts';
import { contract, scripted, smallRepository, solve } from './support/scripted.ts';
import { until } from './support/until.ts';

const repo = 'acme/small';
const runMs = 90_000;
let closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closing.reverse()) await close();
  closing = [];
});

async function open(
  script: ModelScript,
  policy: string,
  env: Record<string, string> = {},
): Promise<{ github: GitHubStandIn; factory: Factory }> {
  const github = await startGitHub({ users: { maya: 'maintain' } });
  const model = await startModel(script);
  await github.createRepository(repo, { files: { ...smallRepository, '.github/millwright.yml': policy } });
  const factory = await startFactory(github, model, { env });
  closing.push(
    () => github.close(),
    () => model.close(),
    async () => factory[Symbol.asyncDispose](),
  );
  return { github, factory };
}

async function ended({ github, factory }: { github: GitHubStandIn; factory: Factory }) {
  const issue = await github.openIssue({ repo, as: 'maya', title: 'add subtracts', body: contract });
  await github.label(repo, issue.number, 'agent-ready', 'maya');
  await until(async () => (await listRuns(factory.doors.db, {}))[0]?.endedAtMs != null, runMs);
  const [run] = await listRuns(factory.doors.db, {});
  await until(() => github.issue(repo, issue.number).labels.includes('agent:failed'), 10_000);
  const comment =
    [...github.repository(repo).comments.values()].find((candidate) => candidate.issue === issue.number)?.body ?? '';
  return { run, comment };
}

const usual = smallRepository['.github/millwright.yml'];

test('an image that exists nowhere ends the run by name, and the issue says so', { timeout: runMs }, async () => {
  const site = await open(scripted([]), `image: nowhere.invalid/nothing:1\n${usual}`);

  const { run, comment } = await ended(site);

  expect(run?.outcome?.code).toBe('request.image-unknown');
  expect(comment).toContain('does not exist here');
});

test('a failing set-up ends the run with its output in the status comment', { timeout: runMs }, async () => {
  const site = await open(scripted([]), `setup: { command: "echo the registry is closed >&2; exit 3" }\n${usual}`);

  const { run, comment } = await ended(site);

  expect(run?.outcome?.code).toBe('request.setup-failed');
  expect(comment).toContain('the registry is closed');
});

test('a model that refuses the key ends the run without a storm of calls, in neutral words', {
  timeout: runMs,
}, async () => {
  const site = await open(scripted([]), usual, { OPENAI_API_KEY: 'sk-wrong' });

  const { run, comment } = await ended(site);

  expect(run?.outcome?.code).toBe('outside.model-refused-key');
  expect(comment).toContain('refuses the app');
  expect(comment).not.toContain('sk-wrong');
});

test('a run waits in the queue, and says for what, while the day’s budget is used up; then it goes on', {
  timeout: runMs,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'operator-'));
  const operator = join(folder, 'millwright.policy.yml');
  writeFileSync(operator, 'model: { prices: { scripted: { input: 1, output: 2 } } }\n');
  closing.push(async () => rmSync(folder, { recursive: true }));
  const site = await open(scripted(solve), `budget: { dollars_per_day: 5 }\n${usual}`, { MILLWRIGHT_POLICY: operator });
  const { db } = site.factory.doors;
  const day = new Date().toISOString().slice(0, 10);
  const key = `repo:${site.github.host}/${repo}`.toLowerCase();
  const full = `INSERT INTO limits (budget, spent_micro_usd, spent_tokens, reserved_micro_usd, reserved_tokens, unpriced_calls,
    updated_at_ms) VALUES ($1, 5000000, 1, 0, 0, 0, ${db.nowMs})`;
  for (const date of [day, tomorrow(day)]) await db.run(full, `${key}:${date}`);
  const issue = await site.github.openIssue({ repo, as: 'maya', title: 'add subtracts', body: contract });

  await site.github.label(repo, issue.number, 'agent-ready', 'maya');
  const comment = () =>
    [...site.github.repository(repo).comments.values()].find((each) => each.issue === issue.number)?.body ?? '';
  await until(() => comment().includes('budget.dollars_per_day') && comment().includes('Queued'), runMs);
  const [waiting] = await listRuns(db, {});
  const labels = [...site.github.issue(repo, issue.number).labels];
  await db.run(`DELETE FROM limits WHERE budget LIKE 'repo:%'`);
  await db.run('UPDATE runs SET run_after_ms = 0');
  await until(() => site.github.issue(repo, issue.number).labels.includes('agent:review'), runMs);

  expect(waiting).toMatchObject({ state: 'queued', failures: 0, outcome: { code: 'budget.dollars_per_day' } });
  expect((waiting?.runAfterMs ?? 0) - Date.now()).toBeLessThan(15 * 60_000 + 5_000);
  expect(labels).toContain('agent:running');
  expect(comment()).not.toContain('budget.dollars_per_day');
});

const tomorrow = (day: string) => new Date(Date.parse(day) + 24 * 60 * 60_000).toISOString().slice(0, 10);

test('a token that GitHub refuses for git ends the run by name', { timeout: runMs }, async () => {
  const site = await open(scripted([]), usual);
  const headers = { 'content-type': 'text/plain' };
  const body = 'Write access to repository not granted.';
  site.github.fault({
    method: 'GET',
    path: /\.git\/info\/refs/,
    mode: 'before',
    status: 403,
    headers,
    body,
    times: 1_000,
  });

  const { run } = await ended(site);

  expect(run?.outcome?.code).toBe('outside.github-refused');
});

test('a patch that changes what the set-up reads gets a set-up of its own', { timeout: runMs }, async () => {
  const [writeTest, ...rest] = solve;
  const manifest = JSON.stringify(
    { name: 'small', type: 'module', scripts: { test: 'node --test' }, description: 'changed' },
    null,
    2,
  );
  const site = await open(
    scripted([
      writeTest ?? {},
      { toolCalls: [{ name: 'write_file', arguments: { path: 'package.json', content: manifest } }] },
      ...rest,
    ]),
    `setup: { command: "cp package.json installed.json", inputs: [package.json] }\nfiles: { allow: ["**"] }\nchecks: { unit: "grep -q changed installed.json && npm test" }\n`,
  );
  const body = contract.replace('src/**, test/**', '**');
  const issue = await site.github.openIssue({ repo, as: 'maya', title: 'add subtracts', body });

  await site.github.label(repo, issue.number, 'agent-ready', 'maya');
  await until(() => site.github.issue(repo, issue.number).labels.includes('agent:review'), runMs);

  const pull = [...site.github.repository(repo).issues.values()].find((candidate) => candidate.pull);
  expect(pull?.body).toContain('package.json');
});
