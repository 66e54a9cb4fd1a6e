import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const loader = import.meta.resolve('tsx');

export interface CliEnd {
  code: number | null;
  out: string;
  err: string;
}

export interface RunningCli {
  child: ChildProcess;
  out: () => string;
  err: () => string;
  ended: Promise<CliEnd>;
}

interface CliOptions {
  cwd: string;
  env?: Record<string, string>;
  /** Another installation than this checkout's sources. */
  program?: string;
}

/** The real command in a process of its own, in a folder and with an environment that hold nothing but what is given. */
export function startCli(args: readonly string[], options: CliOptions): RunningCli {
  const { PATH = '', HOME = '', DOCKER_HOST = '' } = process.env;
  const program = options.program === undefined ? ['--import', loader, main] : [options.program];
  const child = spawn(process.execPath, [...program, ...args], {
    cwd: options.cwd,
    env: { PATH, HOME, DOCKER_HOST, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const ended = new Promise<CliEnd>((resolve) => child.once('close', (code) => resolve({ code, out, err })));
  return { child, out: () => out, err: () => err, ended };
}

export function cli(args: readonly string[], options: CliOptions): Promise<CliEnd> {
  return startCli(args, options).ended;
}
