import type { Database } from '../engine/database.ts';
import { weekMs, weekOffsetMs } from '../engine/records.ts';
import { addSums, medianOf, readWeeks, type Week } from './weeks.ts';

/** How many of how many. */
export interface Share {
  count: number;
  of: number;
}

/** One group of runs: of a repository, of a week, or of a week in a repository. */
export interface Metrics {
  /** `host/owner/name`, in lower case; null when the group is of all repositories. */
  repository: string | null;
  /** Monday of the week in UTC, as `2026-11-23`; null when the group is of all weeks. */
  week: string | null;
  /** Runs that have come to an end or a wait. A run counts in the week of its newest end: merged, that of the merge. */
  runs: number;
  /** The same by the outcome's code, such as `merged`, `review`, `verification-failed`, `stopped`. */
  outcomes: Record<string, number>;
  merged: number;
  /** Runs of which some work was done again, of those that verification has judged. */
  rework: Share;
  /** Runs whose first patch passed verification, of the same. */
  firstRoundPass: Share;
  /** Median time from the label to the first patch that passed verification; null when there was none. */
  timeToPatchMs: number | null;
  /** Median time from the opened pull request to its merge or close. */
  reviewMs: number | null;
  /** Merged pull requests that were reverted, or mended by a later run that names them, of all merged. */
  escapedDefects: Share;
  /** Failed attempts with a failure that an earlier run of the repository had too, of all with a failure that can be told apart. */
  repeatedMistakes: Share;
  tokens: number;
  /** Of the runs whose price is known. */
  costUsd: number;
  /** Runs with a model call of unknown price. */
  unpricedRuns: number;
  /** What all runs of the group cost, for each merged one; null without a merge, or when a price is unknown. */
  costPerMergedUsd: number | null;
}

export interface MetricsQuery {
  /** One group each. Default: `repository-week`. */
  by?: 'repository-week' | 'repository' | 'week' | 'all';
  /** `host/owner/name`, in lower case; default: all. An empty list gives nothing. */
  repositories?: readonly string[];
  /** The current week and those before it; default 12. */
  weeks?: number;
  /** The moment that counts as now. */
  nowMs: number;
}

const usualWeeks = 12;

/**
 * Metrics over time, from the records of ended attempts: newest week first, then by repository. Weeks without a run have no group.
 * Fast with many runs: sums are kept by week. Medians over more than 200 values in a week are close, not exact.
 * docs/learning.md says what each figure means. Errors: `outside.database`.
 */
export async function readMetrics(db: Database, query: MetricsQuery): Promise<Metrics[]> {
  const { by = 'repository-week', repositories, weeks = usualWeeks, nowMs } = query;
  if (repositories?.length === 0) return [];
  const newest = Math.floor((nowMs + weekOffsetMs) / weekMs);
  const found = await readWeeks(db, newest - weeks + 1, repositories);
  const groups = Map.groupBy(found, ({ repository, week }) =>
    [by.startsWith('repository') ? repository : '', by.endsWith('week') ? week : ''].join(' '),
  );
  return [...groups.values()]
    .map((group) => metricsOf(group, by))
    .filter(({ runs, repeatedMistakes }) => runs > 0 || repeatedMistakes.of > 0)
    .toSorted(newestFirst);
}

/** Repositories of which a run has ended, as `host/owner/name`, sorted. */
export async function recordedRepositories(db: Database): Promise<string[]> {
  const rows = await db.all<{ repository: string }>('SELECT DISTINCT repository FROM record_weeks ORDER BY repository');
  return rows.map(({ repository }) => repository);
}

/** The part of a whole, from 0 to 1; null of nothing. */
export function ratio({ count, of }: Share): number | null {
  return of === 0 ? null : count / of;
}

function metricsOf(group: readonly Week[], by: NonNullable<MetricsQuery['by']>): Metrics {
  const [first] = group as [Week];
  const sums = group.slice(1).reduce((total, { sums: more }) => addSums(total, more), first.sums);
  const costUsd = sums.microUsd / 1e6;
  return {
    repository: by.startsWith('repository') ? first.repository : null,
    week: by.endsWith('week') ? mondayOf(first.week) : null,
    runs: sums.runs,
    outcomes: sums.outcomes,
    merged: sums.merged,
    rework: { count: sums.reworked, of: sums.judged },
    firstRoundPass: { count: sums.passed, of: sums.judged },
    timeToPatchMs: medianOf(group.map(({ sums: { patchMs } }) => patchMs)),
    reviewMs: medianOf(group.map(({ sums: { reviewMs } }) => reviewMs)),
    escapedDefects: { count: sums.escaped, of: sums.merged },
    repeatedMistakes: { count: sums.repeated, of: sums.failures },
    tokens: sums.tokens,
    costUsd,
    unpricedRuns: sums.unpriced,
    costPerMergedUsd: sums.merged === 0 || sums.unpriced > 0 ? null : costUsd / sums.merged,
  };
}

function mondayOf(week: number): string {
  return new Date(week * weekMs - weekOffsetMs).toISOString().slice(0, 10);
}

function newestFirst(left: Metrics, right: Metrics): number {
  const byWeek = (right.week ?? '').localeCompare(left.week ?? '');
  return byWeek === 0 ? (left.repository ?? '').localeCompare(right.repository ?? '') : byWeek;
}
