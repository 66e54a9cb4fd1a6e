import { Gauge, type Registry } from 'prom-client';
import type { Database } from '../engine/database.ts';
import { type Metrics, ratio, readMetrics } from '../learning/metrics.ts';
import { type GaugeName, metricTable } from '../metric-table.ts';

/** What the gauges look back on: the current week and those before it. */
const weeks = 4;

const gauges: readonly [name: GaugeName, value: (group: Metrics) => number | null][] = [
  ['millwright_merged_pull_requests', (group) => group.merged],
  ['millwright_rework_ratio', (group) => ratio(group.rework)],
  ['millwright_first_round_pass_ratio', (group) => ratio(group.firstRoundPass)],
  ['millwright_time_to_patch_seconds', (group) => seconds(group.timeToPatchMs)],
  ['millwright_review_seconds', (group) => seconds(group.reviewMs)],
  ['millwright_escaped_defects', (group) => group.escapedDefects.count],
  ['millwright_repeated_mistakes', (group) => group.repeatedMistakes.count],
  ['millwright_cost_dollars', (group) => group.costUsd],
  ['millwright_cost_per_merged_pull_request_dollars', (group) => group.costPerMergedUsd],
];

const seconds = (milliseconds: number | null) => (milliseconds === null ? null : milliseconds / 1000);

/** Adds the figures of the last four weeks, by repository; one that cannot be told is left out. */
export async function addLearningGauges(registry: Registry, db: Database): Promise<void> {
  const groups = await readMetrics(db, { by: 'repository', weeks, nowMs: Date.now() });
  for (const [name, value] of gauges) {
    const gauge = new Gauge({
      name,
      help: metricTable[name].help,
      labelNames: ['repository'],
      registers: [registry],
    });
    for (const group of groups) {
      const told = value(group);
      if (told !== null) gauge.set({ repository: group.repository ?? '' }, told);
    }
  }
}
