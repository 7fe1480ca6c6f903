//! Views that would read themselves.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{ObjectNamePart, Query, Statement as Sql, visit_relations};

use super::names::normal;
use crate::catalog::Scope;

/// Whether `schema.name` is among what a query reads, or what views read that it reads. Its names have schemas.
pub(super) fn reads(scope: &Scope, query: &Query, schema: &str, name: &str) -> bool {
    let mut waiting = relations(query);
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
            waiting.extend(relations(&query));
        }
    }
    false
}

fn relations(query: &Query) -> Vec<(String, String)> {
    let mut names = Vec::new();
    let _ = visit_relations(query, |name| {
        if let [
            ..,
            ObjectNamePart::Identifier(schema),
            ObjectNamePart::Identifier(table),
        ] = name.0.as_slice()
        {
            names.push((normal(schema), normal(table)));
        }
        ControlFlow::<()>::Continue(())
    });
    names
}
