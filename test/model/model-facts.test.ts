import { expect, test } from 'vitest';
import { createBreaker } from '../../src/model/breaker.ts';
import { contextWindow, defaultWindow, estimatePromptTokens, estimateTokens } from '../../src/model/context-window.ts';
import { jsonInText } from '../../src/model/json-text.ts';
import { retryAfterMs } from '../../src/model/model-failure.ts';
import { costUsd, worstCaseUsd } from '../../src/model/prices.ts';
import { hopefulTraits, learnFromRefusal } from '../../src/model/server-traits.ts';

const price = { inputPerMillion: 2, outputPerMillion: 8, cachedInputPerMillion: 0.5 };

test('cached input has its own price, or the full one when the table names none', () => {
  const usage = { inputTokens: 1_000_000, cachedInputTokens: 400_000, outputTokens: 100_000 };

  expect(costUsd(usage, price)).toBeCloseTo(1.2 + 0.2 + 0.8);
  expect(costUsd(usage, { inputPerMillion: 2, outputPerMillion: 8 })).toBeCloseTo(2.8);
});

test('the worst case is never below what a call costs', () => {
  for (const cached of [0, 500, 1_000]) {
    const usage = { inputTokens: 1_000, cachedInputTokens: cached, outputTokens: 100 };
    for (const cachedInputPerMillion of [0, 2, 5]) {
      const table = { ...price, cachedInputPerMillion };
      expect(worstCaseUsd(1_000, 100, table)).toBeGreaterThanOrEqual(costUsd(usage, table));
    }
  }
});

test.each([
  ['gpt-5.2', 400_000],
  ['openai/gpt-4.1-mini', 1_047_576],
  ['gpt-4o-2024-11-20', 128_000],
  ['gpt-4', 8_192],
  ['o3', 200_000],
  ['somebody/unheard-of', defaultWindow.windowTokens],
])('knows the window of %s', (model, tokens) => {
  expect(contextWindow(model).windowTokens).toBe(tokens);
});

test('estimates stay above four bytes a token, in any script', () => {
  expect(estimateTokens('a'.repeat(400))).toBeGreaterThan(100);
  expect(estimateTokens('漢字'.repeat(100))).toBeGreaterThanOrEqual(200);
  expect(estimatePromptTokens([{ role: 'user', text: '' }])).toBeGreaterThan(0);
});

test.each([
  [' {"a":1} ', '{"a":1}'],
  ['Sure:\n```json\n{"a":1}\n```\nDone.', '{"a":1}'],
  ['The answer is {"a":{"b":2}}, as asked.', '{"a":{"b":2}}'],
  ['no json here', null],
  ['{broken', null],
  ['', null],
])('finds the JSON in %j', (text, json) => {
  expect(jsonInText(text)).toBe(json);
});

test('a breaker opens after failures in a row, alerts once, and lets one probe through at a time', () => {
  let now = 0;
  const clock = { nowMs: () => 0, elapsedMs: () => now, sleep: async () => undefined };
  const breaker = createBreaker({ clock, threshold: 2, openMs: 1_000 });

  const alerts = [breaker.failed(), breaker.failed(), breaker.failed()];
  const closed = breaker.remainingMs();
  now = 1_500;
  const probes = [breaker.remainingMs(), breaker.remainingMs()];
  breaker.succeeded();

  expect(alerts).toEqual([false, true, false]);
  expect(closed).toBe(1_000);
  expect(probes).toEqual([0, 1_000]);
  expect(breaker.remainingMs()).toBe(0);
  expect([breaker.failed(), breaker.failed()]).toEqual([false, true]);
});

test.each([
  [{ 'retry-after': '3' }, 3_000],
  [{ 'retry-after-ms': '250', 'retry-after': '3' }, 250],
  [{ 'retry-after': 'Thu, 01 Jan 1970 00:00:10 GMT' }, 9_000],
  [{ 'retry-after': 'soon' }, null],
  [{}, null],
])('reads the pause out of %o', (headers, expected) => {
  expect(retryAfterMs(new Headers(headers as Record<string, string>), 1_000)).toBe(expected);
});

test('a server that rejects everything runs out of lessons', () => {
  const sent = { tools: true, schema: true, effort: true, outputTokens: 1_000 };
  const messages = [
    'stream',
    'parallel_tool_calls',
    'max_tokens max_completion_tokens',
    'reasoning',
    'json_schema',
    'tool',
    '?',
  ];

  for (const message of messages) {
    let traits: typeof hopefulTraits | null = hopefulTraits;
    let steps = 0;
    while (traits !== null && steps < 20) {
      traits = learnFromRefusal(traits, sent, { message, param: null, code: null });
      steps += 1;
    }
    expect(steps).toBeLessThan(9);
  }
});

test('takes half of what a window leaves as the output limit', () => {
  const message =
    "'max_tokens' is too large: 32768. This model's maximum context length is 8192 tokens and your request has 2192 input tokens";

  const learned = learnFromRefusal(
    hopefulTraits,
    { tools: false, schema: false, effort: false, outputTokens: 32_768 },
    { message, param: null, code: null },
  );

  expect(learned?.outputCap).toBe(3_000);
});
