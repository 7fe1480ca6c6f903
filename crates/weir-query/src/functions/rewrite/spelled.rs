//! Expressions that Postgres spells otherwise: `ARRAY(SELECT ...)`, `OVERLAPS`, `(a, b) IN (SELECT ...)`,
//! `|/ x`, and operators of JSON.

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    Array, BinaryOperator, CaseWhen, DataType, ExactNumberInfo, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArgumentClause, FunctionArguments, GroupByExpr, Ident, OrderByExpr,
    OrderByKind, Query, Select, SelectFlavor, SelectItem, SetExpr, TableAlias, TableAliasColumnDef,
    TableFactor, TableWithJoins, UnaryOperator, Value,
};

use super::calls::{is_json, json_text};
use super::{
    call, cast, function_of, last, moments, number, rows, scalar, take, text, unsupported,
};
use crate::error::QueryError;
use crate::functions::intervals::MULTIPLY_INTERVAL;
use crate::functions::{jsonb, written};

/// The table and columns that a subquery is read as.
pub(super) const ROWS: &str = "__weir_rows";

/// Rewrites an operator, or returns none.
pub(super) fn operator(expr: &mut Expr) -> Option<Expr> {
    match expr {
        Expr::UnaryOp { op, expr } => {
            let mut value = || take_nested(expr);
            Some(match op {
                UnaryOperator::BitwiseNot => binary(
                    Expr::UnaryOp {
                        op: UnaryOperator::Minus,
                        expr: Box::new(value()),
                    },
                    BinaryOperator::Minus,
                    number("1"),
                ),
                UnaryOperator::PGSquareRoot => call("sqrt", vec![value()]),
                UnaryOperator::PGCubeRoot => call("cbrt", vec![value()]),
                UnaryOperator::PGAbs => call("abs", vec![value()]),
                // The engine would put the sign before the first of its parts alone.
                UnaryOperator::Minus if matches!(**expr, Expr::Interval(_)) => {
                    call(MULTIPLY_INTERVAL, vec![take(expr), number("-1")])
                }
                _ => return None,
            })
        }
        Expr::BinaryOp { left, op, right } => {
            let function = match op {
                BinaryOperator::Overlaps => return overlap(left, right),
                op if matches!((&**left, &**right), (Expr::Tuple(_), Expr::Tuple(_))) => {
                    return rows::compared(left, op, right);
                }
                BinaryOperator::PGOverlap => "array_has_any",
                BinaryOperator::QuestionPipe => jsonb::HAS_ANY,
                BinaryOperator::QuestionAnd => jsonb::HAS_ALL,
                BinaryOperator::HashMinus => jsonb::WITHOUT_PATH,
                BinaryOperator::StringConcat
                    if is_binary(left) && is_json_like(right)
                        || is_json_like(left) && is_binary(right) =>
                {
                    jsonb::CONCAT
                }
                BinaryOperator::Minus if is_json(left) && is_text(right) => jsonb::WITHOUT,
                BinaryOperator::Eq | BinaryOperator::NotEq
                    if is_json(left) && is_json_like(right)
                        || is_json_like(left) && is_json(right) =>
                {
                    let alike = |expr: &mut Expr| {
                        Box::new(call(jsonb::EQUAL_BY, vec![json_text(take(expr))]))
                    };
                    let (left, right) = (alike(left), alike(right));
                    let op = op.clone();
                    return Some(Expr::BinaryOp { left, op, right });
                }
                _ => return None,
            };
            let (mut left, mut right) = (take(left), take(right));
            if function != "array_has_any" {
                left = json_text(left);
                right = json_text(right);
            }
            Some(call(function, vec![left, right]))
        }
        Expr::IsNull(inner) if is_step(inner) => {
            Some(Expr::IsNull(Box::new(json_text(take(inner)))))
        }
        Expr::IsNotNull(inner) if is_step(inner) => {
            Some(Expr::IsNotNull(Box::new(json_text(take(inner)))))
        }
        Expr::Substring {
            expr,
            substring_from: Some(from),
            substring_for: None,
            ..
        } if is_text(from) => {
            let found = call("regexp_match", vec![take(expr), take(from)]);
            Some(call("array_element", vec![found, number("1")]))
        }
        _ => None,
    }
}

fn take_nested(expr: &mut Expr) -> Expr {
    Expr::Nested(Box::new(take(expr)))
}

pub(super) fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::Nested(Box::new(Expr::BinaryOp {
        left: Box::new(left),
        op,
        right: Box::new(right),
    }))
}

fn is_text(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(
        value.value,
        Value::SingleQuotedString(_) | Value::EscapedStringLiteral(_)
    ))
}

/// Whether an expression is JSON, or text that may be read as such beside it.
fn is_json_like(expr: &Expr) -> bool {
    is_json(expr) || is_text(expr)
}

