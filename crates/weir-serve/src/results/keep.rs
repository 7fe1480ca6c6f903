use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::StreamExt;
use serde_json::Value;
use tokio::sync::mpsc;
use weir_catalog::{NewStoredResult, StoredResult};
use weir_query::{QueryResult, ResultWriter};

use super::ask::{Asked, failure, shown_columns, tail};
use super::facts::Facts;
use super::{MAX_BYTES, MAX_ROWS, Rooms};
use crate::error::chain;
use crate::query::{Chunk, Encoder, Flat, broken_off, plain, to_plain};

/// An answer that is to be kept.
pub(super) struct Keeping {
    pub(super) id: String,
    pub(super) made_by: String,
    pub(super) user_id: i64,
    pub(super) identity: Option<[u8; 32]>,
    pub(super) facts: Facts,
    pub(super) asked: Asked,
}

/// The file the rows go to. When it cannot be written, whoever asked gets the rows all the same.
struct Kept {
    schema: SchemaRef,
    writer: Option<ResultWriter>,
    rows: u64,
}

impl Kept {
    async fn write(&mut self, batch: &RecordBatch) {
        let Some(writer) = &mut self.writer else {
            return;
        };
        let written = match to_plain(batch, &self.schema) {
            Ok(batch) => writer.write(&batch).await.map_err(|error| chain(&error)),
            Err(error) => Err(error.to_string()),
        };
        match written {
            Ok(()) => self.rows += batch.num_rows() as u64,
            Err(error) => {
                tracing::warn!(error, "an answer is not kept");
                self.writer = None;
            }
        }
    }

    /// Whether there is no room for more.
    fn is_full(&self) -> bool {
        self.rows >= MAX_ROWS || self.writer.as_ref().is_some_and(|w| w.bytes() >= MAX_BYTES)
    }
}

/// Sends the first rows to whoever asked, and all of them to the store.
///
/// Whoever asked may leave, which ends the query; then nothing is kept.
pub(super) async fn keep(
    rooms: Rooms,
    mut result: QueryResult,
    first: Option<RecordBatch>,
    mut encoder: Encoder,
    sender: mpsc::Sender<Chunk>,
    keeping: Keeping,
) {
    let schema = plain(&result.schema, Flat::Parquet);
    let writer = rooms.store.write(&keeping.id, schema.clone());
    let mut kept = Kept {
        schema,
        writer: writer
            .inspect_err(|error| tracing::warn!(error = chain(error), "an answer is not kept"))
            .ok(),
        rows: 0,
    };
    let Ok(head) = encoder.head() else {
        let _ = sender.send(Err(broken_off())).await;
        return;
    };
    if sender.send(Ok(head)).await.is_err() {
        return;
    }
    let mut next = first.map(Ok);
    let mut cut_off = false;
    loop {
        let batch = match next.take() {
            Some(batch) => Some(batch),
            None => tokio::select! {
                biased;
                () = sender.closed() => return,
                batch = result.rows.next() => batch,
            },
        };
        match batch {
            None => break,
            Some(Err(error)) => {
                let last = match keeping.asked.bare {
                    true => Err(broken_off()),
                    false => encoder.broken(&failure(&error)).ok_or(error),
                };
                let _ = sender.send(last).await;
                return;
            }
            Some(Ok(batch)) => {
                if !send_some(&mut encoder, &batch, keeping.asked.rows, &sender).await {
                    return;
                }
                kept.write(&batch).await;
                let enough = encoder.rows() as usize >= keeping.asked.rows;
                if kept.is_full() || (kept.writer.is_none() && enough) {
                    cut_off = true;
                    break;
                }
            }
        }
    }
    let bare = keeping.asked.bare;
    if let Some(stored) = finish(&rooms, &result, kept, cut_off, keeping).await {
        encoder.set_tail(tail(&stored, false, bare));
    }
    let end = encoder.end().map_err(|_| broken_off());
    let _ = sender.send(end).await;
}

/// Sends the rows of `batch` that come with the answer; returns false when nobody reads.
async fn send_some(
    encoder: &mut Encoder,
    batch: &RecordBatch,
    wanted: usize,
    sender: &mpsc::Sender<Chunk>,
) -> bool {
    let left = wanted.saturating_sub(encoder.rows() as usize);
    if left == 0 {
        return !sender.is_closed();
    }
    match encoder.batch(&batch.slice(0, left.min(batch.num_rows()))) {
        Ok(bytes) => sender.send(Ok(bytes)).await.is_ok(),
        Err(error) => {
            tracing::error!(%error, "rows cannot be written");
            let _ = sender.send(Err(broken_off())).await;
            false
        }
    }
}

async fn finish(
    rooms: &Rooms,
    result: &QueryResult,
    kept: Kept,
    cut_off: bool,
    keeping: Keeping,
) -> Option<StoredResult> {
    let elapsed = result.started.elapsed().as_millis();
    let bytes = match kept.writer?.finish().await {
        Ok(bytes) => bytes,
        Err(error) => {
            tracing::warn!(error = chain(&error), "an answer is not kept");
            return None;
        }
    };
    let Keeping {
        id,
        made_by,
        user_id,
        identity,
        facts,
        asked,
    } = keeping;
    let new = NewStoredResult {
        id,
        identity: identity.filter(|_| !cut_off),
        user_id,
        made_by,
        question: asked.question,
        sql: asked.sql,
        params: Value::from(asked.params),
        reads: facts.reads,
        versions: serde_json::to_value(&result.versions).unwrap_or_default(),
        columns: shown_columns(result),
        rows: kept.rows,
        bytes,
        elapsed_ms: u64::try_from(elapsed).unwrap_or(u64::MAX),
        cut_off,
        private: facts.private,
    };
    rooms
        .catalog
        .put_result(&new)
        .await
        .inspect_err(|error| tracing::warn!(error = chain(error), "an answer is not kept"))
        .ok()
}
