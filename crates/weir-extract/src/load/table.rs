//! One stream's rows on their way into its changelog.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Builder, RecordBatch, RecordBatchOptions, StringBuilder};
use arrow::datatypes::{Field, Schema, SchemaRef};
use serde_json::{Map, Value};
use weir_core::changelog::PLACED;

use super::cell::{Cell, ColumnBuilder};
use super::column::{Column, ColumnDefault};
use super::shape::{change_type, conform, hashed, misfit, size};
use crate::error::ExtractError;
use crate::spec::StreamRules;

pub use weir_core::changelog::{ACTIVE, CHANGE_COLUMNS, COUNTED, PARTIAL};

/// Rows of a batch: what is built at once.
const BATCH_ROWS: usize = 32 * 1024;

/// What happened to a row at its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Insert,
    Update,
    Delete,
    /// It is so now; whether it was there before is not known.
    Upsert,
}

impl Operation {
    fn as_str(self) -> &'static str {
        match self {
            Operation::Insert => "insert",
            Operation::Update => "update",
            Operation::Delete => "delete",
            Operation::Upsert => "upsert",
        }
    }
}

/// One change of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    pub operation: Operation,
    /// Where in the source it happened, in order; none for the next number.
    pub position: Option<(i64, i64)>,
    pub version: Option<i64>,
    /// One for each field that was declared.
    pub cells: &'a [Cell<'a>],
    /// Values nobody declared, as JSON.
    pub undeclared: &'a [(&'a str, &'a str)],
    /// Fields that keep the value they had, by place.
    pub unchanged: &'a [usize],
}

/// What becomes of a field of the source.
pub(super) struct SourceField {
    pub(super) name: String,
    /// The column it goes to; none where it is left out or has no column.
    pub(super) column: Option<usize>,
    pub(super) hashed: bool,
    pub(super) dropped: bool,
}

/// What a declaration changed of a table that was there.
#[derive(Debug, Default)]
pub(crate) struct Changed {
    /// All of it, in words.
    pub words: Vec<String>,
    /// Fields of the source that have a new column.
    pub added: Vec<String>,
    /// Whether a column has another type.
    pub retyped: bool,
    /// Whether rows are told apart by other columns.
    pub rekeyed: bool,
}

/// Rows of one stream that wait for their commit, and the table they go to.
pub(crate) struct StreamTable {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    pub(super) fields: Vec<SourceField>,
    pub(super) places: HashMap<String, usize>,
    pub(super) builders: Vec<ColumnBuilder>,
    operation: StringBuilder,
    position: Int64Builder,
    ordinal: Int64Builder,
    version: Int64Builder,
    unfit: StringBuilder,
    unchanged: StringBuilder,
    open_rows: usize,
    done: Vec<RecordBatch>,
    pub(super) rows: u64,
    pub(super) bytes: usize,
    pub(super) next_position: i64,
    pub(super) active: Option<i64>,
    partial: bool,
    counted: bool,
    placed: bool,
    /// Whether the table in the lake has other columns than these.
    pub(super) altered: bool,
    hash_key: Option<[u8; 32]>,
    pub(super) rules: StreamRules,
}

impl StreamTable {
    /// Returns an empty table, or what goes to the table whose columns are `standing`.
    pub(super) fn new(
        name: &str,
        standing: Option<&SchemaRef>,
        hash_key: Option<[u8; 32]>,
    ) -> Self {
        let known = standing.map(|schema| schema.fields().iter()).into_iter();
        let columns = known
            .flatten()
            .filter(|field| !CHANGE_COLUMNS.contains(&field.name().as_str()))
            .map(|field| Column::of(field))
            .collect();
        let meta = |column: &str, key: &str| -> Option<String> {
            let field = standing?.field_with_name(column).ok()?;
            field.metadata().get(key).cloned()
        };
        let mut table = Self {
            name: name.to_owned(),
            columns,
            fields: Vec::new(),
            places: HashMap::new(),
            builders: Vec::new(),
            operation: StringBuilder::new(),
            position: Int64Builder::new(),
            ordinal: Int64Builder::new(),
            version: Int64Builder::new(),
            unfit: StringBuilder::new(),
            unchanged: StringBuilder::new(),
            open_rows: 0,
            done: Vec::new(),
            rows: 0,
            bytes: 0,
            next_position: 0,
            active: meta("weir_version", ACTIVE).and_then(|text| text.parse().ok()),
            partial: meta("weir_unchanged", PARTIAL).is_some(),
            counted: meta("weir_op", COUNTED).is_some(),
            placed: meta("weir_position", PLACED).is_some(),
            altered: standing.is_none(),
            hash_key,
            rules: StreamRules::default(),
        };
        table.start_builders();
        table
    }

