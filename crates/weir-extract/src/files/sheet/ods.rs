//! `.ods`: its XML is read as it comes. What a file says of repeated cells may be more than memory holds, so
//! that only rows are there as a whole.

use std::io::{BufRead, BufReader};

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::{Archive, COLUMNS, Sheet, UNPACKED, missing, too_large};
use crate::files::rows::{Broken, Each};
use crate::spec::FileStream;

/// The rows of a sheet, as for Excel.
const ROWS: u32 = 1_048_576;
/// The text of one cell.
const TEXT: usize = 1 << 20;

/// Reads a sheet: that of the stream, or the first.
pub(super) fn rows(
    archive: &mut Archive,
    stream: &FileStream,
    each: &mut Each<'_>,
) -> Result<(), Broken> {
    let protected = "it is protected by a password: save it without one";
    if let Ok(manifest) = archive.by_name("META-INF/manifest.xml") {
        let mut xml = reader(BufReader::new(manifest));
        let mut buffer = Vec::new();
        loop {
            match xml.read_event_into(&mut buffer)? {
                Event::Start(e) if e.name().as_ref() == "manifest:encryption-data" => {
                    return Err(protected.into());
                }
                Event::Eof => break,
                _ => buffer.clear(),
            }
        }
    }
    let mut content = Content {
        xml: reader(BufReader::new(archive.by_name("content.xml")?)),
        buffer: Vec::new(),
        written: 0,
    };
    let mut sheets = Vec::new();
    while let Some(name) = content.next_sheet()? {
        if stream.sheet.as_ref().is_none_or(|sheet| *sheet == name) {
            return content.rows(&mut Sheet::new(stream), each);
        }
        sheets.push(name);
    }
    match &stream.sheet {
        Some(sheet) => Err(missing(sheet, &sheets)),
        None => Err("it has no sheet".into()),
    }
}

fn reader<R: BufRead>(bytes: R) -> Reader<R> {
    let mut xml = Reader::from_reader(bytes);
    xml.config_mut().expand_empty_elements = true;
    xml
}

struct Content<R> {
    xml: Reader<R>,
    buffer: Vec<u8>,
    /// Bytes of values that were handed out, repeated ones included.
    written: u64,
}

/// A cell as its element says.
struct Said {
    /// So many cells one after another are like it.
    repeated: usize,
    value: Option<String>,
    /// Whether its text is the value.
    is_text: bool,
}

impl<R: BufRead> Content<R> {
    /// Goes on to the next sheet, and returns its name.
    fn next_sheet(&mut self) -> Result<Option<String>, Broken> {
        loop {
            self.buffer.clear();
            match self.xml.read_event_into(&mut self.buffer)? {
                Event::Start(e) if e.name().as_ref() == "table:table" => {
                    return Ok(Some(attribute(&e, "table:name")?.unwrap_or_default()));
                }
                Event::Eof => return Ok(None),
                _ => {}
            }
        }
    }

    /// Hands out the rows up to the end of the sheet.
    fn rows(&mut self, sheet: &mut Sheet, each: &mut Each<'_>) -> Result<(), Broken> {
        let mut at = 0_u32;
        loop {
            self.buffer.clear();
            match self.xml.read_event_into(&mut self.buffer)? {
                Event::Start(e) if e.name().as_ref() == "table:table-row" => {
                    let repeated: u32 = count(&e, "table:number-rows-repeated")?;
                    let row = self.row()?;
                    if row.is_empty() {
                        at = at.saturating_add(repeated);
                        continue;
                    }
                    let bytes: u64 = row.iter().map(|(_, text)| text.len() as u64 + 1).sum();
                    for number in at..at.saturating_add(repeated) {
                        if number >= ROWS {
                            return Err(format!("it has more than {ROWS} rows").into());
                        }
                        self.write(bytes)?;
                        for (column, text) in &row {
                            if !sheet.take((number, *column), Some(text.clone()), each)? {
                                return Ok(());
                            }
                        }
                    }
                    at = at.saturating_add(repeated);
                }
                Event::End(e) if e.name().as_ref() == "table:table" => {
                    sheet.end_row(each);
                    return Ok(());
                }
                Event::Eof => return Err("it breaks off".into()),
                _ => {}
            }
        }
    }

