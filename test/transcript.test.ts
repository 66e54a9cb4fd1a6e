import { afterEach, beforeEach, expect, test } from 'vitest';
import { createBudget } from '../src/agent/budget.ts';
import { type AgentRequest, runAgent } from '../src/agent/loop.ts';
import { systemClock } from '../src/clock.ts';
import { append } from '../src/engine/ledger.ts';
import { enqueueRun } from '../src/engine/runs.ts';
import { type Said, transcriptOf } from '../src/transcript.ts';
import { someContract, someWalls } from './agent/task.ts';
import { FolderSandbox } from './doubles/sandbox.ts';
import { calling, ScriptedModel, type ScriptedReply, toolCall } from './doubles/scripted-model.ts';
import { newRun } from './support/new-run.ts';
import { openSqliteStore, type TestStore } from './support/stores.ts';

let store: TestStore;
let runId: string;
let sandbox: FolderSandbox;

beforeEach(async () => {
  store = await openSqliteStore();
  runId = (await enqueueRun(store.db, newRun(1))).run.id;
  sandbox = await FolderSandbox.open({ 'src/a.js': 'let a;\n', 'big.txt': 'line of text\n'.repeat(20_000) });
});
afterEach(async () => {
  await sandbox[Symbol.asyncDispose]();
  await store.remove();
});

async function round(replies: ScriptedReply[], change: Partial<AgentRequest> = {}) {
  const model = new ScriptedModel(...replies);
  const request: AgentRequest = {
    contract: someContract(),
    walls: someWalls(),
    model: { name: 'gpt-4.1', effort: null },
    briefing: [{ heading: 'notes.md', text: 'The token is s3cret.' }],
    plan: 'Mend it.',
    feedback: null,
    guidance: null,
    conversation: null,
    ...change,
  };
  const result = await runAgent(
    request,
    {
      model,
      sandbox,
      clock: systemClock,
      budget: createBudget({ limits: { tokens: 10_000_000, dollars: null }, price: null }),
      record: ({ kind, data }) => append(store.db, { runId, kind, data }),
      mask: (text) => text.replaceAll('s3cret', '***'),
    },
    new AbortController().signal,
  );
  model.done();
  return { result, model };
}

const submit = calling('submit', { summary: 'Done.', criteria: [], assumptions: [] });

/** A transcript in the form of the messages that a model is sent. */
const asMessages = (said: readonly Said[]): object[] =>
  said.flatMap(({ by, text, calls }): object[] => {
    if (by === 'note') return [];
    if (by === 'model') return [{ role: 'assistant', text, calls: calls.map(({ argumentsText }) => argumentsText) }];
    return [{ role: by, text }];
  });

test('tells the whole conversation in order, over the rounds, as the model was sent it', async () => {
  const two = {
    text: 'I look.',
    toolCalls: [toolCall('run_command', { command: 'echo s3cret' }), toolCall('read_file', { path: 'src/a.js' })],
  };
  const first = await round([{ text: 'Hm.' }, two, submit]);
  const second = await round([calling('write_file', { path: 'src/a.js', content: 'let b;\n' }), submit], {
    conversation: first.result.conversation,
    feedback: 'unit failed: expected b',
  });

  const said = await transcriptOf(store.db, runId);

  const expected = second.result.conversation.map((message) => {
    if (message.role === 'assistant')
      return {
        role: 'assistant',
        text: message.text,
        calls: message.toolCalls.map(({ argumentsText }) => argumentsText),
      };
    return { role: message.role, text: message.text };
  });
  // The model's own words go back to it as it wrote them; the ledger masks them.
  expect(asMessages(said)).toEqual(JSON.parse(JSON.stringify(expected).replaceAll('s3cret', '***')));
  expect(said.filter(({ by }) => by === 'note').map(({ text }) => text)).toEqual([
    'A fresh conversation.',
    'The round ended: submitted',
    'A further round.',
    'The round ended: submitted',
  ]);
  expect(JSON.stringify(said)).not.toContain('s3cret');
});

test('says where old messages were shortened, and tells none of them twice', async () => {
  const reads = Array.from({ length: 14 }, (_, index) =>
    calling('read_file', { path: 'big.txt', start_line: index * 400 + 1 }),
  );
  await round([...reads, submit], { model: { name: 'gpt-4', effort: null } });

  const said = await transcriptOf(store.db, runId);

  expect(said.some(({ by, text }) => by === 'note' && /shortened/.test(text))).toBe(true);
  expect(said.filter(({ by }) => by === 'system')).toHaveLength(1);
  expect(said.filter(({ by, text }) => by === 'user' && text.includes('Carry out the contract'))).toHaveLength(1);
  expect(said.filter(({ by }) => by === 'tool')).toHaveLength(15);
});

test('stays readable where a reply is too long to keep whole', async () => {
  const content = 'x'.repeat(400_000);
  await round([calling('write_file', { path: 'src/b.js', content }), submit]);

  const said = await transcriptOf(store.db, runId);

  const [write] = said.filter(({ by }) => by === 'model');
  expect(write?.calls[0]?.name).toBe('write_file');
  expect(write?.calls[0]?.argumentsText).toMatch(/characters cut in the ledger/);
});
