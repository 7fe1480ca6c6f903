//! The lake as connectors see it.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures::TryStreamExt;
use serde_json::{Map, Value, json};
use tokio::sync::{Mutex, OwnedMutexGuard};
use weir_catalog::{Actor, Catalog, Publication, PublicationTable};
use weir_core::{SourceName, TableName};
use weir_extract::{
    Commit, CurrentRows, Destination, ExtractError, ExtractErrorKind, StandingTable, TableHistory,
};
use weir_lake::{Lake, LakeError, LakeErrorKind, LoadedTable, Publishing, Receipt};
use weir_query::{Caller, Engine, QueryError, QueryRequest};

use super::fold;

/// What commits of connectors are written by.
pub(super) const WRITER: &str = "load";
/// By which door connectors ask, in the audit.
pub(super) const DOOR: &str = "extract";

/// Tables of the lake, changed together by what the catalog writes down.
pub(super) struct LakeDestination {
    lake: Lake,
    catalog: Catalog,
    engine: Engine,
    /// By source: whoever changes its tables. A commit goes on when its sync is dropped, and the next sync must
    /// not begin before it is done.
    changing: parking_lot::Mutex<HashMap<SourceName, Arc<Mutex<()>>>>,
}

impl LakeDestination {
    pub(super) fn new(lake: Lake, catalog: Catalog, engine: Engine) -> Self {
        Self {
            lake,
            catalog,
            engine,
            changing: Default::default(),
        }
    }

    /// Waits until nobody changes the tables of a source.
    async fn alone(&self, source: &SourceName) -> OwnedMutexGuard<()> {
        let own = {
            let mut all = self.changing.lock();
            all.entry(source.clone()).or_default().clone()
        };
        own.lock_owned().await
    }

    /// Commits what is prepared and shows it. Not on behalf of whoever may go away meanwhile.
    async fn publish(
        &self,
        source: &SourceName,
        id: String,
        publishing: Publishing,
    ) -> Result<(), ExtractError> {
        let alone = self.alone(source).await;
        let catalog = self.catalog.clone();
        let work = tokio::spawn(async move {
            let _alone = alone;
            publish(&catalog, id, publishing).await
        });
        work.await.unwrap_or_else(|error| {
            Err(
                ExtractError::new(ExtractErrorKind::Destination, "the commit was interrupted")
                    .because(error),
            )
        })
    }
}

#[async_trait]
impl Destination for LakeDestination {
    async fn standing(&self, source: &SourceName) -> Result<Vec<StandingTable>, ExtractError> {
        let _alone = self.alone(source).await;
        let states = self
            .lake
            .load_states(&source.raw_schema())
            .await
            .map_err(failed)?;
        let view = self.lake.view();
        let streams = states
            .into_iter()
            .filter(|state| state.state != fold::STATE);
        let tables = streams.filter_map(|state| {
            let table = view.table(&state.table)?;
            Some(StandingTable {
                name: state.table.table().to_owned(),
                columns: table.schema.clone(),
                version: state.version,
                entry: state.state,
            })
        });
        Ok(tables.collect())
    }

    async fn commit(
        &self,
        source: &SourceName,
        commit: Commit,
    ) -> Result<Vec<(String, u64)>, ExtractError> {
        let id = format!("{}/{}", commit.run, commit.number);
        let mut tables = Vec::with_capacity(commit.tables.len());
        for table in commit.tables {
            let application = format!("weir.load.{source}.{}", table.name);
            tables.push(LoadedTable {
                name: name(source, &table.name)?,
                schema: table.columns,
                rows: table.rows,
                replacement: None,
                state: table.entry,
                transaction: table.position.map(|position| (application, position)),
                receipt: receipt(&id, json!({ "sync": commit.run })),
            });
        }
        let publishing = self.lake.load(tables).await.map_err(failed)?;
        let versions = publishing.tables().into_iter();
        let versions = versions
            .map(|table| (table.name.table().to_owned(), table.after))
            .collect();
        self.publish(source, id, publishing).await?;
        Ok(versions)
    }

    async fn current(
        &self,
        source: &SourceName,
        table: &str,
        columns: &[String],
    ) -> Result<CurrentRows, ExtractError> {
        let columns: Vec<String> = columns.iter().map(|name| quoted(name)).collect();
        let sql = format!(
            "SELECT {} FROM {}.{}",
            columns.join(", "),
            quoted(source.as_str()),
            quoted(table)
        );
        let mut request = QueryRequest::new(sql, Caller::owner(DOOR));
        request.read_only = true;
        let answer = self.engine.query(request).await.map_err(unread)?;
        Ok(Box::pin(answer.rows.map_err(unread)))
    }

