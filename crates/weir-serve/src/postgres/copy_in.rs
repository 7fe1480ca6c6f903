//! `COPY ... FROM STDIN`: rows that a client sends, written by one statement and so by one commit.

use std::sync::Arc;

use arrow::array::{Array, AsArray, ListArray, StringBuilder};
use arrow::buffer::OffsetBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use bytes::{Buf, Bytes};
use weir_query::{Parameter, ScalarValue, type_name, type_oid};

use super::decode;
use super::encode::copy::Style;
use super::failure::Failure;

/// What a client may send in one COPY: it is held in memory until all of it is there, since a
/// statement writes all or nothing.
pub(super) const MAX_BYTES: usize = 64 << 20;

/// What binary rows begin with.
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// Writes a value as text that is read as the same value again.
fn written(value: &ScalarValue) -> Option<String> {
    match value {
        ScalarValue::Utf8(text) => text.clone(),
        ScalarValue::Binary(Some(bytes)) => {
            let hex = bytes.iter().map(|byte| format!("{byte:02x}"));
            Some(format!("\\x{}", hex.collect::<String>()))
        }
        value => {
            let text = cast(&value.to_array().ok()?, &DataType::Utf8).ok()?;
            let text = text.as_string_opt::<i32>()?;
            text.is_valid(0).then(|| text.value(0).to_owned())
        }
    }
}

/// Rows as they came, column by column.
pub(super) struct Columns {
    columns: Vec<StringBuilder>,
    rows: usize,
}

