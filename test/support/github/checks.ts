import { commitShape } from './git-shapes.ts';
import { pullReference } from './pull-shapes.ts';
import { appShape, htmlUrl, repositoryApi, senderShape } from './shapes.ts';
import {
  type Actor,
  type CheckRun,
  type CheckSuite,
  type CommitStatus,
  type Json,
  nodeId,
  pullRequests,
  type Repository,
  type State,
  timestamp,
} from './state.ts';
import { announce, type World } from './world.ts';

/** The worst one decides, in this order. */
const CONCLUSIONS = [
  'failure',
  'timed_out',
  'cancelled',
  'action_required',
  'startup_failure',
  'stale',
  'success',
  'neutral',
  'skipped',
];

function suiteApp(state: State, slug: string): Json {
  return slug === state.app.slug
    ? appShape(state)
    : { ...appShape(state), id: slug.length, slug, name: slug, html_url: `${state.origin}/apps/${slug}` };
}

const references = (state: State, repository: Repository, sha: string): Json[] =>
  pullRequests(repository)
    .filter((issue) => issue.state === 'open' && issue.pull.headSha === sha)
    .map((issue) => pullReference(state, repository, issue));

export async function suiteShape(state: State, repository: Repository, suite: CheckSuite): Promise<Json> {
  const url = `${repositoryApi(state, repository)}/check-suites/${suite.id}`;
  const runs = [...repository.checkRuns.values()].filter((run) => run.suite === suite.id);
  const { commit } = (await commitShape(state, repository, suite.headSha)) as { commit: Json };
  return {
    id: suite.id,
    node_id: nodeId('CheckSuite', suite.id),
    head_branch: suite.headBranch,
    head_sha: suite.headSha,
    status: suite.status,
    conclusion: suite.conclusion,
    url,
    before: null,
    after: suite.headSha,
    pull_requests: references(state, repository, suite.headSha),
    app: suiteApp(state, suite.app),
    created_at: suite.createdAt,
    updated_at: suite.updatedAt,
    latest_check_runs_count: runs.length,
    check_runs_url: `${url}/check-runs`,
    head_commit: {
      id: suite.headSha,
      tree_id: (commit.tree as Json).sha,
      message: commit.message,
      timestamp: (commit.committer as Json).date,
      author: commit.author,
      committer: commit.committer,
    },
  };
}

export function checkRunShape(state: State, repository: Repository, run: CheckRun): Json {
  const suite = repository.checkSuites.get(run.suite);
  const url = `${repositoryApi(state, repository)}/check-runs/${run.id}`;
  return {
    id: run.id,
    node_id: nodeId('CheckRun', run.id),
    name: run.name,
    head_sha: run.headSha,
    external_id: run.externalId,
    url,
    html_url: `${htmlUrl(state, repository)}/runs/${run.id}`,
    details_url: run.detailsUrl ?? `${htmlUrl(state, repository)}/runs/${run.id}`,
    status: run.status,
    conclusion: run.conclusion,
    started_at: run.startedAt,
    completed_at: run.completedAt,
    output: { ...run.output, annotations_count: run.annotations.length, annotations_url: `${url}/annotations` },
    check_suite: { id: run.suite },
    app: suiteApp(state, suite?.app ?? state.app.slug),
    pull_requests: references(state, repository, run.headSha),
  };
}

export async function ensureSuite(
  state: State,
  repository: Repository,
  app: string,
  headSha: string,
): Promise<CheckSuite> {
  const known = [...repository.checkSuites.values()].find((suite) => suite.app === app && suite.headSha === headSha);
  if (known) return known;
  const heads = await repository.git.refs('refs/heads/');
  const branch = [...heads].find(([, sha]) => sha === headSha)?.[0].slice('refs/heads/'.length) ?? null;
  const now = timestamp(state);
  const suite: CheckSuite = {
    id: state.nextId(),
    app,
    headSha,
    headBranch: branch,
    status: 'queued',
    conclusion: null,
    createdAt: now,
    updatedAt: now,
  };
  repository.checkSuites.set(suite.id, suite);
  return suite;
}

export type CheckRunInput = Partial<Omit<CheckRun, 'id' | 'suite' | 'headSha' | 'name'>>;

