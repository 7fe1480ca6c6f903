use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use weir_core::{NameError, Seq, SourceName};
use weir_lake::{Apply, ColumnId, DedupKey, Record, Rows, Seen, TableId};

use super::facts::Envelope;
use super::raw::{Origin, RawEvent, RawTables, Summary, id_text};
use super::sink::Sink;
use super::typer::{Typer, WEBHOOK_EVENT};
use crate::json::Head;
use crate::record::{self, Event, Kind, Protocol, Request};

/// What became of events after the door, since the process started.
#[derive(Clone, Debug, Default)]
pub struct ApplyCounts {
    inner: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    applied: AtomicU64,
    duplicates: AtomicU64,
    conflicts: AtomicU64,
    undecodable: AtomicU64,
}

impl ApplyCounts {
    /// Returns the events that became rows.
    pub fn applied(&self) -> u64 {
        self.inner.applied.load(Ordering::Relaxed)
    }

    /// Returns the events that had come before, with the same payload.
    pub fn duplicates(&self) -> u64 {
        self.inner.duplicates.load(Ordering::Relaxed)
    }

    /// Returns the events whose id had come before with another payload.
    pub fn conflicts(&self) -> u64 {
        self.inner.conflicts.load(Ordering::Relaxed)
    }

    /// Returns the records that could not be read: always 0, or someone else wrote the log.
    pub fn undecodable(&self) -> u64 {
        self.inner.undecodable.load(Ordering::Relaxed)
    }
}

/// Returns what the lake needs to know events; it adds to `counts`.
pub fn event_apply(counts: &ApplyCounts) -> Box<dyn Apply> {
    Box::new(EventApply::<TableId, ColumnId>::new(counts.clone()))
}

/// Turns records of requests into the rows of their events.
pub struct EventApply<T = TableId, C = ColumnId> {
    typer: Typer<T, C>,
    raw: HashMap<u32, (String, RawTables<T, C>)>,
    counts: ApplyCounts,
}

impl Apply for EventApply {
    fn apply(&mut self, record: &Record<'_>, rows: &mut Rows<'_>) {
        self.record(record.first, record.payload, rows);
    }
}

impl<T: Copy, C: Copy + PartialEq> EventApply<T, C> {
    /// Returns an apply that has seen nothing yet, and adds to `counts`.
    pub fn new(counts: ApplyCounts) -> Self {
        Self {
            typer: Typer::new(),
            raw: HashMap::new(),
            counts,
        }
    }

    /// Writes the rows of the record at `first`.
    pub fn record<S: Sink<Table = T, Column = C>>(
        &mut self,
        first: Seq,
        payload: &[u8],
        rows: &mut S,
    ) {
        let request = match record::decode(payload) {
            Ok(request) if SourceName::new(request.source).is_ok() => request,
            decoded => {
                let detail = match decoded {
                    Ok(request) => format!("`{}` cannot be a source", request.source),
                    Err(error) => error.to_string(),
                };
                return self.undecodable(first, &detail, payload, rows);
            }
        };
        if let Err(error) = self.request(first, &request, rows) {
            // A valid source name makes valid schema names, so this does not happen.
            self.undecodable(first, &error.to_string(), payload, rows);
        }
    }

