import { expect, test } from 'vitest';
import type { Clock } from '../../src/clock.ts';
import { MillwrightError } from '../../src/errors.ts';
import type { ModelRequest, Usage } from '../../src/model/model.ts';
import { createOpenAiModel, type OpenAiModelOptions } from '../../src/model/openai-model.ts';
import { type Answer, ChatServer, droppedAfter, event, failing, hanging, streamed, whole } from './chat-server.ts';

/** A clock whose pauses pass at once and are written down. */
class QuickClock implements Clock {
  now = 1_000_000;
  readonly pauses: number[] = [];
  nowMs(): number {
    return this.now;
  }
  elapsedMs(): number {
    return this.now;
  }
  async sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.pauses.push(durationMs);
    this.now += durationMs;
  }
}

const request: ModelRequest = { model: 'm', effort: null, messages: [{ role: 'user', text: 'hello' }] };
const tool = { name: 'look', description: 'Looks.', parameters: { type: 'object', properties: {} } };
const schema = { name: 'answer', json: { type: 'object', properties: { n: { type: 'number' } } } };

async function start(answers: Answer[], options: Partial<OpenAiModelOptions> = {}) {
  const server = await ChatServer.start(...answers);
  const clock = new QuickClock();
  const model = createOpenAiModel({ apiKey: 'sk-test', baseUrl: server.baseUrl, clock, ...options });
  return { server, clock, model, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'no error',
    (error: unknown) => (error instanceof MillwrightError ? error.code : String(error)),
  );
}

test('joins a streamed text and reports the usage with its cached part', async () => {
  await using stage = await start([streamed([{ content: 'Hel' }, { content: 'lo' }])]);

  const reply = await stage.model.complete(request);

  expect(reply).toEqual({
    text: 'Hello',
    toolCalls: [],
    finish: 'stop',
    usage: { inputTokens: 100, cachedInputTokens: 64, outputTokens: 20 },
  });
  expect(stage.server.requests[0]?.path).toBe('/v1/chat/completions');
  expect(stage.server.requests[0]?.headers.authorization).toBe('Bearer sk-test');
  expect(stage.server.requests[0]?.body).toMatchObject({ stream: true, stream_options: { include_usage: true } });
});

test('joins parallel tool calls that arrive in pieces', async () => {
  const pieces = [
    { tool_calls: [{ index: 0, id: 'a', type: 'function', function: { name: 'look', arguments: '' } }] },
    { tool_calls: [{ index: 0, function: { arguments: '{"x"' } }] },
    { tool_calls: [{ index: 1, id: 'b', type: 'function', function: { name: 'look', arguments: '{}' } }] },
    { tool_calls: [{ index: 0, function: { arguments: ':1}' } }] },
  ];
  await using stage = await start([streamed(pieces, 'tool_calls')]);

  const reply = await stage.model.complete({ ...request, tools: [tool] });

  expect(reply.finish).toBe('tool-calls');
  expect(reply.toolCalls).toEqual([
    { id: 'a', name: 'look', argumentsText: '{"x":1}' },
    { id: 'b', name: 'look', argumentsText: '{}' },
  ]);
});

test('tells calls apart that a server numbers all with zero or gives no id', async () => {
  const pieces = [
    { tool_calls: [{ index: 0, id: 'a', function: { name: 'look', arguments: '{}' } }] },
    { tool_calls: [{ index: 0, id: 'b', function: { name: 'look', arguments: '{"y":2}' } }] },
  ];
  const idless = whole({ content: null, tool_calls: [{ function: { name: 'look', arguments: { z: 3 } } }] });
  await using stage = await start([streamed(pieces), idless]);

  const streamedReply = await stage.model.complete(request);
  const wholeReply = await stage.model.complete(request);

  expect(streamedReply.toolCalls.map((call) => [call.id, call.argumentsText])).toEqual([
    ['a', '{}'],
    ['b', '{"y":2}'],
  ]);
  expect(wholeReply.toolCalls[0]?.argumentsText).toBe('{"z":3}');
  expect(wholeReply.toolCalls[0]?.id).not.toBe('');
});

