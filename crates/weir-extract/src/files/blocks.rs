//! Whether a file of Avro is there as a whole: a header, and blocks to the end.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

/// What ends the header and each block.
const SYNC: u64 = 16;

/// Walks from block to block, without reading what is in them; false where one breaks off.
pub(super) fn are_whole(path: &Path) -> io::Result<bool> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut walk = Walk {
        file: BufReader::new(file),
        at: 0,
        length,
    };
    match walk.through() {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

struct Walk {
    file: BufReader<File>,
    at: u64,
    length: u64,
}

impl Walk {
    fn through(&mut self) -> io::Result<()> {
        self.skip(4)?;
        // The map of the header comes in blocks of its own, the last of none.
        loop {
            let entries = self.long()?;
            if entries == 0 {
                break;
            }
            if entries < 0 {
                self.long()?;
            }
            for _ in 0..entries.unsigned_abs() {
                for _ in ["key", "value"] {
                    self.skip_sized()?;
                }
            }
        }
        self.skip(SYNC)?;
        while self.at < self.length {
            self.long()?;
            self.skip_sized()?;
            self.skip(SYNC)?;
        }
        Ok(())
    }

    fn skip_sized(&mut self) -> io::Result<()> {
        let size = self.long()?;
        self.skip(u64::try_from(size).map_err(|_| ErrorKind::InvalidData)?)
    }

    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        let to = self.at.checked_add(bytes).filter(|to| *to <= self.length);
        self.at = to.ok_or(ErrorKind::UnexpectedEof)?;
        self.file.seek(SeekFrom::Start(self.at)).map(drop)
    }

    /// Seven bits a byte, the least first, zig-zag.
    fn long(&mut self) -> io::Result<i64> {
        let mut bits = 0;
        for place in 0..10 {
            let mut byte = [0];
            self.file.read_exact(&mut byte)?;
            self.at += 1;
            bits |= u64::from(byte[0] & 0x7f) << (7 * place);
            if byte[0] & 0x80 == 0 {
                return Ok((bits >> 1).cast_signed() ^ -(bits & 1).cast_signed());
            }
        }
        Err(ErrorKind::InvalidData.into())
    }
}
