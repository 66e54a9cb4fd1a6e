import { remoteOf } from '../attempt.ts';
import type { Doors } from '../doors.ts';
import { latestOutput } from '../engine/outputs.ts';
import type { LogEntry, Remote } from '../git/git.ts';
import type { PullRequestFacts, RepositoryGitHub } from '../github/github.ts';
import type { Run } from '../run.ts';
import { IntakeResult } from '../stages/intake.ts';

/** What the merge of a run's pull request brought to its base branch: everything between two commits. */
export interface Merge {
  github: RepositoryGitHub;
  remote: Remote;
  /** Number of the merged pull request. */
  pullRequest: number;
  /** Branch that it was merged into. */
  into: string;
  /** Branch of the revert. */
  branch: string;
  /** The base branch just before and just after. */
  before: string;
  after: string;
  form: 'merge' | 'linear';
  /** Commits on the base branch that the merge made: one of a merge commit or a squash, each one of a rebase. */
  commits: number;
}

/** Longest pull request that a rebase is followed back through. GitHub rebases at most 100 commits. */
const mostCommits = 250;

/** Why there is nothing that could be taken back by itself. */
export type NoMerge = 'not-merged' | 'unclear';

/** `unclear`: merged by hand, together with something else. Errors: those of the GitHub and git doors. */
export async function readMerge(
  run: Run,
  doors: Pick<Doors, 'db' | 'git' | 'github' | 'host'>,
): Promise<Merge | NoMerge> {
  if (run.pullRequest === null) return 'not-merged';
  const github = doors.github.repository(run);
  const pull = await github.pullRequest(run.pullRequest);
  if (!pull.merged || pull.mergeCommitSha === null) return 'not-merged';
  const remote = await remoteOf(run, github, doors);
  const merge = await doors.git.fetch(remote, pull.mergeCommitSha);
  await doors.git.fetch(remote, pull.headSha);
  const brought = await broughtBy({ run, pull, remote, merge }, doors);
  if (brought === null) return 'unclear';
  const branch = `millwright/revert-${pull.number}`;
  return { github, remote, pullRequest: pull.number, into: pull.baseBranch, branch, ...brought };
}

interface Merged {
  run: Run;
  pull: PullRequestFacts;
  remote: Remote;
  /** The commit that GitHub says the merge ended in. */
  merge: string;
}

type Brought = Pick<Merge, 'before' | 'after' | 'form' | 'commits'>;

async function broughtBy(merged: Merged, doors: Pick<Doors, 'db' | 'git'>): Promise<Brought | null> {
  const { remote, merge, pull } = merged;
  const entryOf = async (commit: string) => (await doors.git.log(remote.repository, { to: commit, limit: 1 }))[0];
  let at = await entryOf(merge);
  const [firstParent, secondParent] = at?.parents ?? [];
  if (at === undefined || firstParent === undefined) return null;
  if (secondParent !== undefined)
    return secondParent === pull.headSha ? { before: firstParent, after: merge, form: 'merge', commits: 1 } : null;

  const range = { from: merge, to: pull.headSha, limit: mostCommits };
  const apart = await doors.git.log(remote.repository, range);
  if (apart.length === 0) return pushedAsItIs(merged, doors);
  // Merges of base into the branch are no part of what it brought: a rebase drops them.
  const asked = apart.filter(({ parents }) => parents.length === 1);
  // GitHub says which commit the merge ended in, but not its form: a rebase is known by the commits that it copied.
  let before = firstParent;
  let commits = 0;
  for (let next = 0; at !== undefined && at.parents.length === 1; commits++) {
    const copy: LogEntry = at;
    const found = asked.findIndex((original, index) => index >= next && isCopy(copy, original));
    if (found === -1) break;
    next = found + 1;
    before = copy.parents[0] as string;
    at = await entryOf(before);
  }
  return { before, after: merge, form: 'linear', commits: Math.max(1, commits) };
}

/** The branch's own commits became the base branch's, without a copy: told from the base that the run began on. */
async function pushedAsItIs({ run, pull, remote }: Merged, { git, db }: Pick<Doors, 'db' | 'git'>) {
  const base = (await latestOutput(db, run.id, 'intake', IntakeResult))?.value.base;
  if (!base) return null;
  const own = await git.log(remote.repository, { from: base.commit, to: pull.headSha, limit: mostCommits });
  if (own.length === 0 || own.length === mostCommits || own.some(({ parents }) => parents.length !== 1)) return null;
  return { before: base.commit, after: pull.headSha, form: 'linear' as const, commits: own.length };
}

function isCopy(commit: LogEntry, original: LogEntry): boolean {
  return (
    commit.email === original.email &&
    commit.subject === original.subject &&
    commit.files.toSorted().join('\0') === original.files.toSorted().join('\0')
  );
}
