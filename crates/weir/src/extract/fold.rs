//! Changelogs folded into bases, so that reading current rows costs little more than reading a table.
//!
//! A base is the rows of one instant, written without holding anybody up, and shown by one commit of its
//! own. The view over a changelog tells whether it still holds: `weir-query/src/catalog/folded.rs`.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::AsArray;
use arrow::datatypes::{Field, Int64Type, Schema, SchemaRef};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use weir_core::TableName;
use weir_core::changelog::BASE;
use weir_extract::{ACTIVE, CHANGE_COLUMNS, Extracts, KEY};
use weir_lake::{Lake, LakeError, LakeView, LoadedTable, Receipt, StoredRows};
use weir_query::{Caller, Engine, Instant, QueryError, QueryRequest, QueryResult};

use super::lake::{DOOR, WRITER, quoted};

/// What a base remembers in the place where tables of connectors have their state.
pub(super) const STATE: &str = "folded";
/// Metadata of a base's first column.
const FOLDED: &str = "weir.folded";
/// How often it is looked what there is to fold.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Fewer changes than this are read as they are.
const LEAST_CHANGES: u64 = 10_000;
/// A base is made anew once there is one change for so many of its rows.
const ROWS_A_CHANGE: u64 = 20;

/// Of what a base was made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Folded {
    /// The last of the changes.
    position: i64,
    ordinal: i64,
    /// The version of the rows that counted.
    active: Option<i64>,
    /// The version the changelog's table had.
    pub(super) version: u64,
    /// How many changes it had.
    changes: u64,
}

/// A base as it stands.
pub(super) struct Base {
    pub(super) name: TableName,
    pub(super) folded: Folded,
    rows: u64,
}

/// Returns the base of a changelog.
pub(super) fn base_of(view: &LakeView, changelog: &TableName) -> Option<Base> {
    let name = base_name(changelog)?;
    let table = view.table(&name)?;
    let told = table.schema.fields().first()?.metadata().get(FOLDED)?;
    Some(Base {
        folded: serde_json::from_str(told).ok()?,
        rows: table.rows(),
        name,
    })
}

fn base_name(changelog: &TableName) -> Option<TableName> {
    TableName::new(changelog.schema(), format!("{}{BASE}", changelog.table())).ok()
}

