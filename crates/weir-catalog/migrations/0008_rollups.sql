-- Questions whose answers are kept as tables that schedules bring up to date.
CREATE TABLE rollups (
    question    TEXT PRIMARY KEY REFERENCES documents (id) ON DELETE CASCADE,
    schema_name TEXT NOT NULL,
    table_name  TEXT NOT NULL,
    -- The version that is built: the newest that whoever's rights it has agreed to.
    version     INTEGER NOT NULL,
    -- With whose rights it is asked.
    user_id     INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- JSON: by the clock, or when inputs change.
    trigger     TEXT NOT NULL,
    -- JSON: the tables and views that it names, and the tables below them.
    reads       TEXT NOT NULL,
    follows     TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    UNIQUE (schema_name, table_name)
) STRICT, WITHOUT ROWID;
