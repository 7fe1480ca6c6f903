-- What is said about a view and its columns, as JSON; tables keep theirs in their own logs.
ALTER TABLE views ADD COLUMN comments TEXT NOT NULL DEFAULT '{}';
