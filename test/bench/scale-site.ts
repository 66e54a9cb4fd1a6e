import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { environmentFor } from '../support/factory.ts';
import { gateContract, gateRepository, people, repo, writes } from '../support/gate-site.ts';
import { type GitHubStandIn, startGitHub } from '../support/github-stand-in.ts';
import { type ChatRequest, type ModelStandIn, type Reply, startModel } from '../support/model-stand-in.ts';
import { scripted } from '../support/scripted.ts';
import { until } from '../support/until.ts';

const main = fileURLToPath(new URL('./scale-service.ts', import.meta.url));
const loader = import.meta.resolve('tsx');
const ticksPerSecond = 100;
const usual = scripted([]) as (request: ChatRequest, index: number) => Promise<Reply>;

/** Processes of the real service, with GitHub and a model in this one, so that what they take is not counted. */
export interface ScaleSite extends AsyncDisposable {
  github: GitHubStandIn;
  model: ModelStandIn;
  /** Build calls that wait while the gate is closed. */
  waiting(): number;
  /** Lets waiting build calls, and all later ones, be answered. */
  openGate(): void;
  closeGate(): void;
  start(parts: readonly string[], env?: Record<string, string>): Promise<ServiceProcess>;
  /** Opens and labels so many issues; resolves to their numbers. */
  label(count: number): Promise<number[]>;
  inReview(numbers: readonly number[]): Promise<void>;
}

export interface ServiceProcess {
  child: ChildProcess;
  pid: number;
  /** Kept in memory now, in MB. */
  memoryMb(): number;
  /** Spent so far by the process itself and by programs it has waited for, in seconds. */
  cpuS(): { own: number; programs: number };
}

export async function openScaleSite(): Promise<ScaleSite> {
  const github = await startGitHub({ users: people });
  const policy = `${gateRepository['.github/millwright.yml']}concurrency: { repository: 100, organization: 100 }\n`;
  await github.createRepository(repo, { files: { ...gateRepository, '.github/millwright.yml': policy } });
  let gate = Promise.withResolvers<void>();
  gate.resolve();
  let waiting = 0;
  const model = await startModel(async (request, index) => {
    if (request.response_format?.json_schema) return await usual(request, index);
    waiting += 1;
    await gate.promise;
    waiting -= 1;
    const said = request.messages.filter((message) => message.role === 'assistant').length;
    const replies = writes();
    return replies[Math.min(said, replies.length - 1)] as Reply;
  });
  const root = await mkdtemp(join(tmpdir(), 'scale-'));
  const children: ChildProcess[] = [];
  return {
    github,
    model,
    waiting: () => waiting,
    openGate: () => gate.resolve(),
    closeGate: () => {
      gate = Promise.withResolvers<void>();
    },
    async start(parts, env = {}) {
      const dataDir = join(root, `${children.length}`);
      const all: Record<string, string> = { ...environmentFor(github, model, dataDir), ...env, LOG_LEVEL: 'fatal' };
      const child = spawn(process.execPath, ['--import', loader, main, 'serve-in-folders', ...parts], {
        env: all,
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      children.push(child);
      const port = await readyPort(child);
      if (parts.includes('web')) github.setWebhookUrl(`http://127.0.0.1:${port}/api/github/webhooks`);
      const pid = child.pid ?? 0;
      return { child, pid, memoryMb: () => memoryMb(pid), cpuS: () => cpuS(pid) };
    },
    async label(count) {
      const numbers: number[] = [];
      for (let n = 0; n < count; n++) {
        const { number } = await github.openIssue({ repo, as: 'maya', title: 'write the sum', body: gateContract });
        await github.label(repo, number, 'agent-ready', 'maya');
        numbers.push(number);
      }
      return numbers;
    },
    inReview: (numbers) =>
      until(() => numbers.every((number) => github.issue(repo, number).labels.includes('agent:review')), 150_000),
    async [Symbol.asyncDispose]() {
      gate.resolve();
      for (const child of children) child.kill('SIGKILL');
      await Promise.all([github.close(), model.close()]);
      await rm(root, { recursive: true, force: true });
    },
  };
}

async function readyPort(child: ChildProcess): Promise<number> {
  let said = '';
  child.stdout?.on('data', (text) => {
    said += text;
  });
  const ready = () => /ready (\d+)/.exec(said)?.[1];
  await until(() => {
    if (child.exitCode !== null) throw new Error(`the service ended with ${child.exitCode}: ${said}`);
    return ready() !== undefined;
  }, 90_000);
  return Number(ready());
}

function memoryMb(pid: number): number {
  const kb = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kb) / 1024;
}

function cpuS(pid: number): { own: number; programs: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // After the name in brackets: fields 14 to 17 of proc(5).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const of = (first: number) => (Number(fields[first - 3]) + Number(fields[first - 2])) / ticksPerSecond;
  return { own: of(14), programs: of(16) };
}
