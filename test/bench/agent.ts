import { createBudget } from '../../src/agent/budget.ts';
import { runAgent } from '../../src/agent/loop.ts';
import { watchPrompts } from '../../src/agent/prefix.ts';
import { systemClock } from '../../src/clock.ts';
import { emptyContract } from '../../src/contract/contract.ts';
import { append } from '../../src/engine/ledger.ts';
import { enqueueRun } from '../../src/engine/runs.ts';
import { reserve, settle } from '../../src/engine/spend.ts';
import { estimatePromptTokens } from '../../src/model/context-window.ts';
import type { Model, ModelReply, ModelRequest } from '../../src/model/model.ts';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { someWalls } from '../agent/task.ts';
import { FolderSandbox } from '../doubles/sandbox.ts';
import { toolCall } from '../doubles/scripted-model.ts';
import { newRun } from '../support/new-run.ts';
import { openSqliteStore, type TestStore } from '../support/stores.ts';
import { type BenchTask, benchTasks, type Step } from './agent-tasks.ts';
import { plainLoop } from './plain-loop.ts';
import type { BenchRow } from './row.ts';

interface Measured {
  calls: number;
  promptTokens: number;
  /** Of these, what the call before did not have: no cache can serve it. */
  freshTokens: number;
  ownMs: number;
}

/**
 * The build loop and a plain loop with one shell tool do the same work by script. Ours finds in its briefing what the plain one
 * has to look for; the plain one pays for no contract, no rules and no list of tools. Tokens are estimated alike for both.
 * Own time is everything but the model and the sandbox: prompts, budgets and the ledger on a real store.
 */
export async function agentBench(): Promise<BenchRow[]> {
  const store = await openSqliteStore();
  const rows: BenchRow[] = [];
  const all: { ours: Measured; plain: Measured }[] = [];
  try {
    for (const [index, task] of benchTasks.entries()) {
      const ours = await measureOurs(task, index + 1, store);
      const plain = await measurePlain(task);
      all.push({ ours, plain });
      rows.push(
        row(`${task.name}: model calls / plain loop`, ours.calls, plain.calls, 'calls'),
        row(`${task.name}: prompt tokens / plain loop`, ours.promptTokens, plain.promptTokens, 'tokens'),
        row(`${task.name}: fresh tokens / plain loop`, ours.freshTokens, plain.freshTokens, 'tokens'),
        row(`${task.name}: stable prefix / all of it`, 1 - ours.freshTokens / ours.promptTokens, 1, 'share'),
      );
    }
    const sum = (of: (each: (typeof all)[number]) => number) => all.reduce((total, each) => total + of(each), 0);
    const turns = sum(({ ours }) => ours.calls);
    const fresh = [sum(({ ours }) => ours.freshTokens), sum(({ plain }) => plain.freshTokens)] as const;
    rows.push(
      row(
        'all tasks: prompt tokens / plain loop',
        sum(({ ours }) => ours.promptTokens),
        sum(({ plain }) => plain.promptTokens),
        'tokens',
        1,
      ),
      row('all tasks: fresh tokens / plain loop', ...fresh, 'tokens'),
      row('own time per turn / one durable write', sum(({ ours }) => ours.ownMs) / turns, await writeMs(store), 'ms'),
    );
  } finally {
    await store.remove();
  }
  return rows;
}

function row(name: string, figure: number, floor: number, unit: string, target: number | null = null): BenchRow {
  return { name, figure, floor, unit, target };
}

async function measureOurs(task: BenchTask, issue: number, store: TestStore): Promise<Measured> {
  await using sandbox = await openFolder(task);
  const { run } = await enqueueRun(store.db, newRun(issue));
  const runId = run.id;
  const model = new Player([
    ...task.work.map((steps) => steps.map(asTool)),
    [toolCall('submit', { summary: 'Done.' })],
  ]);
  const timed = timedSandbox(sandbox);
  const budgets = [{ key: `issue:${runId}`, limitUsd: null, limitTokens: null }];
  const startedAt = performance.now();
  const result = await runAgent(
    {
      contract: { ...emptyContract(), goal: task.goal, criteria: [{ id: 'AC1', text: task.goal }] },
      walls: { ...someWalls(), files: { allow: [], deny: [], companions: [], unprotect: [] }, checks: [] },
      model: { name: 'scripted', effort: null },
      briefing: task.briefed.map((path) => ({ heading: path, text: task.files[path] ?? '' })),
      plan: `Change ${task.briefed.join(', ') || 'what the search finds'}.`,
      feedback: null,
      guidance: null,
      conversation: null,
      attempt: { startedAtMs: systemClock.elapsedMs(), turns: -100 },
    },
    {
      model,
      sandbox: timed.sandbox,
      clock: systemClock,
      budget: createBudget({
        limits: { tokens: Number.MAX_SAFE_INTEGER, dollars: null },
        price: null,
        ledger: {
          reserve: async ({ tokens, dollars }) => {
            const held = await reserve(store.db, { runId, budgets, worstUsd: dollars, worstTokens: tokens });
            return held.ok ? { ok: true, id: held.reservation } : { ok: false, clause: 'limits.tokens' };
          },
          settle: (id, { tokens, dollars }) => settle(store.db, id, { usd: dollars, tokens }),
        },
      }),
      record: ({ kind, data }) => append(store.db, { runId, kind, data }),
      mask: (text) => text,
    },
    new AbortController().signal,
  );
  const ownMs = performance.now() - startedAt - model.spentMs - timed.spentMs();
  if (result.end !== 'submitted') throw new Error(`${task.name}: ${JSON.stringify(result).slice(0, 500)}`);
  return { ...model.counted(), ownMs };
}

