//! What only Postgres' text says, put in words the engine knows.

mod calls;
mod groups;
mod lists;
mod moments;
mod numbers;
mod paths;
mod patterns;
mod rows;
mod scalar;
mod series;
mod sets;
mod spelled;
mod using;
mod withs;

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, CharacterLength, DataType, ExactNumberInfo, Expr, Fetch, Function,
    FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, LimitClause,
    ObjectName, ObjectNamePart, Query, Select, SetExpr, Statement as Sql, TableFactor,
    TimezoneInfo, Value, VisitMut, VisitorMut,
};

use calls::{extract, of_function};

pub(super) use lists::items as list_items;

use super::labels::label;
use super::{json, jsonb, misc};
use crate::error::{QueryError, QueryErrorKind};

/// Rewrites a statement.
pub(crate) fn rewrite(statement: &mut Statement) -> Result<(), QueryError> {
    let sql = match statement {
        Statement::Statement(sql) => sql.as_mut(),
        Statement::Explain(explain) => return rewrite(&mut explain.statement),
        _ => return Ok(()),
    };
    sets::well_placed(sql)?;
    withs::distinct(sql);
    if let Sql::Query(query) = sql {
        label_top(query);
    }
    match sql.visit(&mut Rewriter) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

fn label_top(query: &mut Query) {
    // An order by names is by names inside as well: only what is not named there is marked.
    if let SetExpr::Select(select) = query.body.as_mut() {
        label(select, true);
    }
}

struct Rewriter;

impl VisitorMut for Rewriter {
    type Break = QueryError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<QueryError> {
        sets::named(query);
        if let Some(Fetch {
            with_ties,
            percent,
            quantity,
        }) = query.fetch.take()
        {
            if with_ties || percent {
                return ControlFlow::Break(
                    unsupported("FETCH ... WITH TIES or PERCENT")
                        .hint("use rank() in a subquery, and compare it"),
                );
            }
            let one = || Expr::value(Value::Number("1".to_owned(), false));
            let wanted = quantity.unwrap_or_else(one);
            match &mut query.limit_clause {
                Some(LimitClause::LimitOffset { limit, .. }) if limit.is_none() => {
                    *limit = Some(wanted);
                }
                Some(_) => {
                    return ControlFlow::Break(unsupported("LIMIT and FETCH in one query"));
                }
                none => {
                    *none = Some(LimitClause::LimitOffset {
                        limit: Some(wanted),
                        offset: None,
                        limit_by: Vec::new(),
                    });
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<QueryError> {
        if let Err(error) = groups::check(&select.group_by) {
            return ControlFlow::Break(error);
        }
        if using::loses_keys(select) {
            return ControlFlow::Break(
                unsupported("NATURAL with RIGHT or FULL JOIN")
                    .hint("name the columns: ... FULL JOIN t USING (id)"),
            );
        }
        using::written_out(select);
        label(select, false);
        series::unnested(select);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<QueryError> {
        match factor {
            TableFactor::Pivot { .. } => ControlFlow::Break(
                unsupported("PIVOT").hint("use one aggregate with FILTER (WHERE ...) per column"),
            ),
            TableFactor::Unpivot { .. } => ControlFlow::Break(
                unsupported("UNPIVOT").hint("use UNION ALL of one SELECT per column"),
            ),
            factor => {
                sets::taken_apart(factor);
                ControlFlow::Continue(())
            }
        }
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<QueryError> {
        paths::joined(expr);
        numbers::signed(expr);
        patterns::in_words(expr);
        match rewritten(expr) {
            Ok(Some(new)) => *expr = new,
            Ok(None) => {}
            Err(error) => return ControlFlow::Break(error),
        }
        ControlFlow::Continue(())
    }
}

fn unsupported(what: &str) -> QueryError {
    QueryError::new(
        QueryErrorKind::Unsupported,
        format!("{what} is not supported"),
    )
}

fn last(name: &ObjectName) -> String {
    match name.0.last() {
        Some(ObjectNamePart::Identifier(ident)) => ident.value.to_ascii_lowercase(),
        _ => String::new(),
    }
}

fn take(expr: &mut Expr) -> Expr {
    std::mem::replace(expr, Expr::value(Value::Null))
}

fn text(text: &str) -> Expr {
    Expr::value(Value::SingleQuotedString(text.to_owned()))
}

/// Returns a number as it is written.
pub(crate) fn number(number: &str) -> Expr {
    Expr::value(Value::Number(number.to_owned(), false))
}

fn function_of(name: &str, args: Vec<FunctionArg>) -> Function {
    Function {
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
    }
}

/// Returns a call of a function.
pub(crate) fn call(name: &str, args: Vec<Expr>) -> Expr {
    let args = args
        .into_iter()
        .map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)));
    Expr::Function(function_of(name, args.collect()))
}

/// Returns `CAST(expr AS data_type)`.
pub(crate) fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(expr),
        data_type,
        array: false,
        format: None,
    }
}

fn rewritten(expr: &mut Expr) -> Result<Option<Expr>, QueryError> {
    Ok(match expr {
        Expr::Function(function) => of_function(function)?,
        Expr::Value(value) => match &mut value.value {
            Value::UnicodeStringLiteral(written) => Some(text(&std::mem::take(written))),
            other => numbers::beyond_numeric(other),
        },
        Expr::Identifier(name) => without_brackets(name),
        Expr::AnyOp { .. } | Expr::AllOp { .. } => lists::any_of(expr),
        Expr::Extract { .. } => extract(expr),
        Expr::AtTimeZone {
            timestamp,
            time_zone,
        } => Some(call("timezone", vec![take(time_zone), take(timestamp)])),
        Expr::SimilarTo {
            negated,
            expr,
            pattern,
            escape_char,
        } => {
            let mut args = vec![take(pattern)];
            args.extend(escape_char.take().map(Expr::Value));
            let op = match negated {
                true => BinaryOperator::PGRegexNotMatch,
                false => BinaryOperator::PGRegexMatch,
            };
            Some(Expr::BinaryOp {
                left: Box::new(take(expr)),
                op,
                right: Box::new(call(misc::SIMILAR, args)),
            })
        }
        Expr::Like {
            pattern,
            escape_char,
            ..
        }
        | Expr::ILike {
            pattern,
            escape_char,
            ..
        } => {
            if let Some(escape) = escape_char.take()
                && escape.value != Value::SingleQuotedString("\\".to_owned())
            {
                **pattern = call(misc::LIKE, vec![take(pattern), Expr::Value(escape)]);
            }
            None
        }
        Expr::Cast {
            kind: CastKind::Cast | CastKind::DoubleColon,
            expr,
            data_type,
            ..
        } => of_cast(expr, data_type),
        Expr::Subquery(query) => scalar::value(query),
        Expr::InSubquery { .. } => rows::within(expr),
        Expr::UnaryOp { .. } | Expr::IsNull(_) | Expr::IsNotNull(_) | Expr::Substring { .. } => {
            spelled::operator(expr)
        }
        Expr::Interval(interval) if interval.leading_field.is_none() => {
            match interval.value.as_ref() {
                Expr::Value(value) => of_interval(&value.value),
                _ => None,
            }
        }
        Expr::BinaryOp {
            left,
            op: op @ (BinaryOperator::HashLongArrow | BinaryOperator::HashArrow),
            right,
        } => {
            let name = match op {
                BinaryOperator::HashLongArrow => "weir_json_path_text",
                _ => "weir_json_path",
            };
            Some(call(name, vec![take(left), take(right)]))
        }
        Expr::BinaryOp { .. } => spelled::operator(expr),
        Expr::TypedString(typed) => match typed.data_type {
            DataType::Date | DataType::Timestamp(..) => match &typed.value.value {
                Value::SingleQuotedString(word) => moments::named(word, &typed.data_type),
                _ => None,
            },
            DataType::Uuid | DataType::JSON | DataType::JSONB => {
                let value = Expr::Value(typed.value.clone());
                let function = match typed.data_type {
                    DataType::Uuid => misc::UUID,
                    DataType::JSONB => jsonb::BINARY,
                    _ => json::VALID,
                };
                Some(call(function, vec![value]))
            }
            _ => None,
        },
        _ => None,
    })
}

/// Functions that are called without brackets.
fn without_brackets(name: &Ident) -> Option<Expr> {
    if name.quote_style.is_some() {
        return None;
    }
    let name = name.value.to_ascii_lowercase();
    Some(match name.as_str() {
        "current_schema" => call("current_schema", Vec::new()),
        "current_role" => call("current_user", Vec::new()),
        "current_catalog" => call("current_database", Vec::new()),
        "localtimestamp" => {
            let kind = DataType::Timestamp(None, TimezoneInfo::None);
            cast(call("now", Vec::new()), kind)
        }
        _ => return None,
    })
}

/// Intervals of units and a clock, which the engine does not read together.
fn of_interval(value: &Value) -> Option<Expr> {
    let Value::SingleQuotedString(written) = value else {
        return None;
    };
    // What has one kind of parts the engine reads itself.
    let mixed = written.contains(':') || written.trim_end().ends_with("ago");
    if !mixed && !written.trim_start().starts_with(['P', '-']) {
        return None;
    }
    let [months, days, seconds] = super::interval_input::parts(written)?;
    let literal = |value: f64| text(&value.to_string());
    let float = |value: f64| cast(literal(value), DataType::DoublePrecision);
    Some(call(
        "make_interval",
        vec![
            number("0"),
            float(months),
            number("0"),
            float(days),
            number("0"),
            number("0"),
            float(seconds),
        ],
    ))
}

/// Returns what `float(n)` is: without a number, or with one of more than 24 bits, a double.
pub(crate) fn float(precision: &ExactNumberInfo) -> DataType {
    match precision {
        ExactNumberInfo::Precision(bits) if *bits <= 24 => DataType::Real,
        _ => DataType::DoublePrecision,
    }
}

/// Returns what is cast to JSON as text, out of JSON too.
fn as_text(expr: &mut Expr) -> Expr {
    match calls::json_text(take(expr)) {
        Expr::Function(function) if last(&function.name) == "json_get_json" => {
            Expr::Function(function)
        }
        expr => cast(expr, DataType::Text),
    }
}

fn is_of_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Text
            | DataType::String(_)
            | DataType::Varchar(_)
            | DataType::CharacterVarying(_)
            | DataType::CharVarying(_)
    )
}

