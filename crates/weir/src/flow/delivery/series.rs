//! From rows to what is drawn: the same choices as in the application (`ui/src/charts/spec.ts`).

use std::collections::HashMap;

use serde::Deserialize;

use super::answer::{Answer, Kind};

/// How an answer is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Spec {
    pub(super) kind: String,
    pub(super) x: Option<String>,
    pub(super) y: Vec<String>,
    pub(super) series: Option<String>,
    pub(super) stacked: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) values: Vec<Option<f64>>,
}

/// Series over places along an axis.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Drawn {
    pub(super) places: Vec<String>,
    pub(super) series: Vec<Series>,
}

/// Chooses what a person would most likely choose.
pub(super) fn suggest(answer: &Answer) -> Spec {
    let of = |kind: Kind| -> Vec<&str> {
        let columns = answer.columns.iter().filter(|column| column.kind == kind);
        columns.map(|column| column.name.as_str()).collect()
    };
    let (numbers, times, words) = (of(Kind::Number), of(Kind::Time), of(Kind::Text));
    let spec = |kind: &str, x: Option<&&str>, y: &[&str], series: Option<&&str>| Spec {
        kind: kind.to_owned(),
        x: x.map(|name| (*name).to_owned()),
        y: y.iter().map(|name| (*name).to_owned()).collect(),
        series: series.map(|name| (*name).to_owned()),
        stacked: false,
    };
    let (one, few) = (
        &numbers[..numbers.len().min(1)],
        &numbers[..numbers.len().min(3)],
    );
    if answer.rows.len() == 1 && !numbers.is_empty() && answer.columns.len() <= 2 {
        return spec("number", None, one, None);
    }
    if numbers.is_empty() || answer.rows.len() < 2 {
        return spec("table", None, &[], None);
    }
    match (times.first(), words.as_slice()) {
        (Some(time), [word]) => spec("line", Some(time), one, Some(word)),
        (Some(time), _) => spec("line", Some(time), few, None),
        (None, [first, second]) if numbers.len() == 1 => Spec {
            stacked: true,
            ..spec("bar", Some(first), one, Some(second))
        },
        (None, [word]) => spec("bar", Some(word), few, None),
        (None, [word, ..]) => spec("bar", Some(word), one, None),
        (None, []) if numbers.len() == 1 => spec("histogram", None, one, None),
        // What is left is for the application to draw.
        (None, []) => spec("scatter", None, &[], None),
    }
}

/// Returns a chart's columns as far as the answer has them; those it needs and lacks are chosen.
pub(super) fn fitted(spec: &Spec, answer: &Answer) -> Spec {
    let has = |name: &String| answer.columns.iter().any(|column| column.name == *name);
    let guess = suggest(answer);
    let y: Vec<String> = spec.y.iter().filter(|name| has(name)).cloned().collect();
    let other = || {
        let columns = answer.columns.iter().map(|column| column.name.clone());
        columns.into_iter().find(|name| !y.contains(name))
    };
    let x = spec.x.clone().filter(has).or(guess.x).or_else(other);
    let numbers = answer
        .columns
        .iter()
        .filter(|column| column.kind == Kind::Number);
    let numbers = numbers.map(|column| column.name.clone());
    let first = numbers.filter(|name| Some(name) != x.as_ref()).take(1);
    let y = if y.is_empty() { first.collect() } else { y };
    Spec {
        kind: spec.kind.clone(),
        series: spec.series.clone().filter(has),
        stacked: spec.stacked,
        x,
        y,
    }
}

/// Turns rows into one series per value column, or per value of the series column.
pub(super) fn drawn(spec: &Spec, answer: &Answer) -> Drawn {
    let index = |name: &String| answer.columns.iter().position(|one| one.name == *name);
    let x = spec.x.as_ref().and_then(index);
    let split = spec.series.as_ref().and_then(index);
    let ys: Vec<usize> = spec.y.iter().filter_map(index).collect();
    let mut rows: Vec<_> = answer.rows.iter().collect();
    if let Some(x) = x.filter(|x| answer.columns[*x].kind == Kind::Time) {
        rows.sort_by(|a, b| a[x].text.cmp(&b[x].text));
    }
    let mut found = Drawn::default();
    let (mut places, mut names) = (HashMap::new(), HashMap::new());
    for row in rows {
        let place = x.and_then(|x| row[x].text.clone()).unwrap_or_default();
        let at = *places.entry(place.clone()).or_insert_with(|| {
            found.places.push(place);
            found.places.len() - 1
        });
        for y in &ys {
            let name = match split {
                Some(split) => row[split].text.clone().unwrap_or_else(|| "∅".to_owned()),
                None => answer.columns[*y].name.clone(),
            };
            let of = *names.entry(name.clone()).or_insert_with(|| {
                let values = Vec::new();
                found.series.push(Series { name, values });
                found.series.len() - 1
            });
            let values = &mut found.series[of].values;
            values.resize(values.len().max(at + 1), None);
            // Several rows at one place add up, as in the application.
            values[at] = match (values[at], row[*y].number) {
                (Some(before), Some(value)) => Some(before + value),
                (before, value) => value.or(before),
            };
        }
    }
    for series in &mut found.series {
        series.values.resize(found.places.len(), None);
    }
    found
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::answer::{Cell, Column};
    use super::*;

    /// Makes an answer: names with their kinds, and rows of text.
    pub(in crate::flow::delivery) fn answer(columns: &[(&str, Kind)], rows: &[&[&str]]) -> Answer {
        let cell = |text: &&str| Cell {
            text: (!text.is_empty()).then(|| (*text).to_owned()),
            number: text.parse().ok(),
        };
        Answer {
            columns: columns
                .iter()
                .map(|(name, kind)| Column {
                    name: (*name).to_owned(),
                    kind: *kind,
                })
                .collect(),
            rows: rows
                .iter()
                .map(|row| row.iter().map(cell).collect())
                .collect(),
            cut_off: false,
        }
    }

    #[test]
    fn what_fits_is_chosen() {
        let one = answer(&[("n", Kind::Number)], &[&["3"]]);
        assert_eq!(suggest(&one).kind, "number");
        let days = answer(
            &[("day", Kind::Time), ("n", Kind::Number)],
            &[&["2026-01-02", "2"], &["2026-01-01", "1"]],
        );
        let line = suggest(&days);
        assert_eq!(
            (line.kind.as_str(), line.x.as_deref()),
            ("line", Some("day"))
        );
        let drawn = drawn(&line, &days);
        assert_eq!(drawn.places, ["2026-01-01", "2026-01-02"]);
        assert_eq!(drawn.series[0].values, [Some(1.0), Some(2.0)]);
    }

    #[test]
    fn a_series_for_each_value() {
        let split = answer(
            &[("d", Kind::Text), ("who", Kind::Text), ("n", Kind::Number)],
            &[&["a", "x", "1"], &["a", "y", "2"], &["b", "y", "3"]],
        );
        let drawn = drawn(&suggest(&split), &split);
        assert_eq!(drawn.places, ["a", "b"]);
        assert_eq!(drawn.series[0].values, [Some(1.0), None]);
        assert_eq!(drawn.series[1].values, [Some(2.0), Some(3.0)]);
        let spec = Spec {
            kind: "bar".to_owned(),
            x: Some("gone".to_owned()),
            ..Spec::default()
        };
        let fitted = fitted(&spec, &split);
        assert_eq!(
            (fitted.x.as_deref(), fitted.y.as_slice()),
            (Some("d"), &["n".to_owned()][..])
        );
    }
}
