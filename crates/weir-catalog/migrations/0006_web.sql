-- People who are signed in with a browser. The secret is in their cookie only.
CREATE TABLE sessions (
    hash            BLOB PRIMARY KEY,
    user_id         INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- Of the password they came with: another password ends the session.
    password_set_at INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    seen_at         INTEGER NOT NULL,
    address         TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_user ON sessions (user_id);

-- What people made to be looked at again: questions and dashboards.
CREATE TABLE documents (
    id          TEXT PRIMARY KEY,
    kind        TEXT NOT NULL CHECK (kind IN ('question', 'dashboard')),
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    -- None when the user is gone.
    owner_id    INTEGER REFERENCES users (id) ON DELETE SET NULL,
    owner       TEXT NOT NULL,
    -- Who else: 'private' nobody, 'read' everybody reads, 'edit' everybody who may write changes it.
    sharing     TEXT NOT NULL CHECK (sharing IN ('private', 'read', 'edit')),
    certified   INTEGER NOT NULL DEFAULT 0,
    version     INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    updated_by  TEXT NOT NULL,
    deleted_at  INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX documents_kind ON documents (kind, deleted_at, updated_at);

-- Every state a document was saved in.
CREATE TABLE document_versions (
    document    TEXT NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    version     INTEGER NOT NULL,
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    -- JSON, of the application.
    body        TEXT NOT NULL,
    made_by     TEXT NOT NULL,
    made_at     INTEGER NOT NULL,
    PRIMARY KEY (document, version)
) STRICT, WITHOUT ROWID;

-- Answers that were kept: the rows lie in the lake, under `_results`.
CREATE TABLE results (
    id               TEXT PRIMARY KEY,
    -- What the answer depends on, hashed; none where it may be another one at the next moment.
    identity         BLOB,
    user_id          INTEGER NOT NULL,
    made_by          TEXT NOT NULL,
    question         TEXT,
    question_version INTEGER,
    sql              TEXT NOT NULL,
    -- JSON: the parameters' values, the relations read, the versions of tables, the columns.
    params           TEXT NOT NULL,
    reads            TEXT NOT NULL,
    versions         TEXT NOT NULL,
    columns          TEXT NOT NULL,
    rows             INTEGER NOT NULL,
    bytes            INTEGER NOT NULL,
    elapsed_ms       INTEGER NOT NULL,
    -- Whether rows beyond the limit were left out.
    cut_off          INTEGER NOT NULL,
    -- Nobody but who made it: it holds rows that were chosen for them.
    private          INTEGER NOT NULL,
    pinned           INTEGER NOT NULL DEFAULT 0,
    created_at       INTEGER NOT NULL,
    used_at          INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX results_identity ON results (user_id, identity);
CREATE INDEX results_used ON results (pinned, used_at);
CREATE INDEX results_question ON results (question, created_at);