impl Columns {
    /// Reads all that a client sent for a table with the columns of `schema`.
    pub(super) fn read(bytes: Bytes, style: &Style, schema: &Schema) -> Result<Self, Failure> {
        let columns = schema.fields().len();
        let mut read = Self {
            columns: (0..columns).map(|_| StringBuilder::new()).collect(),
            rows: 0,
        };
        if matches!(style, Style::Binary) {
            read.binary(bytes, schema)?;
            return Ok(read);
        }
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| Failure::new("22021", "invalid byte sequence for encoding \"UTF8\""))?;
        match style {
            Style::Text {
                delimiter,
                null,
                header,
            } => read.text(text, char::from(*delimiter), null, *header)?,
            Style::Csv {
                delimiter,
                quote,
                null,
                header,
                ..
            } => read.csv(
                text,
                (char::from(*delimiter), char::from(*quote)),
                null,
                *header,
            )?,
            Style::Binary => {}
        }
        Ok(read)
    }

    /// Reads rows of fields with their lengths, between a head and a mark of the end.
    ///
    /// Source: <https://www.postgresql.org/docs/15/sql-copy.html>, "Binary Format".
    fn binary(&mut self, mut bytes: Bytes, schema: &Schema) -> Result<(), Failure> {
        let wrong = |what: &str| Failure::new("22P04", format!("COPY in binary: {what}"));
        let short = || wrong("it ends in the middle");
        if bytes.len() < SIGNATURE.len() + 8 || !bytes.starts_with(SIGNATURE) {
            return Err(wrong("it does not begin with PGCOPY"));
        }
        bytes.advance(SIGNATURE.len());
        if bytes.get_u32() & 0xFFFF_0000 != 0 {
            return Err(wrong("it has critical flags that are not known"));
        }
        let extension = bytes.get_u32() as usize;
        if bytes.len() < extension {
            return Err(short());
        }
        bytes.advance(extension);
        let oids: Vec<u32> = schema
            .fields()
            .iter()
            .map(|field| type_oid(field.data_type()))
            .collect();
        loop {
            if bytes.len() < 2 {
                return Err(short());
            }
            let fields = bytes.get_i16();
            if fields == -1 {
                return Ok(());
            }
            let mut values = Vec::with_capacity(oids.len());
            for at in 0..usize::try_from(fields).unwrap_or(0) {
                if bytes.len() < 4 {
                    return Err(short());
                }
                let length = bytes.get_i32();
                let Ok(length) = usize::try_from(length) else {
                    values.push(None);
                    continue;
                };
                if bytes.len() < length {
                    return Err(short());
                }
                let value = bytes.split_to(length);
                let oid = oids.get(at).copied().unwrap_or(25);
                let value = decode::from_binary(oid, &value).and_then(|value| written(&value));
                values.push(Some(value.ok_or_else(|| {
                    let kind = weir_query::type_name_of(oid).unwrap_or("its type");
                    let row = self.rows + 1;
                    Failure::new(
                        "22P03",
                        format!(
                            "incorrect binary data for {kind}, row {row}, column {}",
                            at + 1
                        ),
                    )
                })?));
            }
            self.row(&values)?;
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    fn row(&mut self, values: &[Option<String>]) -> Result<(), Failure> {
        self.rows += 1;
        if values.len() != self.columns.len() {
            let what = match values.len() < self.columns.len() {
                true => "missing data for a column",
                false => "extra data after last expected column",
            };
            return Err(Failure::new("22P04", format!("{what}, row {}", self.rows)));
        }
        for (column, value) in self.columns.iter_mut().zip(values) {
            column.append_option(value.as_deref());
        }
        Ok(())
    }

    fn text(
        &mut self,
        text: &str,
        delimiter: char,
        null: &str,
        header: bool,
    ) -> Result<(), Failure> {
        for line in text.split_terminator('\n').skip(usize::from(header)) {
            let line = line.strip_suffix('\r').unwrap_or(line);
            if line == "\\." {
                break;
            }
            let values: Vec<Option<String>> = fields(line, delimiter)
                .map(|value| (value != null).then(|| unescaped(value)))
                .collect();
            self.row(&values)?;
        }
        Ok(())
    }

    fn csv(
        &mut self,
        text: &str,
        (delimiter, quote): (char, char),
        null: &str,
        header: bool,
    ) -> Result<(), Failure> {
        let mut skip = header;
        let mut chars = text.chars().peekable();
        while chars.peek().is_some() {
            let (mut values, mut ended) = (Vec::new(), false);
            while !ended {
                let (mut value, mut quoted, mut inside) = (String::new(), false, false);
                ended = loop {
                    match chars.next() {
                        None if inside => {
                            return Err(Failure::new("22P04", "unterminated CSV quoted field"));
                        }
                        None => break true,
                        Some(c) if c == quote && inside => match chars.peek() == Some(&quote) {
                            true => value.extend(chars.next()),
                            false => inside = false,
                        },
                        Some(c) if c == quote => (quoted, inside) = (true, true),
                        Some('\n') if !inside => break true,
                        Some('\r') if !inside && chars.peek() == Some(&'\n') => {}
                        Some(c) if c == delimiter && !inside => break false,
                        Some(c) => value.push(c),
                    }
                };
                values.push((quoted || value != null).then_some(value));
            }
            if values.len() == 1 && values[0].as_deref() == Some("\\.") {
                break;
            }
            if !std::mem::take(&mut skip) {
                self.row(&values)?;
            }
        }
        Ok(())
    }

    /// Returns the statement that writes the rows into `target`, and its parameters: a list per
    /// column.
    pub(super) fn insert(mut self, target: &str, schema: &Schema) -> (String, Vec<Parameter>) {
        let each = |form: &dyn Fn(usize) -> String| {
            let forms: Vec<String> = (0..schema.fields().len()).map(form).collect();
            forms.join(", ")
        };
        let values = each(&|at| format!("c{at}::{}", type_name(schema.field(at).data_type())));
        let lists = each(&|at| format!("unnest(${}::text[]) AS c{at}", at + 1));
        let sql = format!("INSERT INTO {target} SELECT {values} FROM (SELECT {lists}) AS copied");
        let item = Arc::new(Field::new_list_field(DataType::Utf8, true));
        let parameters = self.columns.iter_mut().map(|column| {
            let values = column.finish();
            let offsets = OffsetBuffer::from_lengths([values.len()]);
            let list = ListArray::new(item.clone(), offsets, Arc::new(values), None);
            Parameter::Scalar(ScalarValue::List(Arc::new(list)))
        });
        let parameters = parameters.collect();
        (sql, parameters)
    }
}

/// Cuts a line at the delimiters that no backslash stands before.
fn fields(line: &str, delimiter: char) -> impl Iterator<Item = &str> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut escaped = false;
        let end = text.char_indices().find(|(_, c)| {
            let ends = *c == delimiter && !escaped;
            escaped = *c == '\\' && !escaped;
            ends
        });
        match end {
            Some((at, c)) => {
                rest = Some(&text[at + c.len_utf8()..]);
                Some(&text[..at])
            }
            None => {
                rest = None;
                Some(text)
            }
        }
    })
}

