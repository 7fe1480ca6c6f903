//! This Weir as the warehouse of a project: statements over its HTTP API, all in one transaction.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, NaiveDateTime};
use parking_lot::RwLock;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Notify;
use weir_model::warehouse::{
    Answer, Canceller, Cell, ColumnInfo, Connection, Dialect, Fetch, IdentifierCase, Quoting,
    RelationInfo, RelationKind, RelationName, Result, Table, TableColumn, Warehouse,
    WarehouseError, WarehouseErrorKind,
};

use crate::client::Client;
use crate::repl::split::split;

/// The name of the one database.
pub(crate) const DATABASE: &str = "weir";

/// As many bytes of rows go into one statement.
const COPY_BYTES: usize = 2 << 20;

/// The server that a project's models are built in.
#[derive(Clone)]
pub(crate) struct WeirWarehouse {
    client: Arc<Client>,
    dialect: Dialect,
    /// The transaction all connections work in; none when each statement is seen at once.
    transaction: Arc<RwLock<Option<String>>>,
}

impl std::fmt::Debug for WeirWarehouse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WeirWarehouse({})", self.client.url())
    }
}

/// What the server says of a failed request.
#[derive(Deserialize)]
struct Refusal {
    message: String,
    code: Option<String>,
    sqlstate: Option<String>,
    hint: Option<String>,
    position: Option<Place>,
}

#[derive(Deserialize)]
struct Place {
    line: usize,
    column: usize,
}

/// A result in JSON.
#[derive(Deserialize)]
struct Rows {
    columns: Vec<Column>,
    rows: Vec<Vec<Value>>,
    #[serde(default)]
    command: String,
    rows_affected: Option<u64>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Column {
    name: String,
    #[serde(rename = "type")]
    kind: String,
}

impl WeirWarehouse {
    /// Returns the warehouse behind `client`, for a project whose target is of `kind`.
    pub(crate) fn new(client: Client, kind: &str) -> Self {
        Self {
            client: Arc::new(client),
            dialect: dialect(kind),
            transaction: Arc::default(),
        }
    }

    /// Returns the client.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Makes all statements from now on part of the transaction `id`, or of none.
    pub(crate) fn work_in(&self, id: Option<String>) {
        *self.transaction.write() = id;
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Value) -> Result<Value> {
        let request = self.client.request(method, path).json(&body);
        let answer = self.client.ask(request).await.map_err(lost)?;
        let status = answer.status();
        let bytes = answer.bytes().await.map_err(lost)?;
        if !status.is_success() {
            return Err(refused(&bytes, status.as_u16(), ""));
        }
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).map_err(unreadable)
    }

    /// Returns the rows of a query.
    pub(crate) async fn ask(&self, sql: &str) -> Result<Vec<Vec<Value>>> {
        Ok(self.statement(sql, Vec::new()).await?.rows)
    }

    async fn statement(&self, sql: &str, params: Vec<Value>) -> Result<Rows> {
        let mut body = json!({ "sql": sql, "params": params, "format": "json" });
        if let Some(id) = self.transaction.read().clone() {
            body["transaction"] = Value::from(id);
        }
        let request = self.client.request(Method::POST, "/api/v1/query");
        let answer = self.client.ask(request.json(&body)).await;
        let answer = answer.map_err(lost)?;
        let status = answer.status();
        let bytes = answer.bytes().await.map_err(lost)?;
        if !status.is_success() {
            return Err(refused(&bytes, status.as_u16(), sql));
        }
        let rows: Rows = serde_json::from_slice(&bytes).map_err(unreadable)?;
        match rows.error {
            Some(refusal) => Err(refusal.into_error(sql)),
            None => Ok(rows),
        }
    }
}

/// Returns this Weir's dialect. Projects written for another kind of warehouse keep its name in
/// `target.type`, and their macros for it; where they have none, those for PostgreSQL fit this engine
/// better than those for all.
pub(crate) fn dialect(kind: &str) -> Dialect {
    let chain = match kind {
        "weir" | "postgres" => vec!["weir", "postgres", "default"],
        other => vec!["weir", other, "postgres", "default"],
    };
    Dialect {
        adapter: kind.to_owned(),
        chain: chain.into_iter().map(str::to_owned).collect(),
        quote: '"',
        case: IdentifierCase::Lower,
        quoting: Quoting {
            database: true,
            schema: true,
            identifier: true,
        },
        longest_identifier: 255,
        transactions: false,
        cross_database: false,
    }
}

