//! `jsonb`: JSON in Postgres' one way of writing it, compared, changed, taken apart.
//!
//! Keys are ordered by length, then bytes; of equal keys the last one counts; numbers stay as they were
//! written. Source: <https://www.postgresql.org/docs/15/datatype-json.html>.

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

use datafusion::arrow::array::builder::{ListBuilder, StringBuilder};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, exec_err};
use serde_json::value::RawValue;

use super::misc::{each, short};
use super::native::{Call, Native};
use super::text::only_text;
use super::time::value_error;
use super::types::{is_text, texts};

/// JSON as `jsonb` writes it.
pub(super) const BINARY: &str = "weir_jsonb";
/// What two values of `jsonb` are equal by.
pub(super) const EQUAL_BY: &str = "weir_jsonb_equal_by";
/// A number in JSON as text that is a number.
pub(super) const NUMBER: &str = "weir_json_number";
pub(super) const CONCAT: &str = "weir_jsonb_concat";
pub(super) const WITHOUT: &str = "weir_jsonb_without";
pub(super) const WITHOUT_PATH: &str = "weir_jsonb_without_path";
pub(super) const HAS_ANY: &str = "weir_jsonb_has_any";
pub(super) const HAS_ALL: &str = "weir_jsonb_has_all";
pub(super) const SET: &str = "jsonb_set";
pub(super) const KEYS: &str = "weir_json_keys";
pub(super) const VALUES: &str = "weir_json_values";
pub(super) const VALUES_TEXT: &str = "weir_json_values_text";

/// How deep values may lie in each other; they are read by recursion.
const DEPTH: usize = 128;

pub(super) fn functions() -> Vec<Native> {
    let text = |_: &[DataType]| Ok(DataType::Utf8);
    let boolean = |_: &[DataType]| Ok(DataType::Boolean);
    let list = |_: &[DataType]| Ok(texts());
    vec![
        Native::new(BINARY, only_text, text, |call| {
            each(call, |json, _| written(json))
        }),
        Native::new(EQUAL_BY, only_text, text, |call| {
            each(call, |json, _| Ok(Json::read(json)?.text(true)))
        }),
        Native::new(NUMBER, only_text, text, number),
        Native::new(CONCAT, only_text, text, |call| {
            each(call, |left, right| {
                let right = Json::read(right.unwrap_or("null"))?;
                Ok(Json::read(left)?.and(right)?.text(false))
            })
        }),
        Native::new(WITHOUT, only_text, text, |call| {
            each(call, |json, key| {
                Ok(Json::read(json)?.without(key.unwrap_or(""))?.text(false))
            })
        }),
        Native::new(WITHOUT_PATH, with_path, text, |call| {
            changed(call, |json, path, _| json.change(path, None, false))
        }),
        Native::new(SET, set_args, text, |call| {
            changed(call, |json, path, row| {
                let Some(value) = row.value else {
                    return Ok(());
                };
                json.change(path, Some(Json::read(value)?), row.create)
            })
        }),
        Native::new("jsonb_strip_nulls", only_text, text, |call| {
            each(call, |json, _| Ok(Json::read(json)?.stripped().text(false)))
        })
        .alias("json_strip_nulls"),
        Native::new("jsonb_pretty", only_text, text, |call| {
            each(call, |json, _| {
                let mut out = String::new();
                Json::read(json)?.pretty(&mut out, 0);
                Ok(out)
            })
        }),
        Native::new(HAS_ANY, with_path, boolean, |call| has(call, false)),
        Native::new(HAS_ALL, with_path, boolean, |call| has(call, true)),
        Native::new(KEYS, only_text, list, |call| {
            lists(call, |key, _| Some(key.to_owned()))
        }),
        Native::new(VALUES, only_text, list, |call| {
            lists(call, |_, value| Some(value.text(false)))
        }),
        Native::new(VALUES_TEXT, only_text, list, |call| {
            lists(call, |_, value| value.plain())
        }),
    ]
}

/// Returns JSON as `jsonb` writes it.
pub(super) fn written(json: &str) -> Result<String> {
    Ok(Json::read(json)?.text(false))
}

