-- Provider batch jobs. An attempt that went into one names it and its line; what a job is now stands in its row.

CREATE TABLE jobs (
    marker       TEXT PRIMARY KEY,
    batch        INTEGER NOT NULL,
    model        TEXT NOT NULL,
    state        TEXT NOT NULL,
    requests     INTEGER NOT NULL,
    digest       BLOB NOT NULL,
    file         TEXT,
    remote       TEXT,
    detail       TEXT NOT NULL DEFAULT '',
    intended_at  INTEGER NOT NULL,
    submitted_at INTEGER,
    ended_at     INTEGER
) WITHOUT ROWID;
CREATE INDEX jobs_batch ON jobs (batch, intended_at);

ALTER TABLE attempts ADD COLUMN job TEXT;
ALTER TABLE attempts ADD COLUMN line INTEGER;
CREATE INDEX attempts_job ON attempts (job, line) WHERE job IS NOT NULL;
