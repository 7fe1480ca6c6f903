use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{QueryError, QueryErrorKind};

/// The most parameters of one question.
const MAX_NAMED: usize = 200;

/// A parameter that a question declares.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct NamedParameter {
    pub name: String,
    #[serde(default, rename = "type")]
    pub kind: ParameterType,
    /// The value when none is given.
    #[serde(default)]
    pub default: Option<Value>,
}

/// What a parameter's text is read as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ParameterType {
    #[default]
    Text,
    Number,
    Date,
    Timestamp,
    Boolean,
}

impl ParameterType {
    /// Returns the cast that is put behind the placeholder.
    fn cast(self) -> &'static str {
        match self {
            // The place where it is used says what it is, as with text in quotes.
            ParameterType::Text => "",
            ParameterType::Number => "::numeric",
            ParameterType::Date => "::date",
            ParameterType::Timestamp => "::timestamptz",
            ParameterType::Boolean => "::boolean",
        }
    }
}

/// The part of a saved question that is run.
#[derive(Clone, Debug, Deserialize)]
pub struct NamedStatement {
    pub sql: String,
    #[serde(default)]
    pub parameters: Vec<NamedParameter>,
}

impl NamedStatement {
    /// Returns the statement with placeholders, and the values in their order: what is given, else the
    /// question's own defaults.
    pub fn bind(&self, given: &Map<String, Value>) -> Result<(String, Vec<Value>), QueryError> {
        bind_named(&self.sql, &self.parameters, given)
    }
}

/// Replaces each `{{name}}` outside of quotes and comments by a placeholder; returns the statement,
/// and the values in the placeholders' order. Values are bound, never put into the text.
pub fn bind_named(
    sql: &str,
    declared: &[NamedParameter],
    given: &Map<String, Value>,
) -> Result<(String, Vec<Value>), QueryError> {
    let mut out = String::with_capacity(sql.len());
    let mut names: Vec<String> = Vec::new();
    let mut rest = sql;
    while !rest.is_empty() {
        let skipped = quoted(rest);
        if skipped > 0 {
            out.push_str(&rest[..skipped]);
            rest = &rest[skipped..];
            continue;
        }
        if let Some((name, length)) = placeholder(rest) {
            let at = match names.iter().position(|known| known == name) {
                Some(at) => at,
                None => {
                    names.push(name.to_owned());
                    names.len() - 1
                }
            };
            if names.len() > MAX_NAMED {
                return Err(QueryError::new(
                    QueryErrorKind::TooComplex,
                    format!("more than {MAX_NAMED} parameters"),
                ));
            }
            let kind = declared.iter().find(|one| one.name == name);
            let cast = kind.map_or("", |one| one.kind.cast());
            let made = format!("${}{cast}", at + 1);
            out.push_str(&made);
            // Where there is room, errors are told at the places that the author sees.
            out.extend(std::iter::repeat_n(' ', length.saturating_sub(made.len())));
            rest = &rest[length..];
            continue;
        }
        let next = rest.chars().next().map_or(1, char::len_utf8);
        out.push_str(&rest[..next]);
        rest = &rest[next..];
    }
    let value = |name: &String| {
        let known = declared.iter().find(|one| one.name == *name);
        let text = known.is_none_or(|one| one.kind == ParameterType::Text);
        match given.get(name) {
            // An empty field is no number and no day.
            Some(Value::String(empty)) if empty.is_empty() && !text => Value::Null,
            Some(value) => value.clone(),
            None => known
                .and_then(|one| one.default.clone())
                .unwrap_or(Value::Null),
        }
    };
    if let Some(unknown) = given.keys().find(|name| !names.contains(name)) {
        // Dashboards give every tile all of their filters: only what nobody declares is a mistake.
        if declared.is_empty() && names.is_empty() {
            return Err(QueryError::new(
                QueryErrorKind::Invalid,
                format!("the statement has no parameter `{unknown}`"),
            )
            .hint("write {{name}} where its value goes"));
        }
    }
    let values = names.iter().map(value).collect();
    Ok((out, values))
}

/// Puts values in the places of `$1`, `$2`, ... outside of quotes and comments, for a statement that is
/// planned and never run: every value is a literal.
pub fn with_literals(sql: &str, values: &[Value]) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql;
    while !rest.is_empty() {
        let skipped = quoted(rest);
        if skipped > 0 {
            out.push_str(&rest[..skipped]);
            rest = &rest[skipped..];
            continue;
        }
        let next = rest.chars().next().map_or(1, char::len_utf8);
        let digits = rest.strip_prefix('$').map_or(0, |number| {
            number.bytes().take_while(u8::is_ascii_digit).count()
        });
        let at = rest[next..next + digits].parse::<usize>().ok();
        match at.and_then(|at| values.get(at.checked_sub(1)?)) {
            Some(value) => {
                out.push_str(&literal(value));
                rest = &rest[next + digits..];
            }
            None => {
                out.push_str(&rest[..next]);
                rest = &rest[next..];
            }
        }
    }
    out
}

fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => format!("'{}'", text.replace('\'', "''")),
        other => format!("'{}'", other.to_string().replace('\'', "''")),
    }
}

/// Reads `{{ name }}`; returns the name and the length of all of it.
fn placeholder(text: &str) -> Option<(&str, usize)> {
    let inside = text.strip_prefix("{{")?;
    let end = inside.find("}}")?;
    let name = inside[..end].trim();
    let first = name.chars().next()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let good = (first.is_ascii_alphabetic() || first == '_') && name.chars().all(plain);
    (good && name.len() <= 63).then_some((name, end + 4))
}

/// Returns the length of the quote or comment that begins here; 0 where none does.
fn quoted(text: &str) -> usize {
    let until = |from: usize, end: &str| {
        text[from..]
            .find(end)
            .map_or(text.len(), |at| from + at + end.len())
    };
    if text.starts_with("--") {
        return until(2, "\n");
    }
    if text.starts_with("/*") {
        return comment(text);
    }
    for quote in ["'", "\""] {
        // A doubled quote ends one quote and begins the next: the same places are skipped.
        if text.starts_with(quote) {
            return until(1, quote);
        }
    }
    if let Some(tagged) = text.strip_prefix('$')
        && let Some(end) = tagged.find('$')
        && tagged[..end]
            .chars()
            .all(|c| c.is_alphanumeric() || c == '_')
        && !tagged.starts_with(|c: char| c.is_ascii_digit())
    {
        let tag = &text[..end + 2];
        return until(tag.len(), tag);
    }
    0
}

fn comment(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0_usize, 0);
    while at < bytes.len() {
        match bytes.get(at..at + 2) {
            Some(b"/*") => {
                depth += 1;
                at += 2;
            }
            Some(b"*/") => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bind(sql: &str, given: Value) -> (String, Vec<Value>) {
        let declared = [
            NamedParameter {
                name: "day".to_owned(),
                kind: ParameterType::Date,
                default: Some(json!("2026-01-01")),
            },
            NamedParameter {
                name: "who".to_owned(),
                ..NamedParameter::default()
            },
        ];
        let given = given.as_object().cloned().unwrap_or_default();
        bind_named(sql, &declared, &given).unwrap()
    }

    #[test]
    fn names_become_placeholders_and_values_stay_values() {
        let (sql, values) = bind(
            "select {{who}}, {{ day }} where a = {{who}}",
            json!({"who": "'; drop table t; --"}),
        );
        assert_eq!(sql, "select $1     , $2::date  where a = $1     ");
        assert_eq!(values, [json!("'; drop table t; --"), json!("2026-01-01")]);
    }

    #[test]
    fn what_is_quoted_stays() {
        for text in [
            "select '{{who}} it''s {{who}}'",
            "select \"{{who}}\"",
            "select 1 -- {{who}}\n",
            "/* /* {{who}} */ {{who}} */ select 1",
            "select $$ {{who}} $$, $x$ {{who}} $x$",
            "select {{ who; drop }}, {{}}, {{",
            "select '{{who}}",
            "select 'grüße 日本' as \"{{who}}",
        ] {
            let (sql, values) = bind(text, json!({}));
            assert_eq!((sql.as_str(), values.len()), (text, 0));
        }
    }

    #[test]
    fn empty_fields_are_nothing_where_they_cannot_be_text() {
        let (_, values) = bind("select {{day}}, {{who}}", json!({"day": "", "who": ""}));
        assert_eq!(values, [Value::Null, json!("")]);
    }

    #[test]
    fn literals_stay_literals() {
        let values = [json!("' from secret --"), json!(2), Value::Null];
        assert_eq!(
            with_literals("select $1, '$1', \"$2\", $2::int, $3, $12 -- $1", &values),
            "select ''' from secret --', '$1', \"$2\", 2::int, NULL, $12 -- $1"
        );
    }

    #[test]
    fn values_without_a_place_are_a_mistake() {
        let given = json!({"a": 1}).as_object().cloned().unwrap();
        let error = bind_named("select 1", &[], &given).unwrap_err();
        assert!(error.message().contains("`a`"), "{error}");
    }
}
