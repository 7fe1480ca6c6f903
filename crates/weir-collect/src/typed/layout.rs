//! The tables, and the columns they start with.

use weir_lake::{ColumnKind, ColumnSpec, TableSpec};

use crate::record::Kind;

/// Columns every typed table has, in this order; the constants are their places.
pub(crate) const BASE: [(&str, ColumnKind); 13] = [
    ("id", ColumnKind::String),
    ("anonymous_id", ColumnKind::String),
    ("user_id", ColumnKind::String),
    ("received_at", ColumnKind::Timestamp),
    ("sent_at", ColumnKind::Timestamp),
    ("original_timestamp", ColumnKind::Timestamp),
    ("timestamp", ColumnKind::Timestamp),
    ("uuid_ts", ColumnKind::Timestamp),
    ("channel", ColumnKind::String),
    ("context_ip", ColumnKind::String),
    ("context_request_ip", ColumnKind::String),
    ("context_passed_ip", ColumnKind::String),
    ("weir_seq", ColumnKind::Integer),
];
pub(crate) const ID: usize = 0;
pub(crate) const ANONYMOUS_ID: usize = 1;
pub(crate) const USER_ID: usize = 2;
pub(crate) const RECEIVED_AT: usize = 3;
pub(crate) const SENT_AT: usize = 4;
pub(crate) const ORIGINAL_TIMESTAMP: usize = 5;
pub(crate) const TIMESTAMP: usize = 6;
pub(crate) const UUID_TS: usize = 7;
pub(crate) const CHANNEL: usize = 8;
pub(crate) const CONTEXT_IP: usize = 9;
pub(crate) const CONTEXT_REQUEST_IP: usize = 10;
pub(crate) const CONTEXT_PASSED_IP: usize = 11;
pub(crate) const WEIR_SEQ: usize = 12;

/// A table of the layout, as far as its fixed columns go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Shape {
    /// `tracks` and the tables of single events.
    Track,
    Identify,
    Page,
    Group,
    Alias,
}

impl Shape {
    /// Returns the columns the shape has beyond [`BASE`]; all hold text.
    pub(crate) fn own(self) -> &'static [&'static str] {
        match self {
            Shape::Track => &["event", "event_text"],
            Shape::Identify => &[],
            Shape::Page => &["name"],
            Shape::Group => &["group_id"],
            Shape::Alias => &["previous_id"],
        }
    }

    /// Whether a property or trait of this name would hide a column of the layout.
    pub(crate) fn reserves(self, column: &str) -> bool {
        BASE.iter().any(|(name, _)| *name == column) || self.own().contains(&column)
    }

    /// Returns what a new table of the shape starts with.
    pub(crate) fn spec(self) -> TableSpec {
        let base = BASE.iter().map(|&(name, kind)| ColumnSpec {
            name,
            kind,
            fixed: true,
        });
        let own = self.own().iter().map(|&name| ColumnSpec {
            name,
            kind: ColumnKind::String,
            fixed: true,
        });
        TableSpec {
            columns: base.chain(own).collect(),
            sort_by: Some("timestamp"),
            bloom: vec!["id", "user_id", "anonymous_id"],
        }
    }
}

/// Returns the table and shape of a kind of event; `None` for kinds that stay raw.
pub(crate) fn table_of(kind: Kind) -> Option<(&'static str, Shape)> {
    Some(match kind {
        Kind::Track | Kind::Webhook => ("tracks", Shape::Track),
        Kind::Identify => ("identifies", Shape::Identify),
        Kind::Page => ("pages", Shape::Page),
        Kind::Screen => ("screens", Shape::Page),
        Kind::Group => ("groups", Shape::Group),
        Kind::Alias => ("aliases", Shape::Alias),
        // Identity merges rewrite history; what they mean is decided where identities are.
        Kind::Merge => return None,
    })
}

/// Columns of `<source>.discards`.
pub(crate) const DISCARDS: &[(&str, ColumnKind)] = &[
    ("table_name", ColumnKind::String),
    ("row_id", ColumnKind::String),
    ("column_name", ColumnKind::String),
    ("column_value", ColumnKind::String),
    ("received_at", ColumnKind::Timestamp),
    ("uuid_ts", ColumnKind::Timestamp),
    ("reason", ColumnKind::String),
    ("weir_seq", ColumnKind::Integer),
];

/// Columns of `raw_<source>.events`.
pub(crate) const EVENTS: &[(&str, ColumnKind)] = &[
    ("weir_seq", ColumnKind::Integer),
    ("message_id", ColumnKind::String),
    ("type", ColumnKind::String),
    ("event", ColumnKind::String),
    ("user_id", ColumnKind::String),
    ("anonymous_id", ColumnKind::String),
    ("received_at", ColumnKind::Timestamp),
    ("sent_at", ColumnKind::Timestamp),
    ("original_timestamp", ColumnKind::Timestamp),
    ("timestamp", ColumnKind::Timestamp),
    ("protocol", ColumnKind::String),
    ("sdk", ColumnKind::String),
    ("ip", ColumnKind::String),
    ("request_id", ColumnKind::String),
    ("batch", ColumnKind::String),
    ("raw", ColumnKind::String),
];

/// Columns of `raw_<source>.quarantine`.
pub(crate) const QUARANTINE: &[(&str, ColumnKind)] = &[
    ("weir_seq", ColumnKind::Integer),
    ("received_at", ColumnKind::Timestamp),
    ("reason", ColumnKind::String),
    ("detail", ColumnKind::String),
    ("message_id", ColumnKind::String),
    ("protocol", ColumnKind::String),
    ("sdk", ColumnKind::String),
    ("ip", ColumnKind::String),
    ("request_id", ColumnKind::String),
    ("raw_text", ColumnKind::String),
    ("raw_bytes", ColumnKind::Binary),
];

/// Columns of `raw_<source>.duplicates`.
pub(crate) const DUPLICATES: &[(&str, ColumnKind)] = &[
    ("weir_seq", ColumnKind::Integer),
    ("received_at", ColumnKind::Timestamp),
    ("message_id", ColumnKind::String),
    ("first_seq", ColumnKind::Integer),
    ("payload", ColumnKind::String),
    ("raw", ColumnKind::String),
    ("request_id", ColumnKind::String),
];

/// Returns the spec of a table whose columns are all fixed.
pub(crate) fn fixed(
    columns: &'static [(&'static str, ColumnKind)],
    bloom: &[&'static str],
) -> TableSpec {
    TableSpec {
        columns: columns
            .iter()
            .map(|&(name, kind)| ColumnSpec {
                name,
                kind,
                fixed: true,
            })
            .collect(),
        sort_by: Some("received_at"),
        bloom: bloom.to_vec(),
    }
}
