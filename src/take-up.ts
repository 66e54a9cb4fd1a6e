import type { Attempt } from './attempt.ts';
import type { Doors } from './doors.ts';
import { ageMs, eventsOf } from './engine/ledger.ts';
import { latestOutput, outputsOf } from './engine/outputs.ts';
import { restoreTree } from './evidence.ts';
import { few } from './report/phrases.ts';
import type { AttemptEnd } from './run.ts';
import { BuildResult } from './stages/build.ts';
import { IntakeResult } from './stages/intake.ts';
import { foreignCommits, ownCommits } from './stages/review.ts';
import { Verdict } from './verification/verdict.ts';

/** Where the attempt takes the work up. */
interface Start {
  tree: string;
  /** Number of the first build step. */
  index: number;
  /** A patch that is verified first, as it is; null when the first round builds. */
  built: BuildResult | null;
  /** What the last verdict objected to. */
  feedback: string | null;
  /** By `elapsedMs` of the clock. */
  startedAtMs: number;
}

/** Where the attempt takes the work up; or what it waits for before it can. */
export async function startOf(attempt: Attempt, doors: Doors): Promise<Start | AttemptEnd> {
  const { run } = attempt;
  const fromPatch = run.start.from === 'verify' || run.start.from === 'review' || run.start.from === 'learn';
  const saved = await latestOutput(doors.db, run.id, 'build', BuildResult);
  if (saved) await restoreTree(attempt, saved.value.tree, doors);
  const [first] = (await eventsOf(doors.db, run.id, { kinds: ['stage'] })).filter(
    (event) => event.attempt === run.attempt,
  );
  // The ledger's times are the database's; the minutes are counted by a clock that never jumps, and has a zero of its own.
  const startedAtMs = doors.clock.elapsedMs() - (first ? await ageMs(doors.db, first.atMs) : 0);
  const tip = await branchTip(attempt, doors);

  if (tip?.foreign) {
    if (!fromPatch) return { state: 'waiting', outcome: foreignCommits(run.branch) };
    await rebaseOnto(attempt, tip.commit, doors);
    return { tree: tip.tree, index: 1, built: personsWork(tip.tree), feedback: null, startedAtMs };
  }
  if (fromPatch && saved) {
    return { tree: saved.value.tree, index: numberOf(saved.name), built: saved.value, feedback: null, startedAtMs };
  }
  const from = await carriedTree(attempt, saved, tip, doors);
  if ('state' in from) return from;
  const lastVerdict = await latestOutput(doors.db, run.id, 'verify', Verdict);
  // What checks of others say is output to be heeded, not the word of someone who may steer.
  const feedback = run.start.reason === 'ci' ? run.start.guidance : (lastVerdict?.value.feedback ?? null);
  return { tree: from.tree, index: 1, built: null, feedback, startedAtMs };
}

/** A person may have merged base into the branch: their head is judged against the newest base that it holds. */
async function rebaseOnto(attempt: Attempt, tip: string, { git }: Doors): Promise<void> {
  const { remote, base, repository, signal } = attempt;
  const now = await git.fetch(remote, `refs/heads/${base.branch}`, signal);
  const shared = await git.mergeBase(repository, tip, now);
  if (shared !== null) attempt.base = { branch: base.branch, commit: shared };
}

/** Work that was done on an older base is carried over to the one pinned now; where that conflicts, a person decides. */
async function carriedTree(
  { run, repository, base, remote, signal }: Attempt,
  saved: { attempt: number; value: BuildResult } | null,
  tip: { commit: string; tree: string } | null,
  { db, git }: Doors,
): Promise<{ tree: string } | AttemptEnd> {
  const tree = saved?.value.tree ?? tip?.tree;
  if (tree === undefined) return { tree: await git.treeOf(repository, base.commit) };
  const intakes = await outputsOf(db, run.id, 'intake', IntakeResult);
  const madeOn = saved
    ? intakes.findLast((intake) => intake.attempt <= saved.attempt)?.value.base?.commit
    : tip && (await git.mergeBase(repository, tip.commit, base.commit));
  if (!madeOn || madeOn === base.commit) return { tree };
  await git.fetch(remote, madeOn, signal);
  const merged = await git.mergeTrees(repository, madeOn, tree, base.commit);
  if (merged.ok) return { tree: merged.tree };
  return {
    state: 'waiting',
    outcome: {
      code: 'base-conflict',
      text: `The base branch has moved, and the work so far conflicts with it in ${few(merged.conflicts)}.`,
      question:
        'Merge the base branch into the branch and answer /retry from verify, or close the pull request, delete the branch and put the label on again.',
      detail: merged.conflicts.join('\n'),
    },
  };
}

async function branchTip(
  attempt: Attempt,
  doors: Doors,
): Promise<{ commit: string; tree: string; foreign: boolean } | null> {
  const { remote, run, repository, signal } = attempt;
  const commit = await doors.git.remoteHead(remote, run.branch, signal);
  if (commit === null) return null;
  await doors.git.fetch(remote, commit, signal);
  const foreign = !(await ownCommits(attempt, doors)).has(commit);
  return { commit, tree: await doors.git.treeOf(repository, commit), foreign };
}

/** A person's head is verified as it is: there are no claims of an agent about it. */
function personsWork(tree: string): BuildResult {
  return {
    tree,
    changes: [],
    empty: false,
    end: 'submitted',
    submission: null,
    question: null,
    clause: null,
    lastOutput: null,
    rejections: [],
    notes: [],
    turns: 0,
    refused: [],
    blockedHosts: [],
  };
}

function numberOf(step: string): number {
  return Number(step.split('-')[1]) || 1;
}