    /// Reads the values of a row, with their columns from 0.
    fn row(&mut self) -> Result<Vec<(u32, String)>, Broken> {
        let mut row: Vec<(u32, String)> = Vec::new();
        let mut column = 0_usize;
        loop {
            self.buffer.clear();
            let (said, end) = match self.xml.read_event_into(&mut self.buffer)? {
                Event::Start(e) => {
                    let name = e.name();
                    match name.as_ref() {
                        end @ ("table:table-cell" | "table:covered-table-cell") => {
                            (said(&e)?, end.to_owned())
                        }
                        _ => continue,
                    }
                }
                Event::End(e) if e.name().as_ref() == "table:table-row" => return Ok(row),
                Event::Eof => return Err("it breaks off".into()),
                _ => continue,
            };
            let text = self.text(&end)?;
            let value = said.value.or_else(|| said.is_text.then_some(text));
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                if column.saturating_add(said.repeated) > COLUMNS {
                    return Err(format!("it has more than {COLUMNS} columns").into());
                }
                self.write(value.len() as u64 * said.repeated as u64)?;
                for at in column..column + said.repeated {
                    row.push((u32::try_from(at)?, value.clone()));
                }
            }
            column = column.saturating_add(said.repeated);
        }
    }

    /// Reads the text of a cell up to its end; comments and drawings are none.
    fn text(&mut self, end: &str) -> Result<String, Broken> {
        let mut text = String::new();
        // Elements that hide what is in them, and paragraphs.
        let (mut hidden, mut within, mut paragraphs) = (0_u32, 0_u32, 0_u32);
        let hides = |name: &str| name == "office:annotation" || name.starts_with("draw:");
        loop {
            self.buffer.clear();
            match self.xml.read_event_into(&mut self.buffer)? {
                Event::Start(e) => match e.name().as_ref() {
                    name if hides(name) => hidden += 1,
                    _ if hidden > 0 => {}
                    "text:p" => {
                        within += 1;
                        paragraphs += 1;
                        if paragraphs > 1 {
                            text.push('\n');
                        }
                    }
                    "text:s" => {
                        let spaces: usize = count(&e, "text:c")?;
                        text.extend(std::iter::repeat_n(' ', spaces.min(TEXT + 1)));
                    }
                    "text:tab" => text.push('\t'),
                    "text:line-break" => text.push('\n'),
                    _ => {}
                },
                Event::End(e) => match e.name().as_ref() {
                    name if name == end => return Ok(text),
                    name if hides(name) => hidden = hidden.saturating_sub(1),
                    "text:p" if hidden == 0 => within = within.saturating_sub(1),
                    _ => {}
                },
                Event::Text(part) if hidden == 0 && within > 0 => {
                    text.push_str(&part.xml10_content());
                }
                Event::CData(part) if hidden == 0 && within > 0 => {
                    text.push_str(&part.xml10_content());
                }
                Event::GeneralRef(name) if hidden == 0 && within > 0 => {
                    match name.resolve_char_ref()? {
                        Some(letter) => text.push(letter),
                        None => text.push_str(
                            quick_xml::escape::resolve_xml_entity(&name)
                                .ok_or("it has an unknown entity")?,
                        ),
                    }
                }
                Event::Eof => return Err("it breaks off".into()),
                _ => {}
            }
            if text.len() > TEXT {
                return Err(too_large("has a cell of more than 1 MiB"));
            }
        }
    }

    fn write(&mut self, bytes: u64) -> Result<(), Broken> {
        self.written = self.written.saturating_add(bytes);
        match self.written > UNPACKED {
            true => {
                let most = UNPACKED >> 20;
                Err(too_large(&format!("repeats cells beyond {most} MiB")))
            }
            false => Ok(()),
        }
    }
}

/// Reads what the element of a cell says of it.
fn said(cell: &BytesStart<'_>) -> Result<Said, Broken> {
    let kind = attribute(cell, "office:value-type")?.unwrap_or_default();
    let value = match kind.as_str() {
        "float" | "percentage" | "currency" => {
            let written = attribute(cell, "office:value")?.unwrap_or_default();
            // As spreadsheets of Excel have it, which know no other numbers.
            match written.parse::<f64>() {
                Ok(number) => Some(number.to_string()),
                Err(_) => Some(written),
            }
        }
        "boolean" => attribute(cell, "office:boolean-value")?,
        "date" => attribute(cell, "office:date-value")?.map(|date| moment(&date)),
        "time" => attribute(cell, "office:time-value")?,
        _ => attribute(cell, "office:string-value")?,
    };
    Ok(Said {
        repeated: count(cell, "table:number-columns-repeated")?,
        // Errors have an empty value and are told by the text.
        value: value.filter(|value| !value.is_empty()),
        is_text: kind == "string",
    })
}

