//! A database compared with the lake as of one place in its log, and what differs fetched.

use std::collections::{BTreeSet, HashMap};

use futures::TryStreamExt;
use serde::{Deserialize, Serialize};

use super::Database;
use super::columns;
use super::copy::values;
use super::fingerprint::{BUCKETS, Digests, Fingerprint};
use super::follow::Until;
use super::slot::{Copied, Position, Standing, system};
use super::snapshot::Snapshot;
use super::table::{Identity, Table};
use super::wire::Session;
use crate::error::{ExtractError, ExtractErrorKind, protocol};
use crate::load::{self, Cell, Operation};

/// Rows that are held in memory at once while they are compared one by one.
const PASS_ROWS: u64 = 500_000;
/// From so many rows on that may differ, a table is copied again rather than compared row by row.
const COPY_FROM: u64 = 5_000_000;

/// How a table of the lake compares with its source's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableScore {
    pub stream: String,
    pub source_rows: u64,
    pub lake_rows: u64,
    /// Rows that the lake lacks.
    pub missing: u64,
    /// Rows that have other values in the lake.
    pub different: u64,
    /// Rows that only the lake has.
    pub extra: u64,
    /// The part of all rows that are the same, up to 1.
    pub score: f64,
    /// Whether what differed was fetched.
    pub repaired: bool,
}

/// The rows of one bucket: how many, and the sum of their halves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bucket {
    rows: u64,
    sum: i128,
}

/// A row of the lake that the source has not been seen to have.
struct Unmatched {
    row: u128,
    times: u64,
    /// The values of its key; of all columns where it has none.
    values: Vec<Option<String>>,
}

/// What is compared, and what becomes of what differs.
#[derive(Clone, Copy)]
pub(super) struct Comparing {
    /// Where rows that are fetched stand; none for the next number.
    pub(super) position: Option<i64>,
    /// Whether rows are fetched that differ, and those deleted that only the lake has.
    pub(super) fetch: bool,
    /// Whether only keys are compared: which rows there are, and not their values.
    pub(super) keys: bool,
}

/// What a comparison came to.
pub(super) struct Compared {
    pub(super) score: TableScore,
    /// Whether so much differs that the table is rather to be copied again.
    pub(super) again: bool,
}

