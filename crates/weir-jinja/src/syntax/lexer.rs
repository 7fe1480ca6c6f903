//! Tokens inside of tags.

use crate::{Error, ErrorKind, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Name,
    String,
    Integer,
    Float,
    Plus,
    Minus,
    Star,
    Power,
    Slash,
    FloorSlash,
    Percent,
    Tilde,
    LeftBracket,
    RightBracket,
    LeftParen,
    RightParen,
    LeftBrace,
    RightBrace,
    Equal,
    NotEqual,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    Assign,
    Dot,
    Colon,
    Pipe,
    Comma,
    Semicolon,
    /// `%}`, or `}}` in a tag that prints.
    TagEnd,
    End,
}

/// A token: what it is and where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: u32,
    pub(super) end: u32,
}

/// Which tag the tokens are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tag {
    Block,
    Variable,
}

/// Reads the tokens of one tag.
#[derive(Debug, Clone)]
pub(super) struct Lexer<'a> {
    pub(super) source: &'a str,
    pub(super) position: usize,
    pub(super) tag: Tag,
    /// The closing brackets that are due: while any are, a tag's end is not looked for.
    pub(super) brackets: Vec<u8>,
}

impl<'a> Lexer<'a> {
    pub(super) fn text(&self, token: Token) -> &'a str {
        self.source
            .get(token.start as usize..token.end as usize)
            .unwrap_or_default()
    }

    fn byte(&self, ahead: usize) -> u8 {
        self.source
            .as_bytes()
            .get(self.position + ahead)
            .copied()
            .unwrap_or(0)
    }

    /// Skips white space from the position on.
    pub(super) fn skip_space(&mut self) {
        let bytes = self.source.as_bytes();
        while let Some(byte) = bytes.get(self.position) {
            if byte.is_ascii_whitespace()
                || (0x0b..=0x1f).contains(byte) && is_space(char::from(*byte))
            {
                self.position += 1;
            } else if byte.is_ascii() {
                return;
            } else {
                match self.source[self.position..].chars().next() {
                    Some(other) if is_space(other) => self.position += other.len_utf8(),
                    _ => return,
                }
            }
        }
    }

    pub(super) fn next(&mut self) -> Result<Token> {
        self.skip_space();
        let start = self.position;
        let (kind, length) = self.scan()?;
        self.position += length;
        Ok(Token {
            kind,
            start: start as u32,
            end: self.position as u32,
        })
    }

    fn scan(&mut self) -> Result<(Kind, usize)> {
        let first = self.byte(0);
        if self.position >= self.source.len() {
            return Ok((Kind::End, 0));
        }
        if self.brackets.is_empty()
            && let Some(found) = self.tag_end(first)
        {
            return Ok(found);
        }
        match first {
            b'0'..=b'9' => self.number(),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => self.name(),
            b'\'' | b'"' => self.string(first),
            _ => self.operator(first),
        }
    }

    /// `%}`, `-%}`, `+%}`, `}}` and `-}}`; the white space after a minus is skipped by the parser.
    fn tag_end(&self, first: u8) -> Option<(Kind, usize)> {
        let (end, sign) = match self.tag {
            Tag::Block => (b'%', matches!(first, b'-' | b'+')),
            Tag::Variable => (b'}', first == b'-'),
        };
        let at = usize::from(sign);
        (self.byte(at) == end && self.byte(at + 1) == b'}').then_some((Kind::TagEnd, at + 2))
    }

    fn name(&self) -> Result<(Kind, usize)> {
        let rest = &self.source[self.position..];
        let length = rest
            .find(|letter: char| !(letter.is_alphanumeric() || letter == '_'))
            .unwrap_or(rest.len());
        let starts_well = rest
            .chars()
            .next()
            .is_some_and(|letter| letter.is_alphabetic() || letter == '_');
        if length == 0 || !starts_well {
            return Err(self.unexpected());
        }
        Ok((Kind::Name, length))
    }

    fn string(&self, quote: u8) -> Result<(Kind, usize)> {
        let bytes = &self.source.as_bytes()[self.position..];
        let mut at = 1;
        loop {
            match memchr::memchr2(quote, b'\\', bytes.get(at..).unwrap_or_default()) {
                Some(found) if bytes[at + found] == quote => {
                    return Ok((Kind::String, at + found + 1));
                }
                Some(found) => at += found + 2,
                None => {
                    return Err(Error::new(ErrorKind::Syntax, "a string is not closed")
                        .with_hint(format!("add the closing {}", char::from(quote))));
                }
            }
        }
    }

    fn number(&self) -> Result<(Kind, usize)> {
        let bytes = &self.source.as_bytes()[self.position..];
        let digits = |from: usize, accept: fn(&u8) -> bool| {
            let mut at = from;
            while bytes.get(at).is_some_and(accept)
                || bytes.get(at) == Some(&b'_')
                    && at > from
                    && bytes.get(at + 1).is_some_and(accept)
            {
                at += 1;
            }
            at
        };
        if bytes[0] == b'0' {
            let accept: Option<fn(&u8) -> bool> = match bytes.get(1) {
                Some(b'x' | b'X') => Some(u8::is_ascii_hexdigit),
                Some(b'o' | b'O') => Some(|byte| (b'0'..=b'7').contains(byte)),
                Some(b'b' | b'B') => Some(|byte| matches!(byte, b'0' | b'1')),
                _ => None,
            };
            if let Some(accept) = accept {
                let from = 2 + usize::from(bytes.get(2) == Some(&b'_'));
                let end = digits(from, accept);
                if end > from {
                    return Ok((Kind::Integer, end));
                }
            }
        }
        let whole = digits(0, u8::is_ascii_digit);
        // After a dot only an index can follow: `rows.0.1` has no float in it.
        let after_dot = self.position > 0 && self.source.as_bytes()[self.position - 1] == b'.';
        let mut end = whole;
        if !after_dot {
            if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
                end = digits(end + 1, u8::is_ascii_digit);
            }
            if matches!(bytes.get(end), Some(b'e' | b'E')) {
                let from = end + 1 + usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
                let exponent = digits(from, u8::is_ascii_digit);
                if exponent > from {
                    end = exponent;
                }
            }
        }
        if end > whole {
            return Ok((Kind::Float, end));
        }
        if bytes[0] == b'0' {
            // Python has no numbers with a leading zero: `007` is `00` and then `7`.
            let zeros = digits(0, |byte| *byte == b'0');
            return Ok((Kind::Integer, zeros));
        }
        Ok((Kind::Integer, whole))
    }

    fn operator(&mut self, first: u8) -> Result<(Kind, usize)> {
        use Kind::*;
        let second = self.byte(1);
        let found = match (first, second) {
            (b'*', b'*') => (Power, 2),
            (b'/', b'/') => (FloorSlash, 2),
            (b'=', b'=') => (Equal, 2),
            (b'!', b'=') => (NotEqual, 2),
            (b'>', b'=') => (GreaterEqual, 2),
            (b'<', b'=') => (LessEqual, 2),
            (b'+', _) => (Plus, 1),
            (b'-', _) => (Minus, 1),
            (b'*', _) => (Star, 1),
            (b'/', _) => (Slash, 1),
            (b'%', _) => (Percent, 1),
            (b'~', _) => (Tilde, 1),
            (b'[', _) => (LeftBracket, 1),
            (b']', _) => (RightBracket, 1),
            (b'(', _) => (LeftParen, 1),
            (b')', _) => (RightParen, 1),
            (b'{', _) => (LeftBrace, 1),
            (b'}', _) => (RightBrace, 1),
            (b'>', _) => (Greater, 1),
            (b'<', _) => (Less, 1),
            (b'=', _) => (Assign, 1),
            (b'.', _) => (Dot, 1),
            (b':', _) => (Colon, 1),
            (b'|', _) => (Pipe, 1),
            (b',', _) => (Comma, 1),
            (b';', _) => (Semicolon, 1),
            _ => return Err(self.unexpected()),
        };
        match first {
            b'[' => self.brackets.push(b']'),
            b'(' => self.brackets.push(b')'),
            b'{' => self.brackets.push(b'}'),
            b']' | b')' | b'}' => match self.brackets.pop() {
                Some(due) if due == first => {}
                Some(due) => {
                    return Err(Error::new(
                        ErrorKind::Syntax,
                        format!(
                            "unexpected '{}', expected '{}'",
                            char::from(first),
                            char::from(due)
                        ),
                    ));
                }
                None => {
                    return Err(Error::new(
                        ErrorKind::Syntax,
                        format!("unexpected '{}'", char::from(first)),
                    ));
                }
            },
            _ => {}
        }
        Ok(found)
    }

    fn unexpected(&self) -> Error {
        let letter = self.source[self.position..].chars().next().unwrap_or(' ');
        Error::new(
            ErrorKind::Syntax,
            format!("unexpected character {letter:?} in a tag"),
        )
    }
}

