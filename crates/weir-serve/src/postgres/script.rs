//! Statements and their words: enough of a reader to find where statements end, and to understand
//! those that are about the session rather than about data.

/// What a piece of a statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    /// A name in double quotes.
    Name,
    /// Text in single quotes or between dollars.
    Text,
    Number,
    Symbol,
}

/// A piece of a statement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    pub(super) kind: Kind,
    /// As it is written.
    pub(super) text: &'a str,
    pub(super) start: usize,
}

impl Piece<'_> {
    pub(super) fn is(&self, word: &str) -> bool {
        matches!(self.kind, Kind::Word | Kind::Symbol) && self.text.eq_ignore_ascii_case(word)
    }

    pub(super) fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// Returns what it means: quotes taken off, names in lower case unless quoted.
    pub(super) fn value(&self) -> String {
        let inside = |quote: &str| {
            let text = self.text.strip_prefix(quote).unwrap_or(self.text);
            let text = text.strip_suffix(quote).unwrap_or(text);
            text.replace(&format!("{quote}{quote}"), quote)
        };
        match self.kind {
            Kind::Name => inside("\""),
            Kind::Text if self.text.starts_with('$') => {
                let tag = self.text[1..].find('$').map_or(1, |at| at + 2);
                self.text
                    .get(tag..self.text.len().saturating_sub(tag))
                    .unwrap_or_default()
                    .to_owned()
            }
            Kind::Text => match self.text.strip_prefix(['e', 'E']) {
                Some(rest) => escaped(rest),
                None => inside("'"),
            },
            Kind::Word => self.text.to_ascii_lowercase(),
            Kind::Number | Kind::Symbol => self.text.to_owned(),
        }
    }
}

/// Reads text with backslashes: `E'\t'`.
fn escaped(quoted: &str) -> String {
    let inside = quoted.strip_prefix('\'').unwrap_or(quoted);
    let inside = inside
        .strip_suffix('\'')
        .unwrap_or(inside)
        .replace("''", "'");
    let (mut text, mut chars) = (String::new(), inside.chars());
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('t') => text.push('\t'),
                Some('n') => text.push('\n'),
                Some('r') => text.push('\r'),
                Some('b') => text.push('\u{8}'),
                Some('f') => text.push('\u{c}'),
                Some(other) => text.push(other),
                None => {}
            },
            (c, false) => text.push(c),
        }
    }
    text
}

/// Returns the highest number of a parameter in a statement, as the 2 of `$1 + $2`.
pub(super) fn parameters(sql: &str) -> usize {
    let numbers = pieces(sql).into_iter().filter_map(|piece| {
        let number = piece.text.strip_prefix('$')?;
        (piece.kind == Kind::Symbol).then(|| number.parse().ok())?
    });
    numbers.max().unwrap_or(0)
}

/// Cuts a text into pieces; comments and blanks are passed over, and what is not ended ends with
/// the text.
pub(super) fn pieces(sql: &str) -> Vec<Piece<'_>> {
    let bytes = sql.as_bytes();
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let kind = match bytes[at] {
            byte if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            b'-' if bytes.get(at + 1) == Some(&b'-') => {
                at += bytes[at..]
                    .iter()
                    .position(|b| *b == b'\n')
                    .unwrap_or(bytes.len() - at);
                continue;
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                at = comment(bytes, at);
                continue;
            }
            b'\'' => {
                at = quoted(bytes, at, b'\'', false);
                Kind::Text
            }
            b'e' | b'E' if bytes.get(at + 1) == Some(&b'\'') => {
                at = quoted(bytes, at + 1, b'\'', true);
                Kind::Text
            }
            b'"' => {
                at = quoted(bytes, at, b'"', false);
                Kind::Name
            }
            b'$' => match dollars(sql, at) {
                Some(end) => {
                    at = end;
                    Kind::Text
                }
                None => {
                    at += 1;
                    while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                        at += 1;
                    }
                    Kind::Symbol
                }
            },
            byte if byte.is_ascii_digit() => {
                while bytes
                    .get(at)
                    .is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'.')
                {
                    at += 1;
                }
                Kind::Number
            }
            byte if byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80 => {
                let inside =
                    |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$') || *b >= 0x80;
                while bytes.get(at).is_some_and(inside) {
                    at += 1;
                }
                Kind::Word
            }
            _ => {
                at += 1;
                Kind::Symbol
            }
        };
        pieces.push(Piece {
            kind,
            text: &sql[start..at],
            start,
        });
    }
    pieces
}

fn comment(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start + 2, 1);
    while at < bytes.len() && depth > 0 {
        match bytes.get(at..at + 2) {
            Some(b"/*") => (at, depth) = (at + 2, depth + 1),
            Some(b"*/") => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
    }
    at
}

fn quoted(bytes: &[u8], start: usize, quote: u8, backslash: bool) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if backslash => at += 2,
            byte if byte == quote && bytes.get(at + 1) == Some(&quote) => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Returns where text between dollars ends; none when no such text begins here.
fn dollars(sql: &str, start: usize) -> Option<usize> {
    let rest = &sql[start + 1..];
    let length = rest.find('$')?;
    let tag = &rest[..length];
    let name = tag
        .chars()
        .enumerate()
        .all(|(i, c)| c == '_' || c.is_alphabetic() || (i > 0 && c.is_ascii_digit()));
    if !name {
        return None;
    }
    let tag = &sql[start..start + length + 2];
    let body = start + tag.len();
    Some(
        sql[body..]
            .find(tag)
            .map_or(sql.len(), |end| body + end + tag.len()),
    )
}

/// Splits a text at the semicolons between its statements; empty ones are left out.
pub(super) fn statements(sql: &str) -> Vec<&str> {
    let mut statements = Vec::new();
    let (mut start, mut any) = (0, false);
    for piece in pieces(sql) {
        if piece.is(";") {
            if any {
                statements.push(sql[start..piece.start].trim());
            }
            (start, any) = (piece.end(), false);
        } else {
            any = true;
        }
    }
    if any {
        statements.push(sql[start..].trim());
    }
    statements
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_at_semicolons_outside_of_quotes() {
        assert_eq!(
            statements("select 1; select ';' ;; -- ;\n select \";\" /* ; /* ; */ ; */"),
            [
                "select 1",
                "select ';'",
                "-- ;\n select \";\" /* ; /* ; */ ; */"
            ]
        );
        assert_eq!(
            statements("select $a$;$a$; select E'\\';'; select $1"),
            ["select $a$;$a$", "select E'\\';'", "select $1"]
        );
        assert!(statements(" ; -- nothing\n").is_empty());
        assert_eq!(statements("select '"), ["select '"]);
    }

    #[test]
    fn parameters_are_counted_outside_of_quotes() {
        assert_eq!(parameters("select $2 + $10, '$11', $a$ $12 $a$ -- $13"), 10);
        assert_eq!(parameters("select 1"), 0);
    }

    #[test]
    fn pieces_mean_what_they_say() {
        let values: Vec<String> = pieces("SET \"My\"\"x\" = 'it''s' E'\\t' $q$a$q$ Ünder")
            .iter()
            .map(Piece::value)
            .collect();
        assert_eq!(values, ["set", "My\"x", "=", "it's", "\t", "a", "Ünder"]);
    }
}
