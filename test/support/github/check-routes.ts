import {
  addStatus,
  type CheckRunInput,
  checkRunShape,
  createCheckRun,
  ensureSuite,
  statusShape,
  suiteShape,
  updateCheckRun,
} from './checks.ts';
import { revision } from './git-routes.ts';
import { repositoryShape } from './repository-shapes.ts';
import {
  ApiError,
  created,
  invalid,
  list,
  type Need,
  notFound,
  ok,
  type Reply,
  type RepositoryCall,
  type Route,
  requireText,
  route,
  text,
} from './router.ts';
import { repositoryApi } from './shapes.ts';
import type { CheckRun, CommitStatus, Json } from './state.ts';

const SEE: Need = { app: ['checks:read'], user: 'read' };
/** Only apps write check runs. */
const WRITE: Need = { app: ['checks:write'], user: 'admin' };
const at = (rest: string): string => `/repos/:owner/:repo${rest}`;
const STATUSES = ['queued', 'in_progress', 'completed'];
const CONCLUSIONS = ['action_required', 'cancelled', 'failure', 'neutral', 'success', 'skipped', 'timed_out'];
/** GitHub's limits: characters of summary and text, annotations a call. */
const MAX_TEXT = 65_535;
const MAX_ANNOTATIONS = 50;

function inputOf(body: Json): CheckRunInput & { name?: string } {
  const output = body.output as Json | undefined;
  const annotations = (output?.annotations ?? []) as Json[];
  const bad = (field: string, message: string): ApiError =>
    invalid([{ resource: 'CheckRun', code: 'custom', field, message }]);
  if (body.status !== undefined && !STATUSES.includes(String(body.status)))
    throw bad('status', 'status is not included in the list');
  if (body.conclusion !== undefined && !CONCLUSIONS.includes(String(body.conclusion)))
    throw bad('conclusion', 'conclusion is not included in the list');
  if (body.status === 'completed' && body.conclusion === undefined)
    throw bad('conclusion', 'Conclusion is required when status is completed');
  if (output && (typeof output.title !== 'string' || typeof output.summary !== 'string'))
    throw bad('output', 'title and summary are required');
  for (const field of ['summary', 'text'])
    if ((text(output?.[field]) ?? '').length > MAX_TEXT) throw bad(field, `Only ${MAX_TEXT} characters are allowed`);
  if (annotations.length > MAX_ANNOTATIONS) throw bad('annotations', `Only ${MAX_ANNOTATIONS} annotations are allowed`);
  return {
    ...(typeof body.name === 'string' ? { name: body.name } : {}),
    ...(typeof body.external_id === 'string' ? { externalId: body.external_id } : {}),
    ...(typeof body.details_url === 'string' ? { detailsUrl: body.details_url } : {}),
    ...(body.status === undefined ? {} : { status: body.status as CheckRun['status'] }),
    ...(typeof body.conclusion === 'string' ? { conclusion: body.conclusion } : {}),
    ...(typeof body.completed_at === 'string' ? { completedAt: body.completed_at } : {}),
    ...(output
      ? { output: { title: text(output.title), summary: text(output.summary), text: text(output.text) }, annotations }
      : {}),
  };
}

function runOf({ repository, params }: RepositoryCall): CheckRun {
  const run = repository.checkRuns.get(Number(params.id));
  if (!run) throw notFound();
  return run;
}

/** `filter=latest` (the default) keeps the newest run of each name and app. */
function listRuns(call: RepositoryCall, runs: CheckRun[]): Reply {
  const { repository, query, state } = call;
  const key = (run: CheckRun): string => `${repository.checkSuites.get(run.suite)?.app}/${run.name}`;
  const latest = new Map(runs.map((run) => [key(run), run.id]));
  const wanted = runs
    .filter((run) => query.get('filter') === 'all' || latest.get(key(run)) === run.id)
    .filter((run) => query.get('check_name') === null || run.name === query.get('check_name'))
    .filter((run) => query.get('status') === null || run.status === query.get('status'));
  return list(
    wanted.reverse().map((run) => checkRunShape(state, repository, run)),
    'check_runs',
  );
}

