//! What a query sees: one instant of every table.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::datatypes::SchemaRef;
use chrono::{DateTime, Utc};
use datafusion::common::ScalarValue;
use object_store::ObjectStore;
use object_store::path::Path;
use url::Url;
use weir_core::{Seq, TableName};

use crate::rows::{ColumnKind, widen_array};

/// One instant of the lake. Holding it keeps that instant readable.
#[derive(Clone, Debug, Default)]
pub struct LakeView {
    /// Every row up to here is in the tables, and no other.
    pub visible: Seq,
    pub tables: Arc<BTreeMap<TableName, Arc<TableView>>>,
    /// Tables that are there and cannot be read, such as one whose log is damaged. What `tables` has
    /// of them are rows that came since, which are not the table.
    pub unreadable: Arc<BTreeSet<TableName>>,
}

/// One instant of one table: its files and the rows that are in memory only.
#[derive(Clone, Debug)]
pub struct TableView {
    pub name: TableName,
    /// The newest schema; every column may be null. Text is `Utf8` here.
    pub schema: SchemaRef,
    /// The Delta version of `files`; none before the first commit.
    pub version: Option<u64>,
    pub files: Arc<Vec<DataFile>>,
    /// Rows not yet in files. Batches may have an older, narrower schema: see [`Self::widen`].
    pub hot: Vec<RecordBatch>,
    pub store: Arc<dyn ObjectStore>,
    /// The lake's URL, which names the store to an engine.
    pub store_url: Url,
    /// The table's own folder in the store.
    pub location: Path,
    /// Every row up to here is in committed files.
    pub committed: Seq,
    /// The column rows are usually asked for by, and files are sorted by.
    pub sort_by: Option<&'static str>,
    /// Whether statements write it; else its rows come through the log.
    pub by_statements: bool,
    /// What people are told it is; that of a column is in its metadata, as `comment`.
    pub comment: Option<Arc<str>>,
}

/// A Parquet file of a table.
#[derive(Clone, Debug)]
pub struct DataFile {
    /// In the lake's store.
    pub path: Path,
    /// In bytes.
    pub size: u64,
    pub rows: u64,
    pub modified: DateTime<Utc>,
    pub columns: HashMap<String, ColumnStats>,
}

/// Bounds of a column's values in one file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ColumnStats {
    pub min: Option<ScalarValue>,
    pub max: Option<ScalarValue>,
    pub nulls: Option<u64>,
}

impl LakeView {
    /// Returns the table `name`.
    pub fn table(&self, name: &TableName) -> Option<&Arc<TableView>> {
        self.tables.get(name)
    }
}

impl TableView {
    /// Returns the number of rows in files and in memory.
    pub fn rows(&self) -> u64 {
        let cold: u64 = self.files.iter().map(|f| f.rows).sum();
        cold + self.hot.iter().map(|b| b.num_rows() as u64).sum::<u64>()
    }

    /// Returns the bytes of the files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|f| f.size).sum()
    }

    /// Returns `batch` with the columns `projection` of the newest schema (all when none), missing
    /// ones null and narrower ones widened.
    pub fn widen(&self, batch: &RecordBatch, projection: Option<&[usize]>) -> RecordBatch {
        widen_batch(batch, &self.schema, projection)
    }
}

/// Brings a batch to the columns of `schema`: missing ones null, narrower ones widened.
pub(crate) fn widen_batch(
    batch: &RecordBatch,
    schema: &SchemaRef,
    projection: Option<&[usize]>,
) -> RecordBatch {
    if projection.is_none() && batch.schema_ref() == schema {
        return batch.clone();
    }
    let schema = match projection {
        Some(columns) => Arc::new(schema.project(columns).expect("columns of the schema")),
        None => schema.clone(),
    };
    let columns: Vec<ArrayRef> = schema
        .fields()
        .iter()
        .map(|field| match batch.column_by_name(field.name()) {
            Some(column) if column.data_type() == field.data_type() => column.clone(),
            Some(column) => match ColumnKind::of(field.data_type(), false) {
                Some(kind) => widen_array(column, kind),
                None => new_null_array(field.data_type(), batch.num_rows()),
            },
            None => new_null_array(field.data_type(), batch.num_rows()),
        })
        .collect();
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema, columns, &options).expect("columns fit the schema")
}
