-- Who has taken what a run sends: after a crash they are not sent it again.
CREATE TABLE delivery_receipts (
    delivery TEXT NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
    run      INTEGER NOT NULL,
    -- As `alerts` in `schedules.yml` names it.
    receiver TEXT NOT NULL,
    PRIMARY KEY (delivery, run, receiver)
) STRICT, WITHOUT ROWID;
