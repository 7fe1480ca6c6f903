//! Calls of functions that go by another name, take their arguments otherwise, or are made of others.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DataType, DateTimeField, DuplicateTreatment, ExactNumberInfo, Expr, Function,
    FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArguments, Ident, ObjectName,
    OrderByExpr, OrderByOptions, TimezoneInfo, Value,
};

use super::{call, cast, function_of, last, number, paths, sets, spelled, take, text, unsupported};
use crate::error::QueryError;
use crate::functions::aggregates::MODE;
use crate::functions::parts::PART;
use crate::functions::{json, jsonb};

fn args_of(function: &mut Function) -> Option<&mut Vec<FunctionArg>> {
    match &mut function.args {
        FunctionArguments::List(list) => Some(&mut list.args),
        _ => None,
    }
}

fn rename(function: &mut Function, name: &str) {
    function.name = ObjectName::from(vec![Ident::new(name)]);
}

/// Rewrites a call; another expression where a call does not do.
pub(super) fn of_function(function: &mut Function) -> Result<Option<Expr>, QueryError> {
    if function.name.0.len() != 1 {
        return Ok(None);
    }
    let name = last(&function.name);
    if name == "array"
        && let Some(list) = spelled::array_of(function)?
    {
        return Ok(Some(list));
    }
    if let Some(rows) = sets::in_list(function) {
        return Ok(Some(rows));
    }
    if let Some(mut args) = plain_args(function)
        && let Some(other) = spelled::of_call(&name, &mut args)
    {
        return Ok(Some(other));
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
        "date_part" | "datepart" => return Ok(date_part(function)),
        "array_remove" => rename(function, "array_remove_all"),
        "ceiling" => rename(function, "ceil"),
        "variance" => rename(function, "var_samp"),
        "clock_timestamp" | "statement_timestamp" | "transaction_timestamp" => {
            rename(function, "now");
        }
        "localtimestamp" => {
            let kind = DataType::Timestamp(None, TimezoneInfo::None);
            return Ok(Some(cast(call("now", Vec::new()), kind)));
        }
        "json_typeof"
        | "jsonb_typeof"
        | "jsonb_pretty"
        | "jsonb_strip_nulls"
        | "json_strip_nulls"
        | jsonb::SET
        | jsonb::KEYS
        | jsonb::VALUES
        | jsonb::VALUES_TEXT
        | json::ELEMENTS
        | json::ELEMENTS_TEXT => json_args(function),
        "make_interval" => in_places(
            function,
            &["years", "months", "weeks", "days", "hours", "mins", "secs"],
        ),
        "gen_random_uuid" | "uuid_generate_v4" => rename(function, "uuid"),
        "listagg" => {
            listagg(function);
            return Ok(joined_in_order(function));
        }
        "string_agg" => return Ok(joined_in_order(function)),
        "array_agg" => return Ok(different(function)),
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
        "percentile_cont" => return Ok(spelled::shares(function)),
        "json_object_agg" | "jsonb_object_agg" => return Ok(json_object_agg(function)),
        "json_build_object" | "jsonb_build_object" => marked(function, json::OBJECT),
        "json_build_array" | "jsonb_build_array" => marked(function, json::ARRAY),
        "to_json" | "to_jsonb" | "row_to_json" => marked(function, json::OF_LIST),
        "json_agg" | "jsonb_agg" => return Ok(json_agg(function)),
        _ => {}
    }
    Ok(None)
}

/// `extract(hour FROM x)`: a numeric, of which a part is a fraction.
pub(super) fn extract(expr: &mut Expr) -> Option<Expr> {
    let Expr::Extract {
        field, expr: at, ..
    } = expr
    else {
        return None;
    };
    let name = match field {
        DateTimeField::Custom(name) => name.value.to_ascii_lowercase(),
        DateTimeField::Week(_) | DateTimeField::IsoWeek => "week".to_owned(),
        field => field.to_string().to_ascii_lowercase(),
    };
    let scale = match name.trim_end_matches('s') {
        "second" | "epoch" => 6,
        "millisecond" => 3,
        "nanosecond" | "date" | "time" | "julian" => return None,
        name if name.starts_with("timezone") => return None,
        _ => 0,
    };
    let part = match name.as_str() {
        // The engine finds files by years it extracts itself.
        "year" => take(expr),
        name => call(PART, vec![text(name), take(at)]),
    };
    let digits = ExactNumberInfo::PrecisionAndScale(20, scale);
    Some(cast(part, DataType::Numeric(digits)))
}

/// `date_part('hour', x)`: the same as a double.
fn date_part(function: &mut Function) -> Option<Expr> {
    let field = match args_of(function)?.first() {
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(field)))) => &field.value,
        _ => &Value::Null,
    };
    match field {
        Value::SingleQuotedString(field) if field.eq_ignore_ascii_case("year") => {
            let year = Expr::Function(function.clone());
            Some(cast(year, DataType::DoublePrecision))
        }
        _ => {
            rename(function, PART);
            None
        }
    }
}

/// Takes JSON out of arguments as text, which is what functions of JSON read.
pub(super) fn json_args(function: &mut Function) {
    for arg in args_of(function).into_iter().flatten() {
        if let FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)) = arg {
            *arg = json_text(take(arg));
        }
    }
}

