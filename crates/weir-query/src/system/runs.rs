//! `weir.runs`, `weir.steps`, `weir.attempts`, `weir.run_logs`, `weir.schedules`, `weir.datums`,
//! `weir.filesets`: what runs when, and how it went. Who keeps the runs is another room; here they become tables.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Int64Array, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::DataType;
use futures::FutureExt;
use weir_access::Action;

use super::virtual_table::{VirtualTable, instant};
use crate::catalog::Scope;
use crate::error::{QueryError, QueryErrorKind};

/// Tells what runs when, and how it went.
///
/// # Contract
/// Rows have the columns of [`RunTable::columns`], in that order and of those types. The newest runs
/// are told, as many as one may want to look at.
#[async_trait]
pub trait RunRecords: Send + Sync + Debug {
    /// Returns the rows of a table; of one run only, where a run is asked for.
    async fn rows(
        &self,
        table: RunTable,
        run: Option<i64>,
    ) -> Result<Vec<Vec<RunCell>>, Box<dyn std::error::Error + Send + Sync>>;
}

/// A table about runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunTable {
    Schedules,
    Runs,
    Steps,
    Attempts,
    RunLogs,
    Datums,
    Filesets,
}

/// A value of such a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunCell {
    Text(Option<String>),
    Number(Option<i64>),
    /// Microseconds since 1970.
    Instant(Option<i64>),
    Truth(bool),
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunType {
    Text,
    Number,
    Instant,
    Truth,
}

use RunType::{Instant, Number, Text, Truth};

impl RunTable {
    /// Returns the columns with their types.
    pub fn columns(self) -> &'static [(&'static str, RunType)] {
        match self {
            Self::Schedules => &[
                ("name", Text),
                ("trigger", Text),
                ("definition", Text),
                ("zone", Text),
                ("steps", Number),
                ("paused", Truth),
                ("paused_at", Instant),
                ("next_at", Instant),
                ("deadline_at", Instant),
                ("last_run_id", Number),
                ("last_state", Text),
                ("last_at", Instant),
            ],
            Self::Runs => &[
                ("run_id", Number),
                ("schedule", Text),
                ("cause", Text),
                ("caused_by", Text),
                ("scheduled_at", Instant),
                ("partition", Text),
                ("backfill_id", Number),
                ("rerun_of", Number),
                ("state", Text),
                ("reason", Text),
                ("held", Truth),
                ("created_at", Instant),
                ("started_at", Instant),
                ("ended_at", Instant),
                ("inputs", Text),
            ],
            Self::Steps => &[
                ("step_id", Number),
                ("run_id", Number),
                ("asset", Text),
                ("kind", Text),
                ("pool", Text),
                ("priority", Number),
                ("state", Text),
                ("reason", Text),
                ("attempts", Number),
                ("waits_for", Number),
                ("retry_at", Instant),
                ("started_at", Instant),
                ("ended_at", Instant),
            ],
            Self::Attempts => &[
                ("attempt_id", Number),
                ("step_id", Number),
                ("run_id", Number),
                ("number", Number),
                ("state", Text),
                ("class", Text),
                ("reason", Text),
                ("node", Text),
                ("published", Text),
                ("started_at", Instant),
                ("ended_at", Instant),
            ],
            Self::RunLogs => &[
                ("run_id", Number),
                ("step_id", Number),
                ("asset", Text),
                ("attempt_id", Number),
                ("line_number", Number),
                ("at", Instant),
                ("line", Text),
            ],
            Self::Datums => &[
                ("step", Text),
                ("datum", Text),
                ("label", Text),
                ("state", Text),
                ("run_id", Number),
                ("tries", Number),
                ("files", Number),
                ("bytes", Number),
                ("ms", Number),
                ("cpu_ms", Number),
                ("memory", Number),
                ("exit_code", Number),
                ("reason", Text),
                ("log", Text),
                ("ended_at", Instant),
            ],
            Self::Filesets => &[
                ("name", Text),
                ("branch", Text),
                ("version", Number),
                ("files", Number),
                ("bytes", Number),
            ],
        }
    }
}

/// Returns a table about runs. They are for whoever may operate the server: logs and errors may hold
/// values of any table.
pub(super) fn table(scope: &Scope, table: RunTable) -> VirtualTable {
    let columns: Vec<(&str, DataType)> = table
        .columns()
        .iter()
        .map(|(name, kind)| (*name, data_type(*kind)))
        .collect();
    let scope = scope.clone();
    VirtualTable::new(&columns, move |wanted| {
        let scope = scope.clone();
        async move {
            let records = scope.pinned.options.runs.clone();
            let rows = match records.filter(|_| scope.may(Action::Operate)) {
                None => Vec::new(),
                Some(records) => {
                    let rows = records.rows(table, wanted.number("run_id")).await;
                    rows.map_err(|error| {
                        let text = format!("the runs cannot be read: {error}");
                        QueryError::new(QueryErrorKind::Lake, text)
                    })?
                }
            };
            let columns = table.columns().iter().enumerate();
            Ok(columns
                .map(|(at, (_, kind))| column(rows.iter().map(|row| row.get(at)), *kind))
                .collect())
        }
        .boxed()
    })
}

fn data_type(kind: RunType) -> DataType {
    match kind {
        Text => DataType::Utf8,
        Number => DataType::Int64,
        Instant => instant(),
        Truth => DataType::Boolean,
    }
}

fn column<'a>(cells: impl Iterator<Item = Option<&'a RunCell>>, kind: RunType) -> ArrayRef {
    match kind {
        Text => {
            let texts = cells.map(|cell| match cell {
                Some(RunCell::Text(text)) => text.as_deref(),
                _ => None,
            });
            Arc::new(texts.collect::<StringArray>())
        }
        Number => {
            let numbers = cells.map(|cell| match cell {
                Some(RunCell::Number(number)) => *number,
                _ => None,
            });
            Arc::new(numbers.collect::<Int64Array>())
        }
        Instant => {
            let instants = cells.map(|cell| match cell {
                Some(RunCell::Instant(instant)) => *instant,
                _ => None,
            });
            let instants = instants.collect::<TimestampMicrosecondArray>();
            Arc::new(instants.with_timezone("UTC"))
        }
        Truth => {
            let truths = cells.map(|cell| match cell {
                Some(RunCell::Truth(truth)) => Some(*truth),
                _ => None,
            });
            Arc::new(truths.collect::<BooleanArray>())
        }
    }
}
