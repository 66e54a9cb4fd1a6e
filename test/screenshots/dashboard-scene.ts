import { parseContract } from '../../src/contract/parse.ts';
import { keepPatch } from '../../src/engine/patches.ts';
import type { Run, RunState, StageName } from '../../src/run.ts';
import { check, wallsWith } from '../bench/bench-walls.ts';
import type { Web } from '../support/web.ts';
import { history, lessons } from './scene-history.ts';
import { base, brokenPatch, contractText, eventsOfRun, type Happened, patch } from './scene-texts.ts';
import { outOfScope, passed, sentBack } from './scene-verdicts.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

/** Runs of three repositories as an ordinary week leaves them, and what twelve weeks came to. Returns the runs whose pages are shown. */
export async function setScene(web: Web): Promise<{ ended: Run; live: Run; waiting: Run }> {
  const { db } = web.doors;
  const nowMs = Date.now();
  for (const [index, each] of quietRuns.entries())
    await quietRun(web, each, nowMs - (quietRuns.length - index) * 5 * hourMs);
  const waiting = await mainRun(web, 'waiting', nowMs - 47 * minuteMs);
  const ended = await mainRun(web, 'done', nowMs - 26 * minuteMs);
  const live = await mainRun(web, 'running', nowMs - 4 * minuteMs);
  await quietRun(
    web,
    ['acme/shop', 402, 'Round totals half to even', 'queued', 'queued', 'intake', 0, 1, null, ''],
    nowMs - minuteMs,
  );
  await history(web, nowMs);
  await lessons(web, nowMs);
  await db.run('UPDATE records SET due = 0');
  return { ended, live, waiting };
}

type Quiet = [
  slug: string,
  issue: number,
  title: string,
  state: RunState,
  code: string,
  stage: StageName,
  usd: number,
  attempt: number,
  pull: number | null,
  text: string,
];
const quietRuns: Quiet[] = [
  ['acme/shop', 371, 'Escape the quote in CSV exports', 'done', 'merged', 'learn', 0.41, 1, 372, 'Merged by maya.'],
  [
    'acme/ledger',
    88,
    'Refuse a booking that is older than the closed month',
    'done',
    'merged',
    'learn',
    1.12,
    2,
    91,
    'Merged by rita.',
  ],
  [
    'acme/docs',
    19,
    'Link checker reads anchors',
    'failed',
    'verification-failed',
    'verify',
    0.98,
    1,
    null,
    'The last round did not pass verification: unit.',
  ],
  [
    'acme/shop',
    377,
    'Sort orders by the day they were paid',
    'done',
    'closed',
    'learn',
    0.37,
    1,
    379,
    'The pull request was closed unmerged.',
  ],
  [
    'acme/shop',
    381,
    'Retry a payment webhook at most five times',
    'done',
    'merged',
    'learn',
    0.66,
    1,
    382,
    'Merged by maya.',
  ],
  [
    'acme/ledger',
    93,
    'Cache the exchange rates of a day',
    'stopped',
    'stopped',
    'build',
    0.2,
    1,
    null,
    'Stopped by tom.',
  ],
  [
    'acme/shop',
    385,
    'Address form accepts postcodes with a space',
    'done',
    'merged',
    'learn',
    0.29,
    1,
    386,
    'Merged by maya.',
  ],
  [
    'acme/docs',
    23,
    'Dark mode of the changelog page',
    'waiting',
    'contract-untestable',
    'intake',
    0,
    1,
    null,
    'The contract is not testable: Acceptance criteria.',
  ],
  [
    'acme/ledger',
    97,
    'Export of a year in one file',
    'done',
    'review',
    'review',
    0.84,
    1,
    99,
    'The pull request is open.',
  ],
  [
    'acme/shop',
    390,
    'Basket survives a new sign-in',
    'failed',
    'limit',
    'build',
    3,
    1,
    null,
    'The limit of 3 dollars was reached.',
  ],
];

async function quietRun(
  web: Web,
  [slug, issue, title, state, code, stage, usd, attempt, pull, text]: Quiet,
  atMs: number,
) {
  const run = await web.run(issue, { slug, state, code, request: { title, body: contractText } });
  const tookMs = (6 + (issue % 9)) * minuteMs;
  const outcome = code === 'queued' ? null : JSON.stringify({ code, text, question: null, detail: null });
  await web.doors.db.run(
    `UPDATE runs SET state = $8, stage = $2, attempt = $3, pull_request = $4, created_at_ms = $5, updated_at_ms = $6,
       ended_at_ms = CASE WHEN CAST($8 AS TEXT) IN ('queued', 'waiting') THEN NULL ELSE CAST($6 AS BIGINT) END, outcome = $7 WHERE id = $1`,
    run.id,
    stage,
    attempt,
    pull,
    atMs,
    atMs + tookMs,
    outcome,
    state,
  );
  await spent(web, run, usd);
}

async function spent({ doors: { db } }: Web, run: Run, usd: number) {
  await db.run(
    `INSERT INTO limits (budget, spent_micro_usd, spent_tokens, reserved_micro_usd, reserved_tokens, unpriced_calls, updated_at_ms)
     VALUES ($1, $2, $3, 0, 0, 0, 0) ON CONFLICT (budget) DO NOTHING`,
    `issue:${run.repository}#${run.issue}`,
    Math.round(usd * 1e6),
    Math.round(usd * 500_000),
  );
}

const titles = {
  done: [394, 'parseDuration refuses texts that are only partly a duration'],
  running: [400, 'Slugs write one dash for a run of other characters'],
  waiting: [397, 'Invoice numbers keep their leading zeros'],
} as const;

