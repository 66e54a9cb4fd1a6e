import { parsePolicyFile } from '../../src/contract/policy.ts';
import type { Doors } from '../../src/doors.ts';
import { emptyOverlay, type OpenRequest } from '../../src/sandbox/sandbox.ts';
import { startFactory } from '../support/factory.ts';
import { type GitHubStandIn, startGitHub } from '../support/github-stand-in.ts';
import { startModel } from '../support/model-stand-in.ts';
import { realDoors } from '../support/real-doors.ts';
import { contract, goodSource, goodTest, scripted, smallRepository, solve } from '../support/scripted.ts';
import { until } from '../support/until.ts';
import type { BenchRow } from './row.ts';

const repo = 'acme/small';
const rounds = 5;
const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/**
 * From label to pull request with a model that answers at once, against the least that any such line must do, measured in
 * the same run: one fetch, two containers, the same tool calls and checks, one push, and the same kinds of API calls.
 */
export async function lineBench(): Promise<BenchRow[]> {
  const github = await startGitHub({ users: { maya: 'maintain' } });
  const model = await startModel(scripted(Array.from({ length: rounds + 1 }, () => solve).flat()));
  await github.createRepository(repo, { files: smallRepository });
  await using _factory = await startFactory(github, model, { env: { WORKER_CONCURRENCY: '1' } });
  // Doors of its own: the service sweeps away containers of runs that it does not know.
  const { doors, remove } = await realDoors(github);
  const whole: number[] = [];
  const floor: number[] = [];
  try {
    await oneRun(github);
    for (let round = 0; round < rounds; round++) {
      floor.push(await timed(() => leastWork(doors, github, round)));
      whole.push(await timed(() => oneRun(github)));
    }
  } finally {
    await Promise.all([remove(), github.close(), model.close()]);
  }
  return [
    {
      name: 'label → pull request / the least work',
      figure: median(whole),
      floor: median(floor),
      target: 3,
      unit: 'ms',
    },
  ];
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

async function oneRun(github: GitHubStandIn): Promise<void> {
  const issue = await github.openIssue({ repo, as: 'maya', title: 'add subtracts', body: contract });
  await github.label(repo, issue.number, 'agent-ready', 'maya');
  await until(() => github.issue(repo, issue.number).labels.includes('agent:review'), 120_000);
}

async function leastWork(doors: Doors, github: GitHubStandIn, round: number): Promise<void> {
  const ref = { installationId: github.installationId, owner: 'acme', name: 'small' };
  const door = doors.github.repository(ref);
  const repository = `${doors.host.githubHost}/${repo}`;
  const remote = { repository, url: `${github.url}/${repo}.git`, token: () => door.gitToken() };
  const issue = await door.issue(1);
  const policy = await door.readFile('.github/millwright.yml');
  parsePolicyFile(policy && 'text' in policy ? policy.text : '', 'millwright.yml', 'repository');
  const { id } = await door.upsertComment(issue.number, '<!-- floor -->', `<!-- floor -->${round}`);
  await door.setStateLabel(issue.number, 'agent:running', ['agent:running', 'agent:review']);
  const base = await doors.git.fetch(remote, 'refs/heads/main');
  const limits = { memoryBytes: 2 ** 31, cpus: 2, pids: 512, diskBytes: 2 ** 32, outputBytes: 2 ** 26 };
  const prepared = await doors.sandbox.prepare({
    repository,
    commit: base,
    image: 'millwright/sandbox',
    setup: null,
    files: () => doors.git.tar(repository, base),
    limits,
  });
  const request: Omit<OpenRequest, 'purpose' | 'overlay'> = {
    run: 'floor',
    epoch: round,
    image: prepared.image,
    limits,
    network: { hosts: [], addresses: [] },
    secrets: {},
    deadlineMs: Date.now() + 600_000,
  };
  let tree: string;
  {
    await using sandbox = await doors.sandbox.open({ ...request, purpose: 'build', overlay: emptyOverlay });
    await sandbox.writeFile('test/add.test.js', Buffer.from(goodTest));
    await sandbox.writeFile('src/add.js', Buffer.from(`${goodSource}// ${round}\n`));
    const files = await doors.git.list(repository, base);
    const changes = await sandbox.changes({
      maxFiles: 100,
      maxFileBytes: 2 ** 20,
      maxTotalBytes: 2 ** 22,
      base: async () => files.map(({ path }) => path),
    });
    const patch = await doors.git.writePatch(repository, base, changes, {
      maxFiles: 100,
      maxFileBytes: 2 ** 20,
      maxTotalBytes: 2 ** 22,
      isProtected: () => false,
    });
    if (!patch.ok) throw new Error('the floor could not take its own patch');
    tree = patch.tree;
  }
  {
    await using sandbox = await doors.sandbox.open({
      ...request,
      purpose: 'verify',
      overlay: await doors.git.overlay(repository, base, tree),
    });
    await sandbox.run({ command: 'npm test', timeoutMs: 60_000 });
  }
  const branch = `floor-${round}`;
  const commit = await doors.git.commit(repository, {
    tree,
    parents: [base],
    message: 'floor',
    author: { name: 'floor', email: 'floor@example.org' },
    timestampS: 1,
  });
  await doors.git.push(remote, commit, branch, null);
  const pull = await door.upsertPullRequest({ branch, base: 'main', title: 'floor', body: 'floor', draft: false });
  await door.upsertCheckRun({
    name: 'floor',
    headSha: commit,
    externalId: String(round),
    status: 'completed',
    conclusion: 'success',
    title: 'floor',
    summary: 'floor',
  });
  await door.requestReviewers(pull.number, ['maya']);
  await door.upsertComment(issue.number, '<!-- floor -->', `<!-- floor -->${id} done`);
  await door.setStateLabel(issue.number, 'agent:review', ['agent:running', 'agent:review']);
}
