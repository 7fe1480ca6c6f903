//! Patterns of paths, as Pachyderm writes them: `*` within a name, `**` across names, captures in
//! parentheses.

use std::fmt;

use regex::{Captures, Regex};

use crate::error::StepError;

/// A pattern of paths, such as `/stores/STOREID(*).txt`.
#[derive(Clone, Debug)]
pub struct Glob {
    text: String,
    regex: Regex,
    /// How many names a path has that matches; none when `**` lets it vary.
    depth: Option<usize>,
    captures: usize,
}

impl Glob {
    /// Reads a pattern; paths begin with a slash, which may be left out.
    ///
    /// # Errors
    /// When brackets or parentheses do not match.
    pub fn parse(text: &str) -> Result<Self, StepError> {
        let wrong = |what: &str| {
            StepError::invalid(format!("the glob `{text}` {what}"))
                .with_hint("`*` stands for part of a name, `**` for any path, `(*)` captures; put `\\` before a character that stands for itself")
        };
        if text.is_empty() {
            return Err(wrong("is empty").with_hint("write `/` for everything as one datum, `/*` for a datum per file or folder at the top"));
        }
        let body = text.trim_matches('/');
        let pattern = translate(body).map_err(wrong)?;
        let regex = Regex::new(&format!("^{pattern}$"));
        let regex = regex.map_err(|error| wrong("cannot be read").because(error))?;
        let captures = regex.captures_len() - 1;
        let depth = match body {
            "" => Some(0),
            _ if body.contains("**") => None,
            _ => Some(body.matches('/').count() + 1),
        };
        Ok(Self {
            text: text.to_owned(),
            regex,
            depth,
            captures,
        })
    }

    /// Returns how many captures it has.
    pub(crate) fn captures(&self) -> usize {
        self.captures
    }

