//! What statements have in common that differ in their constants only.

use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use sha2::{Digest, Sha256};

use crate::dialect::DIALECT;

/// Digits of a fingerprint: 64 bits are enough to tell the statements of one server apart.
const DIGITS: usize = 16;

/// What stands in the place of a constant, or of a list of them.
const CONSTANT: &str = "?";

/// A statement's kind, and its hash without constants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    /// `SELECT`, `INSERT`, `CREATE TABLE`, ...
    pub(crate) kind: String,
    pub(crate) hash: String,
}

/// Returns the fingerprint of a statement; none of what is no SQL, or longer than `longest`.
pub(crate) fn of(sql: &str, longest: usize) -> Option<Fingerprint> {
    if sql.len() > longest {
        return None;
    }
    let tokens = Tokenizer::new(&DIALECT, sql).tokenize().ok()?;
    let mut parts = Vec::with_capacity(tokens.len());
    for token in &tokens {
        push(&mut parts, token);
    }
    while parts.last().is_some_and(|part| part == ";") {
        parts.pop();
    }
    let kind = kind(&parts)?;
    let hash = Sha256::digest(parts.join(" ").as_bytes());
    let mut hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    hash.truncate(DIGITS);
    Some(Fingerprint { kind, hash })
}

fn push(parts: &mut Vec<String>, token: &Token) {
    let ends_with = |parts: &[String], tail: &[&str]| {
        parts.len() >= tail.len()
            && parts[parts.len() - tail.len()..]
                .iter()
                .zip(tail)
                .all(|(a, b)| a == b)
    };
    match token {
        Token::Whitespace(_) | Token::EOF => {}
        Token::Word(word) if word.quote_style.is_some() => {
            parts.push(format!("\"{}\"", word.value))
        }
        Token::Word(word) => parts.push(word.value.to_lowercase()),
        token if is_constant(token) => {
            // `= -1` is as constant as `= 1`.
            if ends_with(parts, &["-"]) && parts.len() > 1 && !is_operand(&parts[parts.len() - 2]) {
                parts.pop();
            }
            if ends_with(parts, &[CONSTANT, ","]) {
                parts.pop();
            } else {
                parts.push(CONSTANT.to_owned());
            }
        }
        Token::RParen => {
            parts.push(")".to_owned());
            // Rows of VALUES.
            if ends_with(parts, &["(", CONSTANT, ")", ",", "(", CONSTANT, ")"]) {
                parts.truncate(parts.len() - 4);
            }
        }
        token => parts.push(token.to_string()),
    }
}

/// Whether a minus after it takes something away from it.
fn is_operand(part: &str) -> bool {
    const WORDS: [&str; 12] = [
        "select", "where", "and", "or", "not", "between", "in", "then", "else", "when", "by",
        "limit",
    ];
    part == ")"
        || part == CONSTANT
        || part.starts_with('"')
        || (part.starts_with(|c: char| c.is_alphabetic() || c == '_') && !WORDS.contains(&part))
}

fn is_constant(token: &Token) -> bool {
    matches!(
        token,
        Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::DollarQuotedString(_)
            | Token::SingleQuotedByteStringLiteral(_)
            | Token::NationalStringLiteral(_)
            | Token::EscapedStringLiteral(_)
            | Token::UnicodeStringLiteral(_)
            | Token::HexStringLiteral(_)
            | Token::Placeholder(_)
    )
}

fn kind(parts: &[String]) -> Option<String> {
    let mut words = parts
        .iter()
        .filter(|part| *part != "(")
        .map(|part| part.to_uppercase());
    let first = words.next()?;
    Some(match first.as_str() {
        "CREATE" | "DROP" | "ALTER" => {
            const BETWEEN: [&str; 3] = ["OR", "REPLACE", "EXTERNAL"];
            let second = words.find(|word| !BETWEEN.contains(&word.as_str()))?;
            format!("{first} {second}")
        }
        "COMMENT" => "COMMENT".to_owned(),
        // What a WITH leads to is the first word of a statement that is not inside of brackets.
        "WITH" => {
            let mut depth = 0_usize;
            let led = parts.iter().find(|part| {
                match part.as_str() {
                    "(" => depth += 1,
                    ")" => depth = depth.saturating_sub(1),
                    _ => {}
                }
                depth == 0 && ["insert", "update", "delete", "merge"].contains(&part.as_str())
            });
            led.map_or("SELECT".to_owned(), |led| led.to_uppercase())
        }
        _ if first.chars().all(|c| c.is_ascii_alphabetic()) => first,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(sql: &str) -> String {
        of(sql, 1 << 20).unwrap().hash
    }

    fn kind_of(sql: &str) -> String {
        of(sql, 1 << 20).unwrap().kind
    }

    #[test]
    fn constants_do_not_count() {
        let one = hash("SELECT a FROM t WHERE b = 1 AND c IN (1, 2)");
        for same in [
            "select A from T where b=22 and c in ('x')",
            "SELECT a FROM t -- why\n WHERE b = -5 AND c IN (1, 2, 3, 4);",
            "SELECT a FROM t WHERE b = $1 AND c IN ($2, $3)",
        ] {
            assert_eq!(hash(same), one, "{same}");
        }
        for other in [
            "SELECT a FROM u WHERE b = 1 AND c IN (1, 2)",
            "SELECT a FROM t WHERE b > 1 AND c IN (1, 2)",
            "SELECT \"A\" FROM t WHERE b = 1 AND c IN (1, 2)",
        ] {
            assert_ne!(hash(other), one, "{other}");
        }
        let rows = hash("INSERT INTO t VALUES (1, 'a')");
        assert_eq!(
            hash("INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, NULL)").len(),
            rows.len()
        );
        assert_eq!(hash("INSERT INTO t VALUES (1, 'a'), (2, 'b')"), rows);
        assert_ne!(hash("SELECT a - 1"), hash("SELECT a, 1"));
        assert_eq!(of("SELECT 'open", 100), None);
        assert_eq!(of("SELECT 1", 3), None);
    }

    #[test]
    fn kinds_are_words() {
        assert_eq!(kind_of("(SELECT 1)"), "SELECT");
        assert_eq!(
            kind_of("create or replace view v as select 1"),
            "CREATE VIEW"
        );
        assert_eq!(
            kind_of("WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x"),
            "INSERT"
        );
        assert_eq!(kind_of("WITH x AS (SELECT 1) SELECT * FROM x"), "SELECT");
        assert_eq!(kind_of("EXPLAIN SELECT 1"), "EXPLAIN");
    }
}
