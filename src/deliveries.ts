import type { EmitterWebhookEvent } from '@octokit/webhooks';
import { sendBackForCi } from './ci-feedback.ts';
import { applyCommands, type CommandSource, pinAgain } from './commands.ts';
import { revisionOf } from './contract/revision.ts';
import { type Doors, repositoryKey } from './doors.ts';
import type { Delivery } from './engine/inbox.ts';
import {
  beginAttempt,
  endRun,
  enqueueRun,
  latestRun,
  liveRun,
  requestCancel,
  runByPullRequest,
} from './engine/runs.ts';
import type { RepositoryRef } from './github/github.ts';
import { startLabel } from './labels.ts';
import { onboardAll } from './onboarding.ts';
import { readLayers, wallsWithoutContract } from './policy-source.ts';
import { type Run, RunRequest } from './run.ts';
import { announceEdit, showQueued, showStatus, showStatusSoon } from './status.ts';

type Payload<Name extends (typeof handledEvents)[number]> = EmitterWebhookEvent<Name>['payload'];

/** What the inbox says happened to a delivery; `again` asks to be tried later, when an older run of the issue has ended. */
export type Applied = 'done' | 'again';

/**
 * Turns one delivery into durable facts. May be called twice for the same delivery. The signature was checked
 * before the delivery reached the inbox, so its shape is GitHub's; the texts in it stay untrusted.
 */
export async function applyDelivery(delivery: Delivery, doors: Doors): Promise<Applied> {
  const event = asEvent(delivery.event, delivery.payload);
  switch (event?.name) {
    case 'issues':
      return applyIssue(event.payload, doors);
    case 'issue_comment':
      return applyComment(event.payload, doors);
    case 'pull_request_review':
      return applyReview(event.payload, doors);
    case 'pull_request':
      return applyPullRequest(event.payload, doors);
    case 'check_suite':
      return applyForeignCheck(event.payload, event.payload.check_suite.head_sha, doors);
    case 'status':
      return applyForeignCheck(event.payload, event.payload.sha, doors);
    case 'installation':
      return applyInstallation(event.payload, doors);
    case 'installation_repositories':
      return applyAddedRepositories(event.payload, doors);
    default:
      return 'done';
  }
}

/** Events that have an effect; the manifest asks for these and no others. */
export const handledEvents = [
  'issues',
  'issue_comment',
  'pull_request_review',
  'pull_request',
  'check_suite',
  'status',
  'installation',
  'installation_repositories',
] as const;
type Handled = {
  [Name in (typeof handledEvents)[number]]: { name: Name; payload: EmitterWebhookEvent<Name>['payload'] };
}[(typeof handledEvents)[number]];

function asEvent(name: string, payload: string): Handled | null {
  const known = handledEvents.find((candidate) => candidate === name);
  return known ? ({ name: known, payload: JSON.parse(payload) } as Handled) : null;
}

interface Located {
  repository: { name: string; owner: { login: string } };
  installation?: { id: number } | undefined;
}

function refOf(payload: Located): RepositoryRef | null {
  if (!payload.installation) return null;
  return {
    installationId: payload.installation.id,
    owner: payload.repository.owner.login,
    name: payload.repository.name,
  };
}

async function applyIssue(payload: Payload<'issues'>, doors: Doors): Promise<Applied> {
  const ref = refOf(payload);
  if (!ref || payload.issue.pull_request) return 'done';
  const key = repositoryKey(doors.host.githubHost, ref);
  const sender = payload.sender.login;
  switch (payload.action) {
    case 'labeled':
      if (payload.label?.name !== startLabel) return 'done';
      return startRun(
        {
          ref,
          number: payload.issue.number,
          title: payload.issue.title,
          body: payload.issue.body ?? '',
          author: payload.issue.user?.login ?? 'ghost',
          labeller: sender,
          labelledAtMs: Date.parse(payload.issue.updated_at),
        },
        doors,
      );
    case 'unlabeled':
      if (payload.label?.name !== startLabel) return 'done';
      return leave(key, payload.issue.number, sender, `took the label \`${startLabel}\` off`, doors);
    case 'closed':
      return leave(key, payload.issue.number, sender, 'closed the issue', doors);
    case 'edited':
      return edited(key, payload, doors);
    default:
      return 'done';
  }
}

/** An edit never reaches a run; only while its text waits to be approved is the new text shown instead. */
async function edited(key: string, payload: Payload<'issues'>, doors: Doors): Promise<Applied> {
  const { number, title, body } = payload.issue;
  const run = await latestRun(doors.db, key, number);
  if (!run || !isOpenWork(run) || revisionOf(body ?? '') === run.request.revision) return 'done';
  if (run.state === 'waiting' && run.outcome?.code === 'approval-needed') {
    await pinAgain(run, { title, body: body ?? '', editor: payload.sender.login }, doors);
  } else if (run.state !== 'waiting' || run.stage !== 'intake') await announceEdit(run, doors);
  return 'done';
}

const isOpenWork = (run: Run) => run.endedAtMs === null || run.outcome?.code === 'review';

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
}

