//! What may be in a dashboard and a question that somebody wrote by hand.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use serde_json::{Map, Value};
use weir_catalog::DocumentKind;

use super::filters::{TYPES, filter_values};
use crate::error::ApiError;

const CHARTS: [&str; 14] = [
    "table",
    "line",
    "bar",
    "area",
    "scatter",
    "pie",
    "number",
    "heatmap",
    "histogram",
    "box",
    "pivot",
    "funnel",
    "sankey",
    "map",
];
const DASHBOARD: [&str; 4] = ["tiles", "filters", "tabs", "refresh"];
const QUESTION: [&str; 5] = ["sql", "parameters", "view", "chart", "builder"];
const TILE: [&str; 11] = [
    "id", "title", "question", "text", "chart", "tab", "sets", "x", "y", "w", "h",
];
/// Across a board.
const COLUMNS: i64 = 12;
/// Rows of the tallest tile.
const TALLEST: i64 = 30;

/// Refuses what could not be asked or drawn.
pub(super) fn chosen(kind: DocumentKind, body: &Value) -> Result<(), ApiError> {
    match kind {
        DocumentKind::Question => {
            known(body, &QUESTION, "a question")?;
            if !body["sql"].is_string() {
                return Err(ApiError::invalid(
                    "`sql` is not text: the question's statement",
                ));
            }
            list(body, "parameters")?;
            chart(&body["chart"], "the question")
        }
        DocumentKind::Dashboard => {
            known(body, &DASHBOARD, "a dashboard")?;
            if !body["tiles"].is_array() {
                return Err(ApiError::invalid("`tiles` is not a list"));
            }
            list(body, "tabs")?;
            filters(body)?;
            tiles(body)
        }
    }
}

/// Refuses filters that no page could show, and defaults that nobody could resolve later.
pub(super) fn filters(body: &Value) -> Result<(), ApiError> {
    list(body, "filters")?;
    for filter in body["filters"].as_array().into_iter().flatten() {
        let name = filter["name"].as_str().unwrap_or_default();
        let kind = filter["type"].as_str().unwrap_or("text");
        if !TYPES.contains(&kind) {
            return Err(meant(
                ApiError::invalid(format!("filter `{name}`: there is no type `{kind}`")),
                kind,
                &TYPES,
            ));
        }
    }
    // Which day it is does not matter to whether a default can be read.
    filter_values(body, &Map::new(), NaiveDate::default())
        .map(drop)
        .map_err(ApiError::invalid)
}

fn tiles(body: &Value) -> Result<(), ApiError> {
    let mut ids = BTreeSet::new();
    for (at, tile) in body["tiles"].as_array().into_iter().flatten().enumerate() {
        let id = tile["id"].as_str().filter(|id| !id.is_empty());
        let Some(id) = id else {
            return Err(ApiError::invalid(format!("tile {} has no `id`", at + 1)));
        };
        let what = format!("tile `{id}`");
        if !ids.insert(id) {
            return Err(ApiError::invalid(format!("there are two tiles `{id}`"))
                .with_hint("give each an `id` of its own"));
        }
        known(tile, &TILE, &what)?;
        if !tile["question"].is_string() && !tile["text"].is_string() {
            return Err(ApiError::invalid(format!(
                "{what} has neither a `question` nor a `text`"
            )));
        }
        for (name, least, most) in [
            ("x", 0, COLUMNS - 1),
            ("y", 0, 10_000),
            ("w", 1, COLUMNS),
            ("h", 1, TALLEST),
        ] {
            let good = tile[name]
                .as_i64()
                .is_some_and(|n| (least..=most).contains(&n));
            if !good {
                return Err(ApiError::invalid(format!(
                    "{what}: `{name}` is not a whole number from {least} to {most}"
                )));
            }
        }
        chart(&tile["chart"], &what)?;
    }
    Ok(())
}

fn list(body: &Value, name: &str) -> Result<(), ApiError> {
    match &body[name] {
        Value::Null => Ok(()),
        Value::Array(all) if all.iter().all(Value::is_object) => Ok(()),
        _ => Err(ApiError::invalid(format!(
            "`{name}` is not a list of mappings"
        ))),
    }
}

fn chart(chart: &Value, what: &str) -> Result<(), ApiError> {
    if chart.is_null() {
        return Ok(());
    }
    let kind = chart["kind"].as_str().unwrap_or_default();
    if CHARTS.contains(&kind) {
        return Ok(());
    }
    Err(meant(
        ApiError::invalid(format!("{what}: there is no chart `{kind}`")),
        kind,
        &CHARTS,
    ))
}

fn known(map: &Value, names: &[&str], what: &str) -> Result<(), ApiError> {
    let unknown = map
        .as_object()
        .and_then(|map| map.keys().find(|key| !names.contains(&key.as_str())));
    match unknown {
        None => Ok(()),
        Some(key) => Err(meant(
            ApiError::invalid(format!("{what} has no `{key}`")),
            key,
            names,
        )),
    }
}

fn meant(error: ApiError, word: &str, known: &[&str]) -> ApiError {
    match weir_core::did_you_mean(word, known) {
        Some(meant) => error.with_hint(format!("did you mean `{meant}`?")),
        None => error.with_hint(format!("there are: {}", known.join(", "))),
    }
}
