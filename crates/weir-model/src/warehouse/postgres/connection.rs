use std::time::Duration;

use async_trait::async_trait;
use bytes::{BufMut, BytesMut};
use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::{Message, RowDescriptionBody};
use postgres_protocol::message::frontend;
use tokio::io::AsyncWriteExt;

use super::super::{
    Answer, Canceller, Cell, ColumnInfo, Connection, Dialect, Fetch, RelationInfo, RelationName,
    Result, Table, TableColumn, WarehouseError, WarehouseErrorKind,
};
use super::login::{SessionKey, dial, log_in};
use super::options::PostgresOptions;
use super::secure::secure;
use super::types::{ColumnType, cell_of};
use super::wire::{Wire, error_of, lost, unexpected};
use super::{catalog, types};

/// How much of a copy is gathered before it is sent.
const COPY_CHUNK: usize = 64 * 1024;

/// One session of a PostgreSQL server.
pub(super) struct PostgresConnection {
    wire: Wire,
    options: PostgresOptions,
    key: SessionKey,
    /// What the server last said it is in: `I`dle, a `T`ransaction, or one that has `E`rred.
    status: u8,
}

impl PostgresConnection {
    /// Connects and prepares the session as the options say.
    pub(super) async fn open(options: &PostgresOptions, name: &str) -> Result<Self> {
        let mut tries = 0;
        let mut connection = loop {
            match Self::try_open(options).await {
                Ok(connection) => break connection,
                Err(error) if tries < options.retries && is_passing(&error) => {
                    tries += 1;
                    tracing::debug!(tries, %error, "connecting again");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                Err(error) => return Err(error),
            }
        };
        tracing::debug!(
            connection = name,
            pid = connection.key.process_id,
            "connected"
        );
        let dialect = Dialect::postgres();
        if let Some(role) = &options.role {
            let sql = format!("set role {}", dialect.quote(role));
            connection.run(&sql, Fetch::None).await?;
        }
        if let Some(path) = &options.search_path {
            let sql = format!("set search_path to {path}");
            connection.run(&sql, Fetch::None).await?;
        }
        Ok(connection)
    }

    async fn try_open(options: &PostgresOptions) -> Result<Self> {
        let mut wire = Wire::new(secure(dial(options).await?, options).await?);
        let key = log_in(&mut wire, options).await?;
        Ok(Self {
            wire,
            options: options.clone(),
            key,
            status: b'I',
        })
    }

    /// Runs statements and keeps the answer of the last.
    async fn run(&mut self, sql: &str, fetch: Fetch) -> Result<Answer> {
        self.wire.put(|buffer| frontend::query(sql, buffer))?;
        self.wire.flush().await?;
        let (answer, _) = self.answer(sql, fetch).await?;
        Ok(answer)
    }

    /// Reads messages until the server is ready again.
    async fn answer(&mut self, sql: &str, fetch: Fetch) -> Result<(Answer, Vec<ColumnType>)> {
        let most = match fetch {
            Fetch::None => 0,
            Fetch::All => usize::MAX,
            Fetch::Limit(rows) => rows,
        };
        let mut answer = Answer::default();
        let mut types = Vec::new();
        let mut table = None;
        let mut failure = None;
        loop {
            match self.wire.next().await? {
                Message::RowDescription(body) => {
                    types = types_of(&body)?;
                    table = Some(Table {
                        columns: columns_of(&body)?,
                        rows: Vec::new(),
                    });
                }
                Message::DataRow(body) => {
                    if let Some(table) = table.as_mut().filter(|table| table.rows.len() < most) {
                        table.rows.push(row_of(&body, &types)?);
                    }
                }
                Message::CommandComplete(body) => {
                    let tag = body.tag().map_err(lost)?.to_owned();
                    let rows = tag.rsplit(' ').next().and_then(|word| word.parse().ok());
                    answer = Answer {
                        tag,
                        rows_affected: rows,
                        table: table.take().filter(|_| fetch != Fetch::None),
                    };
                }
                Message::EmptyQueryResponse => answer = Answer::default(),
                Message::ErrorResponse(body) => {
                    failure.get_or_insert(error_of(body.fields()).located_in(sql));
                }
                Message::CopyInResponse(_) => {
                    self.wire.put(|buffer| {
                        frontend::copy_fail("COPY FROM STDIN has no input here", buffer)
                    })?;
                    self.wire.flush().await?;
                }
                Message::ReadyForQuery(body) => {
                    self.status = body.status();
                    return match failure {
                        Some(error) => Err(error),
                        None => Ok((answer, types)),
                    };
                }
                _ => {}
            }
        }
    }

    /// Sends all rows of a copy that the server has agreed to.
    async fn send_rows(
        &mut self,
        rows: &mut (dyn Iterator<Item = Vec<Cell>> + Send),
    ) -> Result<()> {
        let mut chunk = BytesMut::with_capacity(COPY_CHUNK + 4096);
        for row in rows {
            put_row(&row, &mut chunk);
            if chunk.len() >= COPY_CHUNK {
                self.put_chunk(&mut chunk)?;
                self.wire.flush_above(COPY_CHUNK).await?;
            }
        }
        self.put_chunk(&mut chunk)
    }

    fn put_chunk(&mut self, chunk: &mut BytesMut) -> Result<()> {
        let data = chunk.split().freeze();
        self.wire.put(|buffer| {
            frontend::CopyData::new(data)?.write(buffer);
            Ok(())
        })
    }
}

#[async_trait]
impl Connection for PostgresConnection {
    async fn execute(&mut self, sql: &str, fetch: Fetch) -> Result<Answer> {
        self.run(sql, fetch).await
    }

