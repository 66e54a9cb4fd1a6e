import { networkInterfaces } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import {
  type LocalService,
  localWall,
  loopbackExcepted,
  serviceHost,
  startService,
} from '../support/egress-services.ts';
import { docker, type TestEngine, testEngine } from '../support/sandboxes.ts';
import { until } from '../support/until.ts';

let engine: TestEngine;
let service: LocalService;
/** Open to every network of this machine, as a careless service is. */
let careless: LocalService;
let sandbox: Sandbox;
let resolved: Record<string, string[]>;

beforeAll(async () => {
  resolved = {};
  service = await startService();
  careless = await startService(undefined, { address: '::' });
  const resolve = async (host: string) => resolved[host] ?? ['127.0.0.1'];
  engine = testEngine({ egress: localWall({ resolve, limits: { connections: 32 } }) });
  sandbox = await engine.openOn({ 'README.md': 'hello\n' }, { network: granted(['metadata', 'rebound', 'private']) });
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
  await service[Symbol.asyncDispose]();
  await careless[Symbol.asyncDispose]();
});

const granted = (names: readonly string[]) => ({
  hosts: [`${serviceHost}:${service.port}`, ...names.map((name) => `${name}.example:${service.port}`)],
  addresses: loopbackExcepted,
});

async function output(command: string, timeoutMs = 30_000): Promise<string> {
  const { stdout, stderr } = await sandbox.run({ command: `{ ${command}\n} 2>&1`, timeoutMs });
  return stdout.text + stderr.text;
}

/** Runs Node inside, with `argument` as JSON; the script says what it found with `console.log(JSON…)`. */
async function inside<Found>(script: string, argument: unknown): Promise<Found> {
  await sandbox.writeFile('/tmp/attack.mjs', Buffer.from(`const argument = ${JSON.stringify(argument)};\n${script}`));
  const text = await output('node /tmp/attack.mjs');
  return JSON.parse(text) as Found;
}

/** First lines of what the proxy answers to each of these requests, sent as raw bytes. */
const askProxy = (requests: readonly string[]) =>
  inside<string[]>(
    `import net from 'node:net';
    const ask = (text) => new Promise((resolve) => {
      let got = '';
      const socket = net.connect(3128, '127.0.0.1', () => socket.write(text));
      socket.on('data', (bytes) => { got += bytes.toString('latin1'); if (got.includes('\\r\\n')) socket.destroy(); });
      socket.on('error', () => {});
      socket.setTimeout(5000, () => socket.destroy());
      socket.on('close', () => resolve(got.split('\\r\\n')[0]));
    });
    console.log(JSON.stringify(await Promise.all(argument.map(ask))));`,
    requests,
  );

/** How connecting directly to each of these ends: an error code, or `connected`. */
const connectDirectly = (targets: readonly { host: string; port: number }[]) =>
  inside<string[]>(
    `import net from 'node:net';
    const reach = ({ host, port }) => new Promise((resolve) => {
      const socket = net.connect({ host, port });
      socket.setTimeout(3000, () => { socket.destroy(); resolve('timeout'); });
      socket.on('connect', () => { socket.destroy(); resolve('connected'); });
      socket.on('error', ({ code }) => resolve(code));
    });
    console.log(JSON.stringify(await Promise.all(argument.map(reach))));`,
    targets,
  );

async function stillServed(): Promise<void> {
  const url = `http://${serviceHost}:${service.port}/still`;
  expect(await output(`node -e "fetch('${url}').then((r) => r.text()).then(console.log)"`)).toContain('served /still');
}

