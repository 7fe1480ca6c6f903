//! Messages of the output plugin `pgoutput`, protocol version 1: PostgreSQL's documentation, chapter
//! "Logical Replication Message Formats".

use bytes::{Buf, Bytes};

use crate::error::{ExtractError, protocol};

/// A message of the log.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    Begin {
        /// Where the transaction's commit lies: the order of transactions.
        commit: u64,
    },
    Commit {
        /// The end of the transaction in the log: to go on from.
        end: u64,
    },
    Relation(Relation),
    Insert {
        relation: u32,
        new: Tuple,
    },
    Update {
        relation: u32,
        old: Option<Old>,
        new: Tuple,
    },
    Delete {
        relation: u32,
        old: Old,
    },
    Truncate {
        relations: Vec<u32>,
    },
    /// Types, origins and messages, which change no rows.
    Other,
}

/// What identified a row before a change of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Old {
    pub(super) tuple: Tuple,
    /// Whether all of the row came, and not only its key.
    pub(super) whole: bool,
}

/// A table as the log describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Relation {
    pub(super) id: u32,
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) columns: Vec<LogColumn>,
}

/// A column as the log describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogColumn {
    pub(super) name: String,
    pub(super) type_id: u32,
    pub(super) modifier: i32,
}

/// The values of a row.
pub(super) type Tuple = Vec<Field>;

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Null,
    /// A large value that the change did not touch, and the log does not have.
    Unchanged,
    Text(Bytes),
}

/// Reads a message.
pub(super) fn decode(mut message: Bytes) -> Result<Change, ExtractError> {
    let from = &mut message;
    Ok(match u8_of(from)? {
        b'B' => Change::Begin {
            commit: u64_of(from)?,
        },
        b'C' => {
            need(from, 9)?;
            from.advance(9);
            Change::Commit { end: u64_of(from)? }
        }
        b'R' => Change::Relation(relation(from)?),
        b'I' => {
            let relation = u32_of(from)?;
            expect(from, b'N')?;
            Change::Insert {
                relation,
                new: tuple(from)?,
            }
        }
        b'U' => {
            let relation = u32_of(from)?;
            let old = match u8_of(from)? {
                b'N' => None,
                kind @ (b'K' | b'O') => {
                    let tuple = tuple(from)?;
                    expect(from, b'N')?;
                    Some(Old {
                        tuple,
                        whole: kind == b'O',
                    })
                }
                _ => return Err(broken()),
            };
            Change::Update {
                relation,
                old,
                new: tuple(from)?,
            }
        }
        b'D' => {
            let relation = u32_of(from)?;
            let whole = match u8_of(from)? {
                b'K' => false,
                b'O' => true,
                _ => return Err(broken()),
            };
            Change::Delete {
                relation,
                old: Old {
                    tuple: tuple(from)?,
                    whole,
                },
            }
        }
        b'T' => {
            let count = u32_of(from)?;
            u8_of(from)?;
            let relations = (0..count).map(|_| u32_of(from)).collect::<Result<_, _>>()?;
            Change::Truncate { relations }
        }
        b'Y' | b'O' | b'M' => Change::Other,
        kind => {
            return Err(protocol(format!(
                "the log has a message of an unknown kind, {kind}"
            )));
        }
    })
}

fn relation(from: &mut Bytes) -> Result<Relation, ExtractError> {
    let id = u32_of(from)?;
    let (schema, name) = (text(from)?, text(from)?);
    u8_of(from)?;
    let count = u16_of(from)?;
    let mut columns = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        u8_of(from)?;
        columns.push(LogColumn {
            name: text(from)?,
            type_id: u32_of(from)?,
            modifier: u32_of(from)? as i32,
        });
    }
    Ok(Relation {
        id,
        schema,
        name,
        columns,
    })
}

fn tuple(from: &mut Bytes) -> Result<Tuple, ExtractError> {
    let count = u16_of(from)?;
    let mut fields = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        fields.push(match u8_of(from)? {
            b'n' => Field::Null,
            b'u' => Field::Unchanged,
            b't' => {
                let length = u32_of(from)? as usize;
                need(from, length)?;
                Field::Text(from.split_to(length))
            }
            _ => return Err(broken()),
        });
    }
    Ok(fields)
}

fn broken() -> ExtractError {
    protocol("the log has a broken message")
}

fn need(from: &Bytes, bytes: usize) -> Result<(), ExtractError> {
    match from.remaining() >= bytes {
        true => Ok(()),
        false => Err(broken()),
    }
}

fn u8_of(from: &mut Bytes) -> Result<u8, ExtractError> {
    need(from, 1)?;
    Ok(from.get_u8())
}

fn u16_of(from: &mut Bytes) -> Result<u16, ExtractError> {
    need(from, 2)?;
    Ok(from.get_u16())
}

fn u32_of(from: &mut Bytes) -> Result<u32, ExtractError> {
    need(from, 4)?;
    Ok(from.get_u32())
}

fn u64_of(from: &mut Bytes) -> Result<u64, ExtractError> {
    need(from, 8)?;
    Ok(from.get_u64())
}

fn expect(from: &mut Bytes, wanted: u8) -> Result<(), ExtractError> {
    match u8_of(from)? == wanted {
        true => Ok(()),
        false => Err(broken()),
    }
}

fn text(from: &mut Bytes) -> Result<String, ExtractError> {
    let end = from.iter().position(|byte| *byte == 0).ok_or_else(broken)?;
    let text = from.split_to(end);
    from.advance(1);
    String::from_utf8(text.to_vec()).map_err(|_| broken())
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut, BytesMut};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_update_of_a_key_has_the_old_key_and_what_did_not_change() {
        let mut bytes = BytesMut::new();
        bytes.put_u8(b'U');
        bytes.put_u32(7);
        bytes.put_u8(b'K');
        bytes.put_u16(2);
        bytes.put_slice(b"t\0\0\0\x011n");
        bytes.put_u8(b'N');
        bytes.put_u16(2);
        bytes.put_slice(b"t\0\0\0\x012u");
        let text = |text: &'static str| Field::Text(Bytes::from_static(text.as_bytes()));
        assert_eq!(
            decode(bytes.freeze()).unwrap(),
            Change::Update {
                relation: 7,
                old: Some(Old {
                    tuple: vec![text("1"), Field::Null],
                    whole: false
                }),
                new: vec![text("2"), Field::Unchanged],
            }
        );
    }

    proptest! {
        #[test]
        fn no_bytes_end_the_process(kind in "[BCRIUDTYOMX]", bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let message: Vec<u8> = kind.bytes().chain(bytes).collect();
            let _ = decode(Bytes::from(message));
        }
    }
}