fn of_cast(expr: &mut Expr, data_type: &mut DataType) -> Option<Expr> {
    if let (DataType::Interval { fields: None, .. }, Expr::Value(value)) = (&*data_type, &*expr) {
        return of_interval(&value.value);
    }
    if let Expr::Value(value) = &*expr
        && let Value::SingleQuotedString(word) = &value.value
        && let Some(moment) = moments::named(word, data_type)
    {
        return Some(moment);
    }
    if is_of_text(data_type) && spelled::is_step(expr) {
        // JSON as it is written, with the quotes of a text.
        *expr = calls::json_text(take(expr));
    }
    let length = |length: &Option<CharacterLength>| match length {
        Some(CharacterLength::IntegerLength { length, .. }) => Some(*length),
        _ => None,
    };
    match data_type {
        // The engine knows the short name only.
        DataType::CharacterVarying(None) | DataType::CharVarying(None) => {
            Some(cast(take(expr), DataType::Text))
        }
        DataType::Varchar(n) | DataType::CharacterVarying(n) | DataType::CharVarying(n) => {
            let n = length(n)?;
            let value = cast(take(expr), DataType::Text);
            Some(call("left", vec![value, number(&n.to_string())]))
        }
        DataType::Char(n) | DataType::Character(n) => {
            let n = length(n).unwrap_or(1).to_string();
            let value = cast(take(expr), DataType::Text);
            // Blanks at the end mean nothing in this type, so none are put there.
            Some(call("left", vec![value, number(&n)]))
        }
        DataType::Array(_) => lists::of_text(expr, data_type),
        DataType::Float(precision) => Some(cast(take(expr), float(precision))),
        DataType::Uuid => Some(call(misc::UUID, vec![cast(take(expr), DataType::Text)])),
        DataType::JSON => Some(call(json::VALID, vec![as_text(expr)])),
        DataType::JSONB => Some(call(jsonb::BINARY, vec![as_text(expr)])),
        data_type => spelled::number_of_json(expr, data_type),
    }
}
