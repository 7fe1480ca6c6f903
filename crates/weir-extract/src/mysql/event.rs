//! Events of the log, version 4, as MySQL and MariaDB write them.

use std::io::Read;

use bytes::{Bytes, BytesMut};
use flate2::Crc;
use flate2::read::ZlibDecoder;

use super::wire::Reader;
use crate::error::{ExtractError, ExtractErrorKind, protocol};

/// Bytes of the part that all events begin with.
const HEADER: usize = 19;
/// An event that replicas may leave out when they do not know it.
const IGNORABLE: u16 = 0x80;
/// What was compressed is at most so long.
const UNPACKED_BYTES: u64 = 1 << 30;

/// An event.
#[derive(Debug)]
pub(super) struct Event {
    /// When it was written, in seconds since 1970.
    pub(super) made: u32,
    /// The low 32 bits of the place it ends at; zero for one that is not in the file.
    pub(super) end: u32,
    pub(super) what: What,
}

/// What an event tells.
#[derive(Debug)]
pub(super) enum What {
    /// The log goes on in another file.
    Rotate {
        file: String,
        offset: u64,
    },
    /// How the file is written.
    Format,
    /// A transaction begins; `alone` where it is one statement that ends itself.
    Begin {
        alone: bool,
    },
    /// A transaction is committed.
    Commit,
    /// A transaction of two phases is through with the first.
    Prepared {
        is_committed: bool,
    },
    Statement {
        database: String,
        text: String,
    },
    Table(TableMap),
    Rows(Rows),
    /// It says nothing of rows.
    Other,
}

/// What the rows that follow are of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TableMap {
    pub(super) id: u64,
    pub(super) database: String,
    pub(super) table: String,
    /// The types of columns, by their numbers, with what is told of each besides.
    pub(super) columns: Vec<(u8, u16)>,
    /// The names of columns, where the server tells them.
    pub(super) names: Vec<String>,
}

/// Rows before and after they changed.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    pub(super) table: u64,
    pub(super) kind: RowsKind,
    pub(super) columns: usize,
    /// Whether all columns are told.
    pub(super) is_full: bool,
    pub(super) data: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowsKind {
    Insert,
    Update,
    Delete,
}

/// What is known of how the file is written.
#[derive(Debug, Default)]
pub(super) struct Format {
    /// Whether events end with a checksum; none before the file has told.
    checksums: Option<bool>,
    /// Lengths of the fixed parts of events, by their types.
    lengths: Vec<u8>,
}

impl Format {
    /// Reads an event.
    pub(super) fn read(&mut self, mut event: BytesMut) -> Result<Event, ExtractError> {
        let mut reader = Reader(&event);
        let made = reader.number(4)? as u32;
        let kind = reader.number(1)? as u8;
        reader.take(4)?;
        let length = reader.number(4)?;
        let end = reader.number(4)? as u32;
        let flags = reader.number(2)? as u16;
        if length != event.len() as u64 {
            return Err(protocol("an event of the log breaks off"));
        }
        let has_checksum = match (kind, self.checksums) {
            (15, _) => has_checksum(&event),
            // The first event of a stream is made for us, before anything is known of the file.
            (4, None) => checks(&event),
            (_, known) => known.unwrap_or(false),
        };
        if has_checksum {
            if !checks(&event) {
                return Err(protocol("an event of the log has a wrong checksum"));
            }
            event.truncate(event.len() - 4);
        }
        let body = event.split_off(HEADER).freeze();
        let what = self.what(kind, flags, &body, has_checksum)?;
        Ok(Event { made, end, what })
    }

