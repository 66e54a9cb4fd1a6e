import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ChangeLimits, ContainerChange, Sandbox } from '../../src/sandbox/sandbox.ts';
import { type TestEngine, testEngine } from '../support/sandboxes.ts';

const files = { 'README.md': 'hello\n', 'src/a.txt': 'a\n' };
const bounds = { maxFiles: 100, maxFileBytes: 1_000_000, maxTotalBytes: 3_000_000 };
let limits: ChangeLimits = bounds;

let engine: TestEngine;
let sandbox: Sandbox;

beforeAll(() => {
  engine = testEngine();
});
beforeEach(async () => {
  sandbox = await engine.openOn(files);
});
afterEach(() => sandbox[Symbol.asyncDispose]());
afterAll(() => engine[Symbol.asyncDispose]());

async function changesAfter(command: string, asked: Partial<ChangeLimits> = {}): Promise<ContainerChange[]> {
  const { exitCode, stderr } = await sandbox.run({ command, timeoutMs: 30_000 });
  expect({ exitCode, stderr: stderr.text }).toEqual({ exitCode: 0, stderr: '' });
  return sandbox.changes({ ...limits, ...asked });
}

const kinds = (changes: readonly ContainerChange[]) =>
  Object.fromEntries(changes.map(({ kind, path }) => [path, kind]));

