//! Charts of how values spread: parts of a whole as a ring, and how many lie where.

use super::answer::{Answer, Cell};
use super::draw::{clipped, tick_text};
use super::series::{Drawn, Series, Spec, drawn};
use super::svg::{Anchor, COLOURS, Svg};

const SIZE: (f64, f64) = (640.0, 300.0);
const MIDDLE: (f64, f64) = (160.0, 160.0);
/// Of the ring, inside and outside.
const RADII: (f64, f64) = (66.0, 116.0);
/// Slices that are told apart; what is left is one more.
const MOST_SLICES: usize = 7;
/// Intervals of a histogram at most.
const MOST_BINS: f64 = 40.0;

/// Draws parts of a whole; none where there are none.
pub(super) fn ring(title: &str, spec: &Spec, answer: &Answer) -> Option<String> {
    let alone = Spec {
        series: None,
        y: spec.y.iter().take(1).cloned().collect(),
        ..spec.clone()
    };
    let Drawn { places, series } = drawn(&alone, answer);
    let values = series.into_iter().next()?.values;
    let mut parts: Vec<(String, f64)> = places
        .into_iter()
        .zip(values)
        .filter_map(|(place, value)| Some((place, value.filter(|value| *value > 0.0)?)))
        .collect();
    // Of two of one size the first stays first.
    parts.sort_by(|a, b| b.1.total_cmp(&a.1));
    let whole: f64 = parts.iter().map(|(_, value)| value).sum();
    if !whole.is_finite() || parts.is_empty() {
        return None;
    }
    if parts.len() > MOST_SLICES + 1 {
        let rest = parts.split_off(MOST_SLICES);
        parts.push(("…".to_owned(), rest.iter().map(|(_, value)| value).sum()));
    }
    let mut svg = Svg::new(title, SIZE);
    let (mut from, mut y) = (0.0, 60.0);
    for ((name, value), colour) in parts.iter().zip(COLOURS) {
        let share = value / whole;
        svg.slice(MIDDLE, RADII, (from, from + share), colour);
        svg.bar((330.0, y - 10.0), (10.0, 10.0), colour);
        svg.words((348.0, y), Anchor::Start, &clipped(name, 30));
        let percent = format!("{:.1} %", share * 100.0);
        svg.words((SIZE.0 - 16.0, y), Anchor::End, &percent);
        from += share;
        y += 26.0;
    }
    Some(svg.done())
}

