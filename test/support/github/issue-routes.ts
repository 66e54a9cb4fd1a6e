import { addLabels, assign, changeIssue, ensureLabel, openIssue, removeLabels, unassign } from './issues.ts';
import { order, since } from './listing.ts';
import {
  created,
  invalid,
  list,
  type Need,
  noContent,
  notFound,
  ok,
  type Reply,
  type RepositoryCall,
  type Route,
  requireText,
  route,
  text,
  texts,
} from './router.ts';
import { commentShape, issueShape, labelShape } from './shapes.ts';
import { atLeast, type Issue, type Json, roleOf } from './state.ts';
import { eventShape } from './world.ts';

const SEE: Need = { app: ['issues:read', 'pull_requests:read'], user: 'read' };
const WRITE: Need = { app: ['issues:write', 'pull_requests:write'], user: 'read' };
const TRIAGE: Need = { app: ['issues:write', 'pull_requests:write'], user: 'triage' };
const at = (rest: string): string => `/repos/:owner/:repo${rest}`;

export function issueOf({ repository, params }: RepositoryCall): Issue {
  const issue = repository.issues.get(Number(params.number));
  if (!issue) throw notFound();
  return issue;
}

/** Issues and pull requests together, as GitHub lists them. */
function listIssues(call: RepositoryCall): Reply {
  const { state, repository, query } = call;
  const wanted = query.get('state') ?? 'open';
  const labels = (query.get('labels') ?? '')
    .split(',')
    .map((label) => label.trim().toLowerCase())
    .filter(Boolean);
  const matches = (issue: Issue): boolean =>
    (wanted === 'all' || issue.state === wanted) &&
    labels.every((label) => issue.labels.some((name) => name.toLowerCase() === label)) &&
    (query.get('creator') === null || issue.author === query.get('creator')) &&
    (query.get('assignee') === null || issue.assignees.includes(query.get('assignee') ?? ''));
  const found = order(since([...repository.issues.values()].filter(matches), query), query, 'desc');
  return list(found.map((issue) => issueShape(state, repository, issue)));
}

async function patchIssue(call: RepositoryCall): Promise<Reply> {
  const { world, repository, actor, body, identity } = call;
  const issue = issueOf(call);
  if (
    identity.kind === 'user' &&
    identity.login !== issue.author &&
    !atLeast(roleOf(call.state, repository, identity.login), 'triage')
  )
    throw notFound();
  if (body.state !== undefined && body.state !== 'open' && body.state !== 'closed')
    throw invalid([{ resource: 'Issue', field: 'state', code: 'invalid' }]);
  await changeIssue(world, repository, issue, actor, {
    ...(typeof body.title === 'string' ? { title: body.title } : {}),
    ...(body.body === undefined ? {} : { body: text(body.body) }),
    ...(body.state === undefined ? {} : { state: body.state as 'open' | 'closed' }),
    stateReason: text(body.state_reason),
  });
  if (body.labels !== undefined) await replaceLabels(call, issue, texts(body.labels));
  if (body.assignees !== undefined) {
    const wanted = texts(body.assignees);
    await unassign(
      world,
      repository,
      issue,
      actor,
      issue.assignees.filter((login) => !wanted.includes(login)),
    );
    await assign(world, repository, issue, actor, wanted);
  }
  return ok(issueShape(call.state, repository, issue));
}

async function replaceLabels(
  { world, repository, actor }: RepositoryCall,
  issue: Issue,
  wanted: string[],
): Promise<void> {
  const keep = wanted.map((name) => name.toLowerCase());
  await removeLabels(
    world,
    repository,
    issue,
    actor,
    issue.labels.filter((name) => !keep.includes(name.toLowerCase())),
  );
  await addLabels(world, repository, issue, actor, wanted);
}

const labelsOf = (call: RepositoryCall, issue: Issue): Json[] =>
  issue.labels.map((name) => labelShape(call.state, call.repository, name));

/** Both bodies are allowed: `{labels: [...]}` and a plain list (which the front passes as `list`). */
const askedLabels = (body: Json): string[] => texts(body.labels ?? body.list);

function createLabel({ state, repository, body }: RepositoryCall): Reply {
  const name = requireText(body, 'name', 'Label');
  if (repository.labels.has(name.toLowerCase()))
    throw invalid([{ resource: 'Label', code: 'already_exists', field: 'name' }]);
  const color = text(body.color) ?? 'ededed';
  if (!/^[0-9a-f]{6}$/i.test(color)) throw invalid([{ resource: 'Label', code: 'invalid', field: 'color' }]);
  if ((text(body.description) ?? '').length > 100)
    throw invalid([
      {
        resource: 'Label',
        code: 'custom',
        field: 'description',
        message: 'description is too long (maximum is 100 characters)',
      },
    ]);
  ensureLabel(state, repository, name, { color, description: text(body.description) });
  return created(labelShape(state, repository, name));
}

