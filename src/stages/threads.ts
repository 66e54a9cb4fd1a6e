import type { Attempt } from '../attempt.ts';
import { MillwrightError } from '../errors.ts';
import type { IssueFacts } from '../github/github.ts';
import { holds } from './intake.ts';

type Hearing = Pick<Attempt, 'github' | 'walls'>;

/** Longest text of one comment or review that is shown, in characters. */
const textChars = 6_000;

/** Whether a text counts: its author and its last editor hold `roles.command`. The rest is counted, not shown (SPEC §6). */
export function hearing({ github, walls }: Hearing): (author: string, editor: string | null) => Promise<boolean> {
  return async (author, editor) => {
    for (const login of new Set([author, editor ?? author]))
      if (!holds(await github.roleOf(login), walls.roles.command)) return false;
    return true;
  };
}

/**
 * An issue or pull request of this repository with its comments and reviews, as text for a prompt; all of it is data. Null when
 * there is none of that number. Errors: those of the GitHub door.
 */
export async function threadText(number: number, attempt: Hearing): Promise<string | null> {
  const issue = await orMissing(attempt.github.issue(number));
  if (issue === null) return null;
  const counts = hearing(attempt);
  const parts = await heardParts(issue, attempt, counts);
  const head = `${issue.isPullRequest ? 'Pull request' : 'Issue'} #${number}, ${issue.state}`;
  const { command } = attempt.walls.roles;
  const left =
    parts.unheard === 0 ? [] : [`${parts.unheard} texts of people without the role ${command} are left out.`];
  return [head, ...parts.texts, ...left].join('\n\n');
}

async function heardParts(issue: IssueFacts, { github }: Hearing, counts: ReturnType<typeof hearing>) {
  const texts: string[] = [];
  let unheard = 0;
  const add = async (head: string, author: string, editor: string | null, body: string) => {
    if (body.trim() === '') return;
    if (await counts(author, editor)) texts.push(`${head}\n${body.slice(0, textChars).toWellFormed()}`);
    else unheard += 1;
  };
  await add(`${issue.title}\nBy ${issue.author}:`, issue.author, issue.editor, issue.body || issue.title);
  for (const { author, editor, body } of await github.comments(issue.number))
    await add(`Comment by ${author}:`, author, editor, body);
  for (const review of issue.isPullRequest ? await github.reviews(issue.number) : []) {
    await add(`Review by ${review.author} (${review.state}):`, review.author, review.editor, review.body);
    for (const { author, editor, path, line, body } of review.comments)
      await add(`Comment by ${author} on ${path}${line === null ? '' : `:${line}`}:`, author, editor, body);
  }
  return { texts, unheard };
}

async function orMissing<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    // A number that names no issue: said to be missing. Anything else is the door's to retry.
    if (error instanceof MillwrightError && error.code === 'outside.repository-gone') return null;
    throw error;
  }
}
