//! The rows of one file, whatever its format, and what in it is no row.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

use serde_json::value::RawValue;

use super::dialect::Dialect;
use super::text::{SAMPLE, Utf8, decompressed, encoding_of};
use super::{archive, batches, google, sheet};
use crate::load::{Cell, ColumnType};
use crate::singer::Members;
use crate::spec::{FileFormat, FileStream};

/// The longest JSON document that is not lines; it is held in memory.
const DOCUMENT_BYTES: u64 = 1 << 30;

/// A place in a file that has a row or should have one.
pub(super) struct Found<'a> {
    /// Its line, from 1; the number of the row where there are no lines.
    pub(super) line: u64,
    pub(super) row: Result<&'a [(&'a str, Cell<'a>)], Poison>,
}

/// What is in the place of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Poison {
    pub(super) reason: String,
    /// As it is written, as far as it was read.
    pub(super) text: String,
}

/// Takes what is found; false ends the reading.
pub(super) type Each<'f> = dyn FnMut(Found<'_>) -> bool + 'f;

/// Types that a file itself tells, by column.
pub(super) type Declared = Vec<(String, ColumnType)>;

pub(super) fn poison(reason: impl ToString, text: impl Into<String>) -> Poison {
    Poison {
        reason: reason.to_string(),
        text: text.into(),
    }
}

/// Reads a file; what cannot be read of it is found as such. Returns types that the file tells.
pub(super) fn read(
    path: &Path,
    format: FileFormat,
    stream: &FileStream,
    each: &mut Each<'_>,
) -> Declared {
    let mut last = 0;
    let mut counted = |found: Found<'_>| {
        last = found.line;
        each(found)
    };
    // What reads formats is the work of others: a panic on a broken file must not pass for its end.
    let done = panic::catch_unwind(AssertUnwindSafe(|| {
        whole(path, format, stream, &mut counted)
    }));
    let done = done.unwrap_or_else(|_| Err("what reads this format has failed".into()));
    done.unwrap_or_else(|error| {
        each(Found {
            line: last + 1,
            row: Err(poison(
                format!("the file cannot be read further: {error}"),
                "",
            )),
        });
        Vec::new()
    })
}

fn whole(
    path: &Path,
    format: FileFormat,
    stream: &FileStream,
    each: &mut Each<'_>,
) -> Result<Declared, Broken> {
    let nothing = |()| Vec::new();
    if !matches!(format, FileFormat::Excel | FileFormat::GoogleSheet) && archive::is_one(path)? {
        return archive::members(path, format, stream, each).map(nothing);
    }
    match format {
        FileFormat::Csv | FileFormat::Json | FileFormat::JsonLines => {
            texts(File::open(path)?, format, stream, each).map(nothing)
        }
        FileFormat::Parquet => batches::parquet(path, each),
        FileFormat::Avro => batches::avro(path, each),
        FileFormat::Excel => sheet::rows(path, stream, each).map(nothing),
        FileFormat::GoogleSheet => google::rows(File::open(path)?, stream, each).map(nothing),
        FileFormat::Zip => Err("it is no ZIP archive".into()),
    }
}

/// Reads a format that is text.
pub(super) fn texts(
    bytes: impl Read,
    format: FileFormat,
    stream: &FileStream,
    each: &mut Each<'_>,
) -> Result<(), Broken> {
    match format {
        FileFormat::Csv => separated(bytes, stream, each),
        FileFormat::Json => document(bytes, each),
        FileFormat::JsonLines => lines(bytes, each),
        FileFormat::Parquet
        | FileFormat::Avro
        | FileFormat::Excel
        | FileFormat::GoogleSheet
        | FileFormat::Zip => Err("it is read from a file of its own only: unpack it".into()),
    }
}

/// What may be wrong with a file as a whole.
pub(super) type Broken = Box<dyn std::error::Error + Send + Sync>;

/// Opens a file as text, with the beginning of it.
fn open<'a>(bytes: impl Read + 'a) -> Result<(String, impl Read + 'a), Broken> {
    let mut raw = decompressed(BufReader::with_capacity(SAMPLE, bytes))?;
    let mut start = Vec::with_capacity(SAMPLE);
    raw.by_ref().take(SAMPLE as u64).read_to_end(&mut start)?;
    let encoding = encoding_of(&start);
    let (sample, ..) = encoding.decode(&start);
    let sample = sample.into_owned();
    let text = Utf8::new(std::io::Cursor::new(start).chain(raw), encoding);
    Ok((sample, text))
}

