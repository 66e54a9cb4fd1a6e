import type { Attempt } from '../attempt.ts';
import { MillwrightError } from '../errors.ts';
import { holds } from './intake.ts';

const decisionChars = 8_000;

/**
 * Issues and pull requests of this repository that the contract names (`#12`, or their addresses on this host).
 * Their text counts only if author and last editor may command (SPEC §6).
 */
export async function readDecisions({
  contract,
  github,
  walls,
  ref,
}: Pick<Attempt, 'contract' | 'github' | 'walls' | 'ref'>): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const reference of contract.context.decisions) {
    const number = issueNumber(reference, ref);
    if (number === null) continue;
    const issue = await orMissing(github.issue(number));
    if (issue === null) continue;
    const people = [issue.author, issue.editor ?? issue.author];
    const roles = await Promise.all(people.map((login) => github.roleOf(login)));
    if (roles.every((role) => holds(role, walls.roles.command)))
      found.set(reference, `${issue.title}\n\n${issue.body}`.slice(0, decisionChars));
  }
  return found;
}

function issueNumber(reference: string, ref: Attempt['ref']): number | null {
  const match =
    /^#(\d+)$/.exec(reference) ??
    new RegExp(`/${escapeRegExp(ref.owner)}/${escapeRegExp(ref.name)}/(?:issues|pull)/(\\d+)$`, 'i').exec(reference);
  return match ? Number(match[1]) : null;
}

const escapeRegExp = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

async function orMissing<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    // A number that names no issue: said to be missing. Anything else is the door's to retry.
    if (error instanceof MillwrightError && error.code === 'outside.repository-gone') return null;
    throw error;
  }
}
