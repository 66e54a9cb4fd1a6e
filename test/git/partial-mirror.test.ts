import { execFileSync } from 'node:child_process';
import { copyFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { mirrorPath } from '../../src/git/mirror.ts';
import { startGitHttpServer } from './git-http-server.ts';
import { file, shape, wideRules, workbench } from './workbench.ts';

/** A repository of three commits on a server that hands out commits without their blobs, if `filters`. */
async function served(filters = true) {
  const bench = workbench();
  const { origin, mirrorsDir } = bench;
  origin.git(['config', 'uploadpack.allowFilter', String(filters)]);
  const server = await startGitHttpServer(dirname(origin.path));
  const first = origin.commit({ 'a.txt': 'a one', 'b.txt': 'b one' });
  const second = origin.commit({ 'a.txt': 'a two', 'c.txt': 'c two' }, { parent: first });
  const head = origin.commit({ 'a.txt': 'a three' }, { parent: second });
  const remote = { ...bench.remote, url: server.url('origin.git') };
  const mirror = mirrorPath(mirrorsDir, remote.repository);
  const holds = (content: string) => {
    const blob = origin.blob(content);
    const found = execFileSync('git', ['-C', mirror, 'cat-file', '--batch-all-objects', '--batch-check'], {
      encoding: 'utf8',
      // It warns that such a mirror may lack objects.
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return found.includes(blob);
  };
  const read = async (commit: string, path: string) =>
    Buffer.from((await bench.git.read(remote.repository, commit, path)) ?? []).toString();
  return { ...bench, server, remote, mirror, first, second, head, holds, read };
}

describe('a mirror of a server that hands out parts', () => {
  it('holds all commits, and of blobs those of the commits that were asked for', async () => {
    const { git, remote, first, head, holds, read } = await served();

    await git.fetch(remote, 'main');

    expect(['a one', 'a two', 'a three', 'b one', 'c two'].filter(holds)).toEqual(['a three', 'b one', 'c two']);
    expect((await git.log(remote.repository, { to: head, limit: 9 })).map(({ files }) => files)).toEqual([
      ['a.txt'],
      ['a.txt', 'c.txt'],
      ['a.txt', 'b.txt'],
    ]);
    expect(await git.holds(remote.repository, first)).toBe(false);
    await git.fetch(remote, first);
    expect(await git.holds(remote.repository, first)).toBe(true);
    expect(await read(first, 'a.txt')).toBe('a one');
    expect((await git.diff(remote.repository, first, head)).text).toContain('-a one\n');
    expect(holds('a two')).toBe(false);
  });

  it('asks for what it lacks in one request, and for nothing when it lacks nothing', async () => {
    const { git, origin, remote, head, server } = await served();
    const packs = () => server.requests.splice(0).filter(({ path }) => path.endsWith('/git-upload-pack')).length;
    await git.fetch(remote, 'main');
    const atFirst = packs();
    await git.fetch(remote, 'main');
    const unchanged = packs();
    const same = origin.commit({ 'd.txt': 'a three' }, { parent: head });
    await git.fetch(remote, same);
    const noNewBlob = packs();
    const names = Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`many/${n}.txt`, `text ${n}`]));
    await git.fetch(remote, origin.commit(names, { parent: same }));
    const manyNewBlobs = packs();

    // A branch is looked up first; commits and blobs are asked for by name.
    expect([atFirst, unchanged, noNewBlob, manyNewBlobs]).toEqual([3, 1, 1, 2]);
  });

  it('keeps no commit whose blobs did not come', async () => {
    const { git, remote, head, server, read } = await served();
    let posts = 0;
    server.answer = (request, response) => {
      posts += request.method === 'POST' ? 1 : 0;
      if (posts < 2) return false;
      response.writeHead(502).end('gone');
      return true;
    };

    await expect(git.fetch(remote, head)).rejects.toMatchObject({ code: 'outside.git' });
    server.answer = undefined;
    expect(await git.fetch(remote, head)).toBe(head);

    expect(await read(head, 'a.txt')).toBe('a three');
  });

  it('becomes whole where an older blob is needed that nobody asked for', async () => {
    const { git, remote, first, second, head, read } = await served();
    await git.fetch(remote, head);

    await expect(git.diff(remote.repository, second, head)).rejects.toMatchObject({ code: 'outside.git' });
    await git.fetch(remote, head);

    expect((await git.diff(remote.repository, second, head)).text).toContain('-a two\n');
    expect(await read(first, 'a.txt')).toBe('a one');
  });

  it('takes patches, pushes them, and joins its packs', async () => {
    const { git, origin, remote, mirror, head, read } = await served();
    await git.fetch(remote, head);
    const patch = await git.writePatch(remote.repository, head, [file('b.txt', 'b new')], wideRules);
    if (!patch.ok) throw new Error('rejected');
    const author = { name: 'a', email: 'a@example.org' };
    const request = { tree: patch.tree, parents: [head], message: 'm', author, timestampS: 1 };
    const commit = await git.commit(remote.repository, request);

    const pushed = await git.push(remote, commit, 'work', null);
    const folder = join(mirror, 'objects/pack');
    for (const name of readdirSync(folder))
      for (let copy = 10; copy < 30; copy += 1)
        copyFileSync(join(folder, name), join(folder, `pack-${copy}${name.slice(7)}`));
    const last = origin.commit({ 'e.txt': 'e' }, { parent: head });
    await git.fetch(remote, 'main');

    expect(pushed).toEqual({ ok: true });
    expect(origin.head('work')).toBe(commit);
    expect(readdirSync(join(mirror, 'objects/pack')).filter((name) => name.endsWith('.pack')).length).toBe(1);
    expect([await read(last, 'e.txt'), await read(commit, 'b.txt')]).toEqual(['e', 'b new']);
    expect(await shape(git, remote.repository, last)).toHaveLength(4);
  });
});

describe('a mirror of a server that does not', () => {
  it('is whole where the server knows no parts', async () => {
    const { git, remote, head, holds } = await served(false);

    await git.fetch(remote, head);

    expect(['a one', 'a two', 'a three'].filter(holds)).toEqual(['a one', 'a two', 'a three']);
  });

  it('is whole where the server refuses objects by name', async () => {
    const { git, remote, head, holds, server } = await served();
    // Protocol version 0 refuses what no ref points at.
    server.answer = (request) => {
      delete request.headers['git-protocol'];
      return false;
    };

    expect(await git.fetch(remote, 'main')).toBe(head);

    expect(['a one', 'a two', 'a three'].filter(holds)).toEqual(['a one', 'a two', 'a three']);
  });
});
