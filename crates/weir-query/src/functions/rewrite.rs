//! What only Postgres' text says, put in words the engine knows.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, CharacterLength, DataType, Expr, Fetch, Function, FunctionArg,
    FunctionArgExpr, FunctionArgumentClause, FunctionArgumentList, FunctionArguments, Ident,
    LimitClause, ObjectName, ObjectNamePart, OrderByExpr, OrderByOptions, Query, Select, SetExpr,
    Statement as Sql, TableFactor, Value, VisitMut, VisitorMut,
};

use super::aggregates::MODE;
use super::labels::label;
use super::{json, misc};
use crate::error::{QueryError, QueryErrorKind};

/// Rewrites a statement.
pub(crate) fn rewrite(statement: &mut Statement) -> Result<(), QueryError> {
    let sql = match statement {
        Statement::Statement(sql) => sql.as_mut(),
        Statement::Explain(explain) => return rewrite(&mut explain.statement),
        _ => return Ok(()),
    };
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
        label(select, false);
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
            TableFactor::Table {
                name,
                alias,
                args: Some(args),
                ..
            } => {
                if let Some(function) = elements(&last(name)) {
                    let args = std::mem::take(&mut args.args);
                    let list = Expr::Function(function_of(function, args));
                    *factor = TableFactor::UNNEST {
                        alias: alias.take(),
                        array_exprs: vec![list],
                        with_offset: false,
                        with_offset_alias: None,
                        with_ordinality: false,
                    };
                }
                ControlFlow::Continue(())
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<QueryError> {
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

fn number(number: &str) -> Expr {
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

fn call(name: &str, args: Vec<Expr>) -> Expr {
    let args = args
        .into_iter()
        .map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)));
    Expr::Function(function_of(name, args.collect()))
}

fn cast(expr: Expr, data_type: DataType) -> Expr {
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
        Expr::TypedString(typed) => match typed.data_type {
            DataType::Uuid | DataType::JSON | DataType::JSONB => {
                let value = Expr::Value(typed.value.clone());
                let function = if typed.data_type == DataType::Uuid {
                    misc::UUID
                } else {
                    json::VALID
                };
                Some(call(function, vec![value]))
            }
            _ => None,
        },
        _ => None,
    })
}