    async fn history(
        &self,
        source: &SourceName,
        table: &str,
    ) -> Result<Vec<TableHistory>, ExtractError> {
        let name = name(source, table)?;
        let commits = self.lake.commits(&name, usize::MAX).await.map_err(failed)?;
        let history = commits.into_iter().map(|commit| {
            let receipt = commit.receipt.filter(|receipt| receipt.writer == WRITER);
            let said = |key: &str| receipt.as_ref()?.details.get(key);
            TableHistory {
                version: commit.version,
                run: said("sync").and_then(Value::as_str).map(str::to_owned),
                restores: said("restores")
                    .map(|versions| versions.get(table).and_then(Value::as_u64)),
            }
        });
        Ok(history.collect())
    }

    async fn restore(
        &self,
        source: &SourceName,
        run: &str,
        tables: Vec<(String, Option<u64>)>,
    ) -> Result<(), ExtractError> {
        let mut targets = Vec::with_capacity(tables.len());
        let mut versions = Map::new();
        let view = self.lake.view();
        for (table, version) in tables {
            let changelog = name(source, &table)?;
            // A base of changes that are taken back is none.
            if let Some(base) = fold::base_of(&view, &changelog)
                && version.is_none_or(|version| version < base.folded.version)
            {
                targets.push((base.name, None));
            }
            targets.push((changelog, version));
            versions.insert(table, version.into());
        }
        let receipt = receipt(run, json!({ "restores": versions }));
        let publishing = self
            .lake
            .restore(&targets, &receipt)
            .await
            .map_err(failed)?;
        self.publish(source, run.to_owned(), publishing).await
    }
}

pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn unread(error: QueryError) -> ExtractError {
    ExtractError::new(
        ExtractErrorKind::Destination,
        "the lake's rows cannot be read",
    )
    .because(error)
}

/// One table is changed by one commit, which is whole by itself. Several are written down first, so that
/// the next start takes back what a process that ended in the middle left of them.
async fn publish(
    catalog: &Catalog,
    id: String,
    mut publishing: Publishing,
) -> Result<(), ExtractError> {
    let tables = publishing.tables();
    if tables.len() < 2 {
        publishing.commit().await.map_err(failed)?;
        publishing.show();
        return Ok(());
    }
    let actor = Actor::local();
    let mut publication = Publication::new(&id, json!({ "load": id }));
    publication.tables = tables
        .iter()
        .map(|table| PublicationTable {
            schema: table.name.schema().to_owned(),
            name: table.name.table().to_owned(),
            before: table.before,
            after: Some(table.after),
        })
        .collect();
    let began = catalog.begin_publication(&actor, &publication).await;
    began.map_err(not_noted)?;
    if let Err(error) = publishing.commit().await {
        if publishing.revert(&id).await {
            catalog.undo_publication(&id).await.map_err(not_noted)?;
        }
        return Err(failed(error));
    }
    // Nobody owns a source's tables.
    publication.tables.clear();
    if let Err(error) = catalog.end_publication(&actor, &publication, &[]).await {
        if publishing.revert(&id).await {
            catalog.undo_publication(&id).await.map_err(not_noted)?;
        }
        return Err(not_noted(error));
    }
    publishing.show();
    Ok(())
}

fn name(source: &SourceName, table: &str) -> Result<TableName, ExtractError> {
    TableName::new(source.raw_schema(), table)
        .map_err(|error| ExtractError::new(ExtractErrorKind::Invalid, error.to_string()))
}

fn receipt(id: &str, details: Value) -> Receipt {
    let details = match details {
        Value::Object(details) => details,
        _ => Map::new(),
    };
    Receipt {
        writer: WRITER.into(),
        run_id: id.to_owned(),
        code: concat!("weir ", env!("CARGO_PKG_VERSION")).into(),
        details,
        ..Receipt::default()
    }
}

fn failed(error: LakeError) -> ExtractError {
    let kind = match error.kind() {
        LakeErrorKind::Invalid | LakeErrorKind::ReadOnly => ExtractErrorKind::Invalid,
        LakeErrorKind::NotFound | LakeErrorKind::Expired => ExtractErrorKind::NotFound,
        _ => ExtractErrorKind::Destination,
    };
    let hint = error.hint();
    let told = ExtractError::new(kind, "the lake does not take the rows").because(error);
    match hint {
        Some(hint) => told.hint(hint),
        None => told,
    }
}

fn not_noted(error: weir_catalog::CatalogError) -> ExtractError {
    ExtractError::new(
        ExtractErrorKind::Destination,
        "the catalog does not note the commit",
    )
    .because(error)
}
