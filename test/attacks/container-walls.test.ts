import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { docker, type TestEngine, testEngine } from '../support/sandboxes.ts';

let engine: TestEngine;
let sandbox: Sandbox;

beforeAll(async () => {
  engine = testEngine();
  sandbox = await engine.openOn({ 'README.md': 'hello\n' });
});
afterAll(() => engine[Symbol.asyncDispose]());

async function output(command: string, timeoutMs = 20_000): Promise<string> {
  const { stdout, stderr } = await sandbox.run({ command: `{ ${command}\n} 2>&1`, timeoutMs });
  return stdout.text + stderr.text;
}

/** The container still answers and the engine still starts others. */
async function stillHealthy(): Promise<void> {
  expect(await output('echo healthy')).toBe('healthy\n');
  await using other = await engine.openOn({ 'README.md': 'hello\n' });
  expect((await other.run({ command: 'echo healthy', timeoutMs: 5_000 })).stdout.text).toBe('healthy\n');
}

describe('power inside a container', () => {
  it('is none: no root, no capability, no way to gain one, system calls filtered', async () => {
    const status = await output('cat /proc/self/status');

    expect(await output('id -u; id -g')).toBe('1000\n1000\n');
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
      expect(status).toMatch(new RegExp(`${set}:\\t0{16}\n`));
    expect(status).toContain('NoNewPrivs:\t1');
    expect(status).toContain('Seccomp:\t2');
  });

  it('is not gained by a program with the set-user-id bit', async () => {
    const inside = await output(
      'cp /bin/bash ./rooted; chmod 6755 rooted; ./rooted -p -c "id -u"; for f in /usr/bin/su /usr/bin/mount; do $f 2>&1 | head -1; done; rm rooted',
    );

    expect(inside.split('\n')[0]).toBe('1000');
    expect(inside).not.toMatch(/uid=0/);
  });

  it.each([
    ['write to the system', 'echo x >>/etc/passwd'],
    ['write to the root folder', 'touch /x'],
    ['replace a program', 'cp /bin/true /usr/bin/git'],
    ['mount', 'mount -t tmpfs none /mnt'],
    ['make a user namespace', 'unshare -Ur true'],
    ['make a mount namespace', 'unshare -m true'],
    ['make a device', 'mknod /tmp/disk b 254 0'],
    ['change the root', 'chroot / true'],
    ['change the host name', 'hostname x'],
    ['set a kernel value', 'echo x >/proc/sys/kernel/core_pattern'],
    ['ask the kernel to crash', 'echo c >/proc/sysrq-trigger'],
    ['read the kernel log', 'dmesg'],
    ['read kernel memory', 'cat /proc/kcore'],
    [
      'write to cgroups',
      'd=$(find /sys/fs/cgroup -maxdepth 2 -type d | head -3); for x in $d; do mkdir $x/x && exit 0; done; false',
    ],
    ['become another user', 'python3 -c "import os; os.setuid(0)"'],
    ['change a clock', 'date -s 2001-01-01'],
    ['open a raw socket', 'python3 -c "import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)"'],
    [
      'load code into the kernel',
      `python3 -c "import ctypes; r=ctypes.CDLL(None).syscall(321,0,0,0); exit(0 if r>=0 else 1)"`,
    ],
    ['trace the first process', `python3 -c "import ctypes; exit(0 if ctypes.CDLL(None).ptrace(16,1,0,0)==0 else 1)"`],
    ['kill the first process', 'kill -KILL 1'],
    ['read the first process', 'cat /proc/1/environ'],
    ['find the Docker socket', 'find / -xdev -name "docker*.sock" 2>/dev/null | grep .'],
  ])('does not let a command %s', async (_what, command) => {
    const result = await sandbox.run({ command, timeoutMs: 10_000 });

    expect(result.end).toBe('exited');
    expect(result.exitCode).not.toBe(0);
  });

  it('sees no folder of the host', async () => {
    const mounts = await docker('inspect', '--format', '{{json .HostConfig.Binds}} {{json .Mounts}}', sandbox.name);
    const sources = await output(`awk '$1 ~ "^/" {print $2}' /proc/mounts | sort`);

    expect(mounts).toBe('null []');
    // The three files that Docker makes for each container.
    expect(sources).toBe('/etc/hostname\n/etc/hosts\n/etc/resolv.conf\n');
  });
});

