//! Spreadsheets of Excel (`.xlsx`, `.xlsm`): the rows of one sheet, read cell by cell.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use calamine::{DataRef, Reader, Xlsx, open_workbook_from_rs};
use zip::ZipArchive;

use super::rows::{Broken, Each, Found, header, poison};
use crate::load::Cell;
use crate::spec::FileStream;

/// The most that a spreadsheet's texts may take when unpacked: they are held in memory.
const UNPACKED: u64 = 512 << 20;

/// Reads a sheet: that of the stream, or the first.
pub(super) fn rows(path: &Path, stream: &FileStream, each: &mut Each<'_>) -> Result<(), Broken> {
    bounded(path)?;
    let mut book: Xlsx<_> = open_workbook_from_rs(BufReader::new(File::open(path)?))?;
    let sheets = book.sheet_names();
    let sheet = match &stream.sheet {
        Some(sheet) if sheets.contains(sheet) => sheet.clone(),
        Some(sheet) => {
            return Err(format!(
                "there is no sheet `{sheet}`; there are: {}",
                sheets.join(", ")
            )
            .into());
        }
        None => sheets.first().cloned().ok_or("it has no sheet")?,
    };
    let mut cells = book.worksheet_cells_reader(&sheet)?;
    let mut sheet = Sheet {
        names: match stream.header {
            Some(false) => Names::Numbered,
            _ => Names::Unread,
        },
        row: BTreeMap::new(),
        number: 0,
    };
    while let Some(cell) = cells.next_cell()? {
        let (row, column) = cell.get_position();
        if row != sheet.number && !sheet.end_row(each) {
            return Ok(());
        }
        sheet.number = row;
        if let Some(text) = text(cell.get_value()) {
            sheet.row.insert(column as usize, text);
        }
    }
    sheet.end_row(each);
    Ok(())
}

/// Refuses what would take too much memory. What an archive says of its members may be wrong, so they are read.
fn bounded(path: &Path) -> Result<(), Broken> {
    let mut archive = ZipArchive::new(BufReader::new(File::open(path)?)).map_err(|error| {
        format!("it is no spreadsheet of the kind `.xlsx` ({error}): save it as one, or as CSV")
    })?;
    let mut unpacked = 0;
    for at in 0..archive.len() {
        let left = UNPACKED.saturating_sub(unpacked) + 1;
        unpacked += io::copy(&mut archive.by_index(at)?.take(left), &mut io::sink())?;
        if unpacked > UNPACKED {
            let most = UNPACKED >> 20;
            return Err(format!("it is larger than {most} MiB unpacked: export it as CSV").into());
        }
    }
    Ok(())
}

struct Sheet {
    names: Names,
    /// Values by the number of their column, from 0.
    row: BTreeMap<usize, String>,
    /// From 0.
    number: u32,
}

enum Names {
    /// The first row with values has them.
    Unread,
    /// There are none: columns are counted.
    Numbered,
    Read(BTreeMap<usize, String>),
}

