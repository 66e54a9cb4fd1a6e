import { commitShape, fileShapes } from './git-shapes.ts';
import { changeIssue } from './issues.ts';
import { since } from './listing.ts';
import { pullListShape, pullShape } from './pull-shapes.ts';
import {
  addReview,
  addReviewComment,
  changeReview,
  type MergeMethod,
  mergePull,
  type NewReview,
  openPull,
  requestReviewers,
} from './pulls.ts';
import {
  ApiError,
  created,
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
  texts,
} from './router.ts';
import { reviewCommentShape, reviewShape, userShape } from './shapes.ts';
import { type PullIssue, pullRequests } from './state.ts';

const SEE: Need = { app: ['pull_requests:read'], user: 'read' };
const WRITE: Need = { app: ['pull_requests:write'], user: 'write' };
const SAY: Need = { app: ['pull_requests:write'], user: 'read' };
const at = (rest: string): string => `/repos/:owner/:repo${rest}`;

function pullOf({ repository, params }: RepositoryCall): PullIssue {
  const issue = repository.issues.get(Number(params.number));
  if (!issue?.pull) throw notFound();
  return issue as PullIssue;
}

function listPulls({ state, repository, query }: RepositoryCall): Reply {
  const wanted = query.get('state') ?? 'open';
  const head = query.get('head');
  const base = query.get('base');
  const sort = query.get('sort') === 'updated' ? 'updatedAt' : 'createdAt';
  const sign = (query.get('direction') ?? (query.get('sort') ? 'asc' : 'desc')) === 'asc' ? 1 : -1;
  const found = pullRequests(repository)
    .filter((issue) => wanted === 'all' || issue.state === wanted)
    // `head` counts only in the form OWNER:BRANCH; anything else is ignored, as on GitHub.
    .filter(
      (issue) =>
        !head?.includes(':') || `${repository.owner}:${issue.pull.headRef}`.toLowerCase() === head.toLowerCase(),
    )
    .filter((issue) => base === null || issue.pull.baseRef === base)
    .sort((left, right) => sign * (left[sort].localeCompare(right[sort]) || left.number - right.number));
  return list(found.map((issue) => pullListShape(state, repository, issue)));
}

async function patchPull(call: RepositoryCall): Promise<Reply> {
  const { world, repository, actor, body } = call;
  const issue = pullOf(call);
  if (body.state === 'open' && issue.pull.mergedAt !== null)
    throw new ApiError(422, 'Validation Failed', [
      {
        resource: 'PullRequest',
        code: 'custom',
        field: 'state',
        message: 'state cannot be changed. The pull request is merged.',
      },
    ]);
  await changeIssue(world, repository, issue, actor, {
    ...(typeof body.title === 'string' ? { title: body.title } : {}),
    ...(body.body === undefined ? {} : { body: text(body.body) }),
    ...(body.state === 'open' || body.state === 'closed' ? { state: body.state } : {}),
  });
  if (typeof body.base === 'string') issue.pull.baseRef = body.base;
  return ok(await pullShape(call.state, repository, issue));
}

async function merge(call: RepositoryCall): Promise<Reply> {
  const { body } = call;
  const sha = await mergePull(call.world, call.repository, pullOf(call), call.actor, {
    method: (text(body.merge_method) ?? 'merge') as MergeMethod,
    ...(typeof body.commit_title === 'string' ? { title: body.commit_title } : {}),
    ...(typeof body.commit_message === 'string' ? { message: body.commit_message } : {}),
    ...(typeof body.sha === 'string' ? { sha: body.sha } : {}),
  });
  return ok({ sha, merged: true, message: 'Pull Request successfully merged' });
}

