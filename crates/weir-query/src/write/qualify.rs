//! Tables in a query by schema and name: written into it, and found in it.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    ObjectName, ObjectNamePart, Query, TableAlias, TableFactor, VisitMut, VisitorMut,
    visit_relations,
};

use super::names::{normal, quoted};
use crate::catalog::Scope;

/// Writes the schema before every table's name: a view means the same whoever asks it.
pub(crate) fn qualify(scope: &Scope, query: &mut Query) {
    let mut qualifier = Qualifier {
        scope,
        parts: Vec::new(),
    };
    let _ = query.visit(&mut qualifier);
}

struct Qualifier<'a> {
    scope: &'a Scope,
    /// Names of `WITH` around the place being visited.
    parts: Vec<HashSet<String>>,
}

impl VisitorMut for Qualifier<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        let tables = query.with.iter().flat_map(|with| &with.cte_tables);
        self.parts
            .push(tables.map(|cte| normal(&cte.alias.name)).collect());
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.parts.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let TableFactor::Table {
            name: ObjectName(parts),
            alias,
            args: None,
            ..
        } = factor
        else {
            return ControlFlow::Continue(());
        };
        let [ObjectNamePart::Identifier(ident)] = parts.as_slice() else {
            return ControlFlow::Continue(());
        };
        let name = normal(ident);
        if self.parts.iter().any(|names| names.contains(&name)) {
            return ControlFlow::Continue(());
        }
        if let Some(schema) = self.scope.on_path(&name) {
            if alias.is_none() {
                *alias = Some(TableAlias {
                    explicit: true,
                    name: ident.clone(),
                    columns: Vec::new(),
                    at: None,
                });
            }
            parts.insert(0, ObjectNamePart::Identifier(quoted(&schema)));
        }
        ControlFlow::Continue(())
    }
}

/// Returns the schemas and names in a query whose names have schemas: those without are parts of it, or functions.
pub(crate) fn names_in(query: &Query) -> Vec<(String, String)> {
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
