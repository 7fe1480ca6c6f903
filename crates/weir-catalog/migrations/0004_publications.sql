-- What was published together: for taking back what was cut off, and for going back later.
CREATE TABLE publications (
    id TEXT PRIMARY KEY,
    published_by TEXT NOT NULL,
    -- 'begun' until all of it can be seen; 'published'; 'undone' when it was cut off and taken back.
    state TEXT NOT NULL CHECK (state IN ('begun', 'published', 'undone')),
    begun_at INTEGER NOT NULL,
    published_at INTEGER,
    -- JSON: what the publisher says it is.
    about TEXT NOT NULL,
    -- JSON: tables with the versions before and after, views with the queries before and after.
    tables TEXT NOT NULL,
    views TEXT NOT NULL
) STRICT;

CREATE INDEX publications_begun ON publications (begun_at);

-- What a table or view was built from, so that it need not be built again.
CREATE TABLE builds (
    schema TEXT NOT NULL,
    name TEXT NOT NULL,
    publication TEXT NOT NULL,
    -- JSON, of the builder.
    build TEXT NOT NULL,
    PRIMARY KEY (schema, name)
) STRICT;
