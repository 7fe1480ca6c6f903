//! Kept answers as workbooks of spreadsheets (`.xlsx`, ECMA-376 part 1), written while they are read.

use std::fmt::Write as _;
use std::io;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, TimeUnit, TimestampMicrosecondType};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use axum::response::Response;
use futures::StreamExt;
use http::{HeaderValue, header};
use tokio::sync::mpsc;
use weir_catalog::StoredResult;
use weir_query::StoredRowsStream;

use super::Rooms;
use super::show::attach;
use super::zip::Zip;
use crate::error::ApiError;
use crate::query::{Chunk, Format, Refusal, broken_off, streamed};

/// What the format is called where one is asked for.
pub(super) const NAME: &str = "xlsx";
const KIND: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// Rows and columns of a sheet, the names of columns among them.
const MOST_ROWS: u64 = 1_048_576;
const MOST_COLUMNS: usize = 16_384;
/// Characters of a cell.
const MOST_TEXT: usize = 32_767;
/// Whole numbers beyond are rounded by spreadsheets: they become text.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// The day that spreadsheets count 1970-01-01 as, and the first that all of them count alike.
const EPOCH_DAY: f64 = 25_569.0;
const FIRST_DAY: f64 = 61.0;
const DAY_MICROS: f64 = 86_400e6;

/// Places in the list of formats of `STYLES`.
const HEAD: u8 = 1;
const INSTANT: u8 = 2;
const DATE: u8 = 3;

/// The files of a workbook beside its sheet.
const PARTS: [(&str, &str); 5] = [
    (
        "[Content_Types].xml",
        r#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>"#,
    ),
    (
        "_rels/.rels",
        r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#,
    ),
    (
        "xl/workbook.xml",
        r#"<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="Answer" sheetId="1" r:id="r1"/></sheets></workbook>"#,
    ),
    (
        "xl/_rels/workbook.xml.rels",
        r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="r2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/></Relationships>"#,
    ),
    (
        "xl/styles.xml",
        r#"<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><numFmts count="2"><numFmt numFmtId="164" formatCode="yyyy\-mm\-dd\ hh:mm:ss"/><numFmt numFmtId="165" formatCode="yyyy\-mm\-dd"/></numFmts><fonts count="2"><font/><font><b/></font></fonts><fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills><borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="4"><xf xfId="0"/><xf xfId="0" fontId="1" applyFont="1"/><xf xfId="0" numFmtId="164" applyNumberFormat="1"/><xf xfId="0" numFmtId="165" applyNumberFormat="1"/></cellXfs></styleSheet>"#,
    ),
];
const PROLOGUE: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#;

/// Returns a whole answer as a workbook.
pub(super) async fn file(rooms: &Rooms, found: &StoredResult) -> Result<Response, Refusal> {
    if found.rows >= MOST_ROWS {
        let message = format!(
            "a spreadsheet has at most {} rows, and this answer has {}",
            MOST_ROWS - 1,
            found.rows
        );
        return Err(ApiError::invalid(message)
            .with_hint("take it as CSV or Parquet, or ask for fewer rows")
            .into());
    }
    let (schema, rows) = rooms.store.read(&found.id, 0, None).await?;
    if schema.fields().len() > MOST_COLUMNS {
        let message = format!("a spreadsheet has at most {MOST_COLUMNS} columns");
        return Err(ApiError::invalid(message).into());
    }
    let fields = schema.fields().iter();
    let names: Vec<String> = fields.map(|field| field.name().clone()).collect();
    let (sender, receiver) = mpsc::channel(4);
    rooms.engine.executor().spawn(write(rows, names, sender));
    let mut response = streamed(receiver, Format::Json);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(KIND));
    attach(headers, &found.id, NAME);
    Ok(response)
}

async fn write(mut rows: StoredRowsStream, names: Vec<String>, sender: mpsc::Sender<Chunk>) {
    let failed = |error: io::Error| {
        tracing::error!(%error, "a workbook cannot be written");
        Err(broken_off())
    };
    let mut book = Book::new();
    let mut written = book.begin(&names);
    loop {
        let bytes = book.zip.take();
        let chunk = match written {
            Ok(()) => Ok(bytes.into()),
            Err(error) => failed(error),
        };
        let broken = chunk.is_err();
        if sender.send(chunk).await.is_err() || broken {
            return;
        }
        written = match rows.next().await {
            Some(Ok(batch)) => book.add(&batch),
            Some(Err(error)) => {
                let _ = sender.send(Err(error)).await;
                return;
            }
            None => break,
        };
    }
    let last = match book.end() {
        Ok(()) => Ok(book.zip.take().into()),
        Err(error) => failed(error),
    };
    let _ = sender.send(last).await;
}

/// A workbook of one sheet.
struct Book {
    zip: Zip,
    text: String,
}

impl Book {
    fn new() -> Self {
        Self {
            zip: Zip::new(),
            text: String::new(),
        }
    }

    fn begin(&mut self, names: &[String]) -> io::Result<()> {
        for (name, text) in PARTS {
            self.zip.begin(name)?;
            self.zip.write(PROLOGUE.as_bytes())?;
            self.zip.write(text.as_bytes())?;
        }
        self.zip.begin("xl/worksheets/sheet1.xml")?;
        self.text.push_str(PROLOGUE);
        self.text.push_str(
            r#"<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><sheetData><row>"#,
        );
        for name in names {
            text_cell(&mut self.text, name, HEAD);
        }
        self.text.push_str("</row>");
        self.flush()
    }

