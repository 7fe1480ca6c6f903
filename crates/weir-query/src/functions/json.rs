//! JSON, which is text here: made of values, looked into, taken apart.

use std::sync::Arc;

use datafusion::arrow::array::builder::{ListBuilder, StringBuilder};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Float64Type};
use datafusion::common::{Result, exec_err};
use serde_json::Value;

use super::jsonb;
use super::misc::{each, short};
use super::native::{Call, Native};
use super::text::{as_text, only_text, zone};
use super::time::value_error;
use super::types::{is_text, texts};

pub(super) const VALID: &str = "weir_json";
pub(super) const OBJECT: &str = "weir_json_object";
pub(super) const ARRAY: &str = "weir_json_array";
pub(super) const OF_LIST: &str = "weir_json_of_list";
pub(super) const OF_PAIRS: &str = "weir_json_of_pairs";
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
            each(call, |text, _| {
                match serde_json::from_str::<serde::de::IgnoredAny>(text) {
                    Ok(_) => Ok(text.to_owned()),
                    Err(_) => Err(value_error(
                        "22P02",
                        format!("`{}` is not JSON", short(text)),
                    )),
                }
            })
        }),
        Native::new(OBJECT, any, text, object).stable(),
        Native::new(ARRAY, any, text, array).stable(),
        Native::new(OF_LIST, any, text, of_list).stable(),
        Native::new(OF_PAIRS, any, text, of_pairs).stable(),
        Native::new(
            "jsonb_contains",
            only_text,
            |_| Ok(DataType::Boolean),
            contains,
        )
        .takes(2..=2),
        Native::new("weir_json_path", with_path, text, |call| path(call, false)),
        Native::new("weir_json_path_text", with_path, text, |call| {
            path(call, true)
        }),
        Native::new("jsonb_typeof", only_text, text, |call| {
            each(call, |text, _| Ok(kind(&read(text)?).to_owned()))
        })
        .alias("json_typeof"),
        Native::new(
            ELEMENTS,
            only_text,
            |_| Ok(texts()),
            |call| elements(call, false),
        ),
        Native::new(
            ELEMENTS_TEXT,
            only_text,
            |_| Ok(texts()),
            |call| elements(call, true),
        ),
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

/// Writes a value of a column as JSON; `is_json` says that its text is JSON already, and stays.
fn json(array: &ArrayRef, row: usize, is_json: bool, call: &Call) -> Result<String> {
    if array.data_type().is_null() || array.is_null(row) {
        return Ok("null".to_owned());
    }
    let plain = || {
        Ok::<_, datafusion::common::DataFusionError>(
            as_text(&array.slice(row, 1), &zone(call)?)?
                .value(0)
                .to_owned(),
        )
    };
    Ok(match array.data_type() {
        DataType::Boolean => array.as_boolean().value(row).to_string(),
        DataType::Float64 if !array.as_primitive::<Float64Type>().value(row).is_finite() => {
            Value::from(plain()?).to_string()
        }
        // As written: a number of many digits keeps them.
        kind if kind.is_numeric() => plain()?,
        kind if is_text(kind) => {
            let text = cast(&array.slice(row, 1), &DataType::Utf8)?;
            let text = text.as_string::<i32>().value(0);
            match is_json {
                true => text.to_owned(),
                false => Value::from(text).to_string(),
            }
        }
        DataType::List(_) => format!("[{}]", items(array, row, is_json, call)?.join(",")),
        DataType::Struct(fields) => {
            let parts = array.as_struct();
            let columns = fields.iter().zip(parts.columns()).map(|(field, column)| {
                let name = Value::from(field.name().as_str());
                Ok(format!("{name}:{}", json(column, row, false, call)?))
            });
            format!("{{{}}}", columns.collect::<Result<Vec<_>>>()?.join(","))
        }
        DataType::Timestamp(_, zone) => {
            let text = plain()?.replacen(' ', "T", 1);
            // ISO 8601 wants minutes in an offset.
            let short = text.len() > 3 && matches!(text.as_bytes()[text.len() - 3], b'+' | b'-');
            let text = if short && zone.is_some() {
                text + ":00"
            } else {
                text
            };
            Value::from(text).to_string()
        }
        _ => Value::from(plain()?).to_string(),
    })
}

