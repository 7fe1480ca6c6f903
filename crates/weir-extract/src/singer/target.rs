//! A Singer target: from messages to changelogs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::message::{self, Members, Message};
use super::nested::Nested;
use super::schema;
use crate::error::{ExtractError, ExtractErrorKind};
use crate::load::{Cell, Operation, Row, Session};

/// The member by which a tap that reads a log says that a row was deleted.
const DELETED: &str = "_sdc_deleted_at";

/// What a sync knows of its tap's streams.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expected {
    /// Streams whose rows, once all are there, take the place of those before.
    pub(crate) replaced: BTreeSet<String>,
    /// The version of rows whose tap gives none, for those streams.
    pub(crate) version: i64,
}

/// Takes a tap's messages, line by line.
pub(crate) struct Target {
    session: Session,
    expected: Expected,
    streams: BTreeMap<String, Known>,
    line: u64,
}

/// A stream that was declared.
struct Known {
    keys: Vec<String>,
    nested: Nested,
    /// The version that rows without one have.
    version: Option<i64>,
    /// The last version that rows came with.
    seen: Option<i64>,
}

impl Target {
    pub(crate) fn new(session: Session, expected: Expected) -> Self {
        Self {
            session,
            expected,
            streams: BTreeMap::new(),
            line: 0,
        }
    }

    /// Takes one line. An error names its number; everything before it is kept by [`Target::stop`].
    pub(crate) async fn line(&mut self, text: &str) -> Result<bool, ExtractError> {
        self.line += 1;
        if text.trim().is_empty() {
            return Ok(false);
        }
        let message = message::read(text).map_err(|why| self.wrong(&why))?;
        match message {
            Message::Record {
                stream,
                record,
                version,
            } => {
                self.record(&stream, &record, version)?;
                self.session.settle().await
            }
            Message::Schema {
                stream,
                schema,
                keys,
            } => {
                self.schema(&stream, schema, keys)?;
                Ok(false)
            }
            Message::State(value) => {
                self.session.cover(value);
                self.session.settle().await
            }
            Message::Activate { stream, version } => {
                match self.session.stream(&stream) {
                    Some(table) => table.activate(version),
                    None => return Err(self.wrong(&undeclared(&stream, "ACTIVATE_VERSION"))),
                }
                Ok(false)
            }
            Message::Batch { .. } => Err(self
                .wrong("a BATCH names files, which are read where the tap runs")
                .hint("pipe the tap into `weir load`, which reads them")),
            Message::Other => Ok(false),
        }
    }

    /// Returns the state that covers what the lake has.
    pub(crate) fn state(&self) -> &Value {
        self.session.state()
    }

    /// Returns the state the source is to be read on from.
    pub(crate) fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Ends a sync that was complete.
    pub(crate) async fn finish(mut self) -> Result<Value, ExtractError> {
        for (name, known) in &self.streams {
            let version = known.seen.or(known.version);
            if let (true, Some(version)) = (self.expected.replaced.contains(name), version)
                && let Some(table) = self.session.stream(name)
            {
                table.activate(version);
            }
        }
        self.session.finish().await
    }

    /// Ends a sync that was not complete: what a state covers is kept.
    pub(crate) async fn stop(self) -> Result<(), ExtractError> {
        self.session.stop().await
    }

    fn schema(
        &mut self,
        stream: &str,
        mut schema: Value,
        keys: Vec<String>,
    ) -> Result<(), ExtractError> {
        let keys = match self.session.key_of(stream) {
            own if own.is_empty() => keys,
            own => own,
        };
        let levels = self.session.levels_of(stream);
        let nested = Nested::of(&mut schema, levels);
        let read = nested.and_then(|nested| Ok((nested, schema::columns(&schema, &keys)?)));
        let (nested, columns) =
            read.map_err(|why| self.wrong(&format!("stream `{stream}`: {why}")))?;
        self.session.declare(stream, &columns)?;
        if let Some(known) = self.streams.get_mut(stream) {
            known.keys = keys;
            known.nested = nested;
            return Ok(());
        }
        let replaced = self.expected.replaced.contains(stream);
        let version = replaced.then_some(self.expected.version);
        let known = Known {
            keys,
            nested,
            version,
            seen: None,
        };
        self.streams.insert(stream.to_owned(), known);
        Ok(())
    }

    fn record(
        &mut self,
        stream: &str,
        record: &Members<'_>,
        version: Option<i64>,
    ) -> Result<(), ExtractError> {
        let line = self.line;
        let wrong = |why: &str| at_line(line, why);
        let Some(known) = self.streams.get_mut(stream) else {
            return Err(wrong(&undeclared(stream, "RECORD")));
        };
        let Some(table) = self.session.stream(stream) else {
            return Err(wrong(&undeclared(stream, "RECORD")));
        };
        let apart;
        let record = match known.nested.is_empty() {
            true => record,
            false => {
                apart = known.nested.apart(record);
                &apart
            }
        };
        let mut cells = vec![Cell::Null; table.fields()];
        let mut undeclared = Vec::new();
        let mut operation = Operation::Upsert;
        let mut next = 0;
        for (name, raw) in &record.0 {
            if name == DELETED && *raw != "null" {
                operation = Operation::Delete;
            }
            match table.field_near(next, name) {
                Some(at) => {
                    cells[at] = Cell::Json(raw);
                    next = at + 1;
                }
                None => undeclared.push((name.as_ref(), *raw)),
            }
        }
        if !table.has_key() && operation == Operation::Upsert {
            operation = Operation::Insert;
        }
        for key in &known.keys {
            let cell = table.field(key).map(|at| cells[at]);
            if matches!(cell, None | Some(Cell::Null | Cell::Json("null"))) {
                return Err(wrong(&format!(
                    "the record of stream `{stream}` has no value for its key `{key}`"
                )));
            }
        }
        known.seen = version.or(known.seen);
        if let (true, Some(version)) = (known.version.is_some(), version.or(known.version))
            && table.active().is_none()
        {
            // The first load of a table shows its rows as they come.
            table.activate(version);
        }
        let row = Row {
            operation,
            position: None,
            version: version.or(known.version),
            cells: &cells,
            undeclared: &undeclared,
            unchanged: &[],
        };
        self.session.push(stream, &row)
    }

    fn wrong(&self, why: &str) -> ExtractError {
        at_line(self.line, why)
    }
}

fn at_line(line: u64, why: &str) -> ExtractError {
    ExtractError::new(ExtractErrorKind::Protocol, format!("line {line}: {why}"))
        .hint("what came before it and a state covers is kept; mend the tap, then sync again")
}

fn undeclared(stream: &str, kind: &str) -> String {
    format!("a {kind} message of stream `{stream}` comes before its SCHEMA")
}
