use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use weir_lake::LakeStatus;

use crate::Services;

/// Rows that are refused because there is no room are a burst, unless none were committed for this long.
const STUCK: Duration = Duration::from_secs(60);

#[derive(Serialize)]
pub(crate) struct Ready {
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Why rows are refused for now, with 429; senders try again.
    #[serde(skip_serializing_if = "Option::is_none")]
    refusing: Option<String>,
    oldest_uncommitted_seconds: f64,
    /// Tables of the lake whose logs are damaged: asking them is an error, all others work.
    unreadable_tables: u64,
    /// Whether something works less well than it should, while rows are taken.
    degraded: bool,
    /// Sources that are not read, by name.
    failing_sources: Vec<String>,
    /// Sources of which something is older than their files allow.
    stale_sources: Vec<String>,
}

/// The process answers: nothing else is asked of liveness, or a full disk would get it restarted.
pub(crate) async fn live() -> &'static str {
    "live\n"
}

/// The lake takes rows and shows all it has.
pub(crate) async fn ready(State(services): State<Services>) -> (StatusCode, Json<Ready>) {
    let status = services.lake.status();
    let oldest_uncommitted = oldest_uncommitted(&status);
    let refusing = services.lake.admits().err().map(|error| error.to_string());
    let stuck = oldest_uncommitted > STUCK;
    let reason = if !status.writable {
        Some("the log cannot be written".to_owned())
    } else if status.recovering {
        Some("the log is being read again after a start".to_owned())
    } else {
        refusing.clone().filter(|_| stuck)
    };
    let code = if reason.is_none() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let sources = services.extracts.attention();
    let is_well = sources.failing.is_empty() && sources.stale.is_empty();
    (
        code,
        Json(Ready {
            ready: reason.is_none(),
            reason,
            oldest_uncommitted_seconds: oldest_uncommitted.as_secs_f64(),
            unreadable_tables: status.unreadable_tables,
            degraded: refusing.is_some() || !is_well || status.unreadable_tables > 0,
            refusing,
            failing_sources: sources.failing,
            stale_sources: sources.stale,
        }),
    )
}

/// Returns how long the oldest row outside the files may have waited: the time since the last
/// commit, if there is such a row.
pub(crate) fn oldest_uncommitted(status: &LakeStatus) -> Duration {
    if status.visible <= status.committed {
        return Duration::ZERO;
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    match status.last_commit_ms {
        0 => Duration::ZERO,
        last => now.saturating_sub(Duration::from_millis(last)),
    }
}
