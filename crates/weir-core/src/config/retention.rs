use std::time::Duration;

use super::time::parse_duration;
use crate::TableName;

/// How long the rows of some tables are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionRule {
    /// A schema, or a pattern with `*`.
    schema: String,
    /// A table, or a pattern with `*`.
    table: String,
    /// None keeps them for ever.
    pub keep: Option<Duration>,
}

/// Shorter would let go of rows that are not even in files.
const SHORTEST: Duration = Duration::from_secs(3600);

impl RetentionRule {
    /// Tells whether the rule speaks of a table.
    pub fn matches(&self, table: &TableName) -> bool {
        fits(&self.schema, table.schema()) && fits(&self.table, table.table())
    }

    /// Reads a rule: `SCHEMA.TABLE=DURATION`, where names may hold `*` and the duration may be
    /// `forever`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("`{}` {why}", text.trim());
        let (tables, keep) = text
            .split_once('=')
            .ok_or_else(|| wrong("is not of the form `schema.table=90d`"))?;
        let (schema, table) = tables
            .trim()
            .split_once('.')
            .ok_or_else(|| wrong("does not name a schema and a table, like `raw_web.*`"))?;
        let named = |name: &str| !name.is_empty() && !name.contains(['.', ' ', '"']);
        if !named(schema) || !named(table) {
            return Err(wrong(
                "does not name a schema and a table, like `raw_web.*`",
            ));
        }
        let keep = match keep.trim() {
            "forever" => None,
            keep => match parse_duration(keep) {
                Ok(keep) if keep >= SHORTEST => Some(keep),
                Ok(_) => return Err(wrong("is shorter than an hour")),
                Err(why) => return Err(wrong(why)),
            },
        };
        Ok(Self {
            schema: schema.to_owned(),
            table: table.to_owned(),
            keep,
        })
    }
}

/// Whether a name fits a pattern, in which `*` stands for any part of it.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(rest) = name.strip_prefix(head) else {
        return false;
    };
    (0..=rest.len()).any(|at| rest.is_char_boundary(at) && fits(tail, &rest[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> RetentionRule {
        RetentionRule::parse(text).unwrap()
    }

    #[test]
    fn a_rule_names_tables_by_pattern() {
        let table = |schema, table| TableName::new(schema, table).unwrap();
        let cases = [
            ("raw_web.events=1d", "raw_web", "events", true),
            ("raw_web.events=1d", "raw_web", "quarantine", false),
            ("raw_*.duplicates=1d", "raw_shop", "duplicates", true),
            ("raw_*.duplicates=1d", "shop", "duplicates", false),
            ("*.*=1d", "shop", "pages", true),
            ("*.*_viewed=1d", "shop", "page_viewed", true),
            ("*.p*w*d=1d", "shop", "page_viewed", true),
            ("*.page=1d", "shop", "page_viewed", false),
        ];
        for (text, schema, name, wanted) in cases {
            assert_eq!(
                rule(text).matches(&table(schema, name)),
                wanted,
                "{text} {schema}.{name}"
            );
        }
        assert_eq!(rule("a.b=90d").keep, Some(Duration::from_secs(90 * 86_400)));
        assert_eq!(rule(" a.b = forever ").keep, None);
    }

    #[test]
    fn a_wrong_rule_says_why() {
        for text in [
            "90d",
            "events=90d",
            ".=1d",
            "a.b=",
            "a.b=soon",
            "a.b=5m",
            "a.b.c=1d",
        ] {
            let error = RetentionRule::parse(text).unwrap_err();
            assert!(error.contains(text), "{text}: {error}");
        }
    }
}
