import type { EmitterWebhookEvent } from '@octokit/webhooks';
import { hearSuccess, sendBackForCi } from './ci-feedback.ts';
import type { CommandSource } from './command-context.ts';
import { applyCommands } from './commands.ts';
import { type Doors, repositoryKey } from './doors.ts';
import type { Delivery } from './engine/inbox.ts';
import { runByPullRequest } from './engine/runs.ts';
import { followRepository } from './follow-repository.ts';
import { applyFound, applyLabel, foundEvent } from './found.ts';
import type { ReactionTarget, RepositoryRef } from './github/github.ts';
import { isStartLabel, isStateLabel, startLabel } from './labels.ts';
import { revertedBy, revertMerged } from './learning/escapes.ts';
import { lessonPullChanged } from './learning/lesson-pulls.ts';
import { onboardAll } from './onboarding.ts';
import { type Applied, issueEdited, leaveRun, pullRequestEnded, pullRequestReopened, startRun } from './start-run.ts';
import { restoreLabel } from './status.ts';

type Payload<Name extends (typeof handledEvents)[number]> = EmitterWebhookEvent<Name>['payload'];

/**
 * Turns one delivery into durable facts. May be called twice for the same delivery. The signature was checked
 * before the delivery reached the inbox, so its shape is GitHub's; the texts in it stay untrusted.
 */
export async function applyDelivery(delivery: Delivery, doors: Doors): Promise<Applied> {
  if (delivery.event === foundEvent) return applyFound(delivery, doors);
  const event = asEvent(delivery.event, delivery.payload);
  if (event === null) return 'done';
  if (event.name === 'installation') return applyInstallation(event.payload, doors);
  if (event.name === 'installation_repositories') return applyAddedRepositories(event.payload, doors);
  const ref = await locate(event, doors);
  return ref === null ? 'done' : applyEvent(event, ref, delivery, doors);
}

async function applyEvent(event: InRepository, ref: RepositoryRef, { id }: Delivery, doors: Doors): Promise<Applied> {
  switch (event.name) {
    case 'issues':
      return applyIssue(event.payload, ref, id, doors);
    case 'issue_comment':
    case 'pull_request_review':
    case 'pull_request_review_comment':
      return applySaid(saidIn(event), ref, doors);
    case 'pull_request':
      return applyPullRequest(event.payload, ref, doors);
    case 'check_suite':
      return applyCheckSuite(event.payload, ref, doors);
    case 'status':
      return applyStatus(event.payload, ref, doors);
    case 'repository':
      // Where its things are kept follows from its number, which `locate` has seen.
      return 'done';
  }
}

/** Events that have an effect; the manifest asks for these and no others. */
export const handledEvents = [
  'issues',
  'issue_comment',
  'pull_request_review',
  'pull_request_review_comment',
  'pull_request',
  'check_suite',
  'status',
  'repository',
  'installation',
  'installation_repositories',
] as const;
type Handled = {
  [Name in (typeof handledEvents)[number]]: { name: Name; payload: EmitterWebhookEvent<Name>['payload'] };
}[(typeof handledEvents)[number]];
type InRepository = Exclude<Handled, { name: 'installation' | 'installation_repositories' }>;

function asEvent(name: string, payload: string): Handled | null {
  const known = handledEvents.find((candidate) => candidate === name);
  return known ? ({ name: known, payload: JSON.parse(payload) } as Handled) : null;
}

/** What every event in a repository tells of it. */
interface Located {
  repository: { id: number; name: string; owner: { id: number; login: string } };
  installation?: { id: number };
}

/** The repository that an event is about, under the name where its things are kept; null when that name is another's by now. */
async function locate({ name, payload }: InRepository, doors: Doors): Promise<RepositoryRef | null> {
  const { installation, repository } = payload as Located;
  if (!installation) return null;
  const { id, owner } = repository;
  const ref = { installationId: installation.id, owner: owner.login, name: repository.name, id, ownerId: owner.id };
  if (name !== 'repository') return followRepository(ref, { sure: false }, doors);
  if (payload.action !== 'renamed') return followRepository(ref, { sure: payload.action === 'transferred' }, doors);
  const before = { ...ref, name: payload.changes.repository.name.from };
  return followRepository(ref, { sure: true, formerly: repositoryKey(doors.host.githubHost, before) }, doors);
}

async function applyIssue(
  payload: Payload<'issues'>,
  ref: RepositoryRef,
  deliveryId: string,
  doors: Doors,
): Promise<Applied> {
  if (payload.issue.pull_request) return 'done';
  const { number, title } = payload.issue;
  const body = payload.issue.body ?? '';
  const key = repositoryKey(doors.host.githubHost, ref);
  const cause = `delivery:${deliveryId}`;
  const deed = { by: payload.sender.login, atMs: Date.parse(payload.issue.updated_at) };
  switch (payload.action) {
    case 'labeled': {
      if (isStateLabel(payload.label?.name)) await restoreLabel(key, number, deed.by, doors);
      if (!isStartLabel(payload.label?.name)) return 'done';
      // On a closed issue nothing starts until it is opened again.
      if (payload.issue.state === 'closed') return 'done';
      const author = payload.issue.user?.login ?? 'ghost';
      const label = { labeller: deed.by, labelledAtMs: deed.atMs, cause, found: false };
      return startRun({ ref, number, title, body, author, ...label }, doors);
    }
    case 'unlabeled':
      if (!isStartLabel(payload.label?.name)) return 'done';
      return leaveRun(key, number, deed, `took the label \`${startLabel}\` off`, doors);
    case 'closed':
    case 'deleted':
    case 'transferred':
      return leaveRun(key, number, deed, `${payload.action} the issue`, doors);
    case 'reopened':
      return payload.issue.labels?.some((label) => isStartLabel(label?.name)) ? applyLabel(ref, number, doors) : 'done';
    case 'edited':
      if (payload.changes.body === undefined) return 'done';
      return issueEdited(key, { number, title, body }, { ...deed, cause }, doors);
    default:
      return 'done';
  }
}