/** A run with everything on its page: two rounds, of which verification sent the first back. */
async function mainRun(web: Web, state: 'done' | 'running' | 'waiting', atMs: number): Promise<Run> {
  const { db } = web.doors;
  const [issue, title] = titles[state];
  const run = await web.run(issue, { request: { title, body: contractText, labeller: 'maya' } });
  const happened = eventsOfRun(state);
  const endMs = state === 'running' ? Date.now() : atMs + (happened.at(-1)?.[0] ?? 0) * 1000;
  await saved(web, run, state);
  await told(web, run, happened, atMs);
  const outcome =
    state === 'running'
      ? null
      : state === 'done'
        ? { code: 'review', text: 'The pull request is open.', question: null, detail: null }
        : {
            code: 'scope',
            text: 'The patch changes a file that the contract does not allow.',
            detail: null,
            question:
              'May this path change: docs/duration.md? Answer /allow GLOB to admit it, or /retry with guidance.',
          };
  await db.run(
    `UPDATE runs SET state = $2, stage = $3, created_at_ms = $4, updated_at_ms = $5, ended_at_ms = CAST($6 AS BIGINT), outcome = $7,
       pull_request = CAST($8 AS INTEGER), head_sha = $9, lease_owner = $10, lease_until_ms = 9000000000000000,
       start = '{"from":"intake","reason":"label","by":"maya","guidance":null}' WHERE id = $1`,
    run.id,
    state,
    state === 'done' ? 'learn' : state === 'running' ? 'build' : 'verify',
    atMs,
    endMs,
    state === 'done' ? endMs : null,
    outcome && JSON.stringify(outcome),
    state === 'done' ? 395 : null,
    state === 'done' ? 'cfe3132a90b7d8c3e4f50141c07d2f9be0a7c3d5' : null,
    state === 'running' ? 'worker' : null,
  );
  await spent(web, run, state === 'running' ? 0.21 : 0.48);
  return run;
}

async function told({ doors: { db } }: Web, run: Run, happened: readonly Happened[], atMs: number) {
  await db.run('DELETE FROM events WHERE run_id = $1', run.id);
  for (const [second, kind, data] of happened)
    await db.run(
      'INSERT INTO events (run_id, attempt, kind, at_ms, data) VALUES ($1, 1, $2, $3, $4)',
      run.id,
      kind,
      atMs + second * 1000,
      JSON.stringify(data),
    );
}

const checks = [
  check('format', 'Format', 'npm run format:check'),
  check('lint', 'Lint', 'npm run lint'),
  check('unit', 'Unit tests', 'npm test'),
];

async function saved(web: Web, run: Run, state: 'done' | 'running' | 'waiting') {
  const walls = wallsWith(checks);
  walls.files = { ...walls.files, allow: [['src/**', 'test/**']], deny: ['src/generated/**'] };
  walls.limits.dollars = 3;
  walls.network.hosts = ['registry.example.org:443'];
  await web.save(run, 'intake', {
    kind: 'ready',
    contract: parseContract(contractText).contract,
    problems: [],
    refusals: [],
    walls,
    narrowed: [{ key: 'limits.minutes', asked: '90', granted: '30', by: 'operator' }],
    base: { branch: 'main', commit: base },
    outcome: null,
  });
  const entry = (path: string, kind: string, why: string, tokens: number) => ({
    path,
    kind,
    why,
    score: 50,
    tokens,
    text: null,
  });
  await web.save(run, 'context', {
    entries: [
      entry('src/duration.js', 'file', 'named by the contract', 612),
      entry('test/duration.test.js', 'test', 'tests src/duration.js', 488),
      entry('AGENTS.md', 'rule', 'rules for agents', 240),
      entry('src/cart.js', 'neighbour', 'imports src/duration.js', 903),
      entry('lesson-0a1b2c3d4e', 'lesson', 'a lesson of earlier runs: about src/**', 41),
    ],
    missing: [],
    tokens: 2284,
    budgetTokens: 40_000,
  });
  await web.save(run, 'plan', {
    plan: {
      files: ['src/duration.js', 'test/duration.test.js'],
      interfaces: ['parseDuration is exported: callers may rely on lenient parsing'],
      testsFirst: ['test/duration.test.js: `1h30` throws a RangeError that quotes the text'],
      tools: [],
      decisions: [],
      estimate: { files: 2, lines: 30 },
      split: [],
      notes: [],
    },
    objections: [],
    note: null,
  });
  await built(web, run, 1, brokenPatch);
  await web.save(run, 'verify-1', sentBack());
  if (state === 'running') return;
  await built(web, run, 2, patch);
  await web.save(run, 'verify-2', state === 'done' ? passed() : outOfScope());
}

async function built(web: Web, run: Run, round: number, text: string) {
  const changes = [
    {
      path: 'src/duration.js',
      status: 'modified',
      oldMode: '100644',
      newMode: '100644',
      binary: false,
      added: 5,
      removed: 2,
    },
    {
      path: 'test/duration.test.js',
      status: 'modified',
      oldMode: '100644',
      newMode: '100644',
      binary: false,
      added: 10,
      removed: 0,
    },
  ];
  await keepPatch(web.doors.db, {
    runId: run.id,
    attempt: 1,
    base,
    tree: `${round}`.repeat(40),
    masked: false,
    patch: Buffer.from(text),
  });
  await web.save(run, `build-${round}`, {
    tree: `${round}`.repeat(40),
    empty: false,
    end: 'submitted',
    submission: {
      summary:
        'The whole text has to be read: what is left over after the last part is refused, and quoted in the error.',
      criteria: [],
      assumptions: ['Parts in any order stay allowed, as before'],
    },
    question: null,
    clause: null,
    rejections: [],
    notes: [],
    changes,
    turns: round === 1 ? 6 : 3,
    refused: [],
    blockedHosts: [],
  });
}