fn separated(bytes: impl Read, stream: &FileStream, each: &mut Each<'_>) -> Result<(), Broken> {
    let (sample, text) = open(bytes)?;
    let dialect = Dialect::of(&sample, stream.delimiter, stream.header);
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(dialect.delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(text);
    let mut record = csv::StringRecord::new();
    let mut names: Vec<String> = Vec::new();
    while reader.read_record(&mut record)? {
        let line = record.position().map_or(0, csv::Position::line);
        if names.is_empty() {
            names = match dialect.has_header {
                true => header(record.iter()),
                false => (1..=record.len()).map(|n| format!("column_{n}")).collect(),
            };
            if dialect.has_header {
                continue;
            }
        }
        if record.len() != names.len() {
            let reason = format!(
                "it has {} values where the file has {} columns",
                record.len(),
                names.len()
            );
            let written = record.iter().collect::<Vec<_>>();
            let text = written.join(&char::from(dialect.delimiter).to_string());
            let row = Err(poison(reason, text));
            if !each(Found { line, row }) {
                return Ok(());
            }
            continue;
        }
        let cells: Vec<(&str, Cell<'_>)> = names
            .iter()
            .zip(record.iter())
            .map(|(name, value)| match value.is_empty() {
                true => (name.as_str(), Cell::Null),
                false => (name.as_str(), Cell::Text(value)),
            })
            .collect();
        if !each(Found {
            line,
            row: Ok(&cells),
        }) {
            return Ok(());
        }
    }
    Ok(())
}

/// Returns the names of columns: none is empty or there twice.
pub(super) fn header<'a>(written: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (at, name) in written.enumerate() {
        let name = match name.trim() {
            "" => format!("column_{}", at + 1),
            name => name.to_owned(),
        };
        let mut free = name.clone();
        let mut number = 1;
        while names.contains(&free) {
            number += 1;
            free = format!("{name}_{number}");
        }
        names.push(free);
    }
    names
}

fn lines(bytes: impl Read, each: &mut Each<'_>) -> Result<(), Broken> {
    let (_, text) = open(bytes)?;
    let mut reader = BufReader::with_capacity(SAMPLE, text);
    let (mut line, mut number) = (String::new(), 0);
    loop {
        line.clear();
        number += 1;
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let text = line.trim();
        if !text.is_empty() && !object(number, text, each) {
            return Ok(());
        }
    }
}

/// Hands out an object; returns whether to go on.
fn object(line: u64, text: &str, each: &mut Each<'_>) -> bool {
    match serde_json::from_str::<Members<'_>>(text) {
        Ok(members) => {
            let cells: Vec<(&str, Cell<'_>)> = members
                .0
                .iter()
                .map(|(name, raw)| (name.as_ref(), Cell::Json(raw)))
                .collect();
            each(Found {
                line,
                row: Ok(&cells),
            })
        }
        Err(error) => {
            let row = Err(poison(format!("it is no JSON object: {error}"), text));
            each(Found { line, row })
        }
    }
}

