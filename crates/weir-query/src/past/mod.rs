//! `FOR ... AS OF` behind tables and views: which past each one reads.

mod view;
mod when;

use std::collections::HashMap;

use chrono::Utc;
use datafusion::common::ScalarValue;
use weir_core::TableName;
use weir_lake::LakeErrorKind;

use crate::catalog::{Instant, Past, own_schema};
use crate::engine::{Parts, QueryRequest};
use crate::error::{QueryError, QueryErrorKind};
use crate::secured;
use crate::session::{DEFAULT_SCHEMA, PATH};
use crate::travel::{Clause, PastTable};

use when::When;

/// Looks the past versions up that the statement asks for.
pub(crate) async fn resolve(
    parts: &Parts,
    request: &QueryRequest,
    published: &Instant,
    clauses: &[Clause],
    tables: Vec<PastTable>,
    params: &[ScalarValue],
) -> Result<HashMap<(String, String), Past>, QueryError> {
    let mut found = HashMap::with_capacity(tables.len());
    let access = parts.catalog.access();
    let home = own_schema(&access, &request.caller);
    for table in tables {
        let clause = &clauses[table.clause];
        let on_path: Vec<&str> = match table.schema.as_str() {
            PATH => request
                .settings
                .search_path
                .iter()
                .map(|schema| match schema.as_str() {
                    "$user" => home.as_str(),
                    schema => schema,
                })
                .collect(),
            schema => vec![schema],
        };
        let full = match table.schema.as_str() {
            PATH => format!(
                "{}.{}",
                on_path.last().unwrap_or(&DEFAULT_SCHEMA),
                table.table
            ),
            schema => format!("{schema}.{}", table.table),
        };
        let mut before = on_path.len();
        let mut name = None;
        for (at, schema) in on_path.iter().enumerate() {
            let found = TableName::new(*schema, &table.table).ok();
            let Some(found) = found.filter(|name| published.view.table(name).is_some()) else {
                continue;
            };
            // Before anything else is looked at: a hidden table has no versions to be wrong about.
            if !secured::hidden(&access, &request.caller, &found)? {
                (before, name) = (at, Some(found));
                break;
            }
        }
        // Whatever is now, or later, is what there is.
        let began = Utc::now().timestamp_micros();
        let at = when::read(&parts.base, clause, params)
            .map_err(|error| error.at(Some(clause.position)))?;
        // The path is gone through once: a view may stand before the table.
        if before > 0 {
            let view = view::view(
                parts,
                request,
                (published, began),
                (&on_path[..before], &table.table),
                at,
            )
            .await
            .map_err(|error| error.at(Some(clause.position)))?;
            if let Some(view) = view {
                found.insert((table.schema, table.pinned), view);
                continue;
            }
        }
        let name = name.ok_or_else(|| {
            QueryError::new(
                QueryErrorKind::UndefinedTable,
                format!("no table `{full}` has a history"),
            )
            .hint("FOR ... AS OF works on tables of the lake, and on views of them")
            .at(Some(clause.position))
        })?;
        let When::At(at) = at else {
            return Err(QueryError::new(
                QueryErrorKind::Invalid,
                format!("`{full}` is a table: positions are of the changes of sources"),
            )
            .hint("write FOR POSITION AS OF behind a source's stream, or a view of some")
            .at(Some(clause.position)));
        };
        let snapshot = parts.lake.table_at(&name, at).await.map_err(|error| {
            let (kind, message) = match error.kind() {
                LakeErrorKind::NotFound | LakeErrorKind::Expired => (
                    QueryErrorKind::UndefinedVersion,
                    format!("`{full}` has no version {}", clause.value),
                ),
                _ => (QueryErrorKind::Lake, format!("cannot {error}")),
            };
            QueryError::new(kind, message)
                .hint("weir.commits lists the versions of every table")
                .at(Some(clause.position))
                .caused_by(error)
        })?;
        if snapshot.version < Some(parts.lake.recreated_at(&name).await) {
            secured::of_dropped(&access, &request.caller, &name)
                .map_err(|error| error.at(Some(clause.position)))?;
        }
        found.insert((table.schema, table.pinned), Past::Table(snapshot));
    }
    Ok(found)
}
