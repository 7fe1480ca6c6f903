//! Functions that give rows, where tables are named: `FROM jsonb_each(t.c) WITH ORDINALITY AS e(k, v, n)`.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, Ident, ObjectName, ObjectNamePart, Query, Select,
    SelectItem, SetExpr, Statement as Sql, TableAlias, TableAliasColumnDef, TableFactor, Visit,
    VisitMut, Visitor, VisitorMut,
};

use super::{call, function_of, last, number, series};
use crate::error::{QueryError, QueryErrorKind};
use crate::functions::json;
use crate::functions::jsonb;
use crate::functions::patterns::MATCHES;

/// What the column of rows is called that are made by the engine's own series, or of JSON.
const VALUE: &str = "value";

/// Returns the function that makes a list of what a function gives as rows.
pub(super) fn list(name: &str) -> Option<&'static str> {
    Some(match name {
        "json_array_elements" | "jsonb_array_elements" => json::ELEMENTS,
        "json_array_elements_text" | "jsonb_array_elements_text" => json::ELEMENTS_TEXT,
        "json_object_keys" | "jsonb_object_keys" => jsonb::KEYS,
        "regexp_matches" => MATCHES,
        "regexp_split_to_table" => "regexp_split_to_array",
        "string_to_table" => "string_to_array",
        _ => return None,
    })
}

