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

/** Null when the run's pull request is not merged. Errors: those of the GitHub and git doors. */
export async function readMerge(run: Run, doors: Pick<Doors, 'db' | 'git' | 'github' | 'host'>): Promise<Merge | null> {
  if (run.pullRequest === null) return null;
  const github = doors.github.repository(run);
  const pull = await github.pullRequest(run.pullRequest);
  if (!pull.merged || pull.mergeCommitSha === null) return null;
  const remote = await remoteOf(run, github, doors);
  const after = await doors.git.fetch(remote, pull.mergeCommitSha);
  const brought = await broughtBy({ run, pull, remote, after }, doors);
  if (brought === null) return null;
  const branch = `millwright/revert-${pull.number}`;
  return { github, remote, pullRequest: pull.number, into: pull.baseBranch, branch, after, ...brought };
}

interface Merged {
  run: Run;
  pull: PullRequestFacts;
  remote: Remote;
  after: string;
}

async function broughtBy(
  merged: Merged,
  { git, db }: Pick<Doors, 'db' | 'git'>,
): Promise<Pick<Merge, 'before' | 'form' | 'commits'> | null> {
  const { remote, after, pull } = merged;
  const entryOf = async (commit: string) => (await git.log(remote.repository, { to: commit, limit: 1 }))[0];
  let at = await entryOf(after);
  const [firstParent] = at?.parents ?? [];
  if (at === undefined || firstParent === undefined) return null;
  if (at.parents.length > 1) return { before: firstParent, form: 'merge', commits: 1 };

  await git.fetch(remote, pull.headSha);
  const asked = await askedCommits(merged, { git, db });
  // GitHub says which commit the merge ended in, but not its form: a rebase is known by the commits that it copied.
  let before = firstParent;
  let commits = 0;
  for (let next = 0; at !== undefined && at.parents.length === 1; commits++) {
    const found = asked.findIndex((candidate, index) => index >= next && isCopy(at as LogEntry, candidate));
    if (found === -1) break;
    next = found + 1;
    before = at.parents[0] as string;
    at = await entryOf(before);
  }
  return { before, form: 'linear', commits: Math.max(1, commits) };
}

/** The pull request's own commits, newest first; merges of base into it are no part of what it brought. */
async function askedCommits({ run, pull, remote, after }: Merged, { git, db }: Pick<Doors, 'db' | 'git'>) {
  const range = { to: pull.headSha, limit: mostCommits };
  const apart = await git.log(remote.repository, { ...range, from: after });
  if (apart.length > 0) return apart.filter(({ parents }) => parents.length === 1);
  // Pushed to the base branch as they were (a fast-forward by hand): told from the base that the run began on.
  const base = (await latestOutput(db, run.id, 'intake', IntakeResult))?.value.base;
  return base ? git.log(remote.repository, { ...range, from: base.commit }) : [];
}

function isCopy(commit: LogEntry, original: LogEntry): boolean {
  if (commit.commit === original.commit) return true;
  return (
    commit.email === original.email &&
    commit.subject === original.subject &&
    commit.files.toSorted().join('\0') === original.files.toSorted().join('\0')
  );
}
