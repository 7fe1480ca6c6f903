//! What the machine has, or the container that is all of it for us.

use weir_core::config::{ByteSize, Config};

/// Memory for queries where nobody can say how much there is.
const UNKNOWN: ByteSize = ByteSize(512 << 20);

/// Less than this does not run a query worth asking.
const LEAST: ByteSize = ByteSize(128 << 20);

/// Returns the bytes of memory there are.
pub(crate) fn memory() -> Option<u64> {
    [machine_memory(), container_memory()]
        .into_iter()
        .flatten()
        .min()
}

/// Returns what all queries together may take: as configured, or a quarter of what there is. The rest is for
/// events, for the system's cache of files, and for what else runs there.
pub(crate) fn memory_of_queries(config: &Config) -> ByteSize {
    config
        .query
        .memory
        .unwrap_or_else(|| memory().map_or(UNKNOWN, |bytes| ByteSize(bytes / 4).max(LEAST)))
}

fn machine_memory() -> Option<u64> {
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = info.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes << 10)
}

fn container_memory() -> Option<u64> {
    std::fs::read_to_string("/sys/fs/cgroup/memory.max")
        .ok()?
        .trim()
        .parse()
        .ok()
}
