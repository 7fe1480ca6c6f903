//! JSON in the shapes that artifacts have: every key there, nothing given as null.

use serde_json::{Value as Json, json};

use crate::node::JsonMap;

/// Returns `value` with exactly `keys` first, in order, absent ones as `default`, and others after.
pub(super) fn filled(value: &Json, keys: &[(&str, Json)]) -> Json {
    let empty = JsonMap::new();
    let given = value.as_object().unwrap_or(&empty);
    Json::Object(
        keys.iter()
            .map(|(key, default)| {
                let found = given
                    .get(*key)
                    .filter(|value| !value.is_null() || default.is_null());
                ((*key).to_owned(), found.unwrap_or(default).clone())
            })
            .collect(),
    )
}

/// A filter as artifacts hold it: a text or a list of texts becomes a list of templates.
pub(super) fn filter(written: Option<&Json>) -> Json {
    let texts: Vec<&str> = match written {
        Some(Json::String(text)) => vec![text],
        Some(Json::Array(items)) => items.iter().filter_map(Json::as_str).collect(),
        _ => return Json::Null,
    };
    let filters: Vec<Json> = texts
        .into_iter()
        .map(|text| json!({ "where_sql_template": text }))
        .collect();
    json!({ "where_filters": filters })
}

/// A measure that a metric reads: a name, or a mapping with one.
pub(super) fn input_measure(written: Option<&Json>) -> Json {
    let Some(map) = named(written) else {
        return Json::Null;
    };
    let mut all = filled(
        &map,
        &[
            ("name", Json::Null),
            ("filter", Json::Null),
            ("alias", Json::Null),
            ("join_to_timespine", false.into()),
            ("fill_nulls_with", Json::Null),
        ],
    );
    all["filter"] = filter(map.get("filter"));
    all
}

/// A metric that a metric reads.
pub(super) fn input_metric(written: Option<&Json>) -> Json {
    let Some(map) = named(written) else {
        return Json::Null;
    };
    let mut all = filled(
        &map,
        &[
            ("name", Json::Null),
            ("filter", Json::Null),
            ("alias", Json::Null),
            ("offset_window", Json::Null),
            ("offset_to_grain", Json::Null),
        ],
    );
    all["filter"] = filter(map.get("filter"));
    all["offset_window"] = window(map.get("offset_window"));
    all
}

/// A stretch of time: `7 days` as a count and a granularity.
pub(super) fn window(written: Option<&Json>) -> Json {
    match written {
        Some(Json::String(text)) => {
            let (count, unit) = text.trim().split_once(' ').unwrap_or((text, ""));
            let unit = unit.trim();
            let singular = match unit {
                "days" | "weeks" | "months" | "quarters" | "years" | "hours" | "minutes"
                | "seconds" => &unit[..unit.len() - 1],
                unit => unit,
            };
            match count.parse::<i64>() {
                Ok(count) => json!({ "count": count, "granularity": singular }),
                Err(_) => Json::Null,
            }
        }
        Some(map @ Json::Object(_)) => map.clone(),
        _ => Json::Null,
    }
}

fn named(written: Option<&Json>) -> Option<Json> {
    match written {
        Some(Json::String(name)) => Some(json!({ "name": name })),
        Some(map @ Json::Object(_)) => Some(map.clone()),
        Some(number @ Json::Number(_)) => Some(json!({ "name": number.to_string() })),
        _ => None,
    }
}

/// Returns a text, also of numbers and truth values, or null.
pub(super) fn text(written: Option<&Json>) -> Json {
    match written {
        None | Some(Json::Null) => Json::Null,
        Some(value) => Json::String(crate::python::str_of(value)),
    }
}
