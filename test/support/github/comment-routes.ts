import { issueOf } from './issue-routes.ts';
import { addComment, changeComment, deleteComment, react } from './issues.ts';
import { order, since } from './listing.ts';
import {
  ApiError,
  created,
  list,
  type Need,
  noContent,
  notFound,
  ok,
  type RepositoryCall,
  type Route,
  requireText,
  route,
} from './router.ts';
import { commentShape, userShape } from './shapes.ts';
import { type Authored, atLeast, type Comment, type Json, nodeId, type Reaction, roleOf } from './state.ts';

const SEE: Need = { app: ['issues:read', 'pull_requests:read'], user: 'read' };
const WRITE: Need = { app: ['issues:write', 'pull_requests:write'], user: 'read' };
const at = (rest: string): string => `/repos/:owner/:repo${rest}`;

function commentOf({ repository, params }: RepositoryCall): Comment {
  const comment = repository.comments.get(Number(params.id));
  if (!comment) throw notFound();
  return comment;
}

/** People change their own words; those of others need write access. */
function mayChange({ state, repository, identity }: RepositoryCall, item: Authored): void {
  if (identity.kind !== 'user' || identity.login === item.author) return;
  if (!atLeast(roleOf(state, repository, identity.login), 'write')) {
    throw new ApiError(403, 'Must have admin rights to Repository.');
  }
}

const commentRoutes: Route[] = [
  route('GET', at('/issues/comments'), SEE, ({ state, repository, query }) =>
    list(
      order(since([...repository.comments.values()], query), query, 'asc').map((comment) =>
        commentShape(state, repository, comment),
      ),
    ),
  ),
  route('GET', at('/issues/comments/:id'), SEE, (call) =>
    ok(commentShape(call.state, call.repository, commentOf(call))),
  ),
  route('PATCH', at('/issues/comments/:id'), WRITE, (call) => {
    const comment = commentOf(call);
    mayChange(call, comment);
    changeComment(call.world, call.repository, comment, call.actor, requireText(call.body, 'body', 'IssueComment'));
    return ok(commentShape(call.state, call.repository, comment));
  }),
  route('DELETE', at('/issues/comments/:id'), WRITE, (call) => {
    const comment = commentOf(call);
    mayChange(call, comment);
    deleteComment(call.world, call.repository, comment, call.actor);
    return noContent;
  }),
  route('GET', at('/issues/:number/comments'), SEE, (call) => {
    const issue = issueOf(call);
    const comments = [...call.repository.comments.values()].filter((comment) => comment.issue === issue.number);
    return list(since(comments, call.query).map((comment) => commentShape(call.state, call.repository, comment)));
  }),
  route('POST', at('/issues/:number/comments'), WRITE, (call) => {
    const body = requireText(call.body, 'body', 'IssueComment');
    const comment = addComment(call.world, call.repository, issueOf(call), call.actor, body);
    return created(commentShape(call.state, call.repository, comment));
  }),
];

const REACTION_TARGETS: [string, (call: RepositoryCall) => Authored | undefined][] = [
  ['/issues/comments/:id', ({ repository, params }) => repository.comments.get(Number(params.id))],
  ['/issues/:number', ({ repository, params }) => repository.issues.get(Number(params.number))],
  ['/pulls/comments/:id', ({ repository, params }) => repository.reviewComments.get(Number(params.id))],
];

const reactionRoutes: Route[] = REACTION_TARGETS.flatMap(([path, find]) => {
  const target = (call: RepositoryCall): Authored => {
    const found = find(call);
    if (!found) throw notFound();
    return found;
  };
  const shape = (call: RepositoryCall, reaction: Reaction): Json => ({
    id: reaction.id,
    node_id: nodeId('Reaction', reaction.id),
    user: userShape(call.state, reaction.login),
    content: reaction.content,
    created_at: reaction.createdAt,
  });
  return [
    route('GET', at(`${path}/reactions`), SEE, (call) => {
      const wanted = call.query.get('content');
      return list(
        target(call)
          .reactions.filter((reaction) => wanted === null || reaction.content === wanted)
          .map((reaction) => shape(call, reaction)),
      );
    }),
    route('POST', at(`${path}/reactions`), WRITE, (call) => {
      const { reaction, fresh } = react(call.state, target(call), call.actor.login, String(call.body.content));
      return { status: fresh ? 201 : 200, body: shape(call, reaction) };
    }),
    route('DELETE', at(`${path}/reactions/:reaction`), WRITE, (call) => {
      const found = target(call);
      found.reactions = found.reactions.filter((reaction) => reaction.id !== Number(call.params.reaction));
      return noContent;
    }),
  ];
});

export const COMMENT_ROUTES: Route[] = [...reactionRoutes, ...commentRoutes];