const pullRoutes: Route[] = [
  route('GET', at('/pulls'), SEE, listPulls),
  route('POST', at('/pulls'), SAY, async (call) => {
    const { body } = call;
    const issue = await openPull(call.world, call.repository, call.actor, {
      title: requireText(body, 'title', 'PullRequest'),
      head: requireText(body, 'head', 'PullRequest'),
      base: requireText(body, 'base', 'PullRequest'),
      body: text(body.body),
      draft: body.draft === true,
    });
    return created(await pullShape(call.state, call.repository, issue));
  }),
  route('GET', at('/pulls/:number'), SEE, async (call) => {
    const { pull, ...issue } = pullOf(call);
    const from = `${pull.baseSha}...${pull.headSha}`;
    if (call.headers.accept?.includes('diff'))
      return { status: 200, raw: await call.repository.git.git(['diff', from]) };
    return ok(await pullShape(call.state, call.repository, { ...issue, pull }));
  }),
  route('GET', at('/commits/:sha/pulls'), SEE, async (call) => {
    const holds = async ({ pull }: PullIssue): Promise<boolean> => {
      const commits = await call.repository.git.commitsBetween(pull.baseSha, pull.headSha);
      return commits.includes(call.params.sha ?? '') || pull.mergeCommitSha === call.params.sha;
    };
    const known = pullRequests(call.repository);
    const fits = await Promise.all(known.map(holds));
    const found = known.filter((_, index) => fits[index]);
    return list(found.map((issue) => pullListShape(call.state, call.repository, issue)));
  }),
  route('PATCH', at('/pulls/:number'), WRITE, patchPull),
  route('GET', at('/pulls/:number/merge'), SEE, (call) => {
    if (pullOf(call).pull.mergedAt === null) throw notFound();
    return { status: 204 };
  }),
  route('PUT', at('/pulls/:number/merge'), { app: ['contents:write'], user: 'write' }, merge),
  route('GET', at('/pulls/:number/commits'), SEE, async (call) => {
    const { pull } = pullOf(call);
    const shas = await call.repository.git.commitsBetween(pull.baseSha, pull.headSha);
    return list(await Promise.all(shas.map((sha) => commitShape(call.state, call.repository, sha))));
  }),
  route('GET', at('/pulls/:number/files'), SEE, async (call) => {
    const { pull } = pullOf(call);
    const from = (await call.repository.git.mergeBase(pull.baseSha, pull.headSha)) ?? pull.baseSha;
    return list(await fileShapes(call.state, call.repository, from, pull.headSha));
  }),
  route('GET', at('/pulls/:number/requested_reviewers'), SEE, (call) => {
    const { pull } = pullOf(call);
    return ok({
      users: pull.reviewers.map((login) => userShape(call.state, login)),
      teams: pull.teams.map((slug) => ({ slug, name: slug })),
    });
  }),
  route('POST', at('/pulls/:number/requested_reviewers'), WRITE, async (call) => {
    const issue = pullOf(call);
    await requestReviewers(call.world, call.repository, issue, call.actor, {
      reviewers: texts(call.body.reviewers),
      teams: texts(call.body.team_reviewers),
    });
    return created(pullListShape(call.state, call.repository, issue));
  }),
  route('DELETE', at('/pulls/:number/requested_reviewers'), WRITE, (call) => {
    const issue = pullOf(call);
    const gone = texts(call.body.reviewers);
    issue.pull.reviewers = issue.pull.reviewers.filter((login) => !gone.includes(login));
    return ok(pullListShape(call.state, call.repository, issue));
  }),
];

const reviewRoutes: Route[] = [
  route('GET', at('/pulls/:number/reviews'), SEE, (call) => {
    const issue = pullOf(call);
    const reviews = [...call.repository.reviews.values()].filter((review) => review.pull === issue.number);
    return list(reviews.map((review) => reviewShape(call.state, call.repository, review)));
  }),
  route('POST', at('/pulls/:number/reviews'), SAY, (call) => {
    const input = {
      event: text(call.body.event) ?? 'COMMENT',
      body: text(call.body.body) ?? '',
      comments: call.body.comments ?? [],
    };
    return ok(
      reviewShape(
        call.state,
        call.repository,
        addReview(call.world, call.repository, pullOf(call), call.actor, input as NewReview),
      ),
    );
  }),
  route('PUT', at('/pulls/:number/reviews/:review'), SAY, (call) => {
    const review = call.repository.reviews.get(Number(call.params.review));
    if (!review) throw notFound();
    changeReview(
      call.world,
      call.repository,
      pullOf(call),
      review,
      call.actor,
      requireText(call.body, 'body', 'PullRequestReview'),
    );
    return ok(reviewShape(call.state, call.repository, review));
  }),
  route('GET', at('/pulls/:number/reviews/:review/comments'), SEE, (call) => {
    const comments = [...call.repository.reviewComments.values()].filter(
      (comment) => comment.review === Number(call.params.review),
    );
    return list(comments.map((comment) => reviewCommentShape(call.state, call.repository, comment)));
  }),
  route('GET', at('/pulls/comments'), SEE, ({ state, repository, query }) =>
    list(
      since([...repository.reviewComments.values()], query).map((comment) =>
        reviewCommentShape(state, repository, comment),
      ),
    ),
  ),
  route('GET', at('/pulls/:number/comments'), SEE, (call) => {
    const issue = pullOf(call);
    const comments = [...call.repository.reviewComments.values()].filter((comment) => comment.pull === issue.number);
    return list(comments.map((comment) => reviewCommentShape(call.state, call.repository, comment)));
  }),
  route('POST', at('/pulls/:number/comments/:id/replies'), SAY, (call) => {
    const parent = call.repository.reviewComments.get(Number(call.params.id));
    if (!parent) throw notFound();
    const body = requireText(call.body, 'body', 'PullRequestReviewComment');
    const input = {
      path: parent.path,
      body,
      review: parent.review,
      inReplyTo: parent.id,
      ...(parent.line === null ? {} : { line: parent.line }),
    };
    return created(
      reviewCommentShape(
        call.state,
        call.repository,
        addReviewComment(call.world, call.repository, pullOf(call), call.actor, input),
      ),
    );
  }),
];

export const PULL_ROUTES: Route[] = [...reviewRoutes, ...pullRoutes];