const runRoutes: Route[] = [
  route('POST', at('/check-runs'), WRITE, async (call) => {
    const { world, repository, actor, body, state } = call;
    const headSha = await repository.git.resolve(requireText(body, 'head_sha', 'CheckRun'));
    if (headSha === null) throw new ApiError(422, `No commit found for SHA: ${String(body.head_sha)}`);
    const input = { ...inputOf(body), name: requireText(body, 'name', 'CheckRun'), headSha, app: state.app.slug };
    return created(checkRunShape(state, repository, await createCheckRun(world, repository, actor, input)));
  }),
  route('PATCH', at('/check-runs/:id'), WRITE, async (call) => {
    const run = runOf(call);
    await updateCheckRun(call.world, call.repository, run, call.actor, inputOf(call.body));
    return ok(checkRunShape(call.state, call.repository, run));
  }),
  route('GET', at('/check-runs/:id'), SEE, (call) => ok(checkRunShape(call.state, call.repository, runOf(call)))),
  route('GET', at('/check-runs/:id/annotations'), SEE, (call) => list(runOf(call).annotations)),
  route('GET', at('/check-suites/:id/check-runs'), SEE, (call) =>
    listRuns(
      call,
      [...call.repository.checkRuns.values()].filter((run) => run.suite === Number(call.params.id)),
    ),
  ),
  route('GET', at('/check-suites/:id'), SEE, async (call) => {
    const suite = call.repository.checkSuites.get(Number(call.params.id));
    if (!suite) throw notFound();
    return ok(await suiteShape(call.state, call.repository, suite));
  }),
  route('POST', at('/check-suites'), WRITE, async (call) => {
    const suite = await ensureSuite(
      call.state,
      call.repository,
      call.state.app.slug,
      requireText(call.body, 'head_sha', 'CheckSuite'),
    );
    return created(await suiteShape(call.state, call.repository, suite));
  }),
  route('GET', at('/commits/*ref/check-runs'), SEE, async (call) => {
    const sha = await revision(call.repository, call.params.ref ?? '');
    return listRuns(
      call,
      [...call.repository.checkRuns.values()].filter((run) => run.headSha === sha),
    );
  }),
  route('GET', at('/commits/*ref/check-suites'), SEE, async (call) => {
    const sha = await revision(call.repository, call.params.ref ?? '');
    const suites = [...call.repository.checkSuites.values()].filter((suite) => suite.headSha === sha);
    return list(
      await Promise.all(suites.map((suite) => suiteShape(call.state, call.repository, suite))),
      'check_suites',
    );
  }),
];

/** The newest status of each context. */
function latestStatuses(statuses: CommitStatus[]): CommitStatus[] {
  return [...new Map(statuses.map((status) => [status.context, status])).values()];
}

const statusRoutes: Route[] = [
  route('POST', at('/statuses/:sha'), { app: ['statuses:write'], user: 'write' }, async (call) => {
    const sha = await revision(call.repository, call.params.sha ?? '');
    const state = requireText(call.body, 'state', 'Status') as CommitStatus['state'];
    const description = text(call.body.description);
    if ((description ?? '').length > 140)
      throw invalid([
        {
          resource: 'Status',
          code: 'custom',
          field: 'description',
          message: 'description is too long (maximum is 140 characters)',
        },
      ]);
    const input = {
      sha,
      state,
      context: text(call.body.context) ?? 'default',
      description,
      targetUrl: text(call.body.target_url),
    };
    return created(
      statusShape(call.state, call.repository, await addStatus(call.world, call.repository, call.actor, input)),
    );
  }),
  route('GET', at('/commits/*ref/statuses'), { app: ['statuses:read'], user: 'read' }, async (call) => {
    const sha = await revision(call.repository, call.params.ref ?? '');
    const statuses = call.repository.statuses.filter((status) => status.sha === sha).reverse();
    return list(statuses.map((status) => statusShape(call.state, call.repository, status)));
  }),
  route('GET', at('/commits/*ref/status'), { app: ['statuses:read'], user: 'read' }, async (call) => {
    const { state, repository } = call;
    const sha = await revision(repository, call.params.ref ?? '');
    const statuses = latestStatuses(repository.statuses.filter((status) => status.sha === sha));
    const failing = statuses.some((status) => status.state === 'failure' || status.state === 'error');
    const pending = statuses.length === 0 || statuses.some((status) => status.state === 'pending');
    return ok({
      state: failing ? 'failure' : pending ? 'pending' : 'success',
      statuses: statuses.map((status) => statusShape(state, repository, status)),
      sha,
      total_count: statuses.length,
      repository: repositoryShape(state, repository),
      commit_url: `${repositoryApi(state, repository)}/commits/${sha}`,
      url: `${repositoryApi(state, repository)}/commits/${sha}/status`,
    });
  }),
];

export const CHECK_ROUTES: Route[] = [...runRoutes, ...statusRoutes];
