import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { until } from '../support/until.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const loader = import.meta.resolve('tsx');
const startMs = 90_000;

/** One stage that a process has entered, as its log says. */
export interface Entered {
  stage: string;
  /** Of build and verify; null elsewhere. */
  round: number | null;
}

/** A process of the service that may be killed, stopped and set going again. */
export interface Service {
  readonly pid: number;
  readonly child: ChildProcess;
  readonly entered: readonly Entered[];
  /** Messages of its log so far. */
  readonly said: readonly string[];
  /** Resolves when it has entered the stage; rejects when it ends before. */
  enters(wanted: Entered): Promise<void>;
  signal(name: NodeJS.Signals): void;
  /** As a power cut would. */
  kill(): Promise<void>;
  /** As a deploy does; resolves to what it took, in milliseconds. Fails unless it exits 0. */
  stop(): Promise<number>;
}

/** `millwright serve` or `millwright worker` from the sources; resolves when it takes work. */
export async function startService(args: readonly string[], env: Record<string, string>): Promise<Service> {
  const child = spawn(process.execPath, ['--import', loader, main, ...args], {
    env: { ...env, LOG_LEVEL: 'info', NODE_EXTRA_CA_CERTS: process.env.NODE_EXTRA_CA_CERTS ?? '' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const entered: Entered[] = [];
  const said: string[] = [];
  let errors = '';
  let rest = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-4_000);
  });
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) hear(line, entered, said);
  });
  const ended = () => child.exitCode !== null || child.signalCode !== null;
  const gone = async () => until(ended, 20_000);
  const orFail = () => {
    if (ended())
      throw new Error(`the service ended (${child.exitCode ?? child.signalCode}): ${errors}${said.slice(-5)}`);
  };
  await until(() => {
    orFail();
    return said.includes('ready');
  }, startMs);
  return {
    pid: child.pid ?? 0,
    child,
    entered,
    said,
    async enters({ stage, round }) {
      await until(() => {
        orFail();
        return entered.some((one) => one.stage === stage && (round === null || one.round === round));
      }, 120_000).catch((cause) => {
        throw new Error(`${stage} ${round ?? ''} was not entered: ${JSON.stringify([entered, said.slice(-8)])}`, {
          cause,
        });
      });
    },
    signal: (name) => child.kill(name),
    async kill() {
      child.kill('SIGKILL');
      await gone();
    },
    async stop() {
      const askedAtMs = performance.now();
      child.kill('SIGTERM');
      await gone();
      if (child.exitCode !== 0)
        throw new Error(`SIGTERM ended it with ${child.exitCode ?? child.signalCode}: ${errors}`);
      return performance.now() - askedAtMs;
    },
  };
}

function hear(line: string, entered: Entered[], said: string[]): void {
  if (!line.startsWith('{')) return;
  const { msg = '', stage, note } = JSON.parse(line) as { msg?: string; stage?: string; note?: string | null };
  said.push(msg);
  if (msg !== 'stage entered' || stage === undefined) return;
  const round = /^round (\d+)/.exec(note ?? '')?.[1];
  entered.push({ stage, round: round === undefined ? null : Number(round) });
}
