import { createOutputStore } from '../../src/agent/output-store.ts';
import type { ToolContext } from '../../src/agent/tool.ts';
import type { Contract } from '../../src/contract/contract.ts';
import { emptyContract } from '../../src/contract/contract.ts';
import type { Walls } from '../../src/contract/walls.ts';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { wallsWith } from '../bench/bench-walls.ts';

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
  const usual = wallsWith([]);
  return {
    ...usual,
    files: { allow: [['src/**', 'test/**']], deny: ['src/generated/**'], companions: [], unprotect: [] },
    commands: change.commands ?? usual.commands,
    tools: { denied: change.denied ?? [], clis: change.clis ?? [] },
    limits: { ...usual.limits, toolTimeoutMs: 120_000, ...change.limits },
  };
}

/** What tools work with. The mask takes out the word `s3cret`. */
export function toolContext(sandbox: Sandbox, walls: Walls = someWalls()): ToolContext {
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
