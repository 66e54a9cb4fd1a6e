import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Duplex } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectDocker } from '../../src/sandbox/docker-client.ts';
import type { OpenEgress } from '../../src/sandbox/egress.ts';
import { relaySource } from '../../src/sandbox/egress-relay.ts';
import { openTunnel } from '../../src/sandbox/egress-tunnel.ts';
import { localWall, loopbackExcepted, selfSigned, serviceHost, startService } from '../support/egress-services.ts';
import { docker, productImage, type TestEngine, tarOf, testEngine } from '../support/sandboxes.ts';
import { until } from '../support/until.ts';

const files = { 'a.txt': 'a\n' };
const fetching = (url: string) =>
  `node -e "fetch('${url}').then((r) => r.text()).then(console.log, (e) => console.log(String(e.cause?.cause ?? e.cause ?? e)))"`;

let engine: TestEngine;
let opened: OpenEgress[];
beforeAll(() => {
  const wall = localWall();
  opened = [];
  const open: typeof wall.open = async (request) => {
    const egress = await wall.open(request);
    opened.push(egress);
    return egress;
  };
  engine = testEngine({ egress: { ...wall, open } });
});
afterAll(() => engine[Symbol.asyncDispose]());

const network = (port: number, ca?: string) => ({
  hosts: [`${serviceHost}:${port}`],
  addresses: loopbackExcepted,
  ...(ca === undefined ? {} : { ca }),
});
const containersOf = async (instance: string) =>
  (await docker('ps', '-a', '--filter', `label=millwright.instance=${instance}`, '--format', '{{.Names}}'))
    .split('\n')
    .filter(Boolean);

describe('a container with granted hosts', () => {
  it('reaches them by the usual tools, and the attempts at others are told with their command', async () => {
    await using service = await startService();
    await using sandbox = await engine.openOn(files, { network: network(service.port) });
    const run = async (command: string) => {
      const { stdout, stderr } = await sandbox.run({ command, timeoutMs: 20_000 });
      return stdout.text + stderr.text;
    };
    const url = `http://${serviceHost}:${service.port}`;

    expect(await run(fetching(`${url}/node`))).toBe('served /node\n\n');
    expect(await run(`python3 -c "import urllib.request as u; print(u.urlopen('${url}/py').read())"`)).toContain(
      'served /py',
    );
    expect(await run(`npm ping --registry ${url}/`)).toContain('PONG');
    expect(await run(fetching('https://evil.example/x'))).toContain('403');
    expect(await run('git ls-remote https://evil.example/x.git')).toContain('403');
    expect(sandbox.blocked()).toEqual([
      {
        host: 'evil.example',
        port: 443,
        reason: 'not among the granted hosts',
        command: fetching('https://evil.example/x'),
        count: 1,
      },
      {
        host: 'evil.example',
        port: 443,
        reason: 'not among the granted hosts',
        command: 'git ls-remote https://evil.example/x.git',
        count: 1,
      },
    ]);
  });

  it('trusts the operator’s certificates, and only with them the service that they sign', async () => {
    const tls = await selfSigned(serviceHost);
    await using service = await startService(undefined, { tls });
    const url = `https://${serviceHost}:${service.port}/secure`;
    await using trusting = await engine.openOn(files, { network: network(service.port, tls.cert) });
    await using doubting = await engine.openOn(files, { network: network(service.port) });
    const call = { command: fetching(url), timeoutMs: 20_000 };
    const python = `python3 -c "import urllib.request as u; print(u.urlopen('${url}').read())"`;

    expect((await trusting.run(call)).stdout.text).toContain('served /secure');
    expect((await trusting.run({ ...call, command: python })).stdout.text).toContain('served /secure');
    expect((await doubting.run(call)).stdout.text).toContain('self-signed certificate');
  });

  it('has a relay beside it that has nothing: no user of ours, no capability, no mount, no port, no writable file', async () => {
    await using sandbox = await engine.openOn(files, { network: network(443), deadlineMs: 4_102_444_800_000 });

    const relay = JSON.parse(await docker('inspect', `${sandbox.name}-egress`))[0];
    const own = JSON.parse(await docker('inspect', sandbox.name))[0];

    expect(relay.Config.User).toBe('65534:65534');
    for (const label of ['instance', 'run', 'purpose', 'deadline'].map((name) => `millwright.${name}`))
      expect(relay.Config.Labels[label]).toBe(own.Config.Labels[label]);
    expect(relay.Mounts).toEqual([]);
    expect(relay.HostConfig).toMatchObject({
      NetworkMode: `container:${own.Id}`,
      CapDrop: ['ALL'],
      CapAdd: null,
      SecurityOpt: ['no-new-privileges'],
      ReadonlyRootfs: true,
      Privileged: false,
      PidsLimit: 32,
      AutoRemove: true,
      Binds: null,
      LogConfig: { Type: 'none' },
    });
    expect(relay.HostConfig.Memory).toBeGreaterThan(0);
    expect(own.HostConfig).toMatchObject({ NetworkMode: 'none' });
  });

  it('goes with its relay, whether it is disposed of or reaped', async () => {
    const disposed = await engine.openOn(files, { network: network(443) });
    await disposed[Symbol.asyncDispose]();
    const afterDispose = await containersOf(engine.instance);
    await engine.openOn(files, { network: network(443), run: 'reaped' });
    const before = await containersOf(engine.instance);
    const reaped = await engine.reap({ run: 'reaped' });

    expect(afterDispose).toEqual([]);
    expect(before).toHaveLength(2);
    expect(reaped).toBe(2);
    expect(await containersOf(engine.instance)).toEqual([]);
  });

  it('has its way out again after it was started anew', async () => {
    await using service = await startService();
    await using sandbox = await engine.openOn(files, { network: network(service.port) });
    const egress = opened.at(-1);
    const env = Object.entries(egress?.env ?? {}).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
    const script = `fetch('http://${serviceHost}:${service.port}/again').then((r) => r.text()).then(console.log, () => console.log('no way'))`;
    const fetched = () => docker('exec', ...env, sandbox.name, 'node', '-e', script);

    await docker('restart', '-t', '0', sandbox.name);
    const cutOff = await fetched();
    await egress?.renew();

    expect(cutOff).toBe('no way');
    expect(await fetched()).toContain('served /again');
    expect((await containersOf(engine.instance)).filter((name) => name.startsWith(sandbox.name))).toHaveLength(2);
  });
});

