//! The few shapes that charts are drawn with.

use std::f64::consts::{FRAC_PI_2, TAU};
use std::fmt::{self, Write as _};

/// Okabe and Ito's colours, which nearly everybody can tell apart, in the application's order.
pub(super) const COLOURS: [&str; 8] = [
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8A7A00", "#555555",
];

const INK: &str = "#1f2933";
const QUIET: &str = "#5b6773";
const HAIR: &str = "#e3e7eb";

/// A drawing that grows.
pub(super) struct Svg {
    text: String,
}

/// Where a text stands beside its place.
#[derive(Clone, Copy, Debug)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    pub(super) fn new(title: &str, (width, height): (f64, f64)) -> Self {
        let title = escaped(title);
        let text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\" font-family=\"system-ui, sans-serif\" \
             font-size=\"12\"><title>{title}</title><rect width=\"{width}\" height=\"{height}\" \
             fill=\"#ffffff\"/>"
        );
        Self { text }
    }

    /// Writes markup of ours. Texts from outside go through [`Self::words`].
    fn put(&mut self, shape: fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.text.write_fmt(shape);
    }

    pub(super) fn hair(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        self.put(format_args!(
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{HAIR}\"/>"
        ));
    }

    pub(super) fn bar(&mut self, (x, y): (f64, f64), (w, h): (f64, f64), colour: &str) {
        self.put(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" fill=\"{colour}\"/>"
        ));
    }

    /// Draws a line through points.
    pub(super) fn line(&mut self, points: &[(f64, f64)], colour: &str) {
        let path = path(points);
        self.put(format_args!(
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" stroke-linejoin=\"round\"/>"
        ));
    }

    /// Fills what lies between points and a height.
    pub(super) fn area(&mut self, points: &[(f64, f64)], floor: &[(f64, f64)], colour: &str) {
        let back: Vec<(f64, f64)> = floor.iter().rev().copied().collect();
        let (there, back) = (path(points), path(&back).replacen('M', "L", 1));
        self.put(format_args!(
            "<path d=\"{there}{back}Z\" fill=\"{colour}\" fill-opacity=\"0.3\"/>"
        ));
    }

    /// Draws a slice of a ring, from one part of the way around it to another.
    pub(super) fn slice(
        &mut self,
        (x, y): (f64, f64),
        (inner, outer): (f64, f64),
        (from, to): (f64, f64),
        colour: &str,
    ) {
        // An arc that ends where it began is none.
        let to = to.min(from + 0.9999);
        let point = |radius: f64, part: f64| {
            let (sine, cosine) = (part * TAU - FRAC_PI_2).sin_cos();
            (x + radius * cosine, y + radius * sine)
        };
        let large = u8::from(to - from > 0.5);
        let ((ax, ay), (bx, by)) = (point(outer, from), point(outer, to));
        let ((cx, cy), (dx, dy)) = (point(inner, to), point(inner, from));
        self.put(format_args!(
            "<path d=\"M{ax:.1} {ay:.1}A{outer} {outer} 0 {large} 1 {bx:.1} {by:.1}L{cx:.1} {cy:.1}\
             A{inner} {inner} 0 {large} 0 {dx:.1} {dy:.1}Z\" fill=\"{colour}\" stroke=\"#ffffff\"/>"
        ));
    }

    pub(super) fn dot(&mut self, (x, y): (f64, f64), colour: &str) {
        self.put(format_args!(
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>"
        ));
    }

    pub(super) fn words(&mut self, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escaped(text);
        self.put(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{QUIET}\">{text}</text>"
        ));
    }

    /// Writes one number as large as it is important.
    pub(super) fn large(&mut self, (x, y): (f64, f64), size: f64, text: &str) {
        let text = escaped(text);
        self.put(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\" font-size=\"{size}\" \
             font-weight=\"600\" fill=\"{INK}\">{text}</text>"
        ));
    }

    pub(super) fn done(mut self) -> String {
        self.text.push_str("</svg>");
        self.text
    }
}

fn path(points: &[(f64, f64)]) -> String {
    let mut text = String::new();
    for (at, (x, y)) in points.iter().enumerate() {
        let letter = if at == 0 { 'M' } else { 'L' };
        let _ = write!(text, "{letter}{x:.1} {y:.1}");
    }
    text
}

/// Keeps text from being read as markup, in drawings and in mail; characters that XML forbids go.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(letter),
            letter if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => {}
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_markup() {
        let evil = "<script>\"'&\u{0}\u{1b}";
        assert_eq!(escaped(evil), "&lt;script&gt;&quot;&#39;&amp;");
        let mut svg = Svg::new(evil, (10.0, 10.0));
        svg.words((0.0, 0.0), Anchor::Start, evil);
        svg.large((0.0, 0.0), 4.0, evil);
        let text = svg.done();
        assert!(!text.contains("<script"), "{text}");
    }
}
