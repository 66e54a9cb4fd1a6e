import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ChatMessage {
  role: 'system' | 'developer' | 'user' | 'assistant' | 'tool';
  content: string | { type: string; text?: string }[] | null;
  tool_calls?: { id: string; type: 'function'; function: { name: string; arguments: string } }[];
  tool_call_id?: string;
}

/** The body of a Chat Completions request, as far as scripts look at it. */
export interface ChatRequest {
  model: string;
  messages: ChatMessage[];
  tools?: {
    type: 'function';
    function: { name: string; description?: string; parameters?: Record<string, unknown> };
  }[];
  tool_choice?: 'auto' | 'none' | 'required' | { type: 'function'; function: { name: string } };
  response_format?: {
    type: string;
    json_schema?: { name: string; schema?: Record<string, unknown>; strict?: boolean };
  };
  stream?: boolean;
  stream_options?: { include_usage?: boolean };
}

export interface ReplyUsage {
  promptTokens: number;
  cachedTokens?: number;
  completionTokens: number;
}

export type Reply =
  | {
      text?: string;
      toolCalls?: { name: string; arguments: object | string }[];
      finishReason?: 'stop' | 'tool_calls' | 'length' | 'content_filter';
      refusal?: string;
      /** Estimated from the length of the texts when left out. */
      usage?: ReplyUsage;
      /** Waits before answering. */
      delayMs?: number;
    }
  | { status: number; headers?: Record<string, string>; body?: unknown }
  /** Cuts the connection; with `afterText`, in the middle of a stream. */
  | { drop: true; afterText?: string }
  /** Never answers. */
  | { hang: true };

export type ModelScript = readonly Reply[] | ((request: ChatRequest, callIndex: number) => Reply | Promise<Reply>);

export interface ModelOptions {
  /** The only key that is accepted. */
  apiKey?: string;
  models?: string[];
}

export interface ModelStandIn {
  /** The base URL for clients, version included. */
  url: string;
  apiKey: string;
  requests: () => ChatRequest[];
  /** Throws when scripted replies were not used, or a call came that nobody expected. */
  assertExhausted: () => void;
  close: () => Promise<void>;
}

/** Characters a token has about; only the order of magnitude matters. */
const CHARS_PER_TOKEN = 4;
/** Streams split texts and arguments into pieces of so many characters. */
const PIECE = 24;

