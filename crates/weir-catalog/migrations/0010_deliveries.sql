-- Dashboards that are sent to receivers of schedules.yml by the clock.
CREATE TABLE deliveries (
    id         TEXT PRIMARY KEY,
    dashboard  TEXT NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    -- With whose rights it is asked.
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- JSON: names of receivers, values of filters.
    receivers  TEXT NOT NULL,
    filters    TEXT NOT NULL,
    cron       TEXT NOT NULL,
    zone       TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX deliveries_dashboard ON deliveries (dashboard);
