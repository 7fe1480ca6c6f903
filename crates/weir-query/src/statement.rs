//! From tokens to a statement that may be planned: parsing, and what a query may be.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::{
    Query, Select, SetExpr, Statement as Sql, Visit, Visitor, visit_relations,
};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::dialect::DIALECT;
use crate::error::{QueryError, QueryErrorKind, translate};

/// How deep the parser may recurse; its levels are finer than those of brackets.
const PARSER_DEPTH: usize = 400;

/// The most relations a statement may have once every `WITH` is put in place.
const MAX_RELATIONS: u64 = 2_000;

struct NoNames;

impl crate::error::Names for NoNames {
    fn similar_table(&self, _: &str) -> Option<String> {
        None
    }
}

/// Refuses statements by the word they start with, before their grammar is looked at: somebody who
/// tries to write should hear that, and not where a comma is missing.
fn first_word(tokens: &[TokenWithSpan]) -> Result<(), QueryError> {
    let word = tokens.iter().find_map(|token| match &token.token {
        Token::Whitespace(_) | Token::SemiColon => None,
        Token::Word(word) => Some(word.value.to_ascii_uppercase()),
        _ => Some(String::new()),
    });
    let Some(word) = word else { return Ok(()) };
    match word.as_str() {
        "COPY" | "UNLOAD" => Err(refused(&word).hint(
            "ask for CSV, JSON or Arrow instead: `weir sql --csv`, or the Accept header over HTTP",
        )),
        "SET" | "RESET" | "DISCARD" => Err(settings(&word)),
        "BEGIN" | "START" | "COMMIT" | "END" | "ROLLBACK" | "ABORT" | "SAVEPOINT" | "RELEASE"
        | "LOCK" => Err(
            QueryError::new(QueryErrorKind::Unsupported, "there are no transactions")
                .hint("each statement reads all tables as of one instant"),
        ),
        "PREPARE" | "EXECUTE" | "DEALLOCATE" | "DECLARE" | "FETCH" => Err(QueryError::new(
            QueryErrorKind::Unsupported,
            format!("{word} is not supported"),
        )
        .hint("pass values with \"params\" and read the answer as it streams")),
        "DO" | "CALL" => Err(QueryError::new(
            QueryErrorKind::Unsupported,
            format!("{word} is not supported: there are no procedures here"),
        )
        .hint("send the statements one after another, or write a step in `steps/*.yml`")),
        "GRANT" | "REVOKE" | "VACUUM" | "ANALYZE" | "ANALYSE" | "REFRESH" | "LOAD" | "ATTACH"
        | "DETACH" | "USE" | "INSTALL" | "OPTIMIZE" | "REINDEX" | "CLUSTER" | "IMPORT"
        | "EXPORT" => Err(refused(&word)),
        _ => Ok(()),
    }
}

/// Reads `TABLE t` as `SELECT * FROM t`.
fn written_out(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let is_blank = |token: &TokenWithSpan| matches!(token.token, Token::Whitespace(_));
    let first = tokens.iter().position(|token| !is_blank(token));
    if let Some(at) = first
        && matches!(&tokens[at].token, Token::Word(word) if word.keyword == Keyword::TABLE)
    {
        let span = tokens[at].span;
        let select = [
            Token::make_keyword("SELECT"),
            Token::Mul,
            Token::make_keyword("FROM"),
        ];
        let select = select.map(|token| TokenWithSpan { token, span });
        tokens.splice(at..=at, select);
    }
    tokens
}

/// Parses exactly one statement.
pub(crate) fn parse(tokens: Vec<TokenWithSpan>) -> Result<Statement, QueryError> {
    first_word(&tokens)?;
    let tokens = written_out(tokens);
    let mut statements = DFParserBuilder::new(tokens)
        .with_dialect(&DIALECT)
        .with_recursion_limit(PARSER_DEPTH)
        .build()
        .and_then(|mut parser| parser.parse_statements())
        .map_err(|error| translate(error, &NoNames))?;
    let Some(statement) = statements.pop_front() else {
        return Err(QueryError::new(
            QueryErrorKind::Syntax,
            "there is no statement",
        ));
    };
    if !statements.is_empty() {
        return Err(QueryError::new(
            QueryErrorKind::Unsupported,
            "more than one statement in one query",
        )
        .hint("send them one after another"));
    }
    Ok(statement)
}

