import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createGitCommand } from '../../src/git/git-command.ts';
import { Origin, temporaryFolder } from './workbench.ts';

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
      code: 'limit.repository',
      message: 'git cat-file gave more than 1000 bytes',
    });
  });

  it('may have its memory bounded, and names the signal that ended it', async () => {
    const { command, origin } = bench();
    const call = { args: ['hash-object', '--stdin'], gitDir: origin.path, stdin: Buffer.alloc(32 * 1024 ** 2) };

    const bounded = await command.run({ ...call, maxMemoryBytes: 16 * 1024 ** 2 });
    const roomy = await command.run({ ...call, maxMemoryBytes: 512 * 1024 ** 2 });
    const killed = command.start({ args: ['cat-file', '--batch'], gitDir: origin.path });
    killed.kill();

    expect(bounded).toMatchObject({ exitCode: 128, stderr: expect.stringMatching(/out of memory/i) });
    expect(roomy.exitCode).toBe(0);
    expect(await killed.ended).toEqual({ exitCode: 128, stderr: '\nended by SIGTERM' });
  });

  it('says so when there is no git', async () => {
    const folder = temporaryFolder();
    const command = createGitCommand({ home: folder, env: { PATH: folder } });

    await expect(command.run({ args: ['version'] })).rejects.toMatchObject({
      code: 'outside.git',
      message: expect.stringContaining('git cannot be started'),
    });
  });

  it('passes on proxy and certificates, and nothing else of the environment that it is given', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'git'), '#!/bin/sh\nexec env\n', { mode: 0o755 });
    const env = {
      PATH: `${folder}:${process.env.PATH}`,
      SSL_CERT_FILE: '/ca/company.pem',
      HTTPS_PROXY: 'http://proxy.example:3128',
      NO_PROXY: 'git.example',
      GIT_SSH_COMMAND: 'evil',
      GIT_CONFIG_GLOBAL: '/home/someone/.gitconfig',
      LD_PRELOAD: '/evil.so',
      OPENAI_API_KEY: 'secret',
    };

    const { stdout } = await createGitCommand({ home: folder, env }).run({ args: [] });

    const seen = Object.fromEntries(
      stdout
        .toString()
        .split('\n')
        .map((line) => line.split(/=(.*)/s).slice(0, 2)),
    );
    expect(seen).toMatchObject({
      GIT_SSL_CAINFO: '/ca/company.pem',
      HTTPS_PROXY: 'http://proxy.example:3128',
      NO_PROXY: 'git.example',
      HOME: folder,
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_TERMINAL_PROMPT: '0',
      GIT_DIR: '/dev/null',
    });
    expect(Object.keys(seen).filter((name) => /SSH|PRELOAD|OPENAI/.test(name))).toEqual([]);
  });
});
