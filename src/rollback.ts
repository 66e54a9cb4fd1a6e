import { z } from 'zod';
import type { Doors } from './doors.ts';
import { append, eventsOf } from './engine/ledger.ts';
import { publishCommit } from './publish-commit.ts';
import { revertMessage } from './report/revert.ts';
import { showRevert } from './rollback/describe.ts';
import { type Merge, readMerge } from './rollback/merge.ts';
import { askForVerification } from './rollback/verify-rollback.ts';
import type { Run } from './run.ts';

type Refused = { ok: false; reason: string };

const mostPathsNamed = 10;

/**
 * `/rollback`: opens the pull request that takes back exactly what the run's merged pull request brought, later commits left as they
 * are. Its checks run afterwards, in a worker (`verifyNextRollback`), and are then shown in it. Safe to run twice: an open one is found.
 * The reason of a refusal is the app's own words with paths in them: escape it where it is shown.
 * Errors: those of the GitHub and git doors, `outside.database`.
 */
export async function openRollback(run: Run, doors: Doors): Promise<{ ok: true } | Refused> {
  const merge = await readMerge(run, doors);
  if (merge === 'not-merged') return refuse('The pull request is not merged; close it instead.');
  if (merge === 'unclear')
    return refuse('It was merged by hand, so that it cannot be told what it brought alone; revert it by hand.');
  const known = await merge.github.findPullRequest(merge.branch);
  if (known?.state === 'open') {
    await askForVerification(run, known.headSha, doors);
    return { ok: true };
  }
  const { git } = doors;
  const { repository } = merge.remote;
  const base = await git.fetch(merge.remote, `refs/heads/${merge.into}`);
  await git.fetch(merge.remote, merge.before);
  const reverted = await git.mergeTrees(repository, merge.after, base, merge.before);
  if (!reverted.ok) return refuse(conflictReason(reverted.conflicts));
  if (reverted.tree === (await git.treeOf(repository, base)))
    return refuse(`What the pull request brought is not on ${merge.into} any more.`);

  const published = await publish(run, merge, { base, tree: reverted.tree }, doors);
  if (!published.ok) return published;
  const revert = { run, merge, head: published.head, base };
  const pull = await showRevert(revert, { state: 'pending' }, doors);
  await askForVerification(run, published.head, doors);
  await merge.github.requestReviewers(pull.number, [run.request.labeller]);
  await append(doors.db, {
    runId: run.id,
    kind: 'rollback.opened',
    data: { number: pull.number, head: published.head },
  });
  return { ok: true };
}

function refuse(reason: string): Refused {
  return { ok: false, reason };
}

function conflictReason(conflicts: readonly string[]): string {
  const named = conflicts.slice(0, mostPathsNamed).map((path) => `\`${path.replaceAll('`', "'")}\``);
  const more = conflicts.length > mostPathsNamed ? ` and ${conflicts.length - mostPathsNamed} more` : '';
  return `The revert conflicts with later changes of ${named.join(', ')}${more}. Revert those first, or revert by hand.`;
}

/** Puts the revert on its branch. A branch that is left over from before is built upon, never rewritten; a person's is left alone. */
async function publish(
  run: Run,
  merge: Merge,
  { base, tree }: { base: string; tree: string },
  doors: Doors,
): Promise<{ ok: true; head: string } | Refused> {
  const { git } = doors;
  const { repository } = merge.remote;
  const tip = await git.remoteHead(merge.remote, merge.branch);
  const foreign = refuse(`The branch ${merge.branch} has commits that the app did not make; they are left alone.`);
  const parents: [string, ...string[]] = [base];
  if (tip !== null) {
    await git.fetch(merge.remote, tip);
    const isMerged = (await git.log(repository, { from: base, to: tip, limit: 1 })).length === 0;
    if (!isMerged && !(await ownCommits(run, doors)).has(tip)) return foreign;
    const [entry] = await git.log(repository, { to: tip, limit: 1 });
    if (entry?.parents[0] === base && (await git.treeOf(repository, tip)) === tree) return { ok: true, head: tip };
    if (!isMerged) parents.push(tip);
  }
  const { commit: head, pushed } = await publishRevert(run, merge, { tree, parents, tip }, doors);
  if (pushed.ok) return { ok: true, head };
  return pushed.reason === 'moved' ? foreign : refuse(`The branch could not be pushed: ${pushed.message}`);
}

async function publishRevert(
  run: Run,
  merge: Merge,
  { tree, parents, tip }: { tree: string; parents: readonly [string, ...string[]]; tip: string | null },
  { git, github, db }: Doors,
) {
  const { name, email } = await github.identity();
  const [base] = parents;
  const [entry] = await git.log(merge.remote.repository, { to: base, limit: 1 });
  return publishCommit(
    {
      remote: merge.remote,
      branch: merge.branch,
      tip,
      base,
      tree,
      parents,
      message: revertMessage({
        issueTitle: run.request.title,
        pullRequest: merge.pullRequest,
        merged: merge.after,
        run: run.id,
        into: merge.into,
      }),
      author: { name, email },
      // A moment that hangs on the base alone: what git makes again is the same commit.
      timestampS: (entry?.committedAtS ?? 0) + 1,
      // Written down before the branch moves, so that after a crash in between it is known as ours.
      made: (sha) => append(db, { runId: run.id, kind: 'rollback.commit', data: { sha } }),
    },
    { git, github: merge.github },
  );
}

async function ownCommits(run: Run, { db }: Pick<Doors, 'db'>): Promise<Set<string>> {
  const made = await eventsOf(db, run.id, { kinds: ['rollback.commit'] });
  return new Set(made.map(({ data }) => z.object({ sha: z.string() }).parse(data).sha));
}
