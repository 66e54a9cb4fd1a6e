import type { Attempt } from '../attempt.ts';
import { holds } from './intake.ts';

/** Longest text of one review that is handed on, in characters. */
const reviewChars = 4_000;

/**
 * What people say for this attempt: the words of `/retry`, and reviews of the pull request since the last one.
 * Only of people who may command; the rest is counted, not shown (SPEC §6).
 */
export async function guidanceOf(attempt: Attempt): Promise<string | null> {
  const { run, github, walls } = attempt;
  const parts = run.start.guidance === null ? [] : [run.start.guidance];
  if (run.pullRequest !== null && run.start.reason === 'retry') {
    let unheard = 0;
    for (const review of await github.reviews(run.pullRequest)) {
      if (review.state !== 'changes-requested' && review.comments.length === 0) continue;
      if (!holds(await github.roleOf(review.author), walls.roles.command)) {
        unheard += 1;
        continue;
      }
      const lines = review.comments.map(
        (comment) => `${comment.path}${comment.line === null ? '' : `:${comment.line}`}: ${comment.body}`,
      );
      parts.push([`Review by ${review.author}:`, review.body, ...lines].join('\n').slice(0, reviewChars));
    }
    if (unheard > 0) parts.push(`${unheard} reviews of people without the role ${walls.roles.command} are left out.`);
  }
  return parts.length === 0 ? null : parts.join('\n\n');
}
