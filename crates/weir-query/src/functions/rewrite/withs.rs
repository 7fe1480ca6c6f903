//! `WITH t AS (...)` inside of another `WITH t`: the inner one hides the outer one, for which the engine has no
//! words. It gets a name of its own.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Ident, ObjectNamePart, Query, Statement, TableAlias, TableFactor, VisitMut, VisitorMut,
};

/// Gives the parts of each `WITH` names that no part around them has.
pub(super) fn distinct(statement: &mut Statement) {
    let _ = statement.visit(&mut Names::default());
}

#[derive(Default)]
struct Names {
    around: Vec<Level>,
    renamed: usize,
}

/// The parts of one query's `WITH`.
struct Level {
    /// What each is called, and what it is called now.
    parts: Vec<(String, Option<String>)>,
    /// So many of them can be named by now: a part may name those before it.
    visible: usize,
    recursive: bool,
}

impl Level {
    fn known(&self) -> &[(String, Option<String>)] {
        match self.recursive {
            true => &self.parts,
            false => &self.parts[..self.visible],
        }
    }
}

fn normal(name: &Ident) -> String {
    match name.quote_style {
        Some(_) => name.value.clone(),
        None => name.value.to_lowercase(),
    }
}

impl VisitorMut for Names {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        let mut level = Level {
            parts: Vec::new(),
            visible: 0,
            recursive: false,
        };
        if let Some(with) = &mut query.with {
            level.recursive = with.recursive;
            for part in &mut with.cte_tables {
                let name = normal(&part.alias.name);
                let mut around = self.around.iter().flat_map(|level| &level.parts);
                let new = around.any(|(known, _)| *known == name).then(|| {
                    self.renamed += 1;
                    format!("__weir_with_{}_{name}", self.renamed)
                });
                if let Some(new) = &new {
                    part.alias.name = Ident::with_quote('"', new);
                }
                level.parts.push((name, new));
            }
        }
        self.around.push(level);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.around.pop();
        // The parts of a `WITH` come before everything else in its query.
        if let Some(level) = self.around.last_mut()
            && level.visible < level.parts.len()
        {
            level.visible += 1;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let TableFactor::Table {
            name,
            alias,
            args: None,
            ..
        } = factor
        else {
            return ControlFlow::Continue(());
        };
        let [ObjectNamePart::Identifier(table)] = name.0.as_mut_slice() else {
            return ControlFlow::Continue(());
        };
        let wanted = normal(table);
        let mut levels = self.around.iter().rev();
        let found = levels.find_map(|level| level.known().iter().find(|(name, _)| *name == wanted));
        if let Some((_, Some(new))) = found {
            let written = std::mem::replace(table, Ident::with_quote('"', new));
            alias.get_or_insert(TableAlias {
                explicit: true,
                name: written,
                columns: Vec::new(),
                at: None,
            });
        }
        ControlFlow::Continue(())
    }
}