/// Intervals of units and a clock, which the engine does not read together.
fn of_interval(value: &Value) -> Option<Expr> {
    let Value::SingleQuotedString(written) = value else {
        return None;
    };
    if !written.contains(':') || !written.contains(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    let [months, days, seconds] = super::intervals::parts(written)?;
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

fn of_cast(expr: &mut Expr, data_type: &mut DataType) -> Option<Expr> {
    if let (DataType::Interval { fields: None, .. }, Expr::Value(value)) = (&*data_type, &*expr) {
        return of_interval(&value.value);
    }
    let length = |length: &Option<CharacterLength>| match length {
        Some(CharacterLength::IntegerLength { length, .. }) => Some(*length),
        _ => None,
    };
    match data_type {
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
        DataType::Uuid => Some(call(misc::UUID, vec![cast(take(expr), DataType::Text)])),
        DataType::JSON | DataType::JSONB => {
            Some(call(json::VALID, vec![cast(take(expr), DataType::Text)]))
        }
        _ => None,
    }
}

/// Returns the function that makes a list of a JSON array's elements.
fn elements(name: &str) -> Option<&'static str> {
    match name {
        "json_array_elements" | "jsonb_array_elements" => Some(json::ELEMENTS),
        "json_array_elements_text" | "jsonb_array_elements_text" => Some(json::ELEMENTS_TEXT),
        _ => None,
    }
}

fn args_of(function: &mut Function) -> Option<&mut Vec<FunctionArg>> {
    match &mut function.args {
        FunctionArguments::List(list) => Some(&mut list.args),
        _ => None,
    }
}

fn rename(function: &mut Function, name: &str) {
    function.name = ObjectName::from(vec![Ident::new(name)]);
}

fn of_function(function: &mut Function) -> Result<Option<Expr>, QueryError> {
    if function.name.0.len() != 1 {
        return Ok(None);
    }
    let name = last(&function.name);
    if let Some(list) = elements(&name) {
        rename(function, list);
        let list = Expr::Function(function.clone());
        return Ok(Some(call("unnest", vec![list])));
    }
    match name.as_str() {
        "date_diff" | "datediff" | "dateadd" | "date_add" | "timestampdiff" | "timestampadd" => {
            unit_as_text(function);
            match name.as_str() {
                "timestampdiff" => rename(function, "date_diff"),
                "timestampadd" => rename(function, "date_add"),
                _ => {}
            }
        }
        "make_interval" => in_places(
            function,
            &["years", "months", "weeks", "days", "hours", "mins", "secs"],
        ),
        "gen_random_uuid" | "uuid_generate_v4" => rename(function, "uuid"),
        "listagg" => listagg(function),
        "max_by" | "arg_max" => return Ok(by(function, "last_value")),
        "min_by" | "arg_min" => return Ok(by(function, "first_value")),
        "mode" if !function.within_group.is_empty() => {
            let by = function.within_group.remove(0).expr;
            rename(function, MODE);
            if let Some(args) = args_of(function) {
                *args = vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(by))];
            }
        }
        "mode" => rename(function, MODE),
        "percentile_disc" => return percentile_disc(function),
        "json_build_object" | "jsonb_build_object" => marked(function, json::OBJECT),
        "json_build_array" | "jsonb_build_array" => marked(function, json::ARRAY),
        "to_json" | "to_jsonb" | "row_to_json" => marked(function, json::OF_LIST),
        "json_agg" | "jsonb_agg" => return Ok(json_agg(function)),
        _ => {}
    }
    Ok(None)
}

/// `datediff(day, a, b)`: the unit may be written as a word.
fn unit_as_text(function: &mut Function) {
    let Some(args) = args_of(function) else {
        return;
    };
    if args.len() == 3
        && let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(unit))) = args.first_mut()
        && let Expr::Identifier(ident) = unit
        && ident.quote_style.is_none()
    {
        *unit = text(&ident.value);
    }
}

/// Puts arguments given by name where they belong.
fn in_places(function: &mut Function, names: &[&str]) {
    let Some(args) = args_of(function) else {
        return;
    };
    let mut places: Vec<Expr> = vec![number("0"); names.len()];
    let mut next = 0;
    for arg in args.drain(..) {
        match arg {
            FunctionArg::Named {
                name,
                arg: FunctionArgExpr::Expr(value),
                ..
            } => {
                let name = name.value.to_lowercase();
                if let Some(at) = names.iter().position(|n| *n == name) {
                    places[at] = value;
                }
            }
            FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) if next < places.len() => {
                places[next] = value;
                next += 1;
            }
            _ => {}
        }
    }
    let places = places.into_iter().map(FunctionArgExpr::Expr);
    *args = places.map(FunctionArg::Unnamed).collect();
}

/// `listagg(x [, d]) WITHIN GROUP (ORDER BY y)`: `string_agg(x, d ORDER BY y)`.
fn listagg(function: &mut Function) {
    rename(function, "string_agg");
    let order = std::mem::take(&mut function.within_group);
    if let FunctionArguments::List(list) = &mut function.args {
        if list.args.len() == 1 {
            list.args
                .push(FunctionArg::Unnamed(FunctionArgExpr::Expr(text(""))));
        }
        if !order.is_empty() {
            list.clauses.push(FunctionArgumentClause::OrderBy(order));
        }
    }
}

