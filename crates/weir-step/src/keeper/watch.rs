//! Looking at what a command uses.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::spec::{Ended, KeeperLimits, Over};
use super::tree;

/// The disk is looked at this often at most.
const DISK_EVERY: Duration = Duration::from_millis(200);
/// What a command may write on a disk that is nearly full, whoever filled it.
const A_LITTLE: u64 = 1 << 20;

pub(super) struct Watch {
    limits: KeeperLimits,
    counted: Vec<PathBuf>,
    page: u64,
    tick_ms: u64,
    disk_at: Instant,
    most_memory: u64,
    most_cpu_ms: u64,
}

impl Watch {
    pub(super) fn new(limits: &KeeperLimits, counted: &[PathBuf]) -> Self {
        // SAFETY: takes no pointer.
        let (page, ticks) = unsafe {
            (
                libc::sysconf(libc::_SC_PAGESIZE),
                libc::sysconf(libc::_SC_CLK_TCK),
            )
        };
        Self {
            limits: *limits,
            counted: counted.to_owned(),
            page: u64::try_from(page).unwrap_or(4096),
            tick_ms: 1000 / u64::try_from(ticks).unwrap_or(100).max(1),
            disk_at: Instant::now(),
            most_memory: 0,
            most_cpu_ms: 0,
        }
    }

    /// Returns what is used too much of by what is below `init`.
    pub(super) fn look(&mut self, init: u32) -> Option<Over> {
        let (mut pages, mut ticks, mut threads) = (0, 0, 0);
        for pid in tree::below(init) {
            if let Some(stat) = tree::stat(pid) {
                pages += stat.pages;
                ticks += stat.ticks;
                threads += stat.threads;
            }
        }
        let memory = pages * self.page;
        self.most_memory = self.most_memory.max(memory);
        // What ended children used is in their parents' counts, and goes with those.
        self.most_cpu_ms = self.most_cpu_ms.max(ticks * self.tick_ms);
        over("memory", memory, self.limits.memory)
            .or_else(|| over("cpu", self.most_cpu_ms, self.limits.cpu_ms))
            .or_else(|| over("processes", threads, self.limits.processes))
            .or_else(|| self.disk())
    }

    /// Returns what is used too much of on the disk, now and then.
    fn disk(&mut self) -> Option<Over> {
        let now = Instant::now();
        if now < self.disk_at {
            return None;
        }
        let enough = self.limits.scratch.unwrap_or(A_LITTLE).max(A_LITTLE);
        let used = disk_usage(&self.counted, enough);
        // Counting many files must not cost more than a tenth of the time.
        self.disk_at = Instant::now() + DISK_EVERY.max(now.elapsed() * 10);
        over("scratch", used, self.limits.scratch).or_else(|| self.fills(used))
    }

    /// Returns how little of the disk is free, where that is too little and a command adds to it.
    fn fills(&self, used: u64) -> Option<Over> {
        let least = self.limits.free_disk?;
        let disk = rustix::fs::statvfs(self.counted.first()?).ok()?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        (used >= A_LITTLE && free < least).then(|| Over {
            limit: "free_disk".to_owned(),
            used: free,
            most: least,
        })
    }

    /// Adds what was seen to what the init knows.
    pub(super) fn top_up(&self, ended: &mut Ended) {
        ended.memory = ended.memory.max(self.most_memory);
        ended.cpu_ms = ended.cpu_ms.max(self.most_cpu_ms);
    }
}

/// Returns what is used too much of, where `most` is a bound and less than is used.
fn over(limit: &str, used: u64, most: Option<u64>) -> Option<Over> {
    most.filter(|&most| used > most).map(|most| Over {
        limit: limit.to_owned(),
        used,
        most,
    })
}

/// Returns how many bytes of disk folders take; stops counting beyond `enough`.
pub(crate) fn disk_usage(folders: &[PathBuf], enough: u64) -> u64 {
    let mut folders = folders.to_owned();
    let mut used = 0;
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let Ok(meta) = entry.metadata() else {
                continue;
            };
            if meta.is_dir() {
                folders.push(entry.path());
            }
            used += meta.blocks() * 512;
            if used > enough {
                return used;
            }
        }
    }
    used
}
