//! The one thread that turns durable records into visible rows.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arrow::datatypes::SchemaRef;
use crossbeam_channel::{Receiver, Sender, select};
use fail::fail_point;
use tracing::{error, info};
use weir_core::{Seq, TableName};

use crate::dedup::{DedupIndex, FrozenKeys};
use crate::hot::{Frozen, Hot};
use crate::rows::{Apply, Record, Rows, Tables};
use crate::wal::{Durable, SegmentFile, record_bytes, replay};

/// Under load rows become visible this often; alone, at once.
const PUBLISH_EVERY: Duration = Duration::from_millis(40);
/// Rows are also made visible when this much of them waits.
const PUBLISH_BYTES: usize = 4 << 20;

pub(crate) struct Applier {
    pub(crate) apply: Box<dyn Apply>,
    pub(crate) wal_dir: PathBuf,
    pub(crate) tables: Tables,
    pub(crate) dedup: DedupIndex,
    pub(crate) hot: Arc<Hot>,
    /// Bytes of records that are durable but not yet applied.
    pub(crate) queued: Arc<AtomicU64>,
    /// The position after the last applied record.
    pub(crate) next: Seq,
    /// What `next` was when readers were last shown the rows.
    pub(crate) published: Seq,
}

/// Everything up to a position, fixed: rows to be written, and keys to be remembered.
pub(crate) struct Barrier {
    pub(crate) seq: Seq,
    pub(crate) tables: Vec<Frozen>,
    pub(crate) keys: FrozenKeys,
}

/// What other threads ask of the applying one.
pub(crate) enum Request {
    /// Fix everything up to now.
    Freeze(Sender<Barrier>),
    /// The files of a table were rebuilt with this schema.
    Adopt(TableName, SchemaRef, Sender<()>),
}

impl Applier {
    /// Applies what the log held at the start, then what comes, until the log closes.
    pub(crate) fn run(
        mut self,
        segments: &[SegmentFile],
        until: Seq,
        durable: &Receiver<Durable>,
        requests: &Receiver<Request>,
    ) {
        self.replay(segments, until, requests);
        let mut since = Instant::now();
        loop {
            let pending = self.published < self.next;
            let idle = durable.is_empty();
            if pending
                && (idle
                    || since.elapsed() >= PUBLISH_EVERY
                    || self.tables.bytes() >= PUBLISH_BYTES)
            {
                self.publish();
            }
            select! {
                recv(durable) -> record => match record {
                    Ok(record) => {
                        if self.published == self.next {
                            since = Instant::now();
                        }
                        self.apply(record.first, record.rows, &record.payload);
                        let bytes = record_bytes(record.payload.len());
                        self.queued.fetch_sub(bytes, Ordering::Relaxed);
                    }
                    Err(_) => {
                        self.publish();
                        break;
                    }
                },
                recv(requests) -> request => match request {
                    Ok(request) => self.serve(request),
                    Err(_) => break,
                },
            }
        }
        // The log is closed; the last flush still asks.
        while let Ok(request) = requests.recv() {
            self.serve(request);
        }
    }

    fn replay(&mut self, segments: &[SegmentFile], until: Seq, requests: &Receiver<Request>) {
        let from = Seq(self.next.0 - 1);
        let began = Instant::now();
        let mut rows = 0u64;
        let replayed = replay(segments, from, until, &mut |frame| {
            self.apply(frame.first, frame.rows, frame.payload);
            rows += u64::from(frame.rows);
            fail_point!("replay");
            if self.tables.bytes() >= PUBLISH_BYTES {
                self.publish();
            }
            while let Ok(request) = requests.try_recv() {
                self.serve(request);
            }
        });
        if let Err(error) = replayed {
            error!(%error, "cannot read the log again; its rows appear after a restart");
        }
        self.next = self.next.max(until);
        self.publish();
        if rows > 0 {
            info!(
                rows,
                elapsed_ms = began.elapsed().as_millis() as u64,
                "log replayed"
            );
        }
    }

    fn apply(&mut self, first: Seq, rows: u32, payload: &[u8]) {
        let record = Record {
            first,
            rows,
            payload,
        };
        let mut out = Rows {
            tables: &mut self.tables,
            dedup: Some(&mut self.dedup),
        };
        let apply = AssertUnwindSafe(|| self.apply.apply(&record, &mut out));
        if catch_unwind(apply).is_err() {
            // Our bug, in one record. It must neither stop the others nor vanish.
            self.tables.drop_open_rows();
            let kept = set_aside(&self.wal_dir, first, payload);
            error!(
                seq = first.0,
                ?kept,
                "a record could not be turned into rows; please report this"
            );
        }
        self.next = first.plus(u64::from(rows));
    }

    fn publish(&mut self) {
        self.hot
            .publish(self.tables.iter_mut(), Seq(self.next.0.saturating_sub(1)));
        self.published = self.next;
    }

    fn serve(&mut self, request: Request) {
        // Rows so far keep the schema they were written under.
        self.publish();
        match request {
            Request::Freeze(answer) => {
                let seq = Seq(self.next.0.saturating_sub(1));
                let keys = self.dedup.freeze();
                let _ = answer.send(Barrier {
                    seq,
                    tables: self.hot.freeze(),
                    keys,
                });
            }
            Request::Adopt(name, schema, done) => {
                self.tables.adopt(&name, &schema);
                let _ = done.send(());
            }
        }
    }
}

/// Keeps a record that no rows could be made of; the log lets go of it with its neighbours.
fn set_aside(wal_dir: &Path, first: Seq, payload: &[u8]) -> std::io::Result<PathBuf> {
    let folder = wal_dir.join("damaged");
    std::fs::create_dir_all(&folder)?;
    let path = folder.join(format!("record-{first}.bin"));
    std::fs::write(&path, payload)?;
    std::fs::File::open(&path)?.sync_all()?;
    Ok(path)
}
