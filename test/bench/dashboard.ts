import { startGitHub } from '../support/github-stand-in.ts';
import { openWeb, type Web } from '../support/web.ts';
import type { BenchRow } from './row.ts';

const runs = 100_000;
const rounds = 7;

/** Time to answer each page of the dashboard with 100,000 runs in the store, against 100 ms. */
export async function dashboardBench(): Promise<BenchRow[]> {
  const github = await startGitHub();
  await using web = await openWeb(github);
  try {
    const cookie = await web.operator();
    const run = await web.run(1, { state: 'failed' });
    await web.doors.db.run(
      `WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < $1)
       INSERT INTO runs SELECT 'q' || printf('%08d', n), repository || (n % 50), organization, owner, name || (n % 50),
         installation_id, n, CASE n % 10 WHEN 0 THEN 'failed' WHEN 1 THEN 'stopped' ELSE 'done' END, stage, attempt, start,
         request, outcome, branch, pull_request, head_sha, priority, run_after_ms, NULL, NULL, epoch, failures, NULL, NULL,
         NULL, limit_repository, limit_organization, created_at_ms, updated_at_ms, ended_at_ms, 'Title ' || n || ' of a run, as long as titles of issues are', outcome_code
       FROM numbers, runs WHERE runs.id = $2`,
      runs,
      run.id,
    );
    await teach(web);
    const pages: [string, string][] = [
      ['list', '/'],
      ['list, one state', '/?state=failed'],
      ['list, a state of none', '/?state=waiting'],
      ['list, one repository', '/?repository=acme/shop7&state=stopped'],
      ['list, an issue', '/?q=%2399999'],
      ['list, words that none has', '/?q=nowhere'],
      ['list, words that none of a state has', '/?q=nowhere&state=done'],
      ['list, words that all but none of a state have', '/?q=title&state=waiting'],
      ['list, words that none of a repository has', '/?q=nowhere&repository=acme/shop7'],
      ['list, words that all have, far back', '/?q=title&before=q00000100'],
      ['list, far back', '/?before=q00000100'],
      ['run', `/runs/${run.id}`],
      ['trends', '/trends'],
      ['lessons', '/lessons'],
    ];
    const rows: BenchRow[] = [];
    for (const [name, path] of pages) {
      const times: number[] = [];
      for (let round = 0; round < rounds; round++) {
        const startedAt = performance.now();
        const response = await web.ask(path, { cookie });
        await response.text();
        if (response.status !== 200) throw new Error(`${path} answered ${response.status}`);
        times.push(performance.now() - startedAt);
      }
      const figure = times.toSorted((a, b) => a - b)[Math.floor(rounds / 2)] ?? Number.NaN;
      rows.push({ name: `dashboard, ${name} / 100 ms`, figure, floor: 100, target: 1, unit: 'ms' });
    }
    return rows;
  } finally {
    await github.close();
  }
}

/** A record of each run, and sixty merged lessons, each with a hundred runs that met its failure. */
async function teach({ doors: { db } }: Web): Promise<void> {
  const numbers = 'WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < $1)';
  const week = 604_800_000;
  await db.run(
    `INSERT INTO records (run_id, attempt, repository, issue, latest, state, outcome, ended_at_ms, week, due, judged)
     SELECT id, 1, repository, issue, 1, 'done', 'merged', ${db.nowMs} - issue * 60000, (${db.nowMs} - issue * 60000 + 259200000) / ${week}, 0, 1 FROM runs WHERE true ON CONFLICT (run_id, attempt) DO NOTHING`,
  );
  await db.run(
    "INSERT INTO record_weeks (repository, week, stale, data) SELECT DISTINCT repository, week, 1, '' FROM records WHERE true ON CONFLICT (repository, week) DO NOTHING",
  );
  const repository = '(SELECT MAX(repository) FROM runs)';
  await db.run(
    `${numbers} INSERT INTO lessons (id, repository, signature, state, data, created_at_ms, updated_at_ms, decided_at_ms)
     SELECT 'l' || n, ${repository}, 's' || n, 'active', '{"path":"AGENTS.md","rule":"Run the tests."}', n, n, ${db.nowMs} - n * 86400000 FROM numbers`,
    60,
  );
  await db.run(
    `${numbers} INSERT INTO causes (run_id, attempt, signature, repository, issue, kind, data, at_ms)
     SELECT 'q' || printf('%08d', n), 1, 's' || (n % 60 + 1), ${repository}, n, 'check', '{"subject":"unit","lines":[],"paths":[]}', ${db.nowMs} - n * 60000 FROM numbers`,
    6000,
  );
}
