-- Times are microseconds since 1970. Numbers are never reused: an attempt's number is its fencing token.

CREATE TABLE pools (
    name TEXT PRIMARY KEY,
    size INTEGER NOT NULL
) STRICT;

CREATE TABLE schedules (
    name         TEXT PRIMARY KEY,
    kind         TEXT NOT NULL,
    definition   TEXT NOT NULL,
    -- When the clock asks for it next; none for what the clock does not start.
    next_at      INTEGER,
    -- When the target is too old.
    deadline_at  INTEGER,
    paused_at    INTEGER,
    -- No longer in the project; its history stays.
    removed_at   INTEGER,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX schedules_due ON schedules (next_at)
    WHERE next_at IS NOT NULL AND paused_at IS NULL AND removed_at IS NULL;
CREATE INDEX schedules_deadline ON schedules (deadline_at)
    WHERE deadline_at IS NOT NULL AND paused_at IS NULL AND removed_at IS NULL;

-- One run per schedule and key: the key is the instant, the range of versions, or the caller's.
CREATE TABLE ticks (
    schedule   TEXT NOT NULL,
    key        TEXT NOT NULL,
    run_id     INTEGER,
    note       TEXT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (schedule, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    schedule     TEXT,
    cause        TEXT NOT NULL,
    detail       TEXT,
    scheduled_at INTEGER,
    -- The zone database with which `scheduled_at` was computed.
    tzdata       TEXT,
    partition    TEXT NOT NULL,
    backfill_id  INTEGER,
    rerun_of     INTEGER,
    state        TEXT NOT NULL,
    reason       TEXT,
    -- Which incident its failure is part of, if it is told.
    alert_key    TEXT,
    held         INTEGER NOT NULL DEFAULT 0,
    -- Steps that have not ended.
    open_steps   INTEGER NOT NULL,
    -- The turn of its latest step that became ready; see `steps.turn`.
    turn         INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    started_at   INTEGER,
    ended_at     INTEGER
) STRICT;
CREATE INDEX runs_open ON runs (schedule) WHERE ended_at IS NULL;
CREATE INDEX runs_by_schedule ON runs (schedule, id);

-- From which version (left out) to which (included) a run takes each table.
CREATE TABLE run_inputs (
    run_id       INTEGER NOT NULL,
    table_name   TEXT NOT NULL,
    from_version INTEGER NOT NULL,
    to_version   INTEGER NOT NULL,
    PRIMARY KEY (run_id, table_name)
) STRICT, WITHOUT ROWID;

CREATE TABLE steps (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id      INTEGER NOT NULL REFERENCES runs (id),
    asset       TEXT NOT NULL,
    kind        TEXT NOT NULL,
    partition   TEXT NOT NULL,
    pool        TEXT NOT NULL,
    priority    INTEGER NOT NULL,
    state       TEXT NOT NULL,
    reason      TEXT,
    held        INTEGER NOT NULL DEFAULT 0,
    -- How many steps before it have not ended.
    waits_for   INTEGER NOT NULL,
    -- The order in which steps get slots: the smallest first.
    turn        INTEGER,
    ready_at    INTEGER,
    not_before  INTEGER,
    queue_until INTEGER,
    queue_micros INTEGER,
    attempts    INTEGER NOT NULL DEFAULT 0,
    -- The attempt that works on it, or was the last to.
    attempt_id  INTEGER,
    -- The number of its publication, given with the first claim and kept over attempts.
    sequence    INTEGER,
    started_at  INTEGER,
    ended_at    INTEGER,
    UNIQUE (run_id, asset)
) STRICT;
CREATE INDEX steps_ready ON steps (pool, turn)
    WHERE state = 'queued' AND waits_for = 0 AND held = 0;
CREATE INDEX steps_queue_until ON steps (queue_until)
    WHERE state = 'queued' AND queue_until IS NOT NULL;
-- From its first claim to its end a step has its asset and partition to itself.
CREATE UNIQUE INDEX steps_claimed ON steps (asset, partition)
    WHERE sequence IS NOT NULL AND state IN ('queued', 'running');

CREATE TABLE step_edges (
    parent_id INTEGER NOT NULL,
    child_id  INTEGER NOT NULL,
    PRIMARY KEY (parent_id, child_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE attempts (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    step_id       INTEGER NOT NULL REFERENCES steps (id),
    run_id        INTEGER NOT NULL,
    number        INTEGER NOT NULL,
    pool          TEXT NOT NULL,
    state         TEXT NOT NULL,
    class         TEXT,
    reason        TEXT,
    node          TEXT NOT NULL,
    boot          TEXT NOT NULL,
    lease_until   INTEGER NOT NULL,
    cancel_at     INTEGER,
    cancel_reason TEXT,
    published     TEXT,
    started_at    INTEGER NOT NULL,
    ended_at      INTEGER
) STRICT;
CREATE INDEX attempts_live ON attempts (pool, lease_until) WHERE state = 'running';
CREATE INDEX attempts_by_step ON attempts (step_id);

-- What each part of each asset has come to.
CREATE TABLE asset_states (
    asset        TEXT NOT NULL,
    partition    TEXT NOT NULL,
    -- The last number of a publication that was given away.
    sequence     INTEGER NOT NULL,
    run_id       INTEGER,
    succeeded_at INTEGER,
    PRIMARY KEY (asset, partition)
) STRICT, WITHOUT ROWID;

CREATE TABLE cursors (
    schedule   TEXT NOT NULL,
    table_name TEXT NOT NULL,
    version    INTEGER NOT NULL,
    PRIMARY KEY (schedule, table_name)
) STRICT, WITHOUT ROWID;

CREATE TABLE backfills (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    target     TEXT NOT NULL,
    chunk      INTEGER NOT NULL,
    priority   INTEGER NOT NULL,
    state      TEXT NOT NULL,
    paused_at  INTEGER,
    created_at INTEGER NOT NULL,
    ended_at   INTEGER
) STRICT;
CREATE INDEX backfills_open ON backfills (id) WHERE ended_at IS NULL;

CREATE TABLE backfill_partitions (
    backfill_id INTEGER NOT NULL,
    ordinal     INTEGER NOT NULL,
    partition   TEXT NOT NULL,
    run_id      INTEGER,
    PRIMARY KEY (backfill_id, ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX backfill_partitions_waiting ON backfill_partitions (backfill_id, ordinal)
    WHERE run_id IS NULL;

-- What is wrong now; one row per thing, however often it is told.
CREATE TABLE incidents (
    key       TEXT PRIMARY KEY,
    opened_at INTEGER NOT NULL,
    last_at   INTEGER NOT NULL,
    count     INTEGER NOT NULL
) STRICT;

CREATE TABLE alerts (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    key          TEXT NOT NULL,
    kind         TEXT NOT NULL,
    text         TEXT NOT NULL,
    run_id       INTEGER,
    created_at   INTEGER NOT NULL,
    tries        INTEGER NOT NULL DEFAULT 0,
    not_before   INTEGER NOT NULL,
    delivered_at INTEGER
) STRICT;
CREATE INDEX alerts_waiting ON alerts (not_before) WHERE delivered_at IS NULL;

-- The beginning of a log stays, its end is written anew while it grows; what is between is counted.
CREATE TABLE attempt_logs (
    attempt_id INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    line       TEXT NOT NULL,
    PRIMARY KEY (attempt_id, number)
) STRICT, WITHOUT ROWID;
