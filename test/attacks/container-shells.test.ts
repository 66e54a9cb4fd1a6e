import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { markersOfShell } from '../support/hostile-scripts.ts';
import { type TestEngine, testEngine } from '../support/sandboxes.ts';

let engine: TestEngine;
let sandbox: Sandbox;

beforeAll(() => {
  engine = testEngine();
});
beforeEach(async () => {
  sandbox = await engine.openOn({ 'README.md': 'hello\n' });
});
afterEach(() => sandbox[Symbol.asyncDispose]());
afterAll(() => engine[Symbol.asyncDispose]());

const call = (command: string) => ({ command, timeoutMs: 20_000 });

/** Leaves a Python program behind that outlives the call, holds none of its streams and attacks once the call has ended. */
async function leaveBehind(program: string): Promise<void> {
  await sandbox.writeFile('/tmp/attack.py', Buffer.from(`import time\ntime.sleep(0.6)\n${program}`));
  const { exitCode } = await sandbox.run(call('setsid python3 /tmp/attack.py >/tmp/attack.log 2>&1 </dev/null &'));
  expect(exitCode).toBe(0);
  await new Promise((resolve) => setTimeout(resolve, 1_200));
}

const shellsOfOthers = `
import os, time
def shells():
    for name in os.listdir('/proc'):
        if name.isdigit() and int(name) > 1 and int(name) != os.getpid():
            try:
                if open(f'/proc/{name}/comm').read().strip() in ('sh', 'dash', 'bash'): yield name
            except OSError: pass
`;

const killIdleShells =
  'for p in /proc/[0-9]*; do [ $p != /proc/$PPID ] && [ "$(cat $p/comm)" = sh ] && kill -KILL $(basename $p); done';