fn lost(error: reqwest::Error) -> WarehouseError {
    WarehouseError::new(WarehouseErrorKind::Lost, "the server does not answer")
        .with_hint("is it still running? `weir up` starts it")
        .with_source(error)
}

fn unreadable(error: serde_json::Error) -> WarehouseError {
    WarehouseError::new(
        WarehouseErrorKind::Lost,
        "the server's answer cannot be read",
    )
    .with_hint("the command and the server should be of one version")
    .with_source(error)
}

fn refused(bytes: &[u8], status: u16, sql: &str) -> WarehouseError {
    match serde_json::from_slice::<Refusal>(bytes) {
        Ok(refusal) => refusal.into_error(sql),
        Err(_) => WarehouseError::new(
            WarehouseErrorKind::Statement,
            format!("the server answered {status}"),
        ),
    }
}

impl Refusal {
    fn into_error(self, sql: &str) -> WarehouseError {
        let kind = match self.code.as_deref() {
            Some("cancelled") => WarehouseErrorKind::Cancelled,
            Some("unsupported") => WarehouseErrorKind::Unsupported,
            _ => WarehouseErrorKind::Statement,
        };
        let position = self.position.map(|place| {
            let lines = sql.split('\n').take(place.line.saturating_sub(1));
            let before: usize = lines.map(|line| line.chars().count() + 1).sum();
            before + place.column
        });
        let mut error = WarehouseError::new(kind, self.message);
        error.sqlstate = self.sqlstate;
        error.hint = self.hint;
        error.position = position;
        error.located_in(sql)
    }
}

#[async_trait]
impl Warehouse for WeirWarehouse {
    fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    async fn connect(&self, _name: &str) -> Result<Box<dyn Connection>> {
        Ok(Box::new(WeirConnection {
            warehouse: self.clone(),
            cancel: Arc::default(),
        }))
    }
}

struct WeirConnection {
    warehouse: WeirWarehouse,
    cancel: Arc<Notify>,
}

struct WeirCanceller(Arc<Notify>);

#[async_trait]
impl Canceller for WeirCanceller {
    async fn cancel(&self) -> Result<()> {
        self.0.notify_waiters();
        Ok(())
    }
}

impl WeirConnection {
    async fn run(&self, sql: &str, params: Vec<Value>) -> Result<Rows> {
        tokio::select! {
            // The request goes with its connection, and the server ends what nobody waits for.
            () = self.cancel.notified() => Err(WarehouseError::new(
                WarehouseErrorKind::Cancelled,
                "the statement was cancelled",
            )),
            rows = self.warehouse.statement(sql, params) => rows,
        }
    }
}

#[async_trait]
impl Connection for WeirConnection {
    async fn execute(&mut self, sql: &str, fetch: Fetch) -> Result<Answer> {
        let (ended, rest) = split(sql);
        let mut last = Answer::default();
        let statements = ended.into_iter().chain([rest]);
        for statement in statements.filter(|text| says_something(text)) {
            let rows = self
                .run(statement.trim_end().trim_end_matches(';'), Vec::new())
                .await?;
            last = answer(rows, fetch);
        }
        Ok(last)
    }

    async fn begin(&mut self) -> Result<()> {
        Ok(())
    }

    async fn commit(&mut self) -> Result<()> {
        Ok(())
    }

    async fn rollback(&mut self) -> Result<()> {
        Ok(())
    }

    fn in_transaction(&self) -> bool {
        false
    }

    async fn schemas(&mut self, _database: &str) -> Result<Vec<String>> {
        let sql = "SELECT schema_name FROM information_schema.schemata ORDER BY 1";
        let rows = self.run(sql, Vec::new()).await?.rows;
        Ok(rows
            .into_iter()
            .filter_map(|row| text(row.first()))
            .collect())
    }

