import type Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { parseDockerHost } from '../../src/sandbox/docker-client.ts';
import { createDockerEngine } from '../../src/sandbox/docker-sandbox.ts';
import { reapContainers, removeContainer } from '../../src/sandbox/reaper.ts';
import { docker, noNetwork, type TestEngine, testEngine, testLimits } from '../support/sandboxes.ts';
import { until } from '../support/until.ts';

const files = { 'README.md': 'hello\n' };
const call = (command: string) => ({ command, timeoutMs: 20_000 });

let engine: TestEngine;
beforeAll(() => {
  engine = testEngine();
});
afterAll(() => engine[Symbol.asyncDispose]());

const namesOf = async (label: string) =>
  (await docker('ps', '-a', '--filter', `label=${label}`, '--format', '{{.Names}}')).split('\n').filter(Boolean).sort();

describe('a container', () => {
  it('has a fixed name and its labels, and replaces what an earlier epoch left', async () => {
    const deadlineMs = Date.now() + 60_000;
    await engine.openOn(files, { run: 'r/1 ü', purpose: 'verify', epoch: 1, deadlineMs });
    await using second = await engine.openOn(files, { run: 'r/1 ü', purpose: 'verify', epoch: 2, deadlineMs });

    const names = await namesOf(`millwright.instance=${engine.instance}`);
    const labels = JSON.parse(await docker('inspect', '--format', '{{json .Config.Labels}}', second.name));

    expect(names).toEqual([second.name]);
    expect(second.name).toMatch(new RegExp(`^millwright-${engine.instance}-r-1---[0-9a-f]{8}-verify-e2$`));
    expect(labels).toMatchObject({
      'millwright.instance': engine.instance,
      'millwright.run': 'r/1 ü',
      'millwright.deadline': String(deadlineMs),
    });
  });

  it('has every wall as the engine itself tells it, and the runtime that policy names', async () => {
    await using sandbox = await engine.openOn(files, { runtime: 'runc' });

    const { Config, HostConfig } = JSON.parse(await docker('inspect', '--format', '{{json .}}', sandbox.name));

    expect(HostConfig).toMatchObject({
      Runtime: 'runc',
      NetworkMode: 'none',
      Privileged: false,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      PidsLimit: testLimits.pids,
      Memory: testLimits.memoryBytes,
      MemorySwap: testLimits.memoryBytes,
      NanoCpus: testLimits.cpus * 1e9,
      IpcMode: 'private',
      PidMode: '',
      UsernsMode: '',
      LogConfig: { Type: 'none' },
      RestartPolicy: { Name: 'no' },
      Tmpfs: { '/tmp': expect.stringMatching(/^rw,exec,nosuid,nodev,mode=1777,size=\d+$/) },
    });
    expect([HostConfig.CapAdd ?? [], HostConfig.Binds ?? [], HostConfig.Devices ?? []]).toEqual([[], [], []]);
    expect(HostConfig.Ulimits).toEqual(
      expect.arrayContaining([
        { Name: 'nofile', Soft: 4096, Hard: 4096 },
        { Name: 'fsize', Soft: testLimits.diskBytes, Hard: testLimits.diskBytes },
      ]),
    );
    expect(Config.User).not.toMatch(/^(0|root|)(:|$)/);
    await expect(engine.openOn(files, { runtime: 'no-such-runtime' })).rejects.toMatchObject({
      code: 'outside.sandbox',
      message: expect.stringContaining('no-such-runtime'),
    });
    expect(await namesOf(`millwright.instance=${engine.instance}`)).toEqual([sandbox.name]);
  });

  it('is gone when it was disposed of, also twice and while a command runs', async () => {
    const sandbox = await engine.openOn(files);
    const running = sandbox.run(call('sleep 60'));
    running.catch(() => {});

    await Promise.all([sandbox[Symbol.asyncDispose](), sandbox[Symbol.asyncDispose]()]);

    expect(await docker('ps', '-aq', '--filter', `name=${sandbox.name}`)).toBe('');
    await expect(running).rejects.toMatchObject({ code: 'outside.sandbox' });
    await expect(sandbox.run(call('true'))).rejects.toMatchObject({ code: 'outside.sandbox' });
  });

  it('that was removed or stopped from outside is lost, and says so', async () => {
    await using removed = await engine.openOn(files);
    await using stopped = await engine.openOn(files);
    const running = [removed.run(call('sleep 60')), stopped.run(call('sleep 60'))];
    for (const one of running) one.catch(() => {});
    await until(async () => (await removed.run(call('pgrep -f "sleep 60"'))).exitCode === 0);

    await docker('rm', '-f', removed.name);
    await docker('kill', stopped.name);

    for (const one of running) await expect(one).rejects.toMatchObject({ code: 'outside.sandbox' });
    await expect(removed.run(call('true'))).rejects.toMatchObject({ code: 'outside.sandbox' });
    await expect(removed.changes({ maxFiles: 1, maxFileBytes: 1, maxTotalBytes: 1 })).rejects.toMatchObject({
      code: 'outside.sandbox',
    });
    await expect(removed.readFile('README.md')).rejects.toMatchObject({ code: 'outside.sandbox' });
  });

  it('gets secrets as environment of its processes alone', async () => {
    const secret = `s3cr3t-${Math.random()}`;
    await using sandbox = await engine.openOn(files, { secrets: { STAGING_TOKEN: secret }, env: { PLAIN: 'plain' } });

    const warm = await sandbox.run(call('echo "$STAGING_TOKEN $PLAIN"'));
    const alone = await sandbox.run({ ...call('echo "$STAGING_TOKEN"'), isolated: true });
    const outside = await docker('inspect', sandbox.name);

    expect(warm.stdout.text).toBe(`${secret} plain\n`);
    expect(alone.stdout.text).toBe(`${secret}\n`);
    expect(outside).not.toContain(secret);
  });

  it('reads and writes files: any bytes, any size, any name', async () => {
    await using sandbox = await engine.openOn(files);
    const bytes = Buffer.from(Array.from({ length: 700_000 }, (_, index) => (index * 7 + (index >> 8)) % 256));
    const name = "sub dir/it's $HOME\n;ü.bin";

    const written = await sandbox.writeFile(name, bytes);
    const read = await sandbox.readFile(name);
    const start = await sandbox.readFile(name, { maxBytes: 10 });
    const empty = [await sandbox.writeFile('empty', Buffer.alloc(0)), await sandbox.readFile('empty')];

    expect(written).toEqual({ kind: 'written' });
    expect(read).toMatchObject({ kind: 'file', totalBytes: 700_000, truncated: false });
    expect(read.kind === 'file' && Buffer.from(read.bytes).equals(bytes)).toBe(true);
    expect(start).toEqual({ kind: 'file', bytes: bytes.subarray(0, 10), totalBytes: 700_000, truncated: true });
    expect(empty).toEqual([
      { kind: 'written' },
      { kind: 'file', bytes: Buffer.alloc(0), totalBytes: 0, truncated: false },
    ]);
  });

  it('says why a file cannot be read or written', async () => {
    await using sandbox = await engine.openOn(files);
    await sandbox.run(call('mkfifo pipe; ln -s /nowhere broken; echo x >closed; chmod 000 closed'));

    expect(await sandbox.readFile('missing')).toEqual({ kind: 'missing' });
    expect(await sandbox.readFile('/etc')).toEqual({ kind: 'directory' });
    expect(await sandbox.readFile('pipe')).toMatchObject({ kind: 'other' });
    expect(await sandbox.readFile('broken')).toMatchObject({ kind: 'other' });
    expect(await sandbox.readFile('closed')).toMatchObject({ kind: 'other' });
    expect(await sandbox.writeFile('pipe', Buffer.from('x'))).toMatchObject({
      kind: 'refused',
      what: 'not a regular file',
    });
    expect(await sandbox.writeFile('/etc/passwd', Buffer.from('x'))).toMatchObject({ kind: 'refused' });
    expect(await sandbox.writeFile('README.md/x', Buffer.from('x'))).toMatchObject({ kind: 'refused' });
  });
});

