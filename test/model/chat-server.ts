import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the server does with one request. Returns nothing when it has answered itself. */
export type Answer = (request: ChatRequest, response: ServerResponse) => void | Promise<void>;

export interface ChatRequest {
  path: string;
  headers: IncomingMessage['headers'];
  body: Record<string, unknown>;
}

/** A real HTTP server that answers Chat Completions by script. An unexpected request fails, and so does an unused answer on `close`. */
export class ChatServer implements AsyncDisposable {
  readonly requests: ChatRequest[] = [];
  private readonly answers: Answer[] = [];
  private readonly unexpected: string[] = [];
  private readonly server = createServer((request, response) => void this.handle(request, response));

  static async start(...answers: Answer[]): Promise<ChatServer> {
    const chat = new ChatServer();
    chat.answers.push(...answers);
    await new Promise<void>((resolve) => chat.server.listen(0, '127.0.0.1', resolve));
    return chat;
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/v1`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
    if (this.unexpected.length > 0) throw new Error(`Unexpected requests: ${this.unexpected.join(', ')}`);
    if (this.answers.length > 0) throw new Error(`${this.answers.length} scripted answers were not used.`);
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = JSON.parse(Buffer.concat(chunks).toString() || '{}') as Record<string, unknown>;
    const seen = { path: request.url ?? '', headers: request.headers, body };
    this.requests.push(seen);
    const answer = this.answers.shift();
    if (answer === undefined) {
      this.unexpected.push(`${request.method} ${request.url}`);
      response.writeHead(418).end('{}');
      return;
    }
    await answer(seen, response);
  }
}

export const usage = { prompt_tokens: 100, completion_tokens: 20, prompt_tokens_details: { cached_tokens: 64 } };

type Delta = Record<string, unknown>;

/** A stream of deltas, a finish reason and usage, as OpenAI sends it. */
export function streamed(deltas: Delta[], finish = 'stop', withUsage = true): Answer {
  return (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const delta of deltas) response.write(event({ choices: [{ index: 0, delta, finish_reason: null }] }));
    response.write(event({ choices: [{ index: 0, delta: {}, finish_reason: finish }] }));
    if (withUsage) response.write(event({ choices: [], usage }));
    response.end('data: [DONE]\n\n');
  };
}

/** A whole answer in one JSON body. */
export function whole(
  message: Record<string, unknown>,
  finish = 'stop',
  extra: Record<string, unknown> = { usage },
): Answer {
  return (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ choices: [{ index: 0, message, finish_reason: finish }], ...extra }));
  };
}

/** An error in the provider's form. */
export function failing(status: number, error: Record<string, unknown>, headers: Record<string, string> = {}): Answer {
  return (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify({ error: { message: 'no', type: 'x', param: null, code: null, ...error } }));
  };
}

/** Some events, then the connection is torn down. */
export function droppedAfter(deltas: Delta[]): Answer {
  return async (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const delta of deltas) response.write(event({ choices: [{ index: 0, delta, finish_reason: null }] }));
    await new Promise((resolve) => setImmediate(resolve));
    response.destroy();
  };
}

/** Headers and one event, then silence. */
export function hanging(): Answer {
  return (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(event({ choices: [{ index: 0, delta: { content: 'x' }, finish_reason: null }] }));
  };
}

export function event(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}
