//! Spreadsheets of Excel (`.xlsx`, `.xlsm`, `.xlsb`, `.xls`) and LibreOffice (`.ods`): the rows of one sheet.

mod ods;
mod xls;
mod xlsb;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use calamine::{DataRef, Reader, Xlsb, Xlsx, open_workbook_from_rs};
use zip::ZipArchive;

use super::rows::{Broken, Each, Found, header, poison};
use crate::load::Cell;
use crate::spec::FileStream;

/// The most that a spreadsheet's texts may take when unpacked: they are held in memory.
const UNPACKED: u64 = if cfg!(test) { 32 << 20 } else { 512 << 20 };
/// The columns of a sheet, up to XFD.
const COLUMNS: usize = 16_384;

type Archive = ZipArchive<BufReader<File>>;

/// Reads a sheet: that of the stream, or the first.
pub(super) fn rows(path: &Path, stream: &FileStream, each: &mut Each<'_>) -> Result<(), Broken> {
    if xls::is_one(path)? {
        return xls::rows(path, stream, each);
    }
    let mut archive = opened(path)?;
    bounded(&mut archive)?;
    let has = |name: &str| archive.index_for_name(name).is_some();
    if has("content.xml") {
        return ods::rows(&mut archive, stream, each);
    }
    if has("xl/workbook.bin") {
        xlsb::check(&mut archive)?;
        let mut book: Xlsb<_> = open_workbook_from_rs(BufReader::new(File::open(path)?))?;
        let name = chosen(&book.sheet_names(), stream)?;
        let mut cells = book.worksheet_cells_reader(&name)?;
        let mut sheet = Sheet::new(stream);
        while let Some(cell) = cells.next_cell()? {
            if !sheet.take(cell.get_position(), text(cell.get_value()), each)? {
                return Ok(());
            }
        }
        sheet.end_row(each);
        return Ok(());
    }
    let mut book: Xlsx<_> = open_workbook_from_rs(BufReader::new(File::open(path)?))?;
    let name = chosen(&book.sheet_names(), stream)?;
    let mut cells = book.worksheet_cells_reader(&name)?;
    let mut sheet = Sheet::new(stream);
    while let Some(cell) = cells.next_cell()? {
        if !sheet.take(cell.get_position(), text(cell.get_value()), each)? {
            return Ok(());
        }
    }
    sheet.end_row(each);
    Ok(())
}

/// Returns the sheet that is read: that of the stream, or the first.
fn chosen(sheets: &[String], stream: &FileStream) -> Result<String, Broken> {
    match &stream.sheet {
        Some(sheet) if sheets.contains(sheet) => Ok(sheet.clone()),
        Some(sheet) => Err(missing(sheet, sheets)),
        None => Ok(sheets.first().cloned().ok_or("it has no sheet")?),
    }
}

fn missing(sheet: &str, sheets: &[String]) -> Broken {
    let names = sheets.join(", ");
    format!("there is no sheet `{sheet}`; there are: {names}").into()
}

fn opened(path: &Path) -> Result<Archive, Broken> {
    let archive = ZipArchive::new(BufReader::new(File::open(path)?));
    archive.map_err(|error| {
        let message = format!(
            "it is no spreadsheet ({error}): save it as `.xlsx`, `.xlsb`, `.xls`, `.ods` or CSV"
        );
        message.into()
    })
}

fn too_large(what: &str) -> Broken {
    format!("it {what}: export it as CSV").into()
}

/// Refuses what would take too much memory. What an archive says of its members may be wrong, so they are read.
fn bounded(archive: &mut Archive) -> Result<(), Broken> {
    let mut unpacked = 0;
    for at in 0..archive.len() {
        let left = UNPACKED.saturating_sub(unpacked) + 1;
        unpacked += io::copy(&mut archive.by_index(at)?.take(left), &mut io::sink())?;
        if unpacked > UNPACKED {
            let most = UNPACKED >> 20;
            return Err(too_large(&format!("is larger than {most} MiB unpacked")));
        }
    }
    Ok(())
}

