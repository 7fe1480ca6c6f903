//! `tests/slt/*.slt`: SQL and its answers, each file over the same small lake.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType, Runner};
use weir_query::{Caller, QueryError, QueryRequest};
use weir_testkit::{Failure, Postgres};

use crate::fixture::Fixture;

struct Connection {
    fixture: Fixture,
    time_zone: String,
}

#[async_trait]
impl AsyncDB for Connection {
    type Error = QueryError;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, QueryError> {
        // What a session is set to is the door's to keep.
        if let Some(zone) = sql.trim().strip_prefix("SET TimeZone = ") {
            self.time_zone = zone.trim_matches('\'').to_owned();
            return Ok(DBOutput::StatementComplete(0));
        }
        let mut request = QueryRequest::new(sql, Caller::owner("test"));
        Arc::make_mut(&mut request.settings)
            .time_zone
            .clone_from(&self.time_zone);
        let (rows, command) = self.fixture.answer(request).await?;
        if let Some(rows) = command.rows.or((command.tag != "SELECT").then_some(0)) {
            return Ok(DBOutput::StatementComplete(rows));
        }
        let types = vec![DefaultColumnType::Any; rows.first().map_or(0, Vec::len)];
        let rows = rows
            .into_iter()
            .map(|row| {
                row.into_iter()
                    .map(|cell| {
                        if cell.is_empty() {
                            "(empty)".to_owned()
                        } else {
                            cell
                        }
                    })
                    .collect()
            })
            .collect();
        Ok(DBOutput::Rows { types, rows })
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &str {
        "weir"
    }

    fn error_sql_state(error: &QueryError) -> Option<String> {
        Some(error.sqlstate().to_owned())
    }
}

/// The same file against the real thing.
struct Oracle {
    postgres: Arc<Postgres>,
    /// Whether a `t` is a boolean that `psql` wrote, and no text.
    truth: bool,
}

/// What PostgreSQL answers with, in words of the runner.
#[derive(Debug)]
struct OracleError(Failure);

impl std::fmt::Display for OracleError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.0.sqlstate, self.0.message)
    }
}

impl std::error::Error for OracleError {}

#[async_trait]
impl AsyncDB for Oracle {
    type Error = OracleError;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, OracleError> {
        // Each statement has a session of its own.
        let set = sql.trim().strip_prefix("SET TimeZone = ");
        let set = set.map(|zone| format!("ALTER ROLE CURRENT_USER SET TimeZone TO {zone}"));
        let sql = set.as_deref().unwrap_or(sql);
        let answer = self.postgres.ask("postgres", sql).await.expect("psql runs");
        let answer = answer.map_err(OracleError)?;
        if !answer.tag.is_empty() {
            let rows = answer.tag.rsplit(' ').next().and_then(|n| n.parse().ok());
            return Ok(DBOutput::StatementComplete(rows.unwrap_or(0)));
        }
        let types = vec![DefaultColumnType::Any; answer.rows.first().map_or(0, Vec::len)];
        // `psql` writes a boolean as a letter.
        let written = |cell: String| match cell.as_str() {
            "" => "(empty)".to_owned(),
            "t" if self.truth => "true".to_owned(),
            "f" if self.truth => "false".to_owned(),
            _ => cell,
        };
        let rows = answer.rows.into_iter();
        let rows = rows
            .map(|row| row.into_iter().map(written).collect())
            .collect();
        Ok(DBOutput::Rows { types, rows })
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &str {
        "postgres"
    }

    fn error_sql_state(error: &OracleError) -> Option<String> {
        Some(error.0.sqlstate.clone())
    }
}

fn file(name: &str) -> PathBuf {
    let here = std::env::var("CARGO_MANIFEST_DIR");
    Path::new(here.as_deref().unwrap_or(env!("CARGO_MANIFEST_DIR")))
        .join("tests/slt")
        .join(name)
}

async fn run(name: &str) {
    let mut runner = Runner::new(|| async {
        Ok(Connection {
            fixture: Fixture::filled().await,
            time_zone: "UTC".to_owned(),
        })
    });
    if let Err(error) = runner.run_file_async(file(name)).await {
        panic!("{}", error.display(false));
    }
}

/// Runs a file against Weir and against PostgreSQL: both must give the answers written down.
async fn run_on_both(name: &str) {
    run(name).await;
    run_on_postgres(name, false).await;
}

/// The same for a file whose answers are booleans too.
async fn run_with_booleans(name: &str) {
    run(name).await;
    run_on_postgres(name, true).await;
}

async fn run_on_postgres(name: &str, truth: bool) {
    let postgres = Arc::new(Postgres::start().await.expect("PostgreSQL starts"));
    let mut runner = Runner::new(|| async {
        Ok(Oracle {
            postgres: postgres.clone(),
            truth,
        })
    });
    if let Err(error) = runner.run_file_async(file(name)).await {
        panic!("PostgreSQL says: {}", error.display(false));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reading() {
    run("reading.slt").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json() {
    run("json.slt").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn time_travel() {
    run("time_travel.slt").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn views() {
    run("views.slt").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn system_tables() {
    run("system.slt").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn read_only() {
    run("read_only.slt").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors() {
    run("errors.slt").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writes() {
    run_on_both("pg_compat_writes.slt").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_of_weir() {
    run("writes.slt").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn expressions() {
    run_on_both("pg_compat_expressions.slt").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn times() {
    run_on_both("pg_compat_times.slt").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn subqueries() {
    run_with_booleans("pg_compat_subqueries.slt").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_use_first() {
    run_with_booleans("pg_compat_common.slt").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sets() {
    run_on_both("pg_compat_sets.slt").await;
}