/** What somebody wrote on an issue or pull request, where, and when. */
interface Said extends Pick<CommandSource, 'number' | 'onPullRequest'> {
  written: { user: { login: string; type?: string } | null; body: string | null };
  at: string | null;
  reactTo: ReactionTarget;
}
type Saying = Extract<Handled, { name: 'issue_comment' | 'pull_request_review' | 'pull_request_review_comment' }>;

/** Null when nothing was said anew. */
function saidIn({ name, payload }: Saying): Said | null {
  if (name === 'issue_comment') {
    const { action, issue, comment } = payload;
    const reactTo = { kind: 'comment', id: comment.id } as const;
    const place = { number: issue.number, onPullRequest: Boolean(issue.pull_request) };
    return action === 'created' ? { ...place, written: comment, at: comment.created_at, reactTo } : null;
  }
  const place = { number: payload.pull_request.number, onPullRequest: true };
  if (name === 'pull_request_review') {
    const { action, review } = payload;
    const reactTo = { kind: 'review', id: review.id, nodeId: review.node_id } as const;
    return action === 'submitted' ? { ...place, written: review, at: review.submitted_at, reactTo } : null;
  }
  const { action, comment } = payload;
  const reactTo = { kind: 'review-comment', id: comment.id } as const;
  // While its review is pending a comment is a draft: it is said when the review is handed in, and that changes it.
  return action === 'created' ? { ...place, written: comment, at: comment.updated_at, reactTo } : null;
}

async function applySaid(said: Said | null, ref: RepositoryRef, doors: Doors): Promise<Applied> {
  if (said === null) return 'done';
  const { number, onPullRequest, written, at, reactTo } = said;
  await applyCommands(
    {
      ref,
      number,
      onPullRequest,
      author: written.user?.login ?? 'ghost',
      authorIsBot: written.user?.type === 'Bot',
      body: written.body ?? '',
      reactTo,
      key: `${reactTo.kind}:${reactTo.id}`,
      writtenAtMs: Date.parse(at ?? '') || doors.clock.nowMs(),
    },
    doors,
  );
  return 'done';
}

async function applyPullRequest(payload: Payload<'pull_request'>, ref: RepositoryRef, doors: Doors): Promise<Applied> {
  if (payload.action !== 'closed' && payload.action !== 'reopened') return 'done';
  const { number, merged, head, base, title, body } = payload.pull_request;
  const key = repositoryKey(doors.host.githubHost, ref);
  const ofFork = head.repo?.id !== base.repo.id;
  const reverted = merged ? revertedBy({ branch: head.ref, ofFork, title, body: body ?? '' }) : null;
  if (reverted !== null) await revertMerged(doors.db, key, reverted, number);
  const what = payload.action === 'reopened' ? 'reopened' : merged === true ? 'merged' : 'closed';
  await lessonPullChanged(ref, number, what, doors);
  const run = await runByPullRequest(doors.db, key, number);
  if (!run) return 'done';
  if (payload.action === 'reopened') return pullRequestReopened(run, payload.sender.login, doors);
  // Closed before it was opened again: old news by now.
  if (Date.parse(payload.pull_request.updated_at) < (run.start.askedAtMs ?? 0) && !payload.pull_request.merged)
    return 'done';
  return pullRequestEnded(run, payload.pull_request.merged === true, payload.sender.login, doors);
}

/** Failing CI of others on the head commit sends the work back, within the limits of rounds. */
async function applyCheckSuite(payload: Payload<'check_suite'>, ref: RepositoryRef, doors: Doors): Promise<Applied> {
  const { conclusion, head_sha } = payload.check_suite;
  const failed = conclusion === 'failure' || conclusion === 'timed_out' || conclusion === 'startup_failure';
  if (payload.action !== 'completed') return 'done';
  await (failed ? sendBackForCi : hearSuccess)(ref, head_sha, doors);
  return 'done';
}

async function applyStatus(payload: Payload<'status'>, ref: RepositoryRef, doors: Doors): Promise<Applied> {
  const failed = payload.state === 'failure' || payload.state === 'error';
  if (failed) await sendBackForCi(ref, payload.sha, doors);
  else if (payload.state === 'success') await hearSuccess(ref, payload.sha, doors);
  return 'done';
}

async function applyInstallation(payload: Payload<'installation'>, doors: Doors): Promise<Applied> {
  if (payload.action === 'created') await onboardNamed(payload.installation, payload.repositories ?? [], doors);
  return 'done';
}

async function applyAddedRepositories(payload: Payload<'installation_repositories'>, doors: Doors): Promise<Applied> {
  if (payload.action === 'added') await onboardNamed(payload.installation, payload.repositories_added, doors);
  return 'done';
}

async function onboardNamed(
  installation: { id: number },
  named: readonly { full_name: string }[],
  doors: Doors,
): Promise<void> {
  const refs = named.map(({ full_name }) => {
    const [owner = '', name = ''] = full_name.split('/');
    return { installationId: installation.id, owner, name };
  });
  await onboardAll(refs, doors);
}
