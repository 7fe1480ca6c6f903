//! `.xls`: a container with a stream of records, which `calamine` reads as a whole.
//!
//! It reserves memory for whatever a file says, so the stream is looked through before: its sheets, the area
//! of their cells and the texts these refer to are counted, and formulas, which nobody asks for, are emptied.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Write};
use std::ops::Range;
use std::path::Path;

use calamine::{Data, DataRef, Reader, Xls};

use super::{Sheet, chosen, text, too_large};
use crate::files::rows::{Broken, Each};
use crate::spec::FileStream;

/// The longest file.
const FILE: u64 = 64 << 20;
/// The most cells of all sheets, empty ones between others included.
const CELLS: u64 = 4_000_000;
/// The most characters in all cells.
const LETTERS: u64 = 100_000_000;
/// The most records that go on with one before.
const PARTS: usize = 20_000;
const MAGIC: [u8; 8] = [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];

// Records.
const BEGIN: u16 = 0x0809;
const END: u16 = 0x000a;
const CONTINUE: u16 = 0x003c;
const SHEET: u16 = 0x0085;
const TEXTS: u16 = 0x00fc;
const NAME: u16 = 0x0018;
const AREA: u16 = 0x0200;
const FORMULA: u16 = 0x0006;
const TEXT_OF_TABLE: u16 = 0x00fd;
const NUMBERS: u16 = 0x00bd;
/// Number, label, label with formats, truth or error, number in short.
const ONE: [u16; 5] = [0x0203, 0x0204, 0x00d6, 0x0205, 0x027e];
/// A record that nobody knows.
const NOTHING: u16 = 0xefff;

/// Whether a file is such a container, by its first bytes.
pub(super) fn is_one(path: &Path) -> std::io::Result<bool> {
    let mut start = Vec::with_capacity(MAGIC.len());
    File::open(path)?
        .take(MAGIC.len() as u64)
        .read_to_end(&mut start)?;
    Ok(start == MAGIC)
}

/// Reads a sheet: that of the stream, or the first.
pub(super) fn rows(path: &Path, stream: &FileStream, each: &mut Each<'_>) -> Result<(), Broken> {
    let file = File::open(path)?;
    if file.metadata()?.len() > FILE {
        let most = FILE >> 20;
        return Err(format!("it is larger than {most} MiB: save it as `.xlsx`, or as CSV").into());
    }
    let mut container = cfb::CompoundFile::open(BufReader::new(file))?;
    if container.exists("/EncryptedPackage") {
        return Err("it is protected by a password: save it without one".into());
    }
    let name = ["/Workbook", "/Book"];
    let Some(name) = name.into_iter().find(|name| container.is_stream(name)) else {
        return Err("it is no spreadsheet: it has no workbook".into());
    };
    let mut book = Vec::new();
    let records = container.open_stream(name)?;
    records.take(FILE).read_to_end(&mut book)?;
    drop(container);
    checked(&mut book)?;
    // A container of our own, since that of the file may have chains without an end.
    let memory = Cursor::new(Vec::new());
    let mut own = cfb::CompoundFile::create_with_version(cfb::Version::V3, memory)?;
    own.create_stream(name)?.write_all(&book)?;
    drop(book);
    own.flush()?;
    let mut book: Xls<_> = Xls::new(Cursor::new(own.into_inner().into_inner()))?;
    let name = chosen(&book.sheet_names(), stream)?;
    let cells = book.worksheet_range(&name)?;
    drop(book);
    let (top, left) = cells.start().unwrap_or_default();
    let mut sheet = Sheet::new(stream);
    for (row, column, value) in cells.used_cells() {
        let at = (top + u32::try_from(row)?, left + u32::try_from(column)?);
        if !sheet.take(at, text(&borrowed(value)), each)? {
            return Ok(());
        }
    }
    sheet.end_row(each);
    Ok(())
}

fn borrowed(value: &Data) -> DataRef<'_> {
    match value {
        Data::Int(value) => DataRef::Int(*value),
        Data::Float(value) => DataRef::Float(*value),
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => {
            DataRef::SharedString(text)
        }
        Data::Bool(value) => DataRef::Bool(*value),
        Data::DateTime(moment) => DataRef::DateTime(*moment),
        Data::Error(error) => DataRef::Error(error.clone()),
        Data::Empty => DataRef::Empty,
    }
}

/// A record: its kind, and where its bytes are; those that go on with it come along.
struct Record {
    start: usize,
    kind: u16,
    bytes: Range<usize>,
    parts: Vec<Range<usize>>,
    end: usize,
}

