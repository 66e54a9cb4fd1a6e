import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { z } from 'zod';

export interface McpStandIn extends AsyncDisposable {
  url: string;
  /** What arrived: method of HTTP, its headers and its body. */
  requests: { method: string; headers: IncomingMessage['headers']; body: string }[];
}

/** Any HTTP server on this machine, with what it was asked. */
export async function startHttp(
  answer: (request: IncomingMessage, response: ServerResponse, body: string) => unknown,
): Promise<McpStandIn> {
  const requests: McpStandIn['requests'] = [];
  const server = createServer(async (request, response) => {
    const body = await text(request).catch(() => '');
    requests.push({ method: request.method ?? '', headers: request.headers, body });
    await answer(request, response, body);
  });
  const port = await listening(server);
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** A real server made with the SDK, one session for each client. `register` says which tools it has. */
export async function startMcp(register: (server: McpServer) => void = docs): Promise<McpStandIn> {
  const sessions = new Map<string, StreamableHTTPServerTransport>();
  return startHttp(async (request, response, body) => {
    const known = sessions.get(String(request.headers['mcp-session-id']));
    const parsed: unknown = body === '' ? undefined : JSON.parse(body);
    if (known) return known.handleRequest(request, response, parsed);
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: () => randomUUID(),
      onsessioninitialized: (id) => void sessions.set(id, transport),
    });
    const server = new McpServer({ name: 'docs', version: '1.0.0' });
    register(server);
    await server.connect(transport);
    return transport.handleRequest(request, response, parsed);
  });
}

/** Two tools that read and one that changes something. */
export function docs(server: McpServer): void {
  server.registerTool(
    'search',
    { description: 'Searches the handbook.', inputSchema: { query: z.string().describe('Words to look for.') } },
    async ({ query }) => ({ content: [{ type: 'text', text: `Found for ${query}: use sum().` }] }),
  );
  server.registerTool('read', { inputSchema: { page: z.int() } }, async ({ page }) => {
    if (page > 9) return { isError: true, content: [{ type: 'text', text: `There is no page ${page}.` }] };
    return { content: [{ type: 'text', text: `Page ${page}.` }] };
  });
  server.registerTool(
    'publish',
    { inputSchema: { text: z.string() }, annotations: { readOnlyHint: false } },
    async () => ({ content: [{ type: 'text', text: 'Published.' }] }),
  );
}
