//! JSON, which is text here: made of values, looked into, taken apart.

use std::sync::Arc;

use datafusion::arrow::array::builder::{ListBuilder, StringBuilder};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Field};
use datafusion::common::{Result, exec_err};
use serde_json::{Map, Value};

use super::misc::{each, short};
use super::native::{Call, Native};
use super::text::{as_text, only_text, zone};
use super::time::value_error;
use super::types::{is_text, texts};

pub(super) const VALID: &str = "weir_json";
pub(super) const OBJECT: &str = "weir_json_object";
pub(super) const ARRAY: &str = "weir_json_array";
pub(super) const OF_LIST: &str = "weir_json_of_list";
pub(super) const ELEMENTS: &str = "weir_json_elements";
pub(super) const ELEMENTS_TEXT: &str = "weir_json_elements_text";

pub(super) fn functions() -> Vec<Native> {
    let text = |_: &[DataType]| Ok(DataType::Utf8);
    let any = |types: &[DataType]| Ok(types.to_vec());
    let with_path = |types: &[DataType]| match types {
        [json, path] if is_text(json) && is_text(path) => Ok(vec![DataType::Utf8; 2]),
        [json, DataType::List(_)] if is_text(json) => Ok(vec![DataType::Utf8, texts()]),
        _ => exec_err!("#> and #>> take JSON and a path like '{{a,0}}'"),
    };
    vec![
        Native::new(VALID, only_text, text, |call| {
            each(call, |text, _| match serde_json::from_str::<serde::de::IgnoredAny>(text) {
                Ok(_) => Ok(text.to_owned()),
                Err(_) => Err(value_error("22P02", format!("`{}` is not JSON", short(text)))),
            })
        }),
        Native::new(OBJECT, any, text, object).stable(),
        Native::new(ARRAY, any, text, array).stable(),
        Native::new(OF_LIST, any, text, of_list).stable(),
        Native::new("jsonb_contains", only_text, |_| Ok(DataType::Boolean), contains),
        Native::new("weir_json_path", with_path, text, |call| path(call, false)),
        Native::new("weir_json_path_text", with_path, text, |call| path(call, true)),
        Native::new("jsonb_typeof", only_text, text, |call| {
            each(call, |text, _| Ok(kind(&read(text)?).to_owned()))
        })
        .alias("json_typeof"),
        Native::new(ELEMENTS, only_text, |_| Ok(texts()), |call| elements(call, false)),
        Native::new(ELEMENTS_TEXT, only_text, |_| Ok(texts()), |call| elements(call, true)),
    ]
}

fn read(text: &str) -> Result<Value> {
    serde_json::from_str(text)
        .map_err(|_| value_error("22P02", format!("`{}` is not JSON", short(text))))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Turns a value of a column into JSON; `is_json` says that its text is JSON already.
fn value(array: &ArrayRef, row: usize, is_json: bool, call: &Call) -> Result<Value> {
    if array.is_null(row) {
        return Ok(Value::Null);
    }
    Ok(match array.data_type() {
        DataType::Boolean => Value::Bool(array.as_boolean().value(row)),
        DataType::Float64 if array.as_primitive::<Float64Type>().value(row).is_finite() => {
            number(&array.slice(row, 1), call)?
        }
        kind if kind.is_integer() || matches!(kind, DataType::Decimal128(..) | DataType::Float32) => {
            number(&array.slice(row, 1), call)?
        }
        kind if is_text(kind) => {
            let text = cast(&array.slice(row, 1), &DataType::Utf8)?;
            let text = text.as_string::<i32>().value(0);
            match is_json {
                true => read(text)?,
                false => Value::String(text.to_owned()),
            }
        }
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            let items = (0..items.len()).map(|i| value(&items, i, is_json, call));
            Value::Array(items.collect::<Result<_>>()?)
        }
        DataType::Struct(fields) => {
            let parts = array.as_struct();
            let mut object = Map::new();
            for (field, column) in fields.iter().zip(parts.columns()) {
                object.insert(field.name().clone(), value(column, row, false, call)?);
            }
            Value::Object(object)
        }
        DataType::Timestamp(..) => {
            let text = as_text(&array.slice(row, 1), &zone(call)?)?;
            let text = text.value(0).replacen(' ', "T", 1);
            // ISO 8601 wants minutes in an offset.
            let short = text.len() > 3 && matches!(text.as_bytes()[text.len() - 3], b'+' | b'-');
            let zoned = matches!(array.data_type(), DataType::Timestamp(_, Some(_)));
            Value::String(if short && zoned { text + ":00" } else { text })
        }
        _ => Value::String(as_text(&array.slice(row, 1), &zone(call)?)?.value(0).to_owned()),
    })
}

fn number(one: &ArrayRef, call: &Call) -> Result<Value> {
    let text = as_text(one, &zone(call)?)?;
    let text = text.value(0);
    // As written: a number of many digits keeps them.
    Ok(serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())))
}

/// Returns which arguments are JSON themselves: the first argument says so, a digit for each.
fn marks(call: &Call) -> Vec<bool> {
    let marks = cast(&call.args[0], &DataType::Utf8).ok();
    let text = marks.as_ref().and_then(|marks| {
        let marks = marks.as_string_opt::<i32>()?;
        (!marks.is_empty()).then(|| marks.value(0))
    });
    text.unwrap_or_default().chars().map(|c| c == '1').collect()
}