    fn what(
        &mut self,
        kind: u8,
        flags: u16,
        body: &Bytes,
        has_checksum: bool,
    ) -> Result<What, ExtractError> {
        let mut reader = Reader(body);
        Ok(match kind {
            2 => statement(body, false)?,
            165 => statement(body, true)?,
            4 => What::Rotate {
                offset: reader.number(8)?,
                file: String::from_utf8_lossy(reader.0).into_owned(),
            },
            15 => {
                // The version, the server's, the time, the length of headers; then that of each type.
                reader.take(2 + 50 + 4 + 1)?;
                let rest = reader.0;
                self.lengths = rest
                    .strip_suffix(&rest[rest.len().saturating_sub(1)..])
                    .unwrap_or_default()
                    .to_vec();
                self.checksums = Some(has_checksum);
                What::Format
            }
            16 => What::Commit,
            19 => What::Table(table_map(body, self.post_header(19))?),
            23 | 30 => self.rows(kind, RowsKind::Insert, body, false)?,
            24 | 31 => self.rows(kind, RowsKind::Update, body, false)?,
            25 | 32 => self.rows(kind, RowsKind::Delete, body, false)?,
            166 | 169 => self.rows(kind, RowsKind::Insert, body, true)?,
            167 | 170 => self.rows(kind, RowsKind::Update, body, true)?,
            168 | 171 => self.rows(kind, RowsKind::Delete, body, true)?,
            162 => {
                reader.take(12)?;
                What::Begin {
                    alone: reader.number(1)? & 1 != 0,
                }
            }
            38 => What::Prepared {
                is_committed: reader.number(1)? != 0,
            },
            // Its own transactions begin with a statement.
            33 | 34 | 42 => What::Other,
            // The end of a server's life, variables of statements, heartbeats, what statements said, places of
            // transactions of before, states of groups, checkpoints of the log.
            3 | 5 | 13 | 14 | 27 | 28 | 29 | 35 | 36 | 37 | 41 | 160 | 161 | 163 => What::Other,
            17 | 18 => {
                return Err(unsupported(
                    "statements that load files",
                    "set `binlog_format` to ROW for all sessions",
                ));
            }
            26 => {
                return Err(ExtractError::new(
                    ExtractErrorKind::Protocol,
                    "the server says that its log lacks something: it has an incident event",
                )
                .hint("`weir sync --full-refresh` copies all tables anew, after that place in the log"));
            }
            39 => {
                return Err(unsupported(
                    "parts of JSON values",
                    "SET GLOBAL binlog_row_value_options = ''",
                ));
            }
            40 => {
                return Err(unsupported(
                    "compressed transactions",
                    "SET GLOBAL binlog_transaction_compression = OFF",
                ));
            }
            164 => {
                return Err(unsupported(
                    "encrypted events",
                    "let the server send its log decrypted",
                ));
            }
            _ if flags & IGNORABLE != 0 => What::Other,
            other => {
                return Err(protocol(format!(
                    "the log has an event of the unknown type {other}"
                )));
            }
        })
    }

    /// Returns the length of the fixed part of an event's body.
    fn post_header(&self, kind: u8) -> usize {
        let known = self.lengths.get(usize::from(kind).wrapping_sub(1)).copied();
        known.map_or(8, usize::from)
    }

    fn rows(
        &self,
        kind: u8,
        operation: RowsKind,
        body: &Bytes,
        compressed: bool,
    ) -> Result<What, ExtractError> {
        let mut reader = Reader(body);
        let id_bytes = if self.post_header(kind) == 6 { 4 } else { 6 };
        let table = reader.number(id_bytes)?;
        reader.take(2)?;
        if matches!(kind, 30..=32 | 169..=171) {
            let extra = reader.number(2)? as usize;
            reader.take(extra.saturating_sub(2))?;
        }
        let columns = usize::try_from(reader.length()?).unwrap_or(usize::MAX);
        if columns > 65_536 {
            return Err(protocol("the log has rows of impossibly many columns"));
        }
        let mut is_full = all_set(reader.take(columns.div_ceil(8))?, columns);
        if operation == RowsKind::Update {
            is_full &= all_set(reader.take(columns.div_ceil(8))?, columns);
        }
        let data = match compressed {
            true => Bytes::from(unpacked(reader.0)?),
            false => body.slice(body.len() - reader.0.len()..),
        };
        Ok(What::Rows(Rows {
            table,
            kind: operation,
            columns,
            is_full,
            data,
        }))
    }
}

fn unsupported(what: &str, hint: &str) -> ExtractError {
    ExtractError::new(
        ExtractErrorKind::Unsupported,
        format!("the log has {what}, which are not followed"),
    )
    .hint(format!(
        "{hint}; then `weir sync --full-refresh` goes on after them"
    ))
}

fn all_set(bits: &[u8], columns: usize) -> bool {
    (0..columns).all(|at| bits[at / 8] & 1 << (at % 8) != 0)
}

/// Whether the format of a file says that its events end with a checksum: before its own, one byte tells.
fn has_checksum(event: &[u8]) -> bool {
    let algorithm = event.len().checked_sub(5).map(|at| event[at]);
    algorithm == Some(1)
}

/// Whether an event ends with the checksum of what is before it.
fn checks(event: &[u8]) -> bool {
    let Some(end) = event.len().checked_sub(4).filter(|end| *end >= HEADER) else {
        return false;
    };
    let mut crc = Crc::new();
    crc.update(&event[..end]);
    if crc.sum().to_le_bytes() == event[end..] {
        return true;
    }
    // While a file is written, its format says so by a flag that is not in the sum.
    let mut closed = event[..end].to_vec();
    closed[17] &= !1;
    let mut crc = Crc::new();
    crc.update(&closed);
    crc.sum().to_le_bytes() == event[end..]
}