export async function createCheckRun(
  world: World,
  repository: Repository,
  actor: Actor,
  input: { app: string; name: string; headSha: string } & CheckRunInput,
): Promise<CheckRun> {
  const { app, ...rest } = input;
  const suite = await ensureSuite(world.state, repository, app, input.headSha);
  const run: CheckRun = {
    id: world.state.nextId(),
    suite: suite.id,
    externalId: '',
    detailsUrl: null,
    status: 'queued',
    conclusion: null,
    startedAt: timestamp(world.state),
    completedAt: null,
    output: { title: null, summary: null, text: null },
    annotations: [],
    ...rest,
  };
  repository.checkRuns.set(run.id, run);
  announceRun(world, repository, run, actor, 'created');
  await settle(world, repository, run, actor);
  return run;
}

export async function updateCheckRun(
  world: World,
  repository: Repository,
  run: CheckRun,
  actor: Actor,
  change: CheckRunInput & { name?: string },
): Promise<void> {
  const { annotations, output, ...rest } = change;
  Object.assign(run, rest);
  if (output) run.output = { ...run.output, ...output };
  if (annotations) run.annotations.push(...annotations);
  await settle(world, repository, run, actor);
}

function announceRun(world: World, repository: Repository, run: CheckRun, actor: Actor, action: string): void {
  announce(world, repository, 'check_run', actor, { action, check_run: checkRunShape(world.state, repository, run) });
}

/** Completes the run and, with its last run, the suite. */
async function settle(world: World, repository: Repository, run: CheckRun, actor: Actor): Promise<void> {
  const suite = repository.checkSuites.get(run.suite);
  if (!suite) return;
  if (run.conclusion !== null) run.status = 'completed';
  if (run.status === 'completed') {
    run.completedAt ??= timestamp(world.state);
    announceRun(world, repository, run, actor, 'completed');
  }
  const runs = [...repository.checkRuns.values()].filter((other) => other.suite === suite.id);
  suite.updatedAt = timestamp(world.state);
  if (runs.some((other) => other.status !== 'completed')) {
    suite.status = 'in_progress';
    suite.conclusion = null;
    return;
  }
  suite.status = 'completed';
  suite.conclusion =
    CONCLUSIONS.find((conclusion) => runs.some((other) => other.conclusion === conclusion)) ?? 'neutral';
  announce(world, repository, 'check_suite', actor, {
    action: 'completed',
    check_suite: await suiteShape(world.state, repository, suite),
  });
}

export function statusShape(state: State, repository: Repository, status: CommitStatus): Json {
  return {
    id: status.id,
    node_id: nodeId('StatusContext', status.id),
    url: `${repositoryApi(state, repository)}/statuses/${status.sha}`,
    avatar_url: '',
    state: status.state,
    context: status.context,
    description: status.description,
    target_url: status.targetUrl,
    created_at: status.createdAt,
    updated_at: status.createdAt,
    creator: senderShape(state, { login: status.creator, viaApp: false }),
  };
}

export type StatusInput = Pick<CommitStatus, 'sha' | 'state' | 'context'> & {
  description?: string | null;
  targetUrl?: string | null;
};

export async function addStatus(
  world: World,
  repository: Repository,
  actor: Actor,
  input: StatusInput,
): Promise<CommitStatus> {
  const { state } = world;
  const status: CommitStatus = {
    id: state.nextId(),
    description: null,
    targetUrl: null,
    creator: actor.login,
    createdAt: timestamp(state),
    ...input,
  };
  repository.statuses.push(status);
  const heads = await repository.git.refs('refs/heads/');
  const branches = [...heads]
    .filter(([, sha]) => sha === input.sha)
    .map(([ref, sha]) => ({ name: ref.slice('refs/heads/'.length), commit: { sha, url: '' }, protected: false }));
  announce(world, repository, 'status', actor, {
    id: status.id,
    sha: status.sha,
    name: repository.fullName,
    state: status.state,
    context: status.context,
    description: status.description,
    target_url: status.targetUrl,
    commit: await commitShape(state, repository, status.sha),
    branches,
    created_at: status.createdAt,
    updated_at: status.createdAt,
  });
  return status;
}
