use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender};
use fail::fail_point;
use tokio::sync::oneshot;
use tracing::{error, info};
use weir_core::Seq;

use super::Recovered;
use super::frame::{HEADER, write_frame};
use super::segment::{Segments, create_segment};
use crate::error::{AppendError, AppendErrorKind};
use crate::plant::planted;

/// The largest payload of one record; well above the largest request Weir accepts.
pub(crate) const MAX_PAYLOAD: usize = 64 << 20;
/// How many bytes one sync may cover, so that the first waiter is not kept by the last.
const GROUP_BYTES: usize = 8 << 20;

/// How much of a segment is written with zeros ahead of its records. A sync of what is written over is
/// that of its bytes: a file that grows has its length and its map of blocks written, too, in several
/// steps that threads of the kernel take one after the other.
const AHEAD: usize = 1 << 20;
/// Groups from this size on are appended as they are: one sync is for many of their records.
const LARGE: usize = 128 << 10;

/// How a log is kept.
#[derive(Clone, Debug)]
pub(crate) struct WalOptions {
    pub(crate) dir: PathBuf,
    /// A segment is closed once it is this large.
    pub(crate) segment_bytes: u64,
}

/// A record that is on disk.
pub(crate) struct Durable {
    pub(crate) first: Seq,
    pub(crate) rows: u32,
    pub(crate) payload: Vec<u8>,
}

struct Append {
    rows: u32,
    payload: Vec<u8>,
    done: oneshot::Sender<Result<Seq, AppendError>>,
}

/// The log, open for appending.
pub(crate) struct Wal {
    queue: Sender<Append>,
    segments: Arc<Segments>,
    stats: Arc<WalStats>,
    thread: Option<JoinHandle<()>>,
}

/// Counters of the log since the process started.
#[derive(Default)]
pub(crate) struct WalStats {
    pub(crate) syncs: AtomicU64,
    pub(crate) records: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) sync_micros: AtomicU64,
    pub(crate) failures: AtomicU64,
    /// The last append failed and none has succeeded since.
    pub(crate) broken: AtomicBool,
}

impl Wal {
    /// Starts the writing thread after `recovered`; `durable` gets each record once it is safe.
    pub(crate) fn start(
        options: WalOptions,
        recovered: Recovered,
        durable: Sender<Durable>,
    ) -> io::Result<Self> {
        let (queue, requests) = crossbeam_channel::bounded(16 * 1024);
        let segments = Arc::new(Segments::new(recovered.segments));
        let stats = Arc::new(WalStats::default());
        let mut writer = Writer {
            options,
            segments: segments.clone(),
            stats: stats.clone(),
            active: None,
            next: recovered.next.max(Seq(1)),
            buffer: Vec::new(),
        };
        // A segment of its own for each start: nothing is appended behind a tail we did not write.
        writer.rotate()?;
        let thread = std::thread::Builder::new()
            .name("weir-wal".into())
            .spawn(move || writer.run(&requests, &durable))?;
        Ok(Self {
            queue,
            segments,
            stats,
            thread: Some(thread),
        })
    }

    /// Appends a record of `rows` rows; returns its first position once it is durable.
    pub(crate) async fn append(&self, rows: u32, payload: Vec<u8>) -> Result<Seq, AppendError> {
        let (done, answer) = oneshot::channel();
        let full = || {
            AppendError::new(
                AppendErrorKind::Full {
                    retry_after: std::time::Duration::from_secs(1),
                },
                "too many requests wait for the disk",
            )
        };
        self.queue
            .try_send(Append {
                rows,
                payload,
                done,
            })
            .map_err(|_| full())?;
        answer.await.unwrap_or_else(|_| {
            Err(AppendError::new(
                AppendErrorKind::Unavailable,
                "the log is closed",
            ))
        })
    }

    pub(crate) fn segments(&self) -> &Arc<Segments> {
        &self.segments
    }

    pub(crate) fn stats(&self) -> &Arc<WalStats> {
        &self.stats
    }

    /// Writes what waits and stops the thread.
    pub(crate) fn close(&mut self) {
        let (closed, _) = crossbeam_channel::bounded(0);
        drop(std::mem::replace(&mut self.queue, closed));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Writer {
    options: WalOptions,
    segments: Arc<Segments>,
    stats: Arc<WalStats>,
    /// The segment being written; none after a failure.
    active: Option<Active>,
    next: Seq,
    buffer: Vec<u8>,
}

struct Active {
    file: File,
    /// Where its records end.
    len: u64,
    /// Where the zeros behind them end; not before `len`.
    ahead: u64,
}

impl Active {
    /// Writes `bytes` behind the records, which they become part of once they are durable.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let end = self.len + bytes.len() as u64;
        self.file.write_all_at(bytes, self.len)?;
        if end <= self.ahead {
            return Ok(());
        }
        self.ahead = end;
        if bytes.len() < LARGE {
            static ZEROS: [u8; AHEAD] = [0; AHEAD];
            match self.file.write_all_at(&ZEROS, end) {
                Ok(()) => self.ahead = end + AHEAD as u64,
                // A disk that is full is no reason to refuse what it had room for.
                Err(_) => self.file.set_len(end)?,
            }
        }
        Ok(())
    }

    /// Takes the zeros away. They do no harm where that fails: a segment ends where only zeros follow.
    fn end(&self) {
        if self.ahead > self.len {
            let _ = self.file.set_len(self.len);
        }
    }
}

impl Writer {
    fn run(&mut self, requests: &Receiver<Append>, durable: &Sender<Durable>) {
        while let Ok(first) = requests.recv() {
            let mut bytes = first.payload.len();
            let mut group = vec![first];
            // Everything that waits now shares the next sync; there is no delay to gather more.
            while bytes < GROUP_BYTES {
                let Ok(append) = requests.try_recv() else {
                    break;
                };
                bytes += append.payload.len();
                group.push(append);
            }
            self.write(group, durable);
        }
        if let Some(active) = &self.active {
            active.end();
        }
    }

