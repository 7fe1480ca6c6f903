//! `FOR VERSION AS OF n`, `FOR TIMESTAMP AS OF t`, `FOR POSITION AS OF p`: a table, or a source's rows, as they were.
//!
//! The parser of the Postgres dialect knows none of these, so the clauses are cut out of the tokens
//! before parsing, remembered by the place of the table name they follow, and put back into the
//! parsed statement as another table name, which the session resolves to a pinned past snapshot.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Expr as SqlExpr, Ident, ObjectName, ObjectNamePart, TableAlias, TableFactor, VisitMut,
    VisitorMut,
};
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use crate::dialect::DIALECT;
use crate::error::{Position, QueryError, QueryErrorKind, syntax};
use crate::session::PATH;

/// Stands between a name and the number of its clause; no name holds it.
pub(crate) const PINNED: char = '%';

/// The most clauses in one statement; each is one look into the table's history.
const MAX_CLAUSES: usize = 64;

/// One clause, cut out of a statement.
#[derive(Debug)]
pub(crate) struct Clause {
    /// Where the table name it follows starts.
    table: Location,
    /// Where the clause starts.
    pub(crate) position: Position,
    pub(crate) unit: Unit,
    pub(crate) value: SqlExpr,
}

/// What a clause counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Version,
    Timestamp,
    /// Of a source's changes, such as a place in a database's log.
    Position,
}

/// Cuts the clauses out of `tokens`.
pub(crate) fn cut(
    tokens: Vec<TokenWithSpan>,
) -> Result<(Vec<TokenWithSpan>, Vec<Clause>), QueryError> {
    let mut clauses = Vec::new();
    let mut kept = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        let Some((unit, value_at)) = clause_at(&tokens, at) else {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        };
        let position = Position {
            line: tokens[at].span.start.line,
            column: tokens[at].span.start.column,
        };
        if clauses.len() == MAX_CLAUSES {
            return Err(QueryError::new(
                QueryErrorKind::TooComplex,
                format!("more than {MAX_CLAUSES} past versions in one statement"),
            )
            .at(Some(position)));
        }
        let table = kept
            .iter()
            .rev()
            .find(|t: &&TokenWithSpan| !matches!(t.token, Token::Whitespace(_)));
        let Some(table) = table.map(|t| t.span.start) else {
            return Err(misplaced(position));
        };
        let rest = tokens[value_at..].to_vec();
        let mut parser = Parser::new(&DIALECT)
            .with_recursion_limit(64)
            .with_tokens_with_locations(rest);
        let value = parser
            .parse_expr()
            .map_err(|error| syntax(&error).at(Some(position)))?;
        at = value_at + parser.index();
        clauses.push(Clause {
            table,
            position,
            unit,
            value,
        });
    }
    Ok((kept, clauses))
}

/// Returns the unit and where the value starts if a clause starts at `at`.
fn clause_at(tokens: &[TokenWithSpan], at: usize) -> Option<(Unit, usize)> {
    if matches!(tokens[at].token, Token::Whitespace(_)) {
        return None;
    }
    let mut words = tokens[at..]
        .iter()
        .enumerate()
        .filter(|(_, t)| !matches!(t.token, Token::Whitespace(_)));
    let mut word = || match words.next()? {
        (
            offset,
            TokenWithSpan {
                token: Token::Word(w),
                ..
            },
        ) if w.quote_style.is_none() => Some((offset, w.value.to_ascii_uppercase())),
        _ => None,
    };
    if word()?.1 != "FOR" {
        return None;
    }
    let unit = match word()?.1.as_str() {
        "VERSION" | "SYSTEM_VERSION" => Unit::Version,
        "TIMESTAMP" | "SYSTEM_TIME" => Unit::Timestamp,
        "POSITION" | "LSN" => Unit::Position,
        _ => return None,
    };
    if word()?.1 != "AS" {
        return None;
    }
    let (offset, of) = word()?;
    (of == "OF").then_some((unit, at + offset + 1))
}

fn misplaced(position: Position) -> QueryError {
    QueryError::new(
        QueryErrorKind::Syntax,
        "FOR ... AS OF does not follow a table's name",
    )
    .hint("write it between the table and its alias: FROM shop.tracks FOR VERSION AS OF 3 t")
    .at(Some(position))
}

/// A table of the statement that is to be read as it was.
#[derive(Clone, Debug)]
pub(crate) struct PastTable {
    /// Which of the clauses.
    pub(crate) clause: usize,
    pub(crate) schema: String,
    pub(crate) table: String,
    /// The name it has in the statement from now on.
    pub(crate) pinned: String,
}

