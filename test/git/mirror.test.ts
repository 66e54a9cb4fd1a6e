import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createGit } from '../../src/git/create-git.ts';
import { mirrorPath } from '../../src/git/mirror.ts';
import { withMirrorLock } from '../../src/git/mirror-lock.ts';
import { startGitHttpServer } from './git-http-server.ts';
import { fetched, file, shape, temporaryFolder, wideRules, workbench } from './workbench.ts';

const repository = 'host.example/acme/widget';

/** Every file below a folder, absolute. */
function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

describe('a mirror', () => {
  it('is asked for a kept commit without any call to the remote', async () => {
    const { git, origin, remote } = workbench();
    const base = await git.fetch(remote, origin.commit({ a: '1' }));
    rmSync(origin.path, { recursive: true });

    const again = await git.fetch(remote, base);

    expect(again).toBe(base);
  });

  it('keeps repositories apart whose names would be one folder', () => {
    const paths = ['h/a/b', 'h/A/b', 'h/a__b', 'h__a/b', 'h/a/b ', 'h/../b', `h/${'x'.repeat(300)}/b`].map((name) =>
      mirrorPath('/m', name),
    );

    expect(new Set(paths.map((path) => path.toLowerCase())).size).toBe(paths.length);
    expect(paths.filter((path) => dirname(path) !== '/m' || basename(path).length > 120)).toEqual([]);
  });

  it('follows a branch name that becomes a folder of branches', async () => {
    const { git, origin, remote } = workbench();
    const first = origin.commit({ a: '1' }, { branch: 'work' });
    await git.fetch(remote, 'work');
    origin.git(['update-ref', '-d', 'refs/heads/work']);
    const second = origin.commit({ a: '2' }, { branch: 'work/deep', parent: first });

    expect(await git.fetch(remote, 'work/deep')).toBe(second);
  });

  it('gets a commit that the server hands out only through its branches', async () => {
    const { git, origin, remote } = workbench();
    const server = await startGitHttpServer(dirname(origin.path));
    const first = origin.commit({ a: '1' });
    origin.commit({ a: '2' }, { parent: first });
    // Protocol version 0 refuses what no ref points at.
    server.answer = (request) => {
      delete request.headers['git-protocol'];
      return false;
    };

    const commit = await git.fetch({ ...remote, url: server.url('origin.git') }, first);

    expect(commit).toBe(first);
  });

  it.each([
    ['has lost its settings', (mirror: string) => writeFileSync(join(mirror, 'config'), '[core\n')],
    ['is half made', (mirror: string) => rmSync(join(mirror, 'HEAD'))],
    ['has no objects any more', (mirror: string) => rmSync(join(mirror, 'objects'), { recursive: true })],
    [
      'has a pack cut short by a power cut',
      (mirror: string) => {
        for (const path of filesBelow(join(mirror, 'objects/pack')).filter((name) => name.endsWith('.pack')))
          truncateSync(path, 20);
      },
    ],
    [
      'has a broken index of a pack',
      (mirror: string) => {
        for (const path of filesBelow(join(mirror, 'objects/pack')).filter((name) => name.endsWith('.idx')))
          truncateSync(path, 0);
      },
    ],
  ])('mends itself when it %s', async (_what, harm) => {
    const { git, base, remote, mirrorsDir } = await fetched({ 'a.txt': 'one', 'b.txt': 'two' });
    const mirror = mirrorPath(mirrorsDir, repository);
    execFileSync('chmod', ['-R', 'u+w', mirror]);
    harm(mirror);

    // What a worker does: a step fails with an outside error, and the step is tried again from its fetch.
    const first = await git
      .fetch(remote, base)
      .then(() => git.tar(repository, base))
      .then(
        async (tar) =>
          await tar.toArray().then(
            () => 'ok',
            (error) => error.code,
          ),
        (error) => error.code,
      );
    await git.fetch(remote, base);

    expect(['ok', 'outside.git']).toContain(first);
    expect(await shape(git, repository, base)).toEqual(['100644 a.txt', '100644 b.txt']);
    expect(Buffer.from((await git.read(repository, base, 'b.txt')) ?? []).toString()).toBe('two');
    expect(readdirSync(mirrorsDir).filter((name) => /new-|broken-/.test(name))).toEqual([]);
  });

  it('takes over the trees that were written before it was remade, but no damaged object', async () => {
    const { git, base, remote, mirrorsDir } = await fetched({ 'a.txt': 'one' });
    const mirror = mirrorPath(mirrorsDir, repository);
    const patch = await git.writePatch(repository, base, [file('b.txt', 'two'), file('c.txt', 'three')], wideRules);
    if (!patch.ok) throw new Error('rejected');
    rmSync(join(mirror, 'HEAD'));
    const garbage = join(mirror, 'objects', '12', '3'.repeat(38));
    mkdirSync(dirname(garbage), { recursive: true });
    writeFileSync(garbage, 'not an object');

    await git.fetch(remote, base);

    expect(await shape(git, repository, patch.tree)).toEqual(['100644 a.txt', '100644 b.txt', '100644 c.txt']);
    expect(filesBelow(join(mirror, 'objects')).filter((path) => path.includes('3'.repeat(38)))).toEqual([]);
  });

  it('removes the lock that a killed git left on a ref', async () => {
    const { git, origin, base, remote, mirrorsDir } = await fetched({ a: '1' });
    const mirror = mirrorPath(mirrorsDir, repository);
    const folder = join(mirror, 'refs/millwright/fetched');
    const lock = join(folder, `${readdirSync(folder)[0]}.lock`);
    writeFileSync(lock, '');
    utimesSync(lock, new Date(0), new Date(0));
    const next = origin.commit({ a: '2' }, { parent: base });

    expect(await git.fetch(remote, 'main')).toBe(next);
  });

  it('joins its packs when they have become many, and loses nothing that was written', async () => {
    const { git, origin, base, remote, mirrorsDir } = await fetched({ a: '0' });
    const patch = await git.writePatch(repository, base, [file('b', 'x')], wideRules);
    let head = base;
    for (let round = 1; round <= 41; round += 1) {
      head = origin.commit({ a: String(round) }, { parent: head });
      await git.fetch(remote, 'main');
    }

    const packs = readdirSync(join(mirrorPath(mirrorsDir, repository), 'objects/pack')).filter((name) =>
      name.endsWith('.pack'),
    );

    expect(packs.length).toBeLessThan(5);
    expect(await shape(git, repository, base)).toEqual(['100644 a']);
    expect(patch.ok && (await shape(git, repository, patch.tree))).toEqual(['100644 a', '100644 b']);
  }, 60_000);

  it('is fetched by many at once without harm', async () => {
    const { git, mirrorsDir, origin, remote } = workbench();
    const base = origin.commit({ a: '1' });
    const other = createGit({ mirrorsDir, env: { PATH: process.env.PATH } });

    const commits = await Promise.all(
      [git, other, git, other, git].map((door, index) => door.fetch(remote, index % 2 ? 'main' : base)),
    );

    expect(new Set(commits)).toEqual(new Set([base]));
  });
});