/// `max_by(x, y)`: the last `x` in the order of `y`.
fn by(function: &mut Function, name: &str) -> Option<Expr> {
    let FunctionArguments::List(list) = &mut function.args else {
        return None;
    };
    let [_, _] = list.args.as_slice() else {
        return None;
    };
    let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(order))) = list.args.pop() else {
        return None;
    };
    list.clauses
        .push(FunctionArgumentClause::OrderBy(vec![OrderByExpr {
            expr: order.clone(),
            options: OrderByOptions {
                asc: None,
                nulls_first: None,
            },
            with_fill: None,
        }]));
    let known = Expr::IsNotNull(Box::new(order));
    function.filter = Some(Box::new(match function.filter.take() {
        Some(filter) => and(*filter, known),
        None => known,
    }));
    rename(function, name);
    Some(Expr::Function(function.clone()))
}

fn and(left: Expr, right: Expr) -> Expr {
    Expr::BinaryOp {
        left: Box::new(Expr::Nested(Box::new(left))),
        op: BinaryOperator::And,
        right: Box::new(Expr::Nested(Box::new(right))),
    }
}

/// `percentile_disc(p) WITHIN GROUP (ORDER BY x)`: the value at that place of the sorted list.
fn percentile_disc(function: &mut Function) -> Result<Option<Expr>, QueryError> {
    let [order] = function.within_group.as_slice() else {
        return Ok(None);
    };
    let order = order.clone();
    let filter = function.filter.take();
    let share = match args_of(function).map(Vec::as_mut_slice) {
        Some([FunctionArg::Unnamed(FunctionArgExpr::Expr(share))]) => take(share),
        _ => return Err(unsupported("percentile_disc of several shares")),
    };
    let known = Expr::IsNotNull(Box::new(order.expr.clone()));
    let filter = Box::new(match filter {
        Some(filter) => and(*filter, known),
        None => known,
    });
    let mut list = function_of(
        "array_agg",
        vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(
            order.expr.clone(),
        ))],
    );
    if let FunctionArguments::List(args) = &mut list.args {
        args.clauses
            .push(FunctionArgumentClause::OrderBy(vec![order.clone()]));
    }
    list.filter = Some(filter.clone());
    let mut count = function_of(
        "count",
        vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(order.expr))],
    );
    count.filter = Some(filter);
    let place = Expr::BinaryOp {
        left: Box::new(cast(share, DataType::DoublePrecision)),
        op: BinaryOperator::Multiply,
        right: Box::new(Expr::Function(count)),
    };
    let place = cast(call("ceil", vec![place]), DataType::BigInt(None));
    let place = call("greatest", vec![place, number("1")]);
    Ok(Some(call(
        "array_element",
        vec![Expr::Function(list), place],
    )))
}

/// Says which of the arguments are JSON themselves, which their type does not tell.
fn marked(function: &mut Function, name: &str) {
    rename(function, name);
    let Some(args) = args_of(function) else {
        return;
    };
    let marks: String = args
        .iter()
        .map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) if is_json(expr) => '1',
            _ => '0',
        })
        .collect();
    args.insert(0, FunctionArg::Unnamed(FunctionArgExpr::Expr(text(&marks))));
}

/// Whether an expression is JSON: made by us, cast to it, or taken out of some.
fn is_json(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => is_json(inner),
        Expr::Function(function) => {
            let name = last(&function.name);
            [
                json::OBJECT,
                json::ARRAY,
                json::OF_LIST,
                json::VALID,
                "weir_json_path",
                "json_get_json",
            ]
            .contains(&name.as_str())
        }
        Expr::BinaryOp { op, .. } => {
            matches!(op, BinaryOperator::Arrow | BinaryOperator::HashArrow)
        }
        _ => false,
    }
}

/// `json_agg(x)`: a list of the values, made JSON.
fn json_agg(function: &mut Function) -> Option<Expr> {
    let mark = match args_of(function)?.first() {
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))) if is_json(expr) => "11",
        _ => "01",
    };
    rename(function, "array_agg");
    let list = Expr::Function(function.clone());
    Some(call(json::OF_LIST, vec![text(mark), list]))
}