describe('a relay left under its name', () => {
  const leave = (run: string, instance: string) =>
    docker(
      ...['create', '--name', `millwright-${engine.instance}-${run}-build-e1-egress`],
      ...['--label', `millwright.instance=${instance}`, productImage],
    );

  it('is replaced when it is ours, and left alone when it is another installation’s', async () => {
    await leave('mine', engine.instance);
    const foreign = await leave('theirs', 'somebody-else');
    try {
      await using _sandbox = await engine.openOn(files, { network: network(443), run: 'mine' });
      const opening = engine.openOn(files, { network: network(443), run: 'theirs' });

      await expect(opening).rejects.toMatchObject({ code: 'outside.sandbox' });
      expect(await docker('ps', '-aq', '--no-trunc', '--filter', `id=${foreign}`)).toBe(foreign);
    } finally {
      await docker('rm', '-f', foreign);
    }
    expect(await containersOf(engine.instance)).toEqual([]);
  });
});

describe('a set-up', () => {
  it('reaches its own hosts, and leaves no proxy variable in the image', async () => {
    await using service = await startService();
    const command = `${fetching(`http://${serviceHost}:${service.port}/dependency`)} >got.txt; cat got.txt; grep -q served got.txt`;

    const { image } = await engine.prepareOn(files, {
      setup: {
        command,
        root: false,
        hosts: [`${serviceHost}:${service.port}`],
        inputs: () => tarOf({ 'package.json': '{}' }),
        inputsHash: 'egress',
        shared: true,
        network: { hosts: [], addresses: loopbackExcepted },
        timeoutMs: 60_000,
      },
    });
    await using sandbox = await engine.openOn(files, { image });

    expect((await sandbox.run({ command: 'cat got.txt', timeoutMs: 5_000 })).stdout.text).toContain(
      'served /dependency',
    );
    expect((await sandbox.run({ command: 'env', timeoutMs: 5_000 })).stdout.text).not.toMatch(/proxy/i);
    expect(await docker('inspect', image)).not.toContain('3128');
  });
});

