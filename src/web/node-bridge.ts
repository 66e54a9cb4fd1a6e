import type { IncomingMessage, ServerResponse } from 'node:http';

/** Who is at the other end of the connection, which a Request does not tell. */
export interface Peer {
  /** Address of the socket. */
  address: string;
  /** Whether a proxy speaks for somebody else. */
  forwarded: boolean;
}

/** Forms of the dashboard are short; nothing longer is read. */
const maxBodyBytes = 64 * 1024;

/** Answers a request of Node's server by a function of Request and Response. `signal` of the request ends when the peer is gone. */
export async function answerWith(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  answer: (request: Request, peer: Peer) => Response | Promise<Response>,
): Promise<void> {
  const gone = new AbortController();
  outgoing.once('close', () => gone.abort());
  const request = await requestOf(incoming, gone.signal);
  const response = request instanceof Response ? request : await answer(request, peerOf(incoming));
  await send(response, incoming, outgoing, gone.signal);
}

/** A Response instead where the request is none that could be answered. */
async function requestOf(incoming: IncomingMessage, signal: AbortSignal): Promise<Request | Response> {
  const method = incoming.method ?? 'GET';
  const address = `http://${incoming.headers.host ?? 'localhost'}${incoming.url ?? '/'}`;
  if (!URL.canParse(address)) return new Response('Bad Request', { status: 400 });
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(', ') : value);
  }
  if (method === 'GET' || method === 'HEAD') return new Request(address, { method, headers, signal });
  const body = await bodyOf(incoming);
  if (body === null) return new Response('Content Too Large', { status: 413, headers: { connection: 'close' } });
  return new Request(address, { method, headers, signal, body });
}

async function bodyOf(incoming: IncomingMessage): Promise<Uint8Array<ArrayBuffer> | null> {
  if (Number(incoming.headers['content-length'] ?? 0) > maxBodyBytes) return null;
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of incoming) {
    size += (chunk as Buffer).length;
    if (size > maxBodyBytes) return null;
    chunks.push(chunk as Buffer);
  }
  return new Uint8Array(Buffer.concat(chunks));
}

function peerOf(incoming: IncomingMessage): Peer {
  const { headers, socket } = incoming;
  return {
    address: socket.remoteAddress ?? '',
    forwarded: headers.forwarded !== undefined || headers['x-forwarded-for'] !== undefined,
  };
}

async function send(
  response: Response,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  gone: AbortSignal,
): Promise<void> {
  const cookies = response.headers.getSetCookie();
  const headers = Object.fromEntries([...response.headers].filter(([name]) => name !== 'set-cookie'));
  outgoing.writeHead(response.status, cookies.length > 0 ? { ...headers, 'set-cookie': cookies } : headers);
  if (response.body === null || incoming.method === 'HEAD') {
    outgoing.end();
    return;
  }
  for await (const chunk of response.body) {
    if (gone.aborted) break;
    if (!outgoing.write(chunk)) await drained(outgoing, gone);
  }
  outgoing.end();
}

/** Whoever reads slowly is waited for. */
function drained(outgoing: ServerResponse, gone: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      outgoing.off('drain', done);
      gone.removeEventListener('abort', done);
      resolve();
    };
    outgoing.once('drain', done);
    gone.addEventListener('abort', done, { once: true });
    if (gone.aborted) done();
  });
}
