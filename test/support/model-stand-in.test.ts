import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import OpenAI from 'openai';
import { afterEach, expect, test } from 'vitest';
import { z } from 'zod';
import { PlanShape, ReviewShape } from '../../src/agent/shapes.ts';
import { demoModel } from './demo-model.ts';
import { type ModelScript, type ModelStandIn, startModel } from './model-stand-in.ts';

const run = promisify(execFile);
const project = path.join(import.meta.dirname, '../fixtures/sample-project');
const usage = { promptTokens: 100, cachedTokens: 64, completionTokens: 7 };
let model: ModelStandIn;
const clean: (() => Promise<void>)[] = [];

afterEach(async () => {
  await model.close();
  for (const next of clean.splice(0)) await next();
});

async function client(script: ModelScript): Promise<OpenAI> {
  model = await startModel(script);
  return new OpenAI({ baseURL: model.url, apiKey: model.apiKey, maxRetries: 0 });
}

const question = { model: 'stand-in', messages: [{ role: 'user' as const, content: 'Hello' }] };

test('the real client reads text, tool calls and usage, streamed and at once', async () => {
  const reply = {
    text: 'I look into the file first, then I run the tests.',
    toolCalls: [{ name: 'read_file', arguments: { path: 'src/a.js' } }],
    usage,
  };
  const openai = await client([reply, reply]);

  const whole = await openai.chat.completions.create(question);
  const streamed = await openai.chat.completions
    .stream({ ...question, stream_options: { include_usage: true } })
    .finalChatCompletion();

  for (const answer of [whole, streamed]) {
    expect(answer.choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: {
        content: reply.text,
        tool_calls: [{ function: { name: 'read_file', arguments: '{"path":"src/a.js"}' } }],
      },
    });
    expect(answer.usage).toMatchObject({
      prompt_tokens: 100,
      completion_tokens: 7,
      prompt_tokens_details: { cached_tokens: 64 },
    });
  }
  model.assertExhausted();
});

test('faults are what the client sees: status with headers, a wrong key, a cut connection', async () => {
  const openai = await client([
    { status: 429, headers: { 'retry-after': '3' } },
    { drop: true },
    { drop: true, afterText: 'Half' },
  ]);
  const wrong = new OpenAI({ baseURL: model.url, apiKey: 'sk-wrong', maxRetries: 0 });
  const streamed = async (): Promise<string> => {
    let said = '';
    for await (const chunk of await openai.chat.completions.create({ ...question, stream: true }))
      said += chunk.choices[0]?.delta.content ?? '';
    return said;
  };

  await expect(wrong.models.list()).rejects.toMatchObject({ status: 401 });
  await expect(openai.chat.completions.create(question)).rejects.toMatchObject({ status: 429 });
  await expect(openai.chat.completions.create(question)).rejects.toThrow(/onnection/);
  await expect(streamed()).rejects.toThrow();
});

test('unexpected calls and unused replies are failures', async () => {
  const openai = await client([]);

  await expect(openai.chat.completions.create(question)).rejects.toThrow(/did not expect call 1/);

  expect(() => model.assertExhausted()).toThrow(/did not expect call 1/);
  const spare = await startModel([{ text: 'never asked' }]);
  expect(() => spare.assertExhausted()).toThrow('1 scripted replies were not used');
  await spare.close();
});

test('the demo model plans and reviews in the shape that it is asked for', async () => {
  const openai = await client((request) => demoModel(request));
  const ask = async (name: string, shape: z.ZodType): Promise<unknown> => {
    const schema = z.toJSONSchema(shape) as Record<string, unknown>;
    const answer = await openai.chat.completions.create({
      ...question,
      response_format: { type: 'json_schema', json_schema: { name, schema } },
    });
    return shape.parse(JSON.parse(answer.choices[0]?.message.content ?? ''));
  };

  const plan = await ask('plan', PlanShape);
  const review = await ask('review', ReviewShape);

  expect(plan).toMatchObject({ files: ['src/duration.js', 'test/duration.test.js'], decisions: [], split: [] });
  expect(review).toEqual({ findings: [] });
});

interface Told {
  tool: string;
  result: string;
}

/** Lets the demo model work on a folder until it submits or asks. */
async function solve(
  openai: OpenAI,
  dir: string,
): Promise<{ told: Told[]; ended: { name: string; given: Record<string, unknown> } }> {
  const messages: OpenAI.Chat.ChatCompletionMessageParam[] = [{ role: 'user', content: 'AC1 AC2 AC3' }];
  const told: Told[] = [];
  for (let turn = 0; turn < 20; turn++) {
    const { choices } = await openai.chat.completions.create({ model: 'stand-in', messages });
    const message = choices[0]?.message;
    const call = message?.tool_calls?.[0];
    if (!message || call?.type !== 'function') throw new Error('the model did nothing');
    const given = JSON.parse(call.function.arguments) as Record<string, string>;
    if (call.function.name === 'submit' || call.function.name === 'ask')
      return { told, ended: { name: call.function.name, given } };
    const result = await useTool(dir, call.function.name, given);
    told.push({ tool: call.function.name, result });
    messages.push(message, { role: 'tool', tool_call_id: call.id, content: result });
  }
  throw new Error('the model did not end');
}

async function useTool(dir: string, name: string, given: Record<string, string>): Promise<string> {
  if (name === 'run_command') {
    // The test runner refuses to run inside another one unless the other's mark is taken out of the environment.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const ended = await run('/bin/sh', ['-c', given.command ?? ''], { cwd: dir, env }).then(
      ({ stdout }) => ({ code: 0, stdout }),
      (error: { code: number; stdout: string }) => error,
    );
    return `Exit code ${ended.code} (0.1 s)\n${ended.stdout}`;
  }
  const file = path.join(dir, given.path ?? '');
  const text = await readFile(file, 'utf8');
  if (name === 'read_file') return text;
  if (text.split(given.old_text ?? '').length !== 2) return 'Not edited: old_text is not there exactly once.';
  await writeFile(
    file,
    text.replace(given.old_text ?? '', () => given.new_text ?? ''),
  );
  return `Edited ${given.path} at line 1.`;
}

async function copyOfProject(): Promise<string> {
  const dir = await mkdtemp(path.join(tmpdir(), 'sample-project-'));
  clean.push(() => rm(dir, { recursive: true, force: true }));
  await cp(project, dir, { recursive: true });
  return dir;
}

test('the demo model solves the sample issue: red first, then green, with evidence for each criterion', async () => {
  const dir = await copyOfProject();
  const openai = await client((request) => demoModel(request));

  const { told, ended } = await solve(openai, dir);

  expect(
    told.map(({ tool, result }) => `${tool}: ${result.slice(0, 11)}`).filter((line) => line.startsWith('run')),
  ).toEqual(['run_command: Exit code 0', 'run_command: Exit code 1', 'run_command: Exit code 0']);
  expect(ended).toMatchObject({
    name: 'submit',
    given: { criteria: [{ criterion: 'AC1' }, { criterion: 'AC2' }, { criterion: 'AC3' }] },
  });
  await expect(run('node', [path.join(dir, 'src/cli.js'), '1h30'])).rejects.toThrow(/not a duration: "1h30"/);
});

test('a fresh conversation over a half-finished work tree goes on from there', async () => {
  const dir = await copyOfProject();
  const openai = await client((request) => demoModel(request));
  await solve(openai, dir);

  const again = await solve(openai, dir);

  expect(again.told.map(({ tool }) => tool)).toEqual(['read_file', 'read_file', 'run_command']);
  expect(again.ended.name).toBe('submit');
});
