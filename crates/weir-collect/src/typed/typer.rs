use std::borrow::Cow;
use std::collections::HashMap;

use weir_core::{NameError, TableName};
use weir_lake::{ColumnId, TableId, Value};

use super::facts::{Envelope, Facts};
use super::flatten::{Leaf, LeafValue, flatten, text_value};
use super::layout::{self, Shape};
use super::names::{TABLES, table_name};
use super::path::{CONTEXT, PROPERTIES, Paths};
use super::raw::{RawEvent, id_text, instant, position};
use super::sink::Sink;
use super::table::{Discard, DiscardTable, RESERVED_NAME, TypedTable};
use crate::door::member;
use crate::json::{Head, RawValue};
use crate::record::Kind;

/// Name of the events webhooks make.
pub(crate) const WEBHOOK_EVENT: &str = "webhook_source_event";

/// Event names remembered per source.
const MOST_EVENT_NAMES: usize = 10_000;
/// Tables of their own that a source's events may have; the events beyond are in `tracks`.
const MOST_EVENT_TABLES: usize = 1_000;

/// Places events in the typed tables of their sources.
pub struct Typer<T = TableId, C = ColumnId> {
    sources: HashMap<String, Layout<T, C>>,
    paths: Paths,
}

/// The typed tables of one source.
struct Layout<T, C> {
    schema: String,
    tables: Vec<TypedTable<T, C>>,
    by_kind: [Option<usize>; Kind::ALL.len()],
    by_event: HashMap<Box<str>, EventTable>,
    /// Names of event tables opened, since several event names may spell one.
    by_name: HashMap<Box<str>, usize>,
    discards: DiscardTable<T, C>,
    /// Names of the tables that are no event's.
    layout: Vec<TableName>,
}

#[derive(Clone, Copy)]
enum EventTable {
    At(usize),
    /// Without one, for this reason.
    None(&'static str),
}

impl<T: Copy, C: Copy + PartialEq> Default for Typer<T, C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Copy, C: Copy + PartialEq> Typer<T, C> {
    /// Returns a typer that has seen nothing yet.
    pub fn new() -> Self {
        Self {
            sources: HashMap::new(),
            paths: Paths::new(),
        }
    }

    /// Writes the typed rows of one event of `source`, from its raw row alone.
    ///
    /// The answer says whether `source` can be the name of a schema; nothing else can fail. A raw
    /// text that is no event (someone else wrote the row) becomes a row of `discards`.
    pub fn place<S: Sink<Table = T, Column = C>>(
        &mut self,
        source: &str,
        event: &RawEvent<'_>,
        rows: &mut S,
    ) -> Result<(), NameError> {
        let envelope = Envelope::read(event.batch);
        match Head::parse(event.raw.as_bytes(), 64) {
            Ok(head) => self.place_read(source, event, &head, envelope, rows),
            Err(bad) => {
                let value = Cow::Owned(bad.to_string());
                let table = layout::table_of(event.kind).map_or("events", |(table, _)| table);
                let mut discards = vec![Discard {
                    table: table.into(),
                    column: "raw".to_owned(),
                    value,
                    reason: "malformed_json",
                }];
                let layout = self.layout(source, rows)?;
                let row = (event.seq, event.message_id, event.received_at);
                layout.discards.write(rows, &mut discards, row);
                Ok(())
            }
        }
    }

    fn layout<S: Sink<Table = T, Column = C>>(
        &mut self,
        source: &str,
        rows: &mut S,
    ) -> Result<&mut Layout<T, C>, NameError> {
        if !self.sources.contains_key(source) {
            let layout = Layout {
                schema: source.to_owned(),
                tables: Vec::new(),
                by_kind: [None; Kind::ALL.len()],
                by_event: HashMap::new(),
                by_name: HashMap::new(),
                discards: DiscardTable::open(rows, source)?,
                layout: TABLES
                    .iter()
                    .map(|table| TableName::new(source, *table))
                    .collect::<Result<_, _>>()?,
            };
            self.sources.insert(source.to_owned(), layout);
        }
        Ok(self.sources.get_mut(source).expect("inserted above"))
    }