impl Database<'_> {
    /// Compares all tables with the lake; with `repair`, fetches what differs, and makes a new slot where
    /// the old one is lost.
    pub(crate) async fn verify(
        &self,
        mut into: load::Session,
        repair: bool,
    ) -> Result<(), ExtractError> {
        if into.state().is_null() {
            return Err(self.never_synced());
        }
        if self.is_polled() {
            return self.verify_polled(into, repair).await;
        }
        let mut control = self.session(false).await?;
        self.require_log(&mut control).await?;
        let system = system(&mut control).await?;
        let tables = self.taken(&mut control).await?;
        let done = match self.standing(into.state(), &system, &mut control).await? {
            Standing::New => Err(self.never_synced()),
            Standing::Lost(_, why) if !repair => Err(self.lost(&why)),
            Standing::Lost(old, why) => {
                self.progress.note(format!("{why}; a new slot was made"));
                self.mend(into, &mut control, tables, old, system).await
            }
            Standing::Good(mut state) => {
                let tables = self.published(&mut control, tables, &mut state).await?;
                self.catch_up(&mut into, &mut control, tables.clone(), &mut state, None)
                    .await?;
                let mut snapshot = self.snapshot().await?;
                let until = Until::Exactly(snapshot.at);
                self.follow(&mut into, &mut control, &tables, &mut state, until)
                    .await?;
                let work = Comparing {
                    position: Some(snapshot.at.snapshot_position(state.shift)?),
                    fetch: repair,
                    keys: false,
                };
                self.compare_all(&mut into, &tables, &mut state, &mut snapshot, work)
                    .await?;
                snapshot.close().await;
                into.cover(state.json());
                into.commit().await?;
                self.catch_up(&mut into, &mut control, tables, &mut state, None)
                    .await
            }
        };
        done?;
        if let Some(lag) = self.lag(&mut control).await? {
            self.progress.lag(lag);
        }
        Ok(())
    }

    fn never_synced(&self) -> ExtractError {
        ExtractError::new(
            ExtractErrorKind::NotFound,
            format!(
                "source `{}` was never synced, so there is nothing to compare",
                self.spec.name
            ),
        )
        .hint(format!("weir sync {}", self.spec.name))
    }

    /// Goes on with a new slot: as of its beginning, the lake is brought to what the source has.
    async fn mend(
        &self,
        mut into: load::Session,
        control: &mut Session,
        tables: Vec<Table>,
        old: Position,
        system: String,
    ) -> Result<(), ExtractError> {
        let is_other = old.system != system;
        let (mut state, snapshot) = self
            .begin(control, &tables, system, into.last_position())
            .await?;
        let Some(mut snapshot) = snapshot else {
            return Err(protocol("the server made a slot without a snapshot"));
        };
        // Rows count from here on: a state that was cut off in the middle is the old one.
        into.hold();
        let position = snapshot.at.snapshot_position(state.shift)?;
        for table in &tables {
            let stream = table.stream();
            let Some(mut copied) = old.tables.get(&stream).copied() else {
                continue;
            };
            if copied.identity != table.identity {
                continue;
            }
            let changed = into.declare(&stream, &table.fields())?;
            if !is_other {
                // What a new column was filled with; all else is found by comparing.
                let from = Some(position);
                columns::settle(table, &changed, from, &mut copied, &mut into, control).await?;
            }
            let mut copied = Copied::of(table);
            copied.read_at(snapshot.at);
            state.tables.insert(stream, copied);
        }
        into.commit().await?;
        let work = Comparing {
            position: Some(position),
            fetch: true,
            keys: false,
        };
        self.compare_all(&mut into, &tables, &mut state, &mut snapshot, work)
            .await?;
        into.cover(state.json());
        into.release().await?;
        self.catch_up(&mut into, control, tables, &mut state, Some(snapshot))
            .await
    }

    async fn compare_all(
        &self,
        into: &mut load::Session,
        tables: &[Table],
        state: &mut Position,
        snapshot: &mut Snapshot,
        work: Comparing,
    ) -> Result<(), ExtractError> {
        for table in tables {
            let stream = table.stream();
            if !state.tables.contains_key(&stream) {
                continue;
            }
            let compared = self
                .compare(table, into, &mut snapshot.reader, work)
                .await?;
            if let Some(compared) = compared {
                if compared.again {
                    state.tables.remove(&stream);
                }
                self.progress.verified(compared.score);
            }
        }
        Ok(())
    }

    /// Compares a table as `reader` sees it with the lake's rows, which are committed; none where it cannot
    /// be.
    pub(super) async fn compare(
        &self,
        table: &Table,
        into: &mut load::Session,
        reader: &mut Session,
        work: Comparing,
    ) -> Result<Option<Compared>, ExtractError> {
        let stream = table.stream();
        self.progress.doing(format!("comparing {stream}"));
        let changed = into.declare(&stream, &table.fields())?;
        if !changed.words.is_empty() {
            self.progress
                .note(format!("{stream}: not compared: it was altered meanwhile"));
            return Ok(None);
        }
        let kept = into.stream(&stream).map(|target| {
            let hashed = table.columns.len() - target.kept().len();
            (Fingerprint::of(table, &target.kept(), work.keys), hashed)
        });
        let Some((Some(fingerprint), left_out)) = kept else {
            self.progress
                .note(format!("{stream}: not compared: its key is hashed"));
            return Ok(None);
        };
        if left_out > 0 && !work.keys {
            self.progress.note(format!(
                "{stream}: {left_out} of its columns are hashed or left out, and not compared"
            ));
        }
        let mut comparison = Comparison {
            table,
            bare: work.keys,
            lacking: BTreeSet::new(),
            fingerprint,
            work,
            ordinal: 0,
            score: TableScore {
                stream,
                source_rows: 0,
                lake_rows: 0,
                missing: 0,
                different: 0,
                extra: 0,
                score: 1.0,
                repaired: false,
            },
        };
        let again = comparison.run(into, reader).await?;
        let score = comparison.score;
        Ok(Some(Compared { score, again }))
    }
}

/// One table under comparison.
struct Comparison<'a> {
    table: &'a Table,
    /// Whether rows come without their values: which the lake lacks is seen first, and then they are fetched.
    bare: bool,
    /// Buckets of such rows.
    lacking: BTreeSet<usize>,
    fingerprint: Fingerprint,
    work: Comparing,
    ordinal: i64,
    score: TableScore,
}

