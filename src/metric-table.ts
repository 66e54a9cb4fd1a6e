interface MetricEntry {
  type: 'gauge' | 'counter' | 'histogram';
  labels: readonly string[];
  help: string;
}

/** Every metric of `/metrics`, in the order in which it is told. `docs/metrics.md` is made from it. */
export const metricTable = {
  millwright_runs: { type: 'gauge', labels: ['state'], help: 'Runs by state; `queued` is the depth of the queue.' },
  millwright_queue_age_seconds: {
    type: 'gauge',
    labels: [],
    help: 'How long the run that has waited longest for its turn has waited; runs that are put off do not count.',
  },
  millwright_queue_delayed: {
    type: 'gauge',
    labels: [],
    help: 'Queued runs that are put off after a failure outside, until their next try.',
  },
  millwright_run_outcomes: { type: 'gauge', labels: ['outcome'], help: 'Ended runs that are kept, by outcome.' },
  millwright_attempts_total: {
    type: 'counter',
    labels: ['state', 'outcome'],
    help: 'Attempts that ended or began to wait, by state and outcome.',
  },
  millwright_run_errors_total: {
    type: 'counter',
    labels: ['code', 'retried'],
    help: 'Failures of attempts by code of docs/errors.md; `retried` tells whether the attempt is tried again.',
  },
  millwright_takeovers_total: { type: 'counter', labels: [], help: 'Runs taken over from a worker that died.' },
  millwright_stage_seconds: { type: 'histogram', labels: ['stage'], help: 'Time that runs spent in a stage.' },
  millwright_claim_seconds: { type: 'histogram', labels: [], help: 'Time that taking a run from the queue took.' },
  millwright_deliveries: {
    type: 'gauge',
    labels: ['state'],
    help: 'Webhook deliveries that are kept, by state; `parked` could not be applied.',
  },
  millwright_delivery_age_seconds: {
    type: 'gauge',
    labels: [],
    help: 'Age of the oldest delivery that is not applied yet.',
  },
  millwright_deliveries_received_total: {
    type: 'counter',
    labels: ['event', 'kind'],
    help: 'Deliveries stored, by event; `kind` is `new` or `duplicate`.',
  },
  millwright_deliveries_refused_total: {
    type: 'counter',
    labels: ['reason'],
    help: 'Deliveries not stored: `signature` (a wrong or missing one) or `store` (it could not be written: answered 500).',
  },
  millwright_spend_dollars: {
    type: 'gauge',
    labels: [],
    help: 'Spent on model calls of known price, since the store was made.',
  },
  millwright_spend_reserved_dollars: {
    type: 'gauge',
    labels: [],
    help: 'Set aside for calls under way, and for calls that were cut off and whose price nobody learnt.',
  },
  millwright_spend_tokens: { type: 'gauge', labels: [], help: 'Tokens spent, since the store was made.' },
  millwright_unpriced_calls: { type: 'gauge', labels: [], help: 'Calls whose price is not known.' },
  millwright_model_calls_total: {
    type: 'counter',
    labels: ['model', 'result'],
    help: 'Model calls by their end: `stop`, `tool-calls`, `length`, `refusal` …, or the code of the failure.',
  },
  millwright_model_tokens_total: {
    type: 'counter',
    labels: ['model', 'kind'],
    help: 'Tokens as the provider counted them: `input` (of which `cached`) and `output`.',
  },
  millwright_model_seconds: { type: 'histogram', labels: ['model'], help: 'Time that a model call took.' },
  millwright_sandbox_failures_total: {
    type: 'counter',
    labels: ['what', 'code'],
    help: 'Failures of the Docker engine: `prepare` (images), `open` (containers), `reap`.',
  },
  millwright_sandbox_seconds: {
    type: 'histogram',
    labels: ['what'],
    help: 'Time that preparing an image (`prepare`) and opening a container (`open`) took.',
  },
  millwright_sandbox_available: {
    type: 'gauge',
    labels: [],
    help: 'Whether the Docker engine of this process answers: 1 or 0.',
  },
  millwright_containers_reaped_total: { type: 'counter', labels: [], help: 'Left-over containers that were removed.' },
  millwright_github_rate_limit_remaining: {
    type: 'gauge',
    labels: ['installation', 'resource'],
    help: 'Calls that GitHub still allows in the current hour, as its last answer said. Installation `app`: calls of the app itself.',
  },
  millwright_github_rate_limit: {
    type: 'gauge',
    labels: ['installation', 'resource'],
    help: 'Calls that GitHub allows in an hour.',
  },
  millwright_github_failures_total: {
    type: 'counter',
    labels: ['status'],
    help: 'Answers of GitHub that were failures, tried again or not, by status; `none`: no answer came.',
  },
  millwright_workers: {
    type: 'gauge',
    labels: ['kind'],
    help: 'Processes that have reported lately: `worker` or `web` (carries no runs).',
  },
  millwright_worker_capacity: { type: 'gauge', labels: [], help: 'Runs that all workers together may carry at once.' },
  millwright_workers_paused: {
    type: 'gauge',
    labels: ['reason'],
    help: 'Workers that take no runs now: `engine` (no Docker engine) or `disk` (less free than `retention.free`).',
  },
  millwright_disk_free_bytes: {
    type: 'gauge',
    labels: ['place'],
    help: 'Free space where this process keeps its data (`data`) and where its Docker engine does (`docker`).',
  },
  millwright_store_bytes: { type: 'gauge', labels: [], help: 'Size of the store.' },
  millwright_retention_removed_total: {
    type: 'counter',
    labels: ['what'],
    help: 'What retention has removed: `runs`, `deliveries`, `reservations`, `effects`, `budgets`, `mirrors`, `images`.',
  },
  millwright_merged_pull_requests: {
    type: 'gauge',
    labels: ['repository'],
    help: 'Pull requests merged. Of runs that ended in the last four weeks.',
  },
  millwright_rework_ratio: {
    type: 'gauge',
    labels: ['repository'],
    help: 'Runs of which work was done again, of those that verification judged. Of runs that ended in the last four weeks.',
  },
  millwright_first_round_pass_ratio: {
    type: 'gauge',
    labels: ['repository'],
    help: 'Runs whose first patch passed verification. Of runs that ended in the last four weeks.',
  },
  millwright_time_to_patch_seconds: {
    type: 'gauge',
    labels: ['repository'],
    help: 'Median from the label to the first useful patch. Of runs that ended in the last four weeks.',
  },
  millwright_review_seconds: {
    type: 'gauge',
    labels: ['repository'],
    help: 'Median from the opened pull request to its merge or close. Of runs that ended in the last four weeks.',
  },
  millwright_escaped_defects: {
    type: 'gauge',
    labels: ['repository'],
    help: 'Merged pull requests that were reverted or mended by a later run. Of runs that ended in the last four weeks.',
  },
  millwright_repeated_mistakes: {
    type: 'gauge',
    labels: ['repository'],
    help: 'Failed attempts whose failure an earlier run had too. Of runs that ended in the last four weeks.',
  },
  millwright_cost_dollars: {
    type: 'gauge',
    labels: ['repository'],
    help: 'Model cost of runs, as far as prices are known. Of runs that ended in the last four weeks.',
  },
  millwright_cost_per_merged_pull_request_dollars: {
    type: 'gauge',
    labels: ['repository'],
    help: 'Cost of all runs for each merged pull request. Of runs that ended in the last four weeks.',
  },
} as const satisfies Record<string, MetricEntry>;

export type MetricName = keyof typeof metricTable;

type OfType<Type extends MetricEntry['type']> = {
  [Name in MetricName]: (typeof metricTable)[Name]['type'] extends Type ? Name : never;
}[MetricName];
export type CounterName = OfType<'counter'>;
export type HistogramName = OfType<'histogram'>;
export type GaugeName = OfType<'gauge'>;

/** The labels of a metric, all of them. */
export type LabelsOf<Name extends MetricName> = Record<(typeof metricTable)[Name]['labels'][number], string>;

/** Upper bounds of the buckets of every histogram, in seconds: from a claim to a long build. */
export const bucketsS = [0.01, 0.05, 0.25, 1, 5, 15, 60, 300, 900, 3600] as const;
