-- The latest publication of everything that is published by number: what has one as high is not
-- published again.
CREATE TABLE publish_tokens (
    app TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL,
    publication TEXT NOT NULL
) STRICT, WITHOUT ROWID;
