import type { Doors } from '../doors.ts';
import {
  type RevertInput,
  type RevertVerification,
  revertBody,
  revertCheckRun,
  revertTitle,
} from '../report/revert.ts';
import type { Run } from '../run.ts';
import { checkRunName } from '../stages/review.ts';
import type { Merge } from './merge.ts';

type DescribeDoors = Pick<Doors, 'git' | 'host'>;

/** The revert as it stands on its branch: what its pull request tells, but for the checks. */
export interface Revert {
  run: Run;
  merge: Merge;
  /** Commit on the revert's branch, and the commit of the base branch that it was made on. */
  head: string;
  base: string;
}

/** Opens the revert's pull request, or brings its text and its check run up to date. Safe to repeat. */
export async function showRevert(
  revert: Revert,
  verification: RevertVerification,
  doors: DescribeDoors,
): Promise<{ number: number }> {
  const { merge, run, head } = revert;
  const input = await inputOf(revert, verification, doors);
  const pull = await merge.github.upsertPullRequest({
    branch: merge.branch,
    base: merge.into,
    title: revertTitle(input),
    body: revertBody(input),
    draft: false,
  });
  const report = revertCheckRun(input);
  await merge.github.upsertCheckRun({
    name: checkRunName,
    headSha: head,
    externalId: `${run.id}-revert`,
    ...(input.link === null ? {} : { detailsUrl: input.link }),
    ...(report === null
      ? { status: 'in_progress', title: 'Checks are running', summary: `Revert of #${merge.pullRequest}.` }
      : { status: 'completed', ...report }),
  });
  return { number: pull.number };
}

async function inputOf(
  { run, merge, head, base }: Revert,
  verification: RevertVerification,
  { git, host }: DescribeDoors,
): Promise<RevertInput> {
  const { repository } = merge.remote;
  const [{ files }, later] = await Promise.all([
    git.diff(repository, base, head),
    git.log(repository, { from: merge.after, to: base, limit: 10_000 }),
  ]);
  return {
    pullRequest: merge.pullRequest,
    issue: run.issue,
    issueTitle: run.request.title,
    run: run.id,
    form: merge.form,
    commits: merge.commits,
    merged: merge.after,
    base: { branch: merge.into, commit: base },
    head: { branch: merge.branch, commit: head },
    later: later.length,
    changes: files,
    verification,
    link: host.publicUrl === null ? null : `${host.publicUrl.replace(/\/$/, '')}/runs/${run.id}`,
  };
}
