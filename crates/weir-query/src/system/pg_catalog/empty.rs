//! Questions about catalogs that have no rows here, such as those of indexes: what they ask is known.

use std::collections::{HashMap, HashSet};

use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, DataType, Expr, GroupByExpr, Ident, JoinOperator, Query, Select, SelectItem,
    SetExpr, TableFactor, Value,
};

use super::cells::Kind;
use super::rewrite::{last, null};
use crate::functions::NO_NULL_LIST;

/// What gives one row whatever there is, as far as clients ask the catalog for it. A list without NULLs
/// is what `ARRAY(SELECT ...)` has become by now.
pub(super) const AGGREGATES: [&str; 9] = [
    "count",
    "min",
    "max",
    "sum",
    "array_agg",
    "string_agg",
    "bool_and",
    "bool_or",
    NO_NULL_LIST,
];

pub(super) fn is_empty_catalog(factor: &TableFactor) -> bool {
    matches!(factor, TableFactor::Table { name, args: None, .. } if super::is_always_empty(&last(name)))
}

/// Whether one of the tables that every row needs is a catalog without rows.
pub(super) fn gives_no_rows(select: &Select) -> bool {
    let empty = |factor: &TableFactor| match factor {
        TableFactor::Derived { subquery, .. } => match subquery.body.as_ref() {
            SetExpr::Select(inner) => {
                gives_no_rows(inner) && inner.projection.iter().all(|item| !is_aggregate(item))
            }
            _ => false,
        },
        factor => is_empty_catalog(factor),
    };
    select.from.iter().any(|from| {
        let joined = from.joins.iter().any(|join| {
            matches!(
                join.join_operator,
                JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_)
            ) && empty(&join.relation)
        });
        // A right or full join keeps rows of its other side.
        let kept = from.joins.iter().any(|join| {
            matches!(
                join.join_operator,
                JoinOperator::Right(_) | JoinOperator::RightOuter(_) | JoinOperator::FullOuter(_)
            )
        });
        !kept && (joined || empty(&from.relation))
    })
}

pub(super) fn is_aggregate(item: &SelectItem) -> bool {
    column_name(item).is_none()
}

/// Empties a SELECT from catalogs that have no rows here: what its expressions call need not exist.
pub(super) fn without_rows(select: &mut Select) -> bool {
    let names: Option<Vec<Ident>> = select.projection.iter().map(column_name).collect();
    let known = column_kinds(select);
    let kinds: Vec<DataType> = select
        .projection
        .iter()
        .map(|item| column_kind(item, &known))
        .collect();
    let Some(names) = names.filter(|_| gives_no_rows(select)) else {
        return false;
    };
    select.group_by = GroupByExpr::Expressions(Vec::new(), Vec::new());
    select.having = None;
    let mut seen = HashSet::new();
    select.projection = names
        .into_iter()
        .zip(kinds)
        .enumerate()
        .map(|(i, (mut alias, kind))| {
            if !seen.insert(alias.value.clone()) {
                alias.value.push_str(&format!("_{i}"));
            }
            SelectItem::ExprWithAlias {
                expr: null(kind),
                alias,
            }
        })
        .collect();
    select.from.clear();
    select.distinct = None;
    select.selection = Some(Expr::value(Value::Boolean(false)));
    true
}

/// Returns the name of a result's column; none where it is not known here, and for aggregates, which
/// give a row where there was none.
pub(super) fn column_name(item: &SelectItem) -> Option<Ident> {
    let aggregate = |expr: &Expr| matches!(expr, Expr::Function(function) if AGGREGATES.contains(&last(&function.name).as_str()));
    match item {
        SelectItem::ExprWithAlias { expr, alias } if !aggregate(expr) => Some(alias.clone()),
        SelectItem::UnnamedExpr(Expr::Identifier(name)) => Some(name.clone()),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => parts.last().cloned(),
        SelectItem::UnnamedExpr(Expr::Function(function))
            if !aggregate(&Expr::Function(function.clone())) =>
        {
            Some(Ident::with_quote('"', last(&function.name)))
        }
        SelectItem::UnnamedExpr(expr) if !aggregate(expr) => {
            Some(Ident::with_quote('"', "?column?"))
        }
        _ => None,
    }
}

/// Returns the types of the columns a SELECT can name, as far as catalogs say them.
pub(super) fn column_kinds(select: &Select) -> HashMap<String, DataType> {
    let list = |item| DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(item), None));
    let mut kinds = HashMap::new();
    let factors = select.from.iter().flat_map(|from| {
        std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation))
    });
    for factor in factors {
        match factor {
            TableFactor::Table { name, .. } => {
                for (column, kind) in super::layout::of(&last(name)).unwrap_or_default() {
                    let kind = match kind {
                        Kind::Bool => DataType::Boolean,
                        Kind::Int2 | Kind::Int4 | Kind::Int8 | Kind::Oid => DataType::BigInt(None),
                        Kind::Float4 => DataType::Real,
                        Kind::TextArray => list(DataType::Text),
                        Kind::Int2Array => list(DataType::Int(None)),
                        Kind::Text => DataType::Text,
                    };
                    kinds.entry(column.to_owned()).or_insert(kind);
                }
            }
            TableFactor::Derived { subquery, .. } => {
                if let SetExpr::Select(inner) = subquery.body.as_ref() {
                    let known = column_kinds(inner);
                    for item in &inner.projection {
                        if let Some(name) = column_name(item) {
                            kinds
                                .entry(name.value)
                                .or_insert_with(|| column_kind(item, &known));
                        }
                    }
                }
            }
            _ => {}
        }
    }
    kinds
}

/// Returns the type of a result's column where it is a column of `known` type; else text.
pub(super) fn column_kind(item: &SelectItem, known: &HashMap<String, DataType>) -> DataType {
    let expr = match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => expr,
        _ => return DataType::Text,
    };
    let name = match expr {
        Expr::Identifier(name) => Some(name),
        Expr::CompoundIdentifier(parts) => parts.last(),
        _ => None,
    };
    name.and_then(|name| known.get(&name.value).cloned())
        .unwrap_or(DataType::Text)
}

/// Whether a subquery reads catalogs that have no rows here, or looks for what does not occur: a
/// column whose collation is not that of its type.
pub(super) fn finds_nothing(query: &Query) -> bool {
    let SetExpr::Select(select) = query.body.as_ref() else {
        return false;
    };
    let factors = || select.from.iter().map(|from| &from.relation);
    let counts = select
        .projection
        .iter()
        .any(|item| column_name(item).is_none());
    let collation = factors().any(
        |factor| matches!(factor, TableFactor::Table { name, .. } if last(name) == "pg_collation"),
    );
    // Only clients' questions about catalogs spell it out, and lists in catalogs are null here.
    let unnested = factors().any(|factor| {
        let name = match factor {
            TableFactor::Table { name, .. } | TableFactor::Function { name, .. } => name,
            _ => return false,
        };
        name.to_string().eq_ignore_ascii_case("pg_catalog.unnest")
    });
    // Types that are made from others do not exist either.
    let domains = query
        .with
        .as_ref()
        .is_some_and(|with| with.recursive && with.to_string().contains("typbasetype"));
    domains
        || !counts
            && (unnested
                || factors().any(is_empty_catalog)
                || (collation
                    && (select.from.len() > 1
                        || select.from.iter().any(|from| !from.joins.is_empty()))))
}
