use std::time::Duration;

use chrono::{TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use super::Rooms;
use crate::error::chain;

/// How often old answers are looked for.
const EVERY: Duration = Duration::from_secs(60 * 60);

/// How long after the start they are looked for first.
const FIRST: Duration = Duration::from_secs(10 * 60);

/// How long an answer is kept that nobody looks at.
const UNUSED: TimeDelta = TimeDelta::days(30);

/// What all answers together may weigh, those that are pinned aside.
const MAX_BYTES: u64 = 20 << 30;

/// How long rows may lie in the lake before the catalog knows of them: longer than any query runs.
const UNKNOWN: TimeDelta = TimeDelta::days(2);

/// Removes old answers until the server stops.
pub(crate) async fn expire_until(rooms: Rooms, shutdown: CancellationToken) {
    // Not at once: a start has enough to do, and the store may be away.
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + FIRST, EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = expire(&rooms).await {
            tracing::warn!(error, "old answers are not removed");
        }
    }
}

async fn expire(rooms: &Rooms) -> Result<(), String> {
    let now = Utc::now();
    let expired = rooms.catalog.expired_results(now - UNUSED, MAX_BYTES);
    for id in expired.await.map_err(|error| chain(&error))? {
        // Forgotten first: rows that nobody knows are found below, a name without rows is not.
        let forgotten = rooms.catalog.forget_result(&id).await;
        forgotten.map_err(|error| chain(&error))?;
        rooms
            .store
            .remove(&id)
            .await
            .map_err(|error| chain(&error))?;
    }
    let old = rooms.store.older_than(now - UNKNOWN).await;
    for id in old.map_err(|error| chain(&error))? {
        let known = rooms.catalog.result(&id).await;
        if known.map_err(|error| chain(&error))?.is_none() {
            rooms
                .store
                .remove(&id)
                .await
                .map_err(|error| chain(&error))?;
        }
    }
    Ok(())
}
