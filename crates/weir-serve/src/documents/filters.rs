//! What a dashboard's filters say, as values of the parameters they set.

use chrono::NaiveDate;
use serde_json::{Map, Value, json};

use super::range::{Range, range};

/// What filters are of; the last sets two parameters.
pub(super) const TYPES: [&str; 6] = ["text", "number", "date", "timestamp", "boolean", RANGE];
const RANGE: &str = "date_range";

/// A filter that says something.
#[derive(Clone, Debug, PartialEq)]
pub struct FilterValue {
    /// What people call it.
    pub label: String,
    /// What it says, for people.
    pub text: String,
    /// By parameter, what it sets: null is no value, also where a question has a default of its own.
    pub sets: Vec<(String, Value)>,
}

/// Returns what the filters of a dashboard set on a day: what is chosen, by the filter's name, else its
/// default. Those that say nothing leave each question its own default, and are not among them.
///
/// # Errors
/// Which filter's value cannot be read, and why.
pub fn filter_values(
    dashboard: &Value,
    chosen: &Map<String, Value>,
    today: NaiveDate,
) -> Result<Vec<FilterValue>, String> {
    let mut values = Vec::new();
    for filter in dashboard["filters"].as_array().into_iter().flatten() {
        let Some(name) = filter["name"].as_str() else {
            continue;
        };
        let label = filter["label"].as_str().filter(|label| !label.is_empty());
        let label = label.unwrap_or(name).to_owned();
        let is_range = filter["type"] == RANGE;
        let own = chosen.get(name);
        // Chosen and null is chosen: any.
        if own.is_some_and(Value::is_null) {
            let sets = match is_range {
                true => set(filter, name, Range::default()),
                false => vec![(name.to_owned(), Value::Null)],
            };
            let text = "any".to_owned();
            values.push(FilterValue { label, text, sets });
            continue;
        }
        let value = own.unwrap_or(&filter["default"]);
        let text = match value {
            Value::Null => continue,
            Value::String(text) if text.is_empty() => continue,
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        values.push(match is_range {
            true => {
                let found = range(&text, today).map_err(|why| format!("filter `{name}`: {why}"))?;
                FilterValue {
                    label,
                    text: told(&text, found),
                    sets: set(filter, name, found),
                }
            }
            false => FilterValue {
                label,
                text,
                sets: vec![(name.to_owned(), value.clone())],
            },
        });
    }
    Ok(values)
}

/// Returns what a range sets: the parameters that the filter names, else two after its own name.
fn set(filter: &Value, name: &str, range: Range) -> Vec<(String, Value)> {
    let day = |day: Option<NaiveDate>| json!(day.map(|day| day.to_string()));
    let (from, to) = (filter["from"].as_str(), filter["to"].as_str());
    if from.is_none() && to.is_none() {
        return vec![
            (format!("{name}_from"), day(range.from)),
            (format!("{name}_to"), day(range.to)),
        ];
    }
    let sides = [(from, range.from), (to, range.to)];
    let named = sides
        .into_iter()
        .filter_map(|(parameter, at)| Some((parameter?.to_owned(), day(at))));
    named.collect()
}

/// Writes a range as people read it: its last day is part of it.
fn told(text: &str, range: Range) -> String {
    let last = range.to.and_then(|to| to.pred_opt());
    let days = match (range.from, last) {
        (Some(from), Some(last)) if from == last => from.to_string(),
        (Some(from), Some(last)) => format!("{from} to {last}"),
        (Some(from), None) => format!("since {from}"),
        (None, Some(last)) => format!("until {last}"),
        (None, None) => String::new(),
    };
    match text.contains("..") {
        true => days,
        false => format!("{} ({days})", text.replace('_', " ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(chosen: Value) -> Result<Vec<FilterValue>, String> {
        let dashboard = json!({"filters": [
            {"name": "country", "label": "Country", "type": "text", "default": "DE"},
            {"name": "period", "type": "date_range", "default": "last_7_days"},
            {"name": "day", "type": "date_range", "from": "since"},
            {"name": "n", "type": "number"},
        ]});
        let chosen = chosen.as_object().cloned().unwrap_or_default();
        filter_values(&dashboard, &chosen, "2026-11-22".parse().unwrap())
    }

    fn one(label: &str, text: &str, sets: &[(&str, Value)]) -> FilterValue {
        let sets = sets
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        FilterValue {
            label: label.to_owned(),
            text: text.to_owned(),
            sets: sets.collect(),
        }
    }

    #[test]
    fn defaults_hold_where_nothing_is_chosen() {
        let wanted = [
            one("Country", "DE", &[("country", json!("DE"))]),
            one(
                "period",
                "last 7 days (2026-11-16 to 2026-11-22)",
                &[
                    ("period_from", json!("2026-11-16")),
                    ("period_to", json!("2026-11-23")),
                ],
            ),
        ];
        assert_eq!(said(json!({})).unwrap(), wanted);
    }

    #[test]
    fn any_is_a_choice_and_parameters_can_be_named() {
        let chosen = json!({"country": null, "period": null, "day": "2026-01-05..", "n": 3});
        let wanted = [
            one("Country", "any", &[("country", Value::Null)]),
            one(
                "period",
                "any",
                &[("period_from", Value::Null), ("period_to", Value::Null)],
            ),
            one("day", "since 2026-01-05", &[("since", json!("2026-01-05"))]),
            one("n", "3", &[("n", json!(3))]),
        ];
        assert_eq!(said(chosen).unwrap(), wanted);
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let why = said(json!({"period": "last_7_dys"})).unwrap_err();
        assert!(why.starts_with("filter `period`: "), "{why}");
        assert!(why.contains("did you mean `last_7_days`?"), "{why}");
    }
}
