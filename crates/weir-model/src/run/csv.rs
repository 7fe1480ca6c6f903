/// Reads rows of a CSV file as Python's reader does: fields in quotes may hold delimiters, line ends and
/// doubled quotes; lines without anything are left out.
pub(super) fn records(text: &str, delimiter: char) -> Vec<Vec<String>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader {
        records: Vec::new(),
        record: Vec::new(),
        field: String::new(),
        touched: false,
    };
    let mut characters = text.chars().peekable();
    let mut quoted = false;
    while let Some(c) = characters.next() {
        match c {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                reader.field.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if reader.field.is_empty() => {
                quoted = true;
                reader.touched = true;
            }
            c if quoted => reader.field.push(c),
            c if c == delimiter => reader.end_field(),
            '\r' if characters.peek() == Some(&'\n') => {}
            '\n' | '\r' => reader.end_record(),
            c => reader.field.push(c),
        }
    }
    reader.end_record();
    reader.records
}

struct Reader {
    records: Vec<Vec<String>>,
    record: Vec<String>,
    field: String,
    /// Whether the line holds anything, an empty field in quotes included.
    touched: bool,
}

impl Reader {
    fn end_field(&mut self) {
        self.record.push(std::mem::take(&mut self.field));
        self.touched = true;
    }

    fn end_record(&mut self) {
        if self.touched || !self.field.is_empty() {
            self.end_field();
            self.records.push(std::mem::take(&mut self.record));
        }
        self.touched = false;
    }
}

#[cfg(test)]
mod tests {
    use super::records;

    #[test]
    fn quotes_hide_delimiters_and_line_ends() {
        let read = records("\u{feff}a,b\r\n1,\"x, \"\"y\"\"\nz\"\n\n\"\",2", ',');
        assert_eq!(
            read,
            vec![vec!["a", "b"], vec!["1", "x, \"y\"\nz"], vec!["", "2"]]
        );
    }

    #[test]
    fn other_delimiters_are_taken() {
        assert_eq!(
            records("a|b\n1|2,3\n", '|'),
            vec![vec!["a", "b"], vec!["1", "2,3"]]
        );
        assert!(records("", ',').is_empty());
    }
}
