//! Charts as SVG: lines, areas, bars, rings, histograms and one big number. The other kinds are the application's to draw.

use super::answer::{Answer, Cell, Column, Kind};
use super::series::{Drawn, Spec, drawn, fitted};
use super::shares::{histogram, ring};
use super::svg::{Anchor, COLOURS, Svg};

const SIZE: (f64, f64) = (640.0, 320.0);
/// Of the drawing, around what is drawn.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 34.0;
/// Series that are drawn; colours end there.
const MOST_SERIES: usize = 8;
/// Places along the axis: more are narrower than a pixel.
const MOST_PLACES: usize = 600;
/// Places that are named.
const NAMED: usize = 7;

/// Draws an answer; none where its kind is not drawn here, or there is nothing to draw.
pub(super) fn draw(title: &str, spec: &Spec, answer: &Answer) -> Option<String> {
    let spec = fitted(spec, answer);
    let mut drawn = match spec.kind.as_str() {
        "line" | "area" | "bar" | "number" => drawn(&spec, answer),
        "histogram" => return plot(title, "bar", false, &histogram(&spec, answer)?),
        "pie" => return ring(title, &spec, answer),
        _ => return None,
    };
    if spec.kind == "number" {
        let text = number_of(&spec, answer)?;
        return Some(number(title, &text));
    }
    drawn.series.truncate(MOST_SERIES);
    if drawn.places.len() > MOST_PLACES || drawn.series.is_empty() {
        return None;
    }
    let stacked =
        (spec.stacked && spec.kind != "line") || (spec.kind == "area" && drawn.series.len() > 1);
    plot(title, &spec.kind, stacked, &drawn)
}

/// Returns the one number that is shown large.
pub(super) fn number_of(spec: &Spec, answer: &Answer) -> Option<String> {
    let fitted = fitted(spec, answer);
    let name = fitted.y.first()?;
    let at = answer.columns.iter().position(|one| one.name == *name)?;
    // Along time the newest, in whatever order they come; else the first, as in the application.
    let is_time = |column: &&Column| column.kind == Kind::Time;
    let named = answer.columns.iter().filter(is_time);
    let along = named
        .clone()
        .find(|column| fitted.x.as_ref() == Some(&column.name))
        .or_else(|| named.clone().next());
    let time = along.and_then(|along| answer.columns.iter().position(|one| one.name == along.name));
    let when = |row: &&Vec<Cell>| row.get(time?).and_then(|cell| cell.text.clone());
    let row = match time {
        Some(_) => answer.rows.iter().max_by_key(when),
        None => answer.rows.first(),
    };
    row?.get(at)?.text.clone()
}

fn number(title: &str, text: &str) -> String {
    let (width, height) = (320.0, 140.0);
    let mut svg = Svg::new(title, (width, height));
    let room = 1.7 * width / f64::from(u32::try_from(text.chars().count().max(1)).unwrap_or(1));
    svg.large(
        (width / 2.0, height / 2.0 + 16.0),
        room.clamp(12.0, 56.0),
        text,
    );
    svg.done()
}

/// A scale with round numbers.
struct Scale {
    low: f64,
    high: f64,
    step: f64,
}

impl Scale {
    fn around(low: f64, high: f64) -> Self {
        let (low, high) = match high > low {
            true => (low, high),
            false => (low.min(0.0), high.max(low.min(0.0) + 1.0)),
        };
        let rough = (high - low) / 5.0;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|times| times * power)
            .find(|step| *step >= rough * 0.999)
            .unwrap_or(power);
        Self {
            low: (low / step).floor() * step,
            high: (high / step).ceil() * step,
            step,
        }
    }

    fn y(&self, value: f64) -> f64 {
        let part = (value - self.low) / (self.high - self.low);
        SIZE.1 - BOTTOM - part * (SIZE.1 - TOP - BOTTOM)
    }

    fn ticks(&self) -> Vec<f64> {
        let mut ticks = Vec::new();
        let mut at = self.low;
        while at <= self.high + self.step / 2.0 && ticks.len() < 20 {
            ticks.push(at);
            at += self.step;
        }
        ticks
    }
}

