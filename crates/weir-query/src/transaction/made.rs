//! Columns of views that a transaction made, so that a view over a hundred others is not planned
//! through all of them again.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::datasource::empty::EmptyTable;
use weir_core::TableName;

use super::Transaction;
use crate::catalog::Scope;

/// What a view was when it was planned.
#[derive(Clone, Debug)]
pub(super) struct Made {
    sql: Arc<str>,
    columns: SchemaRef,
    /// Everything below it, as it was then.
    ground: Ground,
}

#[derive(Clone, Debug, Default)]
struct Ground {
    views: BTreeMap<(String, String), Arc<str>>,
    tables: BTreeMap<TableName, SchemaRef>,
}

impl Ground {
    fn is_same(&self, transaction: &Transaction, scope: &Scope) -> bool {
        let views = transaction.inner.views.lock();
        let same_view = |(name, sql): (&(String, String), &Arc<str>)| {
            let now = views.get(name).and_then(Option::as_ref);
            now.is_some_and(|now| *now.sql == **sql)
        };
        let same_table = |(name, columns): (&TableName, &SchemaRef)| {
            let now = scope.stored(name.schema(), name.table());
            now.is_some_and(|now| Arc::ptr_eq(&now.schema, columns) || now.schema == *columns)
        };
        self.views.iter().all(same_view) && self.tables.iter().all(same_table)
    }
}

impl Transaction {
    /// Returns the columns of a view that was made here, as an empty table, unless something below it
    /// has changed since.
    pub(crate) fn columns_of(
        &self,
        scope: &Scope,
        schema: &str,
        name: &str,
    ) -> Option<Arc<dyn TableProvider>> {
        let key = (schema.to_owned(), name.to_owned());
        let made = self.inner.made.lock().get(&key).cloned()?;
        let is_same = *self.view(schema, name)??.sql == *made.sql;
        (is_same && made.ground.is_same(self, scope))
            .then(|| Arc::new(EmptyTable::new(made.columns)) as Arc<dyn TableProvider>)
    }

    /// Remembers the columns of a view that was just made of `relations`, each as `schema.name`.
    pub(crate) fn remember(
        &self,
        scope: &Scope,
        (schema, name, sql): (&str, &str, &str),
        columns: SchemaRef,
        relations: impl IntoIterator<Item = String>,
    ) {
        let key = (schema.to_owned(), name.to_owned());
        let mut made = self.inner.made.lock();
        made.remove(&key);
        let mut ground = Ground::default();
        for relation in relations {
            let Some((schema, name)) = relation.split_once('.') else {
                return;
            };
            let below = (schema.to_owned(), name.to_owned());
            if let Some(found) = made.get(&below) {
                let views = found.ground.views.iter();
                ground
                    .views
                    .extend(views.map(|(name, sql)| (name.clone(), sql.clone())));
                let tables = found.ground.tables.iter();
                ground
                    .tables
                    .extend(tables.map(|(name, columns)| (name.clone(), columns.clone())));
                ground.views.insert(below, found.sql.clone());
            } else if let (Some(table), Ok(name)) =
                (scope.stored(schema, name), TableName::new(schema, name))
            {
                ground.tables.insert(name, table.schema.clone());
            } else {
                return;
            }
        }
        let found = Made {
            sql: sql.into(),
            columns,
            ground,
        };
        made.insert(key, found);
    }
}
