import { z } from 'zod';
import type { RunNumbers } from '../report/facts.ts';
import type { Run } from '../run.ts';
import type { Verdict } from '../verification/verdict.ts';

/** The record of an ended attempt: where it was sent back and why, rework, times, spend (SPEC §9). Counts and times are of the whole run so far. */
export const LearnResult = z.object({
  stage: z.string(),
  /** One entry for each time that verification sent this attempt back or stopped it. */
  sentBack: z.array(z.object({ round: z.number(), findings: z.array(z.string()) })),
  rounds: z.number(),
  /** Times that work was done again: rounds after a verdict, and attempts after `/retry` or failing CI. */
  rework: z.number(),
  /** Whether verification has judged anything. */
  judged: z.boolean(),
  firstRoundPass: z.boolean(),
  /** From the label to the first patch that verification lets through. */
  patchMs: z.number().nullable(),
  /** From the opened pull request to its merge or close. */
  reviewMs: z.number().nullable(),
  turns: z.number(),
  tokens: z.number(),
  /** Null when a call has no known price. */
  costUsd: z.number().nullable(),
});
export type LearnResult = z.infer<typeof LearnResult>;

interface SavedVerdict {
  name: string;
  attempt: number;
  savedAtMs: number;
  value: Pick<Verdict, 'next' | 'findings'>;
}

export interface LearnNeeds {
  run: Pick<Run, 'createdAtMs' | 'stage'>;
  attempt: number;
  /** `run.state` events of the run, oldest first. */
  events: readonly { attempt: number; atMs: number; data: unknown }[];
  /** Of all attempts, oldest first; those that an attempt took over from the one before come twice. */
  verdicts: readonly SavedVerdict[];
  numbers: RunNumbers;
}

const StateChange = z.looseObject({
  state: z.string(),
  reason: z.string().nullish(),
  outcome: z.looseObject({ code: z.string() }).nullish(),
});

/** Stage 7: what one attempt came to, good or bad, as metrics and lessons are drawn from it. Pure. */
export function learn({ run, attempt, events, verdicts, numbers }: LearnNeeds): LearnResult {
  const judged = firstOfEach(verdicts.filter((verdict) => verdict.attempt <= attempt));
  const changes = events.flatMap((event) => {
    const change = event.attempt <= attempt ? StateChange.safeParse(event.data) : null;
    return change?.success ? [{ ...change.data, atMs: event.atMs }] : [];
  });
  const useful = judged.find(({ value }) => value.next === 'open');
  const opened = changes.find(({ outcome }) => outcome?.code === 'review');
  const left = changes.findLast(({ outcome }) => outcome?.code === 'merged' || outcome?.code === 'closed');
  const again = changes.filter(({ state, reason }) => state === 'queued' && (reason === 'retry' || reason === 'ci'));
  return {
    stage: run.stage,
    sentBack: sentBackOf(judged.filter((verdict) => verdict.attempt === attempt)),
    rounds: numbers.rounds,
    rework: judged.filter(({ value }) => value.next === 'build').length + again.length,
    judged: judged.length > 0,
    firstRoundPass: judged[0]?.value.next === 'open',
    patchMs: useful === undefined ? null : Math.max(0, useful.savedAtMs - run.createdAtMs),
    reviewMs: opened && left && left.atMs >= opened.atMs ? left.atMs - opened.atMs : null,
    turns: numbers.turns,
    tokens: numbers.inputTokens + numbers.outputTokens,
    costUsd: numbers.costUsd,
  };
}

/** Without the copies that a later attempt holds of an earlier one's. */
function firstOfEach(verdicts: readonly SavedVerdict[]): SavedVerdict[] {
  const seen = new Set<string>();
  return verdicts.filter(({ name, savedAtMs }) => {
    const key = `${name}/${savedAtMs}`;
    return !seen.has(key) && seen.add(key);
  });
}

function sentBackOf(verdicts: readonly SavedVerdict[]): LearnResult['sentBack'] {
  return verdicts.flatMap(({ value }, index) =>
    value.next === 'open'
      ? []
      : [{ round: index + 1, findings: value.findings.filter(({ next }) => next !== 'none').map(({ name }) => name) }],
  );
}
