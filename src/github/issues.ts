import type { Octokit } from '@octokit/rest';
import { MillwrightError } from '../errors.ts';
import type { AppIdentity, CommentFacts, IssueFacts, RepositoryGitHub } from './github.ts';
import { orNull, statusOf } from './octokit-client.ts';

interface At {
  owner: string;
  repo: string;
}

type IssueVerbs = Pick<
  RepositoryGitHub,
  | 'issue'
  | 'comments'
  | 'openIssues'
  | 'labelEvent'
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
  return {
    issue: (number) => readIssue(client, at, number),
    async comments(number, sinceMs) {
      const since = sinceMs === undefined ? {} : { since: new Date(sinceMs).toISOString() };
      const found = await client.paginate(client.issues.listComments, {
        ...at,
        issue_number: number,
        per_page: 100,
        ...since,
      });
      return found.map(commentFacts);
    },
    async openIssues(label) {
      const found = await client.paginate(client.issues.listForRepo, {
        ...at,
        labels: label,
        state: 'open',
        per_page: 100,
      });
      const numbers = found.filter((issue) => issue.pull_request === undefined).map((issue) => issue.number);
      return Promise.all(numbers.map((number) => readIssue(client, at, number)));
    },
    async labelEvent(number, label) {
      const events = await client.paginate(client.issues.listEvents, { ...at, issue_number: number, per_page: 100 });
      let last: { actor: string; atMs: number } | null = null;
      for (const event of events) {
        if (!('label' in event) || event.label?.name !== label) continue;
        if (event.event === 'unlabeled') last = null;
        if (event.event === 'labeled') last = { actor: event.actor?.login ?? '', atMs: Date.parse(event.created_at) };
      }
      return last;
    },
    async ensureLabels(labels) {
      const present = await client.paginate(client.issues.listLabelsForRepo, { ...at, per_page: 100 });
      const names = new Set(present.map((label) => label.name.toLowerCase()));
      for (const label of labels) {
        if (names.has(label.name.toLowerCase())) continue;
        await ignoring422(client.issues.createLabel({ ...at, ...label }));
      }
    },
    async setStateLabel(number, label, states) {
      const { data } = await client.issues.listLabelsOnIssue({ ...at, issue_number: number, per_page: 100 });
      const present = data.map((entry) => entry.name);
      if (label !== null && !present.includes(label)) {
        await client.issues.addLabels({ ...at, issue_number: number, labels: [label] });
      }
      for (const name of present.filter((name) => states.includes(name) && name !== label)) {
        await orNull(client.issues.removeLabel({ ...at, issue_number: number, name }));
      }
    },
    async removeLabel(number, name) {
      await orNull(client.issues.removeLabel({ ...at, issue_number: number, name }));
    },
    async addLabels(number, labels) {
      if (labels.length > 0) await client.issues.addLabels({ ...at, issue_number: number, labels: [...labels] });
    },
    upsertComment: (number, marker, body) => upsertComment(client, at, identity, number, marker, body),
    async react(target, content) {
      if (target.kind === 'comment')
        await client.reactions.createForIssueComment({ ...at, comment_id: target.id, content });
      else await client.reactions.createForPullRequestReviewComment({ ...at, comment_id: target.id, content });
    },
    async assign(number, login) {
      // Outside collaborators without push access cannot be assigned; GitHub then leaves them out or answers 422.
      await ignoring422(client.issues.addAssignees({ ...at, issue_number: number, assignees: [login] }));
    },
  };
}

async function ignoring422(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (statusOf(error) !== 422) throw error;
  }
}

function commentFacts(comment: {
  id: number;
  body?: string | undefined;
  user: { login: string; type?: string } | null;
  created_at: string;
  updated_at: string;
}): CommentFacts {
  return {
    id: comment.id,
    author: comment.user?.login ?? 'ghost',
    authorIsBot: comment.user?.type === 'Bot',
    body: comment.body ?? '',
    createdAtMs: Date.parse(comment.created_at),
    edited: comment.updated_at !== comment.created_at,
  };
}

interface IssueAnswer {
  repository: {
    issue: {
      number: number;
      title: string;
      body: string;
      state: 'OPEN' | 'CLOSED';
      author: { login: string } | null;
      editor: { login: string } | null;
      lastEditedAt: string | null;
      labels: { nodes: { name: string }[] };
    };
  };
}

/** Only GraphQL tells the last editor and the moment of the edit. */
async function readIssue(client: Octokit, at: At, number: number): Promise<IssueFacts> {
  const { repository } = await queryIssue(client, at, number);
  return issueFacts(repository.issue);
}

function issueFacts(issue: IssueAnswer['repository']['issue']): IssueFacts {
  return {
    number: issue.number,
    title: issue.title,
    body: issue.body,
    author: issue.author?.login ?? 'ghost',
    editor: issue.editor?.login ?? null,
    lastEditedAtMs: issue.lastEditedAt === null ? null : Date.parse(issue.lastEditedAt),
    state: issue.state === 'OPEN' ? 'open' : 'closed',
    labels: issue.labels.nodes.map((label) => label.name),
    isPullRequest: false,
  };
}

async function queryIssue(client: Octokit, at: At, number: number): Promise<IssueAnswer> {
  try {
    return await client.graphql<IssueAnswer>(issueQuery, { ...at, number });
  } catch (error) {
    if (error instanceof MillwrightError) throw error;
    // GraphQL answers 200 with errors: what it does not find is gone for us, anything else may pass.
    const kinds = (error as { errors?: { type?: string }[] }).errors?.map(({ type }) => type) ?? [];
    throw new MillwrightError(kinds.includes('NOT_FOUND') ? 'outside.repository-gone' : 'outside.github', {
      cause: error,
    });
  }
}

const issueQuery = `query ($owner: String!, $repo: String!, $number: Int!) {
  repository(owner: $owner, name: $repo) {
    issue(number: $number) {
      number title body state lastEditedAt
      author { login }
      editor { login }
      labels(first: 100) { nodes { name } }
    }
  }
}`;

/** Looks for the marker among the app's own comments before it creates one, also after a create whose answer was lost. */
async function upsertComment(
  client: Octokit,
  at: At,
  identity: () => Promise<AppIdentity>,
  number: number,
  marker: string,
  body: string,
): Promise<{ id: number; url: string }> {
  const { login } = await identity();
  for await (const page of client.paginate.iterator(client.issues.listComments, {
    ...at,
    issue_number: number,
    per_page: 100,
  })) {
    const own = page.data.find((comment) => comment.user?.login === login && comment.body?.includes(marker));
    if (!own) continue;
    if (own.body !== body) await client.issues.updateComment({ ...at, comment_id: own.id, body });
    return { id: own.id, url: own.html_url };
  }
  const { data } = await client.issues.createComment({ ...at, issue_number: number, body });
  return { id: data.id, url: data.html_url };
}