describe('an attack on the shells from inside', () => {
  it('that kills every process: the command counts as killed, later ones run', async () => {
    for (let round = 0; round < 3; round += 1) {
      const killer = await sandbox.run(call('kill -KILL -1'));
      const next = await sandbox.run(call(`echo ${round}`));

      expect(killer.end).toBe('exited');
      expect(next).toMatchObject({ exitCode: 0, stdout: { text: `${round}\n` } });
    }
  });

  it('that stops every process: the next command runs all the same', async () => {
    await leaveBehind(`${shellsOfOthers}
import signal
for name in shells(): os.kill(int(name), signal.SIGSTOP)
`);

    expect(await sandbox.run(call('echo on'))).toMatchObject({ exitCode: 0, stdout: { text: 'on\n' } });
  });

  it('that stops each new shell as it speaks: each call ends at its time, and a verdict is none of its business', async () => {
    await leaveBehind(`${shellsOfOthers}
import re, signal
old = set(shells())
while True:
    for name in set(shells()) - old:
        try:
            if int(re.search(r'wchar: (\\d+)', open(f'/proc/{name}/io').read()).group(1)) > 0: os.kill(int(name), signal.SIGSTOP)
        except (OSError, AttributeError): pass
`);
    const busy = sandbox.run(call(`${killIdleShells}; sleep 15`));
    await new Promise((resolve) => setTimeout(resolve, 500));
    const timeoutMs = 3_000;

    const tookMs = [];
    for (let round = 0; round < 3; round += 1) {
      const started = performance.now();
      await sandbox.run({ command: 'echo through', timeoutMs });
      tookMs.push(performance.now() - started);
    }
    const alone = await sandbox.run({ ...call('echo alone; exit 5'), isolated: true });
    await busy;

    expect(Math.max(...tookMs)).toBeLessThan(timeoutMs + 4_000);
    expect(alone).toMatchObject({ end: 'exited', exitCode: 5, stdout: { text: 'alone\n' } });
  });

  it('that kills each new shell as it comes ends with the attacker', async () => {
    await leaveBehind(`${shellsOfOthers}
while True:
    for name in shells():
        try: os.kill(int(name), 9)
        except OSError: pass
`);

    const alone = await sandbox.run({ ...call('echo alone; pgrep -fc attack[.]py; exit 5'), isolated: true });

    expect(alone).toMatchObject({ end: 'exited', exitCode: 5, stdout: { text: 'alone\n0\n' } });
    expect((await sandbox.run(call('echo on'))).stdout.text).toBe('on\n');
  });

  it('that writes into their outputs shows in no result', async () => {
    await leaveBehind(`${shellsOfOthers}
while True:
    for name in shells():
        for fd in (1, 2):
            try: os.write(os.open(f'/proc/{name}/fd/{fd}', os.O_WRONLY | os.O_NONBLOCK), b'forged\\n')
            except OSError: pass
    time.sleep(0.02)
`);

    const alone = await sandbox.run({ ...call('sleep 0.2; echo clean'), isolated: true });

    expect(alone.stdout.text).toBe('clean\n');
    expect(alone.stderr.text).toBe('');
    expect((await sandbox.run(call('echo on'))).stdout.text).toBe('on\n');
  });

  it('that writes commands into their inputs, or steals ours from there, changes no verdict', async () => {
    await leaveBehind(`${shellsOfOthers}
while True:
    for name in shells():
        try:
            os.write(os.open(f'/proc/{name}/fd/0', os.O_WRONLY | os.O_NONBLOCK), b'exit 0\\n')
            os.read(os.open(f'/proc/{name}/fd/0', os.O_RDONLY | os.O_NONBLOCK), 65536)
        except OSError: pass
`);

    const warm = await sandbox.run(call('echo through; exit 3'));
    const alone = await sandbox.run({ ...call('echo alone; exit 3'), isolated: true });

    expect(warm.end).toBe('exited');
    expect(alone).toMatchObject({ end: 'exited', exitCode: 3, stdout: { text: 'alone\n' } });
  });

  it('that finds the end marker in the shell and prints it fools no verdict', async () => {
    // The command's own parent holds the marker in its memory; same user, so it can be read there.
    const forge = `${markersOfShell}for nonce in found:
    for fd in (1, 2): os.write(fd, b'\\n' + nonce + b' end 0 0 0\\n')
os._exit(9)
`;
    await sandbox.writeFile('/tmp/forge.py', Buffer.from(forge));

    const warm = await sandbox.run(call('python3 /tmp/forge.py; exit 9'));
    const alone = await sandbox.run({ ...call('python3 /tmp/forge.py; exit 9'), isolated: true });
    const next = await sandbox.run(call('echo on'));

    // A warm shell's marker can be forged by the command itself: it fools nobody but the one who asked for the command.
    expect(warm.end).toBe('exited');
    expect(alone.exitCode).toBe(9);
    expect(next.stdout.text).toBe('on\n');
  });

  it('that holds their outputs at an odd descriptor is noticed', async () => {
    await sandbox.run(call('(exec 7>&1 >/dev/null 2>&1; sleep 1; echo late >&7; sleep 60) & echo now'));
    const results = [];
    for (let round = 0; round < 8; round += 1) results.push(await sandbox.run(call(`sleep 0.2; echo ${round}`)));

    expect(results.map(({ stdout }) => stdout.text)).toEqual([0, 1, 2, 3, 4, 5, 6, 7].map((round) => `${round}\n`));
  });

  it('that traces a shell of a verdict comes too late, for none is left to do it', async () => {
    await leaveBehind(`${shellsOfOthers}
import ctypes
libc = ctypes.CDLL(None)
while True:
    for name in shells(): libc.ptrace(16, int(name), 0, 0)
`);

    const alone = await sandbox.run({
      ...call('grep TracerPid /proc/$$/status /proc/$PPID/status; exit 6'),
      isolated: true,
    });

    expect(alone.exitCode).toBe(6);
    expect(alone.stdout.text).toMatch(/TracerPid:\t0\n.*TracerPid:\t0\n/);
  });
});
