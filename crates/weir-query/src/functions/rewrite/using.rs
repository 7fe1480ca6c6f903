//! `JOIN ... USING (a)`: what a plain `a` means in the rest of the statement.
//!
//! The engine takes such a name for ambiguous wherever it needs its type at once, so that it is written
//! out: the left side's column, after a right join the right side's, after a full join whichever has a
//! value. Where it cannot be told which table of several on the left has the column, it stays as it is.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, GroupByExpr, Ident, JoinConstraint, JoinOperator,
    ObjectName, ObjectNamePart, Query, Select, SelectItem, TableFactor, TableWithJoins, VisitMut,
    VisitorMut,
};

use super::function_of;

/// By name, what joined columns mean.
type Joined = HashMap<String, Expr>;

/// Writes out the joined columns of a select; its subqueries are for themselves.
pub(super) fn written_out(select: &mut Select) {
    let joined = select.from.iter().fold(Joined::new(), |mut all, from| {
        all.extend(joined(from));
        all
    });
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

fn joined(from: &TableWithJoins) -> Joined {
    let mut joined = Joined::new();
    // The one table so far; none once there are several.
    let mut left = name_of(&from.relation);
    for join in &from.joins {
        let right = name_of(&join.relation);
        if let Some((columns, side)) = columns_of(&join.join_operator) {
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
