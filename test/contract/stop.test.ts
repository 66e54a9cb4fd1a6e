import { describe, expect, test } from 'vitest';
import type { Contract } from '../../src/contract/contract.ts';
import { problemsOf, read, withPart } from './reading.ts';

describe('limits of a stop condition', () => {
  const stopOf = (text: string) => read(withPart(`## Stop condition\n\n${text}`)).stop;

  test.each<[string, Contract['stop']['limits']]>([
    ['max minutes: 30', { minutes: 30 }],
    ['max minutes 30', { minutes: 30 }],
    ['max minutes - 30', { minutes: 30 }],
    ['- **max minutes:** 30', { minutes: 30 }],
    ['- max turns: `40`', { turns: 40 }],
    ['- **max turns**: **40**.', { turns: 40 }],
    ['Max_Turns = 40', { turns: 40 }],
    ['maxTurns: 40', { turns: 40 }],
    ['maximum rounds: 2', { rounds: 2 }],
    ['max minutes: 30 minutes', { minutes: 30 }],
    ['max minutes: 45m', { minutes: 45 }],
    ['max minutes: 2 hours', { minutes: 120 }],
    ['max minutes: 90s', { minutes: 1.5 }],
    ['max tokens: 200k', { tokens: 200_000 }],
    ['max tokens: 200 k', { tokens: 200_000 }],
    ['max tokens: 200 000', { tokens: 200_000 }],
    ['max tokens: 200,000 tokens', { tokens: 200_000 }],
    ['max tokens: 1.5M', { tokens: 1_500_000 }],
    ['max tokens: 1 million', { tokens: 1_000_000 }],
    ['max dollars: $3', { dollars: 3 }],
    ['max dollars: 2.50 USD', { dollars: 2.5 }],
    ['max dollars: .5', { dollars: 0.5 }],
    ['max dollars: 3$', { dollars: 3 }],
    ['max files: ≤ 10', { files: 10 }],
    ['max lines: 500 lines', { lines: 500 }],
    ['max turns: 40, max files: 5; max lines: 90', { turns: 40, files: 5, lines: 90 }],
    ['max turns: 40 / max files: 5 and max lines: 90', { turns: 40, files: 5, lines: 90 }],
    ['max 30 minutes', { minutes: 30 }],
    ['- max 2 hours, max 200k tokens', { minutes: 120, tokens: 200_000 }],
    ['max of 3 files', { files: 3 }],
    ['max. 1 round', { rounds: 1 }],
    ['max $3', { dollars: 3 }],
  ])('are read from %j, which is no text then', (text, limits) => {
    expect(stopOf(text)).toEqual({ text: '', limits });
  });

  test.each<[string, Contract['stop']['limits']]>([
    ['Stop after max turns: 40 or when the schema has to change.', { turns: 40 }],
    ['max turns: 40 (about an hour)', { turns: 40 }],
    ['Stop if a function needs more than max 40 lines.', {}],
    ['Stop if max retries 3 is reached.', {}],
    ['Stop if `maxLines: 5` has to change.', {}],
    ['Stop once `max connections: 100` would have to change.', {}],
    ['At most a handful of files.', {}],
  ])('stand in words that are kept: %j', (text, limits) => {
    expect(stopOf(text)).toEqual({ text, limits });
    expect(problemsOf(`## Stop condition\n\n${text}`)).toEqual([]);
  });

  test.each([
    ['max turns: many', 'max turns: many'],
    ['max hours: 2', 'max hours: 2'],
    ['max files: 0', 'max files: 0'],
    ['max turns: 2.5', 'max turns: 2.5'],
    ['max turns: -3', 'max turns: -3'],
    ['max dollars: 2,50', 'max dollars: 2,50'],
    ['max minutes: 30x', 'max minutes: 30x'],
    ['max turns: 5%', 'max turns: 5%'],
    ['max minutes/turns: 30/40', 'max minutes/turns: 30/40'],
    ['max changed files: 3', 'max changed files: 3'],
  ])('that cannot be understood are reported: %j', (line, text) => {
    expect(problemsOf(`## Stop condition\n\nStop if unsure.\n${line}`)).toEqual([
      { field: 'Stop condition', line: 12, text, blocking: true },
    ]);
  });

  test('named twice with different numbers are reported, and with the same are one', () => {
    expect(stopOf('max turns: 40\nmax 40 turns').limits).toEqual({ turns: 40 });
    expect(problemsOf('## Stop condition\n\nmax turns: 40\nmax turns: 30')).toMatchObject([{ text: 'max turns: 30' }]);
  });
});
