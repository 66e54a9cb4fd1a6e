import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { docker } from './sandboxes.ts';
import { until } from './until.ts';

export interface SecondEngine extends AsyncDisposable {
  readonly socketPath: string;
  /** Runs the Docker client against it. */
  docker(...args: string[]): Promise<string>;
  /** Ends it as a crash would, its containers with it. */
  crash(): Promise<void>;
  start(): Promise<void>;
  /** Gives it an image of the machine's own engine. */
  load(image: string): Promise<void>;
}

/** A Docker engine of its own (own data, own socket, no bridge), so that a test can take it away. Needs root, like any. */
export async function startSecondEngine(): Promise<SecondEngine> {
  const folder = await mkdtemp(join(tmpdir(), 'second-engine-'));
  const socketPath = join(folder, 'docker.sock');
  let running: ChildProcess | null = null;
  const client = (...args: string[]) => docker('--host', `unix://${socketPath}`, ...args);
  const answers = () =>
    client('version').then(
      () => true,
      () => false,
    );

  async function start(): Promise<void> {
    const places = ['data-root', 'exec-root'].flatMap((place) => [`--${place}`, join(folder, place)]);
    const alone = ['--bridge', 'none', '--iptables=false', '--ip-forward=false', '--ip-masq=false'];
    const args = [...places, '--pidfile', join(folder, 'pid'), '--host', `unix://${socketPath}`, ...alone];
    // In a network of its own: without a bridge, a Docker engine takes the default bridge of the machine away.
    running = spawn('unshare', ['--net', 'dockerd', ...args], { stdio: 'ignore' });
    await until(answers, 40_000);
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    const engine = running;
    if (!engine || engine.exitCode !== null || engine.signalCode !== null) return;
    const ended = new Promise((resolve) => engine.once('exit', resolve));
    engine.kill(signal);
    await ended;
    running = null;
  }

  async function load(image: string): Promise<void> {
    const save = spawn('docker', ['save', image], { stdio: ['ignore', 'pipe', 'inherit'] });
    const target = spawn('docker', ['--host', `unix://${socketPath}`, 'load'], {
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    const loaded = new Promise((resolve) => target.once('exit', resolve));
    await pipeline(save.stdout, target.stdin);
    await loaded;
  }

  await start();
  return {
    socketPath,
    docker: client,
    start,
    load,
    crash: () => end('SIGTERM'),
    async [Symbol.asyncDispose]() {
      await end('SIGTERM');
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