fn broken() -> Broken {
    "a record in it is damaged".into()
}

fn short(bytes: &[u8], at: usize) -> Result<u16, Broken> {
    let two = bytes.get(at..at + 2).ok_or_else(broken)?;
    Ok(u16::from_le_bytes([two[0], two[1]]))
}

fn long(bytes: &[u8], at: usize) -> Result<u32, Broken> {
    let four = bytes.get(at..at + 4).ok_or_else(broken)?;
    Ok(u32::from_le_bytes([four[0], four[1], four[2], four[3]]))
}

/// Reads the record at a place; none at the end.
fn record(book: &[u8], start: usize) -> Result<Option<Record>, Broken> {
    if start == book.len() {
        return Ok(None);
    }
    let bytes_at = |start: usize| -> Result<(u16, Range<usize>), Broken> {
        let (kind, length) = (short(book, start)?, short(book, start + 2)?);
        let bytes = start + 4..start + 4 + usize::from(length);
        match bytes.end <= book.len() {
            true => Ok((kind, bytes)),
            false => Err(broken()),
        }
    };
    let (kind, bytes) = bytes_at(start)?;
    let (mut parts, mut end) = (Vec::new(), bytes.end);
    while book.len() - end > 4 && short(book, end)? == CONTINUE {
        let (_, more) = bytes_at(end)?;
        end = more.end;
        parts.push(more);
        if parts.len() > PARTS {
            return Err(broken());
        }
    }
    Ok(Some(Record {
        start,
        kind,
        bytes,
        parts,
        end,
    }))
}

/// Refuses what would take too much memory, and empties what may and is not needed.
fn checked(book: &mut [u8]) -> Result<(), Broken> {
    let (mut sheets, mut lengths) = (Vec::new(), Vec::new());
    let mut at = 0;
    while let Some(found) = record(book, at)? {
        at = found.end;
        let bytes = &book[found.bytes.clone()];
        match found.kind {
            SHEET => sheets.push(long(bytes, 0)? as usize),
            TEXTS => lengths = lengths_of(book, &found)?,
            NAME => clear(book, &found),
            END => break,
            _ => {}
        }
    }
    // One after another, as every program writes them: no record is of two of them.
    sheets.sort_unstable();
    let mut counted = Counted::default();
    for start in sheets {
        if start < at || start > book.len() {
            return Err("its sheets lie one over another".into());
        }
        at = sheet(book, start, &lengths, &mut counted)?;
    }
    Ok(())
}

/// What all sheets have.
#[derive(Default)]
struct Counted {
    cells: u64,
    /// With the empty ones between them.
    area: u64,
    letters: u64,
}

/// Looks through a sheet; returns where it ends.
fn sheet(
    book: &mut [u8],
    start: usize,
    lengths: &[u16],
    counted: &mut Counted,
) -> Result<usize, Broken> {
    let mut at = start;
    // Charts within the sheet have a beginning and an end of their own.
    let mut depth = 0_u32;
    let mut area = Area::default();
    while let Some(found) = record(book, at)? {
        at = found.end;
        let bytes = &book[found.bytes.clone()];
        match found.kind {
            BEGIN => depth += 1,
            END if depth <= 1 => break,
            END => depth -= 1,
            _ if depth > 1 => {}
            AREA => clear(book, &found),
            FORMULA => {
                area.add(bytes, 1, counted)?;
                // As many bytes of it as there are: none.
                if let Some(length) = book[found.bytes.clone()].get_mut(20..22) {
                    length.fill(0);
                }
            }
            TEXT_OF_TABLE => {
                area.add(bytes, 1, counted)?;
                let length = lengths.get(long(bytes, 6)? as usize);
                counted.letters += u64::from(length.copied().unwrap_or_default());
                if counted.letters > LETTERS {
                    return Err(too_large("has too much text"));
                }
            }
            NUMBERS => {
                let last = short(bytes, bytes.len().saturating_sub(2))?;
                let cells = u64::from(last.saturating_sub(short(bytes, 2)?)) + 1;
                area.add(bytes, cells, counted)?;
                area.widen(last);
            }
            kind if ONE.contains(&kind) => area.add(bytes, 1, counted)?,
            _ => {}
        }
        if (counted.area + area.size()).max(counted.cells) > CELLS {
            return Err(too_large(
                "has more than four million cells, empty ones included",
            ));
        }
    }
    counted.area += area.size();
    Ok(at)
}

