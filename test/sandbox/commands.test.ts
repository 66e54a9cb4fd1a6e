import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import {
  docker,
  importBusyboxImage,
  importShellImage,
  productImage,
  type TestEngine,
  testEngine,
} from '../support/sandboxes.ts';
import { until } from '../support/until.ts';

const call = (command: string) => ({ command, timeoutMs: 20_000 });

/** Images with a full system (Debian, Node), with busybox alone, and with nothing but one shell, be it dash or bash. */
const images = [
  { image: productImage, make: undefined },
  { image: 'millwright-test-busybox', make: importBusyboxImage },
  { image: 'millwright-test-dash', make: (name: string) => importShellImage(name, '/bin/dash') },
  { image: 'millwright-test-bash', make: (name: string) => importShellImage(name, '/bin/bash') },
];

describe.each(images)('a command in a container of $image', ({ image, make }) => {
  let engine: TestEngine;
  let sandbox: Sandbox;

  beforeAll(async () => {
    await make?.(image);
    engine = testEngine();
    const files = { 'README.md': 'hello\n', 'src/a.txt': 'a\n' };
    sandbox = await engine.openOn(files, { image: (await engine.prepareOn(files, { image })).image });
  });
  afterAll(async () => {
    await engine[Symbol.asyncDispose]();
    if (make) await docker('rmi', '-f', image);
  });

  it('gives back its exit code and its two outputs apart', async () => {
    const result = await sandbox.run(call('echo out; echo err >&2; exit 3'));

    expect(result).toMatchObject({ end: 'exited', exitCode: 3, stdout: { text: 'out\n' }, stderr: { text: 'err\n' } });
  });

  it('starts in the work tree, or in the folder named, with its own environment', async () => {
    const inTree = await sandbox.run({ ...call('echo "$PWD $FOO"'), env: { FOO: `it's "quoted" $HOME` } });
    const inFolder = await sandbox.run({ ...call('echo "$PWD [$FOO]"'), cwd: 'src' });

    expect(inTree.stdout.text).toBe(`/workspace it's "quoted" $HOME\n`);
    expect(inFolder.stdout.text).toBe('/workspace/src []\n');
  });

  it('may not leave anything in the shell for the next one', async () => {
    await sandbox.run(call('X=1; export X; cd /; set -e; trap "echo no" EXIT; alias ls=no; false'));
    const result = await sandbox.run(call('echo "[$X] $PWD"; false; echo on'));

    expect(result.stdout.text).toBe('[] /workspace\non\n');
  });

  it('does not learn where the one before ran, nor its environment', async () => {
    await sandbox.run({ ...call('true'), cwd: 'src', env: { FOO: 'secret' } });
    await sandbox.run({ ...call('true'), cwd: 'src' });
    const result = await sandbox.run(call('echo "[$FOO] $PWD"; case $OLDPWD in *src*) echo "$OLDPWD" ;; esac'));

    expect(result.stdout.text).toBe('[] /workspace\n');
  });

  it('ends with 127 in a folder that does not exist', async () => {
    const result = await sandbox.run({ ...call('echo never'), cwd: 'no/such' });

    expect(result).toMatchObject({ end: 'exited', exitCode: 127, stdout: { text: '' } });
  });

  it('keeps working after a command that is no valid shell text', async () => {
    const broken = await sandbox.run(call(`if then ' "`));
    const next = await sandbox.run(call('echo fine'));

    expect(broken.exitCode).toBe(2);
    expect(next.stdout.text).toBe('fine\n');
  });

  it('has no input to read', async () => {
    const result = await sandbox.run(call('read -r line; echo "code $?"'));

    expect(result.stdout.text).toBe('code 1\n');
  });

  it('may write NUL bytes and invalid UTF-8', async () => {
    const result = await sandbox.run(call(`printf 'a\\000b\\377c'`));

    expect(result.stdout).toEqual({ text: 'a\0b\ufffdc', totalBytes: 5, truncated: false });
  });

  it('may be longer than one argument can be', async () => {
    const result = await sandbox.run(call(`x='${'y'.repeat(300_000)}'; echo "\${#x}"; exit 4`));

    expect(result).toMatchObject({ exitCode: 4, stdout: { text: '300000\n' } });
  });

  it('is refused in words when it holds a NUL byte', async () => {
    const result = await sandbox.run(call('echo a\0b'));

    expect(result).toMatchObject({ end: 'exited', exitCode: 126, stderr: { text: expect.stringContaining('NUL') } });
  });

  it('cannot imitate the end of its output', async () => {
    const forged = `${'0123456789abcdef'.repeat(2)} end 0 0 0`;
    const result = await sandbox.run(call(`printf '\\n%s\\n' '${forged}'; printf '\\n%s\\n' '${forged}' >&2; exit 9`));

    expect(result).toMatchObject({ exitCode: 9, stdout: { text: `\n${forged}\n` } });
  });

  it('ends at its time limit', async () => {
    const result = await sandbox.run({ command: 'while :; do :; done', timeoutMs: 300 });

    expect(result).toMatchObject({ end: 'timed-out', exitCode: null });
    expect(result.durationMs).toBeLessThan(3_000);
  });

  it('may run alone, with the exit code that the engine saw', async () => {
    const result = await sandbox.run({ ...call('echo alone; exit 7'), isolated: true });

    expect(result).toMatchObject({ end: 'exited', exitCode: 7, stdout: { text: 'alone\n' } });
  });

  it('leaves a first process that idles', async () => {
    // An image without `sleep` must not spin: processor time of the whole container, in ticks of 10 ms.
    const ticks = async () => {
      const { stdout } = await sandbox.run(
        call('read -r stat </proc/1/stat; set -- $stat; shift 13; echo $(($1 + $2 + $3 + $4))'),
      );
      return Number(stdout.text);
    };
    const before = await ticks();
    let rounds = 0;
    await until(() => ++rounds > 50);

    expect((await ticks()) - before).toBeLessThan(10);
  });
});

