import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { CanaryOutcome } from '../sandbox/egress.ts';
import type { CommandResult, Sandbox, SandboxEngine } from '../sandbox/sandbox.ts';
import { type Finding, failed, ok } from './finding.ts';
import { freeSpace } from './machine.ts';

/** As small as a container can be that still runs a shell. */
const limits = { memoryBytes: 64 * 1024 ** 2, cpus: 1, pids: 32, diskBytes: 256 * 1024 ** 2, outputBytes: 1024 ** 2 };
const leastFreeBytes = 10 * 1024 ** 3;
const image = 'millwright/sandbox';
/** In a checkout and in the installed package alike. */
const imageScript = fileURLToPath(new URL('../../script/sandbox-image', import.meta.url));
export const imageFix = `Build the sandbox image beside that engine: ${imageScript}`;
const commandMs = 20_000;
const lifeMs = 5 * 60_000;

export async function checkEngine(engine: SandboxEngine): Promise<Finding> {
  const { available, reason, version } = await engine.status();
  if (available) return ok('docker', `Docker ${version ?? ''} answers and has the limits that the walls are made of`);
  const fix =
    version === undefined
      ? 'Start the Docker engine, or set DOCKER_HOST to where one listens and let this user reach it.'
      : 'Use an engine with Linux containers, cgroup limits for memory, processes and CPU, and seccomp.';
  return failed('docker', reason ?? 'it does not answer', fix);
}

/** Starts a container as a run would, and tries to get past each wall from the inside. The engine is one whose images serve nobody else. */
export async function checkWalls(engine: SandboxEngine, nowMs: number): Promise<Finding[]> {
  // What an examination that was cut short has left.
  await engine.reap({ expiredAtMs: nowMs });
  try {
    return await tryWalls(engine, nowMs);
  } finally {
    // Below nothing: an image without files of its own takes no room, and goes as well.
    await engine.evict(-1);
  }
}

async function tryWalls(engine: SandboxEngine, nowMs: number): Promise<Finding[]> {
  const prepared = await engine.prepare({
    repository: 'local/millwright/doctor',
    commit: '0'.repeat(40),
    image,
    setup: null,
    // An empty tar: two blocks of zeros.
    files: async () => Readable.from([Buffer.alloc(1024)]),
    limits,
  });
  await using sandbox = await engine.open({
    run: `doctor-${process.pid}`,
    purpose: 'walls',
    epoch: 0,
    image: prepared.image,
    overlay: { writes: [], links: [], deletes: [] },
    limits,
    network: { hosts: [], addresses: [] },
    secrets: {},
    deadlineMs: nowMs + lifeMs,
  });
  const findings = [ok('sandbox image', `${image} starts`)];
  for (const trial of trials) findings.push(await judge(trial, sandbox));
  const free = await sandbox.run({ command: 'df -Pk / | tail -n 1', timeoutMs: commandMs });
  const freeKiB = Number(free.stdout.text.trim().split(/\s+/)[3]);
  if (Number.isFinite(freeKiB))
    findings.push(freeSpace('docker disk', freeKiB * 1024, 'where Docker keeps its containers', leastFreeBytes));
  return findings;
}

interface Trial {
  name: string;
  command: string;
  timeoutMs?: number;
  held: (result: CommandResult) => boolean;
  wall: string;
}

const told = (expected: string) => (result: CommandResult) => result.stdout.text.trim() === expected;

const trials: readonly Trial[] = [
  {
    name: 'user',
    command: 'id -u',
    held: (result) => Number(result.stdout.text) > 0,
    wall: 'commands do not run as root',
  },
  {
    name: 'capabilities',
    command: 'grep -h -E "^(CapEff|CapBnd|NoNewPrivs|Seccomp):" /proc/self/status | tr -d " \\t\\n"',
    held: ({ stdout }) => /^CapEff:0+CapBnd:0+NoNewPrivs:1Seccomp:2/.test(stdout.text),
    wall: 'no capabilities, no new privileges, seccomp on',
  },
  {
    name: 'network',
    command: 'ls /sys/class/net | grep -v -x lo | wc -l',
    held: told('0'),
    wall: 'no network but the loopback',
  },
  {
    name: 'memory limit',
    command: 'head -c 200000000 /dev/zero | tail -c 199999999 | wc -c',
    held: ({ end, exitCode, stdout }) => end === 'out-of-memory' || (exitCode !== 0 && !/199999999/.test(stdout.text)),
    wall: 'a process that takes more memory than it may is ended',
  },
  {
    name: 'process limit',
    command: 'cat /sys/fs/cgroup/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids/pids.max',
    held: told(String(limits.pids)),
    wall: 'the number of processes is limited',
  },
  {
    name: 'output limit',
    command: 'head -c 5000000 /dev/zero',
    held: ({ end }) => end === 'output-limit',
    wall: 'a command that says too much is ended',
  },
  {
    name: 'time limit',
    command: 'sleep 60',
    timeoutMs: 1_000,
    held: ({ end }) => end === 'timed-out',
    wall: 'a command that takes too long is ended',
  },
];

async function judge(trial: Trial, sandbox: Sandbox): Promise<Finding> {
  const result = await sandbox.run({ command: trial.command, timeoutMs: trial.timeoutMs ?? commandMs });
  if (trial.held(result)) return ok(trial.name, trial.wall);
  const seen = `${result.end}, exit code ${result.exitCode}: ${result.stdout.text.slice(0, 200)}`;
  const fix = 'Do not use this Docker engine for runs: its containers do not hold. See docs/security.md.';
  return failed(trial.name, `not so: ${trial.wall} (${seen.trim()})`, fix);
}

/** The way out of a container for granted hosts: whatever else is tried must be refused. */
export function judgeCanary(outcome: CanaryOutcome): Finding {
  if (outcome.held) return ok('egress wall', 'a canary tried other ways out of a container, and all were refused');
  const fix = `Runs that ask for network will fail until this is mended. ${imageFix}`;
  return failed('egress wall', outcome.reason ?? 'it does not hold', fix);
}
