import { MillwrightError } from '../errors.ts';
import type { CommitRequest, MergeResult, PushResult, Remote } from './git.ts';
import type { GitCommand, GitResult } from './git-command.ts';
import type { Mirror } from './mirror.ts';
import { branchRef, isSha } from './remote-address.ts';
import { brief, callRemote, localPrograms, remoteFailure } from './remote-call.ts';
import { requireSha, treeOf } from './tree.ts';

const lookTimeoutMs = 2 * 60_000;
const pushTimeoutMs = 10 * 60_000;
const longestRefusal = 1_000;

/** Commit of a branch on the remote now, or null. Errors: `outside.git`, `outside.repository-gone`, `outside.github-refused`. */
export async function headOnRemote(
  command: GitCommand,
  remote: Remote,
  branch: string,
  signal?: AbortSignal,
): Promise<string | null> {
  const ref = branchRef(branch);
  const result = await callRemote(command, remote, {
    timeoutMs: lookTimeoutMs,
    ...(signal ? { signal } : {}),
    args: (address) => [
      'ls-remote',
      '--heads',
      ...(address.kind === 'local' ? [localPrograms.uploadPack] : []),
      address.url,
      ref,
    ],
  });
  if (result.exitCode !== 0) throw remoteFailure('git ls-remote', result);
  // The pattern also matches branches that end in it, such as `x/refs/heads/main`.
  const line = result.stdout
    .toString()
    .split('\n')
    .find((candidate) => candidate.endsWith(`\t${ref}`));
  return line?.slice(0, line.indexOf('\t')) ?? null;
}

/** Makes a commit object. The same request makes the same commit. */
export async function commitTree(mirror: Mirror, request: CommitRequest): Promise<string> {
  const date = `@${Math.max(0, Math.floor(request.timestampS))} +0000`;
  const { name, email } = request.author;
  const out = await mirror.git(
    [
      'commit-tree',
      requireSha(request.tree),
      ...request.parents.flatMap((parent) => ['-p', requireSha(parent)]),
      '-F',
      '-',
    ],
    {
      stdin: request.message.replaceAll('\0', ''),
      env: {
        GIT_AUTHOR_NAME: name,
        GIT_AUTHOR_EMAIL: email,
        GIT_AUTHOR_DATE: date,
        GIT_COMMITTER_NAME: name,
        GIT_COMMITTER_EMAIL: email,
        GIT_COMMITTER_DATE: date,
      },
    },
  );
  return out.toString().trim();
}

/** Newest commit that both lead back to; null when there is none. */
export async function mergeBase(mirror: Mirror, left: string, right: string): Promise<string | null> {
  const result = await mirror.result(['merge-base', requireSha(left), requireSha(right)]);
  if (result.exitCode > 1) throw await mirror.failed('git merge-base', result);
  return result.exitCode === 0 ? requireSha(result.stdout.toString('utf8').trim()) : null;
}

/** Three-way merge in memory. git 2.39 merges commits only, so the three trees become three commits that nothing points at. */
export async function mergeTrees(mirror: Mirror, base: string, ours: string, theirs: string): Promise<MergeResult> {
  const wrap = async (sha: string, message: string, parents: readonly string[]) =>
    await commitTree(mirror, {
      tree: await treeOf(mirror, sha),
      parents,
      message,
      author: { name: 'millwright', email: 'millwright@localhost' },
      timestampS: 0,
    });
  const root = await wrap(base, 'base', []);
  const [left, right] = [await wrap(ours, 'ours', [root]), await wrap(theirs, 'theirs', [root])];
  const result = await mirror.result(['merge-tree', '--write-tree', '-z', '--name-only', '--no-messages', left, right]);
  if (result.exitCode > 1) throw await mirror.failed('git merge-tree', result);
  const [tree = '', ...conflicts] = result.stdout.toString('utf8').split('\0');
  if (result.exitCode === 0) return { ok: true, tree: requireSha(tree.trim()) };
  return { ok: false, conflicts: [...new Set(conflicts.filter((path) => path !== ''))] };
}

/**
 * Adds `commit` on top of what the branch is expected to be. Nothing is ever rewritten: a commit that does not lead back to
 * `expected` is a bug here. May be called again after a lost answer: a branch that already is at `commit` is a success.
 */
export async function pushCommit(push: {
  mirror: Mirror;
  command: GitCommand;
  remote: Remote;
  commit: string;
  branch: string;
  expected: string | null;
  signal?: AbortSignal;
}): Promise<PushResult> {
  const { command, mirror, remote, commit, branch, expected, signal } = push;
  const ref = branchRef(branch);
  if (expected !== null) await requireDescent(mirror, requireSha(expected), requireSha(commit));
  const result = await callRemote(command, remote, {
    gitDir: mirror.gitDir,
    timeoutMs: pushTimeoutMs,
    ...(signal ? { signal } : {}),
    args: (address) => [
      'push',
      '--porcelain',
      '--no-verify',
      '--no-follow-tags',
      '--no-signed',
      '--recurse-submodules=no',
      `--force-with-lease=${ref}:${expected ?? ''}`,
      ...(address.kind === 'local' ? [localPrograms.receivePack] : []),
      address.url,
      `${requireSha(commit)}:${ref}`,
    ],
  });
  if (result.exitCode === 0) return { ok: true };
  if (!/^!\t/m.test(result.stdout.toString())) throw remoteFailure('git push', result);
  return await explainRejection(push, result);
}

async function explainRejection(push: Parameters<typeof pushCommit>[0], result: GitResult): Promise<PushResult> {
  const actual = await headOnRemote(push.command, push.remote, push.branch, push.signal);
  if (actual === push.commit) return { ok: true };
  if (actual !== push.expected) return { ok: false, reason: 'moved', actual };
  const rejected = /^!\t[^\t]*\t(.*)$/m.exec(result.stdout.toString())?.[1] ?? '';
  const remoteLines = result.stderr.split('\n').filter((line) => line.startsWith('remote:'));
  return {
    ok: false,
    reason: 'refused',
    message: brief([rejected, ...remoteLines].join('\n')).slice(0, longestRefusal),
  };
}

async function requireDescent(mirror: Mirror, expected: string, commit: string): Promise<void> {
  if (expected === commit) return;
  const result = await mirror.result(['merge-base', '--is-ancestor', expected, commit]);
  if (result.exitCode === 0) return;
  const known = isSha(expected) && (await mirror.result(['cat-file', '-e', `${expected}^{commit}`])).exitCode === 0;
  const why = known ? 'it is not built on it' : 'the mirror does not have it';
  throw new MillwrightError('bug.unexpected', { message: `the push of ${commit} would drop ${expected}: ${why}` });
}
