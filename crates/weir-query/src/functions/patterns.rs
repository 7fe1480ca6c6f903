//! Text taken apart by a pattern.

use std::sync::Arc;

use datafusion::arrow::array::builder::{ListBuilder, StringBuilder};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringArray};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::{DataFusionError, Result};
use regex::{Regex, RegexBuilder};

use super::misc::short;
use super::native::{Call, Native};
use super::text::only_text;
use super::time::value_error;
use super::types::texts;
use crate::error::{QueryError, QueryErrorKind};

/// All matches of a pattern, or the first, each a list of its groups; Postgres' `regexp_matches` makes rows of them.
pub(super) const MATCHES: &str = "weir_regexp_matches";

/// What a compiled pattern may weigh.
const PATTERN_BYTES: usize = 1 << 20;

/// What one call may make of the rows of a batch: nobody else counts it.
const MADE_BYTES: usize = 64 << 20;

pub(super) fn functions() -> Vec<Native> {
    vec![
        Native::new("regexp_split_to_array", only_text, |_| Ok(texts()), split).takes(2..=3),
        Native::new(MATCHES, only_text, |_| Ok(lists_of_texts()), matches).takes(2..=3),
    ]
}

fn lists_of_texts() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(texts(), true)))
}

/// The text, the pattern and the flags of every row; a pattern is compiled once while it stays the same.
struct Rows<'a> {
    args: Vec<&'a StringArray>,
    known: Option<(&'a str, &'a str, Regex)>,
}

impl<'a> Rows<'a> {
    fn new(call: &'a Call) -> Self {
        let args = call.args.iter().map(|arg| arg.as_string::<i32>());
        Self {
            args: args.collect(),
            known: None,
        }
    }

    /// Returns a row's text, its pattern and its flags; nothing where one of them is NULL.
    fn get(&mut self, row: usize) -> Result<Option<(&'a str, &Regex, &'a str)>> {
        if self.args.iter().any(|arg| arg.is_null(row)) {
            return Ok(None);
        }
        let pattern = self.args[1].value(row);
        let flags = self.args.get(2).map_or("", |flags| flags.value(row));
        let known = match self.known.take() {
            Some(known) if (known.0, known.1) == (pattern, flags) => known,
            _ => (pattern, flags, compiled(pattern, flags)?),
        };
        let (_, _, regex) = self.known.insert(known);
        Ok(Some((self.args[0].value(row), regex, flags)))
    }
}

/// What a call has made so far.
#[derive(Default)]
struct Made {
    bytes: usize,
}

impl Made {
    /// Counts a text of so many bytes, and its place in a list.
    fn count(&mut self, function: &str, bytes: usize) -> Result<()> {
        self.bytes += bytes + 2 * size_of::<i32>();
        if self.bytes <= MADE_BYTES {
            return Ok(());
        }
        let error = QueryError::new(
            QueryErrorKind::Value,
            format!(
                "{function} would make more than {} MB at a time",
                MADE_BYTES >> 20
            ),
        )
        .with_sqlstate("54000")
        .hint("ask for shorter values, or for fewer rows");
        Err(DataFusionError::External(Box::new(error)))
    }
}

/// `regexp_split_to_array(text, pattern [, flags])`.
fn split(call: &Call) -> Result<ArrayRef> {
    let item = Arc::new(Field::new_list_field(DataType::Utf8, true));
    let mut lists = ListBuilder::new(StringBuilder::new()).with_field(item);
    let mut rows = Rows::new(call);
    let mut made = Made::default();
    for row in 0..call.rows {
        let Some((text, regex, _)) = rows.get(row)? else {
            lists.append_null();
            continue;
        };
        for part in parts(regex, text) {
            made.count("regexp_split_to_array", part.len())?;
            lists.values().append_value(part);
        }
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}

/// `regexp_matches(text, pattern [, flags])`: the whole match where the pattern has no groups.
fn matches(call: &Call) -> Result<ArrayRef> {
    let item = Arc::new(Field::new_list_field(DataType::Utf8, true));
    let groups = ListBuilder::new(StringBuilder::new()).with_field(item);
    let mut lists = ListBuilder::new(groups).with_field(Field::new_list_field(texts(), true));
    let mut rows = Rows::new(call);
    let mut made = Made::default();
    for row in 0..call.rows {
        let Some((text, regex, flags)) = rows.get(row)? else {
            lists.append_null();
            continue;
        };
        let all = flags.contains('g');
        let groups = regex.captures_len();
        for found in regex
            .captures_iter(text)
            .take(if all { usize::MAX } else { 1 })
        {
            let list = lists.values();
            for group in usize::from(groups > 1)..groups {
                let group = found.get(group).map(|group| group.as_str());
                made.count("regexp_matches", group.map_or(0, str::len))?;
                list.values().append_option(group);
            }
            list.append(true);
        }
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}

fn compiled(pattern: &str, flags: &str) -> Result<Regex> {
    let mut builder = RegexBuilder::new(pattern);
    builder.size_limit(PATTERN_BYTES);
    for flag in flags.chars() {
        match flag {
            'i' => builder.case_insensitive(true),
            'n' | 'm' => builder.multi_line(true).dot_matches_new_line(false),
            's' => builder.dot_matches_new_line(true),
            'x' => builder.ignore_whitespace(true),
            'c' => builder.case_insensitive(false),
            // Whoever matches sees to it.
            'g' => &mut builder,
            other => {
                let message = format!("invalid regular expression option: \"{other}\"");
                return Err(value_error("22023", message));
            }
        };
    }
    builder.build().map_err(|_| {
        let message = format!("invalid regular expression `{}`", short(pattern));
        value_error("2201B", message)
    })
}

/// Returns what stands between matches; those of nothing count inside of a text only, as in Postgres.
fn parts<'t>(regex: &Regex, text: &'t str) -> Vec<&'t str> {
    let mut parts = Vec::new();
    let mut from = 0;
    for found in regex.find_iter(text) {
        let nothing = found.is_empty();
        if nothing && (found.start() == from && from == 0 || found.start() == text.len()) {
            continue;
        }
        if nothing && found.start() == from {
            continue;
        }
        parts.push(&text[from..found.start()]);
        from = found.end();
    }
    parts.push(&text[from..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_split_as_postgres_does() {
        let split = |text, pattern| parts(&Regex::new(pattern).unwrap(), text);
        assert_eq!(split("a1b22c", "[0-9]+"), ["a", "b", "c"]);
        assert_eq!(split("abc", ""), ["a", "b", "c"]);
        assert_eq!(split("the fox", r"\s*"), ["t", "h", "e", "f", "o", "x"]);
        assert_eq!(split("", ","), [""]);
    }
}
