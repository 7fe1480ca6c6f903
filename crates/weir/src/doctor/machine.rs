use std::time::SystemTime;

use rustix::process::{Resource, getrlimit};
use weir_core::config::Config;

use super::Finding;
use super::disk::human;
use crate::machine;

/// Seconds since the epoch before which no clock can be right: the year this was written.
const PAST: u64 = 1_767_225_600;
/// Files that are open besides connections: segments, tables, the catalog, queries.
const OTHER_FILES: u64 = 512;

/// The clock, open files and memory.
pub(super) fn examine(config: &Config) -> Vec<Finding> {
    [Some(clock()), Some(open_files(config)), memory(config)]
        .into_iter()
        .flatten()
        .collect()
}

fn clock() -> Finding {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let shown = chrono::Utc::now().format("%Y-%m-%d %H:%M:%S UTC");
    if now.as_secs() < PAST {
        return Finding::wrong(
            "clock",
            format!("{shown} lies before this Weir was made"),
            "set the clock, and keep it right with NTP (chrony or systemd-timesyncd)",
        );
    }
    Finding::good("clock", shown.to_string())
}

fn open_files(config: &Config) -> Finding {
    let needed = config.server.max_connections as u64 + OTHER_FILES;
    match getrlimit(Resource::Nofile).maximum {
        Some(limit) if limit < needed => Finding::doubtful(
            "open files",
            format!("at most {limit}, and `server.max_connections` needs {needed}"),
            "raise the limit (`LimitNOFILE=` in systemd, `ulimit -Hn`), or lower the connections",
        ),
        Some(limit) => Finding::good("open files", format!("at most {limit}")),
        None => Finding::good("open files", "no limit"),
    }
}

/// Compares what Weir may take with what the machine, or its container, has.
fn memory(config: &Config) -> Option<Finding> {
    let available = machine::memory()?;
    let queries = machine::memory_of_queries(config);
    let wanted = config.hot.limit.bytes() + queries.bytes();
    let found = format!(
        "{} in all; rows in memory may take {}, queries {}",
        human(available),
        config.hot.limit,
        human(queries.bytes())
    );
    // Batches in flight, caches and the allocator's slack come on top.
    if wanted * 3 / 2 > available {
        let fix = "lower `query.memory` or `hot.limit`, or give the machine more memory";
        return Some(Finding::doubtful("memory", found, fix));
    }
    Some(Finding::good("memory", found))
}
