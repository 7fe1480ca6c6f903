//! `COPY ... FROM STDIN`: rows that a client sends, written by one statement and so by one commit.

use std::sync::Arc;

use arrow::array::{Array, ListArray, StringBuilder};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Schema};
use weir_query::{Parameter, ScalarValue, type_name};

use super::encode::copy::Style;
use super::failure::Failure;

/// What a client may send in one COPY: it is held in memory until all of it is there, since a
/// statement writes all or nothing.
pub(super) const MAX_BYTES: usize = 64 << 20;

/// Rows as they came, column by column.
pub(super) struct Columns {
    columns: Vec<StringBuilder>,
    rows: usize,
}

impl Columns {
    /// Reads all that a client sent for a table with `columns` columns.
    pub(super) fn read(bytes: &[u8], style: &Style, columns: usize) -> Result<Self, Failure> {
        let text = std::str::from_utf8(bytes)
            .map_err(|_| Failure::new("22021", "invalid byte sequence for encoding \"UTF8\""))?;
        let mut read = Self {
            columns: (0..columns).map(|_| StringBuilder::new()).collect(),
            rows: 0,
        };
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
            Style::Binary => {
                return Err(Failure::new("0A000", "COPY FROM STDIN takes text and csv")
                    .hint("leave the binary format out"));
            }
        }
        Ok(read)
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
        let read = Columns::read(bytes.as_bytes(), style, columns);
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
}