describe('the lock of a mirror', () => {
  it('lets one in at a time, in this process', async () => {
    const path = join(temporaryFolder(), 'lock');
    let inside = 0;
    let most = 0;
    const work = async () => {
      inside += 1;
      most = Math.max(most, inside);
      await new Promise((resolve) => setImmediate(resolve));
      inside -= 1;
    };

    await Promise.all(Array.from({ length: 10 }, () => withMirrorLock(path, undefined, work)));

    expect(most).toBe(1);
  });

  it('keeps another process out, and is free at once when that process is killed', async () => {
    const path = join(temporaryFolder(), 'lock');
    const script = `
      const { DatabaseSync } = require('node:sqlite');
      const lock = new DatabaseSync(${JSON.stringify(path)});
      lock.exec('BEGIN EXCLUSIVE');
      console.log('held');
      setInterval(() => lock, 1000);`;
    const holder = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'ignore'] });
    await new Promise((resolve) => holder.stdout.once('data', resolve));
    let entered = false;

    const waiting = withMirrorLock(path, undefined, async () => {
      entered = true;
    });
    const gaveUp = withMirrorLock(path, AbortSignal.timeout(150), async () => undefined);

    await expect(gaveUp).rejects.toMatchObject({ name: 'TimeoutError' });
    expect(entered).toBe(false);
    holder.kill('SIGKILL');
    await waiting;
    expect(entered).toBe(true);
  });

  it('goes to the next when the work before it failed', async () => {
    const path = join(temporaryFolder(), 'lock');
    const failing = withMirrorLock(path, undefined, async () => {
      throw new Error('no');
    });

    await expect(failing).rejects.toThrow('no');
    expect(await withMirrorLock(path, undefined, async () => 'next')).toBe('next');
  });
});

