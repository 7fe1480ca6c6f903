use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampMicrosecondType};
use arrow::error::ArrowError;
use weir_core::{Seq, SourceName};
use weir_lake::{ColumnId, Derive, Rows, TableId};

use super::raw::RawEvent;
use super::sink::Sink;
use super::typer::Typer;
use crate::record::Kind;

/// Returns what derives the typed tables of `source` from its unaltered events again.
pub fn event_derive(source: &SourceName) -> Box<dyn Derive> {
    Box::new(EventDerive::<TableId, ColumnId>::new(source.clone()))
}

/// Turns rows of `raw_<source>.events` into typed rows, as [`super::EventApply`] did when the
/// events came in.
pub struct EventDerive<T = TableId, C = ColumnId> {
    source: SourceName,
    typer: Typer<T, C>,
}

impl Derive for EventDerive {
    fn derive(&mut self, batch: &RecordBatch, rows: &mut Rows<'_>) {
        if let Err(error) = self.batch(batch, rows) {
            // Ours alone to write: this means that someone changed the table's columns.
            tracing::error!(source = %self.source, %error, "unaltered rows cannot be read");
        }
    }
}

impl<T: Copy, C: Copy + PartialEq> EventDerive<T, C> {
    /// Returns a derivation that has seen nothing yet.
    pub fn new(source: SourceName) -> Self {
        Self {
            source,
            typer: Typer::new(),
        }
    }

    /// Places the events of `batch`, which must be in the order of their positions.
    pub fn batch<S: Sink<Table = T, Column = C>>(
        &mut self,
        batch: &RecordBatch,
        rows: &mut S,
    ) -> Result<(), ArrowError> {
        let events = Events::read(batch)?;
        for at in 0..batch.num_rows() {
            // Without its position or kind a row is none of ours.
            let Some(event) = events.event(at) else {
                continue;
            };
            self.typer
                .place(self.source.as_str(), &event, rows)
                .map_err(|error| ArrowError::ExternalError(error.into()))?;
        }
        Ok(())
    }
}

/// The columns of a batch that typed rows depend on.
struct Events {
    seq: arrow::array::Int64Array,
    message_id: StringArray,
    kind: StringArray,
    times: [arrow::array::TimestampMicrosecondArray; 4],
    ip: StringArray,
    batch: StringArray,
    raw: StringArray,
}

impl Events {
    /// Reads the columns, whichever of Arrow's text types the file reader chose.
    fn read(batch: &RecordBatch) -> Result<Self, ArrowError> {
        let column = |name: &str, kind: &DataType| {
            let column = batch
                .column_by_name(name)
                .ok_or_else(|| ArrowError::SchemaError(format!("there is no column `{name}`")))?;
            cast(column, kind)
        };
        let text = |name| Ok::<_, ArrowError>(column(name, &DataType::Utf8)?.as_string().clone());
        let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
        let time = |name| {
            let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
            // Via UTC, so that no zone shifts the instant.
            let instants = cast(&column(name, &utc)?, &micros)?;
            Ok::<_, ArrowError>(instants.as_primitive::<TimestampMicrosecondType>().clone())
        };
        Ok(Self {
            seq: column("weir_seq", &DataType::Int64)?
                .as_primitive::<Int64Type>()
                .clone(),
            message_id: text("message_id")?,
            kind: text("type")?,
            times: [
                time("received_at")?,
                time("sent_at")?,
                time("original_timestamp")?,
                time("timestamp")?,
            ],
            ip: text("ip")?,
            batch: text("batch")?,
            raw: text("raw")?,
        })
    }

    /// Returns the event at `at`; none when the row lacks what every event has.
    fn event(&self, at: usize) -> Option<RawEvent<'_>> {
        let time = |column: usize| {
            let times = &self.times[column];
            times.is_valid(at).then(|| times.value(at))
        };
        let seq = self.seq.is_valid(at).then(|| self.seq.value(at))?;
        let received_at = time(0)?;
        Some(RawEvent {
            seq: Seq(u64::try_from(seq).ok()?),
            message_id: text(&self.message_id, at).unwrap_or_default(),
            kind: Kind::from_word(text(&self.kind, at)?)?,
            received_at,
            sent_at: time(1),
            original_timestamp: time(2),
            timestamp: time(3).unwrap_or(received_at),
            ip: text(&self.ip, at).unwrap_or_default(),
            batch: text(&self.batch, at),
            raw: text(&self.raw, at).unwrap_or_default(),
        })
    }
}

fn text(column: &StringArray, at: usize) -> Option<&str> {
    column.is_valid(at).then(|| column.value(at))
}
