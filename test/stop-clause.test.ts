import { expect, test } from 'vitest';
import { MillwrightError } from '../src/errors.ts';
import { failedOutcome, reachedText } from '../src/stop-clause.ts';
import { someWalls } from './agent/task.ts';

const at = (asked: Record<string, number>, limits: Parameters<typeof someWalls>[0]) => ({
  contract: { stop: { limits: asked } },
  walls: someWalls(limits),
});

test.each(['minutes', 'turns', 'rounds', 'tokens', 'dollars'] as const)(
  'a stop condition for %s that was reached is named as it stands in the contract',
  (name) => {
    const text = reachedText(`limits.${name}`, at({ [name]: 3 }, { limits: { [name]: 3 } }));

    expect(text).toBe(`The stop condition of the contract was reached: max ${name}: 3 (limits.${name}).`);
  },
);

test('where the policy is narrower than the stop condition, or there is none, the key of the policy is named', () => {
  expect(reachedText('limits.turns', at({ turns: 9 }, { limits: { turns: 5 } }))).toBe(
    'The limit limits.turns (5) was reached.',
  );
  expect(reachedText('limits.turns', at({}, { limits: { turns: 5 } }))).toBe('The limit limits.turns (5) was reached.');
  expect(reachedText('budget.dollars_per_day', at({ dollars: 9 }, {}))).toBe(
    'The limit budget.dollars_per_day was reached.',
  );
});

test('a limit that ended a run outside of a turn is named in its sentence; other details are output', () => {
  const failed = (detail?: string) =>
    failedOutcome(new MillwrightError('limit.dollars', detail === undefined ? {} : { detail }));

  expect(failed('budget.dollars_per_issue')).toEqual({
    code: 'limit.dollars',
    text: 'The money limit was reached: budget.dollars_per_issue.',
    question: null,
    detail: null,
  });
  expect(failed('a line\nof output')).toMatchObject({
    text: 'The money limit was reached.',
    detail: 'a line\nof output',
  });
  expect(failed()).toMatchObject({ detail: null });
});
