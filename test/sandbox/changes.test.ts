import Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { readChanges } from '../../src/sandbox/changes.ts';
import { LayerReader } from '../../src/sandbox/layer-reader.ts';
import { pauseContainer } from '../../src/sandbox/pause.ts';
import type { ChangeLimits, ContainerChange } from '../../src/sandbox/sandbox.ts';
import { docker, type TestEngine, testEngine } from '../support/sandboxes.ts';

const files = {
  'README.md': 'hello\n',
  'run.sh': { executable: '#!/bin/sh\n' },
  'src/a.txt': 'a\n',
  'src/b.txt': 'b\n',
  'lib/x/one.txt': 'one\n',
  'lib/x/two.txt': 'two\n',
};

const bounds = { maxFiles: 100, maxFileBytes: 1_000_000, maxTotalBytes: 5_000_000 };
let limits: ChangeLimits = bounds;

let engine: TestEngine;
beforeAll(() => {
  engine = testEngine();
});
afterAll(() => engine[Symbol.asyncDispose]());

/** Changes after a command, file contents as text. */
async function changesAfter(command: string, asked: Partial<ChangeLimits> = {}) {
  await using sandbox = await engine.openOn(files);
  const { exitCode, stderr } = await sandbox.run({ command, timeoutMs: 30_000 });
  expect({ exitCode, stderr: stderr.text }).toEqual({ exitCode: 0, stderr: '' });
  return (await sandbox.changes({ ...limits, ...asked })).map(readable);
}

function readable(change: ContainerChange) {
  return change.kind === 'file' ? { ...change, bytes: Buffer.from(change.bytes).toString() } : change;
}

