//! Columns of views that a transaction made, so that a view over a hundred others is not planned
//! through all of them again.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::datasource::empty::EmptyTable;
use weir_core::TableName;

use super::Transaction;
use crate::catalog::Scope;

/// The views whose columns are known. All are forgotten when one that somebody may have read means
/// something else, which is rare: what is left needs no look at what lies below it, but for tables.
#[derive(Debug, Default)]
pub(super) struct MadeViews {
    known: HashMap<(String, String), Made>,
    forgotten: u64,
}

/// What a view was when it was planned.
#[derive(Clone, Debug)]
struct Made {
    columns: SchemaRef,
    /// The tables at the bottom, as they were then.
    tables: Arc<BTreeMap<TableName, SchemaRef>>,
}

impl MadeViews {
    /// Forgets all of them.
    pub(super) fn forget(&mut self) {
        self.known.clear();
        self.forgotten += 1;
    }

    pub(super) fn knows(&self, view: &(String, String)) -> bool {
        self.known.contains_key(view)
    }
}

/// How often views were forgotten before something was planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Remembered(u64);

impl Transaction {
    /// To be asked before a view is planned, for [`Transaction::remember`].
    pub(crate) fn remembered(&self) -> Remembered {
        Remembered(self.inner.made.lock().forgotten)
    }

    /// Returns the columns of a view that was made here, as an empty table, unless something below it
    /// has changed since.
    pub(crate) fn columns_of(
        &self,
        scope: &Scope,
        schema: &str,
        name: &str,
    ) -> Option<Arc<dyn TableProvider>> {
        let key = (schema.to_owned(), name.to_owned());
        let made = self.inner.made.lock().known.get(&key).cloned()?;
        let same_table = |(name, columns): (&TableName, &SchemaRef)| {
            let now = scope.stored(name.schema(), name.table());
            now.is_some_and(|now| Arc::ptr_eq(&now.schema, columns) || now.schema == *columns)
        };
        made.tables
            .iter()
            .all(same_table)
            .then(|| Arc::new(EmptyTable::new(made.columns)) as Arc<dyn TableProvider>)
    }

    /// Remembers the columns of a view that was planned `since` then; `names` are the schemas and names in its
    /// query. Of views that were not made here nothing is known: what reads them is not remembered.
    pub(crate) fn remember(
        &self,
        scope: &Scope,
        (schema, name): (&str, &str),
        columns: SchemaRef,
        names: Vec<(String, String)>,
        since: Remembered,
    ) {
        let mut made = self.inner.made.lock();
        // What it was planned over may be another by now.
        if made.forgotten != since.0 {
            return;
        }
        let mut tables = Arc::<BTreeMap<TableName, SchemaRef>>::default();
        for below in names {
            if let Some(below) = made.known.get(&below) {
                if tables.is_empty() {
                    tables = below.tables.clone();
                } else if !below.tables.is_empty() && !Arc::ptr_eq(&tables, &below.tables) {
                    let more = below.tables.iter();
                    Arc::make_mut(&mut tables)
                        .extend(more.map(|(name, columns)| (name.clone(), columns.clone())));
                }
            } else if let (Some(table), Ok(name)) = (
                scope.stored(&below.0, &below.1),
                TableName::new(&below.0, &below.1),
            ) {
                Arc::make_mut(&mut tables).insert(name, table.schema.clone());
            } else {
                return;
            }
        }
        let key = (schema.to_owned(), name.to_owned());
        made.known.insert(key, Made { columns, tables });
    }
}