fn plot(title: &str, kind: &str, stacked: bool, drawn: &Drawn) -> Option<String> {
    let tops = tops(drawn, stacked);
    let all = tops.iter().flatten().flat_map(|(from, to)| [*from, *to]);
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for value in all.filter(|value| value.is_finite()) {
        (low, high) = (low.min(value), high.max(value));
    }
    if kind != "line" || !low.is_finite() {
        // Bars and areas are compared by their length.
        (low, high) = (low.min(0.0), high.max(0.0));
    }
    if !(high - low).is_finite() {
        return None;
    }
    let scale = Scale::around(low, high);
    let mut svg = Svg::new(title, SIZE);
    for tick in scale.ticks() {
        let y = scale.y(tick);
        svg.hair((LEFT, y), (SIZE.0 - RIGHT, y));
        svg.words(
            (LEFT - 8.0, y + 4.0),
            Anchor::End,
            &tick_text(tick, scale.step),
        );
    }
    let count = drawn.places.len().max(1);
    let band = (SIZE.0 - LEFT - RIGHT) / f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let middle = |at: usize| LEFT + band * (f64::from(u32::try_from(at).unwrap_or(u32::MAX)) + 0.5);
    names(&mut svg, &drawn.places, &middle);
    legend(&mut svg, drawn);
    for (of, tops) in tops.iter().enumerate() {
        let colour = COLOURS[of % COLOURS.len()];
        let there = |at: usize| drawn.series[of].values[at].is_some();
        match kind {
            "bar" => {
                let (part, at_side) = match stacked {
                    true => (band * 0.7, 0.0),
                    false => {
                        let each =
                            band * 0.7 / f64::from(u32::try_from(drawn.series.len()).unwrap_or(1));
                        (each, each * f64::from(u32::try_from(of).unwrap_or(0)))
                    }
                };
                for (at, (from, to)) in tops.iter().enumerate().filter(|(at, _)| there(*at)) {
                    let (a, b) = (scale.y(from.max(*to)), scale.y(from.min(*to)));
                    let x = middle(at) - band * 0.35 + at_side;
                    svg.bar((x, a), (part.max(0.5), (b - a).max(0.5)), colour);
                }
            }
            _ => {
                for (begin, end) in runs(drawn.places.len(), &there) {
                    let point = |value: fn(&(f64, f64)) -> f64| -> Vec<(f64, f64)> {
                        let points = (begin..end).map(|at| (middle(at), scale.y(value(&tops[at]))));
                        points.collect()
                    };
                    let line = point(|(_, to)| *to);
                    if kind == "area" {
                        svg.area(&line, &point(|(from, _)| *from), colour);
                    }
                    match line.as_slice() {
                        [alone] => svg.dot(*alone, colour),
                        points => svg.line(points, colour),
                    }
                }
            }
        }
    }
    Some(svg.done())
}

/// Returns from where to where each value reaches, by series and place.
fn tops(drawn: &Drawn, stacked: bool) -> Vec<Vec<(f64, f64)>> {
    let mut above = vec![0.0; drawn.places.len()];
    let mut below = vec![0.0; drawn.places.len()];
    let series = drawn.series.iter().map(|series| {
        let values = series.values.iter().enumerate();
        values
            .map(|(at, value)| {
                let Some(value) = value else {
                    return match stacked {
                        true => (above[at], above[at]),
                        false => (f64::NAN, f64::NAN),
                    };
                };
                if !stacked {
                    return (0.0, *value);
                }
                let pile = if *value < 0.0 {
                    &mut below[at]
                } else {
                    &mut above[at]
                };
                let from = *pile;
                *pile += value;
                (from, *pile)
            })
            .collect()
    });
    series.collect()
}

/// Finds the unbroken stretches of a line.
fn runs(count: usize, there: &impl Fn(usize) -> bool) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut begin = None;
    for at in 0..=count {
        match (begin, at < count && there(at)) {
            (None, true) => begin = Some(at),
            (Some(from), false) => {
                found.push((from, at));
                begin = None;
            }
            _ => {}
        }
    }
    found
}

fn names(svg: &mut Svg, places: &[String], middle: &impl Fn(usize) -> f64) {
    let every = places.len().div_ceil(NAMED).max(1);
    for (at, place) in places.iter().enumerate().step_by(every) {
        let text = clipped(place, 16);
        svg.words((middle(at), SIZE.1 - BOTTOM + 18.0), Anchor::Middle, &text);
    }
}

