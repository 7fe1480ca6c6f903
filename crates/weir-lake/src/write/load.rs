//! Tables that connectors load: rows and what the connector remembers change in one commit.

use std::collections::BTreeMap;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use fail::fail_point;
use futures::TryStreamExt;
use tracing::info;
use weir_core::TableName;

use super::columns::stored_columns;
use super::publish::{Publishing, TableChange};
use super::sink::{RowSink, StoredRows};
use crate::delta::{Operation, Receipt, StatementCommit, TableLog, Writer, read_batches};
use crate::error::{LakeError, LakeErrorKind};
use crate::lake::Lake;
use crate::view::DataFile;

/// What a connector adds to one table.
#[derive(Debug)]
pub struct LoadedTable {
    pub name: TableName,
    /// The columns from now on: those there are, perhaps with wider types, then new ones. A field's
    /// metadata is kept with the table.
    pub schema: SchemaRef,
    /// Rows with these columns.
    pub rows: Vec<RecordBatch>,
    /// Rows in files, from [`Lake::row_sink`] with these columns, that take the place of all there are.
    pub replacement: Option<StoredRows>,
    /// What the connector remembers from these rows on.
    pub state: String,
    /// An application and how far it has come: the `txn` of the commit.
    pub transaction: Option<(String, i64)>,
    pub receipt: Receipt,
}

/// What a connector remembers with one of its tables.
#[derive(Clone, Debug)]
pub struct LoadState {
    pub table: TableName,
    pub version: u64,
    pub state: String,
}

impl Lake {
    /// Writes rows into files and prepares the commits that add them to their tables.
    ///
    /// Nobody sees the rows before [`Publishing::show`]; files of a load that is dropped are for the
    /// vacuum. Tables of the intake, and those that statements write, are refused.
    pub async fn load(&self, mut tables: Vec<LoadedTable>) -> Result<Publishing, LakeError> {
        self.loaded()?;
        let (_, logs, hot) = self.parts();
        // In the order of names, so that two of them cannot wait for each other.
        tables.sort_by(|a, b| a.name.cmp(&b.name));
        if let Some(twice) = tables.windows(2).find(|pair| pair[0].name == pair[1].name) {
            let name = &twice[0].name;
            return Err(LakeError::new(LakeErrorKind::Invalid, "load table", name)
                .because("it is named twice"));
        }
        let mut turns = Vec::with_capacity(tables.len());
        for table in &tables {
            turns.push(logs.turn(&table.name).lock_owned().await);
        }
        let view = hot.view();
        let mut changes = Vec::with_capacity(tables.len());
        for table in tables {
            let mut log = logs.get(&table.name).lock_owned().await;
            if log.version().is_none() {
                log.load().await?;
            }
            self.refuse_others(&table.name, &log)?;
            let before = view.table(&table.name).and(log.version());
            let commit = self.load_commit(table, &log, before.is_some()).await?;
            changes.push(TableChange::new(log, commit, before));
        }
        fail_point!("load-stored");
        Ok(Publishing::new(hot.clone(), turns, changes))
    }

    /// Returns what connectors remember with the tables of a schema.
    pub async fn load_states(&self, schema: &str) -> Result<Vec<LoadState>, LakeError> {
        self.loaded()?;
        let (_, logs, _) = self.parts();
        let mut states = Vec::new();
        for name in logs.names().into_iter().filter(|n| n.schema() == schema) {
            let log = logs.get(&name);
            let log = log.lock().await;
            if log.is_dropped() {
                continue;
            }
            if let (Some(version), Some(state)) = (log.version(), log.load_state()) {
                states.push(LoadState {
                    table: name,
                    version,
                    state: state.to_owned(),
                });
            }
        }
        Ok(states)
    }