/// Whether an expression is `jsonb`, and not `json`, which has no operators but those of paths.
fn is_binary(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => is_binary(inner),
        Expr::Function(function) => {
            last(&function.name) != crate::functions::json::VALID && is_json(expr)
        }
        _ => is_json(expr),
    }
}

/// Whether an expression is a step into JSON.
pub(super) fn is_step(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => is_step(inner),
        Expr::Function(function) => last(&function.name) == "json_get",
        Expr::BinaryOp { op, .. } => *op == BinaryOperator::Arrow,
        _ => false,
    }
}

/// `(x -> 'a')::int`: a number of JSON, rounded; text in JSON is none.
pub(super) fn number_of_json(expr: &mut Expr, data_type: &DataType) -> Option<Expr> {
    let whole = matches!(
        data_type,
        DataType::Int(_)
            | DataType::Integer(_)
            | DataType::BigInt(_)
            | DataType::SmallInt(_)
            | DataType::Int2(_)
            | DataType::Int4(_)
            | DataType::Int8(_)
    );
    if !whole || !is_step(expr) {
        return None;
    }
    let number = call(jsonb::NUMBER, vec![json_text(take(expr))]);
    let digits = ExactNumberInfo::PrecisionAndScale(38, 10);
    Some(cast(
        cast(number, DataType::Numeric(digits)),
        data_type.clone(),
    ))
}

/// `(a, b) OVERLAPS (c, d)`: spans of time, begin and end or begin and length, in any order.
fn overlap(left: &mut Expr, right: &mut Expr) -> Option<Expr> {
    let (Expr::Tuple(left), Expr::Tuple(right)) = (left, right) else {
        return None;
    };
    let span = |ends: &[Expr]| match ends {
        [from, to] => {
            let to = match to {
                Expr::Interval(_) => binary(from.clone(), BinaryOperator::Plus, to.clone()),
                to => to.clone(),
            };
            let ends = vec![from.clone(), to];
            Some((call("least", ends.clone()), call("greatest", ends)))
        }
        _ => None,
    };
    let ((a, b), (c, d)) = (span(left)?, span(right)?);
    let less = |x: &Expr, y: &Expr| binary(x.clone(), BinaryOperator::Lt, y.clone());
    let same = binary(a.clone(), BinaryOperator::Eq, c.clone());
    Some(case(
        vec![
            (less(&c, &a), less(&a, &d)),
            (less(&a, &c), less(&c, &b)),
            (same, Expr::value(Value::Boolean(true))),
        ],
        Expr::value(Value::Null),
    ))
}

pub(super) fn case(conditions: Vec<(Expr, Expr)>, otherwise: Expr) -> Expr {
    let conditions = conditions
        .into_iter()
        .map(|(condition, result)| CaseWhen { condition, result });
    Expr::Nested(Box::new(Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: conditions.collect(),
        else_result: Some(Box::new(otherwise)),
    }))
}

/// `ARRAY(SELECT x ... ORDER BY y)`: the list of its values, empty where there are none.
pub(super) fn array_of(function: &mut Function) -> Result<Option<Expr>, QueryError> {
    let FunctionArguments::Subquery(query) = &mut function.args else {
        return Ok(None);
    };
    let mut query = std::mem::replace(query.as_mut(), empty_query());
    let mut list = function_of("array_agg", Vec::new());
    let value = format!("{ROWS}_0");
    let whole = match ordered_here(&mut query) {
        // The list is made where the rows are, in their order.
        Some((value, keys)) => {
            if let FunctionArguments::List(args) = &mut list.args {
                args.args = one_argument(value);
                if !keys.is_empty() {
                    args.clauses.push(FunctionArgumentClause::OrderBy(keys));
                }
            }
            if let SetExpr::Select(select) = query.body.as_mut() {
                select.projection = vec![SelectItem::UnnamedExpr(call(
                    written::NO_NULL_LIST,
                    vec![Expr::Function(list)],
                ))];
            }
            query
        }
        None => {
            if query.order_by.is_some() && query.limit_clause.is_none() {
                return Err(
                    unsupported("ARRAY(SELECT DISTINCT or GROUP BY ... ORDER BY ...)")
                        .hint("write (SELECT array_agg(x ORDER BY x) FROM (SELECT ...) t)"),
                );
            }
            if let FunctionArguments::List(args) = &mut list.args {
                args.args = one_argument(Expr::Identifier(Ident::new(value.as_str())));
            }
            let list = call(written::NO_NULL_LIST, vec![Expr::Function(list)]);
            over(query, &[value], list)
        }
    };
    Ok(Some(Expr::Subquery(Box::new(whole))))
}

fn one_argument(expr: Expr) -> Vec<FunctionArg> {
    vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))]
}

