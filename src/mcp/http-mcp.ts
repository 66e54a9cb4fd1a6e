import { AsyncLocalStorage } from 'node:async_hooks';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { isJSONRPCRequest } from '@modelcontextprotocol/sdk/types.js';
import type { jsonSchemaValidator } from '@modelcontextprotocol/sdk/validation';
import { MillwrightError } from '../errors.ts';
import { answerOf, CallResult, offeredTool, ToolPage } from './answers.ts';
import { boundedFetch } from './bounded-fetch.ts';
import type { Mcp, McpConnecting, McpConnection, McpServer, OfferedTool } from './mcp.ts';

const connectWithinMs = 15_000;
const closeWithinMs = 2_000;
const bounds = { responseBytes: 2 * 1024 ** 2, requests: 2_000, resumptions: 10 };
const mostPages = 20;
const mostTools = 2_000;
/** Requests of a server to us: more of them is a flood, and ends the connection. */
const mostAsked = 20;
const answerChars = 1_000_000;
const reasonChars = 300;

/** MCP servers over streamable HTTP. The client declares no abilities: whatever a server asks of it is answered with "not found". */
export function createHttpMcp(): Mcp {
  return { connect };
}

async function connect(server: McpServer, options: McpConnecting): Promise<McpConnection> {
  const { signal, timeoutMs = connectWithinMs } = options;
  const broken = Promise.withResolvers<never>();
  // Awaited only while something is asked.
  broken.promise.catch(() => undefined);
  const transport = new StreamableHTTPClientTransport(new URL(server.url), {
    requestInit: { headers: { ...server.headers } },
    fetch: boundedFetch(server.url, bounds, () => tooLarge.getStore() ?? broken.reject),
    reconnectionOptions: {
      initialReconnectionDelay: 200,
      maxReconnectionDelay: 5_000,
      reconnectionDelayGrowFactor: 2,
      maxRetries: 2,
    },
  });
  const client = new Client({ name: 'millwright', version: '1.0.0' }, { capabilities: {}, jsonSchemaValidator: none });
  countAsked(transport, options.onAsked, broken.reject);
  const close = closing(client, transport);
  const calls = { open: 0, failed: false };
  try {
    const tools = await within(timeoutMs, signal, async () => {
      await client.connect(transport, { timeout: timeoutMs });
      return Promise.race([listTools(client, timeoutMs), broken.promise]);
    });
    return {
      tools,
      async call(tool, given, { timeoutMs: callMs, signal: stop }) {
        const own = Promise.withResolvers<never>();
        calls.open += 1;
        try {
          const asked = { method: 'tools/call', params: { name: tool, arguments: { ...given } } } as const;
          // Not `callTool`: that compiles the server's own schemas and runs their patterns in this process.
          const request = () => client.request(asked, CallResult, { timeout: callMs });
          const result = await within(callMs, stop, () =>
            Promise.race([tooLarge.run(own.reject, request), own.promise, broken.promise]),
          );
          return answerOf(result, answerChars);
        } catch (error) {
          calls.failed = true;
          throw failure(error, server, stop);
        } finally {
          calls.open -= 1;
          // Calls beside one that failed may still get their answers; the last one closes.
          if (calls.failed && calls.open === 0) await close();
        }
      },
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw failure(error, server, signal);
  }
}

/** In a call: ends this call alone when the response to it is too large. */
const tooLarge = new AsyncLocalStorage<(error: Error) => void>();

/** Never compiles what a server sends. */
const none: jsonSchemaValidator = {
  getValidator:
    <T>() =>
    (input: unknown) => ({ valid: true, data: input as T & {}, errorMessage: undefined }),
};

function countAsked(
  transport: StreamableHTTPClientTransport,
  onAsked: McpConnecting['onAsked'],
  onFlood: (error: Error) => void,
): void {
  let asked = 0;
  transport.onmessage = (message) => {
    if (!isJSONRPCRequest(message) || message.method === 'ping') return;
    asked += 1;
    if (asked <= mostAsked) return onAsked?.(message.method.slice(0, 100));
    onFlood(new Error(`more than ${mostAsked} requests of the server to us`));
    void transport.close();
  };
}

async function listTools(client: Client, timeoutMs: number): Promise<OfferedTool[]> {
  const tools: OfferedTool[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < mostPages && tools.length < mostTools; page += 1) {
    const params = cursor === undefined ? {} : { cursor };
    const listed = await client.request({ method: 'tools/list', params }, ToolPage, { timeout: timeoutMs });
    tools.push(...listed.tools.flatMap((entry) => offeredTool(entry) ?? []));
    cursor = listed.nextCursor;
    if (cursor === undefined) break;
  }
  return tools.slice(0, mostTools);
}

/** The session is ended politely where the server lets us, and in any case. May be called twice. */
function closing(client: Client, transport: StreamableHTTPClientTransport): () => Promise<void> {
  let closed: Promise<void> | null = null;
  const close = async () => {
    const never = new AbortController().signal;
    await within(closeWithinMs, never, () => transport.terminateSession()).catch(() => undefined);
    await client.close().catch(() => undefined);
    await transport.close().catch(() => undefined);
  };
  return () => {
    closed ??= close();
    return closed;
  };
}

/** Waits no longer, whatever the work does; the connection is closed by the caller then. */
async function within<T>(timeoutMs: number, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(Math.max(1, Math.ceil(timeoutMs)))]);
  limit.throwIfAborted();
  const { promise: over, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(new Error(`no answer within ${Math.round(timeoutMs / 100) / 10} s`));
  limit.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work(), over]);
  } finally {
    limit.removeEventListener('abort', onAbort);
  }
}

/** Servers may send back what we sent: no credential may ride along in a reason. */
function failure(error: unknown, server: McpServer, signal: AbortSignal): MillwrightError {
  if (signal.aborted) return new MillwrightError('run.cancelled');
  const own = error instanceof Error ? error : new Error(String(error));
  const told = own.cause instanceof Error ? `${own.message}: ${own.cause.message}` : own.message;
  const hidden = server.hidden.reduce((text, value) => text.replaceAll(value, '***'), told);
  const reason = hidden.replace(/\s+/g, ' ').slice(0, reasonChars).toWellFormed();
  return new MillwrightError('outside.mcp', {
    message: `The MCP server ${server.name} failed: ${reason}`,
    detail: reason,
  });
}