/// Returns a moment as cells of Excel are told: a day where it is one.
fn moment(written: &str) -> String {
    match written.split_once('T') {
        Some((day, "00:00:00")) => day.to_owned(),
        Some((day, time)) => format!("{day} {time}"),
        None => written.to_owned(),
    }
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Result<Option<String>, Broken> {
    let Some(found) = element.try_get_attribute(name)? else {
        return Ok(None);
    };
    let value = found.normalized_value(XmlVersion::Implicit1_0)?;
    Ok(Some(value.into_owned()))
}

/// Returns how often something is there; once where nothing is said.
fn count<T: std::str::FromStr + From<u8>>(
    element: &BytesStart<'_>,
    name: &str,
) -> Result<T, Broken> {
    match attribute(element, name)? {
        Some(written) => written.parse().map_err(|_| {
            let message = format!("`{name}` in it is `{written}`, which is no number");
            message.into()
        }),
        None => Ok(T::from(1)),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::write::{SimpleFileOptions, ZipWriter};

    use crate::files::rows::tests::rows;
    use crate::spec::FileFormat;

    fn ods(body: &str) -> Vec<u8> {
        let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default();
        zip.start_file("content.xml", options).unwrap();
        let text = format!(
            "<office:document-content><table:table table:name=\"A\">{body}</table:table></office:document-content>"
        );
        zip.write_all(text.as_bytes()).unwrap();
        zip.finish().unwrap().into_inner()
    }

    fn cell(attributes: &str, text: &str) -> String {
        format!("<table:table-cell {attributes}>{text}</table:table-cell>")
    }

    fn table(rows: &[String]) -> Vec<u8> {
        let rows = rows.iter();
        let rows = rows.map(|row| format!("<table:table-row>{row}</table:table-row>"));
        ods(&rows.collect::<String>())
    }

    fn text(text: &str) -> String {
        cell(
            "office:value-type=\"string\"",
            &format!("<text:p>{text}</text:p>"),
        )
    }

    #[test]
    fn values_are_read_as_libreoffice_writes_them() {
        let names: String = ["a", "b", "c", "d", "e"].map(text).concat();
        let values = [
            cell(
                "office:value-type=\"currency\" office:value=\"1.50\"",
                "<text:p>1,50 €</text:p>",
            ),
            cell(
                "office:value-type=\"date\" office:date-value=\"2024-01-31T08:30:00\"",
                "<text:p>x</text:p>",
            ),
            cell(
                "office:value-type=\"time\" office:time-value=\"PT12H30M00S\"",
                "",
            ),
            cell(
                "table:formula=\"of:=1/0\" office:value-type=\"string\" office:string-value=\"\" calcext:value-type=\"error\"",
                "<text:p>#DIV/0!</text:p>",
            ),
            text("a &lt;&#x62;<text:tab/><text:a>c</text:a>"),
        ];
        let found = rows(
            "a.ods",
            FileFormat::Excel,
            &table(&[names, values.concat()]),
        );
        let wanted = "[(\"a\", Text(\"1.5\")), (\"b\", Text(\"2024-01-31 08:30:00\")), \
            (\"c\", Text(\"PT12H30M00S\")), (\"d\", Text(\"#DIV/0!\")), (\"e\", Text(\"a <b\\tc\"))]";
        assert_eq!(found, [(2, wanted.to_owned())]);
    }

    #[test]
    fn what_repeats_without_end_is_refused() {
        let many = "table:number-rows-repeated=\"4000000000\"";
        let row = |attributes: &str, cells: &str| {
            format!("<table:table-row {attributes}>{cells}</table:table-row>")
        };
        let long = "x".repeat(100_000);
        let repeated = |count: u64| {
            let attributes =
                format!("office:value-type=\"string\" table:number-columns-repeated=\"{count}\"");
            cell(&attributes, &format!("<text:p>{long}</text:p>"))
        };
        for (body, told) in [
            (row(many, &text("x")), "more than 1048576 rows"),
            (row("", &repeated(u64::MAX)), "more than 16384 columns"),
            (row("", &repeated(10_000)), "repeats cells"),
            (
                row("table:number-rows-repeated=\"9999\"", &repeated(1)),
                "repeats cells",
            ),
            (
                row("", &text("<text:s text:c=\"18446744073709551615\"/>")),
                "more than 1 MiB",
            ),
            (
                row("", &text("<text:s text:c=\"-1\"/>")),
                "which is no number",
            ),
            (row("", &text("&lol;")), "unknown entity"),
            (row("", &text("</text:q>")), "cannot be read further"),
        ] {
            let found = rows("a.ods", FileFormat::Excel, &ods(&body));
            let last = &found.last().unwrap().1;
            assert!(last.contains(told), "{told}: {last}");
        }
        // Empty ones may.
        let body = format!("{}{}", row("", &text("id")), row(many, ""));
        assert!(rows("a.ods", FileFormat::Excel, &ods(&body)).is_empty());
        let broken = &ods("<table:table-row>")[..];
        assert!(
            rows("a.ods", FileFormat::Excel, broken)[0]
                .1
                .starts_with("bad: ")
        );
    }
}
