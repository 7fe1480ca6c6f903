//! What a statement may weigh, decided on its tokens before anything recursive touches it.
//!
//! The planner recurses over expression trees, and a flat chain of a few thousand operators is a
//! tree as deep as the chain is long: enough to overflow a stack, which ends the process and cannot
//! be caught. Counting here is one loop over tokens with memory bounded by the text.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use crate::dialect::DIALECT;
use crate::error::{Position, QueryError, QueryErrorKind, syntax};
use crate::options::EngineOptions;

/// A join is planned many times over by rules that look at pairs, so it weighs more than a `+`.
const JOIN_WEIGHT: usize = 10;

/// `WITH` inside `WITH`: name resolution visits the inner one twice per level.
const WITH_DEPTH: usize = 5;

/// Splits `sql` into tokens and refuses what is too much to plan.
pub(crate) fn tokens(sql: &str, options: &EngineOptions) -> Result<Vec<TokenWithSpan>, QueryError> {
    if sql.len() > options.sql_bytes {
        return Err(too_complex(
            format!(
                "the statement has {} bytes, more than the {} allowed",
                sql.len(),
                options.sql_bytes
            ),
            None,
        ));
    }
    if sql.contains('\0') {
        return Err(QueryError::new(
            QueryErrorKind::Syntax,
            "the statement contains a NUL byte",
        ));
    }
    let mut tokens = Vec::with_capacity(sql.len() / 4);
    Tokenizer::new(&DIALECT, sql)
        .tokenize_with_location_into_buf(&mut tokens)
        .map_err(|error| syntax(&error.into()))?;
    weigh(&tokens, options)?;
    Ok(tokens)
}

/// Columns in the list of one `SELECT`, as in Postgres: planning takes the square of their number.
const COLUMNS: usize = 1_664;

/// Subqueries inside expressions: planning takes twice as long for each further one inside another.
const SUBQUERY_DEPTH: usize = 8;

/// What is known about one pair of brackets (or the statement itself).
#[derive(Default)]
struct Level {
    /// Between `FROM` and the next clause, where a comma is a cross join.
    from: bool,
    /// Begins with `WITH`.
    with: bool,
    /// Opened by `CASE`, closed by `END`.
    case: bool,
    /// Stands where a value may, so a `SELECT` in it is a subquery of an expression.
    value: bool,
    /// Is such a subquery.
    subquery: bool,
    begun: bool,
    /// Items of the list between `SELECT` and `FROM`, less one; none outside of one.
    listed: Option<usize>,
}

fn weigh(tokens: &[TokenWithSpan], options: &EngineOptions) -> Result<(), QueryError> {
    let mut operators = 0_usize;
    let mut items = 0_usize;
    let mut columns = 0_usize;
    let mut levels = vec![Level::default()];
    for TokenWithSpan { token, span } in tokens {
        if matches!(token, Token::Whitespace(_)) {
            continue;
        }
        let level = levels.last_mut().expect("the statement's own level stays");
        let first = !std::mem::replace(&mut level.begun, true);
        match token {
            Token::LParen | Token::LBrace => {
                let value = !level.from;
                levels.push(Level {
                    value,
                    ..Level::default()
                });
            }
            Token::LBracket => {
                operators += 1;
                levels.push(Level {
                    value: true,
                    ..Level::default()
                });
            }
            Token::RParen | Token::RBracket | Token::RBrace => {
                while levels.len() > 1 && levels.pop().is_some_and(|level| level.case) {}
            }
            Token::Comma if level.from => operators += JOIN_WEIGHT,
            Token::Comma => {
                items += 1;
                if let Some(listed) = &mut level.listed {
                    *listed += 1;
                    columns = columns.max(*listed + 1);
                }
            }
            Token::SemiColon => *level = Level::default(),
            Token::Word(word) => match word.keyword {
                Keyword::CASE => levels.push(Level {
                    case: true,
                    ..Level::default()
                }),
                Keyword::END if level.case => {
                    levels.pop();
                }
                Keyword::WITH if first => {
                    level.with = true;
                    level.subquery = level.value;
                }
                Keyword::SELECT if first => {
                    level.subquery = level.value;
                    level.listed = Some(0);
                }
                Keyword::EXPLAIN | Keyword::ANALYZE | Keyword::VERBOSE if first => {
                    level.begun = false
                }
                Keyword::FROM => {
                    level.from = true;
                    level.listed = None;
                }
                Keyword::WHERE
                | Keyword::GROUP
                | Keyword::HAVING
                | Keyword::ORDER
                | Keyword::LIMIT
                | Keyword::SELECT
                | Keyword::WINDOW
                | Keyword::QUALIFY => {
                    level.from = false;
                    level.listed = (word.keyword == Keyword::SELECT).then_some(0);
                }
                Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT => {
                    level.from = false;
                    level.listed = None;
                    operators += JOIN_WEIGHT;
                }
                Keyword::JOIN | Keyword::LATERAL | Keyword::OVER => operators += JOIN_WEIGHT,
                Keyword::AND
                | Keyword::OR
                | Keyword::NOT
                | Keyword::IS
                | Keyword::NOTNULL
                | Keyword::LIKE
                | Keyword::ILIKE
                | Keyword::SIMILAR
                | Keyword::BETWEEN
                | Keyword::IN
                | Keyword::WHEN
                | Keyword::COLLATE
                | Keyword::AT
                | Keyword::XOR => operators += 1,
                _ => {}
            },
            token if is_operator(token) => operators += 1,
            _ => {}
        }
        let position = || {
            Some(Position {
                line: span.start.line,
                column: span.start.column,
            })
        };
        if operators > options.operators {
            return Err(too_complex(
                format!("the statement has more than {} operators", options.operators),
                position(),
            )
            .hint("use IN (...) or a join with VALUES instead of a long chain of OR; a join counts as ten"));
        }
        if items > options.items {
            return Err(too_complex(
                format!("the statement lists more than {} items", options.items),
                position(),
            ));
        }
        if columns > COLUMNS {
            return Err(too_complex(
                format!("a SELECT lists more than {COLUMNS} columns"),
                position(),
            )
            .with_sqlstate("54011")
            .hint("list them in several statements, or make rows of them"));
        }
        if levels.len() - 1 > options.depth {
            return Err(too_complex(
                format!(
                    "the statement is nested more than {} levels deep",
                    options.depth
                ),
                position(),
            )
            .hint("name inner parts with WITH"));
        }
        if levels.iter().filter(|level| level.subquery).count() > SUBQUERY_DEPTH {
            return Err(too_complex(
                format!("subqueries are nested more than {SUBQUERY_DEPTH} levels deep"),
                position(),
            )
            .hint("name inner parts with WITH, or join them"));
        }
        if levels.iter().filter(|level| level.with).count() > WITH_DEPTH {
            return Err(too_complex(
                format!("WITH is nested more than {WITH_DEPTH} levels deep"),
                position(),
            )
            .hint("list the parts one after another in one WITH"));
        }
    }
    Ok(())
}