/// A list of objects, one object, or objects one after another.
fn document(bytes: impl Read, each: &mut Each<'_>) -> Result<(), Broken> {
    let (_, text) = open(bytes)?;
    let mut whole = String::new();
    text.take(DOCUMENT_BYTES + 1).read_to_string(&mut whole)?;
    if whole.len() as u64 > DOCUMENT_BYTES {
        return Err("a JSON document of more than 1 GiB must be lines: one object a line".into());
    }
    let line_at =
        |offset: usize| 1 + whole[..offset].bytes().filter(|b| *b == b'\n').count() as u64;
    let offset_of = |raw: &RawValue| raw.get().as_ptr() as usize - whole.as_ptr() as usize;
    let mut rest = 0;
    // Counting lines anew for each row would be quadratic.
    let (mut counted, mut line) = (0, 1);
    let mut line_of = |offset: usize| {
        if offset >= counted {
            line += whole[counted..offset]
                .bytes()
                .filter(|b| *b == b'\n')
                .count() as u64;
            counted = offset;
        }
        line
    };
    if whole.trim_start().starts_with('[') {
        let items: Vec<&RawValue> = match serde_json::from_str(&whole) {
            Ok(items) => items,
            Err(error) => {
                let row = Err(poison(format!("it is no list of objects: {error}"), ""));
                each(Found {
                    line: error.line() as u64,
                    row,
                });
                return Ok(());
            }
        };
        for item in items {
            if !object(line_of(offset_of(item)), item.get(), each) {
                return Ok(());
            }
        }
        return Ok(());
    }
    while rest < whole.len() {
        let mut stream =
            serde_json::Deserializer::from_str(&whole[rest..]).into_iter::<&RawValue>();
        match stream.next() {
            None => return Ok(()),
            Some(Ok(item)) => {
                let (offset, end) = (offset_of(item), rest + stream.byte_offset());
                if !object(line_of(offset), item.get(), each) {
                    return Ok(());
                }
                rest = end;
            }
            Some(Err(error)) => {
                // The next line may begin anew.
                let start = rest + (whole[rest..].len() - whole[rest..].trim_start().len());
                let end = whole[start..]
                    .find('\n')
                    .map_or(whole.len(), |at| start + at + 1);
                let row = Err(poison(
                    format!("it is no JSON object: {error}"),
                    whole[start..end].trim_end(),
                ));
                if !each(Found {
                    line: line_at(start),
                    row,
                }) {
                    return Ok(());
                }
                rest = end;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::files) fn rows(
        name: &str,
        format: FileFormat,
        bytes: &[u8],
    ) -> Vec<(u64, String)> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let mut found = Vec::new();
        read(&path, format, &FileStream::default(), &mut |at| {
            found.push((
                at.line,
                match at.row {
                    Ok(cells) => format!("{cells:?}"),
                    Err(poison) => format!("bad: {} <{}>", poison.reason, poison.text),
                },
            ));
            true
        });
        found
    }

    #[test]
    fn rows_of_csv_are_named_by_their_lines() {
        let found = rows(
            "a.csv",
            FileFormat::Csv,
            b"id,note\n1,\"two\nlines\"\n2\n3,\n",
        );
        assert_eq!(
            found[0],
            (
                2,
                "[(\"id\", Text(\"1\")), (\"note\", Text(\"two\\nlines\"))]".into()
            )
        );
        assert_eq!(
            found[1],
            (
                4,
                "bad: it has 1 values where the file has 2 columns <2>".into()
            )
        );
        assert_eq!(
            found[2],
            (5, "[(\"id\", Text(\"3\")), (\"note\", Null)]".into())
        );
    }

    #[test]
    fn json_is_lines_a_list_or_objects_and_what_is_neither_is_told() {
        let found = rows(
            "a.ndjson",
            FileFormat::JsonLines,
            b"{\"a\":1}\n\nnope\n[1]\n{\"a\":{\"b\":2}}",
        );
        assert_eq!(found[0].1, "[(\"a\", Json(\"1\"))]");
        assert!(found[1].0 == 3 && found[1].1.starts_with("bad: it is no JSON object"));
        assert!(found[2].0 == 4 && found[2].1.ends_with("<[1]>"));
        assert_eq!(found[3], (5, "[(\"a\", Json(\"{\\\"b\\\":2}\"))]".into()));
        let found = rows("a.json", FileFormat::Json, b"[\n{\"a\":1},\n2,\n{\"a\":3}]");
        assert_eq!(found.iter().map(|f| f.0).collect::<Vec<_>>(), [2, 3, 4]);
        assert!(found[1].1.starts_with("bad"));
        let found = rows(
            "a.json",
            FileFormat::Json,
            b"{\n\"a\": 1\n}\n{bad\n{\"a\":2}",
        );
        assert_eq!(found.iter().map(|f| f.0).collect::<Vec<_>>(), [1, 4, 5]);
        assert!(
            rows("a.json", FileFormat::Json, b"[{\"a\":1}, ")[0]
                .1
                .starts_with("bad")
        );
    }

    #[test]
    fn a_file_that_breaks_off_gives_what_is_before() {
        use std::io::Write;
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        for n in 0..50_000 {
            writeln!(gzip, "{{\"n\":{n},\"h\":\"{:x}\"}}", n * 2_654_435_761_u64).unwrap();
        }
        let gzip = gzip.finish().unwrap();
        let mut plain = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&*gzip), &mut plain).unwrap();
        // Two frames, as tools that append write them.
        let (first, second) = plain.split_at(plain.len() / 3);
        let mut frames = zstd::encode_all(first, 3).unwrap();
        frames.extend(zstd::encode_all(second, 3).unwrap());
        for (name, bytes) in [("a.jsonl.gz", gzip), ("a.jsonl.zst", frames)] {
            let found = rows(name, FileFormat::JsonLines, &bytes);
            assert_eq!(found.len(), 50_000, "{name}");
            let found = rows(name, FileFormat::JsonLines, &bytes[..bytes.len() / 2]);
            let last = &found.last().unwrap().1;
            assert!(
                found.len() > 1000 && last.contains("cannot be read further"),
                "{name}: {last}"
            );
        }
        assert!(
            rows("a.parquet", FileFormat::Parquet, b"nonsense")[0]
                .1
                .starts_with("bad")
        );
    }
}
