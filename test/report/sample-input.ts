import { emptyContract } from '../../src/contract/contract.ts';
import type { PullRequestInput, RunNumbers, StatusInput } from '../../src/report/facts.ts';
import type { CheckRunRecord, CheckVerdict, Verdict } from '../../src/verification/verdict.ts';
import { check, wallsWith } from '../bench/bench-walls.ts';

/** A plausible run, to be changed where a test is about something. */

export function record(exitCode: number | null, output = '', more: Partial<CheckRunRecord> = {}): CheckRunRecord {
  return { exitCode, end: 'exited', durationMs: 3210, output, outputTruncated: false, ...more };
}

export function checkVerdict(
  kind: string,
  state: CheckVerdict['state'],
  more: Partial<CheckVerdict> = {},
): CheckVerdict {
  return {
    kind,
    label: kind,
    command: `npm run ${kind}`,
    origin: 'repository',
    state,
    reason: null,
    head: record(state === 'passed' ? 0 : 1),
    base: null,
    headAgain: null,
    baseAgain: null,
    newFailures: [],
    failingBefore: [],
    ...more,
  };
}

export const revision = `sha256:${'ab12'.repeat(16)}`;
export const baseSha = 'b'.repeat(40);
export const headSha = 'a1b2c3d4'.repeat(5);

export function sampleContract() {
  const contract = emptyContract();
  contract.goal = 'Slugs write one dash for a run of other characters';
  contract.criteria = [
    { id: 'AC1', text: 'Given the title "a  b", when it is slugged, then the slug is `a-b`' },
    { id: 'AC2', text: 'Existing slugs of single words stay as they are' },
    { id: 'AC3', text: 'The change is explained in the README' },
  ];
  contract.nonGoals = ['Do not change `sum`'];
  contract.reviewNote = 'Say which callers may notice';
  contract.boundaries.files = ['src/**', 'test/**'];
  return contract;
}

export function sampleVerdict(more: Partial<Verdict> = {}): Verdict {
  return {
    base: baseSha,
    tree: 't'.repeat(40),
    checks: [
      checkVerdict('unit', 'passed', {
        label: 'Unit tests',
        command: 'npm test',
        head: record(0, '# pass 12'),
        base: record(0),
      }),
      checkVerdict('lint', 'failing-before', {
        label: 'Lint',
        head: record(1, 'src/old.js:3:1: error: no var'),
        base: record(1, 'src/old.js:3:1: error: no var'),
        headAgain: record(1, 'src/old.js:3:1: error: no var'),
      }),
      checkVerdict('types', 'not-configured', {
        label: 'Type checks',
        command: null,
        head: null,
        reason: 'neither the contract nor the repository names one',
      }),
      checkVerdict('smoke', 'skipped', { label: 'Smoke test', command: null, head: null, reason: 'needs a database' }),
    ],
    findings: [
      {
        name: 'size',
        gate: 'size',
        message: 'The change is too large: 900 changed lines, allowed are 800.',
        paths: [],
        next: 'none',
        waivedBy: 'ada',
        waiveReason: 'mostly fixtures',
      },
    ],
    criteria: [
      {
        id: 'AC1',
        text: 'Given the title "a  b", when it is slugged, then the slug is `a-b`',
        state: 'red-green',
        by: 'test/slug.test.js',
        note: null,
      },
      {
        id: 'AC2',
        text: 'Existing slugs of single words stay as they are',
        state: 'shown',
        by: 'Unit tests',
        note: null,
      },
      { id: 'AC3', text: 'The change is explained in the README', state: 'none', by: null, note: null },
    ],
    tests: [{ path: 'test/slug.test.js', state: 'fails-before-passes-after', note: null }],
    notes: ['src/logo.png is binary: nobody can read its change here.'],
    rollbackTried: { ok: true, note: 'gives the tree of base' },
    blocked: [{ host: 'registry.example.org', port: 443, command: 'npm test', count: 2 }],
    annotations: [{ kind: 'lint', path: 'src/old.js', line: 3, message: 'error: no var' }],
    next: 'open',
    feedback: null,
    question: null,
    conclusion: 'neutral',
    ...more,
  };
}

