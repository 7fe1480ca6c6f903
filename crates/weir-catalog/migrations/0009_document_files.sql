-- Dashboards and questions that lie in the project's folder as well, and what both were like when they
-- last agreed.
CREATE TABLE document_files (
    document TEXT PRIMARY KEY REFERENCES documents (id) ON DELETE CASCADE,
    -- From the project's folder.
    path     TEXT NOT NULL UNIQUE,
    version  INTEGER NOT NULL,
    -- Of the file's text.
    hash     BLOB NOT NULL
) STRICT, WITHOUT ROWID;