/// Refuses functions that give rows where one value is wanted, as PostgreSQL does: where there are none, the row
/// itself would be lost.
pub(super) fn well_placed(sql: &Sql) -> Result<(), QueryError> {
    match sql.visit(&mut Places::default()) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

#[derive(Default)]
struct Places {
    /// How many queries stand around, one in the other.
    queries: usize,
    /// What takes one value, and in which query.
    inside: Vec<(usize, &'static str)>,
}

/// Returns what an expression is that takes values and no rows.
fn taking_values(expr: &Expr) -> Option<&'static str> {
    match expr {
        Expr::Case { .. } => Some("CASE"),
        Expr::Function(function) if last(&function.name) == "coalesce" => Some("COALESCE"),
        _ => None,
    }
}

fn misplaced(name: &str, place: &str) -> QueryError {
    QueryError::new(
        QueryErrorKind::Unsupported,
        format!("`{name}` gives rows, and {place} takes a value"),
    )
    .hint(match name {
        "regexp_matches" => "regexp_match gives the first match, NULL where there is none",
        _ => "ask for them in FROM, or in a subquery",
    })
}

impl Visitor for Places {
    type Break = QueryError;

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<QueryError> {
        self.queries += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<QueryError> {
        self.queries -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<QueryError> {
        match &select.selection {
            Some(condition) => {
                let mut places = Places::default();
                places.inside.push((0, "WHERE"));
                condition.visit(&mut places)
            }
            None => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_statement(&mut self, statement: &Sql) -> ControlFlow<QueryError> {
        if let Sql::Update(update) = statement {
            for assignment in &update.assignments {
                let mut places = Places::default();
                places.inside.push((0, "SET"));
                assignment.value.visit(&mut places)?;
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<QueryError> {
        if let Some(place) = taking_values(expr) {
            self.inside.push((self.queries, place));
        }
        if let Expr::Function(function) = expr
            && let Some((queries, place)) = self.inside.last()
            && *queries == self.queries
        {
            let name = last(&function.name);
            if name == "unnest" || list(&name).is_some() {
                return ControlFlow::Break(misplaced(&name, place));
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<QueryError> {
        if taking_values(expr).is_some() {
            self.inside.pop();
        }
        ControlFlow::Continue(())
    }
}

/// Puts lists taken apart in the place of a function.
pub(super) fn taken_apart(factor: &mut TableFactor) {
    if series_of_constants(factor) {
        if let TableFactor::Table { name, alias, .. } = factor
            && alias.is_none()
        {
            *alias = Some(called(&last(name)));
        }
        return;
    }
    let (name, args, alias, ordinality) = match factor {
        TableFactor::Table {
            name,
            alias,
            args: Some(args),
            with_ordinality,
            ..
        } => (last(name), &mut args.args, alias, *with_ordinality),
        TableFactor::Function {
            name,
            args,
            alias,
            with_ordinality,
            ..
        } => (last(name), args, alias, *with_ordinality),
        TableFactor::UNNEST {
            array_exprs,
            alias,
            with_ordinality,
            ..
        } => {
            let lists = std::mem::take(array_exprs);
            let names = vec!["unnest"; lists.len()];
            *factor = unnested("unnest", lists, &names, alias.take(), *with_ordinality);
            return;
        }
        _ => return,
    };
    let each =
        |function: &str, args: &[FunctionArg]| Expr::Function(function_of(function, args.to_vec()));
    let (lists, names) = match name.as_str() {
        "json_each" | "jsonb_each" => (
            vec![each(jsonb::KEYS, args), each(jsonb::VALUES, args)],
            vec!["key", VALUE],
        ),
        "json_each_text" | "jsonb_each_text" => (
            vec![each(jsonb::KEYS, args), each(jsonb::VALUES_TEXT, args)],
            vec!["key", VALUE],
        ),
        // With a schema before it, it is no word of the grammar.
        "unnest" => {
            let lists: Vec<Expr> = args.drain(..).filter_map(plain).collect();
            let names = vec!["unnest"; lists.len()];
            (lists, names)
        }
        "generate_series" => {
            let mut function = function_of(&name, std::mem::take(args));
            series::of_moments(&mut function);
            (vec![Expr::Function(function)], vec![name.as_str()])
        }
        _ => match list(&name) {
            Some(function) => {
                let column = match name.contains("array_elements") {
                    true => VALUE,
                    false => name.as_str(),
                };
                (vec![each(function, args)], vec![column])
            }
            None => return,
        },
    };
    *factor = unnested(&name, lists, &names, alias.take(), ordinality);
}

fn plain(arg: FunctionArg) -> Option<Expr> {
    match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}

/// The engine makes a series of constants without keeping it.
fn series_of_constants(factor: &TableFactor) -> bool {
    struct Named;
    impl Visitor for Named {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Subquery(_) => {
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    match factor {
        TableFactor::Table {
            name,
            args: Some(args),
            with_ordinality: false,
            ..
        } if last(name) == "generate_series" => {
            !series::is_of_moments(&args.args) && args.args.visit(&mut Named).is_continue()
        }
        _ => false,
    }
}

fn called(name: &str) -> TableAlias {
    TableAlias {
        explicit: true,
        name: Ident::new(name),
        columns: Vec::new(),
        at: None,
    }
}

/// Makes rows of lists; a column of one list without a name is called like the table.
fn unnested(
    function: &str,
    mut lists: Vec<Expr>,
    names: &[&str],
    alias: Option<TableAlias>,
    ordinality: bool,
) -> TableFactor {
    let mut alias = alias.unwrap_or_else(|| called(function));
    let given = alias.columns.len();
    for (at, name) in names.iter().enumerate().skip(given) {
        let name = match (names.len(), *name) {
            (1, VALUE) => Ident::new(VALUE),
            (1, _) => alias.name.clone(),
            // Names of columns are different.
            (_, "unnest") if at > 0 => Ident::new(format!("unnest_{at}")),
            (_, name) => Ident::new(name),
        };
        alias.columns.push(TableAliasColumnDef {
            name,
            data_type: None,
        });
    }
    if ordinality {
        let sizes = lists
            .iter()
            .cloned()
            .map(|list| call("cardinality", vec![list]));
        let mut sizes: Vec<Expr> = sizes.collect();
        let size = match sizes.len() {
            1 => sizes.remove(0),
            _ => call("greatest", sizes),
        };
        lists.push(call("generate_series", vec![number("1"), size]));
        if alias.columns.len() < lists.len() {
            let name = TableAliasColumnDef::from_name("ordinality");
            alias.columns.push(name);
        }
    }
    TableFactor::UNNEST {
        alias: Some(alias),
        array_exprs: lists,
        with_offset: false,
        with_offset_alias: None,
        with_ordinality: false,
    }
}

/// `FROM jsonb_array_elements(x) AS e`: `e` is the value, as is `e.value`.
pub(super) fn named(query: &mut Query) {
    let SetExpr::Select(select) = query.body.as_ref() else {
        return;
    };
    let names: Vec<Ident> = factors(select).filter_map(alias_of_value).collect();
    if names.is_empty() {
        return;
    }
    if let SetExpr::Select(select) = query.body.as_mut() {
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(Expr::Identifier(name)) = item
                && names.contains(name)
            {
                let alias = name.clone();
                let expr = Expr::Identifier(name.clone());
                *item = SelectItem::ExprWithAlias { expr, alias };
            }
        }
        let mut values = Values { names: &names };
        let _ = select.visit(&mut values);
    }
    if let Some(order) = &mut query.order_by {
        let _ = order.visit(&mut Values { names: &names });
    }
}

fn factors(select: &Select) -> impl Iterator<Item = &TableFactor> {
    select.from.iter().flat_map(|from| {
        let joined = from.joins.iter().map(|join| &join.relation);
        std::iter::once(&from.relation).chain(joined)
    })
}

/// Returns what a table of one value is called: by its alias, or by its function.
fn alias_of_value(factor: &TableFactor) -> Option<Ident> {
    let (name, alias) = match factor {
        TableFactor::Table {
            name,
            alias,
            args: Some(_),
            ..
        }
        | TableFactor::Function { name, alias, .. } => (last(name), alias),
        _ => return None,
    };
    let is_value = name.contains("array_elements") || series_of_constants(factor);
    let table = match alias {
        Some(alias) if !alias.columns.is_empty() => return None,
        Some(alias) => alias.name.clone(),
        None => Ident::new(name),
    };
    (is_value && table.value != VALUE).then_some(table)
}

struct Values<'a> {
    names: &'a [Ident],
}

impl VisitorMut for Values<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let table = match expr {
            Expr::Identifier(name) => Some(&*name),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [table, column] if table == column => Some(table),
                _ => None,
            },
            _ => None,
        };
        if let Some(table) = table.filter(|table| self.names.contains(table)) {
            *expr = Expr::CompoundIdentifier(vec![table.clone(), Ident::new(VALUE)]);
        }
        ControlFlow::Continue(())
    }
}

/// Makes rows of a function in the list of a `SELECT`.
pub(super) fn in_list(function: &mut Function) -> Option<Expr> {
    let list = list(&last(&function.name))?;
    function.name = ObjectName(vec![ObjectNamePart::Identifier(Ident::new(list))]);
    super::calls::json_args(function);
    Some(call("unnest", vec![Expr::Function(function.clone())]))
}
