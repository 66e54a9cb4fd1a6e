import { parseGraphql } from './graphql-parser.ts';
import { GraphqlError, type Node, resolve } from './graphql-resolver.ts';
import { REACTIONS, react } from './issues.ts';
import { setDraft } from './pulls.ts';
import { ApiError, actorOf, type Call, visible } from './router.ts';
import { htmlUrl } from './shapes.ts';
import {
  type Authored,
  account,
  type Comment,
  followRepository,
  type Issue,
  type Json,
  nodeId,
  type PullIssue,
  pullRequests,
  type Repository,
  type State,
} from './state.ts';

const REACTION_NAMES: Record<string, string> = {
  THUMBS_UP: '+1',
  THUMBS_DOWN: '-1',
  LAUGH: 'laugh',
  HOORAY: 'hooray',
  CONFUSED: 'confused',
  HEART: 'heart',
  ROCKET: 'rocket',
  EYES: 'eyes',
};

/** GraphQL writes a bot's login without `[bot]`, unlike REST. */
function actorNode(state: State, login: string | null): Node | null {
  if (login === null) return null;
  const known = account(state, login);
  const plain = known.login.replace(/\[bot\]$/, '');
  return {
    __typename: known.type,
    login: plain,
    id: nodeId(known.type, known.id),
    databaseId: known.id,
    url: `${state.origin}/${plain}`,
    resourcePath: `/${plain}`,
  };
}

function connection(nodes: Node[]): (given: Json) => Node {
  return ({ first, last }) => {
    const shown =
      typeof first === 'number' ? nodes.slice(0, first) : typeof last === 'number' ? nodes.slice(-last) : nodes;
    return {
      totalCount: nodes.length,
      nodes: shown,
      edges: shown.map((node) => ({ node })),
      pageInfo: {
        hasNextPage: shown.length < nodes.length,
        endCursor: null,
        hasPreviousPage: false,
        startCursor: null,
      },
    };
  };
}

function authoredNode(state: State, item: Authored): Node {
  const edits = [...item.edits].reverse();
  return {
    databaseId: item.id,
    body: item.body ?? '',
    author: actorNode(state, item.author),
    editor: actorNode(state, item.editor),
    createdAt: item.createdAt,
    updatedAt: item.updatedAt,
    lastEditedAt: item.lastEditedAt,
    includesCreatedEdit: item.edits.length > 0,
    userContentEdits: connection(
      edits.map((edit) => ({
        editor: actorNode(state, edit.editor),
        editedAt: edit.editedAt,
        createdAt: edit.editedAt,
        updatedAt: edit.editedAt,
        diff: edit.body,
      })),
    ),
    reactions: connection(
      item.reactions.map((reaction) => ({
        content: Object.keys(REACTION_NAMES).find((name) => REACTION_NAMES[name] === reaction.content),
        user: actorNode(state, reaction.login),
        createdAt: reaction.createdAt,
      })),
    ),
  };
}

function issueNode(state: State, repository: Repository, issue: Issue): Node {
  const comments = [...repository.comments.values()].filter((comment: Comment) => comment.issue === issue.number);
  const common: Node = {
    ...authoredNode(state, issue),
    id: nodeId(issue.pull ? 'PullRequest' : 'Issue', issue.id),
    __typename: issue.pull ? 'PullRequest' : 'Issue',
    number: issue.number,
    title: issue.title,
    url: `${htmlUrl(state, repository)}/${issue.pull ? 'pull' : 'issues'}/${issue.number}`,
    state: issue.pull?.mergedAt ? 'MERGED' : issue.state.toUpperCase(),
    closed: issue.state === 'closed',
    closedAt: issue.closedAt,
    labels: connection(issue.labels.map((name) => ({ name }))),
    assignees: connection(issue.assignees.map((login) => ({ login }))),
    comments: connection(
      comments.map((comment) => ({
        ...authoredNode(state, comment),
        __typename: 'IssueComment',
        id: nodeId('IssueComment', comment.id),
      })),
    ),
  };
  if (!issue.pull) return { ...common, stateReason: issue.stateReason?.toUpperCase() ?? null };
  const { pull } = issue;
  const reviews = [...repository.reviews.values()].filter((review) => review.pull === issue.number);
  return {
    ...common,
    isDraft: pull.draft,
    merged: pull.mergedAt !== null,
    mergedAt: pull.mergedAt,
    mergedBy: actorNode(state, pull.mergedBy),
    headRefName: pull.headRef,
    headRefOid: pull.headSha,
    baseRefName: pull.baseRef,
    baseRefOid: pull.baseSha,
    mergeCommit: pull.mergeCommitSha === null ? null : { oid: pull.mergeCommitSha },
    reviews: connection(
      reviews.map((review) => ({
        ...authoredNode(state, review),
        __typename: 'PullRequestReview',
        id: nodeId('PullRequestReview', review.id),
        state: review.state,
        submittedAt: review.createdAt,
        comments: connection(
          [...repository.reviewComments.values()]
            .filter((comment) => comment.review === review.id)
            .map((comment) => ({
              ...authoredNode(state, comment),
              __typename: 'PullRequestReviewComment',
              id: nodeId('PullRequestReviewComment', comment.id),
              path: comment.path,
              line: comment.line,
            })),
        ),
      })),
    ),
  };
}

