//! From text to a tree, within bounds.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, Tag};

use super::scalar;
use super::value::{Entry, Map, Yaml, YamlValue};
use crate::error::{ModelError, ModelErrorKind, Place, excerpt};

/// How deep collections may nest: far more than anyone writes, far less than a stack holds.
const DEPTH: usize = 100;

/// How many nodes aliases may add to one document.
const ALIASED_NODES: usize = 200_000;

/// A document that was read, with what was odd about it.
#[derive(Debug)]
pub struct Document {
    pub root: Yaml,
    /// Keys written twice; the last one counts.
    pub warnings: Vec<ModelError>,
}

/// Reads `text`, the contents of `file`, as one YAML document.
///
/// # Errors
///
/// Names the place and shows the lines around it: YAML that is none, more than one document, tags that
/// mean nothing here, aliases that would not end or would grow without measure.
pub fn read(file: &str, text: &str) -> Result<Document, ModelError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    Builder::new(file, text).run()
}

struct Builder<'t> {
    file: &'t str,
    text: &'t str,
    open: Vec<Open>,
    /// Finished nodes that have an anchor, and how many nodes each has.
    anchors: HashMap<usize, (Yaml, usize)>,
    aliased: usize,
    root: Option<Yaml>,
    /// How many characters there are, if the last of them ends no line.
    unended: Option<usize>,
    warnings: Vec<ModelError>,
}

/// A collection that has begun and not ended.
struct Open {
    anchor: usize,
    line: u32,
    column: u32,
    nodes: usize,
    contents: Contents,
}

enum Contents {
    List(Vec<Yaml>),
    Map {
        map: Map,
        key: Option<Key>,
        merges: Vec<Map>,
        seen: Option<HashSet<String>>,
    },
}

enum Key {
    Name {
        text: String,
        line: u32,
        column: u32,
    },
    Merge,
}

impl<'t> Builder<'t> {
    fn new(file: &'t str, text: &'t str) -> Self {
        Self {
            file,
            text,
            open: Vec::new(),
            anchors: HashMap::new(),
            aliased: 0,
            root: None,
            unended: (!text.ends_with('\n')).then(|| text.chars().count()),
            warnings: Vec::new(),
        }
    }

