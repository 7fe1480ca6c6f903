//! Views that would read themselves.

use std::collections::HashSet;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{Query, Statement as Sql};

use super::qualify::names_in;
use crate::catalog::Scope;

/// Whether `schema.name` is among what a query reads, or what views read that it reads. Its names have schemas.
pub(super) fn reads(scope: &Scope, query: &Query, schema: &str, name: &str) -> bool {
    let mut waiting = names_in(query);
    let mut seen = HashSet::new();
    while let Some(found) = waiting.pop() {
        if found.0 == schema && found.1 == name {
            return true;
        }
        let definition = scope.definition(&found.0, &found.1);
        if !seen.insert(found) {
            continue;
        }
        let parsed = definition.and_then(|sql| {
            let tokens = crate::guard::tokens(&sql, &scope.pinned.options).ok()?;
            crate::statement::parse(tokens).ok()
        });
        if let Some(Statement::Statement(sql)) = parsed
            && let Sql::Query(query) = *sql
        {
            waiting.extend(names_in(&query));
        }
    }
    false
}
