import type { PlanShape } from '../../src/agent/shapes.ts';
import { type Contract, emptyContract } from '../../src/contract/contract.ts';
import type { WallCheck, Walls } from '../../src/contract/walls.ts';
import type { Model } from '../../src/model/model.ts';
import type { AttemptStart, Run, RunRequest } from '../../src/run.ts';
import { someWalls } from '../agent/task.ts';

/** A plan without a fault for `planningContract` and `planningWalls`. */
export const goodPlan: PlanShape = {
  files: ['src/slug.ts', 'test/slug.test.ts'],
  interfaces: ['`slug`: accents'],
  testsFirst: ['test/slug.test.ts: folds accents'],
  tools: ['npm test'],
  decisions: [],
  estimate: { files: 2, lines: 30 },
  split: [],
  notes: ['The table lacks accents.'],
};

export const unitCheck: WallCheck = {
  kind: 'unit',
  label: 'Unit tests',
  command: 'npm test',
  timeoutMs: 60_000,
  optional: false,
  report: null,
  origin: 'contract',
  state: 'run',
  reason: null,
};

export function planningContract(change: Partial<Contract> = {}): Contract {
  const empty = emptyContract();
  return {
    ...empty,
    goal: 'Slugs keep their letters.',
    criteria: [{ id: 'AC1', text: 'Given `Café`, when the slug is made, then it is `cafe`' }],
    boundaries: { ...empty.boundaries, files: ['src/**', 'test/**'] },
    checks: [{ kind: 'unit', label: 'Unit tests', command: 'npm test', skip: null, line: 12 }],
    ...change,
  };
}

export function planningWalls(change: Partial<Walls> = {}): Walls {
  const walls = someWalls();
  return {
    ...walls,
    files: { ...walls.files, allow: [['src/**', 'test/**']], allowBy: ['contract'], companions: ['package-lock.json'] },
    checks: [unitCheck],
    ...change,
  };
}

const request: RunRequest = {
  title: 'Slugs',
  body: '',
  revision: 'sha256:0',
  labeller: 'ada',
  author: 'ada',
  editor: null,
  labelledAtMs: 0,
  allowed: [],
  waived: [],
  approved: [],
};

export function someRun(change: { start?: Partial<AttemptStart>; request?: Partial<RunRequest> } = {}): Run {
  return {
    id: 'run-1',
    repository: 'host.example/acme/widget',
    owner: 'acme',
    name: 'widget',
    installationId: 1,
    issue: 7,
    state: 'running',
    stage: 'plan',
    attempt: 1,
    start: { from: 'intake', reason: 'label', by: 'ada', guidance: null, ...change.start },
    request: { ...request, ...change.request },
    outcome: null,
    branch: 'millwright/issue-7',
    pullRequest: null,
    headSha: null,
    priority: 0,
    runAfterMs: 0,
    epoch: 1,
    failures: 0,
    createdAtMs: 0,
    updatedAtMs: 0,
    endedAtMs: null,
  };
}

/** What the plan stage works from. */
export function planning(
  model: Model,
  change: { walls?: Partial<Walls>; contract?: Partial<Contract>; run?: Parameters<typeof someRun>[0] } = {},
) {
  return {
    contract: planningContract(change.contract),
    walls: planningWalls(change.walls),
    run: someRun(change.run),
    model: () => ({ name: 'm', effort: null, door: model }),
    nonce: 'n0nce',
    mask: (text: string) => text,
    signal: new AbortController().signal,
  };
}