describe.each<[string, ChangeLimits]>([
  ['walk of the engine', bounds],
  ['layer that it wrote', { ...bounds, base: async () => Object.keys(files) }],
])('what a container leaves in its work tree, read by the %s,', (_way, asked) => {
  beforeAll(() => {
    limits = asked;
  });

  it('is never followed where it is a link, be it to the host or out of the tree', async () => {
    const changes = await changesAfter(
      'ln -sf /etc/passwd README.md; ln -s /proc/self/environ env; ln -s ../../../../root out; rm -r src; ln -s /etc src',
    );

    expect(changes.filter(({ kind }) => kind === 'file')).toEqual([]);
    expect(changes).toEqual(
      expect.arrayContaining([
        { kind: 'symlink', path: 'README.md', target: '/etc/passwd' },
        { kind: 'symlink', path: 'env', target: '/proc/self/environ' },
        { kind: 'symlink', path: 'out', target: '../../../../root' },
        { kind: 'symlink', path: 'src', target: '/etc' },
      ]),
    );
  });

  it('is no failure of the engine where a link leads to itself, or through a name that no file can have', async () => {
    const changes = await changesAfter(
      'ln -s x x; ln -s "$(printf %300s | tr " " a)/y" long; head -c 2000000 /dev/zero >big; echo on >on.txt',
    );

    expect(kinds(changes)).toMatchObject({ x: 'odd', long: 'odd', big: 'odd', 'on.txt': 'file' });
  });

  it('comes as odd where it is no file: pipe, socket', async () => {
    const changes = await changesAfter(
      `rm README.md; mkfifo README.md; rm -r src; python3 -c "import socket; socket.socket(socket.AF_UNIX).bind('src')"`,
    );

    expect(changes.filter(({ kind }) => kind !== 'deleted').sort((a, b) => a.path.localeCompare(b.path))).toEqual([
      { kind: 'odd', path: 'README.md', what: 'a named pipe' },
      { kind: 'odd', path: 'src', what: 'a socket' },
    ]);
  });

  it('is content of its own where it is a second name of a system file', async () => {
    const { stderr } = await sandbox.run({ command: 'ln /etc/shadow s; ln /etc/passwd p; true', timeoutMs: 5_000 });
    const changes = await sandbox.changes(limits);

    // The kernel forbids the links; if one day it does not, it is a copy of the image's file, never the host's.
    expect(stderr.text).toMatch(/denied|not permitted/);
    expect(changes.every(({ kind }) => kind !== 'odd')).toBe(true);
  });

  it('is refused unread when a file or the sum is too large, sparse or not', async () => {
    const startedMs = performance.now();
    const changes = await changesAfter('truncate -s 200M sparse; head -c 2000000 /dev/zero >big; echo ok >small');
    const sum = await changesAfter('rm sparse big; for n in 1 2 3 4; do head -c 900000 /dev/zero >f$n; done');

    expect(kinds(changes)).toEqual({ sparse: 'odd', big: 'odd', small: 'file' });
    expect(sum.find(({ path }) => path === '.')).toMatchObject({
      kind: 'odd',
      what: expect.stringContaining('more than the 3000000'),
    });
    expect(sum.filter(({ kind }) => kind === 'file')).toEqual([]);
    expect(performance.now() - startedMs).toBeLessThan(25_000);
  });

  it('is refused unread when there are too many files', async () => {
    const changes = await changesAfter('mkdir many; cd many; seq 5000 | xargs touch');

    expect(changes).toEqual([{ kind: 'odd', path: '.', what: '5000 changed files are more than the 100 allowed' }]);
  });

  it('has names as they are, or odd ones: newline, control characters, twins by case and by Unicode form, invalid UTF-8, 255 bytes', async () => {
    const long = 'n'.repeat(255);
    const changes = await changesAfter(
      `touch "$(printf 'new\\nline')" "$(printf 'esc\\033[2J')" A a ${long}; python3 -c "
open('caf\\u00e9','w'); open('cafe\\u0301','w'); open(b'bad\\xff\\xfe','w')"; touch -- '-rf' ':(glob)*'`,
    );

    expect(kinds(changes)).toEqual({
      'new\nline': 'file',
      'esc\x1b[2J': 'file',
      A: 'file',
      a: 'file',
      [long]: 'file',
      'caf\u00e9': 'file',
      'cafe\u0301': 'file',
      'bad\ufffd\ufffd': 'odd',
      '-rf': 'file',
      ':(glob)*': 'file',
    });
  });

  it('may be a path longer than a path can be: the answer is odd, and the container goes away', async () => {
    const deep = `
import os
os.chdir('/workspace')
for level in range(60):
    os.mkdir('d' * 200)
    os.chdir('d' * 200)
open('bottom', 'w').write('x')`;
    await sandbox.writeFile('/tmp/deep.py', Buffer.from(deep));

    const changes = await changesAfter('python3 /tmp/deep.py');
    await sandbox[Symbol.asyncDispose]();

    expect(changes.every(({ kind }) => kind === 'odd' || kind === 'file')).toBe(true);
    expect(await engine.reap({})).toBe(0);
  });

  it('cannot lose its root, nor hide from the reader by modes', async () => {
    const { exitCode } = await sandbox.run({
      command: 'cd /; rm -rf /workspace; mv /workspace /home/agent/w',
      timeoutMs: 5_000,
    });
    const changes = await changesAfter('mkdir hidden; echo x >hidden/file; chmod 000 hidden/file hidden /workspace');

    expect(exitCode).not.toBe(0);
    expect(kinds(changes)).toEqual({ 'README.md': 'deleted', src: 'deleted', 'hidden/file': 'file' });
  });

  it('is one state, whatever goes on writing', async () => {
    const writer = `
import os
while True:
    for text in (b'a' * 500000, b'b' * 500000):
        with open('/workspace/torn.tmp', 'wb') as f: f.write(text)
        os.rename('/workspace/torn.tmp', '/workspace/whole')`;
    await sandbox.writeFile('/tmp/writer.py', Buffer.from(writer));
    const changes = await changesAfter('setsid python3 /tmp/writer.py >/dev/null 2>&1 & sleep 0.5');

    const whole = changes.find(({ path }) => path === 'whole');
    expect(whole?.kind).toBe('file');
    const bytes = whole?.kind === 'file' ? Buffer.from(whole.bytes) : Buffer.alloc(0);
    expect(bytes.length).toBe(500_000);
    expect(new Set(bytes).size).toBe(1);
  });

  it('cannot bring settings of git along: its own .git is not even listed, and nothing inside ran git for us', async () => {
    const changes = await changesAfter(
      `git init -q; git config core.fsmonitor 'touch /tmp/ran'; git config core.worktree /; echo 'touch /tmp/ran' >.git/hooks/post-index-change; chmod +x .git/hooks/*; echo /etc >.git/objects/info/alternates`,
    );
    const ran = await sandbox.run({ command: 'test -e /tmp/ran', timeoutMs: 5_000 });

    expect(changes).toEqual([]);
    expect(ran.exitCode).toBe(1);
  });

  it('keeps special mode bits for the judge to see', async () => {
    const changes = await changesAfter('echo x >set; chmod 6755 set');

    expect(changes).toEqual([{ kind: 'file', path: 'set', bytes: Buffer.from('x\n'), mode: 0o6755 }]);
  });

  it('is written into by nobody but its own user: a link for a folder leads no write of ours to the system', async () => {
    await sandbox.run({ command: 'ln -s /etc etc; ln -s /etc/passwd passwd', timeoutMs: 5_000 });

    expect(await sandbox.writeFile('etc/cron', Buffer.from('x'))).toMatchObject({ kind: 'refused' });
    expect(await sandbox.writeFile('passwd', Buffer.from('x'))).toMatchObject({ kind: 'refused' });
  });
});
