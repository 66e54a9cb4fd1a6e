import { type Doors, repositoryKey } from '../doors.ts';
import type { RepositoryGitHub, RepositoryRef } from '../github/github.ts';
import { decideLesson, lessonBranch, lessonByPullRequest, lessonsOf } from './lessons.ts';

/**
 * What became of a pull request of ours that proposes a lesson. By its number: a branch of that name in a fork is nobody's answer.
 * One whose number is not kept yet is looked up when it is published. Safe to call for any pull request, and again.
 */
export async function lessonPullChanged(
  ref: RepositoryRef,
  number: number,
  what: 'merged' | 'closed' | 'reopened',
  { db, host }: Pick<Doors, 'db' | 'host'>,
): Promise<void> {
  const lesson = await lessonByPullRequest(db, repositoryKey(host.githubHost, ref), number);
  if (lesson !== null) await decideLesson(db, lesson, what);
}

/** Merges and closes that no delivery told of. One call for each lesson whose pull request is not among the open ones. */
export async function findLessonEnds(
  ref: RepositoryRef,
  github: RepositoryGitHub,
  { db, host }: Pick<Doors, 'db' | 'host'>,
): Promise<void> {
  const lessons = await lessonsOf(db, repositoryKey(host.githubHost, ref), ['open']);
  if (lessons.length === 0) return;
  const open = new Set((await github.openPullRequests()).map(({ number }) => number));
  for (const lesson of lessons) {
    if (lesson.pullRequest === null || open.has(lesson.pullRequest)) continue;
    const pull = await github.pullRequest(lesson.pullRequest);
    if (pull.state === 'closed' && pull.headBranch === lessonBranch(lesson.id))
      await decideLesson(db, lesson, pull.merged ? 'merged' : 'closed');
  }
}