    fn refuse_others(&self, name: &TableName, log: &TableLog) -> Result<(), LakeError> {
        let refuse = |why: &str| {
            Err(LakeError::new(LakeErrorKind::Invalid, "load table", name).because(why.to_owned()))
        };
        if log.version().is_some() && !log.is_written_by(Writer::Loads) {
            return refuse("its rows come from events or statements, not from a connector");
        }
        let (_, logs, hot) = self.parts();
        let view = hot.view();
        let taken = view.tables.keys().filter(|n| n.schema() == name.schema());
        for other in taken {
            let other = logs.get(other);
            // A log that is busy is being loaded with this one.
            let Ok(other) = other.try_lock() else {
                continue;
            };
            if other.version().is_some() && !other.is_written_by(Writer::Loads) {
                return refuse("its schema takes events: give the connector's source another name");
            }
        }
        Ok(())
    }

    async fn load_commit(
        &self,
        table: LoadedTable,
        log: &TableLog,
        exists: bool,
    ) -> Result<StatementCommit, LakeError> {
        let name = &table.name;
        let (root, ..) = self.parts();
        let (folder, _) = root.table(name);
        let schema = stored_columns(&table.schema)?;
        let mut sink = RowSink::new(root.store.clone(), folder, schema.clone());
        let mut rewritten = Vec::new();
        let replaces = table.replacement.is_some();
        if exists && replaces {
            rewritten = log.files.as_ref().clone();
        } else if exists && narrower(&log.schema, &schema) {
            // Delta keeps one type per column: all files are written again with the wider one.
            info!(table = %name, files = log.files.len(), "rewriting for a wider column type");
            rewritten = log.files.as_ref().clone();
            for file in &rewritten {
                self.recast(name, file, &mut sink).await?;
            }
        }
        for batch in &table.rows {
            sink.write(batch).await?;
        }
        let mut added: u64 = table.rows.iter().map(|b| b.num_rows() as u64).sum();
        let mut stored = sink.finish().await?;
        if let Some(replacement) = table.replacement {
            added += replacement.rows;
            stored.files.extend(replacement.files);
        }
        let operation = match (exists, replaces) {
            (true, true) => Operation::Overwrite,
            (true, false) => Operation::Append,
            (false, _) => Operation::Create,
        };
        let columns = match exists && log.schema == schema {
            true => None,
            false => Some(schema),
        };
        Ok(StatementCommit {
            add: stored.files,
            remove: rewritten,
            schema: columns,
            writer: Writer::Loads,
            load_state: Some(table.state),
            transaction: table.transaction,
            ..StatementCommit::new(
                operation,
                Receipt {
                    rows_added: added,
                    ..table.receipt
                },
            )
        })
    }

    async fn recast(
        &self,
        name: &TableName,
        file: &DataFile,
        sink: &mut RowSink,
    ) -> Result<(), LakeError> {
        let (root, ..) = self.parts();
        let fail = |e: Box<dyn std::error::Error + Send + Sync>| {
            LakeError::new(LakeErrorKind::Storage, "rewrite a file of table", name).because(e)
        };
        let batches = read_batches(&root.store, file).await;
        let mut batches = batches.map_err(|e| fail(e.into()))?;
        while let Some(batch) = batches.try_next().await.map_err(|e| fail(e.into()))? {
            let batch = recast(&batch, sink.schema()).map_err(|e| fail(e.into()))?;
            sink.write_stored(&batch).await?;
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

/// Tells whether a column has another type in `new`.
fn narrower(old: &SchemaRef, new: &SchemaRef) -> bool {
    let types: BTreeMap<_, _> = new
        .fields()
        .iter()
        .map(|field| (field.name(), field.data_type()))
        .collect();
    old.fields().iter().any(|field| {
        types
            .get(field.name())
            .is_some_and(|new| *new != field.data_type())
    })
}

/// Brings a batch to the columns of `schema` by name: missing ones null, others cast.
fn recast(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = schema.fields().iter();
    let columns = columns.map(|field| match batch.column_by_name(field.name()) {
        Some(column) => cast(column, field.data_type()),
        None => Ok(new_null_array(field.data_type(), batch.num_rows())),
    });
    let columns = columns.collect::<Result<Vec<ArrayRef>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options)
}