    /// Writes the typed rows of an event whose JSON is read already.
    pub(crate) fn place_read<'a, S: Sink<Table = T, Column = C>>(
        &mut self,
        source: &str,
        event: &RawEvent<'a>,
        head: &Head<'a>,
        envelope: Envelope<'a>,
        rows: &mut S,
    ) -> Result<(), NameError> {
        let Some((table, shape)) = layout::table_of(event.kind) else {
            return Ok(());
        };
        self.paths.trim();
        self.layout(source, rows)?;
        let Self { sources, paths } = self;
        let layout = sources.get_mut(source).expect("made by the line above");

        let mut leaves = Vec::with_capacity(64);
        let mut discards = Vec::new();
        let context = head.context.filter(|context| context.is_object());
        let batch_context = envelope.context.filter(|context| context.is_object());
        for (context, yields) in [(context, false), (batch_context, true)] {
            if let Some(context) = context {
                // Checked at the door; a raw row of other origin was checked by `place`.
                let _ = flatten(context.0, CONTEXT, yields, paths, &mut leaves);
            }
        }
        let in_context = leaves.len();
        let main = layout.main_table(event.kind, table, shape, rows)?;
        let own = match event.kind {
            Kind::Track | Kind::Webhook => {
                let name = if event.kind == Kind::Webhook {
                    Some(Cow::Borrowed(WEBHOOK_EVENT))
                } else {
                    id_text(head.event)
                };
                layout.event_table(name.as_deref().unwrap_or_default(), rows, &mut discards)
            }
            _ => None,
        };
        properties(event, head, context, paths, &mut leaves);

        let mut facts = Facts::gather(event, head, envelope);
        let ip = paths.child(CONTEXT, CONTEXT, "ip");
        facts.passed_ip = leaves[..in_context]
            .iter()
            .find(|leaf| leaf.path == ip)
            .and_then(|leaf| match &leaf.value {
                LeafValue::Text(ip) => Some(ip.clone()),
                _ => None,
            });
        if event.kind == Kind::Track {
            facts.own[0] = match own {
                Some(own) => Some(layout.tables[own].name.clone().into()),
                None => facts.own[1]
                    .as_ref()
                    .and_then(|name| table_name(name.as_str()))
                    .map(Into::into),
            };
        }
        // Tracks hold what all events have; an event's own table holds its properties as well.
        let last = own.unwrap_or(main);
        if last != main {
            let part = &leaves[..in_context];
            layout.tables[main].row(rows, paths, event, &facts, part, &mut discards, false);
        }
        let part = if event.kind == Kind::Track && own.is_none() {
            &leaves[..in_context]
        } else {
            &leaves[..]
        };
        layout.tables[last].row(rows, paths, event, &facts, part, &mut discards, true);
        if !discards.is_empty() {
            let row = (event.seq, event.message_id, event.received_at);
            layout.discards.write(rows, &mut discards, row);
        }
        Ok(())
    }
}

/// Adds what becomes columns without a prefix: properties, traits, or a webhook's whole body.
fn properties<'a>(
    event: &RawEvent<'a>,
    head: &Head<'a>,
    context: Option<RawValue<'a>>,
    paths: &mut Paths,
    leaves: &mut Vec<Leaf<'a>>,
) {
    if let (Kind::Page | Kind::Screen, Some(category)) = (event.kind, head.category)
        && let Some(text) = category.string()
        && let (Some(value), flaws) = text_value(text)
    {
        let path = paths.child(PROPERTIES, PROPERTIES, "category");
        leaves.push(Leaf {
            path,
            value,
            raw: text.inside(),
            flaws,
            yields: false,
        });
    }
    let mut add = |value: Option<RawValue<'a>>, yields: bool| {
        if let Some(object) = value.filter(|value| value.is_object()) {
            let _ = flatten(object.0, PROPERTIES, yields, paths, leaves);
        }
    };
    match event.kind {
        Kind::Track | Kind::Page | Kind::Screen => add(head.properties, false),
        Kind::Identify => {
            add(head.traits, false);
            // RudderStack's SDKs put traits here; they are columns of their own as well.
            add(context.and_then(|context| member(context, "traits")), true);
        }
        Kind::Group => add(head.traits, false),
        Kind::Webhook => add(Some(RawValue(event.raw.as_bytes())), false),
        Kind::Alias | Kind::Merge => {}
    }
}

impl<T: Copy, C: Copy + PartialEq> Layout<T, C> {
    fn main_table<S: Sink<Table = T, Column = C>>(
        &mut self,
        kind: Kind,
        name: &str,
        shape: Shape,
        rows: &mut S,
    ) -> Result<usize, NameError> {
        // Webhooks share `tracks` with tracks.
        let kind = if kind == Kind::Webhook {
            Kind::Track
        } else {
            kind
        };
        let at = &mut self.by_kind[kind as usize];
        if let Some(at) = at {
            return Ok(*at);
        }
        self.tables
            .push(TypedTable::open(rows, &self.schema, name, shape)?);
        *at = Some(self.tables.len() - 1);
        Ok(self.tables.len() - 1)
    }

    /// Returns the table of events called `event`; that there is none is told to `discards`.
    fn event_table<S: Sink<Table = T, Column = C>>(
        &mut self,
        event: &str,
        rows: &mut S,
        discards: &mut Vec<Discard<'_>>,
    ) -> Option<usize> {
        let found = match self.by_event.get(event) {
            Some(found) => *found,
            None => {
                let found = self.open_event_table(event, rows);
                if self.by_event.len() >= MOST_EVENT_NAMES {
                    self.by_event.clear();
                }
                self.by_event.insert(event.into(), found);
                found
            }
        };
        match found {
            EventTable::At(at) => Some(at),
            EventTable::None(reason) => {
                discards.push(Discard {
                    table: "tracks".into(),
                    column: "properties".to_owned(),
                    value: Cow::Owned(event.to_owned()),
                    reason,
                });
                None
            }
        }
    }