async function measurePlain(task: BenchTask): Promise<Measured> {
  await using sandbox = await openFolder(task);
  const turns = [...task.explore, ...task.work].map((steps) => [
    toolCall('shell', { command: steps.map(asShell).join('\n') }),
  ]);
  const model = new Player([...turns, []]);
  await plainLoop(`${task.goal}\nEvery test has to pass.`, model, sandbox);
  return { ...model.counted(), ownMs: 0 };
}

async function openFolder(task: BenchTask): Promise<FolderSandbox> {
  const sandbox = await FolderSandbox.open(task.files);
  sandbox.path = process.env.PATH ?? sandbox.path;
  return sandbox;
}

/** Plays calls turn by turn, and counts what it was sent. */
class Player implements Model {
  spentMs = 0;
  private calls = 0;
  private promptTokens = 0;
  private freshTokens = 0;
  private readonly prompts = watchPrompts();
  private readonly turns: ModelReply['toolCalls'][];

  constructor(turns: ModelReply['toolCalls'][]) {
    this.turns = turns;
  }

  counted(): Omit<Measured, 'ownMs'> {
    return { calls: this.calls, promptTokens: this.promptTokens, freshTokens: this.freshTokens };
  }

  async complete({ messages, tools }: ModelRequest): Promise<ModelReply> {
    const startedAt = performance.now();
    const tokens = estimatePromptTokens(messages, tools);
    const toolCalls = this.turns[this.calls] ?? [];
    this.calls += 1;
    this.promptTokens += tokens;
    this.freshTokens += Math.round(tokens * (1 - (this.prompts.note(messages).stablePrefix ?? 0)));
    this.spentMs += performance.now() - startedAt;
    const usage = { inputTokens: tokens, cachedInputTokens: 0, outputTokens: 100 };
    return { text: '', toolCalls, finish: toolCalls.length > 0 ? 'tool-calls' : 'stop', usage };
  }
}

function asTool(step: Step) {
  if ('read' in step) return toolCall('read_file', { path: step.read, start_line: step.from, end_line: step.to });
  if ('find' in step) return toolCall('search', { pattern: step.find });
  if ('edit' in step) return toolCall('edit_file', { path: step.edit, old_text: step.old, new_text: step.with });
  if ('write' in step) return toolCall('write_file', { path: step.write, content: step.text });
  return toolCall('run_command', { command: step.run });
}

function asShell(step: Step): string {
  if ('read' in step)
    return step.from === undefined ? `cat ${step.read}` : `sed -n ${step.from},${step.to}p ${step.read}`;
  if ('find' in step) return `grep -rn '${step.find}' .`;
  if ('write' in step) return `cat > ${step.write} <<'END'\n${step.text}END`;
  if ('run' in step) return step.run;
  const [old, put] = [JSON.stringify(step.old), JSON.stringify(step.with)];
  return `python3 - <<'END'\np = '${step.edit}'\ns = open(p).read()\nassert s.count(${old}) == 1\nopen(p, 'w').write(s.replace(${old}, ${put}))\nEND`;
}

function timedSandbox(sandbox: FolderSandbox): { sandbox: Sandbox; spentMs: () => number } {
  let spentMs = 0;
  const timed = new Proxy<Sandbox>(sandbox, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return async (...args: unknown[]) => {
        const startedAt = performance.now();
        try {
          return await value.apply(target, args);
        } finally {
          spentMs += performance.now() - startedAt;
        }
      };
    },
  });
  return { sandbox: timed, spentMs: () => spentMs };
}

/** What one event of usual size costs that must outlive a power cut. */
async function writeMs(store: TestStore): Promise<number> {
  const { run } = await enqueueRun(store.db, newRun(1_000));
  const times: number[] = [];
  for (let count = 0; count < 50; count += 1) {
    const startedAt = performance.now();
    await append(store.db, { runId: run.id, kind: 'bench', data: { text: 'x'.repeat(1_000) } });
    times.push(performance.now() - startedAt);
  }
  return times.toSorted((a, b) => a - b)[25] ?? Number.NaN;
}