/// Rows as their values come.
pub(super) struct Sheet {
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
    pub(super) fn new(stream: &FileStream) -> Self {
        Self {
            names: match stream.header {
                Some(false) => Names::Numbered,
                _ => Names::Unread,
            },
            row: BTreeMap::new(),
            number: 0,
        }
    }

    /// Takes a value at its row and column, from 0, which come in order; returns whether to go on.
    pub(super) fn take(
        &mut self,
        (row, column): (u32, u32),
        text: Option<String>,
        each: &mut Each<'_>,
    ) -> Result<bool, Broken> {
        if row != self.number && !self.end_row(each) {
            return Ok(false);
        }
        self.number = row;
        let column = column as usize;
        if column >= COLUMNS {
            return Err(format!("it has a value in column {}", letters(column)).into());
        }
        if let Some(text) = text {
            self.row.insert(column, text);
        }
        Ok(true)
    }

    /// Hands out the row that is complete; returns whether to go on.
    pub(super) fn end_row(&mut self, each: &mut Each<'_>) -> bool {
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
    use std::path::Path;

    use zip::write::{SimpleFileOptions, ZipWriter};

    use super::super::rows::read;
    use super::super::rows::tests::rows;
    use super::letters;
    use crate::spec::{FileFormat, FileStream};

    pub(super) const ORDERS_XLS: &[u8] = include_bytes!("../../../tests/sheets/orders.xls");
    pub(super) const ORDERS_XLSB: &[u8] = include_bytes!("../../../tests/sheets/orders.xlsb");

    /// Panics of what reads damaged files are caught, and fill no page.
    pub(super) mod panics {
        pub(in crate::files::sheet) fn are_quiet(work: impl FnOnce()) {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(|_| {}));
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            std::panic::set_hook(before);
            if let Err(panic) = done {
                std::panic::resume_unwind(panic);
            }
        }
    }

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

    #[test]
    fn sheets_of_other_programs_are_read_alike() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sheets");
        for (name, first) in [("orders.xls", 4), ("orders.xlsb", 2), ("orders.ods", 4)] {
            let file = folder.join(name);
            let sheet = |sheet: Option<&str>| {
                let stream = FileStream {
                    sheet: sheet.map(str::to_owned),
                    ..FileStream::default()
                };
                let mut found = Vec::new();
                read(&file, FileFormat::Excel, &stream, &mut |at| {
                    let row = at.row.map(|cells| format!("{cells:?}"));
                    found.push((at.line, row.unwrap_or_else(|poison| poison.reason)));
                    true
                });
                found
            };
            let found = sheet(None);
            assert_eq!(found.first().unwrap().0, first, "{name}: {found:?}");
            for wanted in [
                r#"("id", Text("1"))"#,
                r#"("name", Text("déjà"))"#,
                r#"("on", Text("2024-01-31"))"#,
                r#"("at", Text("2024-01-31 12:00:00"))"#,
                r#"("paid", Text("true"))"#,
                r#"("part", Text("0.5"))"#,
            ] {
                assert!(found[0].1.contains(wanted), "{name}: {}", found[0].1);
            }
            let second = r#"[("id", Text("2.5")), ("name", Text("two\nlines")), ("on", Null), ("at", Null), ("paid", Text("false")), ("part", Null)]"#;
            assert_eq!(found[1], (first + 1, second.to_owned()), "{name}");
            // A row between is empty.
            assert_eq!(found[2].0, first + 3, "{name}");
            assert_eq!(
                sheet(Some("Other")),
                [(2, r#"[("x", Text("7"))]"#.to_owned())]
            );
            let told = &sheet(Some("None"))[0].1;
            assert!(
                told.contains("no sheet `None`; there are: Orders, Other"),
                "{told}"
            );
            if name == "orders.ods" {
                // Rows that are alike, without the comment.
                let wanted = r#"[("id", Text("4")), ("name", Text("b &  bold")), "#;
                for (at, line) in [(3, 8), (4, 9)] {
                    assert_eq!(found[at].0, line);
                    assert!(found[at].1.starts_with(wanted), "{}", found[at].1);
                }
            }
        }
    }
}