impl Sheet {
    /// Hands out the row that is complete; returns whether to go on.
    fn end_row(&mut self, each: &mut Each<'_>) -> bool {
        let values = std::mem::take(&mut self.row);
        // As people see it.
        let line = u64::from(self.number) + 1;
        if values.is_empty() {
            return true;
        }
        let numbered;
        let names = match &self.names {
            Names::Unread => {
                let written = header(values.values().map(String::as_str));
                let places = values.keys().copied();
                self.names = Names::Read(places.zip(written).collect());
                return true;
            }
            Names::Numbered => {
                let places = values.keys();
                numbered = places
                    .map(|at| (*at, format!("column_{}", at + 1)))
                    .collect();
                &numbered
            }
            Names::Read(names) => names,
        };
        if let Some((at, value)) = values.iter().find(|(at, _)| !names.contains_key(at)) {
            let reason = format!("column {} has a value and no name", letters(*at));
            return each(Found {
                line,
                row: Err(poison(reason, value.as_str())),
            });
        }
        let cells: Vec<(&str, Cell<'_>)> = names
            .iter()
            .map(|(at, name)| {
                let value = values.get(at).map_or(Cell::Null, |text| Cell::Text(text));
                (name.as_str(), value)
            })
            .collect();
        each(Found {
            line,
            row: Ok(&cells),
        })
    }
}

/// Returns a value as text that types are told from; nothing for an empty cell.
fn text(value: &DataRef<'_>) -> Option<String> {
    let text = match value {
        DataRef::Empty => return None,
        DataRef::Int(value) => value.to_string(),
        // Spreadsheets have no other numbers: whole ones are whole.
        DataRef::Float(value) => value.to_string(),
        DataRef::String(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Bool(value) => value.to_string(),
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::Error(error) => error.to_string(),
        DataRef::DateTime(moment) => match moment.as_datetime() {
            Some(at) if moment.is_datetime() => match at.time() == chrono::NaiveTime::MIN {
                true => at.date().to_string(),
                false => at.format("%Y-%m-%d %H:%M:%S%.f").to_string(),
            },
            // A length of time, in days.
            _ => moment.as_f64().to_string(),
        },
    };
    (!text.is_empty()).then_some(text)
}

/// Names a column as spreadsheets do: A, B, ... Z, AA.
fn letters(mut at: usize) -> String {
    let mut letters = String::new();
    loop {
        let letter = u8::try_from(at % 26).unwrap_or(0);
        letters.insert(0, char::from(b'A' + letter));
        if at < 26 {
            return letters;
        }
        at = at / 26 - 1;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::write::{SimpleFileOptions, ZipWriter};

    use super::super::rows::tests::rows;
    use super::letters;
    use crate::spec::FileFormat;

    /// A workbook with two sheets, the first with these rows in the words of SpreadsheetML.
    fn book(rows: &str) -> Vec<u8> {
        const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
        const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
        const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006/relationships";
        let sheet = |rows: &str| {
            format!("<worksheet xmlns=\"{MAIN}\"><sheetData>{rows}</sheetData></worksheet>")
        };
        let parts = [
            (
                "_rels/.rels",
                format!(
                    "<Relationships xmlns=\"{PACKAGE}\"><Relationship Id=\"r1\" Type=\"{OFFICE}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
                ),
            ),
            (
                "xl/workbook.xml",
                format!(
                    "<workbook xmlns=\"{MAIN}\" xmlns:r=\"{OFFICE}\"><sheets><sheet name=\"Orders\" sheetId=\"1\" r:id=\"r1\"/><sheet name=\"Other\" sheetId=\"2\" r:id=\"r2\"/></sheets></workbook>"
                ),
            ),
            (
                "xl/_rels/workbook.xml.rels",
                format!(
                    "<Relationships xmlns=\"{PACKAGE}\"><Relationship Id=\"r1\" Type=\"{OFFICE}/worksheet\" Target=\"worksheets/one.xml\"/><Relationship Id=\"r2\" Type=\"{OFFICE}/worksheet\" Target=\"worksheets/two.xml\"/><Relationship Id=\"r3\" Type=\"{OFFICE}/styles\" Target=\"styles.xml\"/><Relationship Id=\"r4\" Type=\"{OFFICE}/sharedStrings\" Target=\"sharedStrings.xml\"/></Relationships>"
                ),
            ),
            (
                "xl/styles.xml",
                format!(
                    "<styleSheet xmlns=\"{MAIN}\"><cellXfs count=\"3\"><xf numFmtId=\"0\"/><xf numFmtId=\"14\"/><xf numFmtId=\"22\"/></cellXfs></styleSheet>"
                ),
            ),
            (
                "xl/sharedStrings.xml",
                format!("<sst xmlns=\"{MAIN}\"><si><t>déjà</t></si></sst>"),
            ),
            ("xl/worksheets/one.xml", sheet(rows)),
            (
                "xl/worksheets/two.xml",
                sheet("<row r=\"1\"><c r=\"A1\"><v>1</v></c></row>"),
            ),
        ];
        let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, text) in parts {
            zip.start_file(name, SimpleFileOptions::default()).unwrap();
            zip.write_all(text.as_bytes()).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn inline(place: &str, text: &str) -> String {
        format!("<c r=\"{place}\" t=\"inlineStr\"><is><t>{text}</t></is></c>")
    }

    #[test]
    fn rows_of_a_sheet_have_its_names_and_values() {
        let names = ["id", "name", "on", "at", "paid"];
        let head: String = names
            .iter()
            .enumerate()
            .map(|(at, name)| inline(&format!("{}3", letters(at + 1)), name))
            .collect();
        // The table begins at B3, a row is empty, the last has a value beside it and one far below.
        let bytes = book(&format!(
            "<row r=\"3\">{head}</row>\
             <row r=\"4\"><c r=\"B4\"><v>1</v></c><c r=\"C4\" t=\"s\"><v>0</v></c>\
             <c r=\"D4\" s=\"1\"><v>45322</v></c><c r=\"E4\" s=\"2\"><v>45322.5</v></c><c r=\"F4\" t=\"b\"><v>1</v></c></row>\
             <row r=\"6\"><c r=\"B6\"><v>2.5</v></c><c r=\"C6\" t=\"e\"><v>#DIV/0!</v></c></row>\
             <row r=\"7\"><c r=\"B7\"><v>3</v></c><c r=\"AB7\"><v>9</v></c></row>\
             <row r=\"1048576\"><c r=\"B1048576\"><v>4</v></c></row>"
        ));
        let found = rows("a.xlsx", FileFormat::Excel, &bytes);
        let lines: Vec<u64> = found.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [4, 6, 7, 1_048_576], "{found:?}");
        for wanted in [
            r#"("id", Text("1"))"#,
            r#"("name", Text("déjà"))"#,
            r#"("on", Text("2024-01-31"))"#,
            r#"("at", Text("2024-01-31 12:00:00"))"#,
            r#"("paid", Text("true"))"#,
        ] {
            assert!(found[0].1.contains(wanted), "{}", found[0].1);
        }
        assert!(
            found[1]
                .1
                .contains(r##"("name", Text("#DIV/0!")), ("on", Null)"##),
            "{}",
            found[1].1
        );
        assert_eq!(found[2].1, "bad: column AB has a value and no name <9>");
        // What is none, and what is broken.
        for bytes in [&b"id\n1"[..], &bytes[..bytes.len() / 2]] {
            let found = rows("a.xlsx", FileFormat::Excel, bytes);
            assert!(found[0].1.starts_with("bad: "), "{found:?}");
        }
        // Named as what it is not.
        let found = rows("a.csv", FileFormat::Csv, &bytes);
        assert!(found[0].1.contains("it is a spreadsheet"), "{found:?}");
    }
}