/// Counts values in intervals of a round width, by the rule of Sturges, as the application does.
pub(super) fn histogram(spec: &Spec, answer: &Answer) -> Option<Drawn> {
    let name = spec.y.first()?;
    let at = answer.columns.iter().position(|one| one.name == *name)?;
    let number = |row: &Vec<Cell>| row.get(at).and_then(|cell| cell.number);
    let values: Vec<f64> = answer.rows.iter().filter_map(number).collect();
    let low = values.iter().copied().reduce(f64::min)?;
    let high = values.iter().copied().reduce(f64::max)?;
    let count = f64::from(u32::try_from(values.len()).ok()?);
    if !(high - low).is_finite() {
        return None;
    }
    let (width, start, intervals) = match high > low {
        true => {
            let rough = (high - low) / MOST_BINS.min((count.log2() + 1.0).ceil());
            let power = 10_f64.powf(rough.log10().floor());
            let steps = [1.0, 2.0, 5.0].into_iter();
            let step = steps.map(|step| step * power).find(|step| *step >= rough);
            let width = step.unwrap_or(10.0 * power);
            let start = (low / width).floor() * width;
            (width, start, ((high - start) / width).floor() + 1.0)
        }
        false => (1.0, low, 1.0),
    };
    // Values so large that a width is lost beside them lie in no interval.
    if !(1.0..=2.0 * MOST_BINS).contains(&intervals) || !width.is_normal() {
        return None;
    }
    let mut found = Drawn::default();
    let mut counts = Vec::new();
    let mut from = 0.0;
    while from < intervals {
        let is_last = from + 1.0 >= intervals;
        let inside = values.iter().filter(|value| {
            let place = ((**value - start) / width).floor();
            place == from || (is_last && place > from) || (from == 0.0 && place < 0.0)
        });
        counts.push(Some(f64::from(u32::try_from(inside.count()).ok()?)));
        let edge = |at: f64| tick_text(start + at * width, width);
        found.places.push(match high > low {
            true => format!("{} – {}", edge(from), edge(from + 1.0)),
            false => edge(0.0),
        });
        from += 1.0;
    }
    found.series.push(Series {
        name: name.clone(),
        values: counts,
    });
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::super::answer::Kind;
    use super::super::series::tests::answer;
    use super::*;

    const COLUMNS: [(&str, Kind); 2] = [("who", Kind::Text), ("n", Kind::Number)];

    fn of(kind: &str) -> Spec {
        Spec {
            kind: kind.to_owned(),
            x: Some("who".to_owned()),
            y: vec!["n".to_owned()],
            ..Spec::default()
        }
    }

    #[test]
    fn a_ring_has_the_parts_of_a_whole() {
        let rows: [&[&str]; 5] = [
            &["a", "1"],
            &["<b>", "2"],
            &["a", "1"],
            &["none", "0"],
            &["", "-3"],
        ];
        let svg = ring("Parts", &of("pie"), &answer(&COLUMNS, &rows)).unwrap();
        assert_eq!(svg.matches("50.0 %").count(), 2, "{svg}");
        assert!(svg.contains("&lt;b&gt;") && !svg.contains("none"), "{svg}");
        // One part alone is a whole ring.
        let svg = ring("Parts", &of("pie"), &answer(&COLUMNS, &rows[..1])).unwrap();
        assert!(svg.contains("100.0 %") && !svg.contains("NaN"), "{svg}");
    }

    #[test]
    fn many_parts_are_few_and_what_is_left() {
        let names: Vec<String> = (0..20).map(|n| format!("name {n}")).collect();
        let rows: Vec<[&str; 2]> = names.iter().map(|name| [name.as_str(), "5"]).collect();
        let rows: Vec<&[&str]> = rows.iter().map(|row| &row[..]).collect();
        let svg = ring("Parts", &of("pie"), &answer(&COLUMNS, &rows)).unwrap();
        assert_eq!(svg.matches("5.0 %").count(), MOST_SLICES + 1, "{svg}");
        assert!(svg.contains("65.0 %") && svg.contains('…'), "{svg}");
    }

    #[test]
    fn a_histogram_counts_every_value_once() {
        let values = ["1", "2", "2.5", "9.99", "10", ""];
        let rows: Vec<[&str; 2]> = values.iter().map(|value| ["x", *value]).collect();
        let rows: Vec<&[&str]> = rows.iter().map(|row| &row[..]).collect();
        let found = histogram(&of("histogram"), &answer(&COLUMNS, &rows)).unwrap();
        assert_eq!(found.places[0], "0 – 5");
        let counts: Vec<f64> = found.series[0].values.iter().map(|n| n.unwrap()).collect();
        assert_eq!(counts, [3.0, 1.0, 1.0]);
    }

    #[test]
    fn nothing_and_nonsense_are_no_drawing() {
        for rows in [
            &[][..],
            &[&["a", ""][..]],
            &[&["a", "1e308"], &["b", "-1e308"]],
            &[&["a", "1e308"], &["b", "1e308"], &["c", "-1"]],
            &[&["a", "1e16"], &["b", "10000000000000002"]],
            &[&["a", "1e-320"], &["b", "2e-320"]],
        ] {
            let answer = answer(&COLUMNS, rows);
            if let Some(svg) = ring("t", &of("pie"), &answer) {
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            }
            if let Some(found) = histogram(&of("histogram"), &answer) {
                let mut left: f64 = found.series[0].values.iter().flatten().sum();
                for _ in answer.rows.iter().filter(|row| row[1].number.is_some()) {
                    left -= 1.0;
                }
                assert!(left.abs() < 0.5, "{found:?}");
            }
        }
    }
}
