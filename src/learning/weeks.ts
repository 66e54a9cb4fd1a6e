import type { Database, SqlValue } from '../engine/database.ts';

/** What one week in one repository sums up to. Weeks are counted as `week` of the table `records`. */
export interface WeekSums {
  runs: number;
  outcomes: Record<string, number>;
  judged: number;
  reworked: number;
  passed: number;
  merged: number;
  escaped: number;
  tokens: number;
  microUsd: number;
  unpriced: number;
  failures: number;
  repeated: number;
  patchMs: Sample;
  reviewMs: Sample;
}

/** Values in order: all of them, or as many evenly spaced ones as are kept of more. */
export interface Sample {
  values: number[];
  of: number;
}

export interface Week {
  repository: string;
  week: number;
  sums: WeekSums;
}

const mostValues = 200;

interface StaleRow {
  repository: string;
  week: number;
  stale: number;
}

/** Sums from one week on, of all or some repositories. What has changed since the last question is summed first. */
export async function readWeeks(db: Database, fromWeek: number, repositories?: readonly string[]): Promise<Week[]> {
  const values: SqlValue[] = [fromWeek];
  const named = repositories?.map((repository) => `$${values.push(repository)}`);
  const where = `week >= $1${named ? ` AND repository IN (${named.join(', ')})` : ''}`;
  const stale = await db.all<StaleRow>(
    `SELECT repository, week, stale FROM record_weeks WHERE stale > 0 AND ${where}`,
    ...values,
  );
  for (const row of stale) await sumWeek(db, row);
  const rows = await db.all<{ repository: string; week: number; data: string }>(
    `SELECT repository, week, data FROM record_weeks WHERE data <> '' AND ${where}`,
    ...values,
  );
  return rows.map(({ repository, week, data }) => ({ repository, week, sums: JSON.parse(data) as WeekSums }));
}

interface SummedRow {
  latest: number;
  outcome: string;
  judged: number;
  rework: number;
  first_round_pass: number;
  patch_ms: number | null;
  review_ms: number | null;
  tokens: number;
  micro_usd: number;
  unpriced: number;
  signature: string | null;
  repeated: number;
  escaped_at_ms: number | null;
}

async function sumWeek(db: Database, { repository, week, stale }: StaleRow): Promise<void> {
  const rows = await db.all<SummedRow>(
    `SELECT latest, outcome, judged, rework, first_round_pass, patch_ms, review_ms, tokens, micro_usd, unpriced, signature,
       repeated, escaped_at_ms FROM records WHERE repository = $1 AND week = $2`,
    repository,
    week,
  );
  // What changed after the rows were read counts up `stale`, and is summed at the next question.
  await db.run(
    'UPDATE record_weeks SET data = $3, stale = stale - $4 WHERE repository = $1 AND week = $2 AND stale >= $4',
    repository,
    week,
    JSON.stringify(sumsOf(rows)),
    stale,
  );
}

function sumsOf(rows: readonly SummedRow[]): WeekSums {
  const runs = rows.filter(({ latest }) => latest === 1);
  const merged = runs.filter(({ outcome }) => outcome === 'merged');
  const failures = rows.filter(({ signature }) => signature !== null);
  const sum = (value: (row: SummedRow) => number) => runs.reduce((total, row) => total + value(row), 0);
  const outcomes: Record<string, number> = {};
  for (const { outcome } of runs) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  return {
    runs: runs.length,
    outcomes,
    judged: sum(({ judged }) => judged),
    reworked: runs.filter(({ judged, rework }) => judged === 1 && rework > 0).length,
    passed: sum(({ first_round_pass }) => first_round_pass),
    merged: merged.length,
    escaped: merged.filter(({ escaped_at_ms }) => escaped_at_ms !== null).length,
    tokens: sum(({ tokens }) => tokens),
    microUsd: sum(({ micro_usd }) => micro_usd),
    unpriced: sum(({ unpriced }) => unpriced),
    failures: failures.length,
    repeated: failures.filter(({ repeated }) => repeated === 1).length,
    patchMs: sampleOf(runs.map(({ patch_ms }) => patch_ms)),
    reviewMs: sampleOf(runs.map(({ review_ms }) => review_ms)),
  };
}

function sampleOf(values: readonly (number | null)[]): Sample {
  const sorted = values.filter((value) => value !== null).toSorted((left, right) => left - right);
  const of = sorted.length;
  if (of <= mostValues) return { values: sorted, of };
  const kept = Array.from({ length: mostValues }, (_, index) => sorted[Math.floor(((index + 0.5) * of) / mostValues)]);
  return { values: kept as number[], of };
}

/** Exact while no week has more values than are kept of it; null of nothing. */
export function medianOf(samples: readonly Sample[]): number | null {
  const weighted = samples
    .flatMap(({ values, of }) => values.map((value) => ({ value, weight: of / values.length })))
    .toSorted((left, right) => left.value - right.value);
  const half = weighted.reduce((total, { weight }) => total + weight, 0) / 2;
  let passed = 0;
  for (const [index, { value, weight }] of weighted.entries()) {
    passed += weight;
    const next = weighted[index + 1];
    // Just in the middle between two values.
    if (next && Math.abs(passed - half) < 1e-9) return Math.round((value + next.value) / 2);
    if (passed > half) return value;
  }
  return null;
}

export function addSums(left: WeekSums, right: WeekSums): WeekSums {
  const outcomes = { ...left.outcomes };
  for (const [code, count] of Object.entries(right.outcomes)) outcomes[code] = (outcomes[code] ?? 0) + count;
  return {
    outcomes,
    runs: left.runs + right.runs,
    judged: left.judged + right.judged,
    reworked: left.reworked + right.reworked,
    passed: left.passed + right.passed,
    merged: left.merged + right.merged,
    escaped: left.escaped + right.escaped,
    tokens: left.tokens + right.tokens,
    microUsd: left.microUsd + right.microUsd,
    unpriced: left.unpriced + right.unpriced,
    failures: left.failures + right.failures,
    repeated: left.repeated + right.repeated,
    // Medians are made of the single samples.
    patchMs: left.patchMs,
    reviewMs: left.reviewMs,
  };
}
