//! What only PostgreSQL's own grammar and types say, put in words the engine knows.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use datafusion::common::ScalarValue;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Array, ArrayElemTypeDef, BinaryOperator, CastKind, DataType, ExactNumberInfo, Expr, Function,
    FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, GroupByExpr, Ident,
    JoinOperator, LimitClause, ObjectName, ObjectNamePart, Query, Select, SelectItem, SetExpr,
    TableFactor, Value, VisitMut, VisitorMut,
};

use crate::params::elements;

use super::cells::Kind;

/// Rewrites a statement.
///
/// The values of its parameters matter where a list came as text, because its type was left to us.
pub(crate) fn rewrite(statement: &mut Statement, params: &[ScalarValue]) {
    let query = match statement {
        Statement::Statement(sql) => sql,
        Statement::Explain(explain) => return rewrite(&mut explain.statement, params),
        _ => return,
    };
    let _ = query.visit(&mut Rewriter { params });
}

struct Rewriter<'a> {
    params: &'a [ScalarValue],
}

impl Rewriter<'_> {
    /// `$1::numeric` with a number for `$1`: it keeps the digits it has.
    fn number(&self, expr: &mut Expr) -> Option<Expr> {
        let Expr::Cast {
            expr,
            data_type:
                DataType::Numeric(ExactNumberInfo::None) | DataType::Decimal(ExactNumberInfo::None),
            ..
        } = expr
        else {
            return None;
        };
        let Expr::Value(value) = expr.as_ref() else {
            return None;
        };
        let Value::Placeholder(name) = &value.value else {
            return None;
        };
        let number: usize = name.strip_prefix('$')?.parse().ok()?;
        let value = self.params.get(number.checked_sub(1)?)?;
        let exact = matches!(value, ScalarValue::Decimal128(Some(_), ..));
        exact.then(|| std::mem::replace(expr.as_mut(), Expr::value(Value::Null)))
    }

    /// `x = ANY($1)` with `$1` as text, such as `{1,2}`: a list of values.
    fn listed(&self, expr: &mut Expr) -> Option<Expr> {
        let (left, right, negated) = match expr {
            Expr::AnyOp {
                left,
                compare_op: BinaryOperator::Eq,
                right,
                ..
            } => (left, right, false),
            Expr::AllOp {
                left,
                compare_op: BinaryOperator::NotEq,
                right,
            } => (left, right, true),
            _ => return None,
        };
        let mut inside: &Expr = right;
        while let Expr::Nested(nested) = inside {
            inside = nested;
        }
        let Expr::Value(value) = inside else {
            return None;
        };
        let Value::Placeholder(name) = &value.value else {
            return None;
        };
        let number: usize = name.strip_prefix('$')?.parse().ok()?;
        let value = self
            .params
            .get(number.checked_sub(1)?)
            .unwrap_or(&ScalarValue::Null);
        let list = match value {
            ScalarValue::Null => vec![Expr::value(Value::Null)],
            value => elements(value.try_as_str()??)?
                .into_iter()
                .map(|element| match element {
                    Some(text) => Expr::value(Value::SingleQuotedString(text)),
                    None => Expr::value(Value::Null),
                })
                .collect(),
        };
        if list.is_empty() {
            return Some(Expr::value(Value::Boolean(negated)));
        }
        Some(Expr::InList {
            expr: std::mem::replace(left, Box::new(Expr::value(Value::Null))),
            list,
            negated,
        })
    }
}

/// `LIMIT $1` takes a number, however it is sent.
fn number_of_rows(expr: &mut Expr) {
    if let Expr::Value(value) = expr
        && matches!(value.value, Value::Placeholder(_))
    {
        *expr = Expr::Cast {
            kind: CastKind::Cast,
            expr: Box::new(expr.clone()),
            data_type: DataType::BigInt(None),
            array: false,
            format: None,
        };
    }
}

impl VisitorMut for Rewriter<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if let Some(LimitClause::LimitOffset { limit, offset, .. }) = &mut query.limit_clause {
            limit.iter_mut().for_each(number_of_rows);
            offset
                .iter_mut()
                .for_each(|offset| number_of_rows(&mut offset.value));
        }
        if let SetExpr::Select(select) = query.body.as_mut()
            && without_rows(select)
        {
            // Its order was of columns that are gone.
            query.order_by = None;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        without_rows(select);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Some(list) = self.listed(expr) {
            *expr = list;
        }
        if let Some(number) = self.number(expr) {
            *expr = number;
        }
        let nothing = match expr {
            Expr::Subquery(query) => finds_nothing(query),
            Expr::Function(function) => match &function.args {
                FunctionArguments::Subquery(query) => {
                    last(&function.name) == "array" && finds_nothing(query)
                }
                _ => false,
            },
            _ => false,
        };
        if nothing {
            let kind = match expr {
                Expr::Function(_) => DataType::Array(ArrayElemTypeDef::SquareBracket(
                    Box::new(DataType::Text),
                    None,
                )),
                _ => DataType::Text,
            };
            *expr = null(kind);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Some(new) = rewritten(expr) {
            *expr = new;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table {
            name,
            args: Some(_),
            ..
        } = factor
        {
            strip(name);
        }
        ControlFlow::Continue(())
    }
}

fn null(kind: DataType) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(Expr::value(Value::Null)),
        data_type: kind,
        array: false,
        format: None,
    }
}

