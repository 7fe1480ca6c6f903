//! `.xlsb`: what is looked at before `calamine` reads a file.

use std::io::Read;

use super::{Archive, too_large};
use crate::files::rows::Broken;

/// The part that names sheets and formulas.
const BOOK: &str = "xl/workbook.bin";
/// What it may take.
const BOOK_BYTES: u64 = 2 << 20;
/// A sheet of a workbook, and a formula with a name.
const SHEET: u32 = 0x009c;
const NAME: u32 = 0x0027;
/// Excel has names of up to 255 characters, of two bytes each.
const NAME_BYTES: usize = 510;

/// Refuses files whose names would be written out into more than memory holds: formulas may refer to a long
/// name, and to names that refer to names.
pub(super) fn check(archive: &mut Archive) -> Result<(), Broken> {
    let mut bytes = Vec::new();
    let mut alike = 0;
    for name in archive.file_names() {
        // As `calamine` looks for it.
        let name = name?.replace('\\', "/").to_ascii_lowercase();
        alike += usize::from(name == BOOK);
    }
    if alike > 1 {
        return Err(format!("it has two parts `{BOOK}`").into());
    }
    let book = archive.by_name(BOOK)?;
    book.take(BOOK_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > BOOK_BYTES {
        return Err(too_large("has too many names of formulas"));
    }
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let broken = || -> Broken { format!("`{BOOK}` in it is damaged").into() };
        let (kind, length) = (number(&mut rest, 2), number(&mut rest, 4));
        let (Some(kind), Some(length)) = (kind, length) else {
            return Err(broken());
        };
        let (record, next) = rest.split_at_checked(length as usize).ok_or_else(broken)?;
        rest = next;
        let name = match kind {
            // Behind what it is and where it is.
            NAME => record
                .get(9..13)
                .and_then(|length| length.try_into().ok())
                .map(|length| u32::from_le_bytes(length) as usize * 2),
            SHEET => Some(record.len() / 2),
            _ => None,
        };
        if name.is_some_and(|bytes| bytes > NAME_BYTES) {
            return Err(broken());
        }
    }
    Ok(())
}

/// Reads a number of seven bits a byte, the least first, in at most so many bytes.
fn number(bytes: &mut &[u8], most: u32) -> Option<u32> {
    let mut value = 0;
    for at in 0..most {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u32::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use zip::ZipArchive;
    use zip::write::{SimpleFileOptions, ZipWriter};

    use super::*;
    use crate::files::rows::tests::rows;
    use crate::files::sheet::tests::{ORDERS_XLSB, panics};
    use crate::spec::FileFormat;

    /// The workbook with one of its parts as a function makes it.
    fn with(part: &str, make: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
        let mut archive = ZipArchive::new(Cursor::new(ORDERS_XLSB)).unwrap();
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for at in 0..archive.len() {
            let mut member = archive.by_index(at).unwrap();
            let name = member.name().unwrap().into_owned();
            let mut bytes = Vec::new();
            member.read_to_end(&mut bytes).unwrap();
            if name == part {
                make(&mut bytes);
            }
            zip.start_file(name, SimpleFileOptions::default()).unwrap();
            zip.write_all(&bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn names_of_formulas_are_short() {
        assert_eq!(
            rows("a.xlsb", FileFormat::Excel, &with(BOOK, |_| {})).len(),
            3
        );
        // A name of a thousand characters.
        let mut name = vec![NAME as u8, 0x80 | 93, 16];
        name.resize(3 + 9, 0);
        name.extend(1000_u32.to_le_bytes());
        name.resize(3 + 2141, 0);
        let found = rows(
            "a.xlsb",
            FileFormat::Excel,
            &with(BOOK, |book| book.extend(&name)),
        );
        assert!(found[0].1.contains("is damaged"), "{found:?}");
        let long = with(BOOK, |book| book.resize(3 << 20, 0));
        let found = rows("a.xlsb", FileFormat::Excel, &long);
        assert!(found[0].1.contains("too many names"), "{found:?}");
    }

    #[test]
    fn damaged_files_end_in_an_error() {
        panics::are_quiet(|| {
            for part in [
                BOOK,
                "xl/worksheets/sheet1.bin",
                "xl/sharedStrings.bin",
                "xl/styles.bin",
            ] {
                let length = std::cell::Cell::new(0);
                with(part, |bytes| length.set(bytes.len()));
                assert!(length.get() > 0, "{part}");
                for at in 0..length.get() {
                    let damaged = with(part, |bytes| bytes[at] ^= 0xff);
                    rows("a.xlsb", FileFormat::Excel, &damaged);
                }
            }
        });
    }
}
