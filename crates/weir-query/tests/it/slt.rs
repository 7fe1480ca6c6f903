//! `tests/slt/*.slt`: SQL and its answers, each file over the same small lake.

use std::path::Path;

use async_trait::async_trait;
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType, Runner};
use weir_query::{Caller, QueryError, QueryRequest};

use crate::fixture::Fixture;

struct Connection(Fixture);

#[async_trait]
impl AsyncDB for Connection {
    type Error = QueryError;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, QueryError> {
        let request = QueryRequest::new(sql, Caller::owner("test"));
        let (rows, command) = self.0.answer(request).await?;
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

async fn run(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/slt")
        .join(name);
    let mut runner = Runner::new(|| async { Ok(Connection(Fixture::filled().await)) });
    if let Err(error) = runner.run_file_async(&path).await {
        panic!("{}", error.display(false));
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
    run("pg_compat_writes.slt").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_of_weir() {
    run("writes.slt").await;
}