/// Refuses what is not a question, and questions that grow beyond measure when planned.
pub(crate) fn check(statement: &Statement) -> Result<(), QueryError> {
    match statement {
        Statement::Statement(sql) => check_sql(sql),
        Statement::Explain(explain) => match explain.statement.as_ref() {
            Statement::Statement(sql) if matches!(**sql, Sql::Query(_)) => check_sql(sql),
            _ => Err(QueryError::new(
                QueryErrorKind::Unsupported,
                "EXPLAIN takes a SELECT",
            )),
        },
        Statement::CopyTo(_) => Err(refused("COPY")),
        Statement::CreateExternalTable(_) => Err(refused("CREATE")),
        Statement::Reset(_) => Err(settings("RESET")),
    }
}

fn check_sql(sql: &Sql) -> Result<(), QueryError> {
    match sql {
        Sql::Query(query) => check_query(query),
        Sql::ExplainTable { .. }
        | Sql::ShowTables { .. }
        | Sql::ShowSchemas { .. }
        | Sql::ShowColumns { .. }
        | Sql::ShowFunctions { .. }
        | Sql::ShowCreate { .. }
        | Sql::ShowVariable { .. } => Ok(()),
        Sql::Explain { statement, .. } => match statement.as_ref() {
            Sql::Query(query) => check_query(query),
            _ => Err(QueryError::new(
                QueryErrorKind::Unsupported,
                "EXPLAIN takes a SELECT",
            )),
        },
        Sql::CreateIndex(_) | Sql::AlterIndex { .. } => Err(absent("an index")
            .hint("none is needed: files are left out by the bounds of their columns")),
        Sql::CreateSequence { .. } => {
            Err(absent("a sequence")
                .hint("row_number() numbers rows, gen_random_uuid() makes keys"))
        }
        Sql::CreateFunction(_) | Sql::CreateProcedure { .. } | Sql::CreateMacro { .. } => {
            Err(absent("a function of one's own")
                .hint("a view, or a macro of the dbt project, does the same for queries"))
        }
        Sql::CreateType { .. } | Sql::CreateDomain(_) => Err(absent("a type of one's own")
            .hint("use text or a number, and an accepted_values test on it")),
        Sql::CreateTrigger(_) => {
            Err(absent("a trigger").hint("a model that is built when its inputs change does more"))
        }
        _ => Err(refused("this statement")),
    }
}

fn absent(what: &str) -> QueryError {
    QueryError::new(
        QueryErrorKind::Unsupported,
        format!("there is no such thing as {what} here"),
    )
}

fn refused(statement: &str) -> QueryError {
    QueryError::new(
        QueryErrorKind::ReadOnly,
        format!("{statement} is not allowed: queries only read"),
    )
    .hint("docs/sql.md lists the statements there are")
}

fn settings(statement: &str) -> QueryError {
    QueryError::new(
        QueryErrorKind::ReadOnly,
        format!("{statement} is not allowed: settings are the server's"),
    )
    .hint("change them in weir.toml")
}

fn check_query(query: &Query) -> Result<(), QueryError> {
    let mut shape = Shape::default();
    if let ControlFlow::Break(error) = query.visit(&mut shape) {
        return Err(error);
    }
    let mut relations = 0_u64;
    let _ = visit_relations(query, |name| {
        relations = relations.saturating_add(shape.weight(&name.to_string()));
        ControlFlow::<()>::Continue(())
    });
    if relations > MAX_RELATIONS {
        return Err(QueryError::new(
            QueryErrorKind::TooComplex,
            format!("the statement reads more than {MAX_RELATIONS} tables once every WITH is put in place"),
        )
        .hint("a WITH part that is used twice is planned twice"));
    }
    Ok(())
}

/// Looks for writes inside a query, and weighs the parts of `WITH`, which are planned once per use.
#[derive(Default)]
struct Shape {
    weights: HashMap<String, u64>,
}

impl Shape {
    fn weight(&self, name: &str) -> u64 {
        self.weights.get(&name.to_lowercase()).copied().unwrap_or(1)
    }
}

