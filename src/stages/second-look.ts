import { z } from 'zod';
import { askForShape } from '../agent/ask-for-shape.ts';
import { reviewMessages } from '../agent/prompts.ts';
import { ReviewShape } from '../agent/shapes.ts';
import type { Attempt } from '../attempt.ts';
import type { Doors } from '../doors.ts';
import { MillwrightError } from '../errors.ts';
import type { SecondLookFinding } from '../report/facts.ts';
import type { Verdict } from '../verification/verdict.ts';
import { evidenceParts } from './evidence-parts.ts';

/** Longest diff that the second look is shown. */
const diffChars = 60_000;

/** Event of the ledger that keeps what the second look found: findings that come back run after run are candidates for a lesson. */
export const secondLookEvent = 'review.findings';
export const SecondLook = z.object({
  findings: z.array(z.object({ path: z.string(), line: z.number().nullable(), consequence: z.string() })),
});
export type SecondLook = z.infer<typeof SecondLook>;

/** The second look informs, it never decides: without an answer the pull request goes out without it. */
export async function lookAgain(
  verdict: Verdict,
  attempt: Attempt,
  { git }: Pick<Doors, 'git'>,
): Promise<SecondLookFinding[]> {
  const { walls, contract, nonce, mask, signal } = attempt;
  if (walls.limits.findings === 0) return [];
  const { name, effort, door } = attempt.model('review');
  const { text, files } = await git.diff(attempt.repository, attempt.base.commit, verdict.tree);
  const messages = reviewMessages({
    contract,
    diff:
      text.length > diffChars ? `${text.slice(0, diffChars)}\n… cut: ${text.length - diffChars} more characters` : text,
    evidence: evidenceParts(verdict),
    findings: walls.limits.findings,
    nonce,
    mask,
  });
  try {
    const answer = await askForShape(door, { model: name, effort, messages, name: 'review', signal }, ReviewShape);
    if (!answer.ok) return [];
    const paths = new Set(files.flatMap(({ path, from }) => (from === undefined ? [path] : [path, from])));
    const findings = answer.value.findings
      // A finding about another file, or without a consequence, is a guess.
      .filter(({ file, consequence }) => paths.has(file) && consequence.trim() !== '')
      .slice(0, walls.limits.findings)
      .map(({ file, line, message, consequence }) => ({
        path: mask(file),
        line: line !== null && Number.isInteger(line) && line > 0 ? line : null,
        consequence: mask(`${message} ${consequence}`.trim()),
      }));
    await attempt.record(secondLookEvent, { findings } satisfies SecondLook);
    return findings;
  } catch (error) {
    if (signal.aborted || !(error instanceof MillwrightError)) throw error;
    await attempt.record('review.second-look', { code: error.code });
    return [];
  }
}
