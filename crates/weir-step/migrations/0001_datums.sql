-- Datums of steps: what was done, with what, and how it ended. Times are microseconds since 1970.

CREATE TABLE datums (
    step        TEXT NOT NULL,
    key         BLOB NOT NULL,
    -- Its inputs as they were, and the step as it was, when it was last tried.
    fingerprint BLOB NOT NULL,
    code        BLOB NOT NULL,
    state       TEXT NOT NULL,
    -- Grows with every change of the row.
    revision    INTEGER NOT NULL,
    PRIMARY KEY (step, key)
) STRICT, WITHOUT ROWID;

-- What only people and publications ask for: apart, so that the above is read fast.
CREATE TABLE datum_details (
    step       TEXT NOT NULL,
    key        BLOB NOT NULL,
    label      TEXT NOT NULL,
    run        TEXT NOT NULL,
    tries      INTEGER NOT NULL,
    outputs    TEXT NOT NULL,
    bytes      INTEGER NOT NULL,
    ms         INTEGER NOT NULL,
    cpu_ms     INTEGER NOT NULL,
    memory     INTEGER NOT NULL,
    exit_code  INTEGER,
    reason     TEXT,
    log        TEXT NOT NULL,
    ended_at   INTEGER NOT NULL,
    PRIMARY KEY (step, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE steps (
    name         TEXT PRIMARY KEY,
    -- Which revisions of which datums the latest publication was made of.
    published    BLOB,
    published_as TEXT,
    updated_at   INTEGER NOT NULL
) STRICT;

CREATE TABLE counters (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT;
INSERT INTO counters VALUES ('revision', 0);
