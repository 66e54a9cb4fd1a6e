import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { deflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { listRuns } from '../../src/engine/runs.ts';
import { mirrorPath } from '../../src/git/mirror.ts';
import { fetched, file, type Origin, type Workbench, wideRules, workbench } from '../git/workbench.ts';
import { openSite, repo } from '../support/gate-site.ts';
import { docker, testEngine } from '../support/sandboxes.ts';

interface Made {
  sha: string;
  packed: Buffer;
}

const typeNumbers = { tree: 2, blob: 3 } as const;

/** One object of a pack: its type and size, then its bytes. */
function made(type: 'blob' | 'tree', body: Buffer): Made {
  const sha = createHash('sha1').update(`${type} ${body.length}\0`).update(body).digest('hex');
  const head = [(typeNumbers[type] << 4) | (body.length & 15)];
  for (let rest = body.length >> 4; rest > 0; rest >>= 7) {
    head[head.length - 1] = (head.at(-1) ?? 0) | 0x80;
    head.push(rest & 0x7f);
  }
  return { sha, packed: Buffer.concat([Buffer.from(head), deflateSync(body, { level: 1 })]) };
}

/** Puts all of them into a repository as one pack, since a git for each would take minutes; gives the name of the last. */
function store(origin: Pick<Origin, 'path'>, objects: readonly Made[]): string {
  const head = Buffer.from('PACK\0\0\0\x02\0\0\0\0', 'latin1');
  head.writeUInt32BE(objects.length, 8);
  const pack = Buffer.concat([head, ...objects.map(({ packed }) => packed)]);
  const input = Buffer.concat([pack, createHash('sha1').update(pack).digest()]);
  execFileSync('git', ['index-pack', '--stdin'], { cwd: origin.path, input });
  return objects.at(-1)?.sha ?? '';
}

const entry = (mode: string, name: string, { sha }: Made) =>
  Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(sha, 'hex')]);

/** A tree of `width` to the power of `levels` files, in as many objects as it has levels. */
function bomb(
  origin: Pick<Origin, 'path'>,
  width: number,
  levels: number,
  name = (index: number) => `n${index}`,
  content = Buffer.from('x\n'),
): string {
  const objects = [made('blob', content)];
  for (const level of Array.from({ length: levels }).keys()) {
    const below = objects[level] as Made;
    const entries = Array.from({ length: width }, (_, index) =>
      entry(level === 0 ? '100644' : '40000', name(index), below),
    );
    objects.push(made('tree', Buffer.concat(entries)));
  }
  return store(origin, objects);
}

/** A tree of one file below so many folders. */
function well(origin: Pick<Origin, 'path'>, depth: number, name = 'd'): string {
  const blob = made('blob', Buffer.from('x\n'));
  const objects = [blob, made('tree', entry('100644', 'f', blob))];
  for (let level = 0; level < depth; level += 1)
    objects.push(made('tree', entry('40000', name, objects.at(-1) as Made)));
  return store(origin, objects);
}

/** How much more memory this process takes at most while it works, in MiB. */
async function growth(work: () => Promise<unknown>): Promise<number> {
  const before = process.memoryUsage.rss();
  let most = before;
  const timer = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss());
  }, 20);
  await work();
  clearInterval(timer);
  return (Math.max(most, process.memoryUsage.rss()) - before) / 1024 ** 2;
}

/** Every verb that walks the tree of a commit, once its objects are in the mirror for whatever reason. */
const walks: [string, (bench: Workbench, bomb: string, base: string) => Promise<unknown>][] = [
  ['list', ({ git, remote }, bomb) => git.list(remote.repository, bomb)],
  ['tar', ({ git, remote }, bomb) => git.tar(remote.repository, bomb)],
  ['tar of some paths', ({ git, remote }, bomb) => git.tar(remote.repository, bomb, ['n0'])],
  ['unsupported', ({ git, remote }, bomb) => git.unsupported(remote.repository, bomb)],
  ['ignored', ({ git, remote }, bomb) => git.ignored(remote.repository, bomb, ['x'])],
  ['writePatch', ({ git, remote }, bomb) => git.writePatch(remote.repository, bomb, [file('b', 'b')], wideRules)],
];

describe('a commit whose few objects name ten thousand million files', () => {
  it('is not taken into a mirror, at little cost, and the mirror goes on serving', async () => {
    const bench = workbench();
    const { origin, git, remote } = bench;
    const base = origin.commit({ 'a.txt': 'a\n' });
    const hostile = origin.commitTree(bomb(origin, 10, 10), { branch: 'bomb', parent: base });
    await git.fetch(remote, 'main');
    const startedMs = performance.now();

    const memory = await growth(async () => {
      await expect(git.fetch(remote, 'bomb')).rejects.toMatchObject({
        code: 'limit.repository',
        retry: false,
        detail: expect.stringMatching(
          /^[0-9a-f]{10} cannot be checked out: .*more than .*Take generated or repeated files out/,
        ),
      });
      for (const [, walk] of walks)
        await expect(walk(bench, hostile, base)).rejects.toMatchObject({ code: 'limit.repository' });
    });

    expect(performance.now() - startedMs).toBeLessThan(60_000);
    expect(memory).toBeLessThan(600);
    expect((await git.list(remote.repository, await git.fetch(remote, 'main'))).map(({ path }) => path)).toEqual([
      'a.txt',
    ]);
  });
});