/// Why a changelog was not folded.
#[derive(Debug, thiserror::Error)]
enum FoldError {
    #[error("its rows cannot be read")]
    Read(#[from] QueryError),
    #[error("its base cannot be written")]
    Write(#[from] LakeError),
}

/// What folding takes.
pub(super) struct Folder {
    pub(super) extracts: Extracts,
    pub(super) lake: Lake,
    pub(super) engine: Engine,
}

impl Folder {
    /// Folds what has many changes, until `shutdown`.
    pub(super) async fn follow(self, shutdown: CancellationToken) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = ticks.tick() => {}
            }
            for changelog in self.due() {
                let folded = tokio::select! {
                    () = shutdown.cancelled() => return,
                    folded = self.fold(&changelog) => folded,
                };
                if let Err(error) = folded {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::warn!(table = %changelog, %error, cause, "a changelog is not folded; it is tried again");
                }
            }
        }
    }

    /// Returns the changelogs with many changes that are in no base.
    fn due(&self) -> Vec<TableName> {
        let view = self.lake.view();
        let changelogs = view.tables.iter().filter(|(name, table)| {
            let has = |column: &str| table.schema.column_with_name(column).is_some();
            name.schema().starts_with("raw_") && has("weir_op") && has("weir_position")
        });
        let due = changelogs.filter(|(name, table)| {
            let fields = table.schema.fields();
            if !fields
                .iter()
                .any(|field| field.metadata().contains_key(KEY))
            {
                // Rows without a key are read as they are.
                return false;
            }
            let base = base_of(&view, name);
            let (known, rows) = base.map_or((0, 0), |base| match base.folded.active {
                active if active == active_of(&table.schema) => (base.folded.changes, base.rows),
                _ => (0, 0),
            });
            let since = table.rows().saturating_sub(known);
            since >= LEAST_CHANGES && since.saturating_mul(ROWS_A_CHANGE) >= rows
        });
        due.map(|(name, _)| name.clone()).collect()
    }

    /// Makes the base of a changelog anew, of the changes there are now.
    async fn fold(&self, changelog: &TableName) -> Result<(), FoldError> {
        let Some(source) = changelog.schema().strip_prefix("raw_") else {
            return Ok(());
        };
        let Ok(turn) = self.extracts.pause(source) else {
            return Ok(());
        };
        if !self.extracts.is_settled(&turn).await.unwrap_or(false) {
            return Ok(());
        }
        let instant = self.engine.instant().await;
        drop(turn);
        let Some(table) = instant.tables().table(changelog).cloned() else {
            return Ok(());
        };
        let (Some(base), Some(version)) = (base_name(changelog), table.version) else {
            return Ok(());
        };
        let Some((position, ordinal)) = self.last(changelog, &instant).await? else {
            return Ok(());
        };
        let folded = Folded {
            position,
            ordinal,
            active: active_of(&table.schema),
            version,
            changes: table.rows(),
        };
        let columns = columns(&table.schema, &folded);
        let stored = self
            .store(source, changelog, &base, &columns, &instant)
            .await?;
        let rows = stored.rows;
        // Nothing is taken back from here on.
        let Some(_turn) = self.turn(source).await else {
            return Ok(());
        };
        let commits = self.lake.commits(changelog, usize::MAX).await?;
        let later = commits.iter().take_while(|commit| commit.version > version);
        let restored = |receipt: &Receipt| receipt.details.contains_key("restores");
        if later
            .filter_map(|commit| commit.receipt.as_ref())
            .any(restored)
        {
            return Ok(());
        }
        let loaded = LoadedTable {
            name: base,
            schema: columns,
            rows: Vec::new(),
            replacement: Some(stored),
            state: STATE.into(),
            transaction: None,
            receipt: Receipt {
                writer: WRITER.into(),
                run_id: format!("{source}-fold"),
                code: concat!("weir ", env!("CARGO_PKG_VERSION")).into(),
                ..Receipt::default()
            },
        };
        let mut publishing = self.lake.load(vec![loaded]).await?;
        publishing.commit().await?;
        publishing.show();
        tracing::info!(table = %changelog, rows, changes = folded.changes, "folded a changelog");
        Ok(())
    }

    /// Waits for the turn to write the source's tables: a sync is rarely long.
    async fn turn(&self, source: &str) -> Option<weir_extract::Turn> {
        for _ in 0..600 {
            match self.extracts.pause(source) {
                Ok(turn) => return Some(turn),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
        None
    }

    async fn ask(&self, sql: String, instant: &Instant) -> Result<QueryResult, QueryError> {
        let mut request = QueryRequest::new(sql, Caller::owner(DOOR));
        request.read_only = true;
        request.instant = Some(instant.clone());
        self.engine.query(request).await
    }

    /// Returns the place of the last change.
    async fn last(
        &self,
        changelog: &TableName,
        instant: &Instant,
    ) -> Result<Option<(i64, i64)>, QueryError> {
        let sql = format!(
            "SELECT weir_position, weir_ordinal FROM {}.{} ORDER BY weir_position DESC, weir_ordinal DESC LIMIT 1",
            quoted(changelog.schema()),
            quoted(changelog.table())
        );
        let mut rows = self.ask(sql, instant).await?.rows;
        let mut last = None;
        while let Some(batch) = rows.try_next().await? {
            if batch.num_rows() > 0 {
                let number = |at: usize| batch.column(at).as_primitive::<Int64Type>().value(0);
                last = Some((number(0), number(1)));
            }
        }
        Ok(last)
    }

    /// Writes the rows of an instant into files that no commit names yet.
    async fn store(
        &self,
        source: &str,
        changelog: &TableName,
        base: &TableName,
        columns: &Schema,
        instant: &Instant,
    ) -> Result<StoredRows, FoldError> {
        let mut sql = String::from("SELECT ");
        for (at, field) in columns.fields().iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            let _ = write!(sql, "{comma}{}", quoted(field.name()));
        }
        let _ = write!(
            sql,
            " FROM {}.{}",
            quoted(source),
            quoted(changelog.table())
        );
        let mut rows = self.ask(sql, instant).await?.rows;
        let mut sink = self.lake.row_sink(base, columns)?;
        while let Some(batch) = rows.try_next().await? {
            sink.write(&batch).await?;
        }
        Ok(sink.finish().await?)
    }
}

fn active_of(schema: &Schema) -> Option<i64> {
    let field = schema.field_with_name("weir_version").ok()?;
    field.metadata().get(ACTIVE)?.parse().ok()
}

/// Returns the columns of a base: those of the rows, with the keys marked and what it is made of.
fn columns(changelog: &Schema, folded: &Folded) -> SchemaRef {
    let own = changelog.fields().iter();
    let own = own.filter(|field| !CHANGE_COLUMNS.contains(&field.name().as_str()));
    let mut told = Some(serde_json::to_string(folded).unwrap_or_default());
    let fields = own.map(|field| {
        let mut metadata = HashMap::new();
        if field.metadata().contains_key(KEY) {
            metadata.insert(KEY.to_owned(), "true".to_owned());
        }
        if let Some(told) = told.take() {
            metadata.insert(FOLDED.to_owned(), told);
        }
        Field::new(field.name(), field.data_type().clone(), true).with_metadata(metadata)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