/** Queues a run, or begins a new attempt of one that waits for a better contract. */
export async function startRun(facts: StartFacts, doors: Doors): Promise<Applied> {
  const { ref, number } = facts;
  const github = doors.github.repository(ref);
  const key = repositoryKey(doors.host.githubHost, ref);
  const issue = await github.issue(number);
  const request = RunRequest.parse({
    title: facts.title,
    body: facts.body,
    revision: revisionOf(facts.body),
    labeller: facts.labeller,
    author: facts.author,
    editor: issue.editor,
    labelledAtMs: facts.labelledAtMs,
  });
  const live = await liveRun(doors.db, key, number);
  if (live?.state === 'running') return 'again';
  if (live?.state === 'waiting') {
    const start = { from: 'intake', reason: 'label', by: facts.labeller, guidance: null } as const;
    const again = await beginAttempt(doors.db, live.id, start, { ...request, allowed: [], waived: [], approved: [] });
    if (again) await showStatus(again, doors);
    return 'done';
  }
  const layers = await readLayers(doors, ref);
  const walls = wallsWithoutContract(layers, doors, ref);
  const earlier = await latestRun(doors.db, key, number);
  // Before the run exists, so that no worker can be writing the comment for the first time as well.
  await showQueued(ref, number, request, doors);
  const { run } = await enqueueRun(doors.db, {
    repository: key,
    owner: ref.owner,
    name: ref.name,
    installationId: ref.installationId,
    issue: number,
    request,
    start: { from: 'intake', reason: 'label', by: facts.labeller, guidance: null },
    branch: `millwright/issue-${number}`,
    pullRequest: earlier?.outcome?.code === 'review' ? earlier.pullRequest : null,
    headSha: earlier?.outcome?.code === 'review' ? earlier.headSha : null,
    limits: walls.concurrency,
  });
  showStatusSoon(run, doors);
  return 'done';
}

/** Label off or issue closed by a person: out of the queue, or stopped by them. What is done stays done. */
async function leave(key: string, number: number, by: string, reason: string, doors: Doors): Promise<Applied> {
  const { login } = await doors.github.identity();
  const run = by === login ? null : await liveRun(doors.db, key, number);
  if (!run) return 'done';
  const result = await requestCancel(doors.db, run.id, { by, reason });
  if (result === 'stopped') await showStatus(run, doors);
  return 'done';
}

async function applyComment(payload: Payload<'issue_comment'>, doors: Doors): Promise<Applied> {
  const ref = refOf(payload);
  if (!ref || payload.action !== 'created') return 'done';
  const source: CommandSource = {
    ref,
    number: payload.issue.number,
    onPullRequest: payload.issue.pull_request !== undefined,
    author: payload.comment.user?.login ?? 'ghost',
    authorIsBot: payload.comment.user?.type === 'Bot',
    body: payload.comment.body,
    reactTo: { kind: 'comment', id: payload.comment.id },
    key: `comment:${payload.comment.id}`,
    writtenAtMs: Date.parse(payload.comment.created_at),
  };
  await applyCommands(source, doors);
  return 'done';
}

async function applyReview(payload: Payload<'pull_request_review'>, doors: Doors): Promise<Applied> {
  const ref = refOf(payload);
  if (!ref || payload.action !== 'submitted') return 'done';
  const source: CommandSource = {
    ref,
    number: payload.pull_request.number,
    onPullRequest: true,
    author: payload.review.user?.login ?? 'ghost',
    authorIsBot: payload.review.user?.type === 'Bot',
    body: payload.review.body ?? '',
    reactTo: null,
    key: `review:${payload.review.id}`,
    writtenAtMs: Date.parse(payload.review.submitted_at ?? '') || doors.clock.nowMs(),
  };
  await applyCommands(source, doors);
  return 'done';
}

async function applyPullRequest(payload: Payload<'pull_request'>, doors: Doors): Promise<Applied> {
  const ref = refOf(payload);
  if (!ref || payload.action !== 'closed') return 'done';
  const run = await runByPullRequest(doors.db, repositoryKey(doors.host.githubHost, ref), payload.pull_request.number);
  if (!run) return 'done';
  return pullRequestEnded(run, payload.pull_request.merged === true, payload.sender.login, doors);
}

/** Merge and close end the run: all state labels go. One that is being worked is stopped first. */
export async function pullRequestEnded(run: Run, merged: boolean, by: string, doors: Doors): Promise<Applied> {
  const what = merged ? 'merged' : 'closed';
  if (run.state === 'running' || run.state === 'queued') {
    await requestCancel(doors.db, run.id, { by, reason: `${what} the pull request` });
    if (run.state === 'running') return 'again';
  }
  const outcome = { code: what, text: `The pull request was ${what} by ${by}.`, question: null, detail: null };
  if (await endRun(doors.db, run.id, 'done', outcome)) await showStatus(run, doors);
  return 'done';
}

/** Failing CI of others on the head commit sends the work back, within the limits of rounds. */
async function applyForeignCheck(payload: Located, headSha: string, doors: Doors): Promise<Applied> {
  const ref = refOf(payload);
  if (ref) await sendBackForCi(ref, headSha, doors);
  return 'done';
}

async function applyInstallation(payload: Payload<'installation'>, doors: Doors): Promise<Applied> {
  if (payload.action !== 'created') return 'done';
  const refs = (payload.repositories ?? []).map((each) => refFromFullName(payload.installation.id, each.full_name));
  await onboardAll(refs, doors);
  return 'done';
}

async function applyAddedRepositories(payload: Payload<'installation_repositories'>, doors: Doors): Promise<Applied> {
  if (payload.action !== 'added') return 'done';
  const refs = payload.repositories_added.map((each) => refFromFullName(payload.installation.id, each.full_name));
  await onboardAll(refs, doors);
  return 'done';
}

function refFromFullName(installationId: number, fullName: string): RepositoryRef {
  const [owner = '', name = ''] = fullName.split('/');
  return { installationId, owner, name };
}
