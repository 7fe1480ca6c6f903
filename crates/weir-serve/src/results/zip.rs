//! An archive written front to back (PKWARE's APPNOTE 6.3): what workbooks of spreadsheets are in.

use std::io::{self, Write};

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

/// Files are deflated, and their sizes stand behind them.
const METHOD: u16 = 8;
const SIZES_BEHIND: u16 = 1 << 3;
const VERSION: u16 = 20;
/// 1980-01-01, where these dates begin: when a file was made says nothing here.
const DATE: u16 = 0x21;

struct Entry {
    name: &'static str,
    offset: u32,
    crc: u32,
    packed: u32,
    size: u32,
}

/// An archive under way. What is written of it is taken piece by piece.
pub(super) struct Zip {
    out: Vec<u8>,
    /// How much was taken before.
    taken: u64,
    entries: Vec<Entry>,
    open: Option<Open>,
}

struct Open {
    name: &'static str,
    offset: u32,
    deflated: DeflateEncoder<Vec<u8>>,
    packed: u64,
    crc: Crc,
    size: u64,
}

fn too_large() -> io::Error {
    io::Error::other("the archive would have more than 4 GiB")
}

fn small(number: u64) -> io::Result<u32> {
    u32::try_from(number).map_err(|_| too_large())
}

fn put(out: &mut Vec<u8>, shorts: &[u16], words: &[u32]) {
    shorts.iter().for_each(|n| out.extend(n.to_le_bytes()));
    words.iter().for_each(|n| out.extend(n.to_le_bytes()));
}

impl Zip {
    pub(super) fn new() -> Self {
        Self {
            out: Vec::new(),
            taken: 0,
            entries: Vec::new(),
            open: None,
        }
    }

    /// Begins a file; the one before is ended.
    pub(super) fn begin(&mut self, name: &'static str) -> io::Result<()> {
        self.close()?;
        let offset = small(self.taken + self.out.len() as u64)?;
        self.out.extend(b"PK\x03\x04");
        put(
            &mut self.out,
            &[VERSION, SIZES_BEHIND, METHOD, 0, DATE],
            &[0, 0, 0],
        );
        put(&mut self.out, &[length(name), 0], &[]);
        self.out.extend(name.as_bytes());
        self.open = Some(Open {
            name,
            offset,
            deflated: DeflateEncoder::new(Vec::new(), Compression::fast()),
            packed: 0,
            crc: Crc::new(),
            size: 0,
        });
        Ok(())
    }

    /// Writes more of the file that was begun.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(open) = &mut self.open else {
            return Err(io::Error::other("no file was begun"));
        };
        open.crc.update(bytes);
        open.size += bytes.len() as u64;
        open.deflated.write_all(bytes)?;
        let ready = std::mem::take(open.deflated.get_mut());
        open.packed += ready.len() as u64;
        self.out.extend(ready);
        Ok(())
    }

    fn close(&mut self) -> io::Result<()> {
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        let rest = open.deflated.finish()?;
        let entry = Entry {
            name: open.name,
            offset: open.offset,
            crc: open.crc.sum(),
            packed: small(open.packed + rest.len() as u64)?,
            size: small(open.size)?,
        };
        self.out.extend(rest);
        self.out.extend(b"PK\x07\x08");
        put(&mut self.out, &[], &[entry.crc, entry.packed, entry.size]);
        self.entries.push(entry);
        Ok(())
    }

    /// Ends the archive with the list of its files.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.close()?;
        let start = small(self.taken + self.out.len() as u64)?;
        let before = self.out.len();
        for entry in &self.entries {
            let out = &mut self.out;
            out.extend(b"PK\x01\x02");
            put(
                out,
                &[VERSION, VERSION, SIZES_BEHIND, METHOD, 0, DATE],
                &[entry.crc, entry.packed, entry.size],
            );
            put(out, &[length(entry.name), 0, 0, 0, 0], &[0, entry.offset]);
            out.extend(entry.name.as_bytes());
        }
        let listed = small((self.out.len() - before) as u64)?;
        let count = u16::try_from(self.entries.len()).map_err(|_| too_large())?;
        self.out.extend(b"PK\x05\x06");
        put(&mut self.out, &[0, 0, count, count], &[listed, start]);
        put(&mut self.out, &[0], &[]);
        Ok(())
    }

    /// Returns what was written since this was last asked.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let ready = std::mem::take(&mut self.out);
        self.taken += ready.len() as u64;
        ready
    }
}

fn length(name: &str) -> u16 {
    // Names are ours, and short.
    u16::try_from(name.len()).unwrap_or(u16::MAX)
}
