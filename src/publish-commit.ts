import type { CommitRequest, Git, PushResult, Remote } from './git/git.ts';
import type { AppIdentity, FileChange, RepositoryGitHub } from './github/github.ts';
import type { Overlay } from './sandbox/sandbox.ts';

export interface Publishing extends CommitRequest {
  remote: Remote;
  branch: string;
  /** Where the branch is now; one of the parents. Null: there is no such branch. */
  tip: string | null;
  /** The parent that differs least from the tree. */
  base: string;
  /** Told of the commit before any branch shows it, so that after a crash in between it is known as the app's. */
  made?: (commit: string) => Promise<void>;
  signal?: AbortSignal;
}

/**
 * Puts one commit on top of a branch and returns it. GitHub makes it where it signs what is made through its API ("Verified"), and git
 * pushes it where not. Made again after a crash it may be another commit of the same tree: look for that first.
 * Errors: those of the GitHub and git doors.
 */
export async function publishCommit(
  publishing: Publishing,
  { git, github }: { git: Git; github: RepositoryGitHub },
): Promise<{ commit: string; pushed: PushResult }> {
  const { remote, branch, tip, made, signal } = publishing;
  const { repository } = remote;
  const signed = await github.signedCommit({
    baseTree: await git.treeOf(repository, publishing.base),
    tree: publishing.tree,
    changes: async () => changesOf(await git.overlay(repository, publishing.base, publishing.tree)),
    parents: publishing.parents,
    message: publishing.message,
  });
  const commit = signed ?? (await git.commit(repository, publishing));
  await made?.(commit);
  signal?.throwIfAborted();
  if (signed === null) return { commit, pushed: await git.push(remote, commit, branch, tip, signal) };
  const pushed = await github.moveBranch(branch, commit, tip);
  // As after a push, the mirror holds it.
  if (pushed.ok) await git.fetch(remote, commit, signal);
  return { commit, pushed };
}

function changesOf({ writes, links, deletes }: Overlay): FileChange[] {
  const arriving = [
    ...writes.map(
      ({ path, bytes, executable }): FileChange => ({ path, mode: executable ? '100755' : '100644', bytes }),
    ),
    ...links.map(({ path, target }): FileChange => ({ path, mode: '120000', bytes: Buffer.from(target) })),
  ];
  // A path whose kind changes is among the deletes too.
  const kept = new Set(arriving.map(({ path }) => path));
  const gone = deletes.filter((path) => !kept.has(path));
  return [...gone.map((path): FileChange => ({ path, mode: '100644', bytes: null })), ...arriving];
}

/** Whether an address in a commit is the app's. The number in front of it has not always been the same. */
export function isOwnAddress(email: string, identity: AppIdentity): boolean {
  const plain = (address: string) => address.replace(/^\d+\+/, '').toLowerCase();
  return plain(email) === plain(identity.email);
}