fn statement(body: &[u8], compressed: bool) -> Result<What, ExtractError> {
    let mut reader = Reader(body);
    reader.take(8)?;
    let database = reader.number(1)? as usize;
    reader.take(2)?;
    let variables = reader.number(2)? as usize;
    reader.take(variables)?;
    let database = String::from_utf8_lossy(reader.take(database)?).into_owned();
    reader.take(1)?;
    let text = match compressed {
        true => String::from_utf8_lossy(&unpacked(reader.0)?).into_owned(),
        false => String::from_utf8_lossy(reader.0).into_owned(),
    };
    Ok(match text.as_str() {
        "BEGIN" => What::Begin { alone: false },
        "COMMIT" => What::Commit,
        _ => What::Statement { database, text },
    })
}

/// Unpacks what MariaDB has compressed: a byte with the length of the length, the length, and a zlib stream.
fn unpacked(packed: &[u8]) -> Result<Vec<u8>, ExtractError> {
    let mut reader = Reader(packed);
    let head = reader.number(1)? as u8;
    let length = reader.big(usize::from(head & 0x07))?;
    if head & 0xf0 != 0x80 || length > UNPACKED_BYTES {
        return Err(protocol(
            "the log has an event that is compressed in an unknown way",
        ));
    }
    let mut out = Vec::with_capacity(length.min(16 << 20) as usize);
    let read = ZlibDecoder::new(reader.0)
        .take(length + 1)
        .read_to_end(&mut out);
    match read {
        Ok(read) if read as u64 == length => Ok(out),
        Ok(_) => Err(protocol(
            "the log has a compressed event of another length than it says",
        )),
        Err(error) => {
            Err(protocol("the log has a compressed event that cannot be read").because(error))
        }
    }
}

fn table_map(body: &[u8], post_header: usize) -> Result<TableMap, ExtractError> {
    let mut reader = Reader(body);
    let id = reader.number(if post_header == 6 { 4 } else { 6 })?;
    reader.take(2)?;
    let name = |reader: &mut Reader<'_>| -> Result<String, ExtractError> {
        let length = reader.number(1)? as usize;
        let name = String::from_utf8_lossy(reader.take(length)?).into_owned();
        reader.take(1)?;
        Ok(name)
    };
    let (database, table) = (name(&mut reader)?, name(&mut reader)?);
    let count = usize::try_from(reader.length()?).unwrap_or(usize::MAX);
    let types = reader.take(count)?;
    let mut about = Reader(reader.bytes()?);
    let columns = types.iter().map(|kind| {
        let told = match kind {
            // Bytes of the length of a blob, digits after the point of a second, bytes of a float.
            4 | 5 | 17..=19 | 245 | 242 | 249..=252 | 255 | 140 => about.number(1)?,
            15 | 16 | 253 | 141 => about.number(2)?,
            // These have the higher byte first.
            246..=248 | 254 => about.big(2)?,
            _ => 0,
        };
        Ok((*kind, told as u16))
    });
    let columns = columns.collect::<Result<Vec<_>, ExtractError>>()?;
    reader.take(count.div_ceil(8))?;
    let mut names = Vec::new();
    while !reader.0.is_empty() {
        let kind = reader.number(1)?;
        let mut field = Reader(reader.bytes()?);
        if kind == 4 {
            while !field.0.is_empty() {
                names.push(String::from_utf8_lossy(field.bytes()?).into_owned());
            }
        }
    }
    Ok(TableMap {
        id,
        database,
        table,
        columns,
        names,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: u8, flags: u16, body: &[u8]) -> BytesMut {
        let mut event = BytesMut::new();
        event.extend_from_slice(&7_u32.to_le_bytes());
        event.extend_from_slice(&[kind, 1, 0, 0, 0]);
        event.extend_from_slice(&((HEADER + body.len()) as u32).to_le_bytes());
        event.extend_from_slice(&99_u32.to_le_bytes());
        event.extend_from_slice(&flags.to_le_bytes());
        event.extend_from_slice(body);
        event
    }

    #[test]
    fn broken_events_are_errors() {
        let mut format = Format::default();
        for kind in 0..=255 {
            for length in [0, 1, 7, 20, 80] {
                // Whatever comes of it, it is no panic.
                let _ = format.read(event(kind, 0, &vec![0xff; length]));
                let _ = format.read(event(kind, 0, &vec![0; length]));
            }
        }
        assert!(format.read(BytesMut::from(&[0; 19][..])).is_err());
        assert!(format.read(BytesMut::new()).is_err());
    }

    #[test]
    fn unknown_events_are_left_out_only_where_they_say_so() {
        let mut format = Format::default();
        assert!(format.read(event(99, 0, &[])).is_err());
        let left_out = format.read(event(99, IGNORABLE, &[])).unwrap();
        assert!(matches!(left_out.what, What::Other));
        assert_eq!((left_out.made, left_out.end), (7, 99));
    }
}