describe('other trees that no disk could hold', () => {
  it.each<[string, (origin: Origin) => string, RegExp]>([
    [
      'names that fill memory',
      (origin) => bomb(origin, 10, 5, (index) => `${index}`.repeat(1_000)),
      /names of its files take more than 64 MiB/,
    ],
    ['300,000 files', (origin) => bomb(origin, 550, 2), /more than 250000 files/],
    ['a path longer than paths can be', (origin) => well(origin, 20, 'n'.repeat(250)), /longer than 4096 bytes/],
    ['300 folders deep', (origin) => well(origin, 300), /deeper than 256/],
  ])('%s: refused by the limit that it breaks', async (_what, make, limit) => {
    const { origin, git, remote } = workbench();
    const hostile = origin.commitTree(make(origin));

    await expect(git.fetch(remote, hostile)).rejects.toMatchObject({
      code: 'limit.repository',
      detail: expect.stringMatching(limit),
    });
  });

  it('30,000 folders deep, where the stack of git ends: refused as any other', async () => {
    const { git, repository, mirrorsDir } = await fetched({ 'a.txt': 'a\n' });
    // Put there directly: fetching so deep a tree takes git a minute.
    const hostile = well({ path: mirrorPath(mirrorsDir, repository) }, 30_000);

    await expect(git.list(repository, hostile)).rejects.toMatchObject({
      code: 'limit.repository',
      detail: expect.stringMatching(/deeper than 256/),
    });
  });
});

describe('a history that once held such a tree', () => {
  it('is told with all its commits, and with the files of those that came well after', async () => {
    const { origin, git, remote } = workbench();
    const first = origin.commit({ 'a.txt': 'a\n' });
    const held = origin.commitTree(bomb(origin, 10, 10), { parent: first });
    const removed = origin.commit({ 'a.txt': 'b\n' }, { branch: 'aside' });
    const tree = origin.git(['rev-parse', `${removed}^{tree}`]);
    const without = origin.commitTree(tree, { parent: held });
    const next = origin.commit({ 'a.txt': 'c\n' }, { parent: without });
    const newest = origin.commit({ 'b.txt': 'b\n' }, { parent: next });
    const commit = await git.fetch(remote, 'main');

    const memory = await growth(async () => {
      const log = await git.log(remote.repository, { to: commit, limit: 100 });

      expect(log.map(({ commit: sha, files }) => [sha, files])).toEqual([
        [newest, ['b.txt']],
        [next, []],
        [without, []],
        [held, []],
        [first, []],
      ]);
    });

    expect(memory).toBeLessThan(300);
    expect(await git.log(remote.repository, { to: without, limit: 1 })).toMatchObject([{ commit: without, files: [] }]);
  });
});

describe('a commit whose few objects are gigabytes of files', () => {
  it('makes no image: its checkout ends at the limit of the disk, and the engine goes on serving', async () => {
    await using engine = testEngine();
    const { origin, git, remote } = workbench();
    const { repository } = remote;
    const commit = origin.commitTree(bomb(origin, 10, 2, undefined, Buffer.alloc(64 * 1024 ** 2)));
    await git.fetch(remote, commit);

    const memory = await growth(async () => {
      const making = engine.prepareOn({}, { commit, files: () => git.tar(repository, commit) });
      await expect(making).rejects.toMatchObject({
        code: 'limit.disk',
        retry: false,
        detail: 'The files of the commit take more than 256 MiB, the value of `limits.disk`.',
      });
    });

    const ours = `label=millwright.instance=${engine.instance}`;
    expect([await docker('ps', '-aq', '--filter', ours), await docker('images', '-aq', '--filter', ours)]).toEqual([
      '',
      '',
    ]);
    expect(memory).toBeLessThan(400);
    await using next = await engine.openOn({ 'a.txt': 'a\n' });
    expect((await next.run({ command: 'cat a.txt', timeoutMs: 10_000 })).stdout.text).toBe('a\n');
  });

  it('is not read into memory at once', async () => {
    const { origin, git, remote } = workbench();
    const base = origin.commit({ 'a.txt': 'a\n' });
    const blobs = Array.from({ length: 9 }, (_, index) => made('blob', Buffer.alloc(64 * 1024 ** 2, index)));
    const entries = blobs.map((blob, index) => entry('100644', `n${index}`, blob));
    const hostile = origin.commitTree(store(origin, [...blobs, made('tree', Buffer.concat(entries))]), {
      parent: base,
    });
    await git.fetch(remote, hostile);

    const memory = await growth(async () => {
      const overlay = git.overlay(remote.repository, await git.fetch(remote, base), hostile);
      await expect(overlay).rejects.toMatchObject({
        code: 'limit.repository',
        detail: expect.stringContaining('512 MiB'),
      });
    });

    expect(memory).toBeLessThan(700);
  });
});

const ada = Object.fromEntries(
  ['AUTHOR', 'COMMITTER'].flatMap((role) => [
    [`GIT_${role}_NAME`, 'Ada'],
    [`GIT_${role}_EMAIL`, 'ada@test.example'],
  ]),
);

describe('a repository whose main branch holds such a tree', () => {
  it('ends its run by name, and the issue says what is too much and what to do', async () => {
    await using site = await openSite({
      before: async (github) => {
        const { git } = github.repository(repo);
        const listing = await git.text(['ls-tree', 'main']);
        const tree = await git.text(['mktree'], {
          input: `${listing}\n040000 tree ${bomb({ path: git.dir }, 10, 10)}\tbombs\n`,
        });
        await git.setRef(
          'refs/heads/main',
          await git.text(['commit-tree', tree, '-p', 'main', '-m', 'bombs'], { env: ada }),
        );
      },
    });

    const number = await site.labelled();
    await site.reaches(number, 'agent:failed');

    const [run] = await listRuns(site.factory.doors.db, {});
    expect(run?.outcome?.code).toBe('limit.repository');
    expect(site.status(number)).toMatch(/cannot be checked out: .*more than .*Take generated or repeated files out/);
    expect(site.pulls()).toEqual([]);
  });
});
