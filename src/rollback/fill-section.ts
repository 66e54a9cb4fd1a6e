import type { Doors } from '../doors.ts';
import { isDone, once } from '../engine/effects.ts';
import type { MergeFacts } from '../report/facts.ts';
import { withMergedRollback } from '../report/merged-body.ts';
import type { Run } from '../run.ts';
import { type Merge, readMerge } from './merge.ts';

const key = 'rollback.section';

/**
 * Fills in how the merge of the run's pull request is undone, in its body, once. Whatever else a person has written there stays. Safe to
 * repeat. Errors: those of the GitHub and git doors, `outside.database`.
 */
export async function fillRollbackSection(run: Run, doors: Doors): Promise<void> {
  const { pullRequest } = run;
  if (pullRequest === null) return;
  await once(doors.db, run.id, key, async () => {
    const merge = await readMerge(run, doors);
    if (merge === 'not-merged') return;
    const github = doors.github.repository(run);
    const facts =
      merge === 'unclear'
        ? ({ form: 'unclear', commit: (await github.pullRequest(pullRequest)).mergeCommitSha ?? '' } as const)
        : await factsOf(merge, doors);
    await github.editPullRequestBody(pullRequest, (body) => withMergedRollback(body, facts));
  });
}

/** Whether that has been done for a run. */
export async function isRollbackFilled(run: Run, { db }: Pick<Doors, 'db'>): Promise<boolean> {
  return run.pullRequest === null || (await isDone(db, run.id, key));
}

async function factsOf({ form, commits, before, after, remote }: Merge, { git }: Doors): Promise<MergeFacts> {
  if (form === 'merge') return { form, commit: after };
  if (commits === 1) return { form: 'squash', commit: after };
  const made = await git.log(remote.repository, { from: before, to: after, limit: commits });
  return { form: 'rebase', first: made.at(-1)?.commit ?? '', last: after };
}