/// White space as Python's `\s` and `str.strip` have it.
pub(crate) fn is_space(letter: char) -> bool {
    letter.is_whitespace() || ('\x1c'..='\x1f').contains(&letter)
}

/// The value of a string literal, without its quotes.
pub(super) fn unescape(literal: &str) -> Result<String> {
    let inner = literal
        .get(1..literal.len().saturating_sub(1))
        .unwrap_or_default();
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        rest = escape(&rest[at + 1..], &mut out)?;
    }
    out.push_str(rest);
    Ok(out)
}

/// Reads what follows a backslash and gives the rest.
fn escape<'a>(text: &'a str, out: &mut String) -> Result<&'a str> {
    let Some(letter) = text.chars().next() else {
        out.push('\\');
        return Ok(text);
    };
    let after = &text[letter.len_utf8()..];
    let plain = match letter {
        '\n' => return Ok(after),
        '\\' | '\'' | '"' => letter,
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'v' => '\x0b',
        'x' => return coded(after, 2, out),
        'u' => return coded(after, 4, out),
        'U' => return coded(after, 8, out),
        '0'..='7' => {
            let length = text
                .bytes()
                .take(3)
                .take_while(|byte| (b'0'..=b'7').contains(byte))
                .count();
            let code = u32::from_str_radix(&text[..length], 8).unwrap_or(0);
            out.extend(char::from_u32(code));
            return Ok(&text[length..]);
        }
        other => {
            out.push('\\');
            other
        }
    };
    out.push(plain);
    Ok(after)
}

fn coded<'a>(text: &'a str, digits: usize, out: &mut String) -> Result<&'a str> {
    let code = text
        .get(..digits)
        .filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .and_then(|code| u32::from_str_radix(code, 16).ok())
        .and_then(char::from_u32);
    match code {
        Some(letter) => {
            out.push(letter);
            Ok(&text[digits..])
        }
        None => Err(Error::new(
            ErrorKind::Syntax,
            format!("an escape in a string needs {digits} hexadecimal digits of a character"),
        )),
    }
}
