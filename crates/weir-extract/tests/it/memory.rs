//! A destination in memory, which can fail before a commit and lose the answer after one.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BinaryArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use async_trait::async_trait;
use parking_lot::Mutex;
use weir_core::SourceName;
use weir_extract::{
    ACTIVE, CHANGE_COLUMNS, Commit, CurrentRows, DEFAULT, DEFAULT_BEFORE, Destination,
    ExtractError, ExtractErrorKind, KEY, StandingTable, TableHistory,
};

/// A table in one version.
#[derive(Clone)]
struct Version {
    columns: SchemaRef,
    rows: Vec<RecordBatch>,
    entry: String,
    run: Option<String>,
    restores: Option<Option<u64>>,
}

/// What a test lets go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The commit with this number fails, and nothing of it is there.
    Before(u64),
    /// The commit with this number is made, and its answer lost.
    After(u64),
}

#[derive(Default)]
pub(crate) struct Memory {
    tables: Mutex<BTreeMap<String, Vec<Version>>>,
    fault: Mutex<Option<Fault>>,
    commits: Mutex<u64>,
}

/// A row: its columns with their values as text.
pub(crate) type Row = BTreeMap<String, Option<String>>;

impl Memory {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    pub(crate) fn fail(&self, fault: Fault) {
        *self.fault.lock() = Some(fault);
        *self.commits.lock() = 0;
    }

    /// Returns all changes of a table, in the order they lie there.
    pub(crate) fn changes(&self, table: &str) -> Vec<Row> {
        let tables = self.tables.lock();
        let Some(version) = tables.get(table).and_then(|versions| versions.last()) else {
            return Vec::new();
        };
        let options = FormatOptions::default();
        let mut rows = Vec::new();
        for batch in &version.rows {
            for row in 0..batch.num_rows() {
                let fields = version.columns.fields().iter();
                let values = fields.map(|field| {
                    let value = batch.column_by_name(field.name()).and_then(|column| {
                        let shown = ArrayFormatter::try_new(column, &options).unwrap();
                        (!column.is_null(row)).then(|| shown.value(row).to_string())
                    });
                    (field.name().clone(), value)
                });
                rows.push(values.collect());
            }
        }
        rows
    }

    /// Returns the rows a table has now, as the view over it shows them.
    pub(crate) fn current(&self, table: &str) -> Vec<Row> {
        let Some(columns) = self.columns(table) else {
            return Vec::new();
        };
        let active = columns
            .field_with_name("weir_version")
            .ok()
            .and_then(|field| field.metadata().get(ACTIVE).cloned());
        let defaults: Vec<(String, String, i64)> = columns
            .fields()
            .iter()
            .filter_map(|field| {
                let of = |key: &str| field.metadata().get(key).cloned();
                let before = of(DEFAULT_BEFORE)?.parse().unwrap();
                Some((field.name().clone(), of(DEFAULT)?, before))
            })
            .collect();
        let keys: Vec<String> = columns
            .fields()
            .iter()
            .filter(|field| field.metadata().contains_key(KEY))
            .map(|field| field.name().clone())
            .collect();
        let number = |row: &Row, column: &str| -> i64 {
            row[column].as_deref().unwrap_or("0").parse().unwrap()
        };
        let mut changes = self.changes(table);
        changes.retain(|row| active.is_none() || row["weir_version"] == active);
        changes.sort_by_key(|row| (number(row, "weir_position"), number(row, "weir_ordinal")));
        let mut rows: BTreeMap<Vec<Option<String>>, Row> = BTreeMap::new();
        for (at, mut change) in changes.into_iter().enumerate() {
            for (column, value, before) in &defaults {
                if number(&change, "weir_position") < *before && change[column].is_none() {
                    change.insert(column.clone(), Some(value.clone()));
                }
            }
            let mut key: Vec<Option<String>> = keys.iter().map(|key| change[key].clone()).collect();
            let is_delete = change["weir_op"].as_deref() == Some("delete");
            if keys.is_empty() {
                key.push(Some(format!("{at:09}")));
                if is_delete {
                    // One of the rows with the same values goes.
                    let wanted = own(&change);
                    let same = rows.iter().find(|(_, row)| own(row) == wanted);
                    match same.map(|(key, _)| key.clone()) {
                        Some(key) => drop(rows.remove(&key)),
                        None => panic!("{table}: a row is deleted that is not there: {wanted:?}"),
                    }
                    continue;
                }
            }
            if is_delete {
                rows.remove(&key);
                continue;
            }
            let left_out = change["weir_unchanged"].clone().unwrap_or_default();
            for name in left_out.split('\u{1f}').filter(|name| !name.is_empty()) {
                let before = rows.get(&key).and_then(|row| row[name].clone());
                change.insert(name.to_owned(), before);
            }
            change.retain(|column, _| !CHANGE_COLUMNS.contains(&column.as_str()));
            rows.insert(key, change);
        }
        rows.into_values().collect()
    }

    pub(crate) fn columns(&self, table: &str) -> Option<SchemaRef> {
        let tables = self.tables.lock();
        Some(tables.get(table)?.last()?.columns.clone())
    }

