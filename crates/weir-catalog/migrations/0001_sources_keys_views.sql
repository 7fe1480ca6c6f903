-- A source's id is written into records of the log, so it is never reused.
CREATE TABLE sources (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT NOT NULL UNIQUE,
    enabled    INTEGER NOT NULL,
    settings   TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE write_keys (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    source_id  INTEGER NOT NULL REFERENCES sources (id),
    label      TEXT NOT NULL,
    prefix     TEXT NOT NULL,
    hash       BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;

CREATE TABLE owner_token (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    hash       BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE views (
    schema     TEXT NOT NULL,
    name       TEXT NOT NULL,
    sql        TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (schema, name)
) STRICT;

-- Every change, by whatever process, moves the generation: a running server compares one number.
CREATE TABLE generation (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL
) STRICT;
INSERT INTO generation (id, number) VALUES (1, 1);

CREATE TRIGGER sources_insert AFTER INSERT ON sources BEGIN UPDATE generation SET number = number + 1; END;
CREATE TRIGGER sources_update AFTER UPDATE ON sources BEGIN UPDATE generation SET number = number + 1; END;
CREATE TRIGGER sources_delete AFTER DELETE ON sources BEGIN UPDATE generation SET number = number + 1; END;
CREATE TRIGGER write_keys_insert AFTER INSERT ON write_keys BEGIN UPDATE generation SET number = number + 1; END;
CREATE TRIGGER write_keys_update AFTER UPDATE ON write_keys BEGIN UPDATE generation SET number = number + 1; END;
CREATE TRIGGER write_keys_delete AFTER DELETE ON write_keys BEGIN UPDATE generation SET number = number + 1; END;
CREATE TRIGGER owner_token_insert AFTER INSERT ON owner_token BEGIN UPDATE generation SET number = number + 1; END;
CREATE TRIGGER owner_token_update AFTER UPDATE ON owner_token BEGIN UPDATE generation SET number = number + 1; END;
CREATE TRIGGER views_insert AFTER INSERT ON views BEGIN UPDATE generation SET number = number + 1; END;
CREATE TRIGGER views_update AFTER UPDATE ON views BEGIN UPDATE generation SET number = number + 1; END;
CREATE TRIGGER views_delete AFTER DELETE ON views BEGIN UPDATE generation SET number = number + 1; END;