describe('a remote that needs a token', () => {
  const token = 'ghs_5ecret+Token/With=Signs';

  async function guarded() {
    const bench = workbench();
    const base = bench.origin.commit({ a: '1' });
    const server = await startGitHttpServer(dirname(bench.origin.path), { token });
    return {
      ...bench,
      base,
      server,
      remote: { ...bench.remote, url: server.url('origin.git'), token: async () => token },
    };
  }

  it('shows the token only after it was asked for', async () => {
    const { git, base, server, remote } = await guarded();

    await git.fetch(remote, base);

    expect(server.requests[0]?.authorization).toBeUndefined();
    expect(server.requests.some(({ authorization }) => authorization !== undefined)).toBe(true);
  });

  it('leaves no trace of the token on disk, in process lists or in errors', async () => {
    const { git, base, server, remote, folder } = await guarded();
    const seen: string[] = [];
    server.answer = () => {
      seen.push(...runningCommandLines());
      return false;
    };
    await git.fetch(remote, base);
    server.answer = (_request, response) => {
      response.writeHead(500, { 'content-type': 'text/plain' }).end(`broken: ${token}`);
      return true;
    };

    const error = await git.fetch(remote, 'main').catch((cause) => cause);

    const texts = [token, encodeURIComponent(token), Buffer.from(`x-access-token:${token}`).toString('base64')];
    const places = [
      ...seen,
      JSON.stringify(error),
      String(error.message),
      String(error.stack),
      ...filesBelow(folder).map((path) => readFileSync(path, 'latin1')),
    ];
    expect(seen.some((line) => line.includes('git-remote-http'))).toBe(true);
    expect(error.code).toBe('outside.git');
    expect(places.filter((place) => texts.some((text) => place.includes(text)))).toEqual([]);
  });

  it.each([
    [401, '', 'outside.github-refused'],
    [403, 'Write access to repository not granted.', 'outside.github-refused'],
    [403, 'This repository was archived so it is read-only.', 'outside.repository-archived'],
    [403, 'You have exceeded a secondary rate limit.', 'outside.git'],
    [403, '', 'outside.git'],
    [404, '', 'outside.repository-gone'],
    [410, '', 'outside.repository-gone'],
    [429, '', 'outside.git'],
    [502, '', 'outside.git'],
  ])('reports an answer of %i "%s" as %s, for fetch, look and push', async (status, words, code) => {
    const { git, base, server, remote } = await guarded();
    await git.fetch(remote, base);
    server.answer = (_request, response) => {
      const headers = { 'www-authenticate': 'Basic realm="x"', ...(words ? { 'content-type': 'text/plain' } : {}) };
      response.writeHead(status, headers).end(words || 'no');
      return true;
    };

    await expect(git.fetch(remote, 'main')).rejects.toMatchObject({ code });
    await expect(git.remoteHead(remote, 'main')).rejects.toMatchObject({ code });
    await expect(git.push(remote, base, 'new', null)).rejects.toMatchObject({ code });
  });

  it('reports a wrong token, and none, as refused', async () => {
    const { git, base, remote } = await guarded();

    await expect(git.fetch({ ...remote, token: async () => 'wrong' }, base)).rejects.toMatchObject({
      code: 'outside.github-refused',
    });
    await expect(git.fetch({ ...remote, token: null }, base)).rejects.toMatchObject({ code: 'outside.github-refused' });
  });

  it('asks once for a new token when the one it had was refused', async () => {
    const { git, base, remote } = await guarded();
    const asked: boolean[] = [];
    const token = async (renew = false) => {
      asked.push(renew);
      return renew ? ((await remote.token?.()) ?? '') : 'revoked';
    };

    expect(await git.fetch({ ...remote, token }, base)).toBe(base);
    expect(asked).toEqual([false, true]);
  });

  it('follows a redirect on the same origin, and takes the token nowhere else', async () => {
    const { git, base, server, remote } = await guarded();
    const elsewhere = await startGitHttpServer('/nonexistent');
    let target = server.origin;
    server.answer = (request, response) => {
      if (!request.url?.startsWith('/old-name')) return false;
      response.writeHead(301, { location: `${target}${request.url.replace('/old-name', '/origin.git')}` }).end();
      return true;
    };
    const renamed = { ...remote, url: server.url('old-name') };

    const head = await git.remoteHead(renamed, 'main');
    const fetchedCommit = await git.fetch(renamed, base);
    const pushed = await git.push(renamed, base, 'copy', null);
    target = elsewhere.origin;

    expect([head, fetchedCommit, pushed]).toEqual([base, base, { ok: true }]);
    await expect(git.remoteHead(renamed, 'main')).rejects.toMatchObject({ code: 'outside.git' });
    expect(elsewhere.requests).toEqual([]);
  });

  it('stops git and its helpers when the signal aborts', async () => {
    const { git, base, server, remote } = await guarded();
    const controller = new AbortController();
    const stop = new Error('stopped by someone');
    server.answer = () => {
      controller.abort(stop);
      return true;
    };

    await expect(git.fetch(remote, base, controller.signal)).rejects.toBe(stop);

    const ours = () => runningCommandLines().filter((line) => line.includes(server.origin));
    await expect.poll(ours, { timeout: 5_000 }).toEqual([]);
  });
});

function runningCommandLines(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return [readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ')];
      } catch {
        return [];
      }
    });
}
