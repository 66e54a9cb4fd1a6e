import { commitShape } from './git-shapes.ts';
import { announceIssue, changeIssue } from './issues.ts';
import { htmlUrl, senderShape } from './shapes.ts';
import { type Actor, type PullIssue, personOf, pullRequests, type Repository, timestamp } from './state.ts';
import { announce, recordEvent, type World } from './world.ts';

export interface RefChange {
  ref: string;
  before: string | null;
  after: string | null;
}

const ZERO = '0'.repeat(40);

export function differences(before: Map<string, string>, after: Map<string, string>): RefChange[] {
  return [...new Set([...before.keys(), ...after.keys()])]
    .map((ref) => ({ ref, before: before.get(ref) ?? null, after: after.get(ref) ?? null }))
    .filter((change) => change.before !== change.after);
}

/** What follows from moved branches: `push` events, new heads of pull requests, merges and closings. */
export async function refsChanged(
  world: World,
  repository: Repository,
  actor: Actor,
  changes: RefChange[],
): Promise<void> {
  for (const change of changes) {
    if (!/^refs\/(heads|tags)\//.test(change.ref)) continue;
    repository.pushedAt = timestamp(world.state);
    await announcePush(world, repository, actor, change);
    if (change.ref.startsWith('refs/heads/')) await movePulls(world, repository, actor, change);
  }
}

async function movePulls(world: World, repository: Repository, actor: Actor, change: RefChange): Promise<void> {
  const branch = change.ref.slice('refs/heads/'.length);
  for (const issue of pullRequests(repository).filter(({ state }) => state === 'open')) {
    const { pull } = issue;
    if (pull.baseRef === branch && change.after !== null) {
      if (await repository.git.isAncestor(pull.headSha, change.after))
        await completeMerge(world, repository, issue, actor, change.after);
      else pull.baseSha = change.after;
    } else if (pull.headRef === branch) await moveHead(world, repository, issue, actor, change);
  }
}

async function moveHead(
  world: World,
  repository: Repository,
  issue: PullIssue,
  actor: Actor,
  change: RefChange,
): Promise<void> {
  if (change.after === null) return changeIssue(world, repository, issue, actor, { state: 'closed' });
  issue.pull.headSha = change.after;
  issue.updatedAt = timestamp(world.state);
  await repository.git.setRef(`refs/pull/${issue.number}/head`, change.after);
  await announceIssue(world, repository, issue, actor, {
    action: 'synchronize',
    before: change.before,
    after: change.after,
  });
}

async function announcePush(
  world: World,
  repository: Repository,
  actor: Actor,
  { ref, before, after }: RefChange,
): Promise<void> {
  const { git } = repository;
  const known = before ?? (await git.ref(`refs/heads/${repository.defaultBranch}`));
  const shas =
    after === null ? [] : known === null || known === after ? [after] : await git.commitsBetween(known, after);
  const commits = await Promise.all(shas.slice(-20).map((sha) => pushCommit(world, repository, sha)));
  announce(world, repository, 'push', actor, {
    ref,
    before: before ?? ZERO,
    after: after ?? ZERO,
    created: before === null,
    deleted: after === null,
    forced: before !== null && after !== null && !(await git.isAncestor(before, after)),
    base_ref: null,
    compare: `${htmlUrl(world.state, repository)}/compare/${(before ?? ZERO).slice(0, 12)}...${(after ?? ZERO).slice(0, 12)}`,
    commits,
    head_commit: commits.at(-1) ?? null,
    pusher: { ...personOf(world.state, actor.login), login: senderShape(world.state, actor).login },
  });
}

async function pushCommit(world: World, repository: Repository, sha: string) {
  const shape = await commitShape(world.state, repository, sha);
  const data = await repository.git.readCommit(sha);
  const changed = data.parents[0] ? await repository.git.changedFiles(data.parents[0], sha) : [];
  const named = (status: string): string[] => changed.filter((file) => file.status === status).map((file) => file.path);
  return {
    id: sha,
    tree_id: data.tree,
    distinct: true,
    message: data.message,
    timestamp: data.committer.date,
    url: shape.html_url,
    author: { name: data.author.name, email: data.author.email },
    committer: { name: data.committer.name, email: data.committer.email },
    added: named('added'),
    removed: named('removed'),
    modified: [...named('modified'), ...named('renamed')],
  };
}

/** Marks as merged and closes the issues that the body closes by keyword. */
export async function completeMerge(
  world: World,
  repository: Repository,
  issue: PullIssue,
  actor: Actor,
  tip: string,
): Promise<void> {
  const { pull } = issue;
  pull.mergedAt = timestamp(world.state);
  pull.mergedBy = actor.login;
  pull.mergeCommitSha = tip;
  recordEvent(world, repository, issue, 'merged', actor, { commit_id: tip });
  await changeIssue(world, repository, issue, actor, { state: 'closed' });
  if (pull.baseRef !== repository.defaultBranch) return;
  for (const [, number] of (issue.body ?? '').matchAll(/\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+#(\d+)\b/gi)) {
    const closing = repository.issues.get(Number(number));
    if (closing && !closing.pull) await changeIssue(world, repository, closing, actor, { state: 'closed' });
  }
}