describe('the reaper', () => {
  it("takes this instance's containers by run and by deadline, and nobody else's", async () => {
    await using other = testEngine();
    const now = Date.now();
    await engine.reap({});
    const [, kept, , foreign] = await Promise.all([
      engine.openOn(files, { run: 'late', deadlineMs: now - 1 }),
      engine.openOn(files, { run: 'live', deadlineMs: now + 60_000 }),
      engine.openOn(files, { run: 'mine', deadlineMs: now + 60_000 }),
      other.openOn(files, { run: 'late', deadlineMs: now - 1 }),
    ]);

    expect(await engine.reap({ expiredAtMs: now })).toBe(1);
    expect(await engine.reap({ run: 'mine' })).toBe(1);
    expect(await engine.reap({ exceptRuns: ['live'] })).toBe(0);
    expect((await kept.run(call('echo alive'))).stdout.text).toBe('alive\n');
    expect((await foreign.run(call('echo alive'))).stdout.text).toBe('alive\n');
    expect(await engine.reap({})).toBe(1);
  });

  it('leaves a container alone that is being removed already', async () => {
    const asked: string[] = [];
    const listed = ['removing', 'running', 'exited'].map((State) => ({ Id: State, Labels: {}, State }));
    const busy = {
      listContainers: async () => listed,
      getContainer: (id: string) => ({ remove: async () => asked.push(id) }),
    };

    expect(await reapContainers(busy as unknown as Docker, 'mine', {})).toBe(2);
    expect(asked).toEqual(['running', 'exited']);
  });
});

