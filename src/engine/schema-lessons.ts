/** Part of the schema, and like it never edited once released: what attempts failed with, by signature; lessons, and where and when each was used. */
export const lessonTables = `
CREATE TABLE causes (
  run_id TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  signature TEXT NOT NULL,
  repository TEXT NOT NULL,
  issue INTEGER NOT NULL,
  kind TEXT NOT NULL,
  data TEXT NOT NULL,
  at_ms BIGINT NOT NULL,
  PRIMARY KEY (run_id, attempt, signature)
);
CREATE INDEX causes_signature ON causes (repository, signature, at_ms);
ALTER TABLE lessons ADD COLUMN pull_request INTEGER;
ALTER TABLE lessons ADD COLUMN due INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lessons ADD COLUMN due_at_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE lessons ADD COLUMN decided_at_ms BIGINT;
CREATE UNIQUE INDEX lessons_one ON lessons (repository, signature);
CREATE INDEX lessons_due ON lessons (due_at_ms) WHERE due > 0;
CREATE TABLE lesson_uses (
  lesson_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  at_ms BIGINT NOT NULL,
  PRIMARY KEY (lesson_id, run_id, attempt)
);
`;

/** By which lessons are scored: all runs of a repository, by when they ended last. */
export const scoreIndex = `
CREATE INDEX records_latest ON records (repository, ended_at_ms) WHERE latest = 1;
`;
