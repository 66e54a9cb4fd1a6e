import { lookup } from 'node:dns/promises';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { ReachableAddresses } from './egress-addresses.ts';
import { BlockedAttempts } from './egress-blocked.ts';
import { connectToFirst } from './egress-connect.ts';
import { endToEnd, valuesOf } from './egress-headers.ts';
import { type EgressLimits, EgressMeter } from './egress-meter.ts';
import { type EgressRefusal, type EgressTarget, GrantedHosts, readTarget } from './egress-target.ts';
import type { BlockedAttempt, NetworkWalls } from './sandbox.ts';

/** Addresses of a host name, as the machine of the app sees them. Rejects when there are none. */
export type ResolveHost = (host: string) => Promise<readonly string[]>;

export interface EgressProxyOptions {
  walls: Pick<NetworkWalls, 'hosts' | 'addresses'>;
  limits: EgressLimits;
  resolve: ResolveHost;
  currentCommand: () => string | undefined;
}

/** The operating system's resolver, hosts file included: it knows the company's own names. */
export const resolveOnHost: ResolveHost = async (host) =>
  (await lookup(host, { all: true, order: 'verbatim' })).map(({ address }) => address);

/** Absolute form only. What follows the authority is passed on as it is. */
const absoluteForm = /^http:\/\/([^/?#]*)([/?][\x21-\x7e]*)?$/i;

/** What a request may be answered with when it does not get through: a refusal is counted, a failure is the network's. */
type Answer = { refused: EgressRefusal } | { failed: string };

/**
 * Decides on every connection that comes out of one container: CONNECT and plain http, granted names and ports only, each name resolved
 * here and its addresses checked, and exactly the checked addresses connected to. Whatever comes in, it never throws.
 */
export class EgressProxy {
  readonly #options: EgressProxyOptions;
  readonly #granted: GrantedHosts;
  readonly #reachable: ReachableAddresses;
  readonly #blocked: BlockedAttempts;
  readonly #meter: EgressMeter;
  readonly #server: Server;
  readonly #clients = new Set<Duplex>();
  /** Connections to granted hosts that are open or being opened. */
  #reaching = 0;

  /** Errors: `request.policy-invalid` for an address range that cannot be read. */
  constructor(options: EgressProxyOptions) {
    this.#options = options;
    this.#granted = new GrantedHosts(options.walls.hosts);
    this.#reachable = new ReachableAddresses(options.walls.addresses);
    this.#blocked = new BlockedAttempts(options.currentCommand);
    this.#meter = new EgressMeter(options.limits, () => this.close());
    this.#server = this.#createServer();
  }

  /** Takes one connection from inside: any duplex stream. */
  accept(client: Duplex): void {
    this.#clients.add(client);
    client.once('close', () => this.#clients.delete(client));
    this.#server.emit('connection', client);
  }

  blocked(): readonly BlockedAttempt[] {
    return this.#blocked.list();
  }

  /** False while the wall itself makes attempts. */
  countBlocked(counting: boolean): void {
    this.#blocked.counting = counting;
  }

  /** Ends every connection. */
  close(): void {
    for (const client of this.#clients) client.destroy();
  }

  #createServer(): Server {
    const { idleMs } = this.#options.limits;
    const server = createServer({ insecureHTTPParser: false, keepAliveTimeout: idleMs });
    server.timeout = idleMs;
    server.on('connect', (asked, client, head) => {
      // The parser let go of the connection, and with it of its errors.
      client.on('error', () => client.destroy());
      this.#tunnel(asked, client, head).catch(() => client.destroy());
    });
    server.on('request', (asked, answer) => {
      this.#forward(asked, answer).catch(() => asked.destroy());
    });
    server.on('clientError', (error: Error & { code?: string }, client) => {
      if (!error.code?.startsWith('HPE_') || !client.writable) {
        client.destroy();
        return;
      }
      this.#blocked.add('(unreadable)', 0, 'not a valid HTTP request');
      client.write('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
      endOf(client);
    });
    return server;
  }

  async #tunnel(asked: IncomingMessage, client: Duplex, head: Buffer): Promise<void> {
    const target = this.#read(asked.url ?? '', null);
    const outcome = 'host' in target ? await this.#reach(target) : target;
    if (!('socket' in outcome)) {
      const { status, text } = describe(outcome);
      client.write(
        `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: ${text.length}\r\n\r\n${text}`,
      );
      endOf(client);
      return;
    }
    const { socket } = outcome;
    this.#join(client, socket);
    client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
    if (head.length > 0) {
      this.#meter.sent(head);
      socket.write(head);
    }
    client.pipe(socket);
    socket.pipe(client);
  }

  /** Counts a tunnel's bytes, closes it after silence, and lets one end go down with the other. */
  #join(client: Duplex, socket: Socket): void {
    client.on('data', (bytes: Buffer) => this.#meter.sent(bytes));
    socket.on('data', (bytes: Buffer) => this.#meter.received(bytes));
    if ('setTimeout' in client && typeof client.setTimeout === 'function') client.setTimeout(0);
    socket.setTimeout(this.#options.limits.idleMs, () => socket.destroy());
    socket.on('error', () => client.destroy());
    // What was read to its end may still wait to be written on the other side.
    socket.once('close', () => (socket.readableEnded ? endOf(client) : client.destroy()));
    client.once('close', () => (client.readableEnded ? endOf(socket) : socket.destroy()));
    // The container may have hung up while the other side was being reached.
    if (client.destroyed) socket.destroy();
  }

  async #forward(asked: IncomingMessage, answer: ServerResponse): Promise<void> {
    const [, authority, rest] = absoluteForm.exec(asked.url ?? '') ?? [];
    const target =
      authority === undefined
        ? this.#refuse(hostOf(asked), 0, 'not a proxy request')
        : this.#readPlain(authority, asked);
    const outcome = 'host' in target ? await this.#reach(target) : target;
    if (!('socket' in outcome) || !('host' in target)) {
      const { code, text } = describe('socket' in outcome ? { failed: 'no target' } : outcome);
      answer.writeHead(code, { 'Content-Type': 'text/plain', Connection: 'close' });
      answer.end(text);
      return;
    }
    this.#exchange(asked, answer, { ...target, path: rest?.startsWith('/') ? rest : `/${rest ?? ''}` }, outcome.socket);
  }

  /** Sends one request on and its answer back. The body's length is said again by us, so that both sides read the same message. */
  #exchange(
    asked: IncomingMessage,
    answer: ServerResponse,
    { host, port, path }: EgressTarget & { path: string },
    socket: Socket,
  ): void {
    answer.once('close', () => socket.destroy());
    if (answer.destroyed || asked.destroyed) {
      socket.destroy();
      return;
    }
    const chunked = asked.headers['transfer-encoding'] !== undefined;
    const withoutHost = endToEnd(asked.rawHeaders).filter((_, at, all) => all[at - (at % 2)]?.toLowerCase() !== 'host');
    const headers = ['Host', port === 80 ? host : `${host}:${port}`, ...withoutHost, 'Connection', 'close'];
    if (chunked) headers.push('Transfer-Encoding', 'chunked');
    // No `agent`, not even false: with one, Node would open a connection of its own.
    const forwarded = request({ method: asked.method, path, headers, createConnection: () => socket });
    const end = () => {
      socket.destroy();
      if (answer.headersSent) answer.destroy();
      else answer.writeHead(502, { 'Content-Type': 'text/plain', Connection: 'close' }).end('the host closed\n');
    };
    socket.setTimeout(this.#options.limits.idleMs, end);
    forwarded.on('error', end);
    forwarded.on('close', () => {
      if (!answer.headersSent) end();
    });
    asked.on('data', (bytes: Buffer) => this.#meter.sent(bytes));
    asked.pipe(forwarded);
    forwarded.on('response', (response) => {
      response.on('data', (bytes: Buffer) => this.#meter.received(bytes));
      response.on('error', end);
      response.on('aborted', end);
      try {
        answer.writeHead(response.statusCode ?? 502, response.statusMessage, endToEnd(response.rawHeaders));
      } catch {
        // An answer that Node reads but would not write, such as status 99: it is not passed on.
        end();
        return;
      }
      response.pipe(answer);
    });
  }

  /** A plain request says its host twice; both must say the same, or a shared server behind the granted name serves another. */
  #readPlain(authority: string, asked: IncomingMessage): EgressTarget | Answer {
    const target = this.#read(authority, 80);
    if (!('host' in target)) return target;
    const said = valuesOf(asked.rawHeaders, 'host');
    const meant = said.length === 1 ? readTarget(said[0] ?? '', 80) : null;
    const same =
      meant !== null && typeof meant === 'object' && meant.host === target.host && meant.port === target.port;
    // HTTP/1.0 knows no Host header.
    if (same || (said.length === 0 && asked.httpVersion === '1.0')) return target;
    return this.#refuse(said.at(-1) ?? target.host, target.port, 'the Host header names another host');
  }

  #read(authority: string, defaultPort: number | null): EgressTarget | Answer {
    const target = readTarget(authority, defaultPort);
    if (typeof target !== 'string') return target;
    const port = Number(/:(\d{1,5})$/.exec(authority)?.[1] ?? defaultPort ?? 0);
    return this.#refuse(authority.replace(/:\d{1,5}$/, ''), port, target);
  }

  /** A connection to the target, when it is granted, resolves to nothing private, and the limits allow it. */
  async #reach(target: EgressTarget): Promise<{ socket: Socket } | Answer> {
    const { resolve } = this.#options;
    const { host, port } = target;
    const refusal = this.#granted.refusal(target) ?? this.#limitReached();
    if (refusal) return this.#refuse(host, port, refusal);
    this.#reaching += 1;
    const outcome = await this.#connect(target, await resolve(host).catch(() => []));
    if ('socket' in outcome) outcome.socket.once('close', () => this.#leave());
    else this.#leave();
    return outcome;
  }

  async #connect({ host, port }: EgressTarget, addresses: readonly string[]): Promise<{ socket: Socket } | Answer> {
    if (addresses.length === 0) return { failed: `${host} could not be resolved` };
    // One private address among public ones is no mistake of a granted host.
    if (!addresses.every((address) => this.#reachable.allows(address)))
      return this.#refuse(host, port, 'leads to a private or reserved address');
    const socket = await connectToFirst(addresses, port, this.#options.limits.connectMs);
    return socket ? { socket } : { failed: `${host}:${port} does not answer` };
  }

  #leave(): void {
    this.#reaching -= 1;
  }

  #limitReached(): EgressRefusal | null {
    if (this.#meter.exhausted) return 'the byte limit is reached';
    return this.#reaching >= this.#options.limits.connections ? 'too many connections at once' : null;
  }

  #refuse(host: string, port: number, refused: EgressRefusal): Answer {
    this.#blocked.add(host, port, refused);
    return { refused };
  }
}

/** Ends a stream and closes it once everything is written, whether or not the other side ends too. */
function endOf(stream: Duplex): void {
  if (stream.writableFinished || stream.destroyed) stream.destroy();
  else stream.end(() => stream.destroy());
}

const hostOf = (asked: IncomingMessage) => valuesOf(asked.rawHeaders, 'host').at(0) ?? '(none)';

/** Words for whoever made the request, an agent perhaps: what is wrong, not what would pass. */
function describe(outcome: Answer): { code: number; status: string; text: string } {
  if ('refused' in outcome)
    return { code: 403, status: '403 Forbidden', text: `blocked by the sandbox: ${outcome.refused}\n` };
  return { code: 502, status: '502 Bad Gateway', text: `${outcome.failed}\n` };
}
