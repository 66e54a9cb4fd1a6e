import { applyCommands } from './commands.ts';
import { pullRequestEnded, startRun } from './deliveries.ts';
import { type Doors, repositoryKey } from './doors.ts';
import { latestRun, listRuns, liveRun, requestCancel } from './engine/runs.ts';
import { asMillwrightError } from './errors.ts';
import type { RepositoryGitHub, RepositoryRef } from './github/github.ts';
import { startLabel } from './labels.ts';
import type { Run } from './run.ts';
import { showStatus } from './status.ts';

/** How far back a pass looks for failed deliveries and comments: GitHub keeps deliveries for days, a pass runs every few minutes. */
const lookBackMs = 24 * 60 * 60_000;
const labelSlackMs = 2_000;

/**
 * Finds what no delivery told of: labelled issues, removed labels, commands, closed pull requests; and asks GitHub for
 * failed deliveries. Everything it does is keyed as if the delivery had come, so both may happen.
 */
export async function reconcile(doors: Doors): Promise<void> {
  const since = doors.clock.nowMs() - lookBackMs;
  await doors.github.redeliverFailed(since).catch((error) => {
    // Hosts without the deliveries API (and clock-skewed keys) must not keep the rest from being found.
    doors.log.warn({ err: asMillwrightError(error) }, 'failed deliveries could not be asked for again');
  });
  for (const ref of await doors.github.installedRepositories()) {
    try {
      await reconcileRepository(ref, since, doors);
    } catch (error) {
      doors.log.error(
        { err: asMillwrightError(error), repository: `${ref.owner}/${ref.name}` },
        'a repository could not be reconciled; the next pass tries again',
      );
    }
  }
}

async function reconcileRepository(ref: RepositoryRef, sinceMs: number, doors: Doors): Promise<void> {
  const key = repositoryKey(doors.host.githubHost, ref);
  const github = doors.github.repository(ref);
  await findLabelled(ref, key, github, doors);
  const runs = await listRuns(doors.db, { repository: key, limit: 1000 });
  for (const run of runs) {
    if (run.endedAtMs !== null && run.outcome?.code !== 'review') continue;
    await findLeft(run, github, doors);
    await findPullRequestEnd(run, github, doors);
  }
  for (const run of runs.filter((run) => run.updatedAtMs > sinceMs))
    await findCommands(run, ref, sinceMs, github, doors);
}

async function findLabelled(ref: RepositoryRef, key: string, github: RepositoryGitHub, doors: Doors): Promise<void> {
  for (const issue of await github.openIssues(startLabel)) {
    if (await liveRun(doors.db, key, issue.number)) continue;
    const event = await github.labelEvent(issue.number, startLabel);
    if (!event) continue;
    const known = await latestRun(doors.db, key, issue.number);
    // The label's moment is told to the second, by the event and by the delivery a little apart.
    if (known && known.request.labelledAtMs + labelSlackMs >= event.atMs) continue;
    // Text edited after the label went on is not what the labeller saw: it waits for a new label (SPEC §3, Pinning).
    if (issue.lastEditedAtMs !== null && issue.lastEditedAtMs >= event.atMs) continue;
    await startRun(
      {
        ref,
        number: issue.number,
        title: issue.title,
        body: issue.body,
        author: issue.author,
        labeller: event.actor,
        labelledAtMs: event.atMs,
      },
      doors,
    );
  }
}

/** A label that is gone or an issue that is closed ends a live run, by whoever did it: nobody is named. */
async function findLeft(run: Run, github: RepositoryGitHub, doors: Doors): Promise<void> {
  if (run.endedAtMs !== null) return;
  const issue = await github.issue(run.issue);
  const reason =
    issue.state === 'closed'
      ? 'the issue was closed'
      : issue.labels.includes(startLabel)
        ? null
        : `the label \`${startLabel}\` was taken off`;
  if (reason && (await requestCancel(doors.db, run.id, { by: run.request.labeller, reason })) === 'stopped')
    await showStatus(run, doors);
}

async function findPullRequestEnd(run: Run, github: RepositoryGitHub, doors: Doors): Promise<void> {
  if (run.pullRequest === null) return;
  const pull = await github.pullRequest(run.pullRequest);
  if (pull.state === 'closed') await pullRequestEnded(run, pull.merged, 'someone', doors);
}

async function findCommands(
  run: Run,
  ref: RepositoryRef,
  sinceMs: number,
  github: RepositoryGitHub,
  doors: Doors,
): Promise<void> {
  const places = [
    { number: run.issue, onPullRequest: false },
    ...(run.pullRequest === null ? [] : [{ number: run.pullRequest, onPullRequest: true }]),
  ];
  for (const place of places) {
    for (const comment of await github.comments(place.number, sinceMs)) {
      if (comment.edited || comment.createdAtMs < run.createdAtMs) continue;
      await applyCommands(
        {
          ref,
          ...place,
          author: comment.author,
          authorIsBot: comment.authorIsBot,
          body: comment.body,
          reactTo: { kind: 'comment', id: comment.id },
          key: `comment:${comment.id}`,
          writtenAtMs: comment.createdAtMs,
        },
        doors,
      );
    }
  }
}