/// A value of `jsonb`.
enum Json<'a> {
    /// `null`, `true`, `false` or a number, as written.
    Plain(Cow<'a, str>),
    Text(String),
    List(Vec<Json<'a>>),
    /// In `jsonb`'s order.
    Object(Vec<(String, Json<'a>)>),
}

impl<'a> Json<'a> {
    fn read(text: &'a str) -> Result<Self> {
        let not_json = || value_error("22P02", format!("`{}` is not JSON", short(text)));
        let raw: &RawValue = serde_json::from_str(text).map_err(|_| not_json())?;
        Self::of(raw, DEPTH)?.ok_or_else(not_json)
    }

    fn of(raw: &'a RawValue, depth: usize) -> Result<Option<Self>> {
        let text = raw.get();
        if depth == 0 {
            return Err(value_error(
                "54001",
                format!("JSON with more than {DEPTH} values inside of each other"),
            ));
        }
        Ok(match text.as_bytes().first() {
            Some(b'"') => serde_json::from_str(text).ok().map(Json::Text),
            Some(b'[') => {
                let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(text) else {
                    return Ok(None);
                };
                let items = items.into_iter().map(|item| Self::of(item, depth - 1));
                items.collect::<Result<Option<_>>>()?.map(Json::List)
            }
            Some(b'{') => {
                let Ok(Members(members)) = serde_json::from_str(text) else {
                    return Ok(None);
                };
                let members = members.into_iter().map(|(key, value)| {
                    let value = Self::of(value, depth - 1)?;
                    Ok(value.map(|value| (key, value)))
                });
                let members: Option<Vec<_>> = members.collect::<Result<_>>()?;
                members.map(|members| Json::Object(ordered(members)))
            }
            _ => Some(Json::Plain(Cow::Borrowed(text))),
        })
    }

    /// Writes the value; `alike` makes equal numbers equal text.
    fn text(&self, alike: bool) -> String {
        let mut out = String::new();
        self.write(&mut out, alike);
        out
    }

    fn write(&self, out: &mut String, alike: bool) {
        match self {
            Json::Plain(text) if alike => out.push_str(&one_way(text)),
            Json::Plain(text) => out.push_str(text),
            Json::Text(text) => quoted(out, text),
            Json::List(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { ", " });
                    item.write(out, alike);
                }
                out.push(']');
            }
            Json::Object(members) => {
                out.push('{');
                for (at, (key, value)) in members.iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { ", " });
                    quoted(out, key);
                    out.push_str(": ");
                    value.write(out, alike);
                }
                out.push('}');
            }
        }
    }

    fn pretty(&self, out: &mut String, level: usize) {
        let line = |out: &mut String, level: usize| {
            let _ = write!(out, "\n{:width$}", "", width = level * 4);
        };
        match self {
            Json::List(items) if !items.is_empty() => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { "," });
                    line(out, level + 1);
                    item.pretty(out, level + 1);
                }
                line(out, level);
                out.push(']');
            }
            Json::List(_) | Json::Object(_) if self.is_empty() => {
                let (open, close) = match self {
                    Json::List(_) => ('[', ']'),
                    _ => ('{', '}'),
                };
                out.push(open);
                line(out, level);
                out.push(close);
            }
            Json::Object(members) => {
                out.push('{');
                for (at, (key, value)) in members.iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { "," });
                    line(out, level + 1);
                    quoted(out, key);
                    out.push_str(": ");
                    value.pretty(out, level + 1);
                }
                line(out, level);
                out.push('}');
            }
            value => value.write(out, false),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Json::List(items) => items.is_empty(),
            Json::Object(members) => members.is_empty(),
            _ => false,
        }
    }

    /// Returns the value as text is wanted of it: without quotes, and nothing for null.
    fn plain(&self) -> Option<String> {
        match self {
            Json::Plain(text) if text == "null" => None,
            Json::Text(text) => Some(text.clone()),
            value => Some(value.text(false)),
        }
    }

    /// `a || b`.
    fn and(self, other: Self) -> Result<Self> {
        Ok(match (self, other) {
            (Json::Object(mut members), Json::Object(others)) => {
                members.extend(others);
                Json::Object(ordered(members))
            }
            (left, right) => {
                let object = |json: &Json<'_>| matches!(json, Json::Object(_));
                let list = |json: &Json<'_>| matches!(json, Json::List(_));
                if object(&left) && !list(&right) || object(&right) && !list(&left) {
                    return Err(value_error(
                        "22023",
                        "invalid concatenation of jsonb objects",
                    ));
                }
                let items = |json| match json {
                    Json::List(items) => items,
                    json => vec![json],
                };
                let mut all = items(left);
                all.extend(items(right));
                Json::List(all)
            }
        })
    }

    /// `a - 'key'`.
    fn without(self, key: &str) -> Result<Self> {
        Ok(match self {
            Json::Object(mut members) => {
                members.retain(|(name, _)| name != key);
                Json::Object(members)
            }
            Json::List(mut items) => {
                items.retain(|item| !matches!(item, Json::Text(text) if text == key));
                Json::List(items)
            }
            _ => return Err(value_error("22023", "cannot delete from scalar")),
        })
    }

    fn stripped(self) -> Self {
        match self {
            Json::Object(members) => {
                let null = |value: &Json<'_>| matches!(value, Json::Plain(text) if text == "null");
                let members = members.into_iter().filter(|(_, value)| !null(value));
                Json::Object(
                    members
                        .map(|(key, value)| (key, value.stripped()))
                        .collect(),
                )
            }
            Json::List(items) => Json::List(items.into_iter().map(Self::stripped).collect()),
            value => value,
        }
    }

    /// Puts a value at a path, or takes away what is there.
    fn change(&mut self, path: &[String], new: Option<Json<'a>>, create: bool) -> Result<()> {
        let Some((step, rest)) = path.split_first() else {
            return Ok(());
        };
        match self {
            Json::Object(members) => match members.iter().position(|(key, _)| key == step) {
                Some(at) if !rest.is_empty() => members[at].1.change(rest, new, create)?,
                Some(at) => match new {
                    Some(new) => members[at].1 = new,
                    None => {
                        members.remove(at);
                    }
                },
                None => {
                    if let (true, true, Some(new)) = (rest.is_empty(), create, new) {
                        members.push((step.clone(), new));
                        *members = ordered(std::mem::take(members));
                    }
                }
            },
            Json::List(items) => {
                let index: i64 = step.parse().map_err(|_| {
                    let message = format!("path element is not an integer: \"{}\"", short(step));
                    value_error("22P02", message)
                })?;
                let length = items.len() as i64;
                let place = if index < 0 { length + index } else { index };
                let inside = (0..length).contains(&place);
                match (inside, rest.is_empty(), new) {
                    (true, false, new) => items[place as usize].change(rest, new, create)?,
                    (true, true, Some(new)) => items[place as usize] = new,
                    (true, true, None) => {
                        items.remove(place as usize);
                    }
                    (false, true, Some(new)) if create && place < 0 => items.insert(0, new),
                    (false, true, Some(new)) if create => items.push(new),
                    _ => {}
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// The members of an object as they were written.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> serde::Deserialize<'de> for Members<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> serde::de::Visitor<'de> for Each {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

/// Orders the members of an object; the last of a name is the one that counts.
fn ordered<V>(mut members: Vec<(String, V)>) -> Vec<(String, V)> {
    members.reverse();
    members.sort_by(|(a, _), (b, _)| (a.len(), a).cmp(&(b.len(), b)));
    members.dedup_by(|(later, _), (kept, _)| later == kept);
    members
}

fn quoted(out: &mut String, text: &str) {
    // Text is always JSON.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

/// Writes a number without what does not change it: `1.50`, `15e-1` and `1.5` become the same.
fn one_way(text: &str) -> String {
    if !text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
        return text.to_owned();
    }
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let Ok(exponent) = exponent.parse::<i64>() else {
        return text.to_owned();
    };
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return "0".to_owned();
    }
    let zeros = (digits.len() - significant.len()) as i64;
    let exponent = exponent
        .saturating_sub(fraction.len() as i64)
        .saturating_add(zeros);
    format!("{sign}{significant}e{exponent}")
}

/// The number that a value of JSON is; null is NULL, and everything else no number.
fn number(call: &Call) -> Result<ArrayRef> {
    let texts = call.args[0].as_string::<i32>();
    let numbers = (0..call.rows).map(|row| {
        if texts.is_null(row) {
            return Ok(None);
        }
        match Json::read(texts.value(row))? {
            Json::Plain(text) if text == "null" => Ok(None),
            Json::Plain(text) if text != "true" && text != "false" => Ok(Some(text.into_owned())),
            other => {
                let kind = match other {
                    Json::Plain(_) => "boolean",
                    Json::Text(_) => "string",
                    Json::List(_) => "array",
                    Json::Object(_) => "object",
                };
                Err(value_error(
                    "22023",
                    format!("cannot cast jsonb {kind} to a number; take it as text with `->>`"),
                ))
            }
        }
    });
    let numbers: StringArray = numbers.collect::<Result<_>>()?;
    Ok(Arc::new(numbers))
}

fn with_path(types: &[DataType]) -> Result<Vec<DataType>> {
    match types {
        [json, path] if is_text(json) || json.is_null() => {
            Ok(vec![DataType::Utf8, path_type(path)?])
        }
        _ => exec_err!("this takes JSON and a list of text like '{{a,b}}'"),
    }
}

fn path_type(path: &DataType) -> Result<DataType> {
    match path {
        DataType::List(_) => Ok(texts()),
        kind if is_text(kind) || kind.is_null() => Ok(DataType::Utf8),
        _ => exec_err!("a path is a list of text like '{{a,b}}'"),
    }
}

fn set_args(types: &[DataType]) -> Result<Vec<DataType>> {
    let (Some(path), 3..=4) = (types.get(1), types.len()) else {
        return exec_err!(
            "jsonb_set takes JSON, a path, the new JSON, and whether to add what is not there"
        );
    };
    let mut args = vec![DataType::Utf8, path_type(path)?, DataType::Utf8];
    args.extend(types.get(3).map(|_| DataType::Boolean));
    Ok(args)
}

/// Reads a path of one row: a list, or text that is one.
fn steps(array: &ArrayRef, row: usize) -> Result<Vec<String>> {
    match array.data_type() {
        DataType::List(_) => {
            let steps = cast(&array.as_list::<i32>().value(row), &DataType::Utf8)?;
            let steps = steps.as_string::<i32>().iter().flatten();
            Ok(steps.map(str::to_owned).collect())
        }
        _ => {
            let text = array.as_string::<i32>().value(row);
            super::rewrite::list_items(text)
                .map(|items| items.into_iter().flatten().collect())
                .ok_or_else(|| {
                    let message = format!("`{}` is not a list like '{{a,b}}'", short(text));
                    value_error("22P02", message)
                })
        }
    }
}

/// What a change of one row takes besides JSON and path.
struct Change<'a> {
    value: Option<&'a str>,
    create: bool,
}

fn changed(
    call: &Call,
    change: for<'a> fn(&mut Json<'a>, &[String], Change<'a>) -> Result<()>,
) -> Result<ArrayRef> {
    let jsons = call.args[0].as_string::<i32>();
    let texts = (0..call.rows).map(|row| {
        if call.args.iter().any(|arg| arg.is_null(row)) {
            return Ok(None);
        }
        let mut json = Json::read(jsons.value(row))?;
        let with = Change {
            value: call
                .args
                .get(2)
                .map(|new| new.as_string::<i32>().value(row)),
            create: call
                .args
                .get(3)
                .is_none_or(|create| create.as_boolean().value(row)),
        };
        change(&mut json, &steps(&call.args[1], row)?, with)?;
        Ok(Some(json.text(false)))
    });
    let texts: StringArray = texts.collect::<Result<_>>()?;
    Ok(Arc::new(texts))
}

/// `?|` and `?&`: whether some, or all, of the texts are keys, or texts in the list.
fn has(call: &Call, all: bool) -> Result<ArrayRef> {
    let jsons = call.args[0].as_string::<i32>();
    let answers = (0..call.rows).map(|row| {
        if call.args.iter().any(|arg| arg.is_null(row)) {
            return Ok(None);
        }
        let json = Json::read(jsons.value(row))?;
        let there = |key: &String| match &json {
            Json::Object(members) => members.iter().any(|(name, _)| name == key),
            Json::List(items) => items
                .iter()
                .any(|one| matches!(one, Json::Text(t) if t == key)),
            Json::Text(text) => text == key,
            Json::Plain(_) => false,
        };
        let keys = steps(&call.args[1], row)?;
        Ok(Some(match all {
            true => keys.iter().all(there),
            false => keys.iter().any(there),
        }))
    });
    let answers: BooleanArray = answers.collect::<Result<_>>()?;
    Ok(Arc::new(answers))
}

/// Makes a list of the members of an object.
fn lists(call: &Call, one: fn(&str, &Json<'_>) -> Option<String>) -> Result<ArrayRef> {
    let jsons = call.args[0].as_string::<i32>();
    let item = Arc::new(Field::new_list_field(DataType::Utf8, true));
    let mut lists = ListBuilder::new(StringBuilder::new()).with_field(item);
    for row in 0..call.rows {
        if jsons.is_null(row) {
            lists.append_null();
            continue;
        }
        let Json::Object(members) = Json::read(jsons.value(row))? else {
            return Err(value_error("22023", "the JSON is not an object"));
        };
        for (key, value) in &members {
            lists.values().append_option(one(key, value));
        }
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_written_in_one_way() {
        for (given, written) in [
            (
                r#"{"bb":1,"a":[1 ,2], "a":1.50}"#,
                r#"{"a": 1.50, "bb": 1}"#,
            ),
            ("[]", "[]"),
            (r#""\u0041""#, r#""A""#),
        ] {
            assert_eq!(Json::read(given).unwrap().text(false), written);
        }
        assert!(Json::read("{").is_err());
        assert!(Json::read(&"[".repeat(1_000_000)).is_err());
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        assert!(Json::read(&deep).is_err());
    }

    #[test]
    fn equal_numbers_are_written_alike() {
        for same in ["1.5", "1.50", "15e-1", "0.15E1"] {
            assert_eq!(one_way(same), "15e-1");
        }
        for zero in ["0", "-0", "0.00", "0e7"] {
            assert_eq!(one_way(zero), "0");
        }
        assert_eq!(one_way("-100"), "-1e2");
        assert_eq!(one_way("true"), "true");
    }
}