test('tells the history with tool calls and their results in the provider’s words', async () => {
  await using stage = await start([streamed([{ content: 'ok' }])]);

  await stage.model.complete({
    ...request,
    effort: 'high',
    maxOutputTokens: 500,
    tools: [tool],
    messages: [
      { role: 'system', text: 's' },
      { role: 'assistant', text: '', toolCalls: [{ id: 'a', name: 'look', argumentsText: '{}' }] },
      { role: 'tool', callId: 'a', text: 'seen' },
    ],
  });

  expect(stage.server.requests[0]?.body).toMatchObject({
    reasoning_effort: 'high',
    max_completion_tokens: 500,
    parallel_tool_calls: true,
    tools: [{ type: 'function', function: { name: 'look' } }],
    messages: [
      { role: 'system', content: 's' },
      { role: 'assistant', tool_calls: [{ id: 'a', type: 'function', function: { name: 'look', arguments: '{}' } }] },
      { role: 'tool', tool_call_id: 'a', content: 'seen' },
    ],
  });
});

test.each([
  ['a refusal', streamed([{ refusal: 'I will ' }, { refusal: 'not.' }]), 'refusal', 'I will not.'],
  ['a content filter', streamed([{ content: 'a' }], 'content_filter'), 'content-filter', 'a'],
  ['a filtered prompt', failing(400, { code: 'content_filter' }), 'content-filter', ''],
  ['a cut answer', streamed([{ content: 'a' }], 'length'), 'length', 'a'],
  ['a prompt beyond the window', failing(400, { code: 'context_length_exceeded' }), 'too-long', ''],
] as const)('%s is a reply, not an error', async (_name, answer, finish, text) => {
  await using stage = await start([answer]);

  const reply = await stage.model.complete(request);

  expect([reply.finish, reply.text]).toEqual([finish, text]);
});

test('falls back to whole answers when the server does not know stream options, and remembers it', async () => {
  const refusal = failing(400, { message: 'Unrecognized request argument supplied: stream_options' });
  await using stage = await start([refusal, whole({ content: 'one' }), whole({ content: 'two' })]);

  const first = await stage.model.complete(request);
  const second = await stage.model.complete(request);

  expect([first.text, second.text]).toEqual(['one', 'two']);
  expect(stage.server.requests.map((seen) => seen.body.stream)).toEqual([true, undefined, undefined]);
});

test('understands a whole answer where a stream was asked for', async () => {
  await using stage = await start([whole({ content: 'all at once' })]);

  const reply = await stage.model.complete(request);

  expect(reply.text).toBe('all at once');
  expect(reply.usage.inputTokens).toBe(100);
});

test('counts tokens on the safe side when the stream names none, and asks without streaming from then on', async () => {
  await using stage = await start([streamed([{ content: 'abcdef' }], 'stop', false), whole({ content: 'x' })]);

  const reply = await stage.model.complete(request);
  await stage.model.complete(request);

  expect(reply.usage.estimated).toBe(true);
  expect(reply.usage.inputTokens).toBeGreaterThan(0);
  expect(reply.usage.outputTokens).toBe(2);
  expect(stage.server.requests[1]?.body.stream).toBeUndefined();
});

test('gives up one feature after the other until a basic server answers', async () => {
  const refusals = [
    failing(400, { message: 'Unsupported parameter', param: 'max_completion_tokens' }),
    failing(400, { message: 'parallel_tool_calls is not supported' }),
    failing(422, { message: 'extra field reasoning_effort' }),
  ];
  await using stage = await start([...refusals, streamed([{ content: 'ok' }])]);

  await stage.model.complete({ ...request, effort: 'low', tools: [tool], maxOutputTokens: 100 });

  const last = stage.server.requests.at(-1)?.body ?? {};
  expect(last.max_tokens).toBe(100);
  expect(last).not.toHaveProperty('max_completion_tokens');
  expect(last).not.toHaveProperty('parallel_tool_calls');
  expect(last).not.toHaveProperty('reasoning_effort');
});

test('tells parallel calls one by one to a server that takes only single ones', async () => {
  const refusal = failing(400, { message: 'This model only supports single tool-calls at once!' });
  await using stage = await start([refusal, streamed([{ content: 'ok' }])]);
  const calls = [
    { id: 'a', name: 'look', argumentsText: '{}' },
    { id: 'b', name: 'look', argumentsText: '{}' },
  ];

  await stage.model.complete({
    ...request,
    tools: [tool],
    messages: [
      { role: 'user', text: 'go' },
      { role: 'assistant', text: 'both', toolCalls: calls },
      { role: 'tool', callId: 'a', text: 'A' },
      { role: 'tool', callId: 'b', text: 'B' },
    ],
  });

  const messages = stage.server.requests[1]?.body.messages as { role: string; tool_calls?: unknown[] }[];
  expect(messages.map((message) => message.role)).toEqual(['user', 'assistant', 'tool', 'assistant', 'tool']);
  expect(messages[1]?.tool_calls).toHaveLength(1);
});