    /// Returns the place of a declared field.
    pub(crate) fn field(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// Returns the place of a declared field that is most often at `guess`: records have their members in one order.
    pub(crate) fn field_near(&self, guess: usize, name: &str) -> Option<usize> {
        match self.fields.get(guess) {
            Some(field) if field.name == name => Some(guess),
            _ => self.field(name),
        }
    }

    /// Returns how many fields are declared.
    pub(crate) fn fields(&self) -> usize {
        self.fields.len()
    }

    /// Whether rows are told apart by a key.
    pub(crate) fn has_key(&self) -> bool {
        self.columns.iter().any(|column| column.is_key)
    }

    /// Returns the version whose rows count; none where all do.
    pub(crate) fn active(&self) -> Option<i64> {
        self.active
    }

    /// Makes `version` the one whose rows count.
    pub(crate) fn activate(&mut self, version: i64) {
        if self.active != Some(version) {
            self.active = Some(version);
            self.altered = true;
        }
    }

    /// Returns the number of the next change.
    pub(crate) fn next_position(&self) -> i64 {
        self.next_position
    }

    /// Lets changes be numbered from here on, though earlier ones stood at places in a log.
    pub(crate) fn number(&mut self) {
        self.altered |= self.placed;
        self.placed = false;
    }

    /// Lets equal rows be counted: from now on one that was deleted takes one of them away.
    pub(crate) fn count(&mut self) {
        self.altered |= !self.counted;
        self.counted = true;
    }

    /// Says what rows have in a new column that came before it did: those before this position.
    pub(crate) fn set_default(
        &mut self,
        field: &str,
        value: &str,
        before: i64,
    ) -> Result<(), ExtractError> {
        self.cut()?;
        let Some(field) = self.field(field).and_then(|at| self.fields.get(at)) else {
            return Ok(());
        };
        let value = match (field.hashed, &self.hash_key) {
            (true, Some(key)) => hashed(key, Cell::Text(value)),
            (true, None) => None,
            (false, _) => Some(value.to_owned()),
        };
        if let (Some(column), Some(value)) = (field.column, value) {
            self.columns[column].default = Some(ColumnDefault { value, before });
            self.altered = true;
        }
        Ok(())
    }

    /// Ends what earlier rows have in the columns of now: rows from this position on tell their own values.
    pub(crate) fn end_defaults(&mut self, position: i64) {
        let present: Vec<usize> = self
            .fields
            .iter()
            .filter_map(|field| field.column)
            .collect();
        for at in present {
            if let Some(default) = &mut self.columns[at].default
                && default.before == i64::MAX
            {
                default.before = position;
                self.altered = true;
            }
        }
    }

    /// Forgets what rows have that came before their columns: all rows that count tell their own values.
    pub(crate) fn forget_defaults(&mut self) {
        for column in &mut self.columns {
            self.altered |= column.default.take().is_some();
        }
    }

    /// Returns the columns that hold what the source has, and by which field: those that are not hashed.
    pub(crate) fn kept(&self) -> Vec<(&str, &Column)> {
        let fields = self.fields.iter().filter(|field| !field.hashed);
        let kept = fields.filter_map(|field| {
            let column = self.columns.get(field.column?)?;
            Some((field.name.as_str(), column))
        });
        kept.collect()
    }

    /// Adds a change.
    pub(crate) fn push(&mut self, row: &Row<'_>) -> Result<(), ExtractError> {
        let mut unfit = Map::new();
        let mut filled = vec![false; self.columns.len()];
        for (at, cell) in row.cells.iter().enumerate() {
            let Some(field) = self.fields.get(at).filter(|field| !field.dropped) else {
                continue;
            };
            let Some(column) = field.column else {
                if !field.hashed && !matches!(cell, Cell::Null | Cell::Json("null")) {
                    unfit.insert(
                        field.name.clone(),
                        misfit(*cell, "the table has no such column"),
                    );
                }
                continue;
            };
            filled[column] = true;
            self.bytes += size(*cell);
            let builder = &mut self.builders[column];
            let done = match (field.hashed, &self.hash_key) {
                (true, Some(key)) => match hashed(key, *cell) {
                    Some(hash) => builder.push(Cell::Text(&hash)),
                    None => builder.push(Cell::Null),
                },
                (true, None) => builder.push(Cell::Null),
                (false, _) => builder.push(*cell),
            };
            if let Err(reason) = done {
                unfit.insert(field.name.clone(), misfit(*cell, reason));
            }
        }
        for (column, _) in filled.iter().enumerate().filter(|(_, filled)| !**filled) {
            self.builders[column].push_null();
        }
        for (name, raw) in row.undeclared {
            if self.withholds(name) {
                continue;
            }
            self.bytes += raw.len();
            unfit.insert(
                (*name).to_owned(),
                misfit(Cell::Json(raw), "the source did not declare it"),
            );
        }
        self.operation.append_value(row.operation.as_str());
        if row.position.is_some() && !self.placed {
            self.placed = true;
            self.altered = true;
        }
        let (position, ordinal) = row.position.unwrap_or((self.next_position, 0));
        self.next_position = self.next_position.max(position) + 1;
        self.position.append_value(position);
        self.ordinal.append_value(ordinal);
        self.version.append_option(row.version.or(self.active));
        match unfit.is_empty() {
            true => self.unfit.append_null(),
            false => self.unfit.append_value(Value::Object(unfit).to_string()),
        }
        let names = row
            .unchanged
            .iter()
            .filter_map(|at| self.fields.get(*at)?.column);
        let names: Vec<&str> = names
            .map(|column| self.columns[column].name.as_str())
            .collect();
        match names.is_empty() {
            true => self.unchanged.append_null(),
            false => {
                self.altered |= !self.partial;
                self.partial = true;
                self.unchanged
                    .append_value(format!("\u{1f}{}\u{1f}", names.join("\u{1f}")));
            }
        }
        self.bytes += 64;
        self.rows += 1;
        self.open_rows += 1;
        if self.open_rows >= BATCH_ROWS {
            self.cut()?;
        }
        Ok(())
    }

    /// Whether the rules keep a field from the lake that the source did not declare.
    fn withholds(&self, name: &str) -> bool {
        let is_in = |list: &[String]| list.iter().any(|listed| listed == name);
        let rules = &self.rules;
        is_in(&rules.drop)
            || is_in(&rules.hash)
            || !(rules.columns.is_empty() || is_in(&rules.columns))
    }

    /// Whether a commit has something to say about this table.
    pub(super) fn is_dirty(&self) -> bool {
        self.rows > 0 || self.altered
    }

    /// Lets go of all waiting rows but the first so many.
    pub(super) fn truncate(&mut self, rows: u64, next_position: i64) -> Result<(), ExtractError> {
        if rows >= self.rows {
            return Ok(());
        }
        self.cut()?;
        let mut left = usize::try_from(rows).unwrap_or(usize::MAX);
        for batch in &mut self.done {
            let keep = left.min(batch.num_rows());
            *batch = batch.slice(0, keep);
            left -= keep;
        }
        self.done.retain(|batch| batch.num_rows() > 0);
        self.rows = rows;
        self.next_position = next_position;
        Ok(())
    }

    /// Returns the columns and the rows that wait, as one commit takes them.
    pub(super) fn take(
        &mut self,
        run: &str,
        loaded_at: i64,
    ) -> Result<(SchemaRef, Vec<RecordBatch>), ExtractError> {
        self.cut()?;
        let schema = self.schema();
        let done = std::mem::take(&mut self.done);
        let rows = done
            .iter()
            .map(|batch| conform(batch, &schema, run, loaded_at))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| {
                self.wrong("its rows cannot be put together".into())
                    .because(error)
            })?;
        self.rows = 0;
        self.bytes = 0;
        self.altered = false;
        Ok((schema, rows))
    }

