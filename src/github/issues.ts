import type { Octokit } from '@octokit/rest';
import { MillwrightError } from '../errors.ts';
import type { AppIdentity, IssueFacts, PlacedComment, ReactionTarget, RepositoryGitHub } from './github.ts';
import { type Actor, type Authored, editorOf, loginOf, query } from './graphql.ts';
import { bindLabels } from './labels.ts';
import { createOnce, ignoring422, orNull } from './octokit-client.ts';
import { readComments } from './thread.ts';

interface At {
  owner: string;
  repo: string;
}

type IssueVerbs = Pick<
  RepositoryGitHub,
  | 'issue'
  | 'comments'
  | 'recentComments'
  | 'recentReviewComments'
  | 'labelledIssues'
  | 'labelEvent'
  | 'leftEvent'
  | 'ensureLabels'
  | 'setStateLabel'
  | 'removeLabel'
  | 'addLabels'
  | 'upsertComment'
  | 'react'
  | 'assign'
>;

/** Verbs on issues and their conversation. */
export function bindIssues(client: Octokit, at: At, identity: () => Promise<AppIdentity>): IssueVerbs {
  const commentIds = new Map<string, number>();
  return {
    issue: (number) => readIssue(client, at, number),
    comments: (number) => readComments(client, at, number),
    async recentComments(sinceMs) {
      const since = new Date(sinceMs).toISOString();
      const found = await client.paginate(client.issues.listCommentsForRepo, { ...at, since, per_page: 100 });
      return found.map((comment) => placedComment(comment, comment.html_url.includes('/pull/'), comment.issue_url));
    },
    async recentReviewComments(sinceMs) {
      const since = new Date(sinceMs).toISOString();
      const found = await client.paginate(client.pulls.listReviewCommentsForRepo, { ...at, since, per_page: 100 });
      const changed = found.filter(({ created_at, updated_at }) => updated_at !== created_at);
      const edited = await editedAmong(
        client,
        changed.map(({ node_id }) => node_id),
      );
      // A draft is said when its review is handed in, which changes it.
      return found.map((comment) =>
        placedComment(
          edited.has(comment.node_id) ? comment : { ...comment, created_at: comment.updated_at },
          true,
          comment.pull_request_url,
        ),
      );
    },
    async labelledIssues(labels) {
      const found = await client.paginate(client.issues.listForRepo, { ...at, labels, state: 'open', per_page: 100 });
      return found
        .filter((issue) => issue.pull_request === undefined)
        .map((issue) => ({ number: issue.number, updatedAtMs: Date.parse(issue.updated_at) }));
    },
    ...bindLabels(client, at),
    upsertComment: (number, marker, body) =>
      upsertComment({ client, at, identity, commentIds }, { number, marker, body }),
    async react(target, content) {
      // A comment that is gone meanwhile needs no answer.
      await orNull(react(client, at, target, content));
    },
    async assign(number, login) {
      // Outside collaborators without push access cannot be assigned; GitHub then leaves them out or answers 422.
      await ignoring422(client.issues.addAssignees({ ...at, issue_number: number, assignees: [login] }));
    },
  };
}

const editsQuery = `query ($ids: [ID!]!) {
  nodes(ids: $ids) { ... on PullRequestReviewComment { id lastEditedAt } }
}`;

/** Which of some comments on lines were edited: only GraphQL tells that from the end of a draft. */
async function editedAmong(client: Octokit, ids: readonly string[]): Promise<Set<string>> {
  const edited = new Set<string>();
  for (let from = 0; from < ids.length; from += 100) {
    const { nodes } = await query<{ nodes: ({ id: string; lastEditedAt: string | null } | null)[] }>(
      client,
      editsQuery,
      {
        ids: ids.slice(from, from + 100),
      },
    );
    for (const node of nodes) if (node?.lastEditedAt) edited.add(node.id);
  }
  return edited;
}

type Reaction = Parameters<RepositoryGitHub['react']>[1];
const graphqlReactions: Record<Reaction, string> = { eyes: 'EYES', '+1': 'THUMBS_UP', confused: 'CONFUSED' };
const addReaction = `mutation ($subjectId: ID!, $content: ReactionContent!) {
  addReaction(input: { subjectId: $subjectId, content: $content }) { reaction { content } }
}`;

async function react(client: Octokit, at: At, target: ReactionTarget, content: Reaction): Promise<void> {
  if (target.kind === 'review')
    await query(client, addReaction, { subjectId: target.nodeId, content: graphqlReactions[content] });
  else if (target.kind === 'comment')
    await client.reactions.createForIssueComment({ ...at, comment_id: target.id, content });
  else await client.reactions.createForPullRequestReviewComment({ ...at, comment_id: target.id, content });
}

function placedComment(
  comment: {
    id: number;
    body?: string | undefined;
    user: { login: string; type?: string } | null;
    created_at: string;
    updated_at: string;
  },
  onPullRequest: boolean,
  placeUrl: string,
): PlacedComment {
  return {
    id: comment.id,
    author: comment.user?.login ?? 'ghost',
    authorIsBot: comment.user?.type === 'Bot',
    body: comment.body ?? '',
    createdAtMs: Date.parse(comment.created_at),
    edited: comment.updated_at !== comment.created_at,
    number: Number(/(\d+)$/.exec(placeUrl)?.[1]),
    onPullRequest,
  };
}

