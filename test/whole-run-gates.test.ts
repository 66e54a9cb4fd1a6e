import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import { type Factory, startFactory } from './support/factory.ts';
import { type GitHubStandIn, startGitHub } from './support/github-stand-in.ts';
import { type ModelStandIn, startModel } from './support/model-stand-in.ts';
import { call, contract, scripted, smallRepository, solve } from './support/scripted.ts';
import { until } from './support/until.ts';

const repo = 'acme/small';
let github: GitHubStandIn;
let model: ModelStandIn;
let factory: Factory;

afterEach(async () => {
  await factory[Symbol.asyncDispose]();
  // A factory that was given its folder leaves it.
  await rm(factory.dataDir, { recursive: true, force: true });
  await github.close();
  await model.close();
});

async function open(replies: Parameters<typeof scripted>[0], files: Record<string, string> = {}): Promise<void> {
  github = await startGitHub({ users: { maya: 'maintain' } });
  model = await startModel(scripted(replies));
  await github.createRepository(repo, { files: { ...smallRepository, ...files } });
  factory = await startFactory(github, model);
}

/** Names of this installation's containers, those that make images left out. */
async function containers(): Promise<string[]> {
  const filter = `label=millwright.instance=${factory.doors.host.instance}`;
  const { stdout } = await promisify(execFile)('docker', ['ps', '--filter', filter, '--format', '{{.Names}}']);
  return stdout.split('\n').filter((name) => name !== '' && !name.includes('prepare'));
}

async function labelled(): Promise<number> {
  const { number } = await github.openIssue({ repo, as: 'maya', title: 'add subtracts', body: contract });
  await github.label(repo, number, 'agent-ready', 'maya');
  return number;
}

test.each([
  { where: 'a command of the agent', replies: [call('run_command', { command: 'sleep 300' })], policy: null },
  {
    where: 'a check',
    replies: solve,
    policy: 'files: { allow: ["src/**", "test/**"] }\nchecks: { unit: npm test, slow: sleep 300 }\n',
  },
])(
  '/stop in $where: within ten seconds the run is stopped and its containers are gone',
  { timeout: 120_000 },
  async ({ where, replies, policy }) => {
    await open(replies, policy === null ? {} : { '.github/millwright.yml': policy });
    const number = await labelled();
    await until(
      async () => (await containers()).some((name) => name.includes(where === 'a check' ? 'head' : 'build')),
      60_000,
    );
    await until(() => model.requests().length >= (where === 'a check' ? 4 : 2), 60_000);

    const startedAtMs = performance.now();
    await github.comment(repo, number, '/stop', 'maya');
    await until(() => github.issue(repo, number).labels.includes('agent:stopped'), 10_000);
    await until(async () => (await containers()).length === 0, 10_000);

    expect(performance.now() - startedAtMs).toBeLessThan(10_000);
    expect([...github.repository(repo).issues.values()].filter((issue) => issue.pull)).toEqual([]);
    expect(await github.fileAt(repo, `millwright/issue-${number}`, 'src/add.js')).toBeNull();
  },
);

test('a waiting run holds no container and no lease, and goes on after a restart', { timeout: 120_000 }, async () => {
  await open([call('ask', { question: 'Which numbers?' }), ...solve]);
  const number = await labelled();
  await until(() => github.issue(repo, number).labels.includes('agent:waiting'), 60_000);
  await until(async () => (await containers()).length === 0, 10_000);
  const [row] = await factory.doors.db.all<{ lease_owner: string | null }>('SELECT lease_owner FROM runs');
  expect(row?.lease_owner).toBeNull();
  const { dataDir } = factory;
  await factory.service.stop();

  factory = await startFactory(github, model, { dataDir });
  await github.comment(repo, number, '/retry two and three', 'maya');

  await until(() => github.issue(repo, number).labels.includes('agent:review'), 60_000);
});
