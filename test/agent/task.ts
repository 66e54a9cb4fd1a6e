import { createOutputStore } from '../../src/agent/output-store.ts';
import type { ToolContext } from '../../src/agent/tool.ts';
import type { Contract } from '../../src/contract/contract.ts';
import { emptyContract } from '../../src/contract/contract.ts';
import type { Walls } from '../../src/contract/walls.ts';
import type { FolderSandbox } from '../doubles/sandbox.ts';

/** A small contract with two criteria. */
export function someContract(): Contract {
  return {
    ...emptyContract(),
    goal: 'Parse empty input without failing.',
    criteria: [
      { id: 'AC1', text: 'Given empty input, when parsed, then the result is an empty list.' },
      { id: 'AC2', text: 'All tests pass.' },
    ],
  };
}

/** Walls that restrict next to nothing. */
export function someWalls(
  change: {
    limits?: Partial<Walls['limits']>;
    commands?: Walls['commands'];
    denied?: string[];
    clis?: Walls['tools']['clis'];
  } = {},
): Walls {
  return {
    files: { allow: [['src/**', 'test/**']], deny: ['src/generated/**'], companions: [], unprotect: [] },
    commands: change.commands ?? { allow: [], deny: [] },
    network: { hosts: [], addresses: [], ca: null },
    secrets: [],
    mcp: {},
    tools: { denied: change.denied ?? [], clis: change.clis ?? [] },
    image: 'millwright/sandbox',
    setup: null,
    checks: [],
    limits: {
      minutes: 30,
      turns: 60,
      rounds: 3,
      tokens: 1_000_000,
      dollars: null,
      files: 20,
      lines: 800,
      memoryBytes: 2 ** 31,
      cpus: 2,
      pids: 512,
      diskBytes: 2 ** 32,
      outputBytes: 2 ** 26,
      toolTimeoutMs: 120_000,
      checkTimeoutMs: 600_000,
      waitDays: 14,
      findings: 5,
      ...change.limits,
    },
    budget: { dollarsPerIssue: null, dollarsPerDay: null, orgDollarsPerDay: null },
    concurrency: { repository: 1, organization: 4, checks: 1, global: null, worker: 2 },
    roles: { start: 'write', command: 'write', stop: 'triage', waive: 'maintain', bots: [] },
    plan: 'auto',
    flaky: 'wait',
    runtime: null,
    model: { name: null, effort: null, perStage: {}, prices: {}, allowed: null },
    pullRequest: { draft: false, labels: [], reviewers: [] },
    learn: 'propose',
    retention: { days: 90, bytes: 2 ** 34 },
  };
}

/** What tools work with, around a folder. The mask takes out the word `s3cret`. */
export function toolContext(sandbox: FolderSandbox, walls: Walls = someWalls()): ToolContext {
  return {
    sandbox,
    walls,
    outputs: createOutputStore(),
    mask: (text) => text.replaceAll('s3cret', '***'),
    data: (_kind, text) => text,
    remainingMs: () => 60_000,
    signal: new AbortController().signal,
  };
}