describe('through the proxy', () => {
  it('nothing gets that is not granted: hosts, ports, addresses in every spelling, names of the machine itself', async () => {
    const targets = [
      'evil.example:443',
      `evil.example:${service.port}`,
      `${serviceHost}:1`,
      `${serviceHost}.:${service.port}`,
      `x.${serviceHost}:${service.port}`,
      `localhost:${service.port}`,
      `host.docker.internal:${service.port}`,
      `127.0.0.1:${service.port}`,
      `127.1:${service.port}`,
      `2130706433:${service.port}`,
      `017700000001:${service.port}`,
      `0x7f000001:${service.port}`,
      `0:${service.port}`,
      `[::1]:${service.port}`,
      `[::ffff:127.0.0.1]:${service.port}`,
      `[0:0:0:0:0:0:0:1]:${service.port}`,
      `[64:ff9b::7f00:1]:${service.port}`,
      '169.254.169.254:80',
      '2852039166:80',
      '[fd00:ec2::254]:80',
      '172.17.0.1:2375',
      `a@${serviceHost}:${service.port}`,
      `${serviceHost}%00.evil.example:${service.port}`,
    ];
    const before = service.connections;

    const tunnels = await askProxy(targets.map((target) => `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`));
    const plain = await askProxy(targets.map((target) => `GET http://${target}/ HTTP/1.1\r\nHost: ${target}\r\n\r\n`));

    expect(tunnels).toEqual(targets.map(() => 'HTTP/1.1 403 Forbidden'));
    expect(plain).toEqual(targets.map(() => 'HTTP/1.1 403 Forbidden'));
    expect(service.connections).toBe(before);
    expect(sandbox.blocked()).toContainEqual({
      host: '169.254.169.254',
      port: 80,
      reason: 'a numeric address',
      command: expect.stringContaining('attack.mjs'),
      count: 2,
    });
  });

  it('no granted name leads to metadata or private addresses, nor elsewhere at a second look', async () => {
    const line = (name: string) =>
      `CONNECT ${name}.example:${service.port} HTTP/1.1\r\nHost: ${name}.example:${service.port}\r\n\r\n`;
    resolved = {
      'metadata.example': ['169.254.169.254'],
      'private.example': ['1.1.1.1', '::ffff:10.0.0.1'],
      'rebound.example': ['127.0.0.1'],
    };

    const first = await askProxy([line('metadata'), line('private'), line('rebound')]);
    resolved['rebound.example'] = ['192.168.0.1'];
    const second = await askProxy([line('rebound')]);

    expect(first).toEqual(['HTTP/1.1 403 Forbidden', 'HTTP/1.1 403 Forbidden', 'HTTP/1.1 200 Connection Established']);
    expect(second).toEqual(['HTTP/1.1 403 Forbidden']);
  });

  it('no request reaches another site on the granted host', async () => {
    const target = `http://${serviceHost}:${service.port}/`;
    const before = service.connections;

    const answers = await askProxy([
      `GET ${target} HTTP/1.1\r\nHost: internal.example\r\n\r\n`,
      `GET ${target} HTTP/1.1\r\nHost: ${serviceHost}:${service.port}\r\nHost: internal.example\r\n\r\n`,
      `GET / HTTP/1.1\r\nHost: ${serviceHost}:${service.port}\r\n\r\n`,
      `POST ${target} HTTP/1.1\r\nHost: ${serviceHost}:${service.port}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ]);

    for (const answer of answers) expect(answer).toMatch(/^HTTP\/1\.1 40[03] /);
    expect(service.connections).toBe(before);
  });

  it('a flood of connections and of garbage holds up nobody but itself', async () => {
    const counts = await inside<{ closed: number }>(
      `import net from 'node:net';
      import { randomBytes } from 'node:crypto';
      let closed = 0;
      const one = (at) => new Promise((resolve) => {
        const socket = net.connect(3128, '127.0.0.1', () => socket.write(at % 2 ? randomBytes(5000) : 'CONNECT evil.example:1 HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'));
        socket.on('error', () => {});
        socket.resume().on('close', () => { closed += 1; resolve(); });
        socket.setTimeout(10000, () => socket.destroy());
      });
      for (let round = 0; round < 5; round += 1) await Promise.all(Array.from({ length: 150 }, (_, at) => one(at)));
      console.log(JSON.stringify({ closed }));`,
      null,
    );

    expect(counts.closed).toBe(750);
    expect(sandbox.blocked().length).toBeLessThanOrEqual(201);
    await stillServed();
  });

  it('connections that are held open count, and are free again when their process is gone', async () => {
    await output(
      `cat >/tmp/hold.mjs <<'END'
      import net from 'node:net';
      for (let at = 0; at < 60; at += 1) {
        const socket = net.connect(3128, '127.0.0.1', () => socket.write('CONNECT ${serviceHost}:${service.port} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'));
        socket.on('error', () => {});
      }
      setTimeout(() => {}, 60000);
END
      node /tmp/hold.mjs >/dev/null 2>&1 &`,
    );
    const tunnel = `CONNECT ${serviceHost}:${service.port} HTTP/1.1\r\nHost: x\r\n\r\n`;
    await until(async () => (await askProxy([tunnel]))[0] === 'HTTP/1.1 403 Forbidden');

    await output('pkill -f hold.mjs');

    await until(async () => (await askProxy([tunnel]))[0] === 'HTTP/1.1 200 Connection Established');
    expect(sandbox.blocked().map(({ reason }) => reason)).toContain('too many connections at once');
  });
});

describe('past the proxy', () => {
  it('nothing is reached directly: no address of this machine, no gateway, no metadata, no outside, in IPv4 and IPv6', async () => {
    const own = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .filter(({ internal, address }) => !internal && !address.startsWith('fe80'))
      .map(({ address }) => ({ host: address, port: careless.port }));
    const others = ['172.17.0.1', '169.254.169.254', '1.1.1.1', '10.0.0.1', '2606:4700:4700::1111', 'fd00:ec2::254'];
    const targets = [...own, ...others.map((host) => ({ host, port: 80 }))];

    const ends = await connectDirectly(targets);

    expect(own.length).toBeGreaterThan(0);
    for (const end of ends) expect(end).toMatch(/^(ENETUNREACH|EADDRNOTAVAIL)$/);
    expect(careless.connections).toBe(0);
  });

  it('the loopback inside is not this machine’s', async () => {
    const ends = await connectDirectly([
      { host: '127.0.0.1', port: service.port },
      { host: '127.0.0.1', port: careless.port },
      { host: '::1', port: careless.port },
      { host: '::ffff:127.0.0.1', port: careless.port },
    ]);

    for (const end of ends) expect(end).toMatch(/^(ECONNREFUSED|EADDRNOTAVAIL)$/);
  });

  it('no name is looked up, and no datagram leaves', async () => {
    const found = await inside<string[]>(
      `import dns from 'node:dns/promises';
      import dgram from 'node:dgram';
      const code = (call) => call.then(() => 'answered', (error) => error.code);
      const sent = (address) => new Promise((resolve) => {
        const socket = dgram.createSocket(address.includes(':') ? 'udp6' : 'udp4');
        socket.on('error', ({ code }) => resolve(code));
        socket.send('x', 53, address, (error) => resolve(error ? error.code : 'sent'));
      });
      const resolver = new dns.Resolver({ timeout: 500, tries: 1 });
      resolver.setServers(['1.1.1.1']);
      console.log(JSON.stringify([
        await code(dns.lookup('example.org')),
        await code(resolver.resolve4('example.org')),
        await sent('1.1.1.1'), await sent('172.17.0.1'), await sent('2606:4700:4700::1111'), await sent('255.255.255.255'),
      ]));
      process.exit();`,
      null,
    );

    for (const each of found)
      expect(each).toMatch(/^(EAI_AGAIN|ENOTFOUND|ECONNREFUSED|ETIMEOUT|ENETUNREACH|EADDRNOTAVAIL|EACCES)$/);
  });

  it('no raw socket is had, no interface added, no other process or socket of the wall seen', async () => {
    const python = (lines: string) => output(`python3 -c "import socket\n${lines}"`);

    expect(await python('socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)')).toContain('PermissionError');
    expect(await python('socket.socket(socket.AF_PACKET, socket.SOCK_RAW)')).toContain('PermissionError');
    expect(await output('cat /proc/net/dev | tail -n +3 | cut -d: -f1 | tr -d " "')).toBe('lo\n');
    expect(await output('tail -n +2 /proc/net/route')).toBe('');
    expect(await output('tail -n +2 /proc/net/unix')).toBe('');
    expect(await output('cat /proc/[0-9]*/cmdline | tr "\\0" " "')).not.toMatch(/maxConnections|Mux/);
    expect(await output('ls /var/run/docker.sock /run/docker.sock')).toMatch(/cannot access.*\n.*cannot access/);
    expect(await output('grep -c overlay /proc/self/mountinfo')).toBe('1\n');
  });

  it('another listener in the place of the relay gains nothing', async () => {
    await docker('rm', '-f', `${sandbox.name}-egress`);

    const ends = await connectDirectly([
      { host: '127.0.0.1', port: 3128 },
      { host: '1.1.1.1', port: 443 },
    ]);

    expect(ends).toEqual(['ECONNREFUSED', 'ENETUNREACH']);
  });
});
