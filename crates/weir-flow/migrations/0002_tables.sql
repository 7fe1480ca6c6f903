-- What tables were like when they were last looked at: a table that is different gets the next number.
CREATE TABLE table_states (
    table_name TEXT PRIMARY KEY,
    version    INTEGER NOT NULL,
    -- In the words of whoever looks.
    state      TEXT NOT NULL
) STRICT, WITHOUT ROWID;