    fn add(&mut self, batch: &RecordBatch) -> io::Result<()> {
        let columns: Vec<Cells> = batch.columns().iter().map(Cells::of).collect();
        for row in 0..batch.num_rows() {
            self.text.push_str("<row>");
            for cells in &columns {
                cells.write(&mut self.text, row);
            }
            self.text.push_str("</row>");
        }
        self.flush()
    }

    fn end(&mut self) -> io::Result<()> {
        self.text.push_str("</sheetData></worksheet>");
        self.flush()?;
        self.zip.finish()
    }

    fn flush(&mut self) -> io::Result<()> {
        let written = self.zip.write(self.text.as_bytes());
        self.text.clear();
        written
    }
}

/// Writes text as text, never as a formula; what XML cannot hold is left out.
fn text_cell(out: &mut String, text: &str, style: u8) {
    let _ = write!(
        out,
        r#"<c t="inlineStr" s="{style}"><is><t xml:space="preserve">"#
    );
    for c in text.chars().take(MOST_TEXT) {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\t' | '\n' => out.push(c),
            '\r' => out.push_str("&#13;"),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            _ => out.push(c),
        }
    }
    out.push_str("</t></is></c>");
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Truth,
    Time(u8),
    Text,
}

/// A column in the form that its cells are written from.
struct Cells {
    kind: Kind,
    /// As it came: whatever a sheet cannot hold is written as text.
    own: ArrayRef,
    cast: ArrayRef,
}

impl Cells {
    fn of(column: &ArrayRef) -> Self {
        let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
        let (kind, wanted) = match column.data_type() {
            kind if kind.is_numeric() => (Kind::Number, DataType::Float64),
            DataType::Boolean => (Kind::Truth, DataType::Boolean),
            DataType::Timestamp(_, _) => (Kind::Time(INSTANT), micros),
            DataType::Date32 | DataType::Date64 => (Kind::Time(DATE), micros),
            _ => (Kind::Text, DataType::Utf8),
        };
        match arrow::compute::cast(column, &wanted) {
            Ok(cast) => Self {
                kind,
                own: column.clone(),
                cast,
            },
            // What has no such form is written as it is shown.
            Err(_) => Self {
                kind: Kind::Text,
                own: column.clone(),
                cast: column.clone(),
            },
        }
    }

    fn write(&self, out: &mut String, at: usize) {
        if self.own.is_null(at) || self.cast.is_null(at) {
            return out.push_str("<c/>");
        }
        // Writing to a string cannot fail.
        let done = match self.kind {
            Kind::Number => {
                let value = self.cast.as_primitive::<Float64Type>().value(at);
                let fits = value.is_finite() && value.abs() <= EXACT;
                fits.then(|| write!(out, "<c><v>{value}</v></c>"))
            }
            Kind::Truth => {
                let value = u8::from(self.cast.as_boolean().value(at));
                Some(write!(out, r#"<c t="b"><v>{value}</v></c>"#))
            }
            Kind::Time(style) => {
                let times = self.cast.as_primitive::<TimestampMicrosecondType>();
                let day = times.value(at) as f64 / DAY_MICROS + EPOCH_DAY;
                let fits = day >= FIRST_DAY;
                fits.then(|| write!(out, r#"<c s="{style}"><v>{day}</v></c>"#))
            }
            Kind::Text if self.cast.data_type() == &DataType::Utf8 => {
                text_cell(out, self.cast.as_string::<i32>().value(at), 0);
                return;
            }
            Kind::Text => None,
        };
        if done.is_none() {
            let options = FormatOptions::default();
            let shown = ArrayFormatter::try_new(&self.own, &options)
                .map_or_else(|_| String::new(), |shown| shown.value(at).to_string());
            text_cell(out, &shown, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int64Array, StringArray, TimestampMicrosecondArray};

    use super::*;

    fn row(batch: &RecordBatch, at: usize) -> String {
        let mut text = String::new();
        for column in batch.columns() {
            Cells::of(column).write(&mut text, at);
        }
        text
    }

    #[test]
    fn cells_are_what_they_were() {
        let columns: [(&str, ArrayRef); 4] = [
            (
                "t",
                Arc::new(StringArray::from(vec![
                    Some("=cmd|' /C <calc>'!A0\u{1}"),
                    None,
                ])),
            ),
            ("n", Arc::new(Int64Array::from(vec![7, i64::MAX]))),
            ("x", Arc::new(Float64Array::from(vec![0.5, f64::NAN]))),
            (
                "at",
                Arc::new(TimestampMicrosecondArray::from(vec![0, -(1 << 60)])),
            ),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        assert_eq!(
            row(&batch, 0),
            r#"<c t="inlineStr" s="0"><is><t xml:space="preserve">=cmd|' /C &lt;calc&gt;'!A0</t></is></c><c><v>7</v></c><c><v>0.5</v></c><c s="2"><v>25569</v></c>"#
        );
        let second = row(&batch, 1);
        assert!(second.starts_with("<c/>"), "{second}");
        assert!(second.contains("9223372036854775807</t>"), "{second}");
    }

    #[test]
    fn the_archive_ends_with_a_list_of_its_files() {
        let mut book = Book::new();
        book.begin(&["a".to_owned()]).unwrap();
        let mut all = book.zip.take();
        book.end().unwrap();
        all.extend(book.zip.take());
        assert!(all.starts_with(b"PK\x03\x04"));
        let end = &all[all.len() - 22..];
        assert!(end.starts_with(b"PK\x05\x06"));
        assert_eq!(end[8], 6);
        let start = u32::from_le_bytes(end[16..20].try_into().unwrap()) as usize;
        assert!(all[start..].starts_with(b"PK\x01\x02"));
    }
}