/// Writes the values of a list as JSON.
fn items(array: &ArrayRef, row: usize, is_json: bool, call: &Call) -> Result<Vec<String>> {
    let items = array.as_list::<i32>().value(row);
    (0..items.len())
        .map(|i| json(&items, i, is_json, call))
        .collect()
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
    if !args.len().is_multiple_of(2) {
        return exec_err!("json_build_object takes names and values in turn");
    }
    let names = args.iter().step_by(2);
    let zone = zone(call)?;
    let names = names
        .map(|name| as_text(name, &zone))
        .collect::<Result<Vec<_>>>()?;
    let texts = (0..call.rows).map(|row| {
        let mut parts = Vec::with_capacity(names.len());
        for (at, name) in names.iter().enumerate() {
            if name.is_null(row) {
                return Err(value_error(
                    "22004",
                    "a name in a JSON object must not be NULL",
                ));
            }
            let is_json = marks.get(at * 2 + 1).copied().unwrap_or(false);
            let value = json(&args[at * 2 + 1], row, is_json, call)?;
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
            json(arg, row, is_json, call)
        });
        Ok(Some(format!(
            "[{}]",
            parts.collect::<Result<Vec<_>>>()?.join(", ")
        )))
    });
    let texts: StringArray = texts.collect::<Result<_>>()?;
    Ok(Arc::new(texts))
}

/// `to_json(x)`, and the end of `json_agg(x)`, which has a second mark.
fn of_list(call: &Call) -> Result<ArrayRef> {
    let is_json = marks(call).first().copied().unwrap_or(false);
    let aggregated = marks(call).len() > 1;
    let texts = (0..call.rows).map(|row| {
        if call.args[1].is_null(row) {
            return Ok(None);
        }
        match aggregated {
            true => Ok(Some(format!(
                "[{}]",
                items(&call.args[1], row, is_json, call)?.join(", ")
            ))),
            false => json(&call.args[1], row, is_json, call).map(Some),
        }
    });
    let texts: StringArray = texts.collect::<Result<_>>()?;
    Ok(Arc::new(texts))
}

/// The end of `json_object_agg(k, v)`: a list of names and a list of values.
fn of_pairs(call: &Call) -> Result<ArrayRef> {
    let [is_json, binary] = [0, 1].map(|at| marks(call).get(at).copied().unwrap_or(false));
    let zone = zone(call)?;
    let texts = (0..call.rows).map(|row| {
        if call.args[1].is_null(row) || call.args[2].is_null(row) {
            return Ok(None);
        }
        let names = as_text(&call.args[1].as_list::<i32>().value(row), &zone)?;
        let values = items(&call.args[2], row, is_json, call)?;
        let pairs = names.iter().zip(values).map(|(name, value)| match name {
            Some(name) => Ok(format!("{} : {value}", Value::from(name))),
            None => Err(value_error("22004", "field name must not be null")),
        });
        let pairs = pairs.collect::<Result<Vec<_>>>()?.join(", ");
        match binary {
            true => jsonb::written(&format!("{{{pairs}}}")).map(Some),
            false => Ok(Some(format!("{{ {pairs} }}"))),
        }
    });
    let texts: StringArray = texts.collect::<Result<_>>()?;
    Ok(Arc::new(texts))
}

fn contains(call: &Call) -> Result<ArrayRef> {
    let (whole, part) = (
        call.args[0].as_string::<i32>(),
        call.args[1].as_string::<i32>(),
    );
    let answers = (0..call.rows).map(|row| {
        if whole.is_null(row) || part.is_null(row) {
            return Ok(None);
        }
        Ok(Some(holds(
            &read(whole.value(row))?,
            &read(part.value(row))?,
            true,
        )))
    });
    let answers: BooleanArray = answers.collect::<Result<_>>()?;
    Ok(Arc::new(answers))
}

fn holds(whole: &Value, part: &Value, top: bool) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => part.iter().all(|(name, value)| {
            whole
                .get(name)
                .is_some_and(|there| holds(there, value, false))
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
                steps
                    .as_string::<i32>()
                    .iter()
                    .flatten()
                    .map(str::to_owned)
                    .collect()
            }
            _ => {
                let text = call.args[1].as_string::<i32>().value(row);
                let inner = text.trim().trim_start_matches('{').trim_end_matches('}');
                let steps = inner
                    .split(',')
                    .map(|step| step.trim().trim_matches('"').to_owned());
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
                    let index = if index < 0 {
                        items.len() as i64 + index
                    } else {
                        index
                    };
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