/// Takes the one value and the order out of a plain `SELECT`.
fn ordered_here(query: &mut Query) -> Option<(Expr, Vec<OrderByExpr>)> {
    let plain = query.limit_clause.is_none() && query.fetch.is_none();
    let SetExpr::Select(select) = query.body.as_mut() else {
        return None;
    };
    let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty());
    if !plain || grouped || select.distinct.is_some() || select.having.is_some() {
        return None;
    }
    let (value, name) = match select.projection.as_slice() {
        [SelectItem::UnnamedExpr(value)] => (value.clone(), None),
        [SelectItem::ExprWithAlias { expr, alias }] => (expr.clone(), Some(alias.clone())),
        _ => return None,
    };
    if !scalar::is_per_row(&value) {
        return None;
    }
    let mut keys = match query.order_by.take().map(|order| order.kind) {
        None => Vec::new(),
        Some(OrderByKind::Expressions(keys)) => keys,
        Some(OrderByKind::All(_)) => return None,
    };
    for key in &mut keys {
        let is_value = match &key.expr {
            Expr::Value(place) => {
                matches!(&place.value, Value::Number(place, _) if place == "1")
            }
            Expr::Identifier(key) => name.as_ref() == Some(key),
            _ => false,
        };
        if is_value {
            key.expr = value.clone();
        }
    }
    Some((value, keys))
}

/// `SELECT expr FROM (query) AS rows(names)`.
pub(super) fn over(query: Query, names: &[String], expr: Expr) -> Query {
    let mut outer = empty_query();
    if let SetExpr::Select(select) = outer.body.as_mut() {
        let columns = names.iter().map(TableAliasColumnDef::from_name);
        select.projection = vec![SelectItem::UnnamedExpr(expr)];
        select.from = vec![TableWithJoins {
            relation: TableFactor::Derived {
                lateral: false,
                subquery: Box::new(query),
                alias: Some(TableAlias {
                    explicit: true,
                    name: Ident::new(ROWS),
                    columns: columns.collect(),
                    at: None,
                }),
                sample: None,
            },
            joins: Vec::new(),
        }];
    }
    outer
}

pub(super) fn empty_query() -> Query {
    let select = Select {
        select_token: AttachedToken::empty(),
        optimizer_hints: Vec::new(),
        distinct: None,
        select_modifiers: None,
        top: None,
        top_before_distinct: false,
        projection: Vec::new(),
        exclude: None,
        into: None,
        from: Vec::new(),
        lateral_views: Vec::new(),
        prewhere: None,
        selection: None,
        connect_by: Vec::new(),
        group_by: GroupByExpr::Expressions(Vec::new(), Vec::new()),
        cluster_by: Vec::new(),
        distribute_by: Vec::new(),
        sort_by: Vec::new(),
        having: None,
        named_window: Vec::new(),
        qualify: None,
        window_before_qualify: false,
        value_table_mode: None,
        flavor: SelectFlavor::Standard,
    };
    Query {
        with: None,
        body: Box::new(SetExpr::Select(Box::new(select))),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}

/// Calls that are others, or expressions; none where the call is what it seems.
pub(super) fn of_call(name: &str, args: &mut [Expr]) -> Option<Expr> {
    let kind = |kind: DataType, expr: Expr| cast(expr, kind);
    let decimal = |scale| DataType::Numeric(ExactNumberInfo::PrecisionAndScale(38, scale));
    Some(match (name, args) {
        ("quote_nullable", [x]) => {
            let quoted = call("quote_literal", vec![kind(DataType::Text, take(x))]);
            call("coalesce", vec![quoted, text("NULL")])
        }
        ("div", [a, b]) => {
            let part = binary(
                kind(decimal(10), take(a)),
                BinaryOperator::Divide,
                kind(decimal(10), take(b)),
            );
            kind(decimal(0), call("trunc", vec![part]))
        }
        // There is no infinity among moments.
        ("isfinite", [x]) => {
            let known = Expr::IsNotNull(Box::new(take(x)));
            call("nullif", vec![known, Expr::value(Value::Boolean(false))])
        }
        ("array_length" | "array_upper", [list, dimension]) => {
            let length = call("array_length", vec![take(list), take(dimension)]);
            call("nullif", vec![length, number("0")])
        }
        ("date_trunc", [unit, at]) => moments::years(unit, at)?,
        ("date_trunc", [unit, at, zone]) => {
            let mut there = call("timezone", vec![zone.clone(), take(at)]);
            let cut = match moments::years(unit, &mut there) {
                Some(cut) => cut,
                None => call("date_trunc", vec![take(unit), there]),
            };
            call("timezone", vec![take(zone), cut])
        }
        ("pg_is_in_recovery", []) => Expr::value(Value::Boolean(false)),
        _ => return None,
    })
}

/// `percentile_cont(ARRAY[a, b])`: a list of one for each share.
pub(super) fn shares(function: &Function) -> Option<Expr> {
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Array(shares)))] = list.args.as_slice()
    else {
        return None;
    };
    let each = shares.elem.iter().map(|share| {
        let mut one = function.clone();
        if let FunctionArguments::List(list) = &mut one.args {
            list.args = one_argument(share.clone());
        }
        Expr::Function(one)
    });
    Some(Expr::Array(Array {
        elem: each.collect(),
        named: true,
    }))
}
