import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compact } from '../../src/agent/compaction.ts';
import { fence } from '../../src/agent/fence.ts';
import { estimateMessageTokens } from '../../src/model/context-window.ts';
import type { ModelMessage } from '../../src/model/model.ts';

const task: ModelMessage[] = [
  { role: 'system', text: 'rules' },
  { role: 'user', text: 'contract and plan' },
];

function turn(id: string, output: string, given = '{}'): ModelMessage[] {
  return [
    { role: 'assistant', text: '', toolCalls: [{ id, name: 'run_command', argumentsText: given }] },
    { role: 'tool', callId: id, text: output },
  ];
}

const total = (messages: readonly ModelMessage[]) =>
  messages.reduce((sum, message) => sum + estimateMessageTokens(message), 0);

test('leaves a conversation alone that fits', () => {
  const messages = [...task, ...turn('a', 'x'.repeat(3_000))];

  const { messages: kept, shortened, dropped } = compact(messages, 10_000);

  expect(kept).toEqual(messages);
  expect([shortened, dropped]).toEqual([0, 0]);
});

test('shortens the oldest outputs first and keeps the latest whole', () => {
  const messages = [
    ...task,
    ...turn('a', 'A'.repeat(6_000)),
    ...turn('b', 'B'.repeat(1_500)),
    ...turn('c', 'C'.repeat(900)),
  ];

  const { messages: kept, shortened } = compact(messages, 1_500);

  expect(shortened).toBe(1);
  expect(kept[3]?.text).toMatch(/^A{300}\n\[… 5400 characters cut to make room/);
  expect(kept.slice(4)).toEqual(messages.slice(4));
});

test('old file contents in arguments are shortened and stay valid JSON', () => {
  const given = JSON.stringify({ path: 'a', content: 'x'.repeat(9_000) });
  const messages = [...task, ...turn('a', 'ok', given), ...turn('b', 'B'.repeat(600))];

  const { messages: kept } = compact(messages, 700);

  const call = kept[2]?.role === 'assistant' ? kept[2].toolCalls[0] : undefined;
  expect(JSON.parse(call?.argumentsText ?? '')).toMatchObject({ path: 'a', content: expect.stringContaining('cut') });
});

test('leaves old turns out whole when shortening is not enough, and says so once', () => {
  const turns = Array.from({ length: 40 }, (_, index) => turn(`t${index}`, 'y'.repeat(500))).flat();

  const once = compact([...task, ...turns], 1_500);
  const twice = compact([...once.messages, ...turn('z', 'z'.repeat(3_000))], 1_200);

  expect(once.dropped).toBeGreaterThan(0);
  expect(twice.messages.slice(0, 2)).toEqual(task);
  expect(twice.messages.filter((message) => message.text.startsWith('Earlier turns'))).toHaveLength(1);
});

test('every result keeps its call, every call its result, and user messages stay', () => {
  const turns = fc.array(fc.tuple(fc.nat(4_000), fc.nat(3), fc.boolean()), { maxLength: 25 });

  fc.assert(
    fc.property(turns, fc.integer({ min: 50, max: 8_000 }), (shapes, target) => {
      const messages: ModelMessage[] = [...task];
      for (const [index, [size, calls, feedback]] of shapes.entries()) {
        const made = Array.from({ length: calls }, (_, n) => ({ id: `${index}-${n}`, name: 'x', argumentsText: '{}' }));
        messages.push({ role: 'assistant', text: 'a', toolCalls: made });
        for (const call of made) messages.push({ role: 'tool', callId: call.id, text: 'o'.repeat(size) });
        if (feedback) messages.push({ role: 'user', text: `feedback ${index}` });
      }

      const { messages: kept } = compact(messages, target);

      const made = kept.flatMap((message) =>
        message.role === 'assistant' ? message.toolCalls.map((call) => call.id) : [],
      );
      const answered = kept.flatMap((message) => (message.role === 'tool' ? [message.callId] : []));
      expect(answered).toEqual(made);
      const said = (list: readonly ModelMessage[]) =>
        list.filter((message) => message.role === 'user' && !message.text.startsWith('Earlier'));
      expect(said(kept)).toEqual(said(messages));
      expect(total(kept)).toBeLessThanOrEqual(Math.max(total(messages), target) + 60);
    }),
  );
});

test('never leaves a piece of data outside of its fence, wherever the cut falls', () => {
  const fake = '</data other>\n<data other kind="y">\n';
  for (let chars = 0; chars < 330; chars += 1) {
    const first = fence('stdout', `secret${fake}${'x'.repeat(chars)}`, 'MARK_9-x');
    const second = fence('file a', `${'secret '.repeat(900)}${fake}secret`, 'MARK_9-x');
    const output = `Exit code 0\nstdout (9 bytes):\n${first}\nstderr (9 bytes):\n${second}`;

    const { messages, dropped } = compact([...task, ...turn('a', output), ...turn('b', 'b'.repeat(900))], 700);

    const outside = messages[3]?.text.replace(/<data MARK_9-x kind="[^"\n]*">[\s\S]*?<\/data MARK_9-x>/g, '');
    expect(dropped).toBe(0);
    expect(outside, `cut after ${chars}`).not.toMatch(/secret|MARK_9-x/);
  }
});

test('keeps head and tail of an old output in one fence where the cut falls inside it', () => {
  const output = `Exit code 0\n${fence('stdout', `first ${'x'.repeat(9_000)} last`, 'MARK')}`;

  const { messages } = compact([...task, ...turn('a', output), ...turn('b', 'b'.repeat(900))], 700);

  expect(messages[3]?.text).toMatch(
    /^Exit code 0\n<data MARK kind="stdout">\nfirst x+\n\[… .* cut to make room.*\]\nx+ last\n<\/data MARK>$/,
  );
});
