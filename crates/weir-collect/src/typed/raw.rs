use std::borrow::Cow;

use weir_core::{NameError, Seq, TableName};
use weir_lake::{Placed, Value};

use super::layout::{self, DUPLICATES, EVENTS, QUARANTINE};
use super::sink::Sink;
use crate::json::RawValue;
use crate::record::{Kind, Protocol};

/// One row of `raw_<source>.events`: all that the typed rows of an event depend on.
#[derive(Clone, Copy, Debug)]
pub struct RawEvent<'a> {
    pub seq: Seq,
    pub message_id: &'a str,
    pub kind: Kind,
    pub received_at: i64,
    pub sent_at: Option<i64>,
    pub original_timestamp: Option<i64>,
    pub timestamp: i64,
    /// The sender's address, as far as the source keeps it; may be empty.
    pub ip: &'a str,
    /// The envelope of the request.
    pub batch: Option<&'a str>,
    /// The event's own JSON.
    pub raw: &'a str,
}

/// What the rows of one request share.
pub(crate) struct Origin<'a> {
    pub(crate) received_at: i64,
    pub(crate) protocol: Protocol,
    pub(crate) sdk: &'a str,
    pub(crate) ip: &'a str,
    pub(crate) request_id: &'a str,
}

/// What a raw row holds of an event beside [`RawEvent`].
pub(crate) struct Summary<'a> {
    pub(crate) event: Option<Cow<'a, str>>,
    pub(crate) user_id: Option<Cow<'a, str>>,
    pub(crate) anonymous_id: Option<Cow<'a, str>>,
}

/// The unaltered tables of one source.
pub(crate) struct RawTables<T, C> {
    events: Fixed<T, C>,
    quarantine: Fixed<T, C>,
    duplicates: Fixed<T, C>,
}

/// A table whose columns are all known.
struct Fixed<T, C> {
    table: T,
    columns: Vec<C>,
}

impl<T: Copy, C: Copy> Fixed<T, C> {
    fn open<S: Sink<Table = T, Column = C>>(
        rows: &mut S,
        name: &TableName,
        columns: &'static [(&'static str, weir_lake::ColumnKind)],
        bloom: &[&'static str],
    ) -> Self {
        let table = rows.open(name, &|| layout::fixed(columns, bloom));
        // Columns of the spec are there from the start, so none is missing even in a full table.
        let columns = columns
            .iter()
            .filter_map(|&(name, kind)| rows.column(table, name, kind));
        Self {
            table,
            columns: columns.collect(),
        }
    }

    /// Writes a row; `values` are in the order of the columns.
    fn write<S: Sink<Table = T, Column = C>>(
        &self,
        rows: &mut S,
        seq: Seq,
        values: &[Option<Value<'_>>],
    ) {
        if !rows.begin(self.table, seq) {
            return;
        }
        for (&column, value) in self.columns.iter().zip(values) {
            if let Some(value) = *value
                && let Placed::Refused(reason) = rows.set(self.table, column, value)
            {
                // Ours alone to write: a refusal means that someone changed the table's schema.
                tracing::error!(reason, "a raw column does not take its value");
            }
        }
        rows.end(self.table);
    }
}

pub(crate) fn text(text: &str) -> Option<Value<'_>> {
    (!text.is_empty()).then_some(Value::String(text))
}

pub(crate) fn instant(micros: i64) -> Value<'static> {
    Value::Timestamp(micros, "")
}

pub(crate) fn position(seq: Seq) -> Value<'static> {
    Value::Integer(i64::try_from(seq.0).unwrap_or(i64::MAX))
}

impl<T: Copy, C: Copy> RawTables<T, C> {
    /// Opens the tables in `schema`.
    pub(crate) fn open<S: Sink<Table = T, Column = C>>(
        rows: &mut S,
        schema: &str,
    ) -> Result<Self, NameError> {
        let name = |table: &str| TableName::new(schema, table);
        Ok(Self {
            events: Fixed::open(
                rows,
                &name("events")?,
                EVENTS,
                &["message_id", "user_id", "anonymous_id", "request_id"],
            ),
            quarantine: Fixed::open(
                rows,
                &name("quarantine")?,
                QUARANTINE,
                &["message_id", "request_id"],
            ),
            duplicates: Fixed::open(
                rows,
                &name("duplicates")?,
                DUPLICATES,
                &["message_id", "request_id"],
            ),
        })
    }

    pub(crate) fn event<S: Sink<Table = T, Column = C>>(
        &self,
        rows: &mut S,
        event: &RawEvent<'_>,
        origin: &Origin<'_>,
        summary: &Summary<'_>,
    ) {
        self.events.write(
            rows,
            event.seq,
            &[
                Some(position(event.seq)),
                text(event.message_id),
                text(event.kind.as_str()),
                summary.event.as_deref().and_then(text),
                summary.user_id.as_deref().and_then(text),
                summary.anonymous_id.as_deref().and_then(text),
                Some(instant(event.received_at)),
                event.sent_at.map(instant),
                event.original_timestamp.map(instant),
                Some(instant(event.timestamp)),
                text(origin.protocol.as_str()),
                text(origin.sdk),
                text(origin.ip),
                text(origin.request_id),
                event.batch.and_then(text),
                text(event.raw),
            ],
        );
    }

    pub(crate) fn quarantine<S: Sink<Table = T, Column = C>>(
        &self,
        rows: &mut S,
        seq: Seq,
        origin: &Origin<'_>,
        (reason, detail, message_id): (&str, &str, &str),
        raw: &[u8],
    ) {
        // NUL is valid UTF-8, but most readers of text columns cannot hold it.
        let as_text = simdutf8::basic::from_utf8(raw)
            .ok()
            .filter(|t| !t.contains('\0'));
        self.quarantine.write(
            rows,
            seq,
            &[
                Some(position(seq)),
                Some(instant(origin.received_at)),
                text(reason),
                text(detail),
                text(message_id),
                text(origin.protocol.as_str()),
                text(origin.sdk),
                text(origin.ip),
                text(origin.request_id),
                as_text.map(Value::String),
                as_text.is_none().then_some(Value::Binary(raw)),
            ],
        );
    }

    pub(crate) fn duplicate<S: Sink<Table = T, Column = C>>(
        &self,
        rows: &mut S,
        (seq, first): (Seq, Seq),
        origin: &Origin<'_>,
        message_id: &str,
        different: Option<&str>,
    ) {
        self.duplicates.write(
            rows,
            seq,
            &[
                Some(position(seq)),
                Some(instant(origin.received_at)),
                text(message_id),
                Some(position(first)),
                text(if different.is_some() {
                    "different"
                } else {
                    "same"
                }),
                different.and_then(text),
                text(origin.request_id),
            ],
        );
    }
}

/// Returns an identifier for a text column.
pub(crate) fn id_text(value: Option<RawValue<'_>>) -> Option<Cow<'_, str>> {
    Some(value.filter(|value| !value.is_empty())?.identifier()?.0).filter(|id| !id.is_empty())
}
