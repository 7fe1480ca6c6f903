//! A table copied by ranges of its blocks, several at once, all of them as of one snapshot.
//!
//! A copy that goes on in a later snapshot reads again what was written since the first: rows may have moved
//! into blocks that were read already, and the log does not tell large values that an update left alone.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::Database;
use super::binary::{RowReader, Shape};
use super::slot::{Copying, Position, one};
use super::snapshot::{Snapshot, another};
use super::table::{Identity, Table};
use super::wire::Session;
use crate::error::{ExtractError, ExtractErrorKind, protocol};
use crate::load::{self, Operation};

/// Blocks of a range: what is read again at most, by each reader, after a copy was cut off.
const RANGE_BLOCKS: u32 = 8_192;
/// Connections that read at once, besides those that hold the snapshot.
const READERS: usize = 3;
/// Bytes of rows that go from a reader at once.
const CHUNK_BYTES: usize = 256 << 10;
/// Chunks on their way.
const WAITING: usize = 16;
/// Servers from here on read a range of blocks without looking at the others.
const RANGE_SCANS: u32 = 140_000;

/// How far a copy by ranges has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ranges {
    /// How many there are; the last has no end.
    count: u32,
    /// All before it were read.
    before: u32,
    /// Others that were read.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    done: BTreeSet<u32>,
    /// The oldest transaction that the first snapshot might not have seen.
    horizon: u32,
}

impl Ranges {
    fn todo(&self) -> VecDeque<u32> {
        let open = (self.before..self.count).filter(|range| !self.done.contains(range));
        open.collect()
    }

    fn finish(&mut self, range: u32) {
        self.done.insert(range);
        while self.done.remove(&self.before) {
            self.before += 1;
        }
    }

    /// Returns the condition that rows of a range meet.
    fn condition(&self, range: u32) -> String {
        let at = |range: u32| u64::from(range) * u64::from(RANGE_BLOCKS);
        let from = format!("ctid >= '({},0)'::tid", at(range));
        match range + 1 == self.count {
            true => from,
            false => format!("{from} AND ctid < '({},0)'::tid", at(range + 1)),
        }
    }
}

/// What comes from a reader.
enum Read {
    Rows(Vec<Bytes>),
    /// All rows of a range have come.
    End(u32),
}

/// Where rows of a copy go.
struct Target<'a> {
    table: &'a Table,
    rows: RowReader,
    position: i64,
    version: i64,
    ordinal: i64,
}

impl Target<'_> {
    fn push(&mut self, message: &[u8], into: &mut load::Session) -> Result<(), ExtractError> {
        let mut texts = Vec::new();
        let mut cells = Vec::with_capacity(self.table.columns.len());
        if !self.rows.read(message, &mut texts, &mut cells)? {
            return Ok(());
        }
        let row = load::Row {
            operation: Operation::Insert,
            position: Some((self.position, self.ordinal)),
            version: Some(self.version),
            cells: &cells,
            undeclared: &[],
            unchanged: &[],
        };
        self.ordinal += 1;
        into.push(&self.table.stream(), &row)
    }
}

impl Database<'_> {
    /// Whether a table is copied by ranges: rows that are read twice are told by their key.
    pub(super) async fn has_ranges(
        &self,
        table: &Table,
        copying: &Copying,
        session: &mut Session,
    ) -> Result<bool, ExtractError> {
        if table.identity != Identity::Key || table.is_partitioned || !copying.after.is_empty() {
            return Ok(false);
        }
        let version = one(session, "SHOW server_version_num").await?;
        Ok(version
            .parse::<u32>()
            .is_ok_and(|version| version >= RANGE_SCANS))
    }

    /// Copies what is missing of a table; `snapshot` is replaced when it gets old.
    pub(super) async fn copy_ranges(
        &self,
        table: &Table,
        copying: &mut Copying,
        into: &mut load::Session,
        state: &mut Position,
        snapshot: &mut Option<Snapshot>,
    ) -> Result<(), ExtractError> {
        let stream = table.stream();
        let shapes = shapes(table, into);
        let columns = table.columns.iter().zip(&shapes);
        let columns: Vec<String> = columns
            .map(|(column, shape)| shape.selected(column))
            .collect();
        let from = format!("SELECT {} FROM {}", columns.join(", "), table.quoted());
        loop {
            let held = self.hold(snapshot).await?;
            let mut target = Target {
                table,
                rows: RowReader::new(table, shapes.clone()),
                position: held.at.snapshot_position(state.shift)?,
                version: copying.version,
                ordinal: 0,
            };
            let ranges = match copying.ranges.clone() {
                None => plan(table, &mut held.reader).await?,
                Some(ranges) => {
                    if copying.so_far.last != held.at {
                        self.progress
                            .doing(format!("copying {stream}: what changed meanwhile"));
                        let since =
                            format!("{from} WHERE age(xmin) <= age('{}'::xid)", ranges.horizon);
                        read_all(&since, &mut held.reader, &mut target, into).await?;
                    }
                    ranges
                }
            };
            copying.ranges = Some(ranges);
            copying.so_far.read_at(held.at);
            self.progress.doing(format!("copying {stream}"));
            let seen = (held.name().to_owned(), held.old_at());
            self.read_ranges(&from, copying, (into, state), seen, &mut target)
                .await?;
            if copying
                .ranges
                .as_ref()
                .is_none_or(|ranges| ranges.todo().is_empty())
            {
                return Ok(());
            }
        }
    }

    /// Reads ranges until there are none left, or the snapshot is old.
    async fn read_ranges(
        &self,
        from: &str,
        copying: &mut Copying,
        (into, state): (&mut load::Session, &mut Position),
        (name, until): (String, Instant),
        target: &mut Target<'_>,
    ) -> Result<(), ExtractError> {
        let Some(ranges) = copying.ranges.clone() else {
            return Ok(());
        };
        let stream = target.table.stream();
        let todo = ranges.todo();
        let wanted = todo.len().min(READERS);
        let work = Arc::new(Work {
            todo: Mutex::new(todo),
            until,
        });
        let (sender, mut receiver) = mpsc::channel(WAITING);
        // Readers end with this: a set that is dropped ends its tasks.
        let mut readers = JoinSet::new();
        for number in 0..wanted {
            let session = match another(self.postgres.url.reveal(), &name).await {
                Ok(session) => session,
                // A server that has few connections left is read with fewer.
                Err(error) if number > 0 => {
                    tracing::debug!(%error, "one reader less");
                    break;
                }
                Err(error) => return Err(error),
            };
            let (work, sender) = (work.clone(), sender.clone());
            let (from, ranges) = (from.to_owned(), ranges.clone());
            readers.spawn(async move { work.read(session, &from, &ranges, sender).await });
        }
        drop(sender);
        while let Some(read) = receiver.recv().await {
            match read {
                Read::Rows(rows) => {
                    for row in rows {
                        target.push(&row, into)?;
                    }
                }
                Read::End(range) => {
                    if let Some(ranges) = &mut copying.ranges {
                        ranges.finish(range);
                    }
                    state.copying.insert(stream.clone(), copying.clone());
                    into.cover(state.json());
                }
            }
            into.settle().await?;
        }
        while let Some(ended) = readers.join_next().await {
            ended.map_err(|error| protocol("a reader of the copy broke off").because(error))??;
        }
        Ok(())
    }
}