function labelNamed({ repository, params }: RepositoryCall) {
  const label = repository.labels.get((params.name ?? '').toLowerCase());
  if (!label) throw notFound();
  return label;
}

const labelRoutes: Route[] = [
  route('GET', at('/labels'), SEE, ({ state, repository }) =>
    list([...repository.labels.values()].map((label) => labelShape(state, repository, label.name))),
  ),
  route('POST', at('/labels'), { app: ['issues:write', 'pull_requests:write'], user: 'write' }, createLabel),
  route('GET', at('/labels/:name'), SEE, (call) => ok(labelShape(call.state, call.repository, labelNamed(call).name))),
  route('PATCH', at('/labels/:name'), { ...TRIAGE, user: 'write' }, (call) => {
    const label = labelNamed(call);
    if (typeof call.body.color === 'string') label.color = call.body.color;
    if (call.body.description !== undefined) label.description = text(call.body.description);
    return ok(labelShape(call.state, call.repository, label.name));
  }),
  route('DELETE', at('/labels/:name'), { ...TRIAGE, user: 'write' }, (call) => {
    const label = labelNamed(call);
    call.repository.labels.delete(label.name.toLowerCase());
    for (const issue of call.repository.issues.values())
      issue.labels = issue.labels.filter((name) => name !== label.name);
    return noContent;
  }),
  route('GET', at('/issues/:number/labels'), SEE, (call) => list(labelsOf(call, issueOf(call)))),
  route('POST', at('/issues/:number/labels'), TRIAGE, async (call) => {
    const issue = issueOf(call);
    await addLabels(call.world, call.repository, issue, call.actor, askedLabels(call.body));
    return ok(labelsOf(call, issue));
  }),
  route('PUT', at('/issues/:number/labels'), TRIAGE, async (call) => {
    const issue = issueOf(call);
    await replaceLabels(call, issue, askedLabels(call.body));
    return ok(labelsOf(call, issue));
  }),
  route('DELETE', at('/issues/:number/labels'), TRIAGE, async (call) => {
    await replaceLabels(call, issueOf(call), []);
    return noContent;
  }),
  route('DELETE', at('/issues/:number/labels/:name'), TRIAGE, async (call) => {
    const issue = issueOf(call);
    await removeLabels(call.world, call.repository, issue, call.actor, [call.params.name ?? '']);
    return ok(labelsOf(call, issue));
  }),
];

const issueRoutes: Route[] = [
  route('GET', at('/issues'), { app: ['issues:read'], user: 'read' }, listIssues),
  route('POST', at('/issues'), { app: ['issues:write'], user: 'read' }, async (call) => {
    const { world, repository, actor, body, identity } = call;
    const title = requireText(body, 'title', 'Issue');
    // Labels and assignees of people without triage rights are dropped silently.
    const trusted = identity.kind !== 'user' || atLeast(roleOf(call.state, repository, identity.login), 'triage');
    const extra = trusted ? { labels: texts(body.labels), assignees: texts(body.assignees) } : {};
    const issue = await openIssue(world, repository, actor, { title, body: text(body.body), ...extra });
    return created(issueShape(call.state, repository, issue));
  }),
  route('GET', at('/issues/:number'), SEE, (call) => ok(issueShape(call.state, call.repository, issueOf(call)))),
  route('PATCH', at('/issues/:number'), WRITE, patchIssue),
  route('POST', at('/issues/:number/assignees'), TRIAGE, async (call) => {
    const issue = issueOf(call);
    await assign(call.world, call.repository, issue, call.actor, texts(call.body.assignees));
    return created(issueShape(call.state, call.repository, issue));
  }),
  route('DELETE', at('/issues/:number/assignees'), TRIAGE, async (call) => {
    const issue = issueOf(call);
    await unassign(call.world, call.repository, issue, call.actor, texts(call.body.assignees));
    return ok(issueShape(call.state, call.repository, issue));
  }),
  ...['events', 'timeline'].map((name) =>
    route('GET', at(`/issues/:number/${name}`), SEE, (call) => {
      const issue = issueOf(call);
      const events = call.repository.events
        .filter((event) => event.issue === issue.number)
        .map((event) => eventShape(call.state, call.repository, event));
      const comments = [...call.repository.comments.values()]
        .filter((comment) => comment.issue === issue.number)
        .map((comment) => {
          const shape = commentShape(call.state, call.repository, comment);
          return { ...shape, event: 'commented', actor: shape.user };
        });
      if (name === 'events') return list(events);
      return list(
        [...events, ...comments].sort((left, right) =>
          String((left as Json).created_at).localeCompare(String((right as Json).created_at)),
        ),
      );
    }),
  ),
];

export const ISSUE_ROUTES: Route[] = [...labelRoutes, ...issueRoutes];