    async fn relations(&mut self, _database: &str, schema: &str) -> Result<Vec<RelationInfo>> {
        let sql = "SELECT table_name, table_type FROM information_schema.tables \
                   WHERE table_schema = $1 ORDER BY 1";
        let rows = self.run(sql, vec![schema.into()]).await?.rows;
        let relation = |row: Vec<Value>| {
            Some(RelationInfo {
                name: RelationName {
                    database: Some(DATABASE.to_owned()),
                    schema: schema.to_owned(),
                    name: text(row.first())?,
                },
                kind: match text(row.get(1)).as_deref() {
                    Some("VIEW") => RelationKind::View,
                    _ => RelationKind::Table,
                },
            })
        };
        Ok(rows.into_iter().filter_map(relation).collect())
    }

    async fn columns(&mut self, relation: &RelationName) -> Result<Vec<ColumnInfo>> {
        let sql = "SELECT column_name, full_type FROM information_schema.columns \
                   WHERE table_schema = $1 AND table_name = $2 ORDER BY ordinal_position";
        let names = vec![
            relation.schema.as_str().into(),
            relation.name.as_str().into(),
        ];
        let rows = self.run(sql, names).await?.rows;
        let column = |row: Vec<Value>| Some(column_info(text(row.first())?, &text(row.get(1))?));
        Ok(rows.into_iter().filter_map(column).collect())
    }

    async fn describe(&mut self, sql: &str) -> Result<Vec<TableColumn>> {
        let sql = sql.trim().trim_end_matches(';');
        let sql = format!("SELECT * FROM (\n{sql}\n) AS described LIMIT 0");
        let columns = self.run(&sql, Vec::new()).await?.columns;
        Ok(columns
            .into_iter()
            .map(|c| TableColumn::new(c.name, c.kind))
            .collect())
    }

    async fn copy_in(
        &mut self,
        table: &RelationName,
        columns: &[String],
        rows: &mut (dyn Iterator<Item = Vec<Cell>> + Send),
    ) -> Result<u64> {
        let there = self.columns(table).await?;
        let quote = |name: &str| self.warehouse.dialect.quote(name);
        let mut casts = Vec::with_capacity(columns.len());
        for (at, name) in columns.iter().enumerate() {
            let column = there.iter().find(|column| column.name == *name);
            let column = column.ok_or_else(|| {
                WarehouseError::new(
                    WarehouseErrorKind::Statement,
                    format!("table `{}` has no column `{name}`", table.name),
                )
            })?;
            casts.push(format!("c{at}::{}", full_type(column)));
        }
        let lists: Vec<String> = (0..columns.len())
            .map(|at| format!("unnest(${}::text[]) AS c{at}", at + 1))
            .collect();
        let names: Vec<String> = columns.iter().map(|name| quote(name)).collect();
        let sql = format!(
            "INSERT INTO {}.{} ({}) SELECT {} FROM (SELECT {}) AS copied",
            quote(&table.schema),
            quote(&table.name),
            names.join(", "),
            casts.join(", "),
            lists.join(", "),
        );
        let mut written = 0;
        let mut batch: Vec<Vec<Value>> = vec![Vec::new(); columns.len()];
        let mut bytes = 0;
        loop {
            let row = rows.next();
            let is_end = row.is_none();
            for (column, cell) in batch.iter_mut().zip(row.into_iter().flatten()) {
                let value = cell.text();
                bytes += value.as_ref().map_or(4, |text| text.len() + 4);
                column.push(value.map_or(Value::Null, Value::from));
            }
            let filled = batch.first().map_or(0, Vec::len);
            if filled > 0 && (is_end || bytes >= COPY_BYTES) {
                let values = batch
                    .iter_mut()
                    .map(|column| Value::from(std::mem::take(column)));
                self.run(&sql, values.collect()).await?;
                written += filled as u64;
                bytes = 0;
            }
            if is_end {
                return Ok(written);
            }
        }
    }

    fn canceller(&self) -> Box<dyn Canceller> {
        Box::new(WeirCanceller(self.cancel.clone()))
    }
}

/// Whether there is more in a text than blanks, comments and semicolons.
fn says_something(mut text: &str) -> bool {
    loop {
        text = text.trim_start_matches(|c: char| c.is_whitespace() || c == ';');
        if text.starts_with("--") {
            text = text.find('\n').map_or("", |end| &text[end..]);
        } else if text.starts_with("/*") {
            text = text.find("*/").map_or("", |end| &text[end + 2..]);
        } else {
            return !text.is_empty();
        }
    }
}

