//! What a query gives back.

use std::collections::BTreeMap;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{Stream, StreamExt};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::Sleep;

use crate::error::{QueryError, QueryErrorKind};
use crate::registry::QueryId;
use crate::secured::Guard;

/// How long after its deadline a query may take to notice it before we stop waiting for it.
const GRACE: Duration = Duration::from_secs(2);

/// The version of a table that a query reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PinnedVersion {
    /// The committed version; none while all rows are in memory.
    pub version: Option<u64>,
    /// Rows it reads that no commit has yet.
    pub rows_in_memory: u64,
}

/// What a statement did, as Postgres says it in a command tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// `SELECT`, `INSERT`, `CREATE TABLE`, ...
    pub tag: &'static str,
    /// The rows a writing statement wrote, changed or removed.
    pub rows: Option<u64>,
}

impl Command {
    /// A statement that answers with rows and changes nothing.
    pub const SELECT: Command = Command {
        tag: "SELECT",
        rows: None,
    };
}

/// What a statement would answer, found without running it.
#[derive(Clone, Debug)]
pub struct Description {
    /// The columns of the result; none when the statement returns no rows.
    pub schema: Option<SchemaRef>,
    /// The types of `$1`, `$2`, ..., where the statement shows them.
    pub parameters: Vec<Option<DataType>>,
}

/// A query that was planned and has begun to run.
#[derive(Debug)]
pub struct QueryResult {
    pub id: QueryId,
    /// The columns of the result.
    pub schema: SchemaRef,
    /// The tables it reads, as `schema.table`, and the version of each.
    pub versions: BTreeMap<String, PinnedVersion>,
    /// What it does. A statement that writes has done it when this is returned, and has no rows.
    pub command: Command,
    /// When the query came in.
    pub started: Instant,
    /// The rows. Dropping it ends the query.
    pub rows: QueryStream,
}

/// What the thread that runs a query tells the one that reads its rows.
pub(crate) enum Message {
    Batch(RecordBatch),
    Failed(QueryError),
    Done,
}

/// The rows of a query, batch by batch. Dropping it ends the query.
#[derive(Debug)]
pub struct QueryStream {
    schema: SchemaRef,
    messages: mpsc::Receiver<Message>,
    deadline: Pin<Box<Sleep>>,
    timeout: Duration,
    /// What the rows rest on: asked before each batch is handed out.
    guard: Option<Arc<Guard>>,
    ended: bool,
}

impl QueryStream {
    pub(crate) fn new(
        schema: SchemaRef,
        messages: mpsc::Receiver<Message>,
        deadline: Instant,
        timeout: Duration,
    ) -> Self {
        let deadline = Box::pin(tokio::time::sleep_until((deadline + GRACE).into()));
        Self {
            schema,
            messages,
            deadline,
            timeout,
            guard: None,
            ended: false,
        }
    }

    /// Returns the rows of a statement that has none, and is done.
    pub(crate) fn finished(deadline: Instant, timeout: Duration) -> Self {
        let (_, messages) = mpsc::channel(1);
        let mut rows = Self::new(Arc::new(Schema::empty()), messages, deadline, timeout);
        rows.ended = true;
        rows
    }

    /// Hands rows out only as long as the rights hold that the query rests on.
    pub(crate) fn guarded(mut self, guard: Arc<Guard>) -> Self {
        self.guard = Some(guard);
        self
    }

    /// Returns the columns of the result.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// Returns the rows as the engine's own kind of stream.
    pub fn into_record_batches(self) -> SendableRecordBatchStream {
        let schema = self.schema();
        let batches =
            self.map(|batch| batch.map_err(|error| DataFusionError::External(Box::new(error))));
        Box::pin(RecordBatchStreamAdapter::new(schema, batches))
    }
}

impl Stream for QueryStream {
    type Item = Result<RecordBatch, QueryError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let end = match self.messages.poll_recv(cx) {
            Poll::Ready(Some(Message::Batch(batch))) => {
                match self.guard.as_ref().map_or(Ok(()), |guard| guard.recheck()) {
                    Ok(()) => return Poll::Ready(Some(Ok(batch))),
                    Err(revoked) => Some(Err(revoked)),
                }
            }
            Poll::Ready(Some(Message::Done)) => None,
            Poll::Ready(Some(Message::Failed(error))) => Some(Err(error)),
            // The running side always says how it ended, unless it was torn down.
            Poll::Ready(None) => Some(Err(QueryError::internal(
                "the query's thread ended without a word",
            ))),
            Poll::Pending => match self.deadline.as_mut().poll(cx) {
                // A computation that never yields cannot notice its deadline; its reader does.
                Poll::Ready(()) => Some(Err(timed_out(self.timeout))),
                Poll::Pending => return Poll::Pending,
            },
        };
        self.ended = true;
        self.messages.close();
        Poll::Ready(end)
    }
}

pub(crate) fn timed_out(timeout: Duration) -> QueryError {
    QueryError::new(
        QueryErrorKind::Timeout,
        format!(
            "the query took longer than the {} it may take",
            humane(timeout)
        ),
    )
    .hint("narrow it with WHERE, or ask with a longer timeout")
}

fn humane(duration: Duration) -> String {
    if duration.as_secs() >= 1 {
        format!("{} s", duration.as_secs())
    } else {
        format!("{} ms", duration.as_millis())
    }
}