    fn run(mut self) -> Result<Document, ModelError> {
        let mut parser = Parser::new_from_str(self.text);
        let mut documents = 0;
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| self.syntax(&error))?;
            match event {
                Event::Nothing | Event::StreamStart | Event::DocumentEnd => {}
                Event::StreamEnd => break,
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        return Err(self
                            .error(span.start, "a second YAML document begins here")
                            .hint("put everything into one document, or one document per file"));
                    }
                }
                Event::Alias(anchor) => self.alias(anchor, span)?,
                Event::Scalar(text, style, anchor, tag) => {
                    self.scalar(text, style, anchor, tag.as_deref(), span)?;
                }
                Event::SequenceStart(anchor, _) => {
                    self.begin(anchor, span, Contents::List(Vec::new()))?;
                }
                Event::MappingStart(anchor, _) => {
                    let contents = Contents::Map {
                        map: Map::default(),
                        key: None,
                        merges: Vec::new(),
                        seen: None,
                    };
                    self.begin(anchor, span, contents)?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.end(span)?,
            }
        }
        let root = self.root.unwrap_or(Yaml {
            value: YamlValue::Null,
            line: 1,
            column: 1,
        });
        Ok(Document {
            root,
            warnings: self.warnings,
        })
    }

    fn begin(&mut self, anchor: usize, span: Span, contents: Contents) -> Result<(), ModelError> {
        if self.open.len() >= DEPTH {
            return Err(self
                .error(span.start, format!("collections nest deeper than {DEPTH}"))
                .hint("flatten the document"));
        }
        let (line, column) = position(span.start);
        self.open.push(Open {
            anchor,
            line,
            column,
            nodes: 1,
            contents,
        });
        Ok(())
    }

    fn end(&mut self, span: Span) -> Result<(), ModelError> {
        let Some(open) = self.open.pop() else {
            return Err(self.error(span.start, "a collection ends that never began"));
        };
        let value = match open.contents {
            Contents::List(items) => YamlValue::List(items),
            Contents::Map { map, merges, .. } => YamlValue::Map(merged(map, merges)),
        };
        let yaml = Yaml {
            value,
            line: open.line,
            column: open.column,
        };
        self.finished(yaml, open.anchor, open.nodes, false, span)
    }

    fn scalar(
        &mut self,
        text: Cow<'_, str>,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        span: Span,
    ) -> Result<(), ModelError> {
        let (line, column) = position(span.start);
        let plain = style == ScalarStyle::Plain;
        let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        // A block that the file ends with has a line break only if the file has one there.
        let text = match text.strip_suffix('\n') {
            Some(cut) if block && self.unended.is_some_and(|end| span.end.index() >= end) => {
                Cow::Owned(cut.to_owned())
            }
            _ => text,
        };
        let value = match tag {
            Some(tag) if tag.is_yaml_core_schema() => match scalar::tagged(&tag.suffix, &text) {
                Some(value) => value,
                None => {
                    let message = format!("`{text}` is no `!!{}`", tag.suffix);
                    return Err(self.error(span.start, message));
                }
            },
            // The lone `!` says "not resolved": text.
            Some(tag) if tag.handle.is_empty() && tag.suffix == "!" => {
                YamlValue::Text(text.into_owned())
            }
            Some(tag) => {
                let message = format!("the tag `{}{}` means nothing here", tag.handle, tag.suffix);
                return Err(self
                    .error(span.start, message)
                    .hint("quote the text if it should begin with `!`"));
            }
            None if plain => scalar::plain(&text),
            None => YamlValue::Text(text.into_owned()),
        };
        let merge = plain && tag.is_none() && value == YamlValue::Text("<<".to_owned());
        self.finished(
            Yaml {
                value,
                line,
                column,
            },
            anchor,
            1,
            merge,
            span,
        )
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), ModelError> {
        let Some((yaml, nodes)) = self.anchors.get(&anchor) else {
            return Err(self
                .error(span.start, "an alias stands inside the very node it names")
                .hint("an alias can only repeat what is already complete"));
        };
        let (yaml, nodes) = (yaml.clone(), *nodes);
        self.aliased += nodes;
        if self.aliased > ALIASED_NODES {
            return Err(self
                .error(
                    span.start,
                    format!("aliases repeat more than {ALIASED_NODES} nodes"),
                )
                .hint("write less by aliases of aliases"));
        }
        self.finished(yaml, 0, nodes, false, span)
    }

    /// Puts a finished node where it belongs.
    fn finished(
        &mut self,
        yaml: Yaml,
        anchor: usize,
        nodes: usize,
        merge: bool,
        span: Span,
    ) -> Result<(), ModelError> {
        if anchor != 0 {
            self.anchors.insert(anchor, (yaml.clone(), nodes));
        }
        let Some(mut open) = self.open.pop() else {
            self.root = Some(yaml);
            return Ok(());
        };
        open.nodes += nodes;
        let result = match &mut open.contents {
            Contents::List(items) => {
                items.push(yaml);
                Ok(())
            }
            Contents::Map {
                key: key @ None, ..
            } => match key_of(&yaml, merge) {
                Some(found) => {
                    *key = Some(found);
                    Ok(())
                }
                None => Err(self
                    .error(span.start, format!("{} cannot be a key", yaml.what()))
                    .hint("quote a value that begins with `{{`, as in key: \"{{ var('x') }}\"")),
            },
            Contents::Map {
                map,
                key,
                merges,
                seen,
            } => match key.take() {
                Some(Key::Merge) => self.merge(yaml, merges, span),
                Some(Key::Name { text, line, column }) => {
                    let entry = Entry {
                        key: text,
                        line,
                        column,
                        value: yaml,
                    };
                    self.insert(map, seen, entry);
                    Ok(())
                }
                None => Ok(()),
            },
        };
        self.open.push(open);
        result
    }

    fn merge(&self, yaml: Yaml, merges: &mut Vec<Map>, span: Span) -> Result<(), ModelError> {
        let wrong = || {
            self.error(span.start, "`<<` merges mappings only")
                .hint("write `<<: *name` or `<<: [*one, *two]`, where each names a mapping")
        };
        match yaml.value {
            YamlValue::Map(map) => merges.push(map),
            YamlValue::List(items) => {
                // The first of a list wins, so it is laid on last.
                for item in items.into_iter().rev() {
                    let YamlValue::Map(map) = item.value else {
                        return Err(wrong());
                    };
                    merges.push(map);
                }
            }
            _ => return Err(wrong()),
        }
        Ok(())
    }

    fn insert(&mut self, map: &mut Map, seen: &mut Option<HashSet<String>>, entry: Entry) {
        // Few keys are compared one by one; a set is made only for the rare long mapping.
        let known = match seen {
            Some(seen) => !seen.insert(entry.key.clone()),
            None => {
                if map.len() >= 24 {
                    let mut all: HashSet<_> = map.iter().map(|entry| entry.key.clone()).collect();
                    let known = !all.insert(entry.key.clone());
                    *seen = Some(all);
                    known
                } else {
                    map.entry(&entry.key).is_some()
                }
            }
        };
        if !known {
            map.push(entry);
            return;
        }
        let place = Place::at(self.file, entry.line, entry.column);
        let warning = ModelError::new(
            ModelErrorKind::Yaml,
            format!(
                "the key `{}` stands twice in one mapping; the last one counts",
                entry.key
            ),
        );
        self.warnings.push(
            warning
                .at(place)
                .excerpt(excerpt(self.text, entry.line, entry.column))
                .hint("remove one of them"),
        );
        if let Some(old) = map
            .entries_mut()
            .iter_mut()
            .find(|old| old.key == entry.key)
        {
            *old = entry;
        }
    }

    fn error(&self, at: Marker, message: impl Into<String>) -> ModelError {
        let (line, column) = position(at);
        ModelError::new(ModelErrorKind::Yaml, message)
            .at(Place::at(self.file, line, column))
            .excerpt(excerpt(self.text, line, column))
    }

    fn syntax(&self, error: &ScanError) -> ModelError {
        let (line, _) = position(*error.marker());
        let last = match error.info().contains("tab") {
            true => u32::MAX,
            false => line.saturating_add(1),
        };
        if let Some((line, column)) = self.indenting_tab(line, last) {
            let message = "this is not YAML: a tab stands in the indentation of this line";
            return ModelError::new(ModelErrorKind::Yaml, message)
                .at(Place::at(self.file, line, column))
                .excerpt(excerpt(self.text, line, column))
                .hint("indent by spaces: YAML allows no tabs there");
        }
        let made = self.error(
            *error.marker(),
            format!("this is not YAML: {}", error.info()),
        );
        let lines = || {
            self.text
                .lines()
                .skip((line as usize).saturating_sub(2))
                .take(2)
        };
        if lines()
            .any(|line| line.contains(": {{") || line.contains("- {{") || line.contains(": {%"))
        {
            return made.hint("quote a value that begins with `{{` or `{%`");
        }
        if lines().any(|line| line.matches(": ").count() > 1) {
            return made.hint("quote a value that contains `: `");
        }
        made.hint("check the indentation and the quotes of this line and the one above")
    }

    /// Finds the first tab that indents a line, from the one above `line` to `last`. The parser reports
    /// where the node began that the tab spoils; tabs elsewhere stand in texts, and may.
    fn indenting_tab(&self, line: u32, last: u32) -> Option<(u32, u32)> {
        let first = line.saturating_sub(1).max(1);
        (1u32..)
            .zip(self.text.lines())
            .skip(first as usize - 1)
            .take_while(|(number, _)| *number <= last)
            .filter(|(_, text)| !text.trim().is_empty())
            .find_map(|(number, text)| {
                let indent = text.chars().take_while(|c| matches!(c, ' ' | '\t'));
                let column = (1u32..).zip(indent).find(|(_, c)| *c == '\t');
                column.map(|(column, _)| (number, column))
            })
    }
}

fn key_of(yaml: &Yaml, merge: bool) -> Option<Key> {
    if merge {
        return Some(Key::Merge);
    }
    let text = match &yaml.value {
        YamlValue::Text(text) => text.clone(),
        YamlValue::Null => "null".to_owned(),
        YamlValue::Bool(value) => value.to_string(),
        YamlValue::Int(_) | YamlValue::Float(_) => yaml.scalar_text()?,
        YamlValue::List(_) | YamlValue::Map(_) => return None,
    };
    Some(Key::Name {
        text,
        line: yaml.line,
        column: yaml.column,
    })
}

/// Lays what is merged below what the mapping itself says.
fn merged(own: Map, merges: Vec<Map>) -> Map {
    if merges.is_empty() {
        return own;
    }
    let mut all = Map::default();
    for mut map in merges.into_iter().chain([own]) {
        for entry in std::mem::take(map.entries_mut()) {
            match all
                .entries_mut()
                .iter_mut()
                .find(|old| old.key == entry.key)
            {
                Some(old) => *old = entry,
                None => all.push(entry),
            }
        }
    }
    all
}

fn position(marker: Marker) -> (u32, u32) {
    let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    (small(marker.line()), small(marker.col()).saturating_add(1))
}