/// Takes a type like `numeric(10,2)` apart.
fn column_info(name: String, data_type: &str) -> ColumnInfo {
    let (kind, measures) = match data_type.split_once('(') {
        Some((kind, rest)) => (kind.trim_end(), rest.trim_end_matches(')')),
        None => (data_type, ""),
    };
    let mut numbers = measures
        .split(',')
        .map(|number| number.trim().parse::<u32>().ok());
    let (first, second) = (numbers.next().flatten(), numbers.next().flatten());
    let is_numeric = kind == "numeric";
    // As PostgreSQL writes them out, which macros compare with.
    let kind = match kind {
        "timestamp" => "timestamp without time zone",
        "timestamptz" => "timestamp with time zone",
        "time" => "time without time zone",
        "varchar" => "character varying",
        kind => kind,
    };
    ColumnInfo {
        name,
        data_type: kind.to_owned(),
        char_size: first.filter(|_| kind.starts_with("character")),
        numeric_precision: first.filter(|_| is_numeric),
        numeric_scale: second.filter(|_| is_numeric),
    }
}

/// Returns the type that text is cast to for a column. A length is seen to when the row is put in: a cast would cut.
fn full_type(column: &ColumnInfo) -> String {
    match (column.numeric_precision, column.numeric_scale) {
        (Some(precision), Some(scale)) => format!("numeric({precision},{scale})"),
        _ if column.char_size.is_some() => "text".to_owned(),
        _ => column.data_type.clone(),
    }
}

fn text(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).map(str::to_owned)
}

fn answer(rows: Rows, fetch: Fetch) -> Answer {
    let count = rows.rows_affected;
    let tag = match count.or((!rows.columns.is_empty()).then_some(rows.rows.len() as u64)) {
        Some(count) if rows.command == "INSERT" => format!("INSERT 0 {count}"),
        Some(count) => format!("{} {count}", rows.command),
        None => rows.command.clone(),
    };
    let limit = match fetch {
        Fetch::None => None,
        Fetch::All => Some(usize::MAX),
        Fetch::Limit(limit) => Some(limit),
    };
    let table = limit.filter(|_| !rows.columns.is_empty()).map(|limit| {
        let kinds: Vec<String> = rows.columns.iter().map(|c| c.kind.clone()).collect();
        let cells = |row: Vec<Value>| {
            let pairs = row.into_iter().zip(&kinds);
            pairs.map(|(value, kind)| cell(value, kind)).collect()
        };
        let columns = rows.columns.into_iter();
        Table {
            columns: columns.map(|c| TableColumn::new(c.name, c.kind)).collect(),
            rows: rows.rows.into_iter().take(limit).map(cells).collect(),
        }
    });
    Answer {
        tag,
        rows_affected: count,
        table,
    }
}

/// Reads a value of the API as one of its type.
fn cell(value: Value, kind: &str) -> Cell {
    match value {
        Value::Null => Cell::Null,
        Value::Bool(value) => Cell::Bool(value),
        Value::Number(number) if kind.starts_with("numeric") => Cell::Decimal(number.to_string()),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(value), _) if !kind.starts_with("double") && kind != "real" => Cell::Int(value),
            (_, Some(value)) => Cell::Float(value),
            _ => Cell::Decimal(number.to_string()),
        },
        Value::String(text) => typed(text, kind),
        value => Cell::Json(value),
    }
}

fn typed(text: String, kind: &str) -> Cell {
    let read = match kind {
        "date" => text.parse::<NaiveDate>().ok().map(Cell::Date),
        kind if kind.starts_with("timestamp with time zone") => DateTime::parse_from_rfc3339(&text)
            .ok()
            .map(Cell::TimestampTz),
        kind if kind.starts_with("timestamp") => {
            let plain = text.trim_end_matches('Z').replace(' ', "T");
            plain.parse::<NaiveDateTime>().ok().map(Cell::Timestamp)
        }
        kind if kind.starts_with("numeric") => Some(Cell::Decimal(text.clone())),
        _ => None,
    };
    read.unwrap_or(Cell::Text(text))
}