/// `x -> 'a' -> 0` as text that is JSON.
pub(super) fn json_text(mut expr: Expr) -> Expr {
    match paths::steps(&mut expr) {
        Some(path) => Expr::Function(function_of("json_get_json", path)),
        None => expr,
    }
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

/// `string_agg(x, ',' ORDER BY y)`: a list in that order, joined. The engine gives all such calls of a
/// query the order of the first, where each list has its own.
fn joined_in_order(function: &mut Function) -> Option<Expr> {
    let distinct = order_of_different(function).is_some();
    let FunctionArguments::List(list) = &mut function.args else {
        return None;
    };
    let ordered = distinct
        || matches!(
            list.clauses.as_slice(),
            [FunctionArgumentClause::OrderBy(_)]
        );
    let [
        FunctionArg::Unnamed(FunctionArgExpr::Expr(value)),
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(between))),
    ] = list.args.as_mut_slice()
    else {
        return None;
    };
    let plain = function.over.is_none() && (distinct || list.duplicate_treatment.is_none());
    if !ordered || !plain || !matches!(between.value, Value::SingleQuotedString(_)) {
        return None;
    }
    let between = Expr::Value(between.clone());
    // What is different is sorted as what it is, before it is text.
    if !distinct {
        *value = cast(take(value), DataType::Text);
    }
    let known = Expr::IsNotNull(Box::new(value.clone()));
    list.args.truncate(1);
    function.filter = Some(Box::new(match function.filter.take() {
        Some(filter) => and(*filter, known),
        None => known,
    }));
    rename(function, "array_agg");
    let list = match distinct {
        true => different(function)?,
        false => Expr::Function(function.clone()),
    };
    Some(call("array_to_string", vec![list, between]))
}

/// `array_agg(DISTINCT x ORDER BY x DESC)`: sorted when it is made, as the engine sorts all such lists of a query
/// alike. Without an order it is sorted, too, as PostgreSQL does it.
fn different(function: &mut Function) -> Option<Expr> {
    let [direction, nulls] = order_of_different(function)?;
    if let FunctionArguments::List(list) = &mut function.args {
        list.clauses.clear();
    }
    let list = Expr::Function(function.clone());
    Some(call("array_sort", vec![list, text(direction), text(nulls)]))
}

/// Returns how the values of an aggregate are sorted that are different; none where it is not one, or is ordered
/// by something else, which the engine refuses as PostgreSQL does.
fn order_of_different(function: &Function) -> Option<[&'static str; 2]> {
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    if list.duplicate_treatment != Some(DuplicateTreatment::Distinct) || function.over.is_some() {
        return None;
    }
    let options = match list.clauses.as_slice() {
        [] => OrderByOptions::default(),
        [FunctionArgumentClause::OrderBy(order)] => match (order.as_slice(), list.args.first()?) {
            ([by], FunctionArg::Unnamed(FunctionArgExpr::Expr(value))) if *value == by.expr => {
                by.options
            }
            _ => return None,
        },
        _ => return None,
    };
    let descends = options.asc == Some(false);
    let direction = if descends { "DESC" } else { "ASC" };
    let nulls = match options.nulls_first.unwrap_or(descends) {
        true => "NULLS FIRST",
        false => "NULLS LAST",
    };
    Some([direction, nulls])
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
    json_args(function);
    let Some(args) = args_of(function) else {
        return;
    };
    args.insert(0, FunctionArg::Unnamed(FunctionArgExpr::Expr(text(&marks))));
}

/// Whether an expression is JSON: made by us, cast to it, or taken out of some.
pub(super) fn is_json(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => is_json(inner),
        Expr::Function(function) => {
            let name = last(&function.name);
            [
                json::OBJECT,
                json::ARRAY,
                json::OF_LIST,
                json::VALID,
                json::OF_PAIRS,
                jsonb::BINARY,
                jsonb::CONCAT,
                jsonb::WITHOUT,
                jsonb::WITHOUT_PATH,
                jsonb::SET,
                "jsonb_strip_nulls",
                "json_strip_nulls",
                "weir_json_path",
                "json_get",
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

/// `jsonb_object_agg(k, v)`: a list of the names and one of the values, made an object.
fn json_object_agg(function: &mut Function) -> Option<Expr> {
    let marks = match args_of(function)?.as_slice() {
        [_, FunctionArg::Unnamed(FunctionArgExpr::Expr(value))] if is_json(value) => "1",
        [_, _] => "0",
        _ => return None,
    };
    let marks = match last(&function.name).starts_with("jsonb") {
        true => format!("{marks}1"),
        false => format!("{marks}0"),
    };
    json_args(function);
    rename(function, "array_agg");
    let lists = (0..2).map(|at| {
        let mut list = function.clone();
        if let Some(args) = args_of(&mut list) {
            *args = vec![args.swap_remove(at)];
        }
        Expr::Function(list)
    });
    let args = std::iter::once(text(&marks)).chain(lists);
    Some(call(json::OF_PAIRS, args.collect()))
}

/// Returns the arguments of a call that is nothing else.
fn plain_args(function: &Function) -> Option<Vec<Expr>> {
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    let plain = list.duplicate_treatment.is_none()
        && list.clauses.is_empty()
        && function.filter.is_none()
        && function.over.is_none()
        && function.within_group.is_empty();
    let args = list.args.iter().map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    });
    plain.then(|| args.collect()).flatten()
}

/// `json_agg(x)`: a list of the values, made JSON.
fn json_agg(function: &mut Function) -> Option<Expr> {
    let mark = match args_of(function)?.first() {
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))) if is_json(expr) => "11",
        _ => "01",
    };
    json_args(function);
    rename(function, "array_agg");
    let list = Expr::Function(function.clone());
    Some(call(json::OF_LIST, vec![text(mark), list]))
}