export const sampleNumbers: RunNumbers = {
  rounds: 2,
  turns: 14,
  inputTokens: 81_234,
  cachedInputTokens: 60_000,
  outputTokens: 4_321,
  costUsd: 0.374,
  stablePrefix: 0.93,
  durationMs: 412_000,
};

export function samplePullRequest(more: Partial<PullRequestInput> = {}): PullRequestInput {
  return {
    issue: 7,
    issueTitle: 'Slugs double the dash',
    contract: sampleContract(),
    revision,
    base: { branch: 'main', commit: baseSha },
    head: { branch: 'millwright/issue-7', commit: headSha },
    reverts: [{ from: baseSha, to: headSha }],
    changes: [
      { path: 'src/slug.js', status: 'modified', binary: false, added: 1, removed: 1 },
      { path: 'test/slug.test.js', status: 'modified', binary: false, added: 4, removed: 0 },
      { path: 'package-lock.json', status: 'modified', binary: false, added: 12, removed: 9 },
    ],
    verdict: sampleVerdict(),
    claims: {
      summary: 'Replaced the character class by a run of it.\nAdded a test.',
      assumptions: ['Leading dashes may stay'],
      reviewNote: 'Only `links.js` calls it.',
    },
    plan: {
      summary: 'Change one expression',
      files: ['src/slug.js', 'test/slug.test.js'],
      riskyInterfaces: ['`slug()` is used in stored addresses'],
      testsFirst: ['test/slug.test.js'],
      decisions: ['Whether stored slugs are migrated'],
      split: [],
    },
    missingContext: ['docs/slugs.md was named and does not exist'],
    patchNotes: ['test/slug.test.js was executable; that was not taken over'],
    deviations: ['package-lock.json was changed though the plan did not name it'],
    allowed: [{ glob: 'package-lock.json', by: 'ada' }],
    narrowed: [{ key: 'limits.minutes', asked: '90', granted: '30', by: 'operator' }],
    blockedHosts: [],
    blockedCommands: [{ command: 'npm publish', reason: 'denied by `npm publish *`' }],
    secondLook: [{ path: 'src/slug.js', line: 2, consequence: 'An empty title gives an empty slug, which collides.' }],
    numbers: sampleNumbers,
    link: 'https://mill.example.org/runs/r-7',
    merged: null,
    ...more,
  };
}

export function sampleStatus(more: Partial<StatusInput> = {}): StatusInput {
  return {
    state: 'running',
    attempt: 1,
    timeline: [
      { stage: 'intake', state: 'done', durationMs: 800, note: null },
      { stage: 'context', state: 'done', durationMs: 4200, note: null },
      { stage: 'plan', state: 'done', durationMs: 9000, note: null },
      { stage: 'build', state: 'running', durationMs: 65_000, note: 'round 1 of 3' },
      { stage: 'verify', state: 'pending', durationMs: null, note: null },
      { stage: 'review', state: 'pending', durationMs: null, note: null },
      { stage: 'learn', state: 'pending', durationMs: null, note: null },
    ],
    contract: sampleContract(),
    revision,
    problems: [],
    refusals: [],
    walls: wallsWith([check('unit', 'Unit tests', 'npm test')]),
    narrowed: [{ key: 'limits.minutes', asked: '90', granted: '30', by: 'operator' }],
    queue: null,
    numbers: sampleNumbers,
    outcome: null,
    question: null,
    detail: null,
    changes: [],
    plan: null,
    issues: [],
    stoppedBy: null,
    notices: [],
    pullRequest: null,
    links: [{ label: 'run', url: 'https://mill.example.org/runs/r-7' }],
    ...more,
  };
}
