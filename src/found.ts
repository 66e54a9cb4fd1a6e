import { z } from 'zod';
import { sendBackForCi } from './ci-feedback.ts';
import type { CommandSource } from './command-context.ts';
import { applyCommands } from './commands.ts';
import { type Doors, repositoryKey } from './doors.ts';
import { type Delivery, receiveDelivery } from './engine/inbox.ts';
import { latestRun, runByPullRequest } from './engine/runs.ts';
import { followRepository } from './follow-repository.ts';
import type { InstalledRepository, RepositoryRef } from './github/github.ts';
import { startLabel } from './labels.ts';
import { onboardAll } from './onboarding.ts';
import { type Applied, issueEdited, leaveRun, pullRequestEnded, pullRequestReopened, startRun } from './start-run.ts';
import { announceLateEdit } from './status.ts';

/** Name under which the inbox keeps what reconciliation found. */
export const foundEvent = 'millwright.found';

/** What no delivery told of (yet). Facts that may change meanwhile are read when it is applied. */
export type Found =
  | { what: 'label'; number: number }
  | { what: 'left'; number: number }
  | { what: 'edit'; number: number }
  | { what: 'pull-request'; number: number }
  | { what: 'checks'; number: number; headSha: string }
  | { what: 'added'; number: null }
  | { what: 'command'; number: number; source: Omit<CommandSource, 'ref'> };

const FoundPayload = z.object({
  ref: z.object({
    installationId: z.number(),
    owner: z.string(),
    name: z.string(),
    id: z.number(),
    ownerId: z.number(),
  }),
  found: z.custom<Found>(),
});

/** Puts it into the inbox, behind the deliveries of the same issue: so both may come, and never at once. */
export async function enterFound(ref: InstalledRepository, found: Found, doors: Doors): Promise<void> {
  const detail = found.what === 'command' ? found.source.key : found.number;
  const onPull =
    found.what === 'pull-request' ||
    found.what === 'checks' ||
    (found.what === 'command' && found.source.onPullRequest);
  const place = found.number === null ? {} : { [onPull ? 'pull_request' : 'issue']: { number: found.number } };
  await receiveDelivery(doors.db, {
    // The time in it: found again in a later pass, it is looked at again, should the first try have been given up.
    id: `found:${repositoryKey(doors.host.githubHost, ref)}:${found.what}:${detail}:${doors.clock.nowMs()}`,
    event: foundEvent,
    payload: JSON.stringify({ repository: { full_name: `${ref.owner}/${ref.name}` }, ...place, ref, found }),
  });
}

export async function applyFound(delivery: Delivery, doors: Doors): Promise<Applied> {
  const { ref: told, found } = FoundPayload.parse(JSON.parse(delivery.payload));
  const ref = await followRepository(told, { sure: false }, doors);
  if (ref === null) return 'done';
  switch (found.what) {
    case 'label':
      return applyLabel(ref, found.number, doors);
    case 'left':
      return applyLeft(ref, found.number, doors);
    case 'edit':
      return applyEdit(ref, found.number, doors);
    case 'pull-request':
      return applyPullRequest(ref, found.number, doors);
    case 'checks':
      await sendBackForCi(ref, found.headSha, doors);
      return 'done';
    case 'added':
      await onboardAll([ref], doors);
      return 'done';
    case 'command':
      await applyCommands({ ...found.source, ref }, doors);
      return 'done';
  }
}

/** The label as it stands on the issue now. */
export async function applyLabel(ref: RepositoryRef, number: number, doors: Doors): Promise<Applied> {
  const github = doors.github.repository(ref);
  const event = await github.labelEvent(number, startLabel);
  if (event === null) return 'done';
  const issue = await github.issue(number);
  if (issue.state === 'closed') return 'done';
  const known = await latestRun(doors.db, repositoryKey(doors.host.githubHost, ref), number);
  // Text edited after the label went on is not what the labeller saw: it waits for a new label (SPEC §3, Pinning).
  if (issue.lastEditedAtMs !== null && issue.lastEditedAtMs >= event.atMs) {
    if (known === null || known.request.labelledAtMs < event.atMs) await announceLateEdit(ref, number, doors);
    return 'done';
  }
  const { title, body, author } = issue;
  const label = { labeller: event.actor, labelledAtMs: event.atMs, cause: `label:${event.atMs}`, found: true };
  return startRun({ ref, number, title, body, author, ...label }, doors);
}

/** A label that is gone or an issue that is closed ends the attempt that was asked for before. */
async function applyLeft(ref: RepositoryRef, number: number, doors: Doors): Promise<Applied> {
  const left = await doors.github.repository(ref).leftEvent(number, startLabel);
  if (left === null) return 'done';
  if (left === 'gone') {
    const deed = { by: 'someone', atMs: Number.MAX_SAFE_INTEGER };
    return leaveRun(repositoryKey(doors.host.githubHost, ref), number, deed, 'deleted or moved the issue', doors);
  }
  const how = left.how === 'closed' ? 'closed the issue' : `took the label \`${startLabel}\` off`;
  const key = repositoryKey(doors.host.githubHost, ref);
  return leaveRun(key, number, { by: left.actor, atMs: left.atMs }, how, doors);
}

async function applyEdit(ref: RepositoryRef, number: number, doors: Doors): Promise<Applied> {
  const issue = await doors.github.repository(ref).issue(number);
  if (issue.lastEditedAtMs === null) return 'done';
  const deed = { by: issue.editor ?? 'ghost', atMs: issue.lastEditedAtMs, cause: `edit:${issue.lastEditedAtMs}` };
  return issueEdited(repositoryKey(doors.host.githubHost, ref), issue, deed, doors);
}

async function applyPullRequest(ref: RepositoryRef, number: number, doors: Doors): Promise<Applied> {
  const run = await runByPullRequest(doors.db, repositoryKey(doors.host.githubHost, ref), number);
  const pull = await doors.github.repository(ref).pullRequest(number);
  if (!run) return 'done';
  if (pull.state === 'open') return pullRequestReopened(run, 'someone', doors);
  // Closed before the attempt that is to open it again.
  if (!pull.merged && (pull.closedAtMs ?? 0) < (run.start.askedAtMs ?? 0)) return 'done';
  return pullRequestEnded(run, pull.merged, 'someone', doors);
}
