-- Who is told of a watch; where nobody is named, everybody. They outlast their watch: that nobody looks any
-- more is told to those who know that something was wrong.
CREATE TABLE watch_receivers (
    watch    TEXT NOT NULL,
    -- As `alerts` in `schedules.yml` names it.
    receiver TEXT NOT NULL,
    PRIMARY KEY (watch, receiver)
) STRICT, WITHOUT ROWID;
