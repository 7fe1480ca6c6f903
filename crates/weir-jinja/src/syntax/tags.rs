//! The text between tags: where the next tag begins, white space, comments and raw text.

use super::{
    ast::{Body, Stmt},
    lexer::{Kind, Tag, is_space},
    parser::Parser,
};
use crate::{Result, Span};

/// The tag that a [`Parser::body`] ended at; none at the end of the template.
pub(super) type Ender<'a> = Option<&'a str>;

impl<'a> Parser<'a> {
    /// Parses texts and tags up to a block tag of one of the names given, whose name is then the
    /// current token; or up to the end, when none are given.
    pub(super) fn body(&mut self, enders: &[&str]) -> Result<(Body, Ender<'a>)> {
        let mut body = Vec::new();
        loop {
            let Some((text, tag)) = self.next_tag()? else {
                if !enders.is_empty() {
                    return Err(self.fail(format!(
                        "the template ends before `{}`",
                        enders.last().copied().unwrap_or_default()
                    )));
                }
                return Ok((body.into_boxed_slice(), None));
            };
            if text.start < text.end {
                body.push(Stmt::Text(text));
            }
            match tag {
                None => {
                    if let Some(raw) = self.raw_text.take()
                        && raw.start < raw.end
                    {
                        body.push(Stmt::Text(raw));
                    }
                }
                Some(Tag::Variable) => {
                    self.advance()?;
                    let expression = self.tuple(true, &[])?;
                    self.end_of_tag()?;
                    body.push(Stmt::Print(expression));
                }
                Some(Tag::Block) => {
                    let tag_start = self.tag_start;
                    self.advance()?;
                    if self.is(Kind::Name) {
                        let name = self.text();
                        if enders.contains(&name) {
                            return Ok((body.into_boxed_slice(), Some(name)));
                        }
                    }
                    self.nested(|parser| parser.statement(tag_start, enders, &mut body))?;
                }
            }
        }
    }

    /// Expects the end of a tag and goes on to the text behind it, which a minus strips.
    pub(super) fn end_of_tag(&mut self) -> Result<()> {
        if !self.is(Kind::TagEnd) {
            let what = if self.lexer.tag == Tag::Block {
                "`%}`"
            } else {
                "`}}`"
            };
            return Err(self.unexpected(what));
        }
        // The token is a tag's end, behind which the lexer stands.
        self.previous_end = self.token.end;
        self.lexer.position = self.token.end as usize;
        if self.text().starts_with('-') {
            self.lexer.skip_space();
        }
        Ok(())
    }

    /// Finds the text up to the next tag, and the tag, in which the lexer then stands. A comment
    /// or raw text is part of the answer as a text without a tag.
    fn next_tag(&mut self) -> Result<Option<(Span, Option<Tag>)>> {
        let source = self.lexer.source;
        let bytes = source.as_bytes();
        let start = self.lexer.position;
        if start >= bytes.len() {
            self.token.start = bytes.len() as u32;
            return Ok(None);
        }
        let mut from = start;
        let (at, second) = loop {
            match memchr::memchr(b'{', &bytes[from..]) {
                Some(found) => {
                    let at = from + found;
                    match bytes.get(at + 1) {
                        Some(second @ (b'%' | b'{' | b'#')) => break (at, *second),
                        _ => from = at + 1,
                    }
                }
                None => {
                    self.lexer.position = bytes.len();
                    return Ok(Some((
                        Span {
                            start: start as u32,
                            end: bytes.len() as u32,
                        },
                        None,
                    )));
                }
            }
        };
        let sign = bytes
            .get(at + 2)
            .copied()
            .filter(|sign| matches!(sign, b'-' | b'+'));
        let mut text = Span {
            start: start as u32,
            end: at as u32,
        };
        if sign == Some(b'-') {
            text.end = text.start + source[start..at].trim_end_matches(is_space).len() as u32;
        }
        self.tag_start = at as u32;
        self.token.start = at as u32;
        let inside = at + 2 + usize::from(sign.is_some());
        self.lexer.position = inside;
        self.lexer.brackets.clear();
        match second {
            b'#' => {
                self.skip_comment(inside)?;
                Ok(Some((text, None)))
            }
            b'{' => {
                self.lexer.tag = Tag::Variable;
                Ok(Some((text, Some(Tag::Variable))))
            }
            _ => {
                self.lexer.tag = Tag::Block;
                match self.raw(inside)? {
                    None => Ok(Some((text, Some(Tag::Block)))),
                    Some(raw) => {
                        self.raw_text = Some(raw);
                        Ok(Some((text, None)))
                    }
                }
            }
        }
    }

    fn skip_comment(&mut self, inside: usize) -> Result<()> {
        let source = self.lexer.source;
        let Some(found) = memchr::memmem::find(&source.as_bytes()[inside..], b"#}") else {
            return Err(self
                .fail("a comment is not closed")
                .with_hint("add the closing `#}`"));
        };
        let end = inside + found;
        self.lexer.position = end + 2;
        if found > 0 && source.as_bytes()[end - 1] == b'-' {
            self.lexer.skip_space();
        }
        Ok(())
    }

    /// Reads `raw ... endraw` if the tag is one; gives the text in between.
    fn raw(&mut self, inside: usize) -> Result<Option<Span>> {
        let source = self.lexer.source;
        let rest = source[inside..].trim_start_matches(is_space);
        let Some(rest) = rest.strip_prefix("raw") else {
            return Ok(None);
        };
        let rest = rest.trim_start_matches(is_space);
        let (rest, strip) = match rest.strip_prefix("-%}") {
            Some(rest) => (rest, true),
            None => match rest.strip_prefix("%}") {
                Some(rest) => (rest, false),
                None => return Ok(None),
            },
        };
        let mut start = source.len() - rest.len();
        if strip {
            start = source.len() - rest.trim_start_matches(is_space).len();
        }
        match self.find_end_tag(start, "endraw") {
            Some(end) => {
                let mut stop = end.start;
                if end.strip_before {
                    stop = start + source[start..stop].trim_end_matches(is_space).len();
                }
                self.lexer.position = end.end;
                if end.strip_after {
                    self.lexer.skip_space();
                }
                Ok(Some(Span {
                    start: start as u32,
                    end: stop as u32,
                }))
            }
            None => Err(self
                .fail("`raw` is not closed")
                .with_hint("add `{% endraw %}`")),
        }
    }

    /// Finds a closing tag in text that is not parsed.
    pub(super) fn find_end_tag(&self, from: usize, name: &str) -> Option<EndTag> {
        let source = self.lexer.source;
        let mut search = from;
        while let Some(found) = memchr::memmem::find(&source.as_bytes()[search..], b"{%") {
            let start = search + found;
            search = start + 2;
            let rest = &source[search..];
            let strip_before = rest.starts_with('-');
            let rest = rest.strip_prefix(['-', '+']).unwrap_or(rest);
            let Some(rest) = rest.trim_start_matches(is_space).strip_prefix(name) else {
                continue;
            };
            let rest = rest.trim_start_matches(is_space);
            let strip_after = rest.starts_with('-');
            let rest = rest.strip_prefix(['-', '+']).unwrap_or(rest);
            if let Some(rest) = rest.strip_prefix("%}") {
                return Some(EndTag {
                    start,
                    end: source.len() - rest.len(),
                    strip_before,
                    strip_after,
                });
            }
        }
        None
    }
}

/// A closing tag found in text.
pub(super) struct EndTag {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) strip_before: bool,
    pub(super) strip_after: bool,
}
