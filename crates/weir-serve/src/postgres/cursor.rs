//! An answer that is being read, in one go or in parts.

use std::future::Future;
use std::pin::Pin;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::StreamExt;
use tokio::sync::futures::Notified;
use weir_query::{QueryError, QueryResult};

use super::encode::copy::{self, Copied, Style};
use super::encode::{Formats, Rows, Zone};
use super::failure::Failure;
use super::wire::{Broken, Wire};

/// Why work for a client ended before its end.
#[derive(Debug)]
pub(super) enum Stop {
    /// The client is told, and may go on.
    Told(Failure),
    /// There is nobody to tell.
    Broken(Broken),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Stop::Told(failure)
    }
}

impl From<Broken> for Stop {
    fn from(broken: Broken) -> Self {
        Stop::Broken(broken)
    }
}

/// Fires when somebody asks for the running statement to end.
pub(super) type Asked<'a, 'b> = Pin<&'a mut Notified<'b>>;

/// Waits for `work`, unless the client goes away or asks for the end.
pub(super) async fn interruptible<T>(
    wire: &mut Wire,
    asked: &mut Asked<'_, '_>,
    work: impl Future<Output = T>,
) -> Result<T, Stop> {
    tokio::select! {
        biased;
        done = work => Ok(done),
        () = asked.as_mut() => Err(cancelled()),
        broken = wire.gone() => Err(Stop::Broken(broken)),
    }
}

pub(super) fn cancelled() -> Stop {
    Stop::Told(Failure::new(
        "57014",
        "canceling statement due to user request",
    ))
}

/// Sends what has gathered, unless somebody asks for the end: a client that does not read must not
/// keep a query open.
async fn drain(wire: &mut Wire, asked: &mut Asked<'_, '_>) -> Result<(), Stop> {
    tokio::select! {
        biased;
        sent = wire.drain() => Ok(sent?),
        () = asked.as_mut() => Err(cancelled()),
    }
}

/// The rows of a query, and how far they were read.
pub(super) struct Answer {
    result: QueryResult,
    /// The batch that is being read, and its next row.
    batch: Option<(RecordBatch, usize)>,
    sql: String,
    done: bool,
}

impl Answer {
    pub(super) fn new(result: QueryResult, sql: String) -> Self {
        Self {
            result,
            batch: None,
            sql,
            done: false,
        }
    }

    pub(super) fn schema(&self) -> SchemaRef {
        self.result.schema.clone()
    }

    /// Returns the answer to a statement that has no rows, as its tag.
    pub(super) fn tag(&self, rows: u64) -> String {
        let command = &self.result.command;
        match (command.tag, command.rows) {
            // CREATE TABLE AS says what it selected.
            ("SELECT", written) => format!("SELECT {}", written.unwrap_or(rows)),
            ("INSERT", Some(rows)) => format!("INSERT 0 {rows}"),
            (tag, Some(rows)) => format!("{tag} {rows}"),
            (tag, None) => tag.to_owned(),
        }
    }

    /// Whether the statement answers with rows.
    pub(super) fn has_rows(&self) -> bool {
        let command = &self.result.command;
        (command.tag == "SELECT" && command.rows.is_none())
            || !self.result.schema.fields().is_empty()
    }

    /// Gets the next batch with rows in it; none at the end.
    async fn advance(&mut self, wire: &mut Wire, asked: &mut Asked<'_, '_>) -> Result<bool, Stop> {
        loop {
            if let Some((batch, at)) = &self.batch
                && *at < batch.num_rows()
            {
                return Ok(true);
            }
            if self.done {
                return Ok(false);
            }
            match interruptible(wire, asked, self.result.rows.next()).await? {
                Some(Ok(batch)) => self.batch = Some((batch, 0)),
                Some(Err(error)) => return Err(self.failed(&error)),
                None => {
                    self.done = true;
                    self.batch = None;
                }
            }
        }
    }

    fn failed(&self, error: &QueryError) -> Stop {
        Stop::Told(Failure::of_query(error, &self.sql))
    }

    /// Sends rows, at most `limit` of them; returns how many, and whether these were the last.
    pub(super) async fn send(
        &mut self,
        wire: &mut Wire,
        asked: &mut Asked<'_, '_>,
        formats: &Formats,
        zone: &Zone,
        limit: Option<u64>,
    ) -> Result<(u64, bool), Stop> {
        let mut sent = 0;
        loop {
            if limit.is_some_and(|limit| sent >= limit) {
                // Postgres, too, says that there may be more without looking.
                return Ok((sent, false));
            }
            if !self.advance(wire, asked).await? {
                return Ok((sent, true));
            }
            let Some((batch, at)) = &mut self.batch else {
                return Ok((sent, true));
            };
            let rows = Rows::new(batch, formats, zone).map_err(unwritable)?;
            while *at < batch.num_rows() && limit.is_none_or(|limit| sent < limit) {
                rows.data_row(*at, &mut wire.output).map_err(unwritable)?;
                (*at, sent) = (*at + 1, sent + 1);
                drain(wire, asked).await?;
            }
        }
    }

    /// Passes over rows; returns how many there were.
    pub(super) async fn skip(
        &mut self,
        wire: &mut Wire,
        asked: &mut Asked<'_, '_>,
        limit: Option<u64>,
    ) -> Result<u64, Stop> {
        let mut passed = 0;
        while limit.is_none_or(|limit| passed < limit) && self.advance(wire, asked).await? {
            if let Some((batch, at)) = &mut self.batch {
                let left = (batch.num_rows() - *at) as u64;
                let step = limit.map_or(left, |limit| left.min(limit - passed));
                *at += step as usize;
                passed += step;
            }
        }
        Ok(passed)
    }

    /// Sends all rows in the way of COPY; returns how many.
    pub(super) async fn copy(
        &mut self,
        wire: &mut Wire,
        asked: &mut Asked<'_, '_>,
        style: &Style,
        zone: &Zone,
    ) -> Result<u64, Stop> {
        copy::begin(style, &self.schema(), &mut wire.output);
        let mut sent = 0;
        while self.advance(wire, asked).await? {
            let Some((batch, at)) = &mut self.batch else {
                break;
            };
            let rows = Copied::new(style, batch, zone).map_err(unwritable)?;
            while *at < batch.num_rows() {
                rows.row(*at, &mut wire.output).map_err(unwritable)?;
                (*at, sent) = (*at + 1, sent + 1);
                drain(wire, asked).await?;
            }
        }
        copy::end(style, &mut wire.output);
        Ok(sent)
    }
}

fn unwritable(error: arrow::error::ArrowError) -> Stop {
    Stop::Told(Failure::new("22000", error.to_string()))
}
