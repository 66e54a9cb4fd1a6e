import { z } from 'zod';
import type { Attempt } from '../attempt.ts';
import type { ReviewFacts } from '../github/github.ts';
import { hearing } from './threads.ts';

/** Longest text of one review that is handed on, in characters. */
const reviewChars = 4_000;
/** Event that keeps which reviews an attempt has heard. */
export const heardKind = 'guidance.reviews';
const Heard = z.object({ ids: z.array(z.number()) });

/**
 * What people say for this attempt: the words of `/retry`, and the reviews of the pull request that no earlier attempt
 * has heard (`earlier`: their events of `heardKind`). Only of people who may command, as authors and as last editors; the rest is counted, not shown (SPEC §6).
 */
export async function guidanceOf(
  attempt: Pick<Attempt, 'run' | 'github' | 'walls' | 'record'>,
  earlier: readonly { attempt: number; data: unknown }[],
): Promise<string | null> {
  const { run, github, walls } = attempt;
  // What checks of others say comes as feedback: nobody who may steer wrote it.
  if (run.start.reason === 'ci') return null;
  const parts = run.start.guidance === null ? [] : [run.start.guidance];
  if (run.pullRequest === null || run.start.reason !== 'retry') return parts[0] ?? null;
  const heard = earlier.filter((event) => event.attempt < run.attempt).flatMap((event) => Heard.parse(event.data).ids);
  const reviews = (await github.reviews(run.pullRequest)).filter(
    (review) => isWish(review) && !heard.includes(review.id),
  );
  const mayCommand = hearing(attempt);
  let unheard = 0;
  for (const review of reviews) {
    const lines: string[] = [];
    if (review.body !== '' && (await mayCommand(review.author, review.editor))) lines.push(review.body);
    else if (review.body !== '') unheard += 1;
    for (const comment of review.comments) {
      const place = `${comment.path}${comment.line === null ? '' : `:${comment.line}`}`;
      if (await mayCommand(comment.author, comment.editor)) lines.push(`${place}: ${comment.body}`);
      else unheard += 1;
    }
    if (lines.length > 0) parts.push([`Review by ${review.author}:`, ...lines].join('\n').slice(0, reviewChars));
  }
  if (unheard > 0)
    parts.push(`${unheard} texts of people without the role ${walls.roles.command} in reviews are left out.`);
  await attempt.record(heardKind, { ids: reviews.map(({ id }) => id) });
  return parts.length === 0 ? null : parts.join('\n\n');
}

const isWish = ({ state, comments }: ReviewFacts) =>
  state === 'changes-requested' || (state === 'commented' && comments.length > 0);
