//! Rows of a table that is asked for them: a copy piece by piece, then what came and changed since.
//!
//! What a mark does not cover may be in the lake all the same: transactions that were under way, rows of the
//! last value. Such rows are remembered by their hashes, or looked for in the lake where they are many, and
//! taken only if they are others than before.

use std::collections::HashSet;

use chrono::Utc;
use futures::TryStreamExt;

use super::method::{Mark, Method};
use super::state::{Copying, Polled, Read, Seen, TableMark, hash};
use super::view::View;
use super::{Plan, unreadable};
use crate::error::{ExtractError, protocol};
use crate::load::{self, Cell, Operation};
use crate::postgres::Database;
use crate::postgres::columns::{self, Earlier};
use crate::postgres::copy::{PIECE_ROWS, piece_sql, values};
use crate::postgres::fingerprint::Fingerprint;
use crate::postgres::slot::{Copied, server_version};
use crate::postgres::table::{Table, quoted};

/// As many rows are looked for in the lake at once; more are taken without looking.
const LOOKED_FOR: usize = 2_000_000;
/// Servers from here on tell what they filled new columns of old rows with.
const TOLD_DEFAULTS: u32 = 110_000;

/// A row as it was copied: what was asked about it, and its values.
struct Line<'a> {
    /// Whether it will be read again by whoever goes on from the next mark.
    again: bool,
    /// The digest of its values, where that was asked for.
    digest: Option<u128>,
    rest: &'a [u8],
}

impl<'a> Line<'a> {
    fn of(line: &'a [u8]) -> Result<Self, ExtractError> {
        let mut parts = line.splitn(3, |byte| *byte == b'\t');
        let (Some(again), Some(digest), Some(rest)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(protocol("a copied row has too few values"));
        };
        let digest = std::str::from_utf8(digest).unwrap_or_default();
        Ok(Self {
            again: again != b"f",
            digest: u128::from_str_radix(digest, 16).ok(),
            rest,
        })
    }
}

/// Returns what is selected: what [`Line`] reads, and all columns.
fn selected(table: &Table, again: &str, digest: &str) -> String {
    let columns: Vec<String> = table.columns.iter().map(|c| quoted(&c.name)).collect();
    format!("{again}, {digest}, {}", columns.join(", "))
}

/// Adds a row; returns its key as text.
fn push(
    into: &mut load::Session,
    table: &Table,
    rest: &[u8],
    (operation, version): (Operation, Option<i64>),
    key: Option<&mut Vec<String>>,
) -> Result<(), ExtractError> {
    let stream = table.stream();
    let values = values(rest, table.columns.len(), &stream)?;
    let cells: Vec<Cell<'_>> = values
        .iter()
        .map(|value| value.as_deref().map_or(Cell::Null, Cell::Text))
        .collect();
    if let Some(key) = key {
        let columns = table.columns.iter().zip(&values);
        let of = columns.filter(|(column, _)| column.is_key);
        *key = of
            .map(|(_, value)| value.as_deref().unwrap_or_default().to_owned())
            .collect();
    }
    let row = load::Row {
        operation,
        position: None,
        version,
        cells: &cells,
        undeclared: &[],
        unchanged: &[],
    };
    into.push(&stream, &row)
}

/// Returns the version of a new copy, and has its rows seen as they come where there were none before.
fn new_version(table: &Table, into: &mut load::Session) -> i64 {
    let now = Utc::now().timestamp_micros();
    let Some(target) = into.stream(&table.stream()) else {
        return now;
    };
    target.number();
    match target.active() {
        Some(active) => now.max(active + 1),
        None => {
            target.activate(now);
            now
        }
    }
}

/// Makes a copy that is complete the one that counts.
fn complete(table: &Table, version: i64, into: &mut load::Session) {
    if let Some(target) = into.stream(&table.stream()) {
        target.forget_defaults();
        target.activate(version);
    }
}

