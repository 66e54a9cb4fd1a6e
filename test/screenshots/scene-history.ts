import { repositoryKey } from '../../src/doors.ts';
import { weekMs, weekOffsetMs } from '../../src/engine/records.ts';
import type { Web } from '../support/web.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

/** Twelve weeks in which less and less comes back. */
export async function history({ doors: { db, host } }: Web, nowMs: number) {
  const thisWeek = Math.floor((nowMs + weekOffsetMs) / weekMs);
  for (let back = 11; back >= 0; back--) {
    const runs = 14 + ((back * 5) % 7) + (11 - back);
    for (let index = 0; index < runs; index++) {
      const share = index / runs;
      const merged = share < 0.74;
      const reworked = share > 0.84 - back * 0.03;
      const failed = share > 0.95 - back * 0.012;
      const id = `h${String(back).padStart(2, '0')}${String(index).padStart(3, '0')}`;
      await db.run(
        `INSERT INTO records (run_id, attempt, repository, issue, pull_request, latest, state, outcome, ended_at_ms, week, due, rounds,
           rework, judged, first_round_pass, patch_ms, review_ms, turns, tokens, micro_usd, signature, repeated, escaped_at_ms)
         VALUES ($1, 1, $2, $3, $3, 1, 'done', $4, $5, $6, 0, 1, $7, 1, $8, $9, $10, 9, 90000, $11, CAST($12 AS TEXT), $13, CAST($14 AS BIGINT))`,
        id,
        repositoryKey(host.githubHost, { owner: 'acme', name: ['shop', 'ledger', 'docs'][index % 3] ?? '' }),
        1000 + index,
        failed ? 'verification-failed' : merged ? 'merged' : 'review',
        (thisWeek - back) * weekMs - weekOffsetMs + 3 * 24 * hourMs,
        thisWeek - back,
        reworked ? 1 : 0,
        reworked ? 0 : 1,
        (7 + back * 0.6 + (index % 5)) * minuteMs,
        merged ? (3 + back * 0.5 + (index % 4) * 2) * hourMs : null,
        (0.42 + back * 0.03) * 1e6,
        failed ? `check:${index % 2}` : null,
        failed && (index % 4) + 1 < back / 2.5 ? 1 : 0,
        merged && index === 3 && back % 4 === 3 ? 1 : null,
      );
    }
  }
  await db.run(`INSERT INTO record_weeks (repository, week, stale, data) SELECT DISTINCT repository, week, 1, '' FROM records WHERE TRUE
    ON CONFLICT (repository, week) DO UPDATE SET stale = record_weeks.stale + 1`);
}

const taught: [
  state: string,
  kind: string,
  subject: string,
  rule: string,
  path: string,
  met: number,
  since: number,
  used: number,
][] = [
  [
    'open',
    'check',
    'unit',
    'Before handing in, run `npm test` and mend what it says: `unit` failed the same way in several runs, such as `cart › total of an empty basket`.',
    'AGENTS.md',
    3,
    0,
    0,
  ],
  [
    'active',
    'gate',
    'tests',
    'Tests that are there are left alone; `.agents/skills/regression-tests/SKILL.md` says how to add one.',
    '.agents/skills/regression-tests/SKILL.md',
    4,
    0,
    31,
  ],
  [
    'active',
    'flaky',
    'smoke',
    '`smoke` gave different results when run again, in several runs: make tests wait for what they need instead of for time, and give each its own data.',
    'AGENTS.md',
    5,
    1,
    22,
  ],
  [
    'active',
    'contract',
    'Acceptance criteria',
    'The issue form asks for `Acceptance criteria` before it lets an issue be opened.',
    '.github/ISSUE_TEMPLATE/agent-task.yml',
    6,
    0,
    0,
  ],
  [
    'closed',
    'limit',
    'turns',
    'The limit `turns` of a run goes from 60 to 90; a lower one of the operator or the organisation still counts.',
    '.github/millwright.yml',
    2,
    0,
    0,
  ],
];

export async function lessons({ doors: { db, host } }: Web, nowMs: number) {
  const repository = repositoryKey(host.githubHost, { owner: 'acme', name: 'shop' });
  for (const [index, [state, kind, subject, rule, path, met, since, used]] of taught.entries()) {
    const id = `${index}a1b2c3d4e`;
    const decided = state === 'open' ? null : nowMs - (20 + index * 9) * 24 * hourMs;
    const signature = `${kind}:${index}123456789abcde`;
    await db.run(
      `INSERT INTO lessons (id, repository, signature, state, data, created_at_ms, updated_at_ms, pull_request, decided_at_ms)
       VALUES ($1, $2, $3, $4, $5, $6, $6, $7, CAST($8 AS BIGINT))`,
      id,
      repository,
      signature,
      state,
      JSON.stringify({ path, rule, about: [] }),
      nowMs - (30 + index * 9) * 24 * hourMs,
      340 + index,
      decided,
    );
    for (let run = 0; run < met + since; run++)
      await db.run(
        `INSERT INTO causes (run_id, attempt, signature, repository, issue, kind, data, at_ms) VALUES ($1, 1, $2, $3, $4, $5, $6, $7)`,
        `c${index}${run}`,
        signature,
        repository,
        300 + run,
        kind,
        JSON.stringify({ subject, lines: [], paths: [] }),
        (decided ?? nowMs) + (run < met ? -1 : 1) * (run + 1) * hourMs,
      );
    for (let use = 0; use < used; use++)
      await db.run(
        'INSERT INTO lesson_uses (lesson_id, run_id, attempt, at_ms) VALUES ($1, $2, 1, $3)',
        id,
        use < since ? `c${index}${met + use}` : `u${use}`,
        nowMs - use * hourMs,
      );
  }
}
