/** @jsxImportSource hono/jsx */
import { count, dollars, durationText } from '../report/phrases.ts';
import type { RunView } from './run-view.ts';

/** What the run took so far, beside what it may take. */
export function Numbers({ view: { numbers, spent, status } }: { view: RunView }) {
  const limits = status.walls?.limits;
  const cost = numbers.turns === 0 ? '–' : numbers.costUsd === null ? 'unknown' : dollars(numbers.costUsd);
  const { inputTokens, cachedInputTokens, outputTokens } = numbers;
  const most = (value: string | undefined) => (value === undefined ? '' : `of at most ${value}`);
  return (
    <dl class="tiles" aria-label="Spent">
      <Tile name="Rounds" value={count(numbers.rounds)} sub={most(limits && `${limits.rounds} an attempt`)} />
      <Tile name="Turns" value={count(numbers.turns)} sub={most(limits && `${count(limits.turns)} an attempt`)} />
      <Tile
        name="Tokens"
        value={count(inputTokens + outputTokens)}
        sub={`${count(inputTokens)} in, ${count(outputTokens)} out`}
        hint={`${count(cachedInputTokens)} of the input were cached`}
        part={limits && spent.tokens / limits.tokens}
      />
      <Tile
        name="Cost"
        value={cost}
        sub={
          spent.unpricedCalls > 0
            ? 'a model has no price in the policy'
            : `${dollars(spent.usd)} on the issue${limits?.dollars ? ` of ${dollars(limits.dollars)}` : ''}`
        }
        part={limits?.dollars ? spent.usd / limits.dollars : undefined}
      />
      <Tile
        name="Duration"
        value={durationText(numbers.durationMs)}
        sub={most(limits && `${limits.minutes} min an attempt`)}
      />
    </dl>
  );
}

interface TileFacts {
  name: string;
  value: string;
  sub: string;
  hint?: string;
  /** How much of what the issue may spend is gone, from 0 to 1. */
  part?: number | undefined;
}

function Tile({ name, value, sub, hint, part }: TileFacts) {
  return (
    <div {...(hint ? { title: hint } : {})}>
      <dt>{name}</dt>
      <dd>
        <span class="value">{value}</span>
        <span class="sub">{sub}</span>
        {part === undefined ? null : (
          <progress
            max="100"
            value={String(Math.round(100 * Math.min(1, part)))}
            aria-label={`${name}: part of the limit`}
          />
        )}
      </dd>
    </div>
  );
}