/// What readers share.
struct Work {
    todo: Mutex<VecDeque<u32>>,
    /// Nothing is begun after this.
    until: Instant,
}

impl Work {
    async fn read(
        &self,
        mut session: Session,
        from: &str,
        ranges: &Ranges,
        sender: mpsc::Sender<Read>,
    ) -> Result<(), ExtractError> {
        let gone = || ExtractError::new(ExtractErrorKind::Busy, "the copy was given up");
        while Instant::now() < self.until {
            let Some(range) = self.todo.lock().pop_front() else {
                break;
            };
            let sql = format!("{from} WHERE {}", ranges.condition(range));
            session.copy_out(&binary(&sql)).await?;
            let (mut rows, mut bytes) = (Vec::new(), 0);
            while let Some(row) = session.copied().await? {
                bytes += row.len();
                rows.push(row);
                if bytes >= CHUNK_BYTES {
                    let rows = std::mem::take(&mut rows);
                    bytes = 0;
                    sender.send(Read::Rows(rows)).await.map_err(|_| gone())?;
                }
            }
            sender.send(Read::Rows(rows)).await.map_err(|_| gone())?;
            sender.send(Read::End(range)).await.map_err(|_| gone())?;
        }
        let _ = session.rows("COMMIT").await;
        session.close().await;
        Ok(())
    }
}

async fn read_all(
    sql: &str,
    session: &mut Session,
    target: &mut Target<'_>,
    into: &mut load::Session,
) -> Result<(), ExtractError> {
    session.copy_out(&binary(sql)).await?;
    while let Some(row) = session.copied().await? {
        target.push(&row, into)?;
        into.settle().await?;
    }
    Ok(())
}

fn binary(sql: &str) -> String {
    format!("COPY ({sql}) TO STDOUT (FORMAT binary)")
}

/// Divides a table as a snapshot sees it.
async fn plan(table: &Table, session: &mut Session) -> Result<Ranges, ExtractError> {
    let sql = format!(
        "SELECT pg_relation_size({}::oid) / current_setting('block_size')::bigint",
        table.id
    );
    let wrong = || protocol("the server answers with no number");
    let blocks: u64 = one(session, &sql).await?.parse().map_err(|_| wrong())?;
    let count = blocks.div_ceil(u64::from(RANGE_BLOCKS)).max(1);
    let sql = "SELECT (pg_snapshot_xmin(pg_current_snapshot())::text::bigint % 4294967296)::text";
    Ok(Ranges {
        count: u32::try_from(count).map_err(|_| wrong())?,
        before: 0,
        done: BTreeSet::new(),
        horizon: one(session, sql).await?.parse().map_err(|_| wrong())?,
    })
}

/// Decides how each column is read: as its own type where the lake has that too.
fn shapes(table: &Table, into: &mut load::Session) -> Vec<Shape> {
    let target = into.stream(&table.stream());
    let kept = target
        .as_ref()
        .map(|target| target.kept())
        .unwrap_or_default();
    let columns = table.columns.iter();
    let shapes = columns.map(|column| {
        let own = kept.iter().find(|(name, _)| *name == column.name);
        Shape::of(column, own.map(|(_, column)| column.column_type))
    });
    shapes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_a_table_once_whatever_order_they_end_in() {
        let mut ranges = Ranges {
            count: 4,
            before: 0,
            done: BTreeSet::new(),
            horizon: 7,
        };
        assert_eq!(ranges.todo(), [0, 1, 2, 3]);
        ranges.finish(2);
        ranges.finish(0);
        assert_eq!(ranges.todo(), [1, 3]);
        let written = serde_json::to_string(&ranges).unwrap();
        assert_eq!(serde_json::from_str::<Ranges>(&written).unwrap(), ranges);
        ranges.finish(1);
        assert_eq!((ranges.before, ranges.done.len()), (3, 0));
        assert_eq!(
            ranges.condition(0),
            "ctid >= '(0,0)'::tid AND ctid < '(8192,0)'::tid"
        );
        assert_eq!(ranges.condition(3), "ctid >= '(24576,0)'::tid");
        ranges.finish(3);
        assert!(ranges.todo().is_empty());
    }
}
