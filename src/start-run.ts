import { revisionOf } from './contract/revision.ts';
import { type Doors, repositoryKey } from './doors.ts';
import { beginAttempt, endRun, enqueueRun, latestRun, requestCancel, updateRequest } from './engine/runs.ts';
import type { IssueFacts, RepositoryRef } from './github/github.ts';
import { startLabel } from './labels.ts';
import { readLayers, wallsWithoutContract } from './policy-source.ts';
import { fillRollbackSection } from './rollback/fill-section.ts';
import { liveStates, type Run, RunRequest } from './run.ts';
import { mayNotStart, mayStart } from './stages/intake.ts';
import { announceEdit, announceLabeller, showQueued, showStatus, showStatusSoon } from './status.ts';

/** What the inbox says happened to a delivery; `again` asks to be tried later, when an older run of the issue has ended. */
export type Applied = 'done' | 'again';

/** The label's moment is told to the second, and by the event and by the delivery a little apart. */
const labelSlackMs = 2_000;

/** What is pinned when an issue is labelled. The text is that of the delivery (or of a fetch that proves it was not edited since). */
export interface StartFacts {
  ref: RepositoryRef;
  number: number;
  title: string;
  body: string;
  author: string;
  labeller: string;
  /** By GitHub's clock. */
  labelledAtMs: number;
  /** What told of it: applied again, it starts nothing again. */
  cause: string;
  /** Whether reconciliation found it; its delivery may still come. */
  found: boolean;
}

/** Queues a run, or begins a new attempt of one that waits. Put on a second time while a run goes on, the label ends that one first. */
export async function startRun(facts: StartFacts, doors: Doors): Promise<Applied> {
  const { ref, number } = facts;
  const { db } = doors;
  const key = repositoryKey(doors.host.githubHost, ref);
  const latest = await latestRun(db, key, number);
  if (latest && (await isOldNews(facts, latest, doors))) return 'done';
  const layers = await readLayers(doors, ref);
  const walls = wallsWithoutContract(layers, doors, ref);
  // Whoever may start nothing does not take an open pull request out of review either.
  const guards = latest && hasOpenPull(latest) && layers.problems.length === 0;
  if (guards && !(await mayStart(facts.labeller, walls, doors.github.repository(ref)))) {
    await announceLabeller(latest, facts.labeller, mayNotStart(facts.labeller, walls), doors);
    return 'done';
  }
  const live = latest !== null && liveStates.includes(latest.state) ? latest : null;
  if (live && live.state !== 'waiting') {
    const ended = await requestCancel(db, live.id, { by: facts.labeller, reason: `put \`${startLabel}\` on again` });
    if (ended === 'cancelling') return 'again';
  }
  const request = await pin(facts, latest && !hasLeft(latest) ? latest : null, doors);
  const start = {
    from: 'intake',
    reason: 'label',
    by: facts.labeller,
    guidance: null,
    cause: facts.cause,
    askedAtMs: facts.labelledAtMs,
  } as const;
  if (live) {
    const begun = await beginAttempt(db, live.id, start, request);
    if (begun) await showStatus(begun, doors);
    return begun ? 'done' : 'again';
  }
  // Before the run exists, so that no worker can be writing the comment for the first time as well.
  await showQueued(ref, number, request, doors);
  const { run } = await enqueueRun(db, {
    repository: key,
    owner: ref.owner,
    name: ref.name,
    installationId: ref.installationId,
    issue: number,
    request,
    start,
    branch: `millwright/issue-${number}`,
    // The branch and the pull request that is still open belong to the issue, not to one run.
    pullRequest: latest && !hasLeft(latest) ? latest.pullRequest : null,
    headSha: latest?.headSha ?? null,
    limits: walls.concurrency,
  });
  showStatusSoon(run, doors);
  return 'done';
}

/** Whether this label has started something already: told twice, found before its delivery came, or overtaken by a newer one. */
async function isOldNews(facts: StartFacts, latest: Run, { db }: Doors): Promise<boolean> {
  if (latest.start.cause === facts.cause) return true;
  const laterByMs = facts.labelledAtMs - latest.request.labelledAtMs;
  if (facts.found) return laterByMs <= labelSlackMs;
  if (laterByMs < -labelSlackMs) return true;
  if (!latest.request.found || laterByMs > labelSlackMs) return false;
  await updateRequest(db, latest.id, { found: false });
  return true;
}

/** `before`: the run whose approvals of this very text still count. */
async function pin(facts: StartFacts, before: Run | null, { github }: Doors): Promise<RunRequest> {
  const issue = await github.repository(facts.ref).issue(facts.number);
  const revision = revisionOf(facts.body);
  const isApproved = (approval: RunRequest['approved'][number]) =>
    approval.gate === 'intake' && approval.revision === revision;
  return RunRequest.parse({
    title: facts.title,
    body: facts.body,
    revision,
    labeller: facts.labeller,
    author: facts.author,
    editor: editorAt(issue, facts.labelledAtMs),
    labelledAtMs: facts.labelledAtMs,
    found: facts.found,
    allowed: [],
    waived: [],
    approved: before?.request.approved.filter(isApproved) ?? [],
  });
}