    /// Calls `found` with each place that matches among `path` (no slash in front) and the folders
    /// around it: the place's length and its captures. The root has length 0.
    pub(crate) fn places(&self, path: &str, mut found: impl FnMut(usize, &Captures<'_>)) {
        let ends = std::iter::once(0)
            .filter(|_| self.depth == Some(0))
            .chain(path.match_indices('/').map(|(at, _)| at))
            .chain(std::iter::once(path.len()));
        for (number, end) in ends.enumerate() {
            // Without the root, the first end is that of the first name.
            let names = if self.depth == Some(0) {
                number
            } else {
                number + 1
            };
            if self.depth.is_some_and(|depth| depth != names) {
                continue;
            }
            if let Some(captures) = self.regex.captures(&path[..end]) {
                found(end, &captures);
            }
        }
    }

    /// Whether `path` (no slash in front) itself matches.
    pub(crate) fn matches(&self, path: &str) -> bool {
        self.regex.is_match(path)
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Glob {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

fn translate(glob: &str) -> Result<String, &'static str> {
    let mut out = String::new();
    let mut chars = glob.chars().peekable();
    let mut braces = 0;
    let mut parens = 0;
    while let Some(c) = chars.next() {
        match c {
            '*' if chars.peek() == Some(&'*') => {
                while chars.peek() == Some(&'*') {
                    chars.next();
                }
                out.push_str("(?s:.*)");
            }
            '*' => out.push_str("[^/]*"),
            '?' => out.push_str("[^/]"),
            '(' => {
                parens += 1;
                out.push('(');
            }
            ')' if parens > 0 => {
                parens -= 1;
                out.push(')');
            }
            ')' => return Err("has a `)` without a `(`"),
            '{' => {
                braces += 1;
                out.push_str("(?:");
            }
            '}' if braces > 0 => {
                braces -= 1;
                out.push(')');
            }
            '}' => return Err("has a `}` without a `{`"),
            ',' if braces > 0 => out.push('|'),
            '|' if parens > 0 => out.push('|'),
            '[' => {
                out.push('[');
                if matches!(chars.peek(), Some('!' | '^')) {
                    chars.next();
                    out.push('^');
                }
                let mut closed = false;
                for inner in chars.by_ref() {
                    match inner {
                        ']' => {
                            closed = true;
                            break;
                        }
                        '-' => out.push('-'),
                        inner => out.push_str(&regex::escape(&inner.to_string())),
                    }
                }
                if !closed {
                    return Err("has a `[` without a `]`");
                }
                out.push(']');
            }
            '\\' => match chars.next() {
                Some(escaped) => out.push_str(&regex::escape(&escaped.to_string())),
                None => return Err("ends with a `\\`"),
            },
            c => out.push_str(&regex::escape(&c.to_string())),
        }
    }
    match (parens, braces) {
        (0, 0) => Ok(out),
        (0, _) => Err("has a `{` without a `}`"),
        _ => Err("has a `(` without a `)`"),
    }
}

/// What captures are joined to, such as `$1-$2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
    parts: Vec<TemplatePart>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum TemplatePart {
    Text(String),
    Capture(usize),
}

impl Template {
    /// Reads a template for the captures of `glob`.
    ///
    /// # Errors
    /// When it names no capture, or one that the glob does not have.
    pub fn parse(text: &str, glob: &Glob) -> Result<Self, StepError> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        let mut named = false;
        while let Some(at) = rest.find('$') {
            plain.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            let inner = after.trim_start_matches('{');
            let digits = inner.len() - inner.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let number = inner[..digits].parse::<usize>().ok();
            let Some(number) = number.filter(|number| (1..=glob.captures()).contains(number))
            else {
                return Err(StepError::invalid(format!(
                    "`{text}` refers to a capture that the glob `{glob}` does not have"
                ))
                .with_hint(format!(
                    "the glob has {} captures; each pair of parentheses is one, the first is `$1`",
                    glob.captures()
                )));
            };
            if !plain.is_empty() {
                parts.push(TemplatePart::Text(std::mem::take(&mut plain)));
            }
            parts.push(TemplatePart::Capture(number));
            named = true;
            rest = &inner[digits..];
            if after.starts_with('{') {
                rest = rest.strip_prefix('}').unwrap_or(rest);
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(TemplatePart::Text(plain));
        }
        if !named {
            return Err(StepError::invalid(format!("`{text}` refers to no capture"))
                .with_hint("write `$1` for what the first parentheses of the glob match"));
        }
        Ok(Self {
            text: text.to_owned(),
            parts,
        })
    }

    pub(crate) fn fill(&self, captures: &Captures<'_>) -> String {
        let part = |part: &TemplatePart| match part {
            TemplatePart::Text(text) => text.clone(),
            TemplatePart::Capture(number) => {
                captures.get(*number).map_or("", |m| m.as_str()).to_owned()
            }
        };
        self.parts.iter().map(part).collect()
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(glob: &str, path: &str) -> Vec<String> {
        let mut found = Vec::new();
        let glob = Glob::parse(glob).unwrap();
        glob.places(path, |end, _| found.push(format!("/{}", &path[..end])));
        found
    }

    #[test]
    fn stars_stay_within_names() {
        assert_eq!(places("/*", "a/b/c.txt"), ["/a"]);
        assert_eq!(places("/*/*", "a/b/c.txt"), ["/a/b"]);
        assert_eq!(places("/*.txt", "a/b.txt"), Vec::<String>::new());
        assert_eq!(places("/**", "a/b"), ["/a", "/a/b"]);
        assert_eq!(places("/", "a/b"), ["/"]);
        assert_eq!(places("/**.txt", "a/b.txt"), ["/a/b.txt"]);
        assert_eq!(places("/{a,b}?.[ct]sv", "b1.csv"), ["/b1.csv"]);
        assert_eq!(places("/[!a]*", "abc"), Vec::<String>::new());
        assert_eq!(places(r"/a\*", "a*"), ["/a*"]);
    }

    #[test]
    fn captures_fill_templates() {
        let glob = Glob::parse("/T*-(*)-PATID(*).txt").unwrap();
        let template = Template::parse("$2/${1}x", &glob).unwrap();
        let mut filled = None;
        glob.places("T16-LIPID-PATID7.txt", |_, captures| {
            filled = Some(template.fill(captures));
        });
        assert_eq!(filled.as_deref(), Some("7/LIPIDx"));
    }

    #[test]
    fn what_cannot_be_is_told() {
        for wrong in ["", "/(a", "/a)", "/[a", "/{a", "a\\"] {
            assert!(Glob::parse(wrong).is_err(), "{wrong}");
        }
        let glob = Glob::parse("/(*)").unwrap();
        let error = Template::parse("$2", &glob).unwrap_err();
        assert!(error.hint().unwrap().contains("1 captures"), "{error:?}");
        assert!(Template::parse("x", &glob).is_err());
    }
}