function numbered(call: Call, repository: Repository, kind: 'Issue' | 'PullRequest' | null): (given: Json) => Node {
  return ({ number }) => {
    const issue = repository.issues.get(Number(number));
    const fits = issue && (kind === null || (kind === 'PullRequest') === (issue.pull !== null));
    if (!fits)
      throw new GraphqlError(
        'NOT_FOUND',
        `Could not resolve to an ${kind ?? 'issue or pull request'} with the number of ${String(number)}.`,
      );
    return issueNode(call.state, repository, issue);
  };
}

function repositoryNode(call: Call, given: Json): Node {
  const repository = followRepository(call.state, `${String(given.owner)}/${String(given.name)}`);
  if (!repository || !visible(call.state, call.identity, repository)) {
    throw new GraphqlError(
      'NOT_FOUND',
      `Could not resolve to a Repository with the name '${String(given.owner)}/${String(given.name)}'.`,
    );
  }
  const { state } = call;
  return {
    __typename: 'Repository',
    id: nodeId('Repository', repository.id),
    databaseId: repository.id,
    name: repository.name,
    nameWithOwner: repository.fullName,
    isPrivate: repository.private,
    isArchived: repository.archived,
    url: htmlUrl(state, repository),
    defaultBranchRef: { name: repository.defaultBranch },
    owner: actorNode(state, repository.owner),
    issue: numbered(call, repository, 'Issue'),
    pullRequest: numbered(call, repository, 'PullRequest'),
    issueOrPullRequest: numbered(call, repository, null),
    issues: connection(
      [...repository.issues.values()]
        .filter((issue) => !issue.pull)
        .map((issue) => issueNode(state, repository, issue)),
    ),
    pullRequests: connection(pullRequests(repository).map((issue) => issueNode(state, repository, issue))),
  };
}

/** What a node id names, of the kinds that mutations act on. */
function locate(state: State, id: unknown): { repository: Repository; target: Authored } {
  const [kind, number] = Buffer.from(String(id), 'base64url').toString('utf8').split(':');
  const key = Number(number);
  for (const repository of state.repositories.values()) {
    const byKind: Record<string, Authored | undefined> = {
      IssueComment: repository.comments.get(key),
      PullRequestReview: repository.reviews.get(key),
      PullRequestReviewComment: repository.reviewComments.get(key),
      Issue: [...repository.issues.values()].find((issue) => issue.id === key),
      PullRequest: [...repository.issues.values()].find((issue) => issue.id === key),
    };
    const target = byKind[kind ?? ''];
    if (target) return { repository, target };
  }
  throw new GraphqlError('NOT_FOUND', `Could not resolve to a node with the global id of '${String(id)}'.`);
}

async function draft(call: Call, given: Json, wanted: boolean): Promise<Node> {
  const { repository, target } = locate(call.state, (given.input as Json).pullRequestId);
  await setDraft(call.world, repository, target as PullIssue, actorOf(call.state, call.identity), wanted);
  return { pullRequest: issueNode(call.state, repository, target as PullIssue) };
}

function rootNode(call: Call): Node {
  const { state } = call;
  const actor = actorOf(state, call.identity);
  return {
    viewer: actorNode(state, actor.login),
    rateLimit: { limit: 5000, cost: 1, remaining: 4999, resetAt: new Date(state.now() + 3_600_000).toISOString() },
    repository: (given: Json) => repositoryNode(call, given),
    nodes: ({ ids }: Json) =>
      (ids as unknown[]).map((id) => ({ ...authoredNode(state, locate(state, id).target), id })),
    addReaction: ({ input }: Json) => {
      const { subjectId, content } = input as Json;
      const name = REACTION_NAMES[String(content)] ?? REACTIONS[0] ?? '+1';
      const { reaction } = react(state, locate(state, subjectId).target, actor.login, name);
      return { reaction: { content, id: nodeId('Reaction', reaction.id) }, subject: { id: subjectId } };
    },
    markPullRequestReadyForReview: (given: Json) => draft(call, given, false),
    convertPullRequestToDraft: (given: Json) => draft(call, given, true),
  };
}

/** Answers `POST /api/graphql`; `unknownField` reports fields that the stand-in does not know. */
export async function answerGraphql(call: Call): Promise<{ body: Json; unknownFields: string[] }> {
  if (call.identity.kind === 'none' || call.identity.kind === 'app')
    throw new ApiError(401, 'This endpoint requires you to be authenticated.');
  if (call.identity.kind === 'invalid') throw new ApiError(401, 'Bad credentials');
  const errors: Json[] = [];
  try {
    const document = parseGraphql(String(call.body.query), (call.body.variables ?? {}) as Json);
    const data = await resolve(rootNode(call), document.selection, [], errors);
    const unknownFields = errors
      .filter((error) => error.type === 'undefinedField')
      .map((error) => String(error.message));
    return { body: errors.length > 0 ? { data, errors } : { data }, unknownFields };
  } catch (error) {
    if (error instanceof ApiError) throw error;
    return {
      body: { errors: [{ message: error instanceof Error ? error.message : String(error) }] },
      unknownFields: [String(error)],
    };
  }
}