describe('network inside a container', () => {
  it('is a loopback alone: no address, no name, no metadata, no host', async () => {
    const probe = (host: string, port: number, family: string) =>
      `python3 -c "import socket; s=socket.socket(socket.${family}); s.settimeout(2); s.connect(('${host}',${port})); print('reached')"`;

    expect(await output('ls /sys/class/net')).toBe('lo\n');
    expect(await output('cat /proc/net/route | wc -l')).toBe('1\n');
    for (const host of ['169.254.169.254', '172.17.0.1', '8.8.8.8', '10.0.0.1']) {
      expect(await output(probe(host, 80, 'AF_INET'))).toContain('Network is unreachable');
    }
    expect(await output(probe('2001:4860:4860::8888', 53, 'AF_INET6'))).toMatch(
      /unreachable|not supported|Cannot assign/,
    );
    expect(await output(`python3 -c "import socket; socket.getaddrinfo('example.org', 80)"`)).toMatch(
      /resolution|not known/,
    );
  });

  it('holds none of the host behind its own loopback, nor behind abstract sockets', async () => {
    expect(
      await output(`python3 -c "
import socket
open_ports = []
for port in list(range(1, 10000)):
    s = socket.socket()
    if s.connect_ex(('127.0.0.1', port)) == 0: open_ports.append(port)
    s.close()
print(open_ports)"`),
    ).toBe('[]\n');
    expect(await output(`grep -c '@' /proc/net/unix`)).toBe('0\n');
  });
});

describe('limits of a container', () => {
  it('stop a fork bomb of the shell; its processes are all gone after the time limit', async () => {
    const result = await sandbox.run({ command: 'b() { b | b & b; }; b', timeoutMs: 1_000 });

    expect(result.end).toBe('timed-out');
    expect(result.durationMs).toBeLessThan(12_000);
    expect(Number(await output('ls -d /proc/[0-9]* | wc -l'))).toBeLessThan(10);
    await stillHealthy();
  });

  it('stop a fork bomb whose children leave the group and close everything', async () => {
    const bomb = `
import os
def burst():
    while True:
        try:
            if os.fork() == 0:
                os.setsid()
                for fd in range(3): os.close(fd)
                burst()
        except OSError: pass
burst()`;
    const result = await sandbox.run({ command: `python3 -c '${bomb}'`, timeoutMs: 1_000 });
    const alone = await sandbox.run({ command: 'ls -d /proc/[0-9]* | wc -l', timeoutMs: 20_000, isolated: true });

    expect(result.end).toBe('timed-out');
    expect(result.durationMs).toBeLessThan(12_000);
    expect(Number(alone.stdout.text)).toBeLessThan(10);
    await stillHealthy();
  });

  it('stop six greedy allocators at once', async () => {
    const result = await sandbox.run({
      command: 'for n in 1 2 3 4 5 6; do python3 -c "x = [bytearray(10**7) for _ in range(200)]" & done; wait',
      timeoutMs: 20_000,
    });

    expect(result.end).toBe('out-of-memory');
    await stillHealthy();
  });

  it('stop the filling of memory that looks like disk', async () => {
    const tmp = await output('head -c 1000000000 /dev/zero >/tmp/fill; wc -c </tmp/fill; rm -f /tmp/fill');
    const shm = await output('head -c 1000000000 /dev/zero >/dev/shm/fill; wc -c </dev/shm/fill; rm -f /dev/shm/fill');

    expect(tmp).toMatch(/No space left[\s\S]*\n67108864\n/);
    expect(shm).toMatch(/No space left[\s\S]*\n67108864\n/);
    await stillHealthy();
  });

  it('stop one huge file, a sparse one too, and too many open files', async () => {
    expect(await output('truncate -s 1T sparse; ls sparse')).toMatch(/File too large|File size limit/);
    expect(await output('ulimit -Hn; ulimit -Hc')).toBe('4096\n0\n');
    await sandbox.run({ command: 'rm -f sparse', timeoutMs: 5_000 });
  });

  it('stop many files that fill the disk from the background, at the next command', async () => {
    await sandbox.run({
      command: '(i=0; while :; do head -c 20000000 /dev/zero >fill.$i; i=$((i+1)); done) >/dev/null 2>&1 &',
      timeoutMs: 5_000,
    });
    const result = await sandbox.run({ command: 'sleep 15', timeoutMs: 20_000 });
    const after = await sandbox.run({ command: 'rm -f fill.*; sleep 0.2; ls', timeoutMs: 20_000 });

    expect(result.end).toBe('disk-limit');
    expect(after.stdout.text).toBe('README.md\n');
    await stillHealthy();
  });

  it('stop output without end, and hand control characters on as data', async () => {
    const flood = await sandbox.run({ command: 'yes >&2 & yes', timeoutMs: 20_000 });
    const ansi = await sandbox.run({
      command: `printf '\\033]0;title\\007\\033[31mred\\r\\n::error::x'`,
      timeoutMs: 5_000,
    });

    expect(flood.end).toBe('output-limit');
    expect(Buffer.byteLength(flood.stdout.text)).toBeLessThan(40_000);
    expect(ansi.stdout.text).toBe('\x1b]0;title\x07\x1b[31mred\r\n::error::x');
    await stillHealthy();
  });
});
