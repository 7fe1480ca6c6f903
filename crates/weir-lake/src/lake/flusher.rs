//! The thread that writes rows into files and commits them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::FlushRequest;
use super::start::Start;
use super::status::Progress;
use crate::flush::{Flusher, report};
use crate::options::LakeOptions;

/// Starts the thread that writes rows into files. With `start`, it first waits for the store, to learn
/// what the tables hold.
pub(super) fn spawn_flusher(
    mut flusher: Flusher,
    start: Option<Start>,
    mut requests: mpsc::Receiver<FlushRequest>,
    options: LakeOptions,
    progress: Arc<Progress>,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::Builder::new()
        .name("weir-flush".into())
        .spawn(move || {
            runtime.block_on(async move {
                if let Some(start) = start
                    && !start.wait(&mut flusher, &mut requests, &progress).await
                {
                    return;
                }
                const TICK: Duration = Duration::from_millis(200);
                let mut last_commit = Instant::now();
                let mut retry_at = Instant::now();
                loop {
                    let request = tokio::time::timeout(TICK, requests.recv()).await;
                    progress
                        .disk_full
                        .store(disk_full(&options), Ordering::Relaxed);
                    let result = match request {
                        Ok(None) => return,
                        Ok(Some(Some(done))) => {
                            let result = flusher.flush().await;
                            let copy = result.as_ref().copied().map_err(|_| ());
                            let _ = done.send(result);
                            if copy.is_ok() {
                                last_commit = Instant::now();
                            }
                            Some(copy)
                        }
                        _ if Instant::now() < retry_at => None,
                        _ => {
                            let due = last_commit.elapsed() >= options.flush_interval;
                            let large = flusher.hot.bytes() >= options.flush_bytes;
                            let result = match (due, large) {
                                (true, _) => Some(flusher.flush().await),
                                (false, true) => Some(flusher.stage().await),
                                _ => None,
                            };
                            // Only by a commit: a file written meanwhile must not put it off.
                            if due && result.as_ref().is_some_and(Result::is_ok) {
                                last_commit = Instant::now();
                            }
                            result.map(|r| r.map_err(|error| report(&error)))
                        }
                    };
                    match result {
                        Some(Ok(_)) => {
                            progress.flushes.fetch_add(1, Ordering::Relaxed);
                        }
                        Some(Err(())) => {
                            progress.failures.fetch_add(1, Ordering::Relaxed);
                            retry_at = Instant::now() + Duration::from_secs(1);
                        }
                        None => {}
                    }
                    let unreadable = flusher.unreadable.len() as u64;
                    progress.unreadable.store(unreadable, Ordering::Relaxed);
                    if progress
                        .committed
                        .swap(flusher.committed.0, Ordering::Relaxed)
                        != flusher.committed.0
                    {
                        let now = chrono::Utc::now().timestamp_millis().max(0) as u64;
                        progress.last_commit_ms.store(now, Ordering::Relaxed);
                    }
                }
            });
        })?;
    Ok(())
}

/// Tells whether the log's disk has too little room left to be safe.
fn disk_full(options: &LakeOptions) -> bool {
    let Ok(disk) = rustix::fs::statvfs(&options.wal_dir) else {
        return false;
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let total = disk.f_blocks.saturating_mul(disk.f_frsize);
    free < options.min_free_bytes.min(total / 20)
}