fn too_complex(message: String, position: Option<Position>) -> QueryError {
    QueryError::new(QueryErrorKind::TooComplex, message).at(position)
}

/// Returns whether the token joins two expressions, or wraps one.
fn is_operator(token: &Token) -> bool {
    !matches!(
        token,
        Token::EOF
            | Token::Word(_)
            | Token::Number(..)
            | Token::Char(_)
            | Token::SingleQuotedString(_)
            | Token::DoubleQuotedString(_)
            | Token::DollarQuotedString(_)
            | Token::SingleQuotedByteStringLiteral(_)
            | Token::NationalStringLiteral(_)
            | Token::EscapedStringLiteral(_)
            | Token::UnicodeStringLiteral(_)
            | Token::HexStringLiteral(_)
            | Token::Placeholder(_)
            | Token::Comma
            | Token::Period
            | Token::SemiColon
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sql: &str) -> Result<(), QueryError> {
        tokens(sql, &EngineOptions::default()).map(|_| ())
    }

    #[test]
    fn ordinary_statements_pass() {
        check("SELECT a, sum(b) FROM t JOIN u USING (id) WHERE x IN (1, 2) GROUP BY 1").unwrap();
        let list: Vec<String> = (0..10_000).map(|i| i.to_string()).collect();
        check(&format!("SELECT * FROM t WHERE id IN ({})", list.join(","))).unwrap();
        check(&format!(
            "SELECT * FROM {}t{}",
            "(SELECT * FROM ".repeat(50),
            ")".repeat(50)
        ))
        .unwrap();
        check("SELECT CASE WHEN a THEN 1 ELSE 2 END, (CASE x WHEN 1 THEN 2 END)").unwrap();
    }

    #[test]
    fn chains_are_refused() {
        for sql in [
            format!("SELECT 1{}", "+1".repeat(12_000)),
            format!("SELECT 1 WHERE true{}", " OR true".repeat(20_000)),
            format!("SELECT {}1", "- ".repeat(20_000)),
            format!("SELECT {}true", "NOT ".repeat(20_000)),
            format!("SELECT 1{}", "::bigint".repeat(5_000)),
            format!("SELECT a{}", "[1]".repeat(5_000)),
            format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(1_000)),
            format!("SELECT 1 FROM t{}", ", t".repeat(1_000)),
            format!("SELECT 1{}", ", 1".repeat(1_664)),
            format!(
                "SELECT a FROM t UNION SELECT 1{} FROM t",
                ", 1".repeat(1_664)
            ),
        ] {
            let error = check(&sql).unwrap_err();
            assert_eq!(error.kind(), QueryErrorKind::TooComplex, "{}", &sql[..40]);
            assert!(error.position().is_some());
        }
    }

    #[test]
    fn nesting_is_refused() {
        for sql in [
            format!("SELECT {}1{}", "(".repeat(5_000), ")".repeat(5_000)),
            format!("SELECT {}", "(".repeat(100_000)),
            format!(
                "SELECT {}1{}",
                "CASE WHEN true THEN ".repeat(300),
                " END".repeat(300)
            ),
            format!("{}SELECT 1", "WITH a AS (".repeat(7)),
            format!("SELECT {}1{}", "(SELECT ".repeat(9), ")".repeat(9)),
            format!("SELECT {}1{}", "EXISTS (SELECT ".repeat(9), ")".repeat(9)),
        ] {
            assert_eq!(check(&sql).unwrap_err().kind(), QueryErrorKind::TooComplex);
        }
    }

    #[test]
    fn a_bad_token_has_a_position() {
        let error = check("SELECT\n  'open").unwrap_err();
        assert_eq!(error.kind(), QueryErrorKind::Syntax);
        assert_eq!(error.position(), Some(Position { line: 2, column: 3 }));
    }
}
