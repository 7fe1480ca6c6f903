//! Names as SQL spells them.

use std::borrow::Cow;

/// Returns the name between quotes: it stands for itself whatever it has in it.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Returns the name as a query has to spell it: quoted where it is not in lower case, has signs, begins with a
/// digit or is a reserved word.
pub fn quote_ident(name: &str) -> Cow<'_, str> {
    let in_word = |c: char| c == '_' || c.is_ascii_lowercase() || c.is_ascii_digit();
    let plain =
        name.starts_with(|c| in_word(c) && !c.is_ascii_digit()) && name.chars().all(in_word);
    match plain && !is_reserved(name) {
        true => name.into(),
        false => quoted(name).into(),
    }
}

/// Whether a word in lower case is no name of a column or table unless it is quoted.
///
/// Source: <https://www.postgresql.org/docs/17/sql-keywords-appendix.html>.
pub fn is_reserved(word: &str) -> bool {
    RESERVED.binary_search(&word).is_ok()
}

/// Sorted.
#[rustfmt::skip]
const RESERVED: [&str; 77] = [
    "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "both", "case", "cast",
    "check", "collate", "column", "constraint", "create", "current_catalog", "current_date",
    "current_role", "current_time", "current_timestamp", "current_user", "default", "deferrable", "desc",
    "distinct", "do", "else", "end", "except", "false", "fetch", "for", "foreign", "from", "grant",
    "group", "having", "in", "initially", "intersect", "into", "lateral", "leading", "limit", "localtime",
    "localtimestamp", "not", "null", "offset", "on", "only", "or", "order", "placing", "primary",
    "references", "returning", "select", "session_user", "some", "symmetric", "system_user", "table",
    "then", "to", "trailing", "true", "union", "unique", "user", "using", "variadic", "when", "where",
    "with",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_words_are_sorted() {
        assert!(RESERVED.is_sorted());
    }

    #[test]
    fn names_are_quoted_where_they_have_to_be() {
        let plain = ["a", "_a1", "total_usd"];
        for name in plain {
            assert_eq!(quote_ident(name), name);
        }
        for (name, spelled) in [
            ("", r#""""#),
            ("A", r#""A""#),
            ("1a", r#""1a""#),
            ("user", r#""user""#),
            ("ä", r#""ä""#),
            (r#"a"b"#, r#""a""b""#),
        ] {
            assert_eq!(quote_ident(name), spelled);
        }
    }
}
