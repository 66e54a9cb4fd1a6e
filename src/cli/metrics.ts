import type { Database } from '../engine/database.ts';
import { type Metrics, ratio, readMetrics, recordedRepositories, type Share } from '../learning/metrics.ts';
import { durationText } from '../report/phrases.ts';
import { withStore } from './runs.ts';
import { CallError, line, table, processTerminal as terminal } from './terminal.ts';

export interface MetricsOptions {
  repository?: string;
  weeks: number;
  json?: boolean;
}

/** Prints metrics by week and repository, newest week first. Errors: CallError; `outside.database`. */
export function metrics(options: MetricsOptions): Promise<void> {
  return withStore(async (db) => {
    const repositories = options.repository === undefined ? undefined : await named(db, options.repository);
    const query = { weeks: options.weeks, nowMs: Date.now(), ...(repositories ? { repositories } : {}) };
    const groups = await readMetrics(db, query);
    if (options.json) return terminal.out(JSON.stringify(groups, null, 2));
    if (groups.length === 0) return terminal.err('No run has ended in these weeks.');
    terminal.out(table(headings, groups.map(rowOf)));
  });
}

/** Repositories are kept with their host, which nobody types. */
async function named(db: Database, wanted: string): Promise<string[]> {
  const name = wanted.toLowerCase();
  const found = (await recordedRepositories(db)).filter(
    (repository) => repository === name || repository.endsWith(`/${name}`),
  );
  if (found.length > 0) return found;
  throw new CallError(`No run of ${line(wanted, 100)} has ended in this store.`, 1);
}

const headings = [
  'WEEK',
  'REPOSITORY',
  'RUNS',
  'MERGED',
  'REWORK',
  'FIRST ROUND',
  'TO PATCH',
  'REVIEW',
  'ESCAPED',
  'REPEATED',
  'COST',
  'PER MERGED',
];

function rowOf(group: Metrics): string[] {
  return [
    group.week ?? '',
    (group.repository ?? '').replace(/^[^/]+\//, ''),
    String(group.runs),
    String(group.merged),
    percent(group.rework),
    percent(group.firstRoundPass),
    group.timeToPatchMs === null ? '-' : durationText(group.timeToPatchMs),
    group.reviewMs === null ? '-' : durationText(group.reviewMs),
    String(group.escapedDefects.count),
    String(group.repeatedMistakes.count),
    `$${group.costUsd.toFixed(2)}${group.unpricedRuns > 0 ? ' + ?' : ''}`,
    group.costPerMergedUsd === null ? '-' : `$${group.costPerMergedUsd.toFixed(2)}`,
  ];
}

function percent(share: Share): string {
  const part = ratio(share);
  return part === null ? '-' : `${Math.round(part * 100)}%`;
}