fn is_empty_catalog(factor: &TableFactor) -> bool {
    matches!(factor, TableFactor::Table { name, args: None, .. } if super::is_always_empty(&last(name)))
}

/// Whether one of the tables that every row needs is a catalog without rows.
fn gives_no_rows(select: &Select) -> bool {
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

fn is_aggregate(item: &SelectItem) -> bool {
    column_name(item).is_none()
}

/// Empties a SELECT from catalogs that have no rows here: what its expressions call need not exist.
fn without_rows(select: &mut Select) -> bool {
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
fn column_name(item: &SelectItem) -> Option<Ident> {
    let aggregate = |expr: &Expr| {
        matches!(expr, Expr::Function(function)
            if ["count", "min", "max", "sum", "array_agg", "string_agg", "bool_and", "bool_or"]
                .contains(&last(&function.name).as_str()))
    };
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
fn column_kinds(select: &Select) -> HashMap<String, DataType> {
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
fn column_kind(item: &SelectItem, known: &HashMap<String, DataType>) -> DataType {
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
fn finds_nothing(query: &Query) -> bool {
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

fn last(name: &ObjectName) -> String {
    match name.0.last() {
        Some(ObjectNamePart::Identifier(ident)) => ident.value.to_ascii_lowercase(),
        _ => String::new(),
    }
}

/// Takes `pg_catalog.` off a name.
fn strip(name: &mut ObjectName) {
    let qualified = name.0.len() == 2
        && matches!(&name.0[0], ObjectNamePart::Identifier(ident) if ident.value.eq_ignore_ascii_case("pg_catalog"));
    if qualified {
        name.0.remove(0);
    }
}

fn call(name: &str, args: Vec<Expr>) -> Expr {
    let args = args
        .into_iter()
        .map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)))
        .collect();
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn rewritten(expr: &mut Expr) -> Option<Expr> {
    match expr {
        Expr::Function(function) => {
            strip(&mut function.name);
            if let FunctionArguments::Subquery(query) = &mut function.args
                && last(&function.name) == "array"
            {
                return array_of(query);
            }
            None
        }
        Expr::BinaryOp { op, .. }
        | Expr::AnyOp { compare_op: op, .. }
        | Expr::AllOp { compare_op: op, .. } => {
            if let BinaryOperator::PGCustomBinaryOperator(name) = op {
                *op = operator(name.last()?)?;
            }
            None
        }
        // There is one collation: the order of code points.
        Expr::Collate { expr, .. } => Some(std::mem::replace(expr, Expr::value(Value::Null))),
        Expr::Cast {
            expr,
            data_type,
            kind: CastKind::Cast | CastKind::DoubleColon,
            ..
        } => cast(expr, data_type),
        Expr::Subquery(query) => {
            single(query);
            None
        }
        Expr::Array(Array { elem, .. }) if elem.is_empty() => None,
        _ => None,
    }
}

fn operator(name: &str) -> Option<BinaryOperator> {
    Some(match name {
        "~" => BinaryOperator::PGRegexMatch,
        "~*" => BinaryOperator::PGRegexIMatch,
        "!~" => BinaryOperator::PGRegexNotMatch,
        "!~*" => BinaryOperator::PGRegexNotIMatch,
        "~~" => BinaryOperator::PGLikeMatch,
        "~~*" => BinaryOperator::PGILikeMatch,
        "!~~" => BinaryOperator::PGNotLikeMatch,
        "!~~*" => BinaryOperator::PGNotILikeMatch,
        "=" => BinaryOperator::Eq,
        "<>" => BinaryOperator::NotEq,
        "<" => BinaryOperator::Lt,
        ">" => BinaryOperator::Gt,
        "<=" => BinaryOperator::LtEq,
        ">=" => BinaryOperator::GtEq,
        "+" => BinaryOperator::Plus,
        "-" => BinaryOperator::Minus,
        "*" => BinaryOperator::Multiply,
        "/" => BinaryOperator::Divide,
        "||" => BinaryOperator::StringConcat,
        _ => return None,
    })
}

fn is_text(expr: &Expr) -> bool {
    match expr {
        Expr::Value(value) => matches!(
            value.value,
            Value::SingleQuotedString(_) | Value::Placeholder(_)
        ),
        Expr::Nested(inner) => is_text(inner),
        Expr::Cast { data_type, .. } => matches!(data_type, DataType::Text | DataType::Varchar(_)),
        _ => false,
    }
}

/// Casts to the types catalogs use for numbers with names.
fn cast(expr: &mut Expr, data_type: &mut DataType) -> Option<Expr> {
    let inner = |expr: &mut Expr| std::mem::replace(expr, Expr::value(Value::Null));
    let name = match data_type {
        DataType::Regclass => "regclass".to_owned(),
        DataType::Custom(name, modifiers) if modifiers.is_empty() => {
            strip(name);
            last(name)
        }
        DataType::Array(def) => {
            if let ArrayElemTypeDef::SquareBracket(item, _) = def
                && let DataType::Custom(name, _) = item.as_ref()
                && ["oid", "name", "regclass", "regtype", "char"].contains(&last(name).as_str())
            {
                **item = match last(name).as_str() {
                    "oid" | "regclass" | "regtype" => DataType::IntUnsigned(None),
                    _ => DataType::Text,
                };
            }
            return None;
        }
        _ => return None,
    };
    let text = is_text(expr);
    Some(match name.as_str() {
        "regclass" if text => call("weir_regclass", vec![inner(expr)]),
        "regclass" => call("weir_regclass_name", vec![inner(expr)]),
        "regtype" if text => call("weir_regtype", vec![inner(expr)]),
        "regtype" => call("weir_regtype_name", vec![inner(expr)]),
        "regnamespace" if text => call("weir_regnamespace", vec![inner(expr)]),
        "regnamespace" => call("weir_regnamespace_name", vec![inner(expr)]),
        "oid" | "xid" | "cid" => {
            *data_type = DataType::IntUnsigned(None);
            return None;
        }
        "name" | "char" | "regproc" | "regprocedure" | "regrole" | "cstring" | "bpchar"
        | "citext" | "unknown" | "refcursor" => {
            *data_type = DataType::Text;
            return None;
        }
        // `pg_catalog.int4` and friends: the prefix is off now.
        "int2" => retyped(data_type, DataType::SmallInt(None))?,
        "int4" => retyped(data_type, DataType::Int(None))?,
        "int8" => retyped(data_type, DataType::BigInt(None))?,
        "text" | "varchar" => retyped(data_type, DataType::Text)?,
        "bool" => retyped(data_type, DataType::Boolean)?,
        "float4" => retyped(data_type, DataType::Real)?,
        "float8" => retyped(data_type, DataType::DoublePrecision)?,
        _ => return None,
    })
}

/// Changes the type in place, and leaves the expression as it is.
fn retyped(place: &mut DataType, to: DataType) -> Option<Expr> {
    *place = to;
    None
}

/// `ARRAY(SELECT x ...)` as an aggregate over the same rows.
fn array_of(query: &mut Query) -> Option<Expr> {
    let inner = query.clone();
    let SetExpr::Select(select) = query.body.as_mut() else {
        return None;
    };
    let [SelectItem::UnnamedExpr(value) | SelectItem::ExprWithAlias { expr: value, .. }] =
        select.projection.as_mut_slice()
    else {
        return None;
    };
    let plain = select.distinct.is_none() && inner.limit_clause.is_none() && inner.with.is_none();
    if !plain {
        return None;
    }
    let old = std::mem::replace(value, Expr::value(Value::Null));
    let mut aggregate = call("array_agg", vec![old]);
    if let (Expr::Function(function), Some(order)) = (&mut aggregate, query.order_by.take())
        && let datafusion::sql::sqlparser::ast::OrderByKind::Expressions(by) = order.kind
        && let FunctionArguments::List(list) = &mut function.args
    {
        // Ordering by a position means nothing inside an aggregate, which has one value anyway.
        let by = by
            .into_iter()
            .filter(|by| !matches!(&by.expr, Expr::Value(value) if matches!(value.value, Value::Number(..))))
            .collect::<Vec<_>>();
        if !by.is_empty() {
            list.clauses
                .push(datafusion::sql::sqlparser::ast::FunctionArgumentClause::OrderBy(by));
        }
    }
    *value = aggregate;
    Some(Expr::Subquery(Box::new(query.clone())))
}

/// Lets a correlated subquery over catalogs be planned, which needs to see that it gives one row:
/// they are looked up by keys.
fn single(query: &mut Query) {
    let SetExpr::Select(select) = query.body.as_mut() else {
        return;
    };
    let of_catalog = |factor: &TableFactor| {
        matches!(factor, TableFactor::Table { name, args: None, .. }
            if last(name).starts_with("pg_"))
    };
    let only_catalogs = !select.from.is_empty()
        && select.from.iter().all(|from| {
            of_catalog(&from.relation) && from.joins.iter().all(|join| of_catalog(&join.relation))
        });
    let grouped = matches!(&select.group_by,
        datafusion::sql::sqlparser::ast::GroupByExpr::Expressions(by, _) if !by.is_empty());
    if !only_catalogs || grouped || select.selection.is_none() || select.distinct.is_some() {
        return;
    }
    let [SelectItem::UnnamedExpr(value) | SelectItem::ExprWithAlias { expr: value, .. }] =
        select.projection.as_mut_slice()
    else {
        return;
    };
    let aggregated = matches!(value, Expr::Function(function)
        if ["count", "min", "max", "sum", "array_agg", "string_agg", "bool_and", "bool_or"].contains(&last(&function.name).as_str()));
    if aggregated {
        return;
    }
    let old = std::mem::replace(value, Expr::value(Value::Null));
    *value = call("min", vec![old]);
    query.order_by = None;
    query.limit_clause = None;
}