describe('when the app is killed', () => {
  it('the relay ends by itself, and nothing inside has a way out', async () => {
    const child = spawn(process.execPath, [new URL('./egress-child.ts', import.meta.url).pathname], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = await once(createInterface({ input: child.stdout }), 'line');
    const { name, instance } = JSON.parse(String(line)) as { name: string; instance: string };
    try {
      const before = await containersOf(instance);
      child.kill('SIGKILL');
      await until(async () => (await containersOf(instance)).length === 1);

      const listening = await docker('exec', name, 'cat', '/proc/net/tcp', '/proc/net/tcp6');
      expect(before.sort()).toEqual([name, `${name}-egress`]);
      expect(await containersOf(instance)).toEqual([name]);
      // State 0A: listening.
      expect(listening).not.toMatch(/^\s*\d+: \S+ \S+ 0A /m);
    } finally {
      child.kill('SIGKILL');
      await docker('rm', '-f', name);
      const images = await docker('images', '-q', '--filter', `label=millwright.instance=${instance}`);
      if (images) await docker('rmi', '-f', ...images.split('\n'));
    }
  });
});

describe('no container is handed out', () => {
  it('when the image that carries the relay is missing, and the operator is told what to do', async () => {
    await using other = testEngine({ egress: localWall({ relayImage: 'millwright/nowhere' }) });

    const opening = other.openOn(files, { network: network(443) });

    await expect(opening).rejects.toMatchObject({
      code: 'outside.sandbox',
      message: expect.stringContaining('script/sandbox-image'),
    });
    expect(await containersOf(other.instance)).toEqual([]);
  });

  it('when the operator’s address ranges cannot be read', async () => {
    const opening = engine.openOn(files, { network: { hosts: ['svc.example:443'], addresses: ['10.0.0.0/x'] } });

    await expect(opening).rejects.toMatchObject({ code: 'request.policy-invalid' });
    expect(await containersOf(engine.instance)).toEqual([]);
  });

  it('when a request that must be refused is let through before anything of ours runs', async () => {
    const hosts = ['millwright-canary.invalid:443'];

    const opening = engine.openOn(files, { network: { hosts, addresses: loopbackExcepted } });

    await expect(opening).rejects.toMatchObject({
      code: 'outside.sandbox',
      message: expect.stringMatching(
        /does not hold, so it is not used: CONNECT millwright-canary\.invalid:443 was not/,
      ),
    });
    expect(await containersOf(engine.instance)).toEqual([]);
  });

  it('beside another way out: a container with a network of its own is refused', async () => {
    const id = await docker('create', '--network', 'bridge', productImage);
    try {
      const opening = localWall().open({
        docker: connectDocker({}),
        container: { id, name: 'open' },
        instance: engine.instance,
        run: 'r',
        walls: network(443),
        currentCommand: () => undefined,
      });

      await expect(opening).rejects.toThrow('a network of its own');
    } finally {
      await docker('rm', '-f', id);
    }
  });
});

describe('the canary', () => {
  /** The relay as it is, but with this machine's network, and an app that refuses or lets pass. */
  async function findings(direct: string[], answer: string): Promise<readonly string[]> {
    const settings = JSON.stringify({ port: 31_280 + Math.floor(Math.random() * 1_000), maxConnections: 8, direct });
    const relay = spawn(process.execPath, ['--input-type=module', '-e', relaySource, '--', settings], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    try {
      return await new Promise((resolve) => {
        openTunnel(Duplex.from({ readable: relay.stdout, writable: relay.stdin }), {
          onConnection: (client) => client.on('data', () => client.end(answer)),
          onCanary: resolve,
          onClose: (reason) => resolve([reason]),
        });
      });
    } finally {
      relay.kill('SIGKILL');
    }
  }

  it('sees a network, a way to the outside, and a proxy that lets pass what it must refuse', async () => {
    await using service = await startService();

    const found = (await findings([`127.0.0.1 ${service.port}`], 'HTTP/1.1 200 OK\r\n\r\n')).join('\n');

    expect(found).toContain('there are network interfaces: ');
    expect(found).toContain('CONNECT 169.254.169.254:80 was not refused: HTTP/1.1 200');
    expect(found).toContain('CONNECT millwright-canary.invalid:443 was not refused');
    expect(found).toContain(`127.0.0.1 ${service.port} was reached`);
  });

  it('takes a refused connection for a way, since something answered', async () => {
    const found = (await findings(['127.0.0.1 1'], 'HTTP/1.1 403 Forbidden\r\n\r\n')).join('\n');

    expect(found).toContain('127.0.0.1 1: ECONNREFUSED');
    expect(found).not.toContain('was not refused');
  });

  it('runs on a container of its own for the operator, and leaves nothing', async () => {
    const docker = connectDocker({});
    const instance = `test-canary-${Date.now()}`;

    const held = await localWall().canary({ docker, instance });
    const broken = await localWall({ relayImage: 'millwright/nowhere' }).canary({ docker, instance });

    expect(held).toEqual({ held: true });
    expect(broken).toMatchObject({ held: false, reason: expect.stringContaining('millwright/nowhere') });
    expect(await containersOf(instance)).toEqual([]);
  });
});