/** An OpenAI-compatible server on a loopback port that answers by script. */
export async function startModel(script: ModelScript, options: ModelOptions = {}): Promise<ModelStandIn> {
  const apiKey = options.apiKey ?? 'sk-stand-in';
  const requests: ChatRequest[] = [];
  const problems: string[] = [];
  const next =
    typeof script === 'function' ? script : (_: ChatRequest, index: number): Reply | undefined => script[index];

  const chat = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = JSON.parse(await readText(request)) as ChatRequest;
    const index = requests.push(body) - 1;
    const reply = await next(body, index);
    if (reply !== undefined) return answer(response, body, reply, index);
    const message = `the model stand-in did not expect call ${index + 1}: ${JSON.stringify(body.messages.at(-1)).slice(0, 400)}`;
    problems.push(message);
    sendError(response, 500, message);
  };

  const server = createServer((request, response) => {
    const path = (request.url ?? '').split('?')[0];
    if (request.headers.authorization !== `Bearer ${apiKey}`) {
      request.resume();
      return sendError(response, 401, 'Incorrect API key provided.', 'invalid_api_key');
    }
    if (request.method === 'GET' && path === '/v1/models') {
      const data = (options.models ?? ['stand-in']).map((id) => ({
        id,
        object: 'model',
        created: 0,
        owned_by: 'stand-in',
      }));
      return sendJson(response, 200, { object: 'list', data });
    }
    if (request.method !== 'POST' || path !== '/v1/chat/completions') {
      problems.push(`unknown route ${request.method} ${path}`);
      return sendError(response, 404, `Unknown route ${request.method} ${path}`);
    }
    chat(request, response).catch((error: unknown) => {
      const message = `the script of the model stand-in failed: ${error instanceof Error ? error.message : String(error)}`;
      problems.push(message);
      if (response.headersSent) response.destroy();
      else sendError(response, 500, message);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    apiKey,
    requests: () => [...requests],
    assertExhausted: () => {
      const unused = typeof script === 'function' ? 0 : script.length - requests.length;
      const found = unused > 0 ? [...problems, `${unused} scripted replies were not used`] : problems;
      if (found.length > 0) throw new Error(found.join('\n'));
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answer(response: ServerResponse, request: ChatRequest, reply: Reply, index: number): Promise<void> {
  if ('hang' in reply) return;
  if ('drop' in reply) {
    if (reply.afterText === undefined) return void response.destroy();
    const started = startStream(response, request, index);
    started.delta({ content: reply.afterText });
    // Ends the connection once the text is out: an end without `[DONE]` and without the last chunk.
    return void response.write('', () => response.destroy());
  }
  if ('status' in reply) {
    const body = reply.body ?? {
      error: { message: `fault ${reply.status}`, type: 'stand_in', code: null, param: null },
    };
    return void response
      .writeHead(reply.status, { 'content-type': 'application/json', ...reply.headers })
      .end(JSON.stringify(body));
  }
  if (reply.delayMs) await new Promise((resolve) => setTimeout(resolve, reply.delayMs));
  const calls = (reply.toolCalls ?? []).map((call, position) => ({
    id: `call_${index}_${position}`,
    type: 'function' as const,
    function: {
      name: call.name,
      arguments: typeof call.arguments === 'string' ? call.arguments : JSON.stringify(call.arguments),
    },
  }));
  const finish = reply.finishReason ?? (calls.length > 0 ? 'tool_calls' : 'stop');
  const usage = usageOf(request, reply, calls);
  if (request.stream)
    return stream(response, request, index, { text: reply.text, refusal: reply.refusal, calls, finish, usage });
  const message = {
    role: 'assistant',
    content: reply.text ?? null,
    refusal: reply.refusal ?? null,
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
  };
  sendJson(response, 200, {
    ...envelope(request, index, 'chat.completion'),
    choices: [{ index: 0, message, logprobs: null, finish_reason: finish }],
    usage,
  });
}

interface Streamed {
  text: string | undefined;
  refusal: string | undefined;
  calls: { id: string; type: 'function'; function: { name: string; arguments: string } }[];
  finish: string;
  usage: object;
}

function stream(response: ServerResponse, request: ChatRequest, index: number, reply: Streamed): void {
  const { chunk, delta } = startStream(response, request, index);
  for (const piece of pieces(reply.text ?? '')) delta({ content: piece });
  for (const piece of pieces(reply.refusal ?? '')) delta({ refusal: piece });
  reply.calls.forEach((call, position) => {
    delta({
      tool_calls: [
        { index: position, id: call.id, type: 'function', function: { name: call.function.name, arguments: '' } },
      ],
    });
    for (const piece of pieces(call.function.arguments))
      delta({ tool_calls: [{ index: position, function: { arguments: piece } }] });
  });
  chunk({ choices: [{ index: 0, delta: {}, logprobs: null, finish_reason: reply.finish }] });
  if (request.stream_options?.include_usage) chunk({ choices: [], usage: reply.usage });
  response.end('data: [DONE]\n\n');
}

function startStream(response: ServerResponse, request: ChatRequest, index: number) {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' });
  const unasked = request.stream_options?.include_usage ? { usage: null } : {};
  const chunk = (part: object): void => {
    response.write(
      `data: ${JSON.stringify({ ...envelope(request, index, 'chat.completion.chunk'), ...unasked, ...part })}\n\n`,
    );
  };
  const delta = (part: object): void =>
    chunk({ choices: [{ index: 0, delta: part, logprobs: null, finish_reason: null }] });
  delta({ role: 'assistant', content: '' });
  return { chunk, delta };
}

const envelope = (request: ChatRequest, index: number, object: string): object => ({
  id: `chatcmpl-${index}`,
  object,
  created: Math.floor(Date.now() / 1000),
  model: request.model,
  system_fingerprint: null,
});

const pieces = (text: string): string[] => text.match(new RegExp(`[\\s\\S]{1,${PIECE}}`, 'g')) ?? [];

function usageOf(request: ChatRequest, reply: { text?: string; usage?: ReplyUsage }, calls: object[]): object {
  const estimate = (value: unknown): number => Math.ceil(JSON.stringify(value).length / CHARS_PER_TOKEN);
  const used = reply.usage ?? {
    promptTokens: estimate([request.messages, request.tools ?? []]),
    completionTokens: estimate([reply.text ?? '', calls]),
  };
  return {
    prompt_tokens: used.promptTokens,
    completion_tokens: used.completionTokens,
    total_tokens: used.promptTokens + used.completionTokens,
    prompt_tokens_details: { cached_tokens: used.cachedTokens ?? 0 },
    completion_tokens_details: { reasoning_tokens: 0 },
  };
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function sendError(response: ServerResponse, status: number, message: string, code: string | null = null): void {
  sendJson(response, status, { error: { message, type: 'invalid_request_error', param: null, code } });
}