    async fn begin(&mut self) -> Result<()> {
        if !self.in_transaction() {
            self.run("begin", Fetch::None).await?;
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<()> {
        if self.in_transaction() {
            self.run("commit", Fetch::None).await?;
        }
        Ok(())
    }

    async fn rollback(&mut self) -> Result<()> {
        if self.in_transaction() {
            self.run("rollback", Fetch::None).await?;
        }
        Ok(())
    }

    fn in_transaction(&self) -> bool {
        self.status != b'I'
    }

    async fn schemas(&mut self, _database: &str) -> Result<Vec<String>> {
        let answer = self.run(catalog::SCHEMAS, Fetch::All).await?;
        Ok(catalog::first_texts(answer.table))
    }

    async fn relations(&mut self, database: &str, schema: &str) -> Result<Vec<RelationInfo>> {
        let answer = self
            .run(&catalog::relations_sql(schema), Fetch::All)
            .await?;
        Ok(catalog::relations_of(answer.table, database))
    }

    async fn columns(&mut self, relation: &RelationName) -> Result<Vec<ColumnInfo>> {
        let answer = self
            .run(&catalog::columns_sql(relation), Fetch::All)
            .await?;
        Ok(catalog::columns_of(answer.table))
    }

    async fn dependents(&mut self) -> Result<Vec<(RelationName, RelationName)>> {
        let answer = self.run(catalog::DEPENDENTS, Fetch::All).await?;
        Ok(catalog::dependents_of(answer.table, &self.options.database))
    }

    async fn describe(&mut self, sql: &str) -> Result<Vec<TableColumn>> {
        let sql = sql.trim().trim_end_matches(';');
        self.wire
            .put(|buffer| frontend::parse("", sql, std::iter::empty(), buffer))?;
        self.wire
            .put(|buffer| frontend::describe(b'S', "", buffer))?;
        self.wire.put(|buffer| {
            frontend::sync(buffer);
            Ok(())
        })?;
        self.wire.flush().await?;
        let mut columns = Vec::new();
        let mut column_types = Vec::new();
        let mut failure = None;
        loop {
            match self.wire.next().await? {
                Message::RowDescription(body) => {
                    columns = columns_of(&body)?;
                    column_types = types_of(&body)?;
                }
                Message::ErrorResponse(body) => {
                    failure.get_or_insert(error_of(body.fields()).located_in(sql));
                }
                Message::ReadyForQuery(body) => {
                    self.status = body.status();
                    break;
                }
                _ => {}
            }
        }
        if let Some(error) = failure {
            return Err(error);
        }
        for (column, of) in columns.iter_mut().zip(&column_types) {
            if column.data_type.is_empty() {
                let sql = format!("select format_type({}, {})", of.oid, of.modifier);
                let answer = self.run(&sql, Fetch::All).await?;
                column.data_type = catalog::first_texts(answer.table).pop().unwrap_or_default();
            }
        }
        Ok(columns)
    }

    async fn copy_in(
        &mut self,
        table: &RelationName,
        columns: &[String],
        rows: &mut (dyn Iterator<Item = Vec<Cell>> + Send),
    ) -> Result<u64> {
        let dialect = Dialect::postgres();
        let names: Vec<_> = columns.iter().map(|name| dialect.quote(name)).collect();
        let sql = format!(
            "copy {} ({}) from stdin",
            catalog::quoted(table),
            names.join(", ")
        );
        self.wire.put(|buffer| frontend::query(&sql, buffer))?;
        self.wire.flush().await?;
        match self.wire.next().await? {
            Message::CopyInResponse(_) => {}
            Message::ErrorResponse(body) => {
                let error = error_of(body.fields()).located_in(&sql);
                self.answer(&sql, Fetch::None).await?;
                return Err(error);
            }
            _ => return Err(unexpected("no answer to a copy")),
        }
        self.send_rows(rows).await?;
        self.wire.put(|buffer| {
            frontend::copy_done(buffer);
            Ok(())
        })?;
        self.wire.flush().await?;
        let (answer, _) = self.answer(&sql, Fetch::None).await?;
        Ok(answer.rows_affected.unwrap_or_default())
    }

    fn canceller(&self) -> Box<dyn Canceller> {
        Box::new(PostgresCanceller {
            options: self.options.clone(),
            key: self.key,
        })
    }
}

/// Names a session to the server from another connection.
struct PostgresCanceller {
    options: PostgresOptions,
    key: SessionKey,
}

#[async_trait]
impl Canceller for PostgresCanceller {
    async fn cancel(&self) -> Result<()> {
        let mut stream = dial(&self.options).await?;
        let mut request = BytesMut::new();
        frontend::cancel_request(self.key.process_id, self.key.secret, &mut request);
        stream.write_all(&request).await.map_err(lost)?;
        stream.shutdown().await.map_err(lost)
    }
}

/// Whether connecting may succeed the next time: the server starts, or has no place just now.
fn is_passing(error: &WarehouseError) -> bool {
    error.kind == WarehouseErrorKind::Connect
        && match error.sqlstate.as_deref() {
            None => error.source.is_some(),
            Some(state) => matches!(state, "57P03" | "53300"),
        }
}

fn types_of(body: &RowDescriptionBody) -> Result<Vec<ColumnType>> {
    let types = body.fields().map(|field| {
        Ok(ColumnType {
            oid: field.type_oid(),
            modifier: field.type_modifier(),
        })
    });
    types.collect().map_err(lost)
}

fn columns_of(body: &RowDescriptionBody) -> Result<Vec<TableColumn>> {
    let columns = body.fields().map(|field| {
        let name = types::name_of(field.type_oid(), field.type_modifier());
        Ok(TableColumn::new(field.name(), name.unwrap_or_default()))
    });
    columns.collect().map_err(lost)
}

fn row_of(
    body: &postgres_protocol::message::backend::DataRowBody,
    types: &[ColumnType],
) -> Result<Vec<Cell>> {
    let mut ranges = body.ranges();
    let mut row = Vec::with_capacity(types.len());
    let mut position = 0;
    while let Some(range) = ranges.next().map_err(lost)? {
        let text = range.map(|range| String::from_utf8_lossy(&body.buffer()[range]));
        let oid = types.get(position).map_or(0, |of| of.oid);
        row.push(text.map_or(Cell::Null, |text| cell_of(oid, &text)));
        position += 1;
    }
    Ok(row)
}

/// Writes a row as copy reads it: fields between tabs, a newline behind.
fn put_row(row: &[Cell], into: &mut BytesMut) {
    for (position, cell) in row.iter().enumerate() {
        if position > 0 {
            into.put_u8(b'\t');
        }
        let Some(text) = cell.text() else {
            into.put_slice(b"\\N");
            continue;
        };
        for byte in text.bytes() {
            match byte {
                b'\\' => into.put_slice(b"\\\\"),
                b'\t' => into.put_slice(b"\\t"),
                b'\n' => into.put_slice(b"\\n"),
                b'\r' => into.put_slice(b"\\r"),
                byte => into.put_u8(byte),
            }
        }
    }
    into.put_u8(b'\n');
}
