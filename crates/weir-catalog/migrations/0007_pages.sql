-- Refused events that somebody fixed and sent again, by their place in the log.
CREATE TABLE released (
    source      TEXT NOT NULL,
    seq         INTEGER NOT NULL,
    -- Of the event that took its place.
    message_id  TEXT NOT NULL,
    released_by TEXT NOT NULL,
    released_at INTEGER NOT NULL,
    PRIMARY KEY (source, seq)
) STRICT, WITHOUT ROWID;

-- What a document is to become: seen by those who may change it, until it is published.
CREATE TABLE drafts (
    document    TEXT PRIMARY KEY REFERENCES documents (id) ON DELETE CASCADE,
    -- The version it was begun from.
    based_on    INTEGER NOT NULL,
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    sharing     TEXT NOT NULL CHECK (sharing IN ('private', 'read', 'edit')),
    body        TEXT NOT NULL,
    made_by     TEXT NOT NULL,
    made_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Links by which pages of others show a dashboard. The secret is in the link only.
CREATE TABLE embeds (
    id          TEXT PRIMARY KEY,
    hash        BLOB NOT NULL UNIQUE,
    document    TEXT NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    -- With whose rights it is asked.
    user_id     INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    label       TEXT NOT NULL,
    -- JSON: filters that whoever looks cannot change.
    locked      TEXT NOT NULL,
    -- The sites that may frame it, as origins separated by blanks.
    sites       TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX embeds_document ON embeds (document);

-- What somebody wants to be told of: a question that is asked again and again, and when its answer is bad news.
CREATE TABLE watches (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL,
    question      TEXT NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    -- With whose rights it is asked.
    user_id       INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- JSON: which column, compared how, with what.
    condition     TEXT NOT NULL,
    every_minutes INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    -- How it went last: nothing before it was asked first.
    asked_at      INTEGER,
    bad           INTEGER,
    said          TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX watches_question ON watches (question);
