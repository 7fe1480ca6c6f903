//! What a check found out about queries, for when views are made of them: planned once, not twice.

use std::collections::HashMap;

use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{Query, Statement as Sql};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use crate::catalog::Scope;
use crate::write::{names_in, qualify};

/// The most queries that are kept, and columns of one: the others are planned again.
const MAX_QUERIES: usize = 4_096;
const MAX_COLUMNS: usize = 200;

/// A relation's schema and name.
type Name = (String, String);

/// The queries of the last check, each until a view is made of it.
#[derive(Debug, Default)]
pub(crate) struct Found {
    kept: Mutex<HashMap<[u8; 32], (Vec<(Name, SchemaRef)>, SchemaRef)>>,
}

/// What a query asks: its text as the caller means it, and the columns of all that it names.
#[derive(Debug)]
pub(super) struct Asked {
    key: [u8; 32],
    names: Vec<(Name, SchemaRef)>,
}

impl Asked {
    /// Returns what a statement asks; none where it cannot be told without planning it.
    pub(super) fn of(scope: &Scope, statement: &Statement) -> Option<Self> {
        let Statement::Statement(sql) = statement else {
            return None;
        };
        let Sql::Query(query) = sql.as_ref() else {
            return None;
        };
        let planned = scope.pinned.planned.as_ref()?;
        let mut query = query.clone();
        qualify(scope, &mut query);
        let names = names_in(&query).into_iter().map(|(schema, name)| {
            let columns = match planned.has(&schema, &name) {
                true => planned.columns(&schema, &name),
                // What else there is may be a view, which changes with what is below it.
                false => scope.stored(&schema, &name).map(|t| t.schema.clone()),
            };
            Some(((schema, name), columns?))
        });
        Some(Self {
            names: names.collect::<Option<_>>()?,
            key: key(scope, &query),
        })
    }
}

impl Found {
    /// Forgets what an earlier check found.
    pub(super) fn forget(&self) {
        self.kept.lock().clear();
    }

    pub(super) fn keep(&self, asked: Asked, columns: SchemaRef) {
        let mut kept = self.kept.lock();
        if kept.len() < MAX_QUERIES && columns.fields().len() <= MAX_COLUMNS {
            kept.insert(asked.key, (asked.names, columns));
        }
    }

    /// Takes the columns of a query whose names have their schemas, if all it names may be read and has the
    /// columns that it had, or was going to have, when it was checked.
    pub(crate) async fn take(&self, scope: &Scope, query: &Query) -> Option<SchemaRef> {
        if self.kept.lock().is_empty() {
            return None;
        }
        let (names, columns) = self.kept.lock().remove(&key(scope, query))?;
        for ((schema, name), then) in names {
            let now = scope.find(&schema, &name).await.ok()??;
            if !same_types(&now.schema(), &then) {
                return None;
            }
        }
        Some(columns)
    }
}

/// Whether columns have the same names and types.
pub(super) fn same_types(a: &Schema, b: &Schema) -> bool {
    let pairs = a.fields().iter().zip(b.fields());
    a.fields().len() == b.fields().len()
        && pairs.into_iter().all(|(a, b)| {
            std::sync::Arc::ptr_eq(a, b) || (a.name() == b.name() && a.data_type() == b.data_type())
        })
}

/// Returns what stands for a query of one caller.
fn key(scope: &Scope, query: &Query) -> [u8; 32] {
    let asker = &scope.pinned.asker;
    let mut hash = Sha256::new();
    for part in [
        asker.caller.name(),
        &asker.settings.time_zone,
        &query.to_string(),
    ] {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
