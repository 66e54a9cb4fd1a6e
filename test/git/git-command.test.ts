import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createGit } from '../../src/git/create-git.ts';
import { createGitCommand } from '../../src/git/git-command.ts';
import { startGitHttpServer } from './git-http-server.ts';
import { Origin, temporaryFolder, workbench } from './workbench.ts';

const path = { PATH: process.env.PATH };

function bench() {
  const folder = temporaryFolder();
  const origin = new Origin(join(folder, 'origin.git'));
  mkdirSync(join(folder, 'home'));
  return { origin, command: createGitCommand({ home: join(folder, 'home'), env: path }) };
}

/** Processes that were started for this repository. */
function runningFor(gitDir: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(`GIT_DIR=${gitDir}`);
      } catch {
        // Gone since the folder was listed, or another user's.
        return false;
      }
    });
}

describe('one call of git', () => {
  it('gives exit code, output and the words of an error', async () => {
    const { command, origin } = bench();

    const good = await command.run({ args: ['rev-parse', '--is-bare-repository'], gitDir: origin.path });
    const bad = await command.run({ args: ['cat-file', '-t', 'f'.repeat(40)], gitDir: origin.path });

    expect([good.exitCode, good.stdout.toString()]).toEqual([0, 'true\n']);
    expect([bad.exitCode, bad.stdout.length]).toEqual([128, 0]);
    expect(bad.stderr).toContain('could not get object info');
  });

  it('sees no repository when none is named', async () => {
    const { command } = bench();

    const result = await command.run({ args: ['rev-parse', '--git-dir'] });

    expect(result.exitCode).toBe(128);
  });

  it('ends with an error when it takes too long, and leaves nothing running', async () => {
    const { command, origin } = bench();

    const running = command.start({ args: ['cat-file', '--batch'], gitDir: origin.path, timeoutMs: 500 });
    await expect.poll(() => runningFor(origin.path).length).toBe(1);

    await expect(running.ended).rejects.toMatchObject({
      code: 'outside.git',
      message: 'git cat-file took longer than 500 ms',
    });
    expect(runningFor(origin.path)).toEqual([]);
  });

  it('rejects with the reason of the signal, before and during the call', async () => {
    const { command, origin } = bench();
    const reason = new Error('stop');
    const controller = new AbortController();
    const call = { args: ['cat-file', '--batch'], gitDir: origin.path, signal: controller.signal };

    const running = command.start(call);
    controller.abort(reason);

    await expect(running.ended).rejects.toBe(reason);
    expect(() => command.start(call)).toThrow(reason);
  });

  it('stops output that is larger than was allowed', async () => {
    const { command, origin } = bench();
    const blob = origin.blob(Buffer.alloc(1_000_000));

    const call = command.run({ args: ['cat-file', 'blob', blob], gitDir: origin.path, maxBytes: 1_000 });

    await expect(call).rejects.toMatchObject({
      code: 'outside.git',
      message: 'git cat-file gave more than 1000 bytes',
    });
  });

  it('says so when there is no git', async () => {
    const folder = temporaryFolder();
    const command = createGitCommand({ home: folder, env: { PATH: folder } });

    await expect(command.run({ args: ['version'] })).rejects.toMatchObject({
      code: 'outside.git',
      message: expect.stringContaining('git cannot be started'),
    });
  });

  it('trusts the certificate authority that the settings name, and no stranger', async () => {
    const { origin, folder, remote } = workbench();
    const [key, cert] = [join(folder, 'key'), join(folder, 'cert')];
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, ...subject],
      {
        stdio: 'ignore',
      },
    );
    const tls = { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
    const server = await startGitHttpServer(dirname(origin.path), { tls });
    const head = origin.commit({ a: '1' });
    const secure = { ...remote, url: server.url('origin.git') };
    const trusting = createGit({ mirrorsDir: join(folder, 'one'), env: { ...path, SSL_CERT_FILE: cert } });
    const strict = createGit({ mirrorsDir: join(folder, 'two'), env: path });

    expect(await trusting.fetch(secure, 'main')).toBe(head);
    await expect(strict.fetch(secure, 'main')).rejects.toMatchObject({ code: 'outside.git' });
  });
});