fn unescaped(value: &str) -> String {
    if !value.contains('\\') {
        return value.to_owned();
    }
    let (mut text, mut chars) = (String::with_capacity(value.len()), value.chars());
    while let Some(c) = chars.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        match chars.next() {
            Some('b') => text.push('\u{8}'),
            Some('f') => text.push('\u{c}'),
            Some('n') => text.push('\n'),
            Some('r') => text.push('\r'),
            Some('t') => text.push('\t'),
            Some('v') => text.push('\u{b}'),
            Some(other) => text.push(other),
            None => text.push('\\'),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(
        bytes: &str,
        style: &Style,
        columns: usize,
    ) -> Result<Vec<Vec<Option<String>>>, String> {
        let fields = (0..columns).map(|at| Field::new(format!("c{at}"), DataType::Utf8, true));
        let schema = Schema::new(fields.collect::<Vec<_>>());
        let bytes = Bytes::copy_from_slice(bytes.as_bytes());
        let read = Columns::read(bytes, style, &schema);
        let mut read = read.map_err(|failure| format!("{} {failure}", failure.code))?;
        let columns: Vec<_> = read.columns.iter_mut().map(StringBuilder::finish).collect();
        let value = |row: usize, at: usize| {
            let column = &columns[at];
            column.is_valid(row).then(|| column.value(row).to_owned())
        };
        let rows = (0..read.rows).map(|row| (0..columns.len()).map(|at| value(row, at)).collect());
        Ok(rows.collect())
    }

    fn some(value: &str) -> Option<String> {
        Some(value.to_owned())
    }

    #[test]
    fn text_is_read_as_postgres_writes_it() {
        let style = Style::Text {
            delimiter: b'\t',
            null: "\\N".to_owned(),
            header: false,
        };
        assert_eq!(
            read("1\ta\\tb\\\\c\\nd\n2\t\\N\n3\t\n\\.\nmore\n", &style, 2).unwrap(),
            [
                vec![some("1"), some("a\tb\\c\nd")],
                vec![some("2"), None],
                vec![some("3"), some("")],
            ]
        );
        assert!(
            read("1\n", &style, 2)
                .unwrap_err()
                .starts_with("22P04 missing")
        );
        assert!(
            read("1\t2\t3\n", &style, 2)
                .unwrap_err()
                .starts_with("22P04 extra")
        );
        assert!(read("", &style, 2).unwrap().is_empty());
    }

    #[test]
    fn csv_is_read_with_its_quotes() {
        let style = Style::Csv {
            delimiter: b',',
            quote: b'"',
            null: String::new(),
            header: true,
            force_quote: false,
        };
        assert_eq!(
            read(
                "a,b\r\n1,\"x, \"\"y\"\"\r\nz\"\r\n2,\n3,\"\"\nü,'; --",
                &style,
                2
            )
            .unwrap(),
            [
                vec![some("1"), some("x, \"y\"\r\nz")],
                vec![some("2"), None],
                vec![some("3"), some("")],
                vec![some("ü"), some("'; --")],
            ]
        );
        assert!(
            read("a,b\n1,\"x\n", &style, 2)
                .unwrap_err()
                .starts_with("22P04 unterminated")
        );
    }

    #[test]
    fn binary_is_read_by_the_types_of_the_columns() {
        let schema = Schema::new(vec![
            Field::new("n", DataType::Int64, true),
            Field::new("name", DataType::Utf8, true),
        ]);
        let mut sent = SIGNATURE.to_vec();
        sent.extend([0; 8]);
        sent.extend([
            0, 2, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 2, b'h', b'i',
        ]);
        sent.extend([0, 2, 255, 255, 255, 255, 0, 0, 0, 0]);
        sent.extend([255, 255]);
        let read = |sent: &[u8]| {
            let bytes = Bytes::copy_from_slice(sent);
            Columns::read(bytes, &Style::Binary, &schema)
        };
        let mut columns = read(&sent).unwrap_or_else(|failure| panic!("{failure}"));
        assert_eq!(columns.rows(), 2);
        let columns = columns.columns.iter_mut().map(StringBuilder::finish);
        let columns: Vec<_> = columns.collect();
        assert_eq!((columns[0].value(0), columns[0].is_null(1)), ("7", true));
        assert_eq!((columns[1].value(0), columns[1].value(1)), ("hi", ""));
        for end in 0..sent.len() {
            assert!(read(&sent[..end]).is_err(), "cut off after {end} bytes");
        }
    }
}
