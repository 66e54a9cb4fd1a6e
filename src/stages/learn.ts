import { z } from 'zod';
import type { Attempt } from '../attempt.ts';
import type { RunNumbers } from '../report/facts.ts';
import type { Verdict } from '../verification/verdict.ts';

/** The record of an ended attempt: outcome, where it was sent back and why, rework, spend (SPEC §9). */
export const LearnResult = z.object({
  outcome: z.string(),
  /** One entry for each time that verification sent the work back or stopped it. */
  sentBack: z.array(z.object({ round: z.number(), findings: z.array(z.string()) })),
  rounds: z.number(),
  turns: z.number(),
  tokens: z.number(),
  costUsd: z.number().nullable(),
  durationMs: z.number(),
});
export type LearnResult = z.infer<typeof LearnResult>;

/** Stage 7: writes the record that metrics and lessons are drawn from. Runs for every end, good or bad. */
export async function learn(
  attempt: Pick<Attempt, 'record'>,
  outcome: string,
  verdicts: readonly Verdict[],
  numbers: RunNumbers,
): Promise<LearnResult> {
  const result: LearnResult = {
    outcome,
    sentBack: verdicts.flatMap((verdict, index) =>
      verdict.next === 'open'
        ? []
        : [
            {
              round: index + 1,
              findings: verdict.findings.filter((finding) => finding.next !== 'none').map((finding) => finding.name),
            },
          ],
    ),
    rounds: numbers.rounds,
    turns: numbers.turns,
    tokens: numbers.inputTokens + numbers.outputTokens,
    costUsd: numbers.costUsd,
    durationMs: numbers.durationMs,
  };
  await attempt.record('learn.record', result);
  return result;
}