impl Comparison<'_> {
    /// Compares, and repairs where that is wanted; returns whether the table is rather to be copied again.
    async fn run(
        &mut self,
        into: &mut load::Session,
        reader: &mut Session,
    ) -> Result<bool, ExtractError> {
        let source = self.source_buckets(reader).await?;
        let lake = self.lake_buckets(into).await?;
        self.score.source_rows = source.iter().map(|bucket| bucket.rows).sum();
        self.score.lake_rows = lake.iter().map(|bucket| bucket.rows).sum();
        let differ: Vec<usize> = (0..BUCKETS).filter(|at| source[*at] != lake[*at]).collect();
        let rows_of = |at: usize| source[at].rows.max(lake[at].rows);
        let suspects: u64 = differ.iter().map(|at| rows_of(*at)).sum();
        let again = self.work.fetch && suspects >= COPY_FROM;
        if again {
            self.score.different = suspects;
        } else {
            self.passes(differ, &rows_of, into, reader).await?;
            if self.bare {
                self.bare = false;
                let lacking = std::mem::take(&mut self.lacking).into_iter().collect();
                self.passes(lacking, &rows_of, into, reader).await?;
            }
        }
        let score = &mut self.score;
        let wrong = score.missing + score.different + score.extra;
        let all = score.source_rows + score.extra;
        if all > 0 {
            score.score = 1.0 - (wrong as f64 / all as f64).min(1.0);
        }
        score.repaired = self.work.fetch && wrong > 0;
        Ok(again)
    }

    /// Compares the rows of some buckets one by one, of a few at a time.
    async fn passes(
        &mut self,
        buckets: Vec<usize>,
        rows_of: &(dyn Fn(usize) -> u64 + Sync),
        into: &mut load::Session,
        reader: &mut Session,
    ) -> Result<(), ExtractError> {
        let (mut pass, mut rows) = (Vec::new(), 0);
        for at in buckets {
            pass.push(at);
            rows += rows_of(at);
            if rows >= PASS_ROWS {
                self.pass(&std::mem::take(&mut pass), into, reader).await?;
                rows = 0;
            }
        }
        match pass.is_empty() {
            true => Ok(()),
            false => self.pass(&pass, into, reader).await,
        }
    }

    async fn source_buckets(&self, reader: &mut Session) -> Result<Vec<Bucket>, ExtractError> {
        let mut buckets = vec![Bucket::default(); BUCKETS];
        let rows = reader
            .rows(&self.fingerprint.buckets_sql(self.table))
            .await?;
        for row in rows {
            let number = |at: usize| -> Option<i128> { row.get(at)?.as_deref()?.parse().ok() };
            let (Some(at), Some(rows), Some(sum)) = (number(0), number(1), number(2)) else {
                return Err(protocol("the server's sums are no numbers"));
            };
            let at = usize::try_from(at).ok().filter(|at| *at < BUCKETS);
            let at = at.ok_or_else(|| protocol("the server's sums are of no bucket"))?;
            buckets[at] = Bucket {
                rows: u64::try_from(rows).unwrap_or(u64::MAX),
                sum,
            };
        }
        Ok(buckets)
    }

    async fn lake_buckets(&self, into: &load::Session) -> Result<Vec<Bucket>, ExtractError> {
        let mut buckets = vec![Bucket::default(); BUCKETS];
        let mut rows = into
            .current(&self.table.stream(), &self.fingerprint.columns())
            .await?;
        while let Some(batch) = rows.try_next().await? {
            for digests in self.fingerprint.digests(&batch).map_err(unreadable)? {
                let bucket = &mut buckets[digests.bucket()];
                bucket.rows += 1;
                bucket.sum += i128::from(digests.half());
            }
            tokio::task::yield_now().await;
        }
        Ok(buckets)
    }

    /// Compares the rows of some buckets one by one.
    async fn pass(
        &mut self,
        buckets: &[usize],
        into: &mut load::Session,
        reader: &mut Session,
    ) -> Result<(), ExtractError> {
        let mut lake = self.lake_rows(buckets, into).await?;
        let has_key = self.table.identity == Identity::Key;
        let columns = self.table.columns.len();
        let stream = self.table.stream();
        reader
            .copy_out(&self.fingerprint.rows_sql(self.table, buckets, self.bare))
            .await?;
        while let Some(line) = reader.copied().await? {
            let values = values(&line, columns + 2, &stream)?;
            let digest = |at: usize| {
                let text = values[at].as_deref().unwrap_or_default();
                u128::from_str_radix(text, 16)
                    .map_err(|_| protocol("the server's fingerprints are no numbers"))
            };
            let found = Digests {
                key: digest(columns)?,
                row: digest(columns + 1)?,
            };
            let operation = match lake.get_mut(&found.key) {
                None => Some(Operation::Insert),
                Some(known) if !has_key => {
                    known.times -= 1;
                    if known.times == 0 {
                        lake.remove(&found.key);
                    }
                    None
                }
                Some(known) => {
                    let differs = known.row != found.row;
                    lake.remove(&found.key);
                    differs.then_some(Operation::Update)
                }
            };
            match operation {
                Some(_) if self.bare => {
                    self.lacking.insert(found.bucket());
                    continue;
                }
                Some(Operation::Insert) => self.score.missing += 1,
                Some(_) => self.score.different += 1,
                None => continue,
            }
            let cells: Vec<Cell<'_>> = values[..columns]
                .iter()
                .map(|value| value.as_deref().map_or(Cell::Null, Cell::Text))
                .collect();
            self.push(operation.unwrap_or(Operation::Upsert), &cells, into)?;
            into.settle().await?;
        }
        if self.work.keys && !self.bare {
            // Those were seen before.
            return Ok(());
        }
        for extra in lake.into_values() {
            self.score.extra += extra.times;
            let fields = into.stream(&stream).map_or(0, |target| target.fields());
            let mut cells = vec![Cell::Null; fields];
            for (field, value) in self.fingerprint.keys().zip(&extra.values) {
                let at = into.stream(&stream).and_then(|target| target.field(field));
                if let (Some(at), Some(text)) = (at, value) {
                    cells[at] = Cell::Text(text);
                }
            }
            for _ in 0..extra.times {
                self.push(Operation::Delete, &cells, into)?;
            }
            into.settle().await?;
        }
        Ok(())
    }

    /// Returns the rows the lake has in some buckets, by the digests of their keys.
    async fn lake_rows(
        &self,
        buckets: &[usize],
        into: &load::Session,
    ) -> Result<HashMap<u128, Unmatched>, ExtractError> {
        let mut wanted = vec![false; BUCKETS];
        buckets.iter().for_each(|at| wanted[*at] = true);
        let mut found: HashMap<u128, Unmatched> = HashMap::new();
        let mut rows = into
            .current(&self.table.stream(), &self.fingerprint.columns())
            .await?;
        while let Some(batch) = rows.try_next().await? {
            let columns = self.fingerprint.cast(&batch).map_err(unreadable)?;
            let digests = self.fingerprint.digests_of(&columns, batch.num_rows());
            for (row, digests) in digests.into_iter().enumerate() {
                if !wanted[digests.bucket()] {
                    continue;
                }
                if let Some(known) = found.get_mut(&digests.key) {
                    known.times += 1;
                    continue;
                }
                let values = self.fingerprint.key_values(&columns, row);
                let unmatched = Unmatched {
                    row: digests.row,
                    times: 1,
                    values: values.map_err(unreadable)?,
                };
                found.insert(digests.key, unmatched);
            }
            tokio::task::yield_now().await;
        }
        Ok(found)
    }

    fn push(
        &mut self,
        operation: Operation,
        cells: &[Cell<'_>],
        into: &mut load::Session,
    ) -> Result<(), ExtractError> {
        if !self.work.fetch {
            return Ok(());
        }
        let stream = self.table.stream();
        let operation = match (operation, self.work.position) {
            // Without a log, nobody knows how a row came to be.
            (Operation::Insert | Operation::Update, None) if self.table.identity.is_key() => {
                Operation::Upsert
            }
            (operation, _) => operation,
        };
        if operation == Operation::Delete
            && self.table.identity != Identity::Key
            && let Some(target) = into.stream(&stream)
        {
            target.count();
        }
        let row = load::Row {
            operation,
            position: self.work.position.map(|position| (position, self.ordinal)),
            version: None,
            cells,
            undeclared: &[],
            unchanged: &[],
        };
        self.ordinal += 1;
        into.push(&stream, &row)
    }
}

pub(super) fn unreadable(error: arrow::error::ArrowError) -> ExtractError {
    ExtractError::new(
        ExtractErrorKind::Destination,
        "the lake's rows cannot be compared",
    )
    .because(error)
}
