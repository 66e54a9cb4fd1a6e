import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ContainerChange } from '../../src/sandbox/sandbox.ts';
import { type TestEngine, testEngine } from '../support/sandboxes.ts';

const files = {
  'README.md': 'hello\n',
  'run.sh': { executable: '#!/bin/sh\n' },
  'src/a.txt': 'a\n',
  'src/b.txt': 'b\n',
  'lib/x/one.txt': 'one\n',
  'lib/x/two.txt': 'two\n',
};

const limits = { maxFiles: 100, maxFileBytes: 1_000_000, maxTotalBytes: 5_000_000 };

let engine: TestEngine;
beforeAll(() => {
  engine = testEngine();
});
afterAll(() => engine[Symbol.asyncDispose]());

/** Changes after a command, file contents as text. */
async function changesAfter(
  command: string,
  asked: Partial<typeof limits> & { ignored?: (paths: readonly string[]) => Promise<Set<string>> } = {},
) {
  await using sandbox = await engine.openOn(files);
  const { exitCode, stderr } = await sandbox.run({ command, timeoutMs: 30_000 });
  expect({ exitCode, stderr: stderr.text }).toEqual({ exitCode: 0, stderr: '' });
  return (await sandbox.changes({ ...limits, ...asked })).map(readable);
}

function readable(change: ContainerChange) {
  return change.kind === 'file' ? { ...change, bytes: Buffer.from(change.bytes).toString() } : change;
}

describe('the changes of a container', () => {
  it('are none when nothing was changed', async () => {
    expect(await changesAfter('cat README.md')).toEqual([]);
  });

  it('are new, changed and deleted files, links and modes', async () => {
    const changes = await changesAfter(
      'echo more >>README.md; echo n >src/n; rm src/b.txt; ln -s ../README.md src/l; chmod 644 run.sh',
    );

    expect(changes).toHaveLength(5);
    expect(changes).toEqual(
      expect.arrayContaining([
        { kind: 'deleted', path: 'src/b.txt' },
        { kind: 'file', path: 'README.md', bytes: 'hello\nmore\n', mode: 0o644 },
        { kind: 'file', path: 'src/n', bytes: 'n\n', mode: 0o644 },
        { kind: 'symlink', path: 'src/l', target: '../README.md' },
        { kind: 'file', path: 'run.sh', bytes: '#!/bin/sh\n', mode: 0o644 },
      ]),
    );
  });

  it('tell of a folder that was replaced by other files, and of one replaced by a file', async () => {
    const changes = await changesAfter('rm -r lib/x; mkdir lib/x; echo 3 >lib/x/three.txt; rm -r src; echo file >src');

    expect(changes).toEqual(
      expect.arrayContaining([
        { kind: 'file', path: 'lib/x/three.txt', bytes: '3\n', mode: 0o644 },
        { kind: 'file', path: 'src', bytes: 'file\n', mode: 0o644 },
      ]),
    );
    const deleted = changes.filter(({ kind }) => kind === 'deleted').map(({ path }) => path);
    expect(deleted.includes('lib/x') || (deleted.includes('lib/x/one.txt') && deleted.includes('lib/x/two.txt'))).toBe(
      true,
    );
  });

  it('hold the overlay that the container was opened with', async () => {
    await using sandbox = await engine.openOn(files, {
      overlay: {
        writes: [{ path: 'new.txt', bytes: Buffer.from('n'), executable: false }],
        links: [],
        deletes: ['README.md'],
      },
    });

    const changes = await sandbox.changes(limits);

    expect(changes.map(readable)).toEqual([
      { kind: 'deleted', path: 'README.md' },
      { kind: 'file', path: 'new.txt', bytes: 'n', mode: 0o644 },
    ]);
  });

  it('are read together when there are many, with the same result', async () => {
    const changes = await changesAfter(
      'mkdir many; for n in $(seq 60); do echo $n >many/$n; done; ln many/1 many/twin; ln -s 1 many/link',
    );

    expect(changes).toHaveLength(62);
    for (let n = 1; n <= 60; n += 1) {
      expect(changes).toContainEqual({ kind: 'file', path: `many/${n}`, bytes: `${n}\n`, mode: 0o644 });
    }
    expect(changes).toContainEqual({ kind: 'file', path: 'many/twin', bytes: '1\n', mode: 0o644 });
    expect(changes).toContainEqual({ kind: 'symlink', path: 'many/link', target: '1' });
  });

  it('leave out what is ignored, unread and uncounted', async () => {
    const asked: string[] = [];
    const ignored = async (paths: readonly string[]) => {
      asked.push(...paths);
      return new Set(paths.filter((path) => path.startsWith('node_modules/')));
    };

    const changes = await changesAfter(
      'mkdir node_modules; for n in $(seq 300); do echo >node_modules/$n; done; echo x >kept',
      { ignored },
    );

    expect(asked).toHaveLength(301);
    expect(changes).toEqual([{ kind: 'file', path: 'kept', bytes: 'x\n', mode: 0o644 }]);
  });

  it("leave out the work tree's own .git", async () => {
    const changes = await changesAfter('git init -q; mkdir sub; echo x >sub/.git');

    expect(changes).toEqual([{ kind: 'file', path: 'sub/.git', bytes: 'x\n', mode: 0o644 }]);
  });

  it('may be asked for again and again while commands go on', async () => {
    await using sandbox = await engine.openOn(files);
    await sandbox.run({ command: 'while :; do echo x >>grows; done >/dev/null 2>&1 &', timeoutMs: 5_000 });

    for (let round = 0; round < 3; round += 1) {
      const changes = await sandbox.changes(limits);
      const result = await sandbox.run({ command: `echo ${round}`, timeoutMs: 5_000 });

      expect(changes.map(({ path }) => path)).toEqual(['grows']);
      expect(result.stdout.text).toBe(`${round}\n`);
    }
  });
});