test('a refusal that names nothing known leads to one basic request, and a second refusal ends it', async () => {
  const vague = failing(400, { message: 'Bad request.' });
  await using stage = await start([vague, vague]);

  const code = await codeOf(stage.model.complete(request));

  expect(code).toBe('outside.model-rejected');
  expect(stage.server.requests).toHaveLength(2);
});

test('lowers the output limit to what the server names', async () => {
  const message = 'max_tokens is too large: 32768. This model supports at most 4096 completion tokens.';
  await using stage = await start([failing(400, { message, param: 'max_tokens' }), streamed([{ content: 'ok' }])]);

  await stage.model.complete({ ...request, maxOutputTokens: 32_768 });

  expect(stage.server.requests[1]?.body.max_completion_tokens).toBe(4096);
});

test('asks for JSON by schema, then by a forced tool, then in words', async () => {
  const answers = [
    failing(400, { message: 'response_format json_schema is not supported' }),
    failing(400, { message: 'tool_choice is not supported' }),
    streamed([{ content: 'Here:\n```json\n{"n": 4}\n```' }]),
    streamed([{ content: '{"n": 5}' }]),
  ];
  await using stage = await start(answers);

  const first = await stage.model.complete({ ...request, schema });
  const second = await stage.model.complete({ ...request, schema });

  expect(first.text).toBe('{"n": 4}');
  expect(second.text).toBe('{"n": 5}');
  const bodies = stage.server.requests.map((seen) => seen.body);
  expect(bodies[0]?.response_format).toMatchObject({ type: 'json_schema', json_schema: { name: 'answer' } });
  expect(bodies[1]?.tool_choice).toEqual({ type: 'function', function: { name: 'answer' } });
  expect(JSON.stringify(bodies[2]?.messages)).toContain('JSON schema');
  expect(bodies[3]).not.toHaveProperty('response_format');
});

test('hands the arguments of a forced tool over as the JSON asked for', async () => {
  const call = { index: 0, id: 'a', function: { name: 'answer', arguments: '{"n":1}' } };
  const answers = [failing(400, { param: 'response_format' }), streamed([{ tool_calls: [call] }], 'tool_calls')];
  await using stage = await start(answers);

  const reply = await stage.model.complete({ ...request, schema });

  expect(reply).toMatchObject({ text: '{"n":1}', toolCalls: [], finish: 'stop' });
});

test('asks in a plainer way next time when the server heeds no schema', async () => {
  await using stage = await start([streamed([{ content: 'Sure, four.' }]), streamed([{ content: '{"n":4}' }])]);

  await stage.model.complete({ ...request, schema });
  await stage.model.complete({ ...request, schema });

  expect(stage.server.requests[1]?.body).toHaveProperty('tool_choice');
});

test('tries again after 429 and 5xx, waiting as long as Retry-After says', async () => {
  const answers = [
    failing(429, { code: 'rate_limit_exceeded' }, { 'retry-after': '7' }),
    failing(503, {}),
    streamed([{ content: 'ok' }]),
  ];
  await using stage = await start(answers);

  const reply = await stage.model.complete(request);

  expect(reply.text).toBe('ok');
  expect(stage.clock.pauses[0]).toBe(7_000);
  expect(stage.clock.pauses[1]).toBeGreaterThanOrEqual(1_000);
  expect(stage.clock.pauses[1]).toBeLessThanOrEqual(2_000);
});

test('a Retry-After beyond what a worker may wait is handed to the caller', async () => {
  await using stage = await start([failing(429, {}, { 'retry-after': '600' })]);

  const error = await stage.model.complete(request).catch((thrown: unknown) => thrown);

  expect(error).toMatchObject({ code: 'outside.model', retryAfterMs: 600_000 });
  expect(stage.clock.pauses).toEqual([]);
});

