import { Gauge, type Registry } from 'prom-client';
import type { Database } from '../engine/database.ts';
import { type Metrics, ratio, readMetrics } from '../learning/metrics.ts';

/** What the gauges look back on: the current week and those before it. */
const weeks = 4;

const gauges: readonly [name: string, help: string, value: (group: Metrics) => number | null][] = [
  ['merged_pull_requests', 'Pull requests merged.', (group) => group.merged],
  [
    'rework_ratio',
    'Runs of which work was done again, of those that verification judged.',
    (group) => ratio(group.rework),
  ],
  ['first_round_pass_ratio', 'Runs whose first patch passed verification.', (group) => ratio(group.firstRoundPass)],
  [
    'time_to_patch_seconds',
    'Median from the label to the first useful patch.',
    (group) => seconds(group.timeToPatchMs),
  ],
  ['review_seconds', 'Median from the opened pull request to its merge or close.', (group) => seconds(group.reviewMs)],
  [
    'escaped_defects',
    'Merged pull requests that were reverted or mended by a later run.',
    (group) => group.escapedDefects.count,
  ],
  [
    'repeated_mistakes',
    'Failed attempts whose failure an earlier run had too.',
    (group) => group.repeatedMistakes.count,
  ],
  ['cost_dollars', 'Model cost of runs, as far as prices are known.', (group) => group.costUsd],
  [
    'cost_per_merged_pull_request_dollars',
    'Cost of all runs for each merged pull request.',
    (group) => group.costPerMergedUsd,
  ],
];

const seconds = (milliseconds: number | null) => (milliseconds === null ? null : milliseconds / 1000);

/** Adds the figures of the last four weeks, by repository; one that cannot be told is left out. */
export async function addLearningGauges(registry: Registry, db: Database): Promise<void> {
  const groups = await readMetrics(db, { by: 'repository', weeks, nowMs: Date.now() });
  for (const [name, help, value] of gauges) {
    const gauge = new Gauge({
      name: `millwright_${name}`,
      help: `${help} Of runs that ended in the last ${weeks} weeks.`,
      labelNames: ['repository'],
      registers: [registry],
    });
    for (const group of groups) {
      const told = value(group);
      if (told !== null) gauge.set({ repository: group.repository ?? '' }, told);
    }
  }
}