describe('a command and its processes', () => {
  let engine: TestEngine;
  let sandbox: Sandbox;

  beforeAll(async () => {
    engine = testEngine();
    sandbox = await engine.openOn({ 'README.md': 'hello\n' });
  });
  afterAll(() => engine[Symbol.asyncDispose]());

  it('keeps the head and the tail of a long output', async () => {
    const result = await sandbox.run({ ...call('seq 1 100000'), keepBytes: 20 });

    expect(result.stdout).toEqual({
      text: '1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n[… 588855 bytes cut …]\n\n99998\n99999\n100000\n',
      totalBytes: 588_895,
      truncated: true,
    });
  });

  it('does not wait for what it leaves in the background, nor shows its late output to a later call', async () => {
    const started = await sandbox.run(call('(sleep 0.5; echo late; echo late >&2; touch /tmp/was-late) & echo now'));
    const during = await sandbox.run(call('echo during'));
    await until(async () => (await sandbox.run(call('test -e /tmp/was-late'))).exitCode === 0);
    const after = await sandbox.run(call('echo after'));

    expect(started.stdout.text).toBe('now\n');
    expect(during).toMatchObject({ stdout: { text: 'during\n' }, stderr: { text: '' } });
    expect(after).toMatchObject({ stdout: { text: 'after\n' }, stderr: { text: '' } });
  });

  it('leaves its background servers alone while later calls end in time', async () => {
    await sandbox.run(call('nohup sleep 300 >/dev/null 2>&1 & echo $! >/tmp/server'));
    await sandbox.run({ command: 'sleep 60', timeoutMs: 200 });
    const alive = await sandbox.run(call('kill -0 "$(cat /tmp/server)"'));

    expect(alive.exitCode).toBe(0);
  });

  it('that runs out of time takes along what left its group and session, with children, but no server of an earlier call', async () => {
    await sandbox.run(call('setsid sleep 300 >/dev/null 2>&1 </dev/null & echo $! >/tmp/server; sleep 0.1'));
    const escaping = `(setsid sh -c 'sleep 777; :' >/dev/null 2>&1 </dev/null &); sleep 779`;
    const late = await sandbox.run({ command: escaping, timeoutMs: 800 });
    const left = await sandbox.run(call('kill -0 "$(cat /tmp/server)" && pgrep -f "sleep 77[7-9]"'));

    expect(late.end).toBe('timed-out');
    expect(left).toMatchObject({ exitCode: 1, stdout: { text: '' }, stderr: { text: '' } });
  });

  it('that runs out of time takes along what has two lines for a name', async () => {
    const hide = `import time; open('/proc/self/comm', 'w').write('a\\nb'); time.sleep(777)`;
    await sandbox.writeFile('/tmp/hide.py', Buffer.from(hide));
    const late = await sandbox.run({
      command: '(setsid python3 /tmp/hide.py >/dev/null 2>&1 </dev/null &); sleep 779',
      timeoutMs: 2_000,
    });
    const left = await sandbox.run(call('pgrep -f hide.py'));

    expect(late.end).toBe('timed-out');
    expect(left).toMatchObject({ exitCode: 1, stdout: { text: '' } });
  });

  it('starts many background servers that hold its output, and later calls go on', async () => {
    for (let count = 0; count < 12; count += 1) {
      const result = await sandbox.run(call(`sleep 300 & echo ${count}`));
      expect(result.stdout.text).toBe(`${count}\n`);
    }
    await sandbox.run(call('pkill sleep'));
    const after = await sandbox.run(call('echo after'));

    expect(after.stdout.text).toBe('after\n');
  });

  it('runs beside others at the same time', async () => {
    const results = await Promise.all([1, 2, 3, 4].map((n) => sandbox.run(call(`sleep 0.1; echo ${n}`))));

    expect(results.map(({ stdout }) => stdout.text)).toEqual(['1\n', '2\n', '3\n', '4\n']);
  });

  it('is ended with its whole group, within a tenth of a second of the limit when it listens', async () => {
    const result = await sandbox.run({ command: 'sleep 61 & sleep 62 & wait', timeoutMs: 300 });
    const left = await sandbox.run(call('pgrep -f "sleep 6[12]"'));

    expect(result.end).toBe('timed-out');
    expect(left.stdout.text).toBe('');
  });

  it('is ended when it ignores the request, also where a child left the group', async () => {
    const command = `trap '' TERM; setsid sh -c 'trap "" TERM; while :; do sleep 1.5; done' & while :; do sleep 1.5; done`;
    const result = await sandbox.run({ command, timeoutMs: 200 });
    const left = await sandbox.run(call('pgrep -fc "sleep 1.5"'));

    expect(result).toMatchObject({ end: 'timed-out', exitCode: null });
    expect(result.durationMs).toBeLessThan(3_500);
    expect(left.stdout.text).toBe('0\n');
  });

  it('is ended when its output passes the limit', async () => {
    const result = await sandbox.run(call('yes'));
    const next = await sandbox.run(call('echo next'));

    expect(result).toMatchObject({ end: 'output-limit', exitCode: null, stdout: { truncated: true } });
    expect(next.stdout.text).toBe('next\n');
  });

  it('is ended with all its processes when the run is cancelled', async () => {
    const cancel = new AbortController();
    const running = sandbox.run({ ...call('touch /tmp/begun; setsid sleep 77'), signal: cancel.signal });
    await until(async () => (await sandbox.run(call('test -e /tmp/begun'))).exitCode === 0);

    cancel.abort();
    const result = await running;

    expect(result).toMatchObject({ end: 'cancelled', exitCode: null });
    expect((await sandbox.run(call('pgrep -fc "sleep 77"'))).stdout.text).toBe('0\n');
  });

  it('does not start once the run is cancelled', async () => {
    const result = await sandbox.run({ ...call('touch /tmp/never'), signal: AbortSignal.abort() });

    expect(result.end).toBe('cancelled');
    expect((await sandbox.run(call('test -e /tmp/never'))).exitCode).toBe(1);
  });

  it('ends as out of memory when the kernel killed something in it, and only then', async () => {
    const hungry = await sandbox.run(call(`python3 -c "x = bytearray(1024**3)" || echo survived`));
    const alone = await sandbox.run({ ...call(`python3 -c "x = bytearray(1024**3)"`), isolated: true });
    const killed = await sandbox.run(call('kill -KILL $$'));

    expect(hungry).toMatchObject({ end: 'out-of-memory', stdout: { text: 'survived\n' } });
    expect(alone).toMatchObject({ end: 'out-of-memory', exitCode: 137 });
    expect(killed).toMatchObject({ end: 'exited', exitCode: 137 });
  });

  it('ends at the disk limit, and the files can be removed afterwards', async () => {
    const result = await sandbox.run(
      call('i=0; while :; do head -c 30000000 /dev/zero >/workspace/fill.$i; i=$((i+1)); sleep 0.02; done'),
    );
    // Slower than the watch looks: it ends nobody who makes room.
    const removed = await sandbox.run(call('sleep 0.7; rm -f /workspace/fill.*; ls /workspace'));

    expect(result).toMatchObject({ end: 'disk-limit', exitCode: null });
    expect(removed.stdout.text).toBe('README.md\n');
  });

  it('run alone finds none of the processes that earlier calls left, and leaves none', async () => {
    await sandbox.run(call('setsid sleep 301 >/dev/null 2>&1 &'));
    const first = await sandbox.run({ ...call('pgrep -fc "sleep 30[1]"; sleep 302 & echo done'), isolated: true });
    const second = await sandbox.run(call('pgrep -fc "sleep 30[2]"'));

    expect(first.stdout.text).toBe('0\ndone\n');
    expect(first.durationMs).toBeLessThan(1_500);
    expect(second.stdout.text).toBe('0\n');
  });

  it('run alone is ended at its time limit', async () => {
    const result = await sandbox.run({
      command: `trap '' TERM; while :; do sleep 1; done`,
      timeoutMs: 200,
      isolated: true,
    });

    expect(result).toMatchObject({ end: 'timed-out', exitCode: null });
    expect(result.durationMs).toBeLessThan(3_500);
  });

  it('that kills its own shell ends as killed, and the next one runs', async () => {
    const result = await sandbox.run(call('kill -KILL $PPID; sleep 1'));
    const next = await sandbox.run(call('echo next'));

    expect(result.end).toBe('exited');
    expect(result.exitCode).toBe(137);
    expect(next.stdout.text).toBe('next\n');
  });
});