impl Database<'_> {
    /// Copies a table with a key, or goes on with a copy that was cut off. Tells in which view it was read,
    /// where that was one.
    pub(super) async fn copy_polled(
        &self,
        plan: &Plan,
        into: &mut load::Session,
        state: &mut Polled,
        view: &mut View,
    ) -> Result<Option<u32>, ExtractError> {
        let (table, stream) = (&plan.table, plan.table.stream());
        self.progress.doing(format!("copying {stream}"));
        into.declare(&stream, &table.fields())?;
        let begun = state.copying.remove(&stream).filter(|copying| {
            let of = &copying.of;
            (of.id, of.attributes) == (table.id, table.attributes) && plan.method.fits(&of.mark)
        });
        let mut seen = match begun {
            Some(_) => Seen::unknown(),
            None => Seen::new(),
        };
        let mut read_in = begun.is_none().then_some(view.number);
        let mut copying = match begun {
            Some(copying) => copying,
            None => Copying {
                of: TableMark::new(table, plan.method.next(table, None, view).await?),
                version: new_version(table, into),
                rows: 0,
                after: Vec::new(),
            },
        };
        let again = plan.method.condition(&copying.of.mark, view.xmax);
        loop {
            if view.is_old() {
                // Rows of later pieces may be newer; those before it are read again from the first mark on.
                view.renew().await?;
                (seen, read_in) = (Seen::unknown(), None);
            }
            let columns = selected(table, &again, "NULL");
            view.session
                .copy_out(&piece_sql(table, &columns, &copying.after))
                .await?;
            let mut rows = 0;
            while let Some(line) = view.session.copied().await? {
                let line = Line::of(&line)?;
                if line.again {
                    seen.add(hash(line.rest));
                }
                rows += 1;
                let last = (rows == PIECE_ROWS).then_some(&mut copying.after);
                let what = (Operation::Insert, Some(copying.version));
                push(into, table, line.rest, what, last)?;
                into.settle().await?;
            }
            copying.rows += rows as u64;
            if rows < PIECE_ROWS {
                break;
            }
            state.copying.insert(stream.clone(), copying.clone());
            into.cover(state.json());
            into.settle().await?;
        }
        complete(table, copying.version, into);
        state.copying.remove(&stream);
        let read = Read {
            of: copying.of,
            seen,
            rows: copying.rows,
            // Rows that went while it was copied in several views are still there.
            compared_at: read_in.map_or(0, |_| Utc::now().timestamp()),
        };
        state.polled.insert(stream, read);
        into.cover(state.json());
        into.settle().await?;
        Ok(read_in)
    }

    /// Copies all rows of a table as a new version, unless they are those of the last time.
    pub(super) async fn copy_whole(
        &self,
        plan: &Plan,
        into: &mut load::Session,
        state: &mut Polled,
        view: &mut View,
    ) -> Result<(), ExtractError> {
        let (table, stream) = (&plan.table, plan.table.stream());
        self.progress.doing(format!("reading {stream}"));
        let changed = into.declare(&stream, &table.fields())?;
        // In no order: a table with a key would be sorted and cut.
        let columns = selected(table, "false", "NULL");
        let sql = format!("COPY (SELECT {columns} FROM {}) TO STDOUT", table.quoted());
        let (mut rows, mut sum) = (0_u64, 0_u128);
        view.session.copy_out(&sql).await?;
        while let Some(line) = view.session.copied().await? {
            rows += 1;
            sum = sum.wrapping_add(hash(Line::of(&line)?.rest).into());
        }
        let of = TableMark::new(
            table,
            Mark::Whole {
                rows,
                sum: format!("{sum:x}"),
            },
        );
        let is_same = state.polled.get(&stream).is_some_and(|read| read.of == of);
        if is_same && changed.words.is_empty() {
            return Ok(());
        }
        let version = new_version(table, into);
        view.session.copy_out(&sql).await?;
        while let Some(line) = view.session.copied().await? {
            let what = (Operation::Insert, Some(version));
            push(into, table, Line::of(&line)?.rest, what, None)?;
            into.settle().await?;
        }
        complete(table, version, into);
        let read = Read {
            of,
            seen: Seen::new(),
            rows,
            compared_at: 0,
        };
        state.polled.insert(stream, read);
        into.cover(state.json());
        into.settle().await?;
        Ok(())
    }

    /// Reads what came and changed since the last time. Tells whether the table is rather to be copied again.
    pub(super) async fn read_changes(
        &self,
        plan: &Plan,
        into: &mut load::Session,
        state: &mut Polled,
        view: &mut View,
    ) -> Result<bool, ExtractError> {
        let (table, stream) = (&plan.table, plan.table.stream());
        let Some(mut read) = state.polled.get(&stream).cloned() else {
            return Ok(true);
        };
        self.progress.doing(format!("reading changes of {stream}"));
        if self.rewritten(table, &mut read, into, view).await? {
            return Ok(true);
        }
        let next = plan.method.next(table, Some(&read.of.mark), view).await?;
        let since = plan.method.condition(&read.of.mark, view.xmax);
        let again = plan.method.condition(&next, view.xmax);
        // Where numbers of transactions tell nothing any more, all rows come.
        let all = plan.method == Method::Xmin && since == "true";
        let (known, digest) = match read.seen.is_unknown() || all {
            true => self.known(plan, &since, into, view).await?,
            false => (HashSet::new(), "NULL".to_owned()),
        };
        let columns = selected(table, &again, &digest);
        let sql = format!(
            "COPY (SELECT {columns} FROM {} WHERE {since}) TO STDOUT",
            table.quoted()
        );
        let mut seen = Seen::new();
        let mut came = 0_u64;
        view.session.copy_out(&sql).await?;
        while let Some(line) = view.session.copied().await? {
            let line = Line::of(&line)?;
            let hash = hash(line.rest);
            if line.again {
                seen.add(hash);
            }
            let is_known = line.digest.is_some_and(|digest| known.contains(&digest));
            if is_known || read.seen.has(hash) {
                continue;
            }
            came += 1;
            push(into, table, line.rest, (Operation::Upsert, None), None)?;
            into.settle().await?;
        }
        // Where nothing came, the old mark is as good, and needs no commit.
        if came > 0 || seen != read.seen || read.of.mark.is_old(view.xmax) {
            read.of.mark = next;
            read.seen = seen;
        }
        state.polled.insert(stream, read);
        into.cover(state.json());
        into.settle().await?;
        Ok(false)
    }

    /// Takes over the columns a table has now; tells whether rows of before are others since.
    async fn rewritten(
        &self,
        table: &Table,
        read: &mut Read,
        into: &mut load::Session,
        view: &mut View,
    ) -> Result<bool, ExtractError> {
        let stream = table.stream();
        let changed = into.declare(&stream, &table.fields())?;
        let is_told = server_version(&mut view.session).await? >= TOLD_DEFAULTS;
        if !changed.added.is_empty() && !is_told {
            return Ok(true);
        }
        let from = into.stream(&stream).map(|target| target.next_position());
        let mut copied = Copied::of(table);
        copied.attributes = read.of.attributes;
        let session = &mut view.session;
        let earlier = columns::settle(table, &changed, from, &mut copied, into, session).await?;
        read.of.attributes = copied.attributes;
        Ok(earlier == Earlier::Rewritten)
    }

    /// Asks the lake which of the rows that meet a condition it has as they are; returns their digests, and
    /// the expression for these.
    async fn known(
        &self,
        plan: &Plan,
        condition: &str,
        into: &mut load::Session,
        view: &mut View,
    ) -> Result<(HashSet<u128>, String), ExtractError> {
        let (table, stream) = (&plan.table, plan.table.stream());
        let none = (HashSet::new(), "NULL".to_owned());
        let kept = into
            .stream(&stream)
            .and_then(|target| Fingerprint::of(table, &target.kept(), false));
        let Some(fingerprint) = kept.filter(|_| self.spec.rules(&stream).hash.is_empty()) else {
            // What is hashed cannot be compared.
            return Ok(none);
        };
        let digest = fingerprint.row_sql();
        let sql = format!(
            "COPY (SELECT {digest} FROM {} WHERE {condition} LIMIT {LOOKED_FOR}) TO STDOUT",
            table.quoted()
        );
        let mut wanted = HashSet::new();
        view.session.copy_out(&sql).await?;
        while let Some(line) = view.session.copied().await? {
            let text = std::str::from_utf8(&line).unwrap_or_default();
            if let Ok(digest) = u128::from_str_radix(text.trim_end(), 16) {
                wanted.insert(digest);
            }
        }
        if wanted.is_empty() {
            return Ok(none);
        }
        let mut known = HashSet::new();
        let mut rows = into.current(&stream, &fingerprint.columns()).await?;
        while let Some(batch) = rows.try_next().await? {
            let digests = fingerprint.digests(&batch).map_err(unreadable)?;
            known.extend(
                digests
                    .into_iter()
                    .map(|digests| digests.row)
                    .filter(|row| wanted.contains(row)),
            );
            tokio::task::yield_now().await;
        }
        Ok((known, digest))
    }
}

impl Plan {
    /// Whether what was read of a table is gone on with.
    pub(super) fn goes_on(&self, read: &Read) -> bool {
        read.of.id == self.table.id
            && self.method.fits(&read.of.mark)
            && self.method != Method::Whole
    }
}
