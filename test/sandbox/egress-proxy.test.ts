import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Server as TcpServer } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { type EgressLimits, usualEgressLimits } from '../../src/sandbox/egress-meter.ts';
import { EgressProxy, type ResolveHost } from '../../src/sandbox/egress-proxy.ts';
import { until } from '../support/until.ts';

const host = 'svc.example';
const opened: (Server | TcpServer)[] = [];
afterEach(() => {
  for (const server of opened.splice(0)) {
    server.close();
    if ('closeAllConnections' in server) server.closeAllConnections();
  }
});

async function listening<Kind extends Server | TcpServer>(server: Kind): Promise<number> {
  opened.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

interface Front {
  proxy: EgressProxy;
  /** Port of the service behind the granted name. */
  port: number;
  /** Sends raw bytes to the proxy; resolves with all that came back when the connection was closed. */
  send(text: string | Buffer, until?: string): Promise<string>;
  seen: IncomingMessage[];
}

/** A proxy for one granted name, which leads to a service on this machine's loopback. */
async function openProxy(
  options: {
    limits?: Partial<EgressLimits>;
    resolve?: ResolveHost;
    addresses?: string[];
    serve?: RequestListener;
    more?: (port: number) => string[];
  } = {},
): Promise<Front> {
  const seen: IncomingMessage[] = [];
  const port = await listening(
    createServer((request, response) => {
      seen.push(request);
      if (options.serve) options.serve(request, response);
      else request.resume().on('end', () => response.end(`served ${request.url}`));
    }),
  );
  const proxy = new EgressProxy({
    walls: {
      hosts: [`${host}:${port}`, ...(options.more?.(port) ?? [])],
      addresses: options.addresses ?? ['127.0.0.0/8'],
    },
    limits: { ...usualEgressLimits, ...options.limits },
    resolve: options.resolve ?? (async () => ['127.0.0.1']),
    currentCommand: () => 'npm ci',
  });
  const front = await listening(createTcpServer({ allowHalfOpen: true }, (client) => proxy.accept(client)));
  const send: Front['send'] = (text, stopAt) =>
    new Promise((resolve) => {
      let got = '';
      const client = connect(front, '127.0.0.1', () => client.write(text));
      client.on('data', (bytes) => {
        got += bytes.toString('latin1');
        if (stopAt !== undefined && got.includes(stopAt)) client.destroy();
      });
      client.on('error', () => {});
      client.on('close', () => resolve(got));
    });
  return { proxy, port, send, seen };
}

const get = (target: string, headers: readonly string[], method = 'GET') =>
  `${method} ${target} HTTP/1.1\r\n${headers.map((line) => `${line}\r\n`).join('')}Connection: close\r\n\r\n`;

describe('a granted host', () => {
  it('is reached by plain http, and sees neither proxy headers nor those of one connection', async () => {
    const { send, port, seen, proxy } = await openProxy();

    const answer = await send(
      get(`http://${host}:${port}/a?b=1`, [
        `Host: ${host}:${port}`,
        'Proxy-Authorization: x',
        'TE: trailers',
        'X-Kept: 1',
      ]),
    );

    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(answer).toContain('served /a?b=1');
    expect(seen[0]?.headers).toEqual({ host: `${host}:${port}`, connection: 'close', 'x-kept': '1' });
    expect(proxy.blocked()).toEqual([]);
  });

  it('gets the body of a request, whichever way its length is said', async () => {
    const bodies: string[] = [];
    const { send, port } = await openProxy({
      serve: (request, response) => {
        let body = '';
        request.on('data', (bytes) => {
          body += bytes;
        });
        request.on('end', () => {
          bodies.push(body);
          response.end();
        });
      },
    });
    const target = `http://${host}:${port}/`;
    const said = `Host: ${host}:${port}`;

    await send(`${get(target, [said, 'Content-Length: 5'], 'POST')}hello`);
    await send(`${get(target, [said, 'Transfer-Encoding: chunked'], 'PUT')}5\r\nhello\r\n0\r\n\r\n`);
    await send(`${get(target, [said, 'Transfer-Encoding: chunked'], 'GET')}5\r\nhello\r\n0\r\n\r\n`);

    expect(bodies).toEqual(['hello', 'hello', 'hello']);
  });

  it('is reached through a tunnel, bytes sent along with the request included', async () => {
    const { send, port } = await openProxy();

    const answer = await send(
      `CONNECT ${host}:${port} HTTP/1.1\r\nHost: ${host}:${port}\r\n\r\n${get('/inner', ['Host: anything'])}`,
    );

    expect(answer).toMatch(/^HTTP\/1\.1 200 Connection Established\r\n\r\nHTTP\/1\.1 200 OK/);
    expect(answer).toContain('served /inner');
  });

  it('that does not answer, or has no address, is a failure and no blocked attempt', async () => {
    const gone = await listening(createTcpServer());
    opened.pop()?.close();
    const { send, proxy } = await openProxy({
      more: () => [`${host}:${gone}`, `nowhere.example:${gone}`],
      resolve: async (name) => {
        if (name === 'nowhere.example') throw new Error('ENOTFOUND');
        return ['127.0.0.1'];
      },
    });

    const refused = await send(`CONNECT ${host}:${gone} HTTP/1.1\r\nHost: x\r\n\r\n`);
    const unknown = await send(get(`http://nowhere.example:${gone}/`, [`Host: nowhere.example:${gone}`]));

    expect(refused).toContain('502 Bad Gateway');
    expect(unknown).toContain('could not be resolved');
    expect(proxy.blocked()).toEqual([]);
  });
});

describe('refused', () => {
  it.each([
    ['another host', 'evil.example:443', 'not among the granted hosts'],
    ['another port', `${host}:1`, 'not the granted port'],
    ['an address', '127.0.0.1:80', 'a numeric address'],
    ['a decimal address', '2130706433:80', 'a numeric address'],
    ['an octal address', '0177.0.0.1:80', 'a numeric address'],
    ['a hexadecimal address', '0x7f000001:80', 'a numeric address'],
    ['an IPv6 address', '[::1]:80', 'a numeric address'],
    ['a mapped address', '[::ffff:127.0.0.1]:80', 'a numeric address'],
    ['metadata', '169.254.169.254:80', 'a numeric address'],
    ['a name with a dot at its end', `${host}.:80`, 'not a plain host name and port'],
    ['a target without port', host, 'not a plain host name and port'],
    ['a user part', `a@${host}:80`, 'not a plain host name and port'],
  ])('is a tunnel to %s, and the attempt is counted with its command', async (_, target, reason) => {
    const { send, proxy } = await openProxy();

    const answer = await send(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`);

    expect(answer).toMatch(/^HTTP\/1\.1 403 /);
    expect(answer).toContain(reason);
    expect(proxy.blocked()).toMatchObject([{ reason, command: 'npm ci', count: 1 }]);
  });

  it('is a name that leads to a private address, or to one among public ones', async () => {
    const answers: Record<string, string[]> = {
      [host]: ['127.0.0.1'],
      'mixed.example': ['1.1.1.1', '10.0.0.1'],
      'mapped.example': ['::ffff:127.0.0.1'],
      'metadata.example': ['169.254.169.254'],
    };
    const { send, proxy, port, seen } = await openProxy({
      addresses: [],
      resolve: async (name) => answers[name] ?? [],
      more: (at) => Object.keys(answers).map((name) => `${name}:${at}`),
    });

    for (const name of Object.keys(answers)) {
      expect(await send(`CONNECT ${name}:${port} HTTP/1.1\r\nHost: x\r\n\r\n`)).toContain('private or reserved');
      expect(await send(get(`http://${name}:${port}/`, [`Host: ${name}:${port}`]))).toContain('private or reserved');
    }
    expect(proxy.blocked().map(({ count }) => count)).toEqual([2, 2, 2, 2]);
    expect(seen).toEqual([]);
  });

  it('is a second answer of the resolver: the address that was checked is the one that is connected to', async () => {
    let asked = 0;
    const { send, port } = await openProxy({
      resolve: async () => {
        asked += 1;
        return asked === 1 ? ['127.0.0.1'] : ['127.0.0.2', '10.0.0.1'];
      },
    });

    const first = await send(get(`http://${host}:${port}/`, [`Host: ${host}:${port}`]));
    const second = await send(get(`http://${host}:${port}/`, [`Host: ${host}:${port}`]));

    expect(first).toContain('served /');
    expect(second).toContain('private or reserved');
    expect(asked).toBe(2);
  });

  it.each([
    ['another name', ['Host: internal.example']],
    ['another port', ['Host: svc.example:1']],
    ['two names', ['Host: svc.example', 'Host: internal.example']],
    ['no name', []],
    ['an address', ['Host: 127.0.0.1']],
  ])('is a plain request whose Host header says %s', async (_, headers) => {
    const { send, port, seen, proxy } = await openProxy();

    const answer = await send(get(`http://${host}:${port}/`, headers));

    expect(answer).toMatch(/^HTTP\/1\.1 40[03] /);
    expect(seen).toEqual([]);
    expect(proxy.blocked().length).toBeLessThanOrEqual(1);
  });

  it.each([
    ['a path', '/'],
    ['https without a tunnel', `https://${host}/`],
    ['another protocol', `ftp://${host}/`],
    ['everything', '*'],
    ['a user part', `http://a:b@${host}/`],
  ])('is a request for %s', async (_, target) => {
    const { send, seen, proxy } = await openProxy();

    const answer = await send(get(target, [`Host: ${host}`], target === '*' ? 'OPTIONS' : 'GET'));

    expect(answer).toMatch(/^HTTP\/1\.1 403 /);
    expect(seen).toEqual([]);
    expect(proxy.blocked()).toHaveLength(1);
  });

  it.each([
    ['both lengths', ['Content-Length: 5', 'Transfer-Encoding: chunked']],
    ['two lengths', ['Content-Length: 5', 'Content-Length: 6']],
    ['a folded header', ['X: a', ' Transfer-Encoding: chunked']],
    ['a length of Node’s leniency', ['Content-Length: +5']],
    ['an odd coding', ['Transfer-Encoding: xchunked']],
  ])('is a request that two servers could cut apart differently: %s', async (_, headers) => {
    const { send, port, seen } = await openProxy();

    await send(`${get(`http://${host}:${port}/`, [`Host: ${host}:${port}`, ...headers], 'POST')}hello`, '\r\n');

    expect(seen).toEqual([]);
  });
});

describe('limits', () => {
  it('of connections hold, and the connection over them is counted', async () => {
    const { send, proxy, port } = await openProxy({ limits: { connections: 2 }, serve: () => {} });
    const tunnel = `CONNECT ${host}:${port} HTTP/1.1\r\nHost: x\r\n\r\n`;
    const held = [send(tunnel), send(tunnel)];
    await until(async () => (await send(tunnel, '\r\n\r\n')).includes('403'));

    expect(proxy.blocked()).toMatchObject([{ reason: 'too many connections at once' }]);
    proxy.close();
    expect(await Promise.all(held)).toHaveLength(2);
  });

  it('of bytes close what is open and refuse the rest, in both directions', async () => {
    for (const limits of [{ receivedBytes: 50_000 }, { sentBytes: 50_000 }]) {
      const { send, proxy, port } = await openProxy({
        limits,
        serve: (request, response) => request.resume().on('end', () => response.end(Buffer.alloc(400_000))),
      });
      const target = `http://${host}:${port}/`;
      const said = `Host: ${host}:${port}`;

      const answer = await send(`${get(target, [said, 'Content-Length: 400000'], 'POST')}${'x'.repeat(400_000)}`);

      expect(answer.length).toBeLessThan(400_000);
      expect(await send(`CONNECT ${host}:${port} HTTP/1.1\r\nHost: x\r\n\r\n`)).toContain('the byte limit is reached');
      expect(proxy.blocked()).toMatchObject([{ host, port, reason: 'the byte limit is reached', count: 1 }]);
    }
  });

  it('of silence close a tunnel, a request without answer, and a connection that says nothing', async () => {
    const { send, port } = await openProxy({ limits: { idleMs: 100 }, serve: () => {} });

    const ended = await Promise.all([
      send(`CONNECT ${host}:${port} HTTP/1.1\r\nHost: x\r\n\r\n`),
      send(get(`http://${host}:${port}/`, [`Host: ${host}:${port}`])),
      send(''),
      send('GET http://'),
    ]);

    expect(ended[0]).toContain('200 Connection Established');
    expect(ended[1]).not.toContain('200');
  });
});

describe('whatever comes in', () => {
  it('is answered or closed, and the next request is served', async () => {
    const { send, port, proxy } = await openProxy({ limits: { idleMs: 60 } });
    const good = get(`http://${host}:${port}/ok`, [`Host: ${host}:${port}`]);
    const piece = fc.oneof(
      fc.constantFrom(
        'CONNECT ',
        'GET ',
        'http://',
        host,
        `:${port}`,
        ' HTTP/1.1\r\n',
        '\r\n',
        'Host: ',
        '\0',
        '[::1]',
      ),
      fc.constantFrom(
        'Transfer-Encoding: chunked\r\n',
        'Content-Length: 99\r\n',
        'Upgrade: h2c\r\n',
        'Expect: 100-continue\r\n',
      ),
      fc.string({ unit: 'binary', maxLength: 8 }),
    );
    const message = fc.array(piece, { maxLength: 14 }).map((pieces) => pieces.join(''));

    await fc.assert(
      fc.asyncProperty(message, async (text) => {
        await send(text);
      }),
      { numRuns: 80 },
    );

    expect(await send(good)).toContain('served /ok');
    expect(proxy.blocked().length).toBeLessThanOrEqual(201);
  });

  it.each([
    'HTTP/1.1 099 Odd\r\n\r\n',
    'HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n',
    'HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello',
    'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nshort',
    'HTTP/1.1 200 \x7f\r\nX: \x01\r\n\r\n',
    'garbage',
    '',
  ])('from the granted host ends that request alone: %j', async (answer) => {
    const odd = await listening(createTcpServer((socket) => socket.on('error', () => {}).end(answer, 'latin1')));
    const { send, port } = await openProxy({ more: () => [`${host}:${odd}`] });

    await send(get(`http://${host}:${odd}/`, [`Host: ${host}:${odd}`]));

    expect(await send(get(`http://${host}:${port}/ok`, [`Host: ${host}:${port}`]))).toContain('served /ok');
  });
});
