import { lessonTables, scoreIndex } from './schema-lessons.ts';

/** One step of the schema. Never edited once released: its text is checked against what the store has applied. */
export interface Migration {
  id: number;
  /**
   * Statements, each ended by `;` at the end of a line; `{SEQUENCE}` is a growing number as primary key, `{JSON}` the type that
   * `->>` reads from.
   */
  sql: string;
}

export const migrations: readonly Migration[] = [
  {
    id: 1,
    sql: `
CREATE TABLE deliveries (
  seq {SEQUENCE},
  id TEXT NOT NULL UNIQUE,
  event TEXT NOT NULL,
  repository TEXT,
  subject INTEGER,
  payload TEXT NOT NULL,
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  owner TEXT,
  lease_until_ms BIGINT,
  due_at_ms BIGINT NOT NULL,
  received_at_ms BIGINT NOT NULL,
  finished_at_ms BIGINT,
  error TEXT
);
CREATE INDEX deliveries_new ON deliveries (seq) WHERE state = 'new';
CREATE INDEX deliveries_order ON deliveries (repository, seq) WHERE state = 'new';

CREATE TABLE runs (
  id TEXT PRIMARY KEY,
  repository TEXT NOT NULL,
  organization TEXT NOT NULL,
  owner TEXT NOT NULL,
  name TEXT NOT NULL,
  installation_id BIGINT NOT NULL,
  issue INTEGER NOT NULL,
  state TEXT NOT NULL,
  stage TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  start TEXT NOT NULL,
  request TEXT NOT NULL,
  outcome TEXT,
  branch TEXT NOT NULL,
  pull_request INTEGER,
  head_sha TEXT,
  priority INTEGER NOT NULL,
  run_after_ms BIGINT NOT NULL,
  lease_owner TEXT,
  lease_until_ms BIGINT,
  epoch INTEGER NOT NULL,
  failures INTEGER NOT NULL,
  cancel_by TEXT,
  cancel_reason TEXT,
  cancel_at_ms BIGINT,
  limit_repository INTEGER NOT NULL,
  limit_organization INTEGER NOT NULL,
  created_at_ms BIGINT NOT NULL,
  updated_at_ms BIGINT NOT NULL,
  ended_at_ms BIGINT
);
CREATE UNIQUE INDEX runs_live ON runs (repository, issue) WHERE state IN ('queued', 'running', 'waiting');
CREATE INDEX runs_issue ON runs (repository, issue, created_at_ms);
CREATE INDEX runs_pull_request ON runs (repository, pull_request);
CREATE INDEX runs_running ON runs (repository) WHERE state = 'running';
CREATE INDEX runs_queue ON runs (priority DESC, run_after_ms, id) WHERE state = 'queued';
CREATE INDEX runs_queue_organization ON runs (organization, priority DESC, run_after_ms, id) WHERE state = 'queued';
CREATE INDEX runs_queue_repository ON runs (organization, repository, priority DESC, run_after_ms, id) WHERE state = 'queued';
CREATE INDEX runs_list ON runs (id, state);
CREATE INDEX runs_repository ON runs (repository, id);

CREATE TABLE stages (
  run_id TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  name TEXT NOT NULL,
  output TEXT NOT NULL,
  saved_at_ms BIGINT NOT NULL,
  PRIMARY KEY (run_id, attempt, name)
);

CREATE TABLE effects (
  run_id TEXT NOT NULL,
  effect_key TEXT NOT NULL,
  result TEXT NOT NULL,
  made_at_ms BIGINT NOT NULL,
  PRIMARY KEY (run_id, effect_key)
);

CREATE TABLE events (
  id {SEQUENCE},
  run_id TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  kind TEXT NOT NULL,
  at_ms BIGINT NOT NULL,
  data TEXT NOT NULL
);
CREATE INDEX events_run ON events (run_id, id);
CREATE INDEX events_at ON events (at_ms);

CREATE TABLE limits (
  budget TEXT PRIMARY KEY,
  spent_micro_usd BIGINT NOT NULL,
  spent_tokens BIGINT NOT NULL,
  reserved_micro_usd BIGINT NOT NULL,
  reserved_tokens BIGINT NOT NULL,
  unpriced_calls INTEGER NOT NULL,
  updated_at_ms BIGINT NOT NULL
);

CREATE TABLE reservations (
  id TEXT PRIMARY KEY,
  run_id TEXT NOT NULL,
  budgets TEXT NOT NULL,
  micro_usd BIGINT,
  tokens BIGINT NOT NULL,
  state TEXT NOT NULL,
  made_at_ms BIGINT NOT NULL
);

CREATE TABLE workers (
  id TEXT PRIMARY KEY,
  capacity INTEGER NOT NULL,
  info TEXT NOT NULL,
  started_at_ms BIGINT NOT NULL,
  seen_at_ms BIGINT NOT NULL
);

CREATE TABLE timers (
  id TEXT PRIMARY KEY,
  at_ms BIGINT NOT NULL,
  data TEXT NOT NULL
);
CREATE INDEX timers_at ON timers (at_ms);

CREATE TABLE lessons (
  id TEXT PRIMARY KEY,
  repository TEXT NOT NULL,
  signature TEXT NOT NULL,
  state TEXT NOT NULL,
  data TEXT NOT NULL,
  created_at_ms BIGINT NOT NULL,
  updated_at_ms BIGINT NOT NULL
);
CREATE INDEX lessons_signature ON lessons (repository, signature);
`,
  },
  {
    id: 2,
    sql: `
CREATE TABLE baselines (
  key TEXT PRIMARY KEY,
  result TEXT NOT NULL,
  made_at_ms BIGINT NOT NULL
);
CREATE INDEX baselines_made ON baselines (made_at_ms);
`,
  },
  {
    id: 3,
    sql: `
CREATE TABLE patches (
  run_id TEXT NOT NULL,
  base TEXT NOT NULL,
  tree TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  made_at_ms BIGINT NOT NULL,
  bytes INTEGER NOT NULL,
  masked INTEGER NOT NULL,
  body TEXT,
  PRIMARY KEY (run_id, base, tree)
);
`,
  },
  {
    id: 4,
    // One row for each ended attempt, so that metrics never read ledgers, and their sums by week. `latest` marks a run's newest attempt;
    // `due` counts ends not measured yet, `stale` changes not summed yet.
    sql: `
CREATE TABLE records (
  run_id TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  repository TEXT NOT NULL,
  issue INTEGER NOT NULL,
  pull_request INTEGER,
  latest INTEGER NOT NULL,
  state TEXT NOT NULL,
  outcome TEXT NOT NULL,
  ended_at_ms BIGINT NOT NULL,
  week INTEGER NOT NULL,
  due INTEGER NOT NULL,
  stage TEXT,
  sent_back TEXT NOT NULL DEFAULT '[]',
  rounds INTEGER NOT NULL DEFAULT 0,
  rework INTEGER NOT NULL DEFAULT 0,
  judged INTEGER NOT NULL DEFAULT 0,
  first_round_pass INTEGER NOT NULL DEFAULT 0,
  patch_ms BIGINT,
  review_ms BIGINT,
  turns INTEGER NOT NULL DEFAULT 0,
  tokens BIGINT NOT NULL DEFAULT 0,
  micro_usd BIGINT NOT NULL DEFAULT 0,
  unpriced INTEGER NOT NULL DEFAULT 0,
  signature TEXT,
  cause TEXT,
  repeated INTEGER NOT NULL DEFAULT 0,
  escaped_at_ms BIGINT,
  escaped_by TEXT,
  PRIMARY KEY (run_id, attempt)
);
CREATE INDEX records_due ON records (ended_at_ms) WHERE due > 0;
CREATE INDEX records_weeks ON records (repository, week);
CREATE INDEX records_signature ON records (repository, signature, ended_at_ms) WHERE signature IS NOT NULL;
CREATE INDEX records_pull_request ON records (repository, pull_request) WHERE pull_request IS NOT NULL;

INSERT INTO records (run_id, attempt, repository, issue, pull_request, latest, state, outcome, ended_at_ms, week, due)
SELECT id, attempt, repository, issue, pull_request, 1, state, '', updated_at_ms, (updated_at_ms + 259200000) / 604800000, 1
FROM runs WHERE state IN ('waiting', 'done', 'failed', 'stopped');

CREATE TABLE record_weeks (
  repository TEXT NOT NULL,
  week INTEGER NOT NULL,
  stale INTEGER NOT NULL,
  data TEXT NOT NULL,
  PRIMARY KEY (repository, week)
);
CREATE INDEX record_weeks_stale ON record_weeks (week) WHERE stale > 0;

INSERT INTO record_weeks (repository, week, stale, data) SELECT DISTINCT repository, week, 1, '' FROM records;
`,
  },
  {
    // What lists of runs are filtered and searched by; `title` is that of the request. The state stands in an expression, so
    // that SQLite's planner takes these indexes for lists only, and the queue's own ones, which are in its order, for claims.
    id: 5,
    sql: `
ALTER TABLE runs ADD COLUMN title TEXT;
UPDATE runs SET title = CAST(request AS {JSON}) ->> 'title';
CREATE INDEX runs_state ON runs ((state || ''), id);
CREATE INDEX runs_repository_state ON runs (repository, (state || ''), id);
CREATE INDEX runs_issue_number ON runs (issue, id);
`,
  },
  {
    id: 6,
    sql: `
ALTER TABLE runs ADD COLUMN outcome_code TEXT;
UPDATE runs SET outcome_code = CAST(outcome AS {JSON}) ->> 'code' WHERE outcome IS NOT NULL;
CREATE INDEX runs_outcome ON runs (outcome_code) WHERE ended_at_ms IS NOT NULL;
CREATE INDEX runs_ended ON runs (ended_at_ms) WHERE ended_at_ms IS NOT NULL;
CREATE INDEX deliveries_finished ON deliveries (finished_at_ms) WHERE finished_at_ms IS NOT NULL;
CREATE INDEX reservations_made ON reservations (made_at_ms);
CREATE INDEX effects_made ON effects (made_at_ms);

CREATE TABLE counters (
  id TEXT PRIMARY KEY,
  value DOUBLE PRECISION NOT NULL,
  updated_at_ms BIGINT NOT NULL
);

CREATE TABLE installation (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL
);
`,
  },
  {
    id: 7,
    sql: `
CREATE INDEX runs_title ON runs (id, title);
`,
  },
  { id: 8, sql: lessonTables },
  {
    // By GitHub's numbers, which stay when names change hands: under which name a repository's things are kept, and whom a name was
    // first seen with (or the operator has named since), of repositories and accounts.
    id: 9,
    sql: `
CREATE TABLE repositories (
  id BIGINT PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,
  owner_id BIGINT NOT NULL,
  owner TEXT NOT NULL,
  name TEXT NOT NULL
);
CREATE TABLE names (
  name TEXT PRIMARY KEY,
  id BIGINT NOT NULL
);
`,
  },
  // All that a search for words looks at, so that it reads no whole rows.
  { id: 10, sql: 'DROP INDEX runs_title;\nCREATE INDEX runs_words ON runs (id, title, state, repository);\n' },
  { id: 11, sql: scoreIndex },
];