/** Who edited last before a moment: an edit that came after the label says nothing about the text that was labelled. */
export function editorAt(issue: Pick<IssueFacts, 'editor' | 'edits' | 'lastEditedAtMs'>, atMs: number): string | null {
  if (issue.lastEditedAtMs === null || issue.lastEditedAtMs <= atMs) return issue.editor;
  const before = issue.edits.filter((edit) => edit.atMs <= atMs);
  // Hosts that keep no history tell the last editor only.
  return issue.edits.length === 0 ? issue.editor : (before.at(-1)?.editor ?? null);
}

const hasOpenPull = (run: Run) => run.pullRequest !== null && !hasLeft(run);
const hasLeft = ({ outcome }: Run) => outcome?.code === 'merged' || outcome?.code === 'closed';

/** Something a person did to an issue or a pull request, by GitHub's clock. */
export interface Deed {
  by: string;
  atMs: number;
}

/** Label off or issue closed by a person: out of the queue, or stopped by them. What is done stays done. */
export async function leaveRun(key: string, number: number, deed: Deed, how: string, doors: Doors): Promise<Applied> {
  const { login } = await doors.github.identity();
  const run = deed.by === login ? null : await latestRun(doors.db, key, number);
  if (!run || !liveStates.includes(run.state)) return 'done';
  if (deed.atMs < (run.start.askedAtMs ?? run.request.labelledAtMs)) return 'done';
  const result = await requestCancel(doors.db, run.id, { by: deed.by, reason: how });
  if (result === 'stopped') await showStatus(run, doors);
  return 'done';
}

/** Merge and close end the run: all state labels go, and the rollback is filled in. One that is being worked is stopped first. */
export async function pullRequestEnded(run: Run, merged: boolean, by: string, doors: Doors): Promise<Applied> {
  const applied = await endWithPullRequest(run, merged, by, doors);
  // Told twice, or after a failure half-way: what is filled in already stays as it is.
  if (applied === 'done' && merged) await fillRollbackSection(run, doors);
  return applied;
}

async function endWithPullRequest(run: Run, merged: boolean, by: string, doors: Doors): Promise<Applied> {
  const what = merged ? 'merged' : 'closed';
  if (run.outcome?.code === what) return 'done';
  if (run.state === 'running' || run.state === 'queued') {
    const ended = await requestCancel(doors.db, run.id, { by, reason: `${what} the pull request` });
    if (ended === 'cancelling') return 'again';
  }
  const outcome = { code: what, text: `The pull request was ${what} by ${by}.`, question: null, detail: null };
  if (!(await endRun(doors.db, run.id, 'done', outcome))) return 'again';
  await showStatus(run, doors);
  return 'done';
}

/** A person opened the closed pull request again: it is in review as before. */
export async function pullRequestReopened(run: Run, by: string, doors: Doors): Promise<Applied> {
  if (run.state !== 'done' || run.outcome?.code !== 'closed') return 'done';
  const text = `The pull request was opened again by ${by}.`;
  await endRun(doors.db, run.id, 'done', { code: 'review', text, question: null, detail: null });
  await showStatus(run, doors);
  return 'done';
}

/** An edit never reaches a run; only while its text waits to be approved is the new text shown instead. */
export async function issueEdited(
  key: string,
  issue: { number: number; title: string; body: string },
  deed: Deed & { cause: string },
  doors: Doors,
): Promise<Applied> {
  const run = await latestRun(doors.db, key, issue.number);
  if (!run || deed.atMs < run.request.labelledAtMs || revisionOf(issue.body) === run.request.revision) return 'done';
  const isOpenWork = run.endedAtMs === null || run.outcome?.code === 'review';
  if (!isOpenWork) return 'done';
  if (run.state === 'waiting' && run.outcome?.code === 'approval-needed')
    await pinAgain(run, { title: issue.title, body: issue.body, editor: deed.by }, deed, doors);
  // A refused contract is meant to be edited; putting the label on again is asked for already.
  else if (run.state !== 'waiting' || run.stage !== 'intake') await announceEdit(run, doors);
  return 'done';
}

/** While a run waits for `/approve` of its text, an edit makes a new revision that is shown and asked about again. */
export async function pinAgain(
  run: Run,
  issue: { title: string; body: string; editor: string | null },
  at: { atMs: number; cause: string },
  doors: Doors,
): Promise<void> {
  const change = { title: issue.title, body: issue.body, editor: issue.editor, revision: revisionOf(issue.body) };
  const start = {
    from: 'intake',
    reason: 'label',
    by: run.request.labeller,
    guidance: null,
    cause: at.cause,
    askedAtMs: at.atMs,
  } as const;
  const begun = await beginAttempt(doors.db, run.id, start, change);
  if (begun) await showStatus(begun, doors);
}
