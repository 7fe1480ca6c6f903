//! Tables whose rows come as batches, from a program instead of a statement.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::Schema;
use tokio::sync::mpsc;
use weir_access::{Action, Object};
use weir_core::TableName;
use weir_lake::Receipt;

use super::authorize::authorize_in;
use super::context::lake_error;
use super::names::{table_name, taken};
use crate::engine::Engine;
use crate::error::{QueryError, QueryErrorKind};
use crate::transaction::Transaction;

/// The rows of a table on their way; nothing in the place of rows says that the rest cannot be had,
/// and ends the load.
pub type TableRows = mpsc::Receiver<Option<RecordBatch>>;

/// A table that is to have the rows that come and no others.
#[derive(Clone, Debug)]
pub struct TableLoad {
    pub schema: String,
    pub table: String,
    /// The columns of the rows; they are stored as in `CREATE TABLE ... AS`.
    pub columns: Arc<Schema>,
    /// What the commit says about how it came to be; rows are counted here.
    pub receipt: Receipt,
}

impl Engine {
    /// Makes a table have the rows of `rows` within a transaction; returns how many those are.
    ///
    /// Whoever began the transaction needs the right to create in the schema, and where the table is
    /// there already, to drop it.
    pub async fn load(
        &self,
        transaction: &Transaction,
        load: TableLoad,
        rows: TableRows,
    ) -> Result<u64, QueryError> {
        let (engine, transaction) = (self.clone(), transaction.clone());
        let work = async move { engine.load_here(&transaction, load, rows).await };
        self.executor()
            .spawn(work)
            .await
            .map_err(QueryError::internal)?
    }

    async fn load_here(
        &self,
        transaction: &Transaction,
        load: TableLoad,
        mut rows: TableRows,
    ) -> Result<u64, QueryError> {
        let _in_use = transaction.enter().await?;
        let name = table_name(&load.schema, &load.table)?;
        self.may_load(transaction, &name).await?;
        let lake = &self.parts().lake;
        let mut sink = lake.row_sink(&name, &load.columns).map_err(lake_error)?;
        while let Some(batch) = rows.recv().await {
            let written = match batch {
                Some(batch) => sink.write(&batch).await.map_err(lake_error),
                None => Err(QueryError::new(
                    QueryErrorKind::Value,
                    format!("the rows of `{name}` cannot be read to their end"),
                )),
            };
            if let Err(error) = written {
                sink.abandon().await;
                return Err(error);
            }
        }
        let stored = sink.finish().await.map_err(lake_error)?;
        let writer = lake.staged_writer(transaction.stage(), &name).await;
        let writer = writer.map_err(lake_error)?;
        let count = stored.rows;
        let receipt = Receipt {
            rows_added: count,
            rows_removed: writer.table().map_or(0, |table| table.rows()),
            ..load.receipt
        };
        writer.replace(stored, receipt).await.map_err(lake_error)?;
        Ok(count)
    }

    async fn may_load(
        &self,
        transaction: &Transaction,
        name: &TableName,
    ) -> Result<(), QueryError> {
        let (schema, table) = (name.schema(), name.table());
        let parts = self.parts();
        let caller = transaction.caller();
        let may = |action, object: Object<'_>| {
            authorize_in(parts, Some(transaction), caller, action, &object)
        };
        may(Action::Create, Object::Schema(schema))?;
        let instant = parts.instant().await;
        let is_view = match transaction.view(schema, table) {
            Some(here) => here.is_some(),
            None => {
                let mut views = instant.views.iter();
                views.any(|view| view.schema == schema && view.name == table)
            }
        };
        if is_view {
            return Err(taken("view", schema, table));
        }
        match transaction.over(&instant.view).table(name) {
            Some(there) if !there.by_statements => Err(QueryError::new(
                QueryErrorKind::ReadOnly,
                format!("`{name}` cannot be written: its rows come from a source"),
            )),
            Some(_) => may(Action::Drop, Object::Table { schema, table }),
            None => Ok(()),
        }
    }
}
