use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use weir_core::config::{ByteSize, Config};

use super::Finding;
use crate::project::Project;

/// Syncs that are measured.
const SYNCS: usize = 60;
/// No disk that keeps what it is told to sync answers faster than this; those with a battery or a
/// capacitor come close.
const SUSPICIOUS: Duration = Duration::from_micros(15);
/// Group commits this slow make every acknowledgement slow.
const SLOW: Duration = Duration::from_millis(50);

/// Magic numbers of file systems that live in memory, from `statfs(2)`.
const TMPFS: i64 = 0x0102_1994;
const RAMFS: i64 = 0x8584_58f6;
/// Network file systems, where a lock file does not keep two servers apart.
const NFS: i64 = 0x6969;
const SMB2: i64 = 0xfe53_4d42;
const FUSE: i64 = 0x6573_5546;

/// Whether secrets are for the owner's eyes only.
pub(super) fn private_files(project: &Project) -> Vec<Finding> {
    let state = project.state_dir();
    let paths = [
        (state.clone(), 0o077),
        (project.catalog_path(), 0o077),
        (project.token_path(), 0o077),
    ];
    let open: Vec<String> = paths
        .iter()
        .filter(|(path, others)| {
            path.metadata()
                .is_ok_and(|meta| meta.permissions().mode() & others != 0)
        })
        .map(|(path, _)| path.display().to_string())
        .collect();
    if !state.exists() {
        return vec![Finding::good("private files", "none yet")];
    }
    if open.is_empty() {
        return vec![Finding::good(
            "private files",
            "readable by their owner only",
        )];
    }
    vec![Finding::wrong(
        "private files",
        format!("others can read {}", open.join(", ")),
        format!("chmod -R go= {}", state.display()),
    )]
}

/// Space, kind and honesty of the log's disk.
pub(super) fn log_disk(dir: &Path, config: &Config) -> Vec<Finding> {
    if let Err(error) = std::fs::create_dir_all(dir) {
        return vec![Finding::wrong(
            "log folder",
            format!("`{}` cannot be made: {error}", dir.display()),
            "give the user that runs Weir the right to write there, or set `wal.dir`",
        )];
    }
    let mut findings = Vec::new();
    findings.extend(file_system(dir));
    findings.extend(space(dir, config));
    findings.push(match measure_syncs(dir) {
        Err(error) => Finding::wrong(
            "log sync",
            format!("`{}` cannot be written: {error}", dir.display()),
            "give the user that runs Weir the right to write there, or set `wal.dir`",
        ),
        Ok(times) => judge_syncs(&times),
    });
    findings
}

fn file_system(dir: &Path) -> Option<Finding> {
    #[allow(
        clippy::useless_conversion,
        reason = "the field's type is another on other platforms"
    )]
    let kind = i64::from(rustix::fs::statfs(dir).ok()?.f_type);
    Some(match kind & 0xffff_ffff {
        TMPFS | RAMFS => Finding::wrong(
            "log disk",
            "the log lies in memory: a restart of the machine loses acknowledged rows",
            "set `wal.dir` to a folder on a disk",
        ),
        NFS | SMB2 => Finding::doubtful(
            "log disk",
            "the log lies on a network file system: syncs and locks are only as good as its server",
            "set `wal.dir` to a folder on a local disk",
        ),
        FUSE => Finding::doubtful(
            "log disk",
            "the log lies on a FUSE file system, which decides itself what a sync means",
            "set `wal.dir` to a folder on a local disk",
        ),
        _ => Finding::good("log disk", dir.display().to_string()),
    })
}

fn space(dir: &Path, config: &Config) -> Option<Finding> {
    let stat = rustix::fs::statvfs(dir).ok()?;
    let free = stat.f_bavail * stat.f_frsize;
    let human = human(free);
    let needed = config.wal.min_free.bytes();
    Some(if free < needed {
        Finding::wrong(
            "disk space",
            format!(
                "{human} free, and below {} events are refused",
                config.wal.min_free
            ),
            "free some space, or move `wal.dir`",
        )
    } else if free < config.wal.max_size.bytes() {
        Finding::doubtful(
            "disk space",
            format!(
                "{human} free, less than the log may take ({})",
                config.wal.max_size
            ),
            "free some space, or lower `wal.max_size`",
        )
    } else {
        Finding::good("disk space", format!("{human} free"))
    })
}

/// Times small appends that are synced, as the log does them.
fn measure_syncs(dir: &Path) -> std::io::Result<Vec<Duration>> {
    let probe = Probe::create(dir)?;
    let mut file = &probe.file;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        file.write_all(&[0x5a; 4096])?;
        let start = Instant::now();
        file.sync_data()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(times)
}

fn judge_syncs(times: &[Duration]) -> Finding {
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    let (median, slow) = (at(50), at(95));
    let found = format!("{SYNCS} syncs: median {median:.1?}, 95th percentile {slow:.1?}");
    if median < SUSPICIOUS {
        let found =
            format!("{found}: too fast to be true; this disk may not keep what it is told to sync");
        let fix = "check that write barriers are on and that the disk's cache is protected; \
                   virtual machines often map a sync to nothing";
        return Finding::doubtful("log sync", found, fix);
    }
    if slow > SLOW {
        let found = format!("{found}: every acknowledgement waits for one");
        return Finding::doubtful("log sync", found, "set `wal.dir` to a faster disk");
    }
    Finding::good("log sync", found)
}

/// A file that is gone when the probe is over.
struct Probe {
    file: File,
    path: PathBuf,
}

impl Probe {
    fn create(dir: &Path) -> std::io::Result<Self> {
        let path = dir.join(format!("doctor-{}.probe", std::process::id()));
        let file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .open(&path)?;
        Ok(Self { file, path })
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Writes a number of bytes for people.
pub(super) fn human(bytes: u64) -> String {
    let units = [("TB", 40), ("GB", 30), ("MB", 20), ("KB", 10)];
    match units.iter().find(|(_, shift)| bytes >> shift > 0) {
        Some((unit, shift)) => format!("{:.1} {unit}", bytes as f64 / (1u64 << shift) as f64),
        None => ByteSize(bytes).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn syncs_are_judged_by_what_they_can_mean() {
        let verdict = |micros: u64| judge_syncs(&[Duration::from_micros(micros); SYNCS]).verdict;

        assert_eq!(verdict(2), Verdict::Doubtful);
        assert_eq!(verdict(2_000), Verdict::Good);
        assert_eq!(verdict(80_000), Verdict::Doubtful);
    }
}
