//! `JOIN ... USING (a)`: what a plain `a` means in the rest of the statement.
//!
//! The engine takes such a name for ambiguous wherever it needs its type at once, so that it is written
//! out: the left side's column, after a right join the right side's, after a full join whichever has a
//! value. Where it cannot be told which table of several on the left has the column, it stays as it is.
//! `*` has such columns once, before all others.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, ExcludeSelectItem, Expr, Function, FunctionArg, FunctionArgExpr, GroupByExpr,
    Ident, Join, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart, Query, Select,
    SelectItem, SelectItemQualifiedWildcardKind, TableFactor, TableWithJoins, VisitMut, VisitorMut,
    WildcardAdditionalOptions,
};

use super::function_of;

/// By name, what joined columns mean.
type Joined = HashMap<String, Expr>;

/// Whether a join without named columns has rows with no left side: the engine takes the left side's column for
/// the joined one, and which columns are joined cannot be told here.
pub(super) fn loses_keys(select: &Select) -> bool {
    let mut joins = select.from.iter().flat_map(|from| &from.joins);
    joins.any(|join| {
        matches!(
            join.join_operator,
            JoinOperator::Right(JoinConstraint::Natural)
                | JoinOperator::RightOuter(JoinConstraint::Natural)
                | JoinOperator::FullOuter(JoinConstraint::Natural)
        )
    })
}

/// Writes out the joined columns of a select; its subqueries are for themselves.
pub(super) fn written_out(select: &mut Select) {
    let only = select.from.len() == 1;
    let mut all = Joined::new();
    for from in &mut select.from {
        let tables = alike(from);
        let joined = joined(from);
        if only && let Some(items) = tables.and_then(|tables| tables.columns(&joined)) {
            star(&mut select.projection, &items);
        }
        all.extend(joined);
    }
    let joined = all;
    if joined.is_empty() {
        return;
    }
    let mut writer = Writer { joined, depth: 0 };
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(Expr::Identifier(name)) = item
            && writer.joined.contains_key(&folded(name))
        {
            let (expr, alias) = (Expr::Identifier(name.clone()), name.clone());
            *item = SelectItem::ExprWithAlias { expr, alias };
        }
        let _ = item.visit(&mut writer);
    }
    let _ = select.selection.visit(&mut writer);
    let _ = select.having.visit(&mut writer);
    let _ = select.qualify.visit(&mut writer);
    if let GroupByExpr::Expressions(exprs, _) = &mut select.group_by {
        for expr in exprs {
            let _ = expr.visit(&mut writer);
        }
    }
}

fn star(projection: &mut Vec<SelectItem>, all: &[SelectItem]) {
    let items = std::mem::take(projection).into_iter();
    let items = items.flat_map(|item| match item {
        SelectItem::Wildcard(options) if options == WildcardAdditionalOptions::default() => {
            all.to_vec()
        }
        item => vec![item],
    });
    *projection = items.collect();
}

/// Tables with names that are all joined by the same columns.
struct Alike {
    columns: Vec<Ident>,
    tables: Vec<ObjectName>,
}

fn alike(from: &TableWithJoins) -> Option<Alike> {
    let mut joins = from.joins.iter();
    let by = |join: &Join| columns_of(&join.join_operator).map(|(columns, _)| columns);
    let columns = by(joins.next()?)?;
    for join in joins {
        let others = by(join)?;
        let others = others.iter().map(folded);
        if !others.eq(columns.iter().map(folded)) {
            return None;
        }
    }
    let joins = from.joins.iter().map(|join| &join.relation);
    let tables = std::iter::once(&from.relation).chain(joins);
    let tables = tables.map(|table| match table {
        TableFactor::Table {
            name, alias: None, ..
        } => Some(name.clone()),
        table => Some(ObjectName::from(vec![name_of(table)?])),
    });
    Some(Alike {
        tables: tables.collect::<Option<_>>()?,
        columns,
    })
}

impl Alike {
    /// Returns what `*` stands for.
    fn columns(self, joined: &Joined) -> Option<Vec<SelectItem>> {
        let columns = self.columns.iter().map(|column| {
            Some(SelectItem::ExprWithAlias {
                expr: joined.get(&folded(column))?.clone(),
                alias: column.clone(),
            })
        });
        let mut items: Vec<SelectItem> = columns.collect::<Option<_>>()?;
        let names = self.columns.iter().map(folded);
        let names = names.map(|name| ObjectName::from(vec![Ident::new(name)]));
        let names: Vec<ObjectName> = names.collect();
        items.extend(self.tables.into_iter().map(|table| {
            SelectItem::QualifiedWildcard(
                SelectItemQualifiedWildcardKind::ObjectName(table),
                WildcardAdditionalOptions {
                    opt_exclude: Some(ExcludeSelectItem::Multiple(names.clone())),
                    ..WildcardAdditionalOptions::default()
                },
            )
        }));
        Some(items)
    }
}