/// Puts pinned names in place of the tables that `clauses` follow.
pub(crate) fn rename(
    statement: &mut Statement,
    clauses: &[Clause],
) -> Result<Vec<PastTable>, QueryError> {
    if clauses.is_empty() {
        return Ok(Vec::new());
    }
    let mut renamer = Renamer {
        clauses,
        found: Vec::new(),
    };
    let mut inner = statement;
    while let Statement::Explain(explain) = inner {
        inner = &mut explain.statement;
    }
    if let Statement::Statement(statement) = inner {
        let _ = VisitMut::visit(statement.as_mut(), &mut renamer);
    }
    let found = renamer.found;
    match (0..clauses.len()).find(|i| !found.iter().any(|past| past.clause == *i)) {
        Some(lost) => Err(misplaced(clauses[lost].position)),
        None => Ok(found),
    }
}

struct Renamer<'a> {
    clauses: &'a [Clause],
    found: Vec<PastTable>,
}

impl VisitorMut for Renamer<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let TableFactor::Table {
            name: ObjectName(parts),
            alias,
            args: None,
            ..
        } = factor
        else {
            return ControlFlow::Continue(());
        };
        let Some(ObjectNamePart::Identifier(last)) = parts.last() else {
            return ControlFlow::Continue(());
        };
        let Some(clause) = self.clauses.iter().position(|c| c.table == last.span.start) else {
            return ControlFlow::Continue(());
        };
        let schema = match parts.len() {
            1 => PATH.to_owned(),
            n => match &parts[n - 2] {
                ObjectNamePart::Identifier(schema) => normal(schema),
                ObjectNamePart::Function(_) => return ControlFlow::Continue(()),
            },
        };
        let last = last.clone();
        let table = normal(&last);
        let pinned = format!("{table}{PINNED}{clause}");
        if alias.is_none() {
            *alias = Some(TableAlias {
                explicit: true,
                name: last.clone(),
                columns: Vec::new(),
                at: None,
            });
        }
        let mut ident = Ident::with_quote('"', pinned.clone());
        ident.span = last.span;
        if let Some(part) = parts.last_mut() {
            *part = ObjectNamePart::Identifier(ident);
        }
        self.found.push(PastTable {
            clause,
            schema,
            table,
            pinned,
        });
        ControlFlow::Continue(())
    }
}

/// Returns the name an identifier means: unquoted ones are lower-case.
fn normal(ident: &Ident) -> String {
    if ident.quote_style.is_some() {
        ident.value.clone()
    } else {
        ident.value.to_lowercase()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::tokens;
    use crate::options::EngineOptions;
    use crate::statement::parse;

    fn read(sql: &str) -> Result<(String, Vec<Clause>, Vec<PastTable>), QueryError> {
        let (tokens, clauses) = cut(tokens(sql, &EngineOptions::default())?)?;
        let mut statement = parse(tokens)?;
        let past = rename(&mut statement, &clauses)?;
        Ok((statement.to_string(), clauses, past))
    }

    #[test]
    fn clauses_become_pinned_names() {
        let (sql, clauses, past) = read(
            "SELECT * FROM shop.Tracks FOR VERSION AS OF 3 AS t \
             JOIN users FOR TIMESTAMP AS OF now() - interval '1 hour' ON t.a = users.a",
        )
        .unwrap();
        assert_eq!(
            sql,
            "SELECT * FROM shop.\"tracks%0\" AS t JOIN \"users%1\" AS users ON t.a = users.a"
        );
        assert_eq!(clauses[0].unit, Unit::Version);
        assert_eq!(clauses[1].unit, Unit::Timestamp);
        assert_eq!(
            (past[0].schema.as_str(), past[0].table.as_str()),
            ("shop", "tracks")
        );
        assert_eq!(
            (past[1].schema.as_str(), past[1].table.as_str()),
            (PATH, "users")
        );
    }

    #[test]
    fn a_clause_in_the_wrong_place_is_an_error() {
        let error = read("SELECT * FROM t a FOR VERSION AS OF 3").unwrap_err();
        assert_eq!(error.kind(), QueryErrorKind::Syntax);
        assert_eq!(
            error.position(),
            Some(Position {
                line: 1,
                column: 19
            })
        );
        assert!(read("FOR VERSION AS OF 3").is_err());
    }

    #[test]
    fn other_uses_of_for_stay() {
        let (sql, clauses, _) = read("SELECT substring(a FROM 1 FOR 2) FROM t").unwrap();
        assert!(clauses.is_empty());
        assert!(sql.contains("FOR 2"));
    }
}