    /// Returns one column of the rows of now.
    pub(crate) fn values(&self, table: &str, column: &str) -> Vec<String> {
        let rows = self.current(table).into_iter();
        rows.map(|row| row[column].clone().unwrap_or_else(|| "NULL".into()))
            .collect()
    }

    fn strike(&self, after: bool) -> Result<(), ExtractError> {
        let made = *self.commits.lock();
        let fault = *self.fault.lock();
        let strikes = match fault {
            Some(Fault::Before(number)) => !after && number == made,
            Some(Fault::After(number)) => after && number == made,
            None => false,
        };
        if !strikes {
            return Ok(());
        }
        *self.fault.lock() = None;
        Err(ExtractError::new(
            ExtractErrorKind::Destination,
            "the test's fault",
        ))
    }
}

/// Returns what of a change is the row's.
fn own(row: &Row) -> Row {
    let own = row
        .iter()
        .filter(|(column, _)| !CHANGE_COLUMNS.contains(&column.as_str()));
    own.map(|(column, value)| (column.clone(), value.clone()))
        .collect()
}

/// Returns a column of rows with the type it has in the table.
fn typed(rows: &[Row], column: &str, columns: &SchemaRef) -> ArrayRef {
    let wanted = columns.field_with_name(column).unwrap().data_type().clone();
    let values = rows.iter().map(|row| row[column].clone());
    if wanted == DataType::Binary {
        let bytes = |hex: String| -> Vec<u8> {
            let digits = (0..hex.len() / 2).map(|at| &hex[at * 2..at * 2 + 2]);
            digits
                .map(|two| u8::from_str_radix(two, 16).unwrap())
                .collect()
        };
        return Arc::new(BinaryArray::from_iter(values.map(|value| value.map(bytes))));
    }
    cast(&StringArray::from_iter(values), &wanted).unwrap()
}

#[async_trait]
impl Destination for Memory {
    async fn standing(&self, _: &SourceName) -> Result<Vec<StandingTable>, ExtractError> {
        let tables = self.tables.lock();
        let standing = tables.iter().filter_map(|(name, versions)| {
            let newest = versions.last()?;
            (!newest.entry.is_empty()).then(|| StandingTable {
                name: name.clone(),
                columns: newest.columns.clone(),
                version: versions.len() as u64 - 1,
                entry: newest.entry.clone(),
            })
        });
        Ok(standing.collect())
    }

    async fn commit(
        &self,
        _: &SourceName,
        commit: Commit,
    ) -> Result<Vec<(String, u64)>, ExtractError> {
        *self.commits.lock() += 1;
        self.strike(false)?;
        let mut done = Vec::new();
        for table in commit.tables {
            let mut tables = self.tables.lock();
            let versions = tables.entry(table.name.clone()).or_default();
            let mut rows = versions.last().map(|v| v.rows.clone()).unwrap_or_default();
            for batch in &table.rows {
                assert_eq!(batch.schema_ref(), &table.columns);
            }
            rows.extend(table.rows);
            versions.push(Version {
                columns: table.columns,
                rows,
                entry: table.entry,
                run: Some(commit.run.clone()),
                restores: None,
            });
            done.push((table.name, versions.len() as u64 - 1));
        }
        self.strike(true)?;
        Ok(done)
    }

    async fn current(
        &self,
        _: &SourceName,
        table: &str,
        columns: &[String],
    ) -> Result<CurrentRows, ExtractError> {
        let rows = Memory::current(self, table);
        let Some(known) = self.columns(table) else {
            return Ok(Box::pin(futures::stream::empty()));
        };
        let wanted = columns
            .iter()
            .map(|name| (name, typed(&rows, name, &known), true));
        let batch = RecordBatch::try_from_iter_with_nullable(wanted).unwrap();
        Ok(Box::pin(futures::stream::iter([Ok(batch)])))
    }

    async fn history(
        &self,
        _: &SourceName,
        table: &str,
    ) -> Result<Vec<TableHistory>, ExtractError> {
        let tables = self.tables.lock();
        let versions = tables.get(table).into_iter().flatten().enumerate();
        let mut history: Vec<TableHistory> = versions
            .map(|(at, version)| TableHistory {
                version: at as u64,
                run: version.run.clone(),
                restores: version.restores,
            })
            .collect();
        history.reverse();
        Ok(history)
    }

    async fn restore(
        &self,
        _: &SourceName,
        _: &str,
        restored: Vec<(String, Option<u64>)>,
    ) -> Result<(), ExtractError> {
        for (name, version) in restored {
            let mut tables = self.tables.lock();
            let versions = tables.get_mut(&name).unwrap();
            let mut old = match version {
                Some(version) => versions[version as usize].clone(),
                // Dropped: a table without an entry is not there.
                None => Version {
                    columns: versions[0].columns.clone(),
                    rows: Vec::new(),
                    entry: String::new(),
                    run: None,
                    restores: None,
                },
            };
            old.run = None;
            old.restores = Some(version);
            versions.push(old);
        }
        Ok(())
    }
}
