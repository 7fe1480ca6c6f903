//! What the machine has, or the container that is all of it for us.

use std::path::Path;

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
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    least_limit(Path::new("/sys/fs/cgroup"), &groups)
}

/// Returns the least limit of the process's control groups and of those around them, in either version's layout
/// (cgroups(7)); inside a container the group's own path need not be there, the root is the container's.
fn least_limit(root: &Path, groups: &str) -> Option<u64> {
    let limits = groups.lines().flat_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, group) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        let (root, file) = match controllers {
            "" => (root.to_path_buf(), "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes")
            }
            _ => return Vec::new(),
        };
        let own = root.join(group.trim_start_matches('/'));
        own.ancestors()
            .take_while(|folder| folder.starts_with(&root))
            .filter_map(|folder| std::fs::read_to_string(folder.join(file)).ok())
            .filter_map(|text| text.trim().parse::<u64>().ok())
            .collect()
    });
    limits.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_limit_of_the_groups_around_the_process_counts() {
        let root = tempfile::tempdir().expect("a folder");
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, text).expect("written");
        };
        assert_eq!(least_limit(root.path(), "0::/\n"), None);

        // Version 2: `max` is no limit, and a group around may have a smaller one.
        put("a.slice/memory.max", "2000\n");
        put("a.slice/b.service/memory.max", "max\n");
        assert_eq!(
            least_limit(root.path(), "0::/a.slice/b.service\n"),
            Some(2000)
        );
        // In a container the path is often that of the host.
        put("memory.max", "1000\n");
        assert_eq!(least_limit(root.path(), "0::/docker/abc\n"), Some(1000));

        // Version 1.
        put("memory/docker/abc/memory.limit_in_bytes", "3000\n");
        put("memory/memory.limit_in_bytes", "9223372036854771712\n");
        let groups = "12:cpu,cpuacct:/docker/abc\n11:memory:/docker/abc\n";
        assert_eq!(least_limit(root.path(), groups), Some(3000));
    }
}