    fn schema(&self) -> SchemaRef {
        let marked = |field: Field, key: &str, value: Option<String>| match value {
            Some(value) => field.with_metadata(HashMap::from([(key.to_owned(), value)])),
            None => field,
        };
        let mut fields: Vec<Field> = CHANGE_COLUMNS
            .iter()
            .map(|name| {
                let field = Field::new(*name, change_type(name), true);
                match *name {
                    "weir_version" => marked(field, ACTIVE, self.active.map(|v| v.to_string())),
                    "weir_op" => marked(field, COUNTED, self.counted.then(|| "true".to_owned())),
                    "weir_position" => {
                        marked(field, PLACED, self.placed.then(|| "true".to_owned()))
                    }
                    "weir_unchanged" => {
                        marked(field, PARTIAL, self.partial.then(|| "true".to_owned()))
                    }
                    _ => field,
                }
            })
            .collect();
        fields.extend(self.columns.iter().map(Column::field));
        Arc::new(Schema::new(fields))
    }

    pub(super) fn start_builders(&mut self) {
        let columns = self.columns.iter();
        self.builders = columns.map(|c| ColumnBuilder::new(c.column_type)).collect();
    }

    /// Ends the open batch.
    pub(super) fn cut(&mut self) -> Result<(), ExtractError> {
        if self.open_rows == 0 {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.open_rows);
        let mut fields = Vec::new();
        let mut arrays: Vec<ArrayRef> = Vec::new();
        let mut own = |name: &str, array: ArrayRef| {
            fields.push(Field::new(name, array.data_type().clone(), true));
            arrays.push(array);
        };
        own("weir_op", Arc::new(self.operation.finish()));
        own("weir_position", Arc::new(self.position.finish()));
        own("weir_ordinal", Arc::new(self.ordinal.finish()));
        own("weir_version", Arc::new(self.version.finish()));
        own("weir_unfit", Arc::new(self.unfit.finish()));
        own("weir_unchanged", Arc::new(self.unchanged.finish()));
        for (column, builder) in self.columns.iter().zip(&mut self.builders) {
            own(&column.name, builder.finish());
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = Arc::new(Schema::new(fields));
        let batch =
            RecordBatch::try_new_with_options(schema, arrays, &options).map_err(|error| {
                self.wrong("its rows cannot be put together".into())
                    .because(error)
            })?;
        self.done.push(batch);
        Ok(())
    }
}