fn object(call: &Call) -> Result<ArrayRef> {
    let marks = marks(call);
    let args = &call.args[1..];
    if args.len() % 2 != 0 {
        return exec_err!("json_build_object takes names and values in turn");
    }
    let names = args.iter().step_by(2);
    let zone = zone(call)?;
    let names = names.map(|name| as_text(name, &zone)).collect::<Result<Vec<_>>>()?;
    let texts = (0..call.rows).map(|row| {
        let mut parts = Vec::with_capacity(names.len());
        for (at, name) in names.iter().enumerate() {
            if name.is_null(row) {
                return Err(value_error("22004", "a name in a JSON object must not be NULL"));
            }
            let is_json = marks.get(at * 2 + 1).copied().unwrap_or(false);
            let value = value(&args[at * 2 + 1], row, is_json, call)?;
            parts.push(format!("{} : {value}", Value::from(name.value(row))));
        }
        Ok(Some(format!("{{{}}}", parts.join(", "))))
    });
    let texts: StringArray = texts.collect::<Result<_>>()?;
    Ok(Arc::new(texts))
}

fn array(call: &Call) -> Result<ArrayRef> {
    let marks = marks(call);
    let texts = (0..call.rows).map(|row| {
        let parts = call.args[1..].iter().enumerate().map(|(at, arg)| {
            let is_json = marks.get(at).copied().unwrap_or(false);
            value(arg, row, is_json, call).map(|value| value.to_string())
        });
        Ok(Some(format!("[{}]", parts.collect::<Result<Vec<_>>>()?.join(", "))))
    });
    let texts: StringArray = texts.collect::<Result<_>>()?;
    Ok(Arc::new(texts))
}

/// `to_json(x)`, and the end of `json_agg(x)`.
fn of_list(call: &Call) -> Result<ArrayRef> {
    let is_json = marks(call).first().copied().unwrap_or(false);
    let texts = (0..call.rows).map(|row| {
        if call.args[1].is_null(row) {
            return Ok(None);
        }
        Ok(Some(match value(&call.args[1], row, is_json, call)? {
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(Value::to_string).collect();
                format!("[{}]", items.join(", "))
            }
            value => value.to_string(),
        }))
    });
    let texts: StringArray = texts.collect::<Result<_>>()?;
    Ok(Arc::new(texts))
}

fn contains(call: &Call) -> Result<ArrayRef> {
    let (whole, part) = (call.args[0].as_string::<i32>(), call.args[1].as_string::<i32>());
    let answers = (0..call.rows).map(|row| {
        if whole.is_null(row) || part.is_null(row) {
            return Ok(None);
        }
        Ok(Some(holds(&read(whole.value(row))?, &read(part.value(row))?, true)))
    });
    let answers: BooleanArray = answers.collect::<Result<_>>()?;
    Ok(Arc::new(answers))
}

fn holds(whole: &Value, part: &Value, top: bool) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => part.iter().all(|(name, value)| {
            whole.get(name).is_some_and(|there| holds(there, value, false))
        }),
        (Value::Array(whole), Value::Array(part)) => part
            .iter()
            .all(|value| whole.iter().any(|there| holds(there, value, false))),
        // An array contains a plain value, at the top only.
        (Value::Array(whole), value) if top && !value.is_object() => whole.contains(value),
        (Value::Number(whole), Value::Number(part)) => {
            whole == part || whole.as_f64() == part.as_f64()
        }
        (whole, part) => whole == part,
    }
}

fn path(call: &Call, as_plain: bool) -> Result<ArrayRef> {
    let texts = call.args[0].as_string::<i32>();
    let answers = (0..call.rows).map(|row| {
        if texts.is_null(row) || call.args[1].is_null(row) {
            return Ok(None);
        }
        let steps: Vec<String> = match call.args[1].data_type() {
            DataType::List(_) => {
                let steps = call.args[1].as_list::<i32>().value(row);
                let steps = cast(&steps, &DataType::Utf8)?;
                steps.as_string::<i32>().iter().flatten().map(str::to_owned).collect()
            }
            _ => {
                let text = call.args[1].as_string::<i32>().value(row);
                let inner = text.trim().trim_start_matches('{').trim_end_matches('}');
                let steps = inner.split(',').map(|step| step.trim().trim_matches('"').to_owned());
                steps.filter(|step| !step.is_empty()).collect()
            }
        };
        let whole = read(texts.value(row))?;
        let mut at = Some(&whole);
        for step in &steps {
            at = at.and_then(|value| match value {
                Value::Object(object) => object.get(step),
                Value::Array(items) => {
                    let index: i64 = step.parse().ok()?;
                    let index = if index < 0 { items.len() as i64 + index } else { index };
                    items.get(usize::try_from(index).ok()?)
                }
                _ => None,
            });
        }
        Ok(at.and_then(|value| plain(value, as_plain)))
    });
    let answers: StringArray = answers.collect::<Result<_>>()?;
    Ok(Arc::new(answers))
}

/// Returns a value as JSON, or as plain text, where null is NULL.
fn plain(value: &Value, as_plain: bool) -> Option<String> {
    match (value, as_plain) {
        (Value::Null, true) => None,
        (Value::String(text), true) => Some(text.clone()),
        (value, _) => Some(value.to_string()),
    }
}

fn elements(call: &Call, as_plain: bool) -> Result<ArrayRef> {
    let texts = call.args[0].as_string::<i32>();
    let item = Arc::new(Field::new_list_field(DataType::Utf8, true));
    let mut lists = ListBuilder::new(StringBuilder::new()).with_field(item);
    for row in 0..call.rows {
        if texts.is_null(row) {
            lists.append_null();
            continue;
        }
        let Value::Array(items) = read(texts.value(row))? else {
            return Err(value_error("22023", "the JSON is not an array"));
        };
        for item in &items {
            lists.values().append_option(plain(item, as_plain));
        }
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}