describe('the removal of a container', () => {
  /** Refuses with each status in turn, then removes. */
  function removable(...refusals: number[]) {
    const asked = { times: 0 };
    const remove = async () => {
      const statusCode = refusals[asked.times];
      asked.times += 1;
      if (statusCode) throw Object.assign(new Error(`refused with ${statusCode}`), { statusCode });
    };
    return { asked, remove };
  }

  it('that somebody else has begun is waited for, until the container is gone', async () => {
    const going = removable(409, 409, 404);

    await removeContainer(going);

    expect(going.asked.times).toBe(3);
  });

  it('that never ends, or is refused for another reason, is told', async () => {
    const stuck = removable(409, 409, 409, 409, 409, 409);
    const refused = removable(500);
    const silent = { remove: () => new Promise<void>(() => {}) };

    await expect(removeContainer(stuck, 250)).rejects.toMatchObject({ code: 'outside.sandbox' });
    await expect(removeContainer(refused)).rejects.toMatchObject({ code: 'outside.sandbox' });
    await expect(removeContainer(silent, 50)).rejects.toMatchObject({ code: 'outside.sandbox' });
    expect(refused.asked.times).toBe(1);
  });

  it('may take longer than other calls of the engine', async () => {
    vi.useFakeTimers();
    try {
      const slow = removeContainer({ remove: () => new Promise<void>((resolve) => setTimeout(resolve, 200_000)) });
      await vi.advanceTimersByTimeAsync(200_000);

      await expect(slow).resolves.toBeUndefined();
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('the engine', () => {
  it('answers and can hold the walls', async () => {
    expect(await engine.status()).toMatchObject({ available: true, version: expect.stringMatching(/^\d+\./) });
  });

  it('that does not answer is told apart from a lost container', async () => {
    const nobody = createDockerEngine({
      docker: { socketPath: '/nonexistent/docker.sock' },
      instance: 'nobody',
      clock: systemClock,
      log: { debug: () => {}, warn: () => {} },
    });

    const opening = nobody.open({
      run: 'r',
      purpose: 'build',
      epoch: 1,
      image: 'any',
      overlay: { writes: [], links: [], deletes: [] },
      limits: testLimits,
      network: noNetwork,
      secrets: {},
      deadlineMs: 0,
    });

    await expect(opening).rejects.toMatchObject({ code: 'outside.no-engine' });
    expect(await nobody.status()).toMatchObject({ available: false, reason: expect.stringContaining('ENOENT') });
  });

  it('is found where DOCKER_HOST says', () => {
    expect(parseDockerHost(undefined)).toEqual({ socketPath: '/var/run/docker.sock' });
    expect(parseDockerHost('unix:///run/user/docker.sock')).toEqual({ socketPath: '/run/user/docker.sock' });
    expect(parseDockerHost('tcp://docker.internal')).toEqual({ protocol: 'http', host: 'docker.internal', port: 2375 });
    expect(parseDockerHost('tcp://docker.internal:2376')).toEqual({
      protocol: 'https',
      host: 'docker.internal',
      port: 2376,
    });
    expect(() => parseDockerHost('ssh://docker.internal')).toThrow('not supported');
  });
});
