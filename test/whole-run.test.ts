import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { eventsOf } from '../src/engine/ledger.ts';
import { listRuns } from '../src/engine/runs.ts';
import { cli } from './support/cli.ts';
import { environmentFor, type Factory, startFactory } from './support/factory.ts';
import { type GitHubStandIn, startGitHub } from './support/github-stand-in.ts';
import { type ModelScript, type ModelStandIn, startModel } from './support/model-stand-in.ts';
import { call, contract, goodSource, goodTest, scripted, smallRepository, solve, submit } from './support/scripted.ts';
import { until } from './support/until.ts';

const repo = 'acme/small';
const runMs = 120_000;
let closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closing.reverse()) await close();
  closing = [];
});

interface Site {
  github: GitHubStandIn;
  model: ModelStandIn;
  factory: Factory;
}

async function open(script: ModelScript, files: Record<string, string> = smallRepository): Promise<Site> {
  const github = await startGitHub({ users: { maya: 'maintain', rita: 'write', otto: 'read' } });
  const model = await startModel(script);
  await github.createRepository(repo, { files });
  const factory = await startFactory(github, model);
  closing.push(
    () => github.close(),
    () => model.close(),
    async () => factory[Symbol.asyncDispose](),
  );
  return { github, model, factory };
}

async function labelled({ github }: Site, body = contract): Promise<number> {
  const issue = await github.openIssue({ repo, as: 'maya', title: 'add subtracts', body });
  await github.label(repo, issue.number, 'agent-ready', 'maya');
  return issue.number;
}

const labels = ({ github }: Site, number: number) =>
  github.issue(repo, number).labels.filter((name) => name.startsWith('agent:'));
const comments = ({ github }: Site, number: number) =>
  [...github.repository(repo).comments.values()]
    .filter((comment) => comment.issue === number)
    .map((comment) => comment.body ?? '');
const pulls = ({ github }: Site) => [...github.repository(repo).issues.values()].filter((issue) => issue.pull);
const reaches = (site: Site, number: number, label: string) => until(() => labels(site, number).includes(label), runMs);