/// Rows and columns with cells.
#[derive(Default)]
struct Area {
    rows: Option<(u16, u16)>,
    columns: (u16, u16),
}

impl Area {
    /// Takes the cell that a record begins with.
    fn add(&mut self, bytes: &[u8], cells: u64, counted: &mut Counted) -> Result<(), Broken> {
        let (row, column) = (short(bytes, 0)?, short(bytes, 2)?);
        counted.cells += cells;
        match &mut self.rows {
            Some(rows) => *rows = (rows.0.min(row), rows.1.max(row)),
            None => {
                self.rows = Some((row, row));
                self.columns = (column, column);
            }
        }
        self.columns.0 = self.columns.0.min(column);
        self.widen(column);
        Ok(())
    }

    fn widen(&mut self, column: u16) {
        self.columns.1 = self.columns.1.max(column);
    }

    fn size(&self) -> u64 {
        self.rows.map_or(0, |(first, last)| {
            (u64::from(last - first) + 1) * (u64::from(self.columns.1 - self.columns.0) + 1)
        })
    }
}

/// Makes a record one that nobody knows.
fn clear(book: &mut [u8], record: &Record) {
    book[record.start..record.start + 2].copy_from_slice(&NOTHING.to_le_bytes());
}

/// Returns how long each text of the workbook's table is, in characters.
fn lengths_of(book: &[u8], record: &Record) -> Result<Vec<u16>, Broken> {
    let mut parts = record.parts.iter().cloned();
    // Behind how many there are.
    let mut rest = book.get(record.bytes.start + 8..record.bytes.end);
    let mut rest = rest.take().ok_or_else(broken)?;
    let mut next = || parts.next().map(|part| &book[part]);
    let mut lengths = Vec::new();
    loop {
        if rest.is_empty() {
            match next() {
                Some(part) => rest = part,
                None => return Ok(lengths),
            }
            if rest.is_empty() {
                lengths.push(0);
                continue;
            }
        }
        let length = short(rest, 0)?;
        let flags = *rest.get(2).ok_or_else(broken)?;
        let mut head = 3;
        let mut behind = 0_u64;
        if flags & 8 != 0 {
            behind += u64::from(short(rest, head)?) * 4;
            head += 2;
        }
        if flags & 4 != 0 {
            behind += u64::from(long(rest, head)?);
            head += 4;
        }
        rest = &rest[head..];
        let mut left = usize::from(length);
        let mut wide = flags & 1 != 0;
        loop {
            let size = if wide { 2 } else { 1 };
            let here = left.min(rest.len() / size);
            rest = &rest[here * size..];
            left -= here;
            if left == 0 {
                break;
            }
            let (flags, part) = next().and_then(<[u8]>::split_first).ok_or_else(broken)?;
            (wide, rest) = (flags & 1 != 0, part);
        }
        while behind > 0 {
            if rest.is_empty() {
                rest = next().ok_or_else(broken)?;
            }
            let here = usize::try_from(behind).map_or(rest.len(), |left| left.min(rest.len()));
            rest = &rest[here..];
            behind -= here as u64;
        }
        lengths.push(length);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ORDERS_XLS, panics};
    use super::*;
    use crate::files::rows::tests::rows;
    use crate::spec::FileFormat;

    /// The records of a workbook in a container.
    fn contained(book: &[u8]) -> Vec<u8> {
        let mut own = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
        let mut stream = own.create_stream("/Workbook").unwrap();
        stream.write_all(book).unwrap();
        drop(stream);
        own.flush().unwrap();
        own.into_inner().into_inner()
    }

    fn put(book: &mut Vec<u8>, kind: u16, bytes: &[u8]) {
        book.extend(kind.to_le_bytes());
        book.extend(u16::try_from(bytes.len()).unwrap().to_le_bytes());
        book.extend(bytes);
    }

    /// A workbook with a table of texts and one sheet.
    fn book(texts: &[u8], records: &[(u16, &[u8])]) -> Vec<u8> {
        let begin = [0, 6, 5, 0, 0, 0, 0, 0];
        let mut book = Vec::new();
        put(&mut book, BEGIN, &begin);
        let at = book.len() + 4;
        put(&mut book, SHEET, &[0, 0, 0, 0, 0, 0, 1, 0, b'A']);
        put(&mut book, TEXTS, texts);
        put(&mut book, END, &[]);
        let start = u32::try_from(book.len()).unwrap();
        book[at..at + 4].copy_from_slice(&start.to_le_bytes());
        put(&mut book, BEGIN, &begin);
        for (kind, bytes) in records {
            put(&mut book, *kind, bytes);
        }
        put(&mut book, END, &[]);
        book
    }

    fn number(row: u16, column: u16) -> Vec<u8> {
        let place = [row, column, 0].map(u16::to_le_bytes).concat();
        [place, 1.5_f64.to_le_bytes().to_vec()].concat()
    }

    fn told(records: &[(u16, &[u8])]) -> String {
        let bytes = contained(&book(&[0; 8], records));
        let found = rows("a.xls", FileFormat::Excel, &bytes);
        found.into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn what_would_take_too_much_memory_is_refused() {
        let (first, last) = (number(0, 0), number(u16::MAX, u16::MAX));
        assert_eq!(
            told(&[(0x0203, &first), (0x0203, &number(1, 0))]),
            "[(\"1.5\", Text(\"1.5\"))]"
        );
        // An area of four thousand million cells, and one that is only said to be.
        let refused = told(&[(0x0203, &first), (0x0203, &last)]);
        assert!(refused.contains("four million cells"), "{refused}");
        let area = [0, 0, 0, 0, 255, 255, 255, 255, 0, 0, 255, 255, 0, 0];
        let two = [(AREA, &area[..]), (0x0203, &first), (0x0203, &number(1, 0))];
        assert_eq!(told(&two), "[(\"1.5\", Text(\"1.5\"))]");
        // A long text in many cells.
        let mut texts = [0; 8].to_vec();
        texts.extend([0xff, 0x1f, 0]);
        texts.resize(8 + 3 + 0x1fff, b'x');
        let cell = |row: u16| [&row.to_le_bytes()[..], &[0; 8]].concat();
        let cells: Vec<Vec<u8>> = (0..20_000).map(cell).collect();
        let cells: Vec<(u16, &[u8])> = cells.iter().map(|c| (TEXT_OF_TABLE, &c[..])).collect();
        let bytes = contained(&book(&texts, &cells));
        let found = rows("a.xls", FileFormat::Excel, &bytes);
        assert!(found[0].1.contains("too much text"), "{}", found[0].1);
        let bytes = contained(&book(&texts, &cells[..2]));
        assert_eq!(rows("a.xls", FileFormat::Excel, &bytes).len(), 1);
        // Sheets that are one.
        let mut twice = book(&[0; 8], &[(0x0203, &first)]);
        let sheet = twice[12..25].to_vec();
        twice.splice(25..25, sheet);
        for at in [16, 29] {
            twice[at] += 13;
        }
        let found = rows("a.xls", FileFormat::Excel, &contained(&twice));
        assert!(found[0].1.contains("one over another"), "{}", found[0].1);
    }

    #[test]
    fn the_table_of_texts_is_counted_as_it_is_read() {
        // Formats and what Asian scripts add behind the text, texts that go on in another width.
        let mut table = [0; 8].to_vec();
        table.extend([
            2, 0, 0x0d, 1, 0, 4, 0, 0, 0, b'h', 0, b'i', 0, 9, 9, 9, 9, 8, 8, 8, 8,
        ]);
        table.extend([3, 0, 0, b'a']);
        let mut bytes = Vec::new();
        put(&mut bytes, TEXTS, &table);
        put(&mut bytes, CONTINUE, &[1, b'b', 0, b'c', 0, 1, 0, 0, b'z']);
        let found = record(&bytes, 0).unwrap().unwrap();
        assert_eq!(lengths_of(&bytes, &found).unwrap(), [2, 3, 1]);
    }

    #[test]
    fn damaged_files_end_in_an_error() {
        panics::are_quiet(|| {
            let mut container = cfb::CompoundFile::open(Cursor::new(ORDERS_XLS)).unwrap();
            let mut book = Vec::new();
            let mut stream = container.open_stream("/Workbook").unwrap();
            stream.read_to_end(&mut book).unwrap();
            for at in 0..book.len() {
                let mut damaged = book.clone();
                damaged[at] ^= 0xff;
                rows("a.xls", FileFormat::Excel, &contained(&damaged));
            }
            // The container itself: where its chains lead.
            for at in (0..ORDERS_XLS.len()).step_by(3) {
                let mut damaged = ORDERS_XLS.to_vec();
                damaged[at] = damaged[at].wrapping_add(1);
                rows("a.xls", FileFormat::Excel, &damaged);
                let found = rows("a.xls", FileFormat::Excel, &ORDERS_XLS[..at]);
                assert!(!found.is_empty(), "up to {at}");
            }
        });
    }
}