describe.each<[string, ChangeLimits]>([
  ['walk of the engine', bounds],
  ['layer that it wrote', { ...bounds, base: async () => Object.keys(files) }],
])('the changes of a container, read by the %s,', (_way, asked) => {
  beforeAll(() => {
    limits = asked;
  });

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

describe('the layer that a container wrote', () => {
  const base = async () => Object.keys(files);

  it('shows a change of the same size and moment, which the walk cannot see', async () => {
    await using sandbox = await engine.openOn(files);
    const command = 'touch -r README.md /tmp/then; printf "jello\\n" >README.md; touch -r /tmp/then README.md';
    await sandbox.run({ command, timeoutMs: 5_000 });

    expect((await sandbox.changes({ ...bounds, base })).map(readable)).toEqual([
      { kind: 'file', path: 'README.md', bytes: 'jello\n', mode: 0o644 },
    ]);
    expect(await sandbox.changes(bounds)).toEqual([]);
  });

  it.each<[string, string, string[]]>([
    ['a file', 'rm src/a.txt', ['src/a.txt']],
    ['a folder', 'rm -r lib/x', ['lib/x']],
    ['a folder that is there again, empty', 'rm -r lib/x; mkdir lib/x', ['lib/x']],
    ['a folder above one, both there again', 'rm -r lib; mkdir -p lib/x; echo >lib/x/one.txt', ['lib/x']],
    ['a file with an empty folder in its place', 'rm README.md; mkdir README.md', ['README.md']],
    ['all of it', 'rm -r *', ['README.md', 'lib', 'run.sh', 'src']],
    ['nothing, where folders were only touched', 'touch lib/x lib src .; chmod 700 lib; echo >lib/new', []],
  ])('tells that %s was deleted', async (_what, command, deleted) => {
    await using sandbox = await engine.openOn(files);
    await sandbox.run({ command, timeoutMs: 5_000 });

    const changes = await sandbox.changes({ ...bounds, base });

    const gone = changes.filter(({ kind }) => kind === 'deleted').map(({ path }) => path);
    expect(gone.sort()).toEqual(deleted);
  });

  it.each<[string, string, Partial<ChangeLimits>, string[]]>([
    [
      'holds copies of many files that nobody changed',
      'chmod -R u+w .; echo >>README.md',
      { maxFiles: 3 },
      ['README.md'],
    ],
    ['is too large', 'mkdir deps; head -c 40000000 /dev/zero >deps/big; echo >>README.md', {}, ['README.md']],
  ])('gives way to the walk where it %s', async (_why, command, asked, paths) => {
    await using sandbox = await engine.openOn(files);
    await sandbox.run({ command, timeoutMs: 20_000 });
    const ignored = async (found: readonly string[]) => new Set(found.filter((path) => path.startsWith('deps')));

    const changes = await sandbox.changes({ ...bounds, ...asked, base, ignored });

    expect(changes.map(({ path }) => path)).toEqual(paths);
  });

  describe('without the work tree in it', () => {
    const real = new Docker();
    const silent = { debug: () => {}, warn: () => {} };

    /** A container in which root, with the powers of a usual container, has run a command; counts the walks that the engine is asked for. */
    async function walkable(command: string) {
      const { image } = await engine.prepareOn(files);
      const label = `millwright.instance=${engine.instance}`;
      const shell = ['--entrypoint', '/bin/sh', '--user', '0', '--workdir', '/', '--network', 'none', '--label', label];
      const id = await docker('create', ...shell, image, '-c', command);
      await docker('start', '--attach', id);
      const container = real.getContainer(id);
      const asked = { walks: 0 };
      const changes = container.changes.bind(container);
      const counted = () => {
        asked.walks += 1;
        return changes();
      };
      return {
        asked,
        container: Object.assign(container, { changes: counted }),
        async [Symbol.asyncDispose]() {
          await docker('rm', '--force', id);
        },
      };
    }

    it('is taken for no change once the engine has shown a layer, and not before', async () => {
      const layers = new LayerReader(real, silent);
      await using quiet = await walkable('echo elsewhere >/home/agent/x');
      await using busy = await walkable('echo >/workspace/new');

      const before = await readChanges(quiet.container, { ...bounds, base }, layers);
      const walksBefore = quiet.asked.walks;
      const shown = await readChanges(busy.container, { ...bounds, base }, layers);
      const after = await readChanges(quiet.container, { ...bounds, base }, layers);

      expect([before, shown.map(({ path }) => path), after]).toEqual([[], ['new'], []]);
      expect([walksBefore, quiet.asked.walks, busy.asked.walks]).toEqual([1, 1, 0]);
    });

    it('proves nothing where a layer is suddenly not shown any more', async () => {
      await using busy = await walkable('echo >/workspace/new');
      const engineWithMounts = new Docker();
      const create = engineWithMounts.createContainer.bind(engineWithMounts);
      let shows = true;
      const forgetful = Object.assign(engineWithMounts, {
        createContainer: ({ HostConfig, ...options }: Docker.ContainerCreateOptions) =>
          create({ ...options, HostConfig: { ...HostConfig, ...(shows ? {} : { Mounts: [] }) } }),
      });
      const layers = new LayerReader(forgetful, silent);

      const shown = await layers.read(busy.container);
      shows = false;
      const hidden = await layers.read(busy.container);

      expect([...(shown?.entries.keys() ?? [])]).toEqual(['.', 'new']);
      expect(hidden).toBeNull();
    });

    it.each<[string, string, string[]]>([
      ['removed and made anew', 'rm -r /workspace && mkdir /workspace', ['.']],
      [
        'moved away, with another in its place',
        'mv /workspace /was && mkdir /workspace && echo >/workspace/b',
        ['.', 'b'],
      ],
      ['removed', 'rm -r /workspace', ['.']],
      ['replaced by a link', 'mv /workspace /was && ln -s /was /workspace', ['.']],
    ])('is never mistaken for a work tree that was %s', async (_what, command, paths) => {
      const layers = new LayerReader(real, silent);
      await using shown = await walkable('echo >/workspace/new');
      await using replaced = await walkable(command);
      await layers.read(shown.container);

      const changes = await readChanges(replaced.container, { ...bounds, base }, layers);

      expect(changes.map(({ path }) => path)).toEqual(paths);
    });
  });

  it('leaves no container of the reader behind', async () => {
    await using sandbox = await engine.openOn(files);
    await sandbox.run({ command: 'echo >new', timeoutMs: 5_000 });
    await sandbox.changes({ ...bounds, base });

    const left = await docker('ps', '-aq', '--filter', `label=millwright.instance=${engine.instance}`);
    expect(left.split('\n')).toHaveLength(1);
  });

  it('is not asked for again where the engine refuses to show it', async () => {
    const real = new Docker();
    const refusing = Object.assign(new Docker(), {
      asked: 0,
      createContainer: async () => {
        refusing.asked += 1;
        throw Object.assign(new Error('mounts are not allowed here'), { statusCode: 403 });
      },
    });
    const layers = new LayerReader(refusing, { debug: () => {}, warn: () => {} });
    await using sandbox = await engine.openOn(files);
    await sandbox.run({ command: 'echo >new', timeoutMs: 5_000 });
    const container = real.getContainer(sandbox.name);

    const both = [await readChanges(container, { ...bounds, base }, layers), await layers.read(container)];

    expect(both).toEqual([[{ kind: 'file', path: 'new', bytes: Buffer.from('\n'), mode: 0o644 }], null]);
    expect(refusing.asked).toBe(1);
  });
});

describe('a container that does not hold still at once', () => {
  const freezer = (failures: number, message: string) => {
    const asked = { times: 0 };
    const pause = async () => {
      asked.times += 1;
      if (asked.times <= failures) throw Object.assign(new Error(message), { statusCode: 500 });
    };
    return { asked, pause };
  };
  const patient = { ...systemClock, sleep: async () => {} };

  it('is asked again, a few times', async () => {
    const busy = freezer(2, 'OCI runtime pause failed: unable to freeze: unknown');
    await pauseContainer(busy, patient);

    const never = freezer(99, 'OCI runtime pause failed: unable to freeze: unknown');
    await expect(pauseContainer(never, patient)).rejects.toMatchObject({ code: 'outside.sandbox' });
    expect([busy.asked.times, never.asked.times]).toEqual([3, 4]);
  });

  it('is asked once where the engine has another reason', async () => {
    const gone = freezer(99, 'container is not running');

    await expect(pauseContainer(gone, patient)).rejects.toMatchObject({ code: 'outside.sandbox' });
    expect(gone.asked.times).toBe(1);
  });
});
