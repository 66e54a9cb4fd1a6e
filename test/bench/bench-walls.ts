import { type Contract, emptyContract } from '../../src/contract/contract.ts';
import type { WallCheck, Walls } from '../../src/contract/walls.ts';
import type { CraftedCase, Suite } from './crafted-case.ts';

// One process for all test files, and no npm around it: starting programs is most of what a run costs here.
const runner = 'node --test --test-isolation=none';
const unit = check('unit', 'Unit tests', `${runner} "test/**/*.test.js"`);
const suites: Readonly<Record<Suite, WallCheck[]>> = {
  js: [unit],
  lint: [unit, check('lint', 'Lint', 'node scripts/lint.js')],
  red: [check('unit', 'Unit tests', `${runner} "red/test/**/*.test.js"`)],
  flaky: [check('unit', 'Unit tests', `${runner} flaky/flaky.test.js`)],
  py: [check('unit', 'Unit tests', 'cd py && python3 -m pytest')],
  make: [check('unit', 'Unit tests', 'make check')],
  smoke: [check('build', 'Build', 'node scripts/build.js'), check('smoke', 'Smoke test', 'node dist/slug.js')],
  endless: [check('unit', 'Unit tests', 'node test/sum.test.js', { timeoutMs: 4_000 })],
  coverage: [
    check('unit', 'Unit tests', `${runner} --experimental-test-coverage --test-coverage-lines=95 "test/**/*.test.js"`),
  ],
  types: [check('types', 'Type checks', 'npm run types')],
};

/** A check that runs, as the walls name it. */
export function check(kind: string, label: string, command: string, more: Partial<WallCheck> = {}): WallCheck {
  return {
    kind,
    label,
    command,
    timeoutMs: 60_000,
    optional: false,
    report: null,
    origin: 'repository',
    state: 'run',
    reason: null,
    ...more,
  };
}

/** Walls with ordinary limits around these checks. */
export function wallsWith(checks: readonly WallCheck[], more: Partial<Walls> = {}): Walls {
  return {
    files: { allow: [], deny: [], companions: ['**/package-lock.json', '**/*.snap'], unprotect: [] },
    commands: { allow: [], deny: [] },
    network: { hosts: [], addresses: [], ca: null },
    secrets: [],
    mcp: {},
    tools: { denied: [], clis: [] },
    image: 'millwright/sandbox',
    setup: null,
    checks: [...checks],
    limits: {
      minutes: 30,
      turns: 60,
      rounds: 3,
      tokens: 1_000_000,
      dollars: null,
      files: 20,
      lines: 800,
      memoryBytes: 512 * 1024 ** 2,
      cpus: 1,
      pids: 256,
      diskBytes: 1024 ** 3,
      outputBytes: 8 * 1024 ** 2,
      toolTimeoutMs: 30_000,
      checkTimeoutMs: 60_000,
      waitDays: 14,
      findings: 5,
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
    retention: { days: 90, bytes: 20 * 1024 ** 3 },
    ...more,
  };
}

/** What a crafted case is judged against. */
export function agreementOf(crafted: CraftedCase): { contract: Contract; walls: Walls } {
  const contract = emptyContract();
  contract.goal = 'Slugs write one dash for a run of other characters';
  contract.criteria = [{ id: 'AC1', text: 'A run of other characters becomes one dash' }];
  contract.context.tests = [...(crafted.testsInScope ?? [])];
  contract.boundaries.files = [...(crafted.allowedFiles ?? [])];
  const walls = wallsWith(suites[crafted.suite ?? 'js']);
  if (crafted.allowedFiles !== undefined) walls.files.allow = [[...crafted.allowedFiles]];
  return { contract, walls };
}
