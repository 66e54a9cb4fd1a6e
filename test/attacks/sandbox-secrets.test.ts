import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectDocker } from '../../src/sandbox/docker-client.ts';
import { localWall, loopbackExcepted } from '../support/egress-services.ts';
import { docker, type TestEngine, tarOf, testEngine } from '../support/sandboxes.ts';

const files = { 'README.md': 'hello\n' };
const secret = `s3cr3t-${randomBytes(12).toString('hex')} with 'quotes' $HOME and "more"`;
/** A part without characters that any of the engine's formats would write differently. */
const trace = secret.slice(0, 31);

let engine: TestEngine;
beforeAll(() => {
  engine = testEngine({ egress: localWall() });
});
afterAll(() => engine[Symbol.asyncDispose]());

const call = (command: string) => ({ command, timeoutMs: 20_000 });

/** Everything that the engine says about a container: settings, processes, execs, what it wrote, what happened to it. */
async function toldByEngine(name: string, sinceS: number): Promise<string> {
  const container = connectDocker({}).getContainer(name);
  const { ExecIDs } = await container.inspect();
  const execs = await Promise.all((ExecIDs ?? []).map((id) => connectDocker({}).getExec(id).inspect()));
  const told = await Promise.all([
    docker('inspect', '--size', name),
    docker('top', name, '-eo', 'pid,args'),
    docker('diff', name),
    docker('ps', '-a', '--no-trunc', '--filter', `name=${name}`, '--format', '{{json .}}'),
    docker('events', '--since', String(sinceS), '--until', String(Date.now() / 1000), '--format', '{{json .}}'),
  ]);
  return [...told, JSON.stringify(execs)].join('\n');
}

describe('a secret', () => {
  it('is in the environment of commands, exactly, and nowhere that the engine tells of', async () => {
    const sinceS = Math.floor(Date.now() / 1000) - 1;
    const network = { hosts: ['svc.example:443'], addresses: loopbackExcepted };
    await using sandbox = await engine.openOn(files, { network, secrets: { STAGING_TOKEN: secret } });
    const running = sandbox.run(call('sleep 2'));

    const told = `${await toldByEngine(sandbox.name, sinceS)}\n${await docker('inspect', `${sandbox.name}-egress`)}`;
    const warm = await sandbox.run(call('printf %s "$STAGING_TOKEN"'));
    const isolated = await sandbox.run({ ...call('printf %s "$STAGING_TOKEN"'), isolated: true });
    await running;

    expect([warm.stdout.text, isolated.stdout.text]).toEqual([secret, secret]);
    expect(told).toContain(sandbox.name);
    expect(told).not.toContain(trace);
  });

  it('is not in the environment of the first process, nor in any file of the fresh container', async () => {
    await using sandbox = await engine.openOn(files, { secrets: { STAGING_TOKEN: secret } });

    const first = await sandbox.run(call('tr "\\0" "\\n" </proc/1/environ; tr "\\0" "\\n" </proc/1/cmdline'));
    const found = await sandbox.run(
      // Split, so that the search does not find itself.
      call(`grep -rsl "${trace.slice(0, 20)}""${trace.slice(20)}" /workspace /home /tmp /run /var /etc /root; :`),
    );

    expect(first.stdout.text).toContain('/bin/sh');
    expect(first.stdout.text).not.toContain(trace);
    expect(found.stdout.text).toBe('');
  });

  it('is in no image: not of the checkout, not of what a run leaves, not of a set-up, which never gets one', async () => {
    const setup = {
      command: 'env >seen-by-setup',
      root: false,
      hosts: [],
      inputs: () => tarOf({ 'package.json': '{}' }),
      inputsHash: 'secrets',
      shared: true,
      network: { hosts: [], addresses: [] },
      timeoutMs: 30_000,
    };
    {
      await using sandbox = await engine.openOn(files, { run: 'leaky', secrets: { STAGING_TOKEN: secret } });
      await sandbox.run(call('echo "$STAGING_TOKEN" >README.md; echo "$STAGING_TOKEN" >/home/agent/.kept'));
    }
    const { image } = await engine.prepareOn({ ...files, 'other.txt': 'x\n' }, { run: 'leaky', setup });

    const ids = (
      await docker('images', '-aq', '--no-trunc', '--filter', `label=millwright.instance=${engine.instance}`)
    )
      .split('\n')
      .filter(Boolean);
    const told = await docker('inspect', ...ids);
    const histories = await Promise.all(ids.map((id) => docker('history', '--no-trunc', '--format', '{{json .}}', id)));
    await using next = await engine.openOn(files, { image });
    const held = await next.run(call('cat README.md seen-by-setup; ls -A /home/agent'));

    expect(ids.length).toBeGreaterThanOrEqual(3);
    expect(told + histories.join('\n')).not.toContain(trace);
    expect(told).not.toContain('STAGING_TOKEN');
    expect(held.stdout.text).toContain('hello\n');
    expect(held.stdout.text).not.toMatch(/STAGING_TOKEN|s3cr3t|\.kept/);
  });

  it('of one run is not in the next container of another', async () => {
    {
      await using _first = await engine.openOn(files, { run: 'one', secrets: { STAGING_TOKEN: secret } });
    }
    await using second = await engine.openOn(files, { run: 'two' });

    const { stdout } = await second.run(call('env; cat /proc/[0-9]*/environ | tr "\\0" "\\n"'));

    expect(stdout.text).toContain('CI=true');
    expect(stdout.text).not.toMatch(/STAGING_TOKEN|s3cr3t/);
  });
});