test('a labelled contract becomes one pull request with evidence, a check run and one status comment', {
  timeout: runMs,
}, async () => {
  const site = await open(scripted(solve));

  const number = await labelled(site);
  await reaches(site, number, 'agent:review');

  const [pull] = pulls(site);
  expect(pulls(site)).toHaveLength(1);
  expect(pull?.body).toContain(`Closes #${number}`);
  const sections = [...(pull?.body ?? '').matchAll(/^## (.+)$/gm)].map((match) => match[1]);
  expect(sections).toEqual([
    'What changed',
    'Acceptance criteria',
    'Checks',
    'Skipped checks',
    'Not verified',
    'Rollback',
    'Run',
  ]);
  expect(pull?.body).toMatch(/fails before, passes after/);
  expect(await site.github.fileAt(repo, `millwright/issue-${number}`, 'src/add.js')).toBe(goodSource);
  expect(comments(site, number)).toHaveLength(1);
  expect(comments(site, number)[0]).toMatch(/sha256:[0-9a-f]{64}/);
  expect(labels(site, number)).toEqual(['agent:review']);
  const checkRuns = [...site.github.repository(repo).checkRuns.values()];
  expect(checkRuns).toMatchObject([{ name: 'millwright', headSha: pull?.pull?.headSha, conclusion: 'success' }]);
  expect(site.github.unhandled()).toEqual([]);
});

test('a verdict is reached again where no mirror is left: the base is fetched from GitHub, the patch comes from the store', {
  timeout: runMs,
}, async () => {
  const site = await open(scripted(solve));
  const { github, model, factory } = site;
  const number = await labelled(site);
  await reaches(site, number, 'agent:review');
  const [run] = await listRuns(factory.doors.db, {});
  // As on another machine: what comes from GitHub is gone.
  const mirrors = join(factory.dataDir, 'mirrors');
  await rm(mirrors, { recursive: true });
  const replay = (env: Record<string, string>) => cli(['replay', run?.id ?? ''], { cwd: factory.dataDir, env });

  const again = await replay(environmentFor(github, model, factory.dataDir));
  const fetched = existsSync(mirrors);
  await rm(mirrors, { recursive: true });
  const withoutKey = await replay({ DATA_DIR: factory.dataDir });

  expect(again.out, again.err).toMatch(/^The same verdict: 1 check, 0 findings; next: open\.\n$/);
  expect(fetched).toBe(true);
  expect(withoutKey.code).toBe(2);
  expect(withoutKey.err).toMatch(/The base commit [0-9a-f]{40} is not here/);
});

test('a red first round goes back to build with the output, and the second round opens the pull request', {
  timeout: runMs,
}, async () => {
  let feedback = '';
  const site = await open(
    scripted([
      call('write_file', { path: 'test/add.test.js', content: goodTest }),
      submit('only the test'),
      (request) => {
        feedback = JSON.stringify(request.messages.at(-1));
        return call('write_file', { path: 'src/add.js', content: goodSource });
      },
      submit('now the fix'),
    ]),
  );

  const number = await labelled(site);
  await reaches(site, number, 'agent:review');

  expect(feedback).toContain('npm test');
  expect(pulls(site)).toHaveLength(1);
  expect(pulls(site)[0]?.body).toMatch(/\| Rounds \| 2 \|/);
});

test('after the last red round the run fails with the output, and opens no pull request', {
  timeout: runMs,
}, async () => {
  const body = contract.replace('## Checks', '## Stop condition\nmax rounds: 2\n\n## Checks');
  const site = await open(
    scripted([
      call('write_file', { path: 'test/add.test.js', content: goodTest }),
      submit('only the test'),
      submit('still'),
    ]),
  );

  const number = await labelled(site, body);
  await reaches(site, number, 'agent:failed');

  expect(comments(site, number)[0]).toContain('npm test');
  expect(pulls(site)).toEqual([]);
  expect([...(await site.github.repository(repo).git.refs('refs/heads/millwright/')).keys()]).toEqual([]);
});

test('a contract without a testable criterion is refused in one comment that says what is missing, and nothing starts', {
  timeout: runMs,
}, async () => {
  const site = await open(scripted([]));

  const number = await labelled(site, '## Goal\n- Goal: make it better\n');
  await reaches(site, number, 'agent:waiting');

  expect(comments(site, number)).toHaveLength(1);
  expect(comments(site, number)[0]).toMatch(/Acceptance criteria/);
  expect(site.model.requests()).toEqual([]);
  expect(pulls(site)).toEqual([]);
});

test('a claim of a test that was there before is shown as such, not as failing before', {
  timeout: runMs,
}, async () => {
  const [writeTest, writeSource] = solve;
  const evidence = (test: string) => ({ criterion: 'AC1', evidence: { test } });
  const handIn = call('submit', {
    summary: 'done',
    criteria: [evidence('test/add.test.js: adds nothing')],
    assumptions: [],
  });
  const site = await open(scripted([writeTest ?? {}, writeSource ?? {}, handIn]));

  const number = await labelled(site);
  await reaches(site, number, 'agent:review');

  const row = /\| `AC1` \|.*/.exec(pulls(site)[0]?.body ?? '')?.[0];
  expect(row).toContain('a test that was there before');
  expect(row).not.toContain('fails before');
});

test('/stop in mid-build ends the run within ten seconds, and nothing is pushed', { timeout: runMs }, async () => {
  const site = await open(scripted([call('run_command', { command: 'sleep 300', timeout_seconds: 120 })]));
  const number = await labelled(site);
  await until(() => site.model.requests().length >= 2, runMs);

  const startedAtMs = Date.now();
  await site.github.comment(repo, number, '/stop wrong issue', 'maya');
  await reaches(site, number, 'agent:stopped');

  expect(Date.now() - startedAtMs).toBeLessThan(10_000);
  expect(comments(site, number)[0]).toMatch(/[Ss]topped by/);
  const [run] = await listRuns(site.factory.doors.db, {});
  const records = () => eventsOf(site.factory.doors.db, run?.id ?? '', { kinds: ['learn.record'] });
  await until(async () => (await records()).length === 1);
  expect((await records())[0]?.data).toMatchObject({ outcome: 'stopped', rework: 0 });
  expect(await site.github.fileAt(repo, `millwright/issue-${number}`, 'src/add.js').catch(() => null)).toBeNull();
  expect(pulls(site)).toEqual([]);
});

test('a person without the role cannot stop a run, and is told once who may', { timeout: runMs }, async () => {
  const site = await open(scripted([{ ...call('run_command', { command: 'true' }), delayMs: 1_500 }, ...solve]));
  const number = await labelled(site);

  await site.github.comment(repo, number, '/stop', 'otto');
  await site.github.comment(repo, number, '/stop', 'otto');
  await reaches(site, number, 'agent:review');

  const refusals = comments(site, number).filter((body) => body.includes('millwright:reply'));
  expect(refusals).toHaveLength(1);
  expect(refusals[0]).toMatch(/triage/);
});

test('/retry with guidance on the open pull request adds one commit to the same branch', {
  timeout: runMs,
}, async () => {
  let told = '';
  const better = `${goodSource}export const sum = (...all) => all.reduce(add, 0);\n`;
  const site = await open(
    scripted([
      ...solve,
      (request) => {
        told = JSON.stringify(request.messages);
        return call('write_file', { path: 'src/add.js', content: better });
      },
      submit('sum as well'),
    ]),
  );
  const number = await labelled(site);
  await reaches(site, number, 'agent:review');
  const [pull] = pulls(site);

  await site.github.comment(repo, pull?.number ?? 0, '/retry please export sum as well', 'rita');
  await until(
    async () => (await site.github.fileAt(repo, `millwright/issue-${number}`, 'src/add.js')) === better,
    runMs,
  );
  await reaches(site, number, 'agent:review');

  expect(told).toContain('please export sum as well');
  expect(pulls(site)).toHaveLength(1);
  expect(comments(site, number)).toHaveLength(1);
});
