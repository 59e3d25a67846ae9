-- One store, many batches. Amounts are picodollars, times microseconds UTC, JSON is text or (over 1 KiB) zlib.
-- Tables of items, calls and attempts are clustered by item, so that a journal is one short range.

CREATE TABLE batches (
    batch        INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    identity     TEXT NOT NULL,
    spec_digest  TEXT NOT NULL,
    spec         TEXT NOT NULL,
    limits       TEXT NOT NULL,
    source       TEXT NOT NULL,
    round        TEXT NOT NULL,
    command      TEXT NOT NULL,
    ingested     INTEGER NOT NULL DEFAULT 0,
    ingest_notes TEXT NOT NULL DEFAULT '{}',
    out_dir      TEXT NOT NULL DEFAULT '',
    created_at   INTEGER NOT NULL
);
CREATE INDEX batches_identity ON batches (identity);
CREATE INDEX batches_spec ON batches (spec_digest);

-- The totals of a batch: one row, written in the same transactions as what it sums.
CREATE TABLE totals (
    batch      INTEGER PRIMARY KEY REFERENCES batches,
    epoch      INTEGER NOT NULL DEFAULT 0,
    rev        INTEGER NOT NULL DEFAULT 0,
    state      TEXT NOT NULL DEFAULT 'created',
    reason     TEXT NOT NULL DEFAULT '',
    cap        INTEGER,
    total      INTEGER NOT NULL DEFAULT 0,
    pending    INTEGER NOT NULL DEFAULT 0,
    completed  INTEGER NOT NULL DEFAULT 0,
    failed     INTEGER NOT NULL DEFAULT 0,
    skipped    INTEGER NOT NULL DEFAULT 0,
    blocked    INTEGER NOT NULL DEFAULT 0,
    cancelled  INTEGER NOT NULL DEFAULT 0,
    settled    INTEGER NOT NULL DEFAULT 0,
    unknown    INTEGER NOT NULL DEFAULT 0,
    held       INTEGER NOT NULL DEFAULT 0,
    tokens_in  INTEGER NOT NULL DEFAULT 0,
    tokens_out INTEGER NOT NULL DEFAULT 0,
    attempts   INTEGER NOT NULL DEFAULT 0,
    started_at INTEGER,
    ended_at   INTEGER
);

CREATE TABLE items (
    batch      INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    key        TEXT NOT NULL,
    input      BLOB NOT NULL,
    state      TEXT NOT NULL DEFAULT 'pending',
    begun      INTEGER NOT NULL DEFAULT 0,
    round      INTEGER NOT NULL DEFAULT 0,
    rev        INTEGER NOT NULL DEFAULT 0,
    output     BLOB,
    reason     TEXT,
    cost       INTEGER NOT NULL DEFAULT 0,
    tokens_in  INTEGER NOT NULL DEFAULT 0,
    tokens_out INTEGER NOT NULL DEFAULT 0,
    attempts   INTEGER NOT NULL DEFAULT 0,
    latency_ms INTEGER NOT NULL DEFAULT 0,
    model      TEXT,
    PRIMARY KEY (batch, seq)
) WITHOUT ROWID;
-- Begun items come first when a batch goes on.
CREATE INDEX items_pending ON items (batch, begun DESC, seq) WHERE state = 'pending';
CREATE INDEX items_changed ON items (batch, rev) WHERE rev > 0;
-- The newest failures, however many items there are.
CREATE INDEX items_failed ON items (batch, rev) WHERE state IN ('failed', 'blocked');

CREATE TABLE calls (
    batch   INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    number  INTEGER NOT NULL,
    round   INTEGER NOT NULL,
    digest  BLOB NOT NULL,
    nth     INTEGER NOT NULL,
    label   TEXT,
    request BLOB NOT NULL,
    ended   TEXT,
    reason  TEXT,
    kind    TEXT,
    PRIMARY KEY (batch, seq, number)
) WITHOUT ROWID;

CREATE TABLE attempts (
    batch       INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    number      INTEGER NOT NULL,
    nth         INTEGER NOT NULL,
    epoch       INTEGER NOT NULL,
    model       TEXT NOT NULL,
    state       TEXT NOT NULL,
    worst       INTEGER NOT NULL,
    cost        INTEGER,
    tokens_in   INTEGER,
    tokens_out  INTEGER,
    flagged     INTEGER NOT NULL DEFAULT 0,
    fault       TEXT,
    message     TEXT,
    answer      BLOB,
    started_at  INTEGER NOT NULL,
    latency_ms  INTEGER,
    PRIMARY KEY (batch, seq, number, nth)
) WITHOUT ROWID;

CREATE TABLE notes (
    batch INTEGER NOT NULL,
    seq   INTEGER NOT NULL,
    round INTEGER NOT NULL,
    name  TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (batch, seq, round, name)
) WITHOUT ROWID;

-- What happened to a batch, in order.
CREATE TABLE events (
    id    INTEGER PRIMARY KEY,
    batch INTEGER NOT NULL,
    at    INTEGER NOT NULL,
    kind  TEXT NOT NULL,
    data  TEXT NOT NULL
);
CREATE INDEX events_batch ON events (batch, id);

-- What a person asked of a running batch; the runner answers with `answer`.
CREATE TABLE wishes (
    id       INTEGER PRIMARY KEY,
    batch    INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    kind     TEXT NOT NULL,
    data     TEXT NOT NULL,
    who      TEXT NOT NULL,
    acked_at INTEGER,
    answer   TEXT
);
CREATE INDEX wishes_open ON wishes (batch, id) WHERE acked_at IS NULL;

-- What the runner is doing right now, at most four times a second.
CREATE TABLE live (
    batch INTEGER PRIMARY KEY,
    at    INTEGER NOT NULL,
    data  TEXT NOT NULL
);

-- Once a second: counts, money, latency.
CREATE TABLE ticks (
    batch INTEGER NOT NULL,
    at    INTEGER NOT NULL,
    data  TEXT NOT NULL,
    PRIMARY KEY (batch, at)
) WITHOUT ROWID;

-- What a bucket (a model) taught us, so that a restart does not hammer it.
CREATE TABLE buckets (
    model TEXT PRIMARY KEY,
    at    INTEGER NOT NULL,
    data  TEXT NOT NULL
);