    /// Returns how many tables of the source are not the layout's.
    fn event_tables<S: Sink<Table = T, Column = C>>(&self, rows: &S) -> usize {
        let of_layout = self.layout.iter().filter(|name| rows.has(name)).count();
        rows.count(&self.schema).saturating_sub(of_layout)
    }

    fn open_event_table<S: Sink<Table = T, Column = C>>(
        &mut self,
        event: &str,
        rows: &mut S,
    ) -> EventTable {
        let Some(name) = table_name(event) else {
            return EventTable::None("no_name");
        };
        if let Some(at) = self.by_name.get(name.as_str()) {
            return EventTable::At(*at);
        }
        let Ok(full_name) = TableName::new(&self.schema, &name) else {
            return EventTable::None("no_name");
        };
        // Tables of earlier processes count and stay open, so that a restart, a replay of the log
        // and a rebuild all decide alike.
        if !rows.has(&full_name) && self.event_tables(rows) >= MOST_EVENT_TABLES {
            return EventTable::None("too_many_tables");
        }
        match TypedTable::open(rows, &self.schema, &name, Shape::Track) {
            Ok(table) => {
                self.tables.push(table);
                self.by_name.insert(name.into(), self.tables.len() - 1);
                EventTable::At(self.tables.len() - 1)
            }
            Err(_) => EventTable::None("no_name"),
        }
    }
}

impl<T: Copy, C: Copy + PartialEq> TypedTable<T, C> {
    /// Writes one row. Of an event with two rows, the `last` one tells of flaws.
    #[expect(
        clippy::too_many_arguments,
        reason = "one call, whose parts live in different places"
    )]
    fn row<'a, S: Sink<Table = T, Column = C>>(
        &mut self,
        rows: &mut S,
        paths: &Paths,
        event: &RawEvent<'a>,
        facts: &Facts<'a>,
        leaves: &[Leaf<'a>],
        discards: &mut Vec<Discard<'a>>,
        last: bool,
    ) {
        self.follow(paths);
        // After a crash the table may have the row and `discards` not, so what is to be told is
        // found out either way.
        let fresh = rows.begin(self.id, event.seq);
        if fresh {
            self.set_facts(rows, event, facts);
        }
        for at in 0..leaves.len() {
            let leaf = &leaves[at];
            if let Some(reason) = self.place(rows, paths, leaves, at, fresh)
                && !(reason == RESERVED_NAME && self.is_fact(paths, leaf, facts))
            {
                discards.push(self.discard(paths, leaf, reason));
            }
            if last && let Some(reason) = leaf.flaws.reason() {
                discards.push(self.discard(paths, leaf, reason));
            }
        }
        if fresh {
            rows.end(self.id);
        }
        if last {
            discards.extend(facts.flawed.iter().map(|(column, value, reason)| Discard {
                table: self.name.clone(),
                column: (*column).to_owned(),
                value: String::from_utf8_lossy(value.0),
                reason,
            }));
        }
    }

    /// Sets the columns of the layout.
    fn set_facts<S: Sink<Table = T, Column = C>>(
        &self,
        rows: &mut S,
        event: &RawEvent<'_>,
        facts: &Facts<'_>,
    ) {
        use super::layout as l;
        self.set(rows, l::ID, Value::String(event.message_id));
        let passed = facts.passed_ip.as_deref();
        let ip = Some(event.ip).filter(|ip| !ip.is_empty());
        for (column, value) in [
            (l::ANONYMOUS_ID, facts.anonymous_id.as_deref()),
            (l::USER_ID, facts.user_id.as_deref()),
            (l::CHANNEL, facts.channel.as_deref()),
            (l::CONTEXT_IP, passed.or(ip)),
            (l::CONTEXT_REQUEST_IP, ip),
            (l::CONTEXT_PASSED_IP, passed),
        ] {
            if let Some(value) = value {
                self.set(rows, column, Value::String(value));
            }
        }
        for (column, value) in [
            (l::RECEIVED_AT, Some(event.received_at)),
            (l::SENT_AT, event.sent_at),
            (l::ORIGINAL_TIMESTAMP, event.original_timestamp),
            (l::TIMESTAMP, Some(event.timestamp)),
            (l::UUID_TS, Some(event.received_at)),
        ] {
            if let Some(value) = value {
                self.set(rows, column, instant(value));
            }
        }
        self.set(rows, l::WEIR_SEQ, position(event.seq));
        for (column, value) in self.own.iter().zip(&facts.own) {
            if let Some(value) = value {
                rows.set(self.id, *column, Value::String(value.as_str()));
            }
        }
    }

    /// Whether a leaf says what a column of the layout has already: `context.ip`, or a page's name
    /// repeated among its properties.
    fn is_fact(&self, paths: &Paths, leaf: &Leaf<'_>, facts: &Facts<'_>) -> bool {
        match (paths.name(leaf.path), &leaf.value) {
            (Some("context_ip"), LeafValue::Text(_)) => paths.in_context(leaf.path),
            (Some("name"), LeafValue::Text(name)) if self.shape == Shape::Page => facts.own[0]
                .as_ref()
                .is_some_and(|word| word.as_str() == name.as_ref()),
            _ => false,
        }
    }
}