fn legend(svg: &mut Svg, drawn: &Drawn) {
    let mut x = LEFT;
    for (of, series) in drawn.series.iter().enumerate() {
        let text = clipped(&series.name, 22);
        let width = 26.0 + 7.0 * f64::from(u32::try_from(text.chars().count()).unwrap_or(0));
        if x + width > SIZE.0 && of > 0 {
            svg.words((x, 20.0), Anchor::Start, "…");
            return;
        }
        svg.bar((x, 11.0), (10.0, 10.0), COLOURS[of % COLOURS.len()]);
        svg.words((x + 15.0, 20.0), Anchor::Start, &text);
        x += width;
    }
}

pub(super) fn clipped(text: &str, most: usize) -> String {
    match text.chars().count() > most {
        true => text.chars().take(most - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

/// Writes a round number with as many digits as its neighbours need.
pub(super) fn tick_text(value: f64, step: f64) -> String {
    let (divisor, unit) = match value.abs().max(step.abs()) {
        large if large >= 1e9 => (1e9, "G"),
        large if large >= 1e6 => (1e6, "M"),
        large if large >= 1e4 => (1e3, "k"),
        _ => (1.0, ""),
    };
    let (value, step) = (value / divisor, step / divisor);
    let digits = (0..6_usize).find(|digits| {
        let shift = 10_f64.powi(i32::try_from(*digits).unwrap_or(0));
        ((step * shift).round() - step * shift).abs() < 1e-6
    });
    let value = if value == 0.0 { 0.0 } else { value };
    format!("{value:.*}{unit}", digits.unwrap_or(2))
}

#[cfg(test)]
mod tests {
    use super::super::answer::Kind;
    use super::super::series::{suggest, tests::answer};
    use super::*;

    const COLUMNS: [(&str, Kind); 3] = [
        ("day", Kind::Time),
        ("who", Kind::Text),
        ("n", Kind::Number),
    ];

    fn drawn_as(kind: &str, stacked: bool, rows: &[&[&str]]) -> Option<String> {
        let answer = answer(&COLUMNS, rows);
        let spec = Spec {
            kind: kind.to_owned(),
            stacked,
            ..suggest(&answer)
        };
        draw("Orders", &spec, &answer)
    }

    #[test]
    fn each_kind_is_drawn() {
        let rows: [&[&str]; 4] = [
            &["2026-01-01", "a", "1"],
            &["2026-01-02", "a", "-3"],
            &["2026-01-02", "b", "2.5"],
            &["2026-01-04", "b", ""],
        ];
        for (kind, wanted) in [
            ("line", "<path"),
            ("area", "fill-opacity"),
            ("bar", "<rect x"),
        ] {
            for stacked in [false, true] {
                let svg = drawn_as(kind, stacked, &rows).unwrap();
                assert!(svg.contains(wanted) && svg.contains("2026-01-02"), "{svg}");
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            }
        }
        let svg = drawn_as("pie", false, &rows).unwrap();
        assert!(
            svg.contains("A116 116") && svg.contains("2026-01-01"),
            "{svg}"
        );
        let svg = drawn_as("histogram", false, &rows).unwrap();
        assert!(svg.contains("<rect x") && svg.contains(" – "), "{svg}");
        assert!(drawn_as("sankey", false, &rows).is_none());
    }

    #[test]
    fn nothing_and_nonsense_are_drawn_without_harm() {
        for rows in [
            &[][..],
            &[&["", "", ""][..]],
            &[
                &["2026-01-01", "<b>", "1e308"],
                &["2026-01-02", "<b>", "-1e308"],
            ],
            &[&["x", "x", "7"]],
        ] {
            for kind in ["line", "area", "bar", "number", "pie", "histogram"] {
                if let Some(svg) = drawn_as(kind, true, rows) {
                    assert!(
                        !svg.contains("NaN") && !svg.contains("<b>"),
                        "{kind}: {svg}"
                    );
                }
            }
        }
    }

    #[test]
    fn scales_are_round() {
        let ticks = |low, high| {
            let scale = Scale::around(low, high);
            let ticks = scale.ticks().into_iter();
            ticks
                .map(|tick| tick_text(tick, scale.step))
                .collect::<Vec<_>>()
        };
        assert_eq!(ticks(0.0, 9.0), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(ticks(0.0, 0.0), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(
            ticks(0.0, 23_000.0),
            ["0", "5000", "10k", "15k", "20k", "25k"]
        );
        assert_eq!(
            ticks(-0.2, 0.25),
            ["-0.2", "-0.1", "0.0", "0.1", "0.2", "0.3"]
        );
    }
}
