//! The bytes of one record.
//!
//! ```text
//! 0  magic    4  b"WREC"
//! 4  crc      4  CRC-32C of bytes 8.. (rest of the header and the payload), little-endian
//! 8  len      4  payload bytes
//! 12 kind     1  meaning of the payload, for the owner of the log
//! 13 version  1  of this layout, 1
//! 14 reserved 2  zero
//! 16 rows     4  positions the record takes
//! 20 reserved 4  zero
//! 24 first    8  position of the first row
//! 32 payload
//! ```

use weir_core::Seq;

pub(super) const HEADER: usize = 32;
pub(super) const MAGIC: [u8; 4] = *b"WREC";
const VERSION: u8 = 1;
/// Records of rows; the only kind so far.
pub(super) const KIND_ROWS: u8 = 1;

/// One record found in a segment.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    pub first: Seq,
    pub rows: u32,
    pub kind: u8,
    pub payload: &'a [u8],
    /// Bytes the record takes in the file.
    pub size: usize,
}

/// Why no record could be read at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("the record ends beyond the end of the file")]
    Short,
    #[error("no record begins here")]
    Magic,
    #[error("the checksum does not match")]
    Checksum,
    #[error("the header holds impossible values")]
    Header,
}

/// Appends a record to `out`.
pub(super) fn write_frame(out: &mut Vec<u8>, first: Seq, rows: u32, payload: &[u8]) {
    let start = out.len();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&[KIND_ROWS, VERSION, 0, 0]);
    out.extend_from_slice(&rows.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&first.0.to_le_bytes());
    out.extend_from_slice(payload);
    let crc = crc32c::crc32c(&out[start + 8..]);
    out[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
}

/// Reads the record at the start of `bytes`; never panics, whatever they hold.
pub fn read_frame(bytes: &[u8]) -> Result<Frame<'_>, FrameError> {
    let Some(header) = bytes.get(..HEADER) else {
        let whole = bytes.len() >= 4;
        return Err(if whole && bytes[..4] != MAGIC {
            FrameError::Magic
        } else {
            FrameError::Short
        });
    };
    if header[..4] != MAGIC {
        return Err(FrameError::Magic);
    }
    let u32_at = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("4 bytes"));
    let size = HEADER + u32_at(8) as usize;
    let Some(whole) = bytes.get(..size) else {
        return Err(FrameError::Short);
    };
    if crc32c::crc32c(&whole[8..]) != u32_at(4) {
        return Err(FrameError::Checksum);
    }
    let rows = u32_at(16);
    let first = u64::from_le_bytes(header[24..32].try_into().expect("8 bytes"));
    if rows == 0 || header[13] != VERSION || first.checked_add(u64::from(rows)).is_none() {
        return Err(FrameError::Header);
    }
    Ok(Frame {
        first: Seq(first),
        rows,
        kind: header[12],
        payload: &whole[HEADER..],
        size,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(payload: Vec<u8>, rows in 1u32.., first in 0u64..u64::MAX / 2) {
            let mut bytes = vec![7; 3];
            write_frame(&mut bytes, Seq(first), rows, &payload);
            bytes.extend_from_slice(b"more");
            let frame = read_frame(&bytes[3..]).unwrap();
            prop_assert_eq!(frame.first, Seq(first));
            prop_assert_eq!(frame.rows, rows);
            prop_assert_eq!(frame.payload, &payload[..]);
            prop_assert_eq!(frame.size, bytes.len() - 7);
        }

        #[test]
        fn a_flipped_bit_is_noticed(payload: Vec<u8>, at: prop::sample::Index, bit in 0u8..8) {
            let mut bytes = Vec::new();
            write_frame(&mut bytes, Seq(9), 2, &payload);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(read_frame(&bytes).is_err());
        }

        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            let _ = read_frame(&bytes);
        }

        #[test]
        fn a_cut_record_is_short(payload: Vec<u8>, cut: prop::sample::Index) {
            let mut bytes = Vec::new();
            write_frame(&mut bytes, Seq(9), 2, &payload);
            let cut = cut.index(bytes.len());
            prop_assert_eq!(read_frame(&bytes[..cut]), Err(FrameError::Short));
        }
    }
}
