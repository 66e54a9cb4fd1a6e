import { z } from 'zod';
import type { Doors } from './doors.ts';
import { eventsOf } from './engine/ledger.ts';
import { noNumbers, type RunNumbers } from './report/facts.ts';
import type { Run } from './run.ts';

const call = z.object({
  usage: z.object({ inputTokens: z.number(), cachedInputTokens: z.number(), outputTokens: z.number() }),
  costUsd: z.number().nullish(),
  stablePrefix: z.number().nullish(),
});
const entered = z.object({ stage: z.string() });

/** What a run took so far, over all its attempts, from its ledger. */
export async function runNumbers(run: Run, { db }: Pick<Doors, 'db'>): Promise<RunNumbers> {
  const events = await eventsOf(db, run.id, { kinds: ['model.call', 'stage', 'run.state'], limit: 100_000 });
  const numbers: RunNumbers = { ...noNumbers };
  const repeated = { tokens: 0, of: 0 };
  for (const event of events) {
    if (event.kind === 'stage' && entered.safeParse(event.data).data?.stage === 'build') numbers.rounds += 1;
    if (event.kind !== 'model.call') continue;
    const made = call.parse(event.data);
    numbers.turns += 1;
    numbers.inputTokens += made.usage.inputTokens;
    numbers.cachedInputTokens += made.usage.cachedInputTokens;
    numbers.outputTokens += made.usage.outputTokens;
    if (typeof made.stablePrefix === 'number') {
      repeated.tokens += made.stablePrefix * made.usage.inputTokens;
      repeated.of += made.usage.inputTokens;
    }
    // One call without a known price leaves the sum unknown.
    numbers.costUsd =
      numbers.costUsd === null || made.costUsd === null || made.costUsd === undefined
        ? null
        : numbers.costUsd + made.costUsd;
  }
  if (repeated.of > 0) numbers.stablePrefix = repeated.tokens / repeated.of;
  const last = events.at(-1);
  const first = events.find((event) => event.attempt === run.attempt);
  numbers.durationMs = first && last ? last.atMs - first.atMs : 0;
  return numbers;
}
