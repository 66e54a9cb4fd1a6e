import type { Octokit } from '@octokit/rest';
import type { ThreadComment } from './github.ts';
import { type Authored, editorOf, loginOf, query } from './graphql.ts';

interface Answer {
  repository: {
    issueOrPullRequest: { comments: { nodes: ((Authored & { body: string; createdAt: string }) | null)[] } };
  };
}

const comments = `comments(last: 100) {
  nodes { body createdAt lastEditedAt author { __typename login } editor { __typename login } }
}`;
const text = `query ($owner: String!, $repo: String!, $number: Int!) {
  repository(owner: $owner, name: $repo) {
    issueOrPullRequest(number: $number) { ... on Issue { ${comments} } ... on PullRequest { ${comments} } }
  }
}`;

/** Only GraphQL tells who edited a comment last. */
export async function readComments(
  client: Octokit,
  at: { owner: string; repo: string },
  number: number,
): Promise<ThreadComment[]> {
  const { repository } = await query<Answer>(client, text, { ...at, number });
  return repository.issueOrPullRequest.comments.nodes.flatMap((comment) =>
    comment === null
      ? []
      : [
          {
            author: loginOf(comment.author),
            editor: editorOf(comment),
            body: comment.body,
            createdAtMs: Date.parse(comment.createdAt),
          },
        ],
  );
}
