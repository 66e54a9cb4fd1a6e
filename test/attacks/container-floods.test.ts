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

/**
 * Docker's pipe into an idle shell belongs to the agent's user: what is written there, the shell runs before its next call.
 * All of them are there after a second.
 */
async function inject(line: string): Promise<void> {
  const command = `sleep 1; for p in /proc/[0-9]*; do [ "$(cat $p/comm)" = sh ] && [ $p != /proc/1 ] && printf '%s\\n' '${line}' >$p/fd/0; done; true`;
  await sandbox.run({ command, timeoutMs: 20_000 });
}

const mebibyte = 1024 ** 2;

/** What the work came to, and by how many bytes it made this process grow. Three at once reach every idle shell. */
async function threeTimes<T>(work: (index: number) => Promise<T>) {
  const before = process.memoryUsage().rss;
  const results = await Promise.allSettled([1, 2, 3].map(work));
  return { results, grownBytes: process.memoryUsage().rss - before };
}

describe('a flood from inside', () => {
  it('in the complaint of a file tool is cut, and the app lives', async () => {
    await inject('mkdir() { cat /dev/zero >&2; }');

    const { results, grownBytes } = await threeTimes((index) => sandbox.writeFile(`new${index}/x`, Buffer.from('x')));

    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled']);
    expect(grownBytes).toBeLessThan(200 * mebibyte);
    expect((await sandbox.run({ command: 'echo on', timeoutMs: 20_000 })).stdout.text).toBe('on\n');
  });

  it('in the place of a file brings no more than was asked for', async () => {
    await inject('head() { cat /dev/zero; }');

    const { results, grownBytes } = await threeTimes(() => sandbox.readFile('README.md', { maxBytes: 1000 }));

    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled']);
    for (const result of results)
      if (result.status === 'fulfilled' && result.value.kind === 'file')
        expect(result.value.bytes.length).toBeLessThanOrEqual(1000);
    expect(grownBytes).toBeLessThan(200 * mebibyte);
    expect(await sandbox.readFile('README.md')).toMatchObject({ kind: 'file', totalBytes: 6 });
  });

  it('added to a file while it is read never passes as the file, and not beyond the limit', async () => {
    const daemon = `
import os
while True:
    for name in os.listdir('/proc'):
        try:
            if open(f'/proc/{name}/comm').read().strip() != 'head': continue
            out = os.open(f'/proc/{name}/fd/1', os.O_WRONLY)
            while True: os.write(out, b'A' * 65536)
        except (OSError, ValueError): pass
`;
    await sandbox.writeFile('/tmp/daemon.py', Buffer.from(daemon));
    await sandbox.run({
      command: 'head -c 40000000 /dev/zero >big; setsid python3 /tmp/daemon.py >/dev/null 2>&1 </dev/null &',
      timeoutMs: 20_000,
    });

    const maxBytes = 4 * mebibyte;
    const read = await sandbox.readFile('big', { maxBytes });

    if (read.kind === 'file') {
      expect(read.bytes.length).toBeLessThanOrEqual(maxBytes);
      expect(read.truncated).toBe(true);
    }
  });

  it('after a forged end marker counts as output and meets its limit', async () => {
    const forge = `${markersOfShell}for nonce in found: os.write(1, b'\\n' + nonce + b' end ')
while True: os.write(1, b'A' * 65536)
`;
    await sandbox.writeFile('/tmp/forge.py', Buffer.from(forge));

    const flooded = await sandbox.run({ command: 'python3 /tmp/forge.py', timeoutMs: 15_000 });

    expect(flooded.end).toBe('output-limit');
    expect(flooded.stdout.totalBytes).toBeGreaterThan(1 * mebibyte);
  });
});