interface IssueAnswer {
  repository: {
    issueOrPullRequest: Authored & {
      __typename: string;
      number: number;
      title: string;
      body: string;
      state: string;
      labels: { nodes: { name: string }[] };
      userContentEdits: { nodes: ({ editedAt: string; editor: Actor | null } | null)[] } | null;
    };
  };
}

const issueFields = `
  number title body state lastEditedAt
  author { __typename login }
  editor { __typename login }
  userContentEdits(first: 50) { nodes { editedAt editor { __typename login } } }
  labels(first: 100) { nodes { name } }`;
const issueQuery = `query ($owner: String!, $repo: String!, $number: Int!) {
  repository(owner: $owner, name: $repo) {
    issueOrPullRequest(number: $number) {
      __typename
      ... on Issue { ${issueFields} }
      ... on PullRequest { ${issueFields} }
    }
  }
}`;

/** Only GraphQL tells the last editor and the moment of the edit. */
async function readIssue(client: Octokit, at: At, number: number): Promise<IssueFacts> {
  const { repository } = await query<IssueAnswer>(client, issueQuery, { ...at, number });
  const issue = repository.issueOrPullRequest;
  return {
    number: issue.number,
    title: issue.title,
    body: issue.body,
    author: loginOf(issue.author),
    editor: editorOf(issue),
    lastEditedAtMs: issue.lastEditedAt === null ? null : Date.parse(issue.lastEditedAt),
    edits: (issue.userContentEdits?.nodes ?? [])
      .flatMap((edit) => (edit ? [{ editor: loginOf(edit.editor), atMs: Date.parse(edit.editedAt) }] : []))
      .sort((left, right) => left.atMs - right.atMs),
    state: issue.state === 'OPEN' ? 'open' : 'closed',
    labels: issue.labels.nodes.map((label) => label.name),
    isPullRequest: issue.__typename === 'PullRequest',
  };
}

interface Conversation {
  client: Octokit;
  at: At;
  identity: () => Promise<AppIdentity>;
  /** Where each marker was found last, so that a comment which is edited often is not searched for each time. */
  commentIds: Map<string, number>;
}

interface WantedComment {
  number: number;
  marker: string;
  body: string;
}

interface FoundComment {
  id: number;
  html_url: string;
  body?: string | undefined;
  updated_at: string;
  user: { login: string } | null;
}

/** Looks for the app's own comment with the marker before it creates one, and again after a create whose answer was lost. */
async function upsertComment(
  place: Conversation,
  wanted: WantedComment,
): Promise<{ id: number; url: string; changedAtMs: number }> {
  const { client, at } = place;
  const own = (await rememberedComment(place, wanted)) ?? (await findComment(place, wanted));
  if (own === null) return factsOf(await createComment(place, wanted));
  if (own.body === wanted.body) return factsOf(own);
  const { data } = await client.issues.updateComment({ ...at, comment_id: own.id, body: wanted.body });
  return factsOf(data);
}

const factsOf = (comment: FoundComment) => ({
  id: comment.id,
  url: comment.html_url,
  changedAtMs: Date.parse(comment.updated_at),
});

async function createComment(place: Conversation, wanted: WantedComment): Promise<FoundComment> {
  const { client, at } = place;
  const body = { ...at, issue_number: wanted.number, body: wanted.body };
  await createOnce(
    () => findComment(place, wanted),
    async () => (await client.issues.createComment(body)).data,
  );
  // Found by the search, which takes away what another process may have created at the same moment.
  const found = await findComment(place, wanted);
  if (found) return found;
  throw new MillwrightError('outside.github', { message: 'A comment that was just created is not there.' });
}

async function rememberedComment(
  { client, at, commentIds }: Conversation,
  { number, marker }: WantedComment,
): Promise<FoundComment | null> {
  const id = commentIds.get(`${number}${marker}`);
  if (id === undefined) return null;
  const answer = await orNull(client.issues.getComment({ ...at, comment_id: id }));
  return answer?.data.body?.startsWith(marker) ? answer.data : null;
}

/** The oldest of the app's comments with the marker; later ones are taken away. */
async function findComment(place: Conversation, { number, marker }: WantedComment): Promise<FoundComment | null> {
  const { client, at, commentIds } = place;
  const { login } = await place.identity();
  const all = await client.paginate(client.issues.listComments, { ...at, issue_number: number, per_page: 100 });
  const [first, ...later] = all.filter((comment) => comment.user?.login === login && comment.body?.startsWith(marker));
  for (const { id } of later) await orNull(client.issues.deleteComment({ ...at, comment_id: id }));
  if (first === undefined) return null;
  // One map for the life of the process: the oldest entries go once there are many.
  if (commentIds.size > 5_000) commentIds.delete(commentIds.keys().next().value as string);
  commentIds.set(`${number}${marker}`, first.id);
  return first;
}