    fn write(&mut self, mut group: Vec<Append>, durable: &Sender<Durable>) {
        let start = self.next;
        let mut seq = start;
        self.buffer.clear();
        for append in &group {
            write_frame(&mut self.buffer, seq, append.rows, &append.payload);
            seq = seq.plus(u64::from(append.rows));
        }
        if planted("plant-early-ack") {
            let mut first = start;
            for append in &mut group {
                let done = std::mem::replace(&mut append.done, oneshot::channel().0);
                let _ = done.send(Ok(first));
                first = first.plus(u64::from(append.rows));
            }
        }
        let began = Instant::now();
        match self.write_and_sync() {
            Ok(()) => {
                if self.stats.broken.swap(false, Ordering::Relaxed) {
                    info!("log writable again");
                }
                self.stats.syncs.fetch_add(1, Ordering::Relaxed);
                self.stats
                    .records
                    .fetch_add(group.len() as u64, Ordering::Relaxed);
                self.stats
                    .bytes
                    .fetch_add(self.buffer.len() as u64, Ordering::Relaxed);
                let micros = began.elapsed().as_micros() as u64;
                self.stats.sync_micros.fetch_add(micros, Ordering::Relaxed);
            }
            Err(error) => {
                self.fail(&error, group);
                return;
            }
        }
        self.next = seq;
        let mut first = start;
        for Append {
            rows,
            payload,
            done,
        } in group
        {
            let _ = durable.send(Durable {
                first,
                rows,
                payload,
            });
            let _ = done.send(Ok(first));
            first = first.plus(u64::from(rows));
        }
        if self.buffer.capacity() > 4 * GROUP_BYTES {
            self.buffer = Vec::new();
        }
    }

    fn write_and_sync(&mut self) -> io::Result<()> {
        let full = self
            .active
            .as_ref()
            .is_none_or(|active| active.len >= self.options.segment_bytes);
        if full {
            self.rotate()?;
        }
        let Some(active) = self.active.as_mut() else {
            return Err(io::Error::other("no segment is open"));
        };
        fail_point!("wal-write", |_| Err(io::Error::other(
            "failpoint wal-write"
        )));
        active.write(&self.buffer)?;
        fail_point!("wal-sync", |_| Err(io::Error::other("failpoint wal-sync")));
        if !planted("plant-no-sync") {
            active.file.sync_data()?;
        }
        fail_point!("wal-synced");
        active.len += self.buffer.len() as u64;
        self.segments.grow(active.len);
        Ok(())
    }

    /// Answers a failed group and makes sure none of it can come back.
    fn fail(&mut self, error: &io::Error, group: Vec<Append>) {
        self.stats.failures.fetch_add(1, Ordering::Relaxed);
        if !self.stats.broken.swap(true, Ordering::Relaxed) {
            error!(%error, "cannot write the log; refusing rows until it works again");
        }
        // After a failed sync the kernel may have dropped the pages and would report success next
        // time, so this file is given up. The next segment begins with the same position, which
        // voids whatever of the group reached the disk.
        if let Some(Active { file, len, .. }) = self.active.take() {
            let _ = file.set_len(len);
            let _ = file.sync_all();
        }
        for append in group {
            let reason = format!("the log cannot be written: {error}");
            let _ = append
                .done
                .send(Err(AppendError::new(AppendErrorKind::Unavailable, reason)));
        }
    }

    fn rotate(&mut self) -> io::Result<()> {
        fail_point!("wal-rotate", |_| Err(io::Error::other(
            "failpoint wal-rotate"
        )));
        let (file, segment) = create_segment(&self.options.dir, self.next)?;
        if let Some(full) = self.active.take() {
            full.end();
        }
        self.active = Some(Active {
            file,
            len: segment.bytes,
            ahead: segment.bytes,
        });
        self.segments.push(segment);
        Ok(())
    }
}

/// Bytes a record of this payload takes in the log.
pub(crate) fn record_bytes(payload: usize) -> u64 {
    (HEADER + payload) as u64
}

/// Reads the position up to which everything is in the tables; zero when none is known.
pub(crate) fn read_checkpoint(dir: &Path) -> Seq {
    let text = std::fs::read_to_string(dir.join("checkpoint")).unwrap_or_default();
    Seq(text.trim().parse().unwrap_or(0))
}

/// Writes the position up to which everything is in the tables, durably and at once.
pub(crate) fn write_checkpoint(dir: &Path, committed: Seq) -> io::Result<()> {
    let next = dir.join("checkpoint.next");
    std::fs::write(&next, format!("{committed}\n"))?;
    File::open(&next)?.sync_all()?;
    std::fs::rename(&next, dir.join("checkpoint"))?;
    File::open(dir)?.sync_all()
}
