-- A user's id is never reused: a new user of an old name is somebody else.
CREATE TABLE users (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    name             TEXT NOT NULL UNIQUE,
    schema           TEXT NOT NULL UNIQUE,
    disabled         INTEGER NOT NULL DEFAULT 0,
    scram_salt       BLOB,
    scram_iterations INTEGER,
    scram_stored_key BLOB,
    scram_server_key BLOB,
    password_hash    TEXT,
    password_set_at  INTEGER,
    created_at       INTEGER NOT NULL
) STRICT;

CREATE TABLE user_roles (
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role    TEXT NOT NULL,
    PRIMARY KEY (user_id, role)
) STRICT, WITHOUT ROWID;

-- Only those that people made.
CREATE TABLE roles (
    name       TEXT PRIMARY KEY,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- An empty table name stands for the whole schema.
CREATE TABLE grants (
    grantee     TEXT NOT NULL,
    schema      TEXT NOT NULL,
    table_name  TEXT NOT NULL,
    privileges  INTEGER NOT NULL,
    granted_by  TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (grantee, schema, table_name)
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    label      TEXT NOT NULL,
    shown      TEXT NOT NULL,
    hash       BLOB NOT NULL UNIQUE,
    scopes     TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
) STRICT;

-- Schemas that people made. Former ones belonged to a user who is gone: nobody inherits them.
CREATE TABLE schemas (
    name       TEXT PRIMARY KEY,
    owner      TEXT NOT NULL,
    former     INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Tables and views made in a schema that is not the maker's own.
CREATE TABLE table_owners (
    schema     TEXT NOT NULL,
    table_name TEXT NOT NULL,
    owner      TEXT NOT NULL,
    PRIMARY KEY (schema, table_name)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    record TEXT NOT NULL,
    hash   TEXT NOT NULL
) STRICT;
CREATE TRIGGER audit_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER audit_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;

-- Keeps answers about unknown users the same over restarts.
CREATE TABLE access_secret (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    fake_key BLOB NOT NULL
) STRICT;
INSERT INTO access_secret (id, fake_key) VALUES (1, randomblob(32));

ALTER TABLE views ADD COLUMN definer INTEGER NOT NULL DEFAULT 0;

-- Whose the owner's token is. No password: with one, there would be a default.
INSERT INTO users (name, schema, created_at) VALUES ('owner', 'owner', CAST(unixepoch('subsec') * 1000000 AS INTEGER));
INSERT INTO user_roles (user_id, role) SELECT id, 'owner' FROM users WHERE name = 'owner';

-- Moves with whatever decisions depend on; a running query compares one number per batch.
CREATE TABLE access_epoch (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL
) STRICT;
INSERT INTO access_epoch (id, number) VALUES (1, 1);
CREATE TRIGGER access_epoch_update AFTER UPDATE ON access_epoch BEGIN UPDATE generation SET number = number + 1; END;

CREATE TRIGGER users_insert AFTER INSERT ON users BEGIN UPDATE access_epoch SET number = number + 1; END;
CREATE TRIGGER users_update AFTER UPDATE ON users BEGIN UPDATE access_epoch SET number = number + 1; END;
CREATE TRIGGER users_delete AFTER DELETE ON users BEGIN UPDATE access_epoch SET number = number + 1; END;
CREATE TRIGGER user_roles_insert AFTER INSERT ON user_roles BEGIN UPDATE access_epoch SET number = number + 1; END;
CREATE TRIGGER user_roles_delete AFTER DELETE ON user_roles BEGIN UPDATE access_epoch SET number = number + 1; END;
CREATE TRIGGER roles_insert AFTER INSERT ON roles BEGIN UPDATE access_epoch SET number = number + 1; END;
CREATE TRIGGER roles_delete AFTER DELETE ON roles BEGIN UPDATE access_epoch SET number = number + 1; END;
CREATE TRIGGER grants_insert AFTER INSERT ON grants BEGIN UPDATE access_epoch SET number = number + 1; END;
CREATE TRIGGER grants_update AFTER UPDATE ON grants BEGIN UPDATE access_epoch SET number = number + 1; END;
CREATE TRIGGER grants_delete AFTER DELETE ON grants BEGIN UPDATE access_epoch SET number = number + 1; END;
CREATE TRIGGER tokens_insert AFTER INSERT ON tokens BEGIN UPDATE access_epoch SET number = number + 1; END;
CREATE TRIGGER tokens_update AFTER UPDATE ON tokens BEGIN UPDATE access_epoch SET number = number + 1; END;
CREATE TRIGGER tokens_delete AFTER DELETE ON tokens BEGIN UPDATE access_epoch SET number = number + 1; END;
CREATE TRIGGER schemas_insert AFTER INSERT ON schemas BEGIN UPDATE access_epoch SET number = number + 1; END;
CREATE TRIGGER schemas_update AFTER UPDATE ON schemas BEGIN UPDATE access_epoch SET number = number + 1; END;
CREATE TRIGGER schemas_delete AFTER DELETE ON schemas BEGIN UPDATE access_epoch SET number = number + 1; END;
CREATE TRIGGER table_owners_insert AFTER INSERT ON table_owners BEGIN UPDATE access_epoch SET number = number + 1; END;
CREATE TRIGGER table_owners_update AFTER UPDATE ON table_owners BEGIN UPDATE access_epoch SET number = number + 1; END;
CREATE TRIGGER table_owners_delete AFTER DELETE ON table_owners BEGIN UPDATE access_epoch SET number = number + 1; END;
CREATE TRIGGER owner_token_access AFTER UPDATE ON owner_token BEGIN UPDATE access_epoch SET number = number + 1; END;
CREATE TRIGGER owner_token_access_insert AFTER INSERT ON owner_token BEGIN UPDATE access_epoch SET number = number + 1; END;
CREATE TRIGGER sources_access AFTER INSERT ON sources BEGIN UPDATE access_epoch SET number = number + 1; END;
CREATE TRIGGER sources_access_delete AFTER DELETE ON sources BEGIN UPDATE access_epoch SET number = number + 1; END;