test('gives up after the fifth short fault', async () => {
  const fault = failing(500, {});
  await using stage = await start([fault, fault, fault, fault, fault]);

  const code = await codeOf(stage.model.complete(request));

  expect(code).toBe('outside.model');
  expect(stage.clock.pauses).toHaveLength(4);
});

test('a dropped stream is asked again, and its tokens are counted', async () => {
  await using stage = await start([droppedAfter([{ content: 'half an ans' }]), streamed([{ content: 'whole' }])]);

  const reply = await stage.model.complete(request);

  expect(reply.text).toBe('whole');
  expect(reply.usage.outputTokens).toBeGreaterThan(20);
  expect(reply.usage.estimated).toBe(true);
});

test('an answer that broke off is told at once with its tokens, and not asked for again where that is refused', async () => {
  await using stage = await start([droppedAfter([{ content: 'half an ans' }])]);
  const lost: Usage[] = [];
  const onLost = async (usage: Usage) => {
    lost.push(usage);
    return false;
  };

  const ended = await codeOf(stage.model.complete({ ...request, onLost }));

  expect(ended).toBe('outside.model');
  expect(lost).toMatchObject([{ estimated: true }]);
  expect(lost[0]?.outputTokens).toBeGreaterThan(0);
});

test('a reply of any kind between refusals of the key keeps calls going', async () => {
  const refused = failing(403, {});
  const filtered = failing(400, { code: 'content_filter' });
  await using stage = await start([refused, refused, filtered, refused, refused, streamed([{ content: 'ok' }])]);

  for (let call = 0; call < 5; call += 1) await codeOf(stage.model.complete(request));

  expect((await stage.model.complete(request)).text).toBe('ok');
});

test('a stream that ends without a finish reason is asked for again as a whole', async () => {
  const unfinished: Answer = (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.end(`${event({ choices: [{ index: 0, delta: { content: 'par' } }] })}data: [DONE]\n\n`);
  };
  await using stage = await start([unfinished, whole({ content: 'partial no more' })]);

  const reply = await stage.model.complete(request);

  expect(reply.text).toBe('partial no more');
});

test('an error inside a stream counts like its status would', async () => {
  const overloaded: Answer = (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.end(event({ error: { message: 'overloaded', type: 'server_error', code: null } }));
  };
  await using stage = await start([overloaded, streamed([{ content: 'ok' }])]);

  const reply = await stage.model.complete(request);

  expect(reply.text).toBe('ok');
});

