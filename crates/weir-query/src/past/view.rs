//! What a view showed: its query of today over what was there.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::ScalarValue;
use weir_core::TableName;
use weir_core::changelog::{BASE, PLACED};
use weir_lake::{At, LakeErrorKind, LakeView};

use super::when::When;
use crate::catalog::{Asker, Instant, Past, Pinned, Scope, Then};
use crate::engine::{Parts, QueryRequest};
use crate::error::{QueryError, QueryErrorKind, translate};
use crate::secured;

/// Finds the view of that name in the first of `schemas` that has one, and what it read at the instant.
///
/// `now` is what there is, without the transaction under way, of which nothing counts, and `began` its instant in
/// microseconds since the epoch: from then on tables are what they are, rows in memory included.
pub(super) async fn view(
    parts: &Parts,
    request: &QueryRequest,
    (now, began): (&Instant, i64),
    (schemas, name): (&[&str], &str),
    when: When,
) -> Result<Option<Past>, QueryError> {
    let asker = Asker {
        caller: request.caller.clone(),
        settings: request.settings.clone(),
    };
    let scope = Scope::new(Pinned::new(parts, asker, HashMap::new(), now.clone())?);
    let of_view =
        |schema: &&&str| scope.definition(schema, name).is_some() && scope.may_know(schema, name);
    let Some(schema) = schemas.iter().find(of_view) else {
        return Ok(None);
    };
    let found = |lake: Arc<LakeView>, until: Option<i64>| {
        Ok(Some(Past::View {
            schema: (*schema).to_owned(),
            name: name.to_owned(),
            then: Then { lake, until },
        }))
    };
    match when {
        When::At(At::Version(_)) => {
            let message = format!("`{schema}.{name}` is a view: it has no versions of its own");
            return Err(QueryError::new(QueryErrorKind::Invalid, message)
                .hint("write FOR TIMESTAMP AS OF: every table it reads is then read as it was"));
        }
        When::At(At::Timestamp(micros)) if micros >= began => {
            return found(scope.pinned.view.clone(), None);
        }
        When::At(At::Timestamp(_)) | When::Position(_) => {}
    }
    // What it reads is known once it is planned, with the rights of whoever asks.
    let planned = scope.find(schema, name).await;
    if planned.map_err(|error| translate(error, &scope))?.is_none() {
        return Ok(None);
    }
    let used = scope.pinned.used();
    let now = &scope.pinned.view.tables;
    let read = now
        .keys()
        .filter(|table| used.contains_key(&table.to_string()));
    // The base of a changelog need not have been read then, or now.
    let bases: Vec<TableName> = read
        .clone()
        .filter_map(|table| TableName::new(table.schema(), format!("{}{BASE}", table.table())).ok())
        .filter(|base| now.contains_key(base))
        .collect();
    let read: Vec<TableName> = read.cloned().chain(bases).collect();
    let at = match when {
        When::At(at) => at,
        When::Position(position) => {
            known_by(&scope, &read, position)?;
            return found(scope.pinned.view.clone(), Some(position));
        }
    };
    let mut then = scope.pinned.view.as_ref().clone();
    let tables = Arc::make_mut(&mut then.tables);
    let access = parts.catalog.access();
    for table in read {
        match parts.lake.table_at(&table, at).await {
            Ok(snapshot) => {
                if snapshot.version < Some(parts.lake.recreated_at(&table).await) {
                    secured::of_dropped(&access, &request.caller, &table)?;
                }
                tables.insert(table, snapshot);
            }
            // It came later.
            Err(error) if error.kind() == LakeErrorKind::NotFound => {
                tables.remove(&table);
            }
            Err(error) => {
                let kind = match error.kind() {
                    LakeErrorKind::Expired => QueryErrorKind::UndefinedVersion,
                    _ => QueryErrorKind::Lake,
                };
                let message = format!("cannot {error}");
                return Err(QueryError::new(kind, message).caused_by(error));
            }
        }
    }
    found(Arc::new(then), None)
}

/// Refuses what a position does not cut, and a position before the first change that is known: what there was is not
/// known, and other rows would be taken for an answer.
fn known_by(scope: &Scope, read: &[TableName], position: i64) -> Result<(), QueryError> {
    let refused = |message: String, hint: &str| {
        Err(QueryError::new(QueryErrorKind::Invalid, message).hint(hint))
    };
    let named = scope.pinned.named();
    let mut changelogs = 0;
    for name in read {
        let Some(table) = scope.stored(name.schema(), name.table()) else {
            continue;
        };
        // A base holds no changes; its changelog is read whole.
        if name.table().ends_with(BASE) && !named.contains(name) {
            continue;
        }
        let position_of = table.schema.field_with_name("weir_position").ok();
        let Some(position_of) = position_of.filter(|_| !named.contains(name)) else {
            return refused(
                format!("`{name}` is read here, which a position does not cut"),
                "FOR POSITION AS OF is of sources' streams and views of nothing else; FOR TIMESTAMP AS OF of any view",
            );
        };
        if !position_of.metadata().contains_key(PLACED) {
            return refused(
                format!("positions of `{name}` number its rows: they are no places in a log"),
                "FOR TIMESTAMP AS OF reads it as it was; databases that are replicated have positions",
            );
        }
        changelogs += 1;
        let stats = table
            .files
            .iter()
            .map(|file| file.columns.get("weir_position"));
        let least = stats.map(|stats| match stats?.min {
            Some(ScalarValue::Int64(least)) => least,
            _ => None,
        });
        // Without a bound nothing can be said of a file.
        let least = least.min().flatten();
        if least.is_some_and(|least| position < least) {
            let message = format!(
                "what `{name}` says begins at position {}, after {position}",
                least.unwrap_or_default()
            );
            return Err(QueryError::new(QueryErrorKind::UndefinedVersion, message));
        }
    }
    match changelogs {
        0 => refused(
            "no changes of a source are read here".to_owned(),
            "FOR POSITION AS OF is of sources' streams; FOR TIMESTAMP AS OF of any view",
        ),
        _ => Ok(()),
    }
}
