//! Full disks refuse events and lose none; what is let go of was synced before.

use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use serde_json::json;
use weir_testkit::{Context, Load, Result, Weir, bail, ensure, until};

use crate::crash::{check, options};
use crate::syscalls;

const BINARY: &str = env!("CARGO_BIN_EXE_weir");

/// A small disk of its own.
struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    /// Mounts a disk of 64 MB, which takes root.
    fn mount() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"])
            .arg(folder.path());
        let output = mount.output().context("cannot run mount")?;
        ensure!(
            output.status.success(),
            "cannot mount a small disk, which this test needs (as root, or in `unshare -rm`): {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(Self { folder })
    }

    fn ballast(&self) -> PathBuf {
        self.folder.path().join("ballast")
    }

    /// Takes up to `megabytes` of the disk away; all that is free when it is less.
    fn fill(&self, megabytes: usize) -> Result<()> {
        let mut file = File::create(self.ballast())?;
        for _ in 0..megabytes * 16 {
            if file.write_all(&[0; 65_536]).is_err() {
                break;
            }
        }
        Ok(())
    }

    fn free(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.ballast())?)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a failed test may leave a server behind that is being killed.
        let _ = Command::new("umount")
            .arg("-l")
            .arg(self.folder.path())
            .status();
    }
}

/// Sends one event and returns the status; an acknowledged one is added to `acknowledged`.
pub(crate) async fn single(
    weir: &Weir,
    n: usize,
    acknowledged: &mut HashSet<String>,
) -> Result<u16> {
    let id = format!("single-{n}");
    let event = json!({
        "type": "track", "event": "Order Completed", "messageId": id, "anonymousId": "someone",
        "properties": {"revenue": 1.5},
    });
    let (status, _) = weir.post("/v1/batch", &json!({"batch": [event]})).await?;
    if status == 200 {
        acknowledged.insert(id);
    }
    Ok(status)
}

/// Fills the disk under load, asks, frees it, and counts.
async fn full_disk(min_free: &str) -> Result<()> {
    let disk = Disk::mount()?;
    // What is left is little, so that it is full soon.
    disk.fill(44)?;
    let mut weir = Weir::init_at(BINARY, &disk.folder.path().join("project"))?;
    weir.set("WEIR_FLUSH_INTERVAL", "500ms")
        .set("WEIR_WAL_SEGMENT_SIZE", "2MB")
        .set("WEIR_WAL_MIN_FREE", min_free);
    weir.start().await?;
    let load = Load::start(weir.url(), &weir.key, &options("full"))?;
    let mut acknowledged = HashSet::new();
    let mut n = 0;
    let mut refused = 0;
    // Refusals in a row, so that it is not one segment's end.
    while refused < 20 {
        n += 1;
        match single(&weir, n, &mut acknowledged).await? {
            200 => refused = 0,
            503 => refused += 1,
            429 => {}
            status => bail!("a full disk is told with {status}"),
        }
    }
    let while_full = weir.count("select count(*) from raw_app.events").await?;
    ensure!(while_full > 0, "queries go on");
    let acknowledged_by_load = load.stop().await?;
    acknowledged.extend(acknowledged_by_load);

    disk.free()?;
    until(|| {
        n += 1;
        let event = json!({
            "type": "track", "event": "Order Completed", "messageId": format!("again-{n}"),
            "anonymousId": "someone", "properties": {"revenue": 1.5},
        });
        let weir = &weir;
        async move { Ok(weir.send(&[event]).await?.then_some(n)) }
    })
    .await
    .map(|n| acknowledged.insert(format!("again-{n}")))
    .context("events to be taken again")?;
    weir.flush().await?;
    check(&weir, &acknowledged).await?;
    weir.stop().await?;
    weir.start().await?;
    check(&weir, &acknowledged).await?;
    weir.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nearly_full_disk_refuses_and_recovers() -> Result<()> {
    full_disk("256MB").await
}

/// Without the reserve the disk really has no byte left, in the middle of a write.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_and_recovers() -> Result<()> {
    full_disk("0").await
}

/// Watches the system calls: files are synced before they have their name, and the directories that
/// name them before the log that had their rows goes.
#[tokio::test(flavor = "multi_thread")]
async fn files_are_synced_before_the_log_goes() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let trace = folder.path().join("trace");
    let mut weir = Weir::init(BINARY)?;
    weir.set("WEIR_FLUSH_INTERVAL", "300ms")
        .set("WEIR_WAL_SEGMENT_SIZE", "1MB")
        .set("WEIR_MAINTENANCE_COMPACTION", "false");
    let calls = "trace=fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,unlinkat,openat,creat,mkdir,mkdirat";
    // As a grandchild (-D), so that the server's process id is the server's.
    let strace = [
        "strace", "-D", "-f", "-q", "-y", "-s", "4096", "-e", calls, "-o",
    ];
    let trace_path = trace.to_str().context("a path of text")?;
    weir.start_under(&[&strace[..], &[trace_path]].concat())
        .await
        .context("start under strace, which tests/clients/setup installs")?;
    let pid = weir.pid().context("a process")?;
    let load = Load::start(weir.url(), &weir.key, &options("trace"))?;
    until(|| async { Ok((load.count() >= 20_000).then_some(())) }).await?;
    let acknowledged = load.stop().await?;
    weir.flush().await?;
    weir.stop().await?;

    let end = format!("{pid} +++ exited with 0 +++");
    let text = until(|| async {
        let text = std::fs::read_to_string(&trace).unwrap_or_default();
        let ended = text
            .lines()
            .any(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") == end);
        Ok(ended.then_some(text))
    })
    .await
    .context("the trace to end")?;
    let proof = syscalls::prove(&text, weir.dir())?;
    ensure!(
        proof.segments >= 2,
        "{} segments of the log went",
        proof.segments
    );
    ensure!(proof.data_files >= 4 && proof.commits >= 4, "{proof:?}");
    ensure!(proof.folders >= 6, "{proof:?}");
    weir.start().await?;
    check(&weir, &acknowledged).await?;
    weir.stop().await
}