test('an answer that cannot be read is asked again', async () => {
  const html: Answer = (_request, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<p>');
  await using stage = await start([html, streamed([{ content: 'ok' }])]);

  const reply = await stage.model.complete(request);

  expect(reply.text).toBe('ok');
});

test('a stream that falls silent is broken off and asked again', async () => {
  await using stage = await start([hanging(), streamed([{ content: 'ok' }])], { idleTimeoutMs: 1_000 });

  const reply = await stage.model.complete(request);

  expect(reply.text).toBe('ok');
});

test.each([
  [401, 'invalid_api_key'],
  [402, null],
  [403, null],
  [429, 'insufficient_quota'],
])('%i (%s) ends at once as a refused key', async (status, code) => {
  await using stage = await start([failing(status, { code })]);

  const ended = await codeOf(stage.model.complete(request));

  expect(ended).toBe('outside.model-refused-key');
  expect(stage.clock.pauses).toEqual([]);
});

test('repeated refusals of the key stop further calls for a while, with one alert, then let a probe through', async () => {
  const warnings: string[] = [];
  const log = { info: () => undefined, warn: (_facts: unknown, message: string) => void warnings.push(message) };
  const refused = failing(401, {});
  await using stage = await start([refused, refused, refused, streamed([{ content: 'ok' }])], { log });

  const codes: string[] = [];
  for (let call = 0; call < 6; call += 1) codes.push(await codeOf(stage.model.complete(request)));
  const asked = stage.server.requests.length;
  stage.clock.now += 600_000;
  const probe = await stage.model.complete(request);

  expect(asked).toBe(3);
  // Runs that were not even asked about are put back in the queue.
  expect(codes.map((code) => code.replace('outside.model-', ''))).toEqual([
    ...['refused-key', 'refused-key', 'refused-key'],
    ...['paused', 'paused', 'paused'],
  ]);
  expect(warnings).toHaveLength(1);
  expect(probe.text).toBe('ok');
});

test('an aborted call ends as cancelled, in mid-stream and in a pause', async () => {
  const stop = new AbortController();
  await using stage = await start([
    (seen, response) => {
      void hanging()(seen, response);
      setImmediate(() => stop.abort());
    },
  ]);

  const inStream = await codeOf(stage.model.complete({ ...request, signal: stop.signal }));
  const before = await codeOf(stage.model.complete({ ...request, signal: stop.signal }));

  expect([inStream, before]).toEqual(['run.cancelled', 'run.cancelled']);
});

test('a server that cannot be reached is an outside fault', async () => {
  const clock = new QuickClock();
  const model = createOpenAiModel({ apiKey: 'k', baseUrl: 'http://127.0.0.1:1/v1', clock, maxAttempts: 2 });

  const code = await codeOf(model.complete(request));

  expect(code).toBe('outside.model');
  expect(clock.pauses).toHaveLength(1);
});

/** Writes as long as somebody listens. */
function endless(head: string, piece: string): Answer {
  return (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(head);
    const write = () => {
      if (response.destroyed) return;
      response.write(piece) ? setImmediate(write) : response.once('drain', write);
    };
    write();
  };
}

const talk = event({ choices: [{ index: 0, delta: { content: 'word '.repeat(200) }, finish_reason: null }] });
const nothing = event({ choices: [{ index: 0, delta: {}, finish_reason: null }] });

test('a stream that talks on beyond the tokens that were asked for is cut as one that is too long', async () => {
  await using stage = await start([endless('', talk)]);

  const reply = await stage.model.complete({ ...request, maxOutputTokens: 500 });

  expect(reply.finish).toBe('length');
  expect(reply.text.length).toBeLessThan(500 * 64 + 2_000);
  expect(reply.usage.outputTokens).toBeGreaterThan(500);
});

test.each([
  ['says nothing without end', endless('', nothing), { answerTimeoutMs: 200 }],
  [
    'never ends its line',
    endless('data: {"choices":[{"delta":{"content":"', 'x'.repeat(60_000)),
    { answerBytes: 2_000_000 },
  ],
  ['has one huge body', endless('{', ' '.repeat(60_000)), { answerBytes: 2_000_000 }],
] as const)('an answer that %s is given up, and not asked for again', async (_, answer, options) => {
  await using stage = await start([answer], options);

  const code = await codeOf(stage.model.complete(request));

  expect(code).toBe('outside.model');
  expect(stage.clock.pauses).toEqual([]);
});

test('a reply of calls without end is one that is too long', async () => {
  const call = (index: number) => ({ index, id: `c${index}`, function: { name: 'look', arguments: '{}' } });
  await using stage = await start([
    whole({ tool_calls: Array.from({ length: 5000 }, (_, index) => call(index)) }, 'tool_calls'),
    endless(
      event({ choices: [{ delta: { tool_calls: Array.from({ length: 300 }, (_, index) => call(index)) } }] }),
      nothing,
    ),
  ]);

  expect((await stage.model.complete(request)).finish).toBe('length');
  expect((await stage.model.complete(request)).finish).toBe('length');
});

test.each([
  ['negative', { prompt_tokens: -1_000_000, completion_tokens: 20 }],
  ['negative in its output', { prompt_tokens: 100, completion_tokens: -20 }],
  ['nothing', { prompt_tokens: 0, completion_tokens: 0 }],
  ['more than any call takes', { prompt_tokens: 1e300, completion_tokens: 20 }],
])('usage that is %s is not believed but estimated', async (_, figures) => {
  await using stage = await start([whole({ content: 'an answer of some words' }, 'stop', { usage: figures })]);

  const reply = await stage.model.complete(request);

  expect(reply.usage).toMatchObject({ estimated: true });
  expect(reply.usage.inputTokens).toBeGreaterThan(0);
  expect(reply.usage.inputTokens).toBeLessThan(100);
  expect(reply.usage.outputTokens).toBeGreaterThan(0);
});

test('odd figures of usage are rounded up, and cached ones never count against the sum', async () => {
  const figures = { prompt_tokens: 99.2, completion_tokens: 1.5, prompt_tokens_details: { cached_tokens: -70 } };
  await using stage = await start([whole({ content: 'ok' }, 'stop', { usage: figures })]);

  const { usage } = await stage.model.complete(request);

  expect(usage).toEqual({ inputTokens: 100, cachedInputTokens: 0, outputTokens: 2 });
});