fn joined(from: &mut TableWithJoins) -> Joined {
    let mut joined = Joined::new();
    // The one table so far; none once there are several.
    let mut left = name_of(&from.relation);
    let first = left.clone();
    for join in &mut from.joins {
        let right = name_of(&join.relation);
        if let Some((columns, side)) = columns_of(&join.join_operator) {
            if let Some(condition) = condition(&columns, &joined, first.as_ref(), right.as_ref())
                && let Some(constraint) = constraint_of(&mut join.join_operator)
            {
                *constraint = JoinConstraint::On(condition);
            }
            for column in columns {
                let key = folded(&column);
                let of = |table: &Option<Ident>| {
                    let table = table.clone()?;
                    Some(Expr::CompoundIdentifier(vec![table, column.clone()]))
                };
                let left = joined.get(&key).cloned().or_else(|| of(&left));
                let meant = match side {
                    // The same on both sides.
                    Side::Both => left.or_else(|| of(&right)),
                    Side::Left => left,
                    Side::Right => of(&right),
                    Side::Either => left.zip(of(&right)).map(|(left, right)| {
                        let function: Function =
                            function_of("coalesce", vec![arg(left), arg(right)]);
                        Expr::Function(function)
                    }),
                };
                match meant {
                    Some(meant) => joined.insert(key, meant),
                    None => joined.remove(&key),
                };
            }
        }
        left = None;
    }
    joined
}

/// Returns what to join by where a column on the left is no longer the first table's: the engine would
/// take that one.
fn condition(
    columns: &[Ident],
    joined: &Joined,
    first: Option<&Ident>,
    right: Option<&Ident>,
) -> Option<Expr> {
    let is_first = |meant: &Expr| match meant {
        Expr::CompoundIdentifier(parts) => parts.first() == first,
        _ => false,
    };
    let meant: Option<Vec<&Expr>> = columns
        .iter()
        .map(|name| joined.get(&folded(name)))
        .collect();
    let meant = meant?;
    if meant.iter().all(|meant| is_first(meant)) {
        return None;
    }
    let right = right?;
    let equal = columns.iter().zip(meant).map(|(column, left)| {
        let right = Expr::CompoundIdentifier(vec![right.clone(), column.clone()]);
        binary(left.clone(), BinaryOperator::Eq, right)
    });
    equal.reduce(|a, b| binary(a, BinaryOperator::And, b))
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp {
        left: Box::new(left),
        op,
        right: Box::new(right),
    }
}

fn arg(expr: Expr) -> FunctionArg {
    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
}

/// Whose value a joined column has.
enum Side {
    Both,
    Left,
    Right,
    Either,
}

fn columns_of(operator: &JoinOperator) -> Option<(Vec<Ident>, Side)> {
    let (constraint, side) = match operator {
        JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => {
            (constraint, Side::Both)
        }
        JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => {
            (constraint, Side::Left)
        }
        JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => {
            (constraint, Side::Right)
        }
        JoinOperator::FullOuter(constraint) => (constraint, Side::Either),
        _ => return None,
    };
    let JoinConstraint::Using(names) = constraint else {
        return None;
    };
    let names: Option<Vec<Ident>> = names.iter().map(last).collect();
    Some((names?, side))
}

fn constraint_of(operator: &mut JoinOperator) -> Option<&mut JoinConstraint> {
    match operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint) => Some(constraint),
        _ => None,
    }
}

fn last(name: &ObjectName) -> Option<Ident> {
    match name.0.last()? {
        ObjectNamePart::Identifier(name) => Some(name.clone()),
        ObjectNamePart::Function(_) => None,
    }
}

fn name_of(factor: &TableFactor) -> Option<Ident> {
    match factor {
        TableFactor::Table { name, alias, .. } => match alias {
            Some(alias) => Some(alias.name.clone()),
            None => last(name),
        },
        TableFactor::Derived { alias, .. } => Some(alias.as_ref()?.name.clone()),
        _ => None,
    }
}

fn folded(name: &Ident) -> String {
    match name.quote_style {
        Some(_) => name.value.clone(),
        None => name.value.to_ascii_lowercase(),
    }
}

struct Writer {
    joined: Joined,
    /// How many subqueries there are around.
    depth: usize,
}

impl VisitorMut for Writer {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.depth == 0
            && let Expr::Identifier(name) = expr
            && let Some(meant) = self.joined.get(&folded(name))
        {
            *expr = meant.clone();
        }
        ControlFlow::Continue(())
    }
}
