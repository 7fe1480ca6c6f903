//! What only PostgreSQL's own grammar and types say, put in words the engine knows.

use std::ops::ControlFlow;

use datafusion::common::ScalarValue;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Array, ArrayElemTypeDef, BinaryOperator, CastKind, DataType, ExactNumberInfo, Expr, Function,
    FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, LimitClause,
    ObjectName, ObjectNamePart, Query, Select, SelectItem, SetExpr, TableFactor, Value, VisitMut,
    VisitorMut,
};

use crate::params::elements;

use super::empty::*;
use super::said;

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
        said::ask(select);
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

pub(super) fn null(kind: DataType) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(Expr::value(Value::Null)),
        data_type: kind,
        array: false,
        format: None,
    }
}

pub(super) fn last(name: &ObjectName) -> String {
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

/// Whether this is a name written as text, `'lower'::regproc`, whose number is asked for.
fn is_name(expr: &Expr) -> bool {
    let Expr::Cast {
        expr,
        data_type: DataType::Text,
        ..
    } = expr
    else {
        return false;
    };
    matches!(expr.as_ref(), Expr::Value(value)
        if matches!(&value.value, Value::SingleQuotedString(name) if name.parse::<u32>().is_err()))
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
        "oid" if is_name(expr) => call("weir_regproc", vec![inner(expr)]),
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
        if AGGREGATES.contains(&last(&function.name).as_str()));
    if aggregated {
        return;
    }
    let old = std::mem::replace(value, Expr::value(Value::Null));
    *value = call("min", vec![old]);
    query.order_by = None;
    query.limit_clause = None;
}