impl Visitor for Shape {
    type Break = QueryError;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<QueryError> {
        match query.body.as_ref() {
            SetExpr::Insert(_) => return ControlFlow::Break(refused("INSERT")),
            SetExpr::Update(_) => return ControlFlow::Break(refused("UPDATE")),
            SetExpr::Delete(_) => return ControlFlow::Break(refused("DELETE")),
            SetExpr::Merge(_) => return ControlFlow::Break(refused("MERGE")),
            _ => {}
        }
        if !query.locks.is_empty() {
            return ControlFlow::Break(
                QueryError::new(QueryErrorKind::Unsupported, "row locks are not supported")
                    .hint("leave out FOR UPDATE or FOR SHARE"),
            );
        }
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            // The parts named inside this part first: they are what it weighs. The depth of WITH
            // is limited, so looking twice per level stays cheap.
            cte.query.visit(self)?;
            let mut weight = 1_u64;
            let _ = visit_relations(&cte.query, |name| {
                weight = weight.saturating_add(self.weight(&name.to_string()));
                ControlFlow::<()>::Continue(())
            });
            self.weights
                .insert(cte.alias.name.value.to_lowercase(), weight);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<QueryError> {
        match select.into {
            Some(_) => ControlFlow::Break(
                QueryError::new(QueryErrorKind::Unsupported, "SELECT INTO is not supported")
                    .hint("write CREATE TABLE name AS SELECT ..."),
            ),
            None => ControlFlow::Continue(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::tokens;
    use crate::options::EngineOptions;

    fn read(sql: &str) -> Result<(), QueryError> {
        check(&parse(tokens(sql, &EngineOptions::default())?)?)
    }

    #[test]
    fn questions_pass() {
        for sql in [
            "SELECT 1",
            "select 1;",
            "WITH a AS (SELECT 1) SELECT * FROM a, a b",
            "EXPLAIN SELECT 1",
            "EXPLAIN ANALYZE SELECT 1",
            "SHOW TABLES",
            "SHOW COLUMNS FROM t",
            "DESCRIBE t",
            "VALUES (1)",
        ] {
            read(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
    }

    #[test]
    fn everything_else_is_refused_by_name() {
        for (sql, kind) in [
            ("INSERT INTO t VALUES (1)", QueryErrorKind::ReadOnly),
            ("UPDATE t SET a = 1", QueryErrorKind::ReadOnly),
            ("DELETE FROM t", QueryErrorKind::ReadOnly),
            ("DROP TABLE t", QueryErrorKind::ReadOnly),
            ("TRUNCATE t", QueryErrorKind::ReadOnly),
            ("CREATE TABLE t (a int)", QueryErrorKind::ReadOnly),
            ("CREATE VIEW v AS SELECT 1", QueryErrorKind::ReadOnly),
            (
                "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
                QueryErrorKind::ReadOnly,
            ),
            ("COPY (SELECT 1) TO '/tmp/x.csv'", QueryErrorKind::ReadOnly),
            ("COPY t FROM '/tmp/x.csv'", QueryErrorKind::ReadOnly),
            (
                "SET datafusion.execution.batch_size = 1",
                QueryErrorKind::ReadOnly,
            ),
            (
                "RESET datafusion.execution.batch_size",
                QueryErrorKind::ReadOnly,
            ),
            ("SELECT 1 INTO t", QueryErrorKind::Unsupported),
            ("CREATE INDEX i ON t (a)", QueryErrorKind::Unsupported),
            ("CREATE SEQUENCE s", QueryErrorKind::Unsupported),
            (
                "CREATE TYPE mood AS ENUM ('sad')",
                QueryErrorKind::Unsupported,
            ),
            (
                "WITH a AS (INSERT INTO t VALUES (1) RETURNING a) SELECT * FROM a",
                QueryErrorKind::ReadOnly,
            ),
            (
                "EXPLAIN INSERT INTO t VALUES (1)",
                QueryErrorKind::Unsupported,
            ),
            ("BEGIN", QueryErrorKind::Unsupported),
            ("SELECT * FROM t FOR UPDATE", QueryErrorKind::Unsupported),
            ("SELECT 1; SELECT 2", QueryErrorKind::Unsupported),
            ("", QueryErrorKind::Syntax),
        ] {
            let error = read(sql).expect_err(sql);
            assert_eq!(error.kind(), kind, "{sql}: {error}");
        }
    }

    #[test]
    fn with_parts_that_double_are_refused() {
        let mut sql = "WITH a0 AS (SELECT 1 x)".to_owned();
        for i in 1..30 {
            sql += &format!(
                ", a{i} AS (SELECT a.x FROM a{0} a JOIN a{0} b ON a.x = b.x)",
                i - 1
            );
        }
        sql += " SELECT * FROM a29";
        assert_eq!(read(&sql).unwrap_err().kind(), QueryErrorKind::TooComplex);
    }
}
