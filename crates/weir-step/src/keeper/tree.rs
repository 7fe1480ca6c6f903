//! Processes and what is below them.

use std::collections::BTreeMap;
use std::path::Path;

/// Returns the children of a process, of all its threads.
pub(super) fn children(pid: u32) -> Vec<u32> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let mut children = Vec::new();
    for thread in threads.flatten() {
        match std::fs::read_to_string(thread.path().join("children")) {
            Ok(text) => children.extend(
                text.split_whitespace()
                    .filter_map(|pid| pid.parse::<u32>().ok()),
            ),
            // This kernel does not tell; all processes say who their parent is.
            Err(_) => return children_by_parent(pid),
        }
    }
    children
}

fn children_by_parent(parent: u32) -> Vec<u32> {
    let mut children = Vec::new();
    for pid in pids() {
        if stat(pid).is_some_and(|stat| stat.parent == parent) {
            children.push(pid);
        }
    }
    children
}

fn pids() -> impl Iterator<Item = u32> {
    let listed = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    listed.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Returns everything below a process, without it.
pub(super) fn below(pid: u32) -> Vec<u32> {
    let mut found = children(pid);
    let mut next = 0;
    while let Some(&pid) = found.get(next) {
        found.extend(children(pid));
        next += 1;
        // A tree that grows while it is read is ended by other means.
        if found.len() > 100_000 {
            break;
        }
    }
    found
}

/// What `/proc/<pid>/stat` says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stat {
    pub(super) parent: u32,
    /// Ticks of the CPU, with those of children that have ended.
    pub(super) ticks: u64,
    pub(super) threads: u64,
    /// In ticks since the machine was started: with the pid, this names a process for good.
    pub(super) start: u64,
    pub(super) pages: u64,
}

pub(super) fn stat(pid: u32) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program is in parentheses and may contain anything.
    let after = &text[text.rfind(')')? + 1..];
    let words: Vec<&str> = after.split_whitespace().collect();
    // The first word here is the third field of proc(5).
    let number = |field: usize| words.get(field - 3)?.parse::<u64>().ok();
    Some(Stat {
        parent: u32::try_from(number(4)?).ok()?,
        ticks: number(14)? + number(15)? + number(16)? + number(17)?,
        threads: number(20)?,
        start: number(22)?,
        pages: number(24)?,
    })
}

pub(super) fn signal(pid: u32, signal: i32) {
    if let Ok(pid) = i32::try_from(pid)
        && pid > 0
    {
        // SAFETY: takes no pointer. Children that were not waited for keep their pid.
        unsafe { libc::kill(pid, signal) };
    }
}

/// Signals everything below a process, not itself.
pub(super) fn signal_below(pid: u32, number: i32) {
    for pid in below(pid) {
        signal(pid, number);
    }
}

/// Ends a process and everything below it.
pub(super) fn kill_all(pid: u32) {
    // What is below first stops, so that nothing is begun while the rest ends.
    let found = below(pid);
    for &pid in &found {
        signal(pid, libc::SIGSTOP);
    }
    signal(pid, libc::SIGKILL);
    for pid in found {
        signal(pid, libc::SIGKILL);
    }
}

/// Returns when a process was started, in ticks since the machine was; none when it is no more.
pub(crate) fn process_start(pid: u32) -> Option<u64> {
    stat(pid).map(|stat| stat.start)
}

/// Returns processes in whose environment `mark` is, with when they were started.
pub(crate) fn processes_with_mark(mark: &str) -> BTreeMap<u32, u64> {
    let mut found = BTreeMap::new();
    for pid in pids() {
        let environment = std::fs::read(Path::new("/proc").join(pid.to_string()).join("environ"));
        let has = environment.is_ok_and(|bytes| {
            bytes
                .split(|&byte| byte == 0)
                .any(|variable| variable == mark.as_bytes())
        });
        if has && let Some(start) = process_start(pid) {
            found.insert(pid, start);
        }
    }
    found
}
