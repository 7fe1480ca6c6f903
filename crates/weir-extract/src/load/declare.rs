//! From the fields a source declares to the columns of its table.

use super::column::{Column, ColumnType};
use super::shape::column_name;
use super::table::{Changed, SourceField, StreamTable};
use crate::error::{ExtractError, ExtractErrorKind};
use crate::spec::{SchemaChanges, StreamRules};

impl StreamTable {
    /// Takes over the fields of the source as they are from now on; returns what that changed.
    pub(crate) fn declare(
        &mut self,
        fields: &[Column],
        rules: &StreamRules,
        policy: SchemaChanges,
    ) -> Result<Changed, ExtractError> {
        let is_new = self.columns.is_empty();
        let mut columns = self.columns.clone();
        let mut placed = Vec::with_capacity(fields.len());
        let mut changed = Changed::default();
        for field in fields {
            let hashed = rules.hash.contains(&field.name);
            let named = rules.columns.is_empty() || rules.columns.contains(&field.name);
            let dropped = rules.drop.contains(&field.name) || !(named || field.is_key);
            let mut source = SourceField {
                name: field.name.clone(),
                column: None,
                hashed,
                dropped,
            };
            if dropped && field.is_key {
                return Err(self
                    .wrong(format!(
                        "column `{}` is a part of its key and cannot be dropped",
                        field.name
                    ))
                    .hint("`hash` it instead"));
            }
            if !dropped {
                let wanted = Column {
                    name: column_name(rules.rename.get(&field.name).unwrap_or(&field.name)),
                    column_type: if hashed {
                        ColumnType::Text
                    } else {
                        field.column_type
                    },
                    is_key: field.is_key,
                    default: None,
                };
                let taken: Vec<usize> = placed
                    .iter()
                    .filter_map(|f: &SourceField| f.column)
                    .collect();
                let (had, retyped) = (columns.len(), changed.retyped);
                source.column =
                    self.place(&mut columns, wanted, &taken, is_new, policy, &mut changed)?;
                if columns.len() > had {
                    changed.added.push(field.name.clone());
                }
                // A hash is text whatever it is of.
                changed.retyped = retyped || (changed.retyped && !hashed);
            }
            placed.push(source);
        }
        let taken: Vec<Option<usize>> = placed.iter().map(|field| field.column).collect();
        for (at, column) in columns.iter_mut().enumerate() {
            if column.is_key && !taken.contains(&Some(at)) {
                column.is_key = false;
                changed.rekeyed = true;
                let words = format!("column `{}`, a part of the key, is gone", column.name);
                changed.words.push(words);
            }
        }
        if !changed.words.is_empty() || is_new {
            self.cut()?;
            self.columns = columns;
            self.altered = true;
        }
        self.places = placed
            .iter()
            .enumerate()
            .map(|(at, field)| (field.name.clone(), at))
            .collect();
        self.fields = placed;
        self.rules = rules.clone();
        if self.builders.len() != self.columns.len() || self.altered {
            self.cut()?;
            self.start_builders();
        }
        match is_new {
            true => Ok(Changed::default()),
            false => Ok(changed),
        }
    }

    /// Finds or makes the column of a field.
    fn place(
        &self,
        columns: &mut Vec<Column>,
        mut wanted: Column,
        taken: &[usize],
        is_new: bool,
        policy: SchemaChanges,
        changed: &mut Changed,
    ) -> Result<Option<usize>, ExtractError> {
        let evolves = is_new || policy == SchemaChanges::Evolve;
        let same = |columns: &[Column], name: &str| {
            columns
                .iter()
                .position(|c| c.name.to_lowercase() == name.to_lowercase())
        };
        // Names that differ by case only are one to the open format.
        let mut number = 1;
        let plain = wanted.name.clone();
        while same(columns, &wanted.name).is_some_and(|at| taken.contains(&at)) {
            number += 1;
            wanted.name = format!("{plain}_{number}");
        }
        let Some(at) = same(columns, &wanted.name) else {
            let what = format!("column `{}` is new", wanted.name);
            return match (evolves, policy) {
                (true, _) => {
                    changed.words.push(what);
                    columns.push(wanted);
                    Ok(Some(columns.len() - 1))
                }
                (false, SchemaChanges::Freeze) => Err(self.frozen(&what)),
                (false, _) => Ok(None),
            };
        };
        let column = &mut columns[at];
        let joined = column.column_type.join(wanted.column_type);
        if joined != column.column_type {
            let what = format!(
                "column `{}` has other values than {}",
                column.name,
                column.column_type.data_type()
            );
            match (evolves, policy) {
                (true, _) => {
                    changed.retyped = true;
                    changed.words.push(format!(
                        "column `{}` becomes {}",
                        column.name,
                        joined.data_type()
                    ));
                    column.column_type = joined;
                }
                (false, SchemaChanges::Freeze) => return Err(self.frozen(&what)),
                // Values that do not fit are kept beside the row.
                (false, _) => {}
            }
        }
        if column.is_key != wanted.is_key {
            changed.rekeyed = true;
            changed.words.push(match wanted.is_key {
                true => format!("column `{}` is now a part of the key", column.name),
                false => format!("column `{}` is no longer a part of the key", column.name),
            });
            column.is_key = wanted.is_key;
        }
        Ok(Some(at))
    }

    fn frozen(&self, what: &str) -> ExtractError {
        ExtractError::new(
            ExtractErrorKind::Schema,
            format!("stream `{}`: {what}, and its rule is `schema_changes: freeze`", self.name),
        )
        .hint("set `schema_changes: evolve` to follow the source, or `quarantine` to keep such values in `weir_unfit`")
    }

    pub(super) fn wrong(&self, why: String) -> ExtractError {
        ExtractError::new(
            ExtractErrorKind::Invalid,
            format!("stream `{}`: {why}", self.name),
        )
    }
}