    fn request<S: Sink<Table = T, Column = C>>(
        &mut self,
        first: Seq,
        request: &Request<'_>,
        rows: &mut S,
    ) -> Result<(), NameError> {
        let known = self.raw.get(&request.source_id);
        if known.is_none_or(|(name, _)| name != request.source) {
            let tables = RawTables::open(rows, &format!("raw_{}", request.source))?;
            self.raw
                .insert(request.source_id, (request.source.to_owned(), tables));
        }
        let (_, tables) = &self.raw[&request.source_id];
        let request_id = hex(request.request_id);
        let origin = Origin {
            received_at: request.received_at,
            protocol: request.protocol,
            sdk: request.sdk,
            ip: request.ip,
            request_id: &request_id,
        };
        let envelope = Envelope::read(request.envelope);
        let mut seq = first;
        let (mut applied, mut same, mut conflicts) = (0, 0, 0);
        for event in &request.events {
            match *event {
                Event::Quarantined {
                    reason,
                    detail,
                    message_id,
                    raw,
                } => {
                    tables.quarantine(rows, seq, &origin, (reason, detail, message_id), raw);
                }
                Event::Accepted {
                    kind,
                    message_id,
                    generated,
                    raw,
                } => {
                    let Ok(head) = Head::parse(raw.as_bytes(), 64) else {
                        let why = ("malformed_json", "not an event", message_id);
                        tables.quarantine(rows, seq, &origin, why, raw.as_bytes());
                        seq = seq.plus(1);
                        continue;
                    };
                    let seen = if generated {
                        Seen::New
                    } else {
                        rows.seen(DedupKey {
                            scope: request.source_id,
                            id: message_id.as_bytes(),
                            payload: head.payload_hash(raw.as_bytes()),
                            received_at: request.received_at,
                            seq,
                        })
                    };
                    match seen {
                        Seen::New => {
                            applied += 1;
                            let times = envelope.times(&head, request.received_at);
                            let when = times.resolve(request.clock);
                            let event = RawEvent {
                                seq,
                                message_id,
                                kind,
                                received_at: request.received_at,
                                sent_at: times.sent_at,
                                original_timestamp: when.original,
                                timestamp: when.timestamp,
                                ip: request.ip,
                                batch: request.envelope,
                                raw,
                            };
                            tables.event(rows, &event, &origin, &summary(kind, &head));
                            self.typer
                                .place_read(request.source, &event, &head, envelope, rows)?;
                        }
                        Seen::Same { first } => {
                            same += 1;
                            tables.duplicate(rows, (seq, first), &origin, message_id, None);
                        }
                        Seen::Different { first } => {
                            conflicts += 1;
                            tables.duplicate(rows, (seq, first), &origin, message_id, Some(raw));
                        }
                    }
                }
            }
            seq = seq.plus(1);
        }
        self.counts
            .inner
            .applied
            .fetch_add(applied, Ordering::Relaxed);
        self.counts
            .inner
            .duplicates
            .fetch_add(same, Ordering::Relaxed);
        self.counts
            .inner
            .conflicts
            .fetch_add(conflicts, Ordering::Relaxed);
        Ok(())
    }

    /// Keeps a record that cannot be read, under a schema no source can have.
    #[cold]
    fn undecodable<S: Sink<Table = T, Column = C>>(
        &mut self,
        seq: Seq,
        detail: &str,
        payload: &[u8],
        rows: &mut S,
    ) {
        tracing::error!(%seq, detail, "a record of the log cannot be read; it is kept in raw_weir.quarantine");
        self.counts
            .inner
            .undecodable
            .fetch_add(1, Ordering::Relaxed);
        let Ok(tables) = RawTables::open(rows, "raw_weir") else {
            return;
        };
        let origin = Origin {
            received_at: 0,
            protocol: Protocol::Internal,
            sdk: "",
            ip: "",
            request_id: "",
        };
        tables.quarantine(
            rows,
            seq,
            &origin,
            ("undecodable_record", detail, ""),
            payload,
        );
    }
}

/// Returns what a raw row shows of an event beside its JSON.
pub(crate) fn summary<'a>(kind: Kind, head: &Head<'a>) -> Summary<'a> {
    let event = match kind {
        Kind::Track => id_text(head.event),
        Kind::Page | Kind::Screen => id_text(head.name),
        Kind::Webhook => Some(WEBHOOK_EVENT.into()),
        _ => None,
    };
    if kind == Kind::Webhook {
        return Summary {
            event,
            user_id: None,
            anonymous_id: None,
        };
    }
    Summary {
        event,
        user_id: id_text(head.user_id),
        anonymous_id: id_text(head.anonymous_id),
    }
}

/// Returns a request id as people see it.
pub(crate) fn hex(id: [u8; 16]) -> String {
    use std::fmt::Write;
    id.iter().fold(String::with_capacity(32), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}
