//! Bases of changelogs: the rows that changes amounted to as of one of them, kept as a table, so that a
//! reader goes through the changes since then only.
//!
//! A base stands beside its changelog, as `<stream>__folded`. What it was made of lies in the metadata of its
//! first column. Where that is not what the changelog has any more, it is passed over.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, Fields};
use serde::Deserialize;
use weir_core::changelog::{BASE, DEFAULT, KEY};
use weir_core::{TableName, quoted};
use weir_lake::TableView;

use super::current::{filler, sql_type, unchanged};

/// Metadata of a base's first column: of which changes it was made.
const FOLDED: &str = "weir.folded";

/// Of which changes a base was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
struct Folded {
    /// The last of the changes.
    position: i64,
    ordinal: i64,
    /// The version of the rows that counted.
    active: Option<i64>,
}

/// A base that holds for a changelog.
pub(super) struct Base {
    name: String,
    fields: Fields,
    folded: Folded,
}

/// Returns the base of a changelog, where there is one that holds.
pub(super) fn base(
    tables: &BTreeMap<TableName, Arc<TableView>>,
    changelog: &TableView,
    active: Option<i64>,
    until: Option<i64>,
) -> Option<Base> {
    let raw = &changelog.name;
    let name = TableName::new(raw.schema(), format!("{}{BASE}", raw.table())).ok()?;
    let base = tables.get(&name)?;
    let fields = base.schema.fields();
    let told = fields.first()?.metadata().get(FOLDED)?;
    let folded: Folded = serde_json::from_str(told).ok()?;
    let is_key = |field: &Field| field.metadata().contains_key(KEY);
    let holds = fields.iter().all(|field| {
        let now = changelog.schema.field_with_name(field.name());
        now.is_ok_and(|now| now.data_type() == field.data_type() && is_key(now) == is_key(field))
    });
    let keys = |fields: &Fields| fields.iter().filter(|field| is_key(field)).count();
    let holds = holds && keys(fields) == keys(changelog.schema.fields());
    // A base holds for a copy that may have begun later, so that the past is found without.
    (holds && folded.active == active && until.is_none()).then(|| Base {
        name: format!("{}.{}", quoted(name.schema()), quoted(name.table())),
        fields: fields.clone(),
        folded,
    })
}

impl Base {
    /// Returns the condition that changes are not in the base, to be added to others.
    pub(super) fn since(&self, counted: &str) -> String {
        let Folded {
            position, ordinal, ..
        } = self.folded;
        let joint = if counted.is_empty() { "WHERE" } else { "AND" };
        // The first part alone passes over files and parts of them.
        format!(
            "{counted} {joint} weir_position >= {position} AND (weir_position > {position} OR weir_ordinal > {ordinal})"
        )
    }

    /// Returns what the base tells of a column: one that came since has what the source filled it with.
    fn told(&self, field: &Field) -> String {
        if self.fields.iter().any(|own| own.name() == field.name()) {
            return format!("kept.{}", quoted(field.name()));
        }
        match filler(field) {
            Some((value, before)) if self.folded.position < before => value,
            _ => format!("CAST(NULL AS {})", sql_type(field.data_type())),
        }
    }

    /// The rows of the base whose keys did not change since, then those of `changed`.
    pub(super) fn with_newest(
        &self,
        columns: &[&Field],
        keys: &[String],
        (from, since): (&str, &str),
        changed: &str,
    ) -> String {
        let told = columns.iter().map(|field| {
            let told = self.told(field);
            format!("{told} AS {}", quoted(field.name()))
        });
        let told: Vec<String> = told.collect();
        let same = keys.iter().map(|key| format!("later.{key} = kept.{key}"));
        let same: Vec<String> = same.collect();
        format!(
            "SELECT {} FROM {} AS kept WHERE NOT EXISTS (SELECT 1 FROM {from} AS later{since} AND {}) \
             UNION ALL {changed}",
            told.join(", "),
            self.name,
            same.join(" AND ")
        )
    }

    /// The same where changes leave values out: those are the base's, unless a change since told them.
    pub(super) fn with_whole(
        &self,
        columns: &[&Field],
        keys: &[String],
        (from, since): (&str, &str),
    ) -> String {
        const ORDER: &str = "ORDER BY weir_position, weir_ordinal";
        let (mut inner, mut outer) = (String::new(), Vec::new());
        for (at, field) in columns.iter().enumerate() {
            let name = quoted(field.name());
            let kept = self.told(field);
            if field.metadata().contains_key(KEY) {
                let _ = write!(inner, "{name}, ");
                outer.push(format!("COALESCE(later.{name}, {kept}) AS {name}"));
                continue;
            }
            let told = unchanged(field.name());
            let value = match field.metadata().contains_key(DEFAULT) {
                true => super::current::filled(field).unwrap_or_else(|| name.clone()),
                false => name.clone(),
            };
            let _ = write!(
                inner,
                "last_value({value} {ORDER}) FILTER (WHERE {told}) AS {name}, \
                 max(CASE WHEN {told} THEN 1 ELSE 0 END) AS weir_told_{at}, "
            );
            outer.push(format!(
                "CASE WHEN later.weir_told_{at} = 1 THEN later.{name} ELSE {kept} END AS {name}"
            ));
        }
        let same = keys.iter().map(|key| format!("later.{key} = kept.{key}"));
        let same: Vec<String> = same.collect();
        format!(
            "SELECT {} FROM (SELECT {inner}last_value(weir_op {ORDER}) AS weir_op FROM {from}{since} GROUP BY {}) AS later \
             FULL JOIN {} AS kept ON {} WHERE COALESCE(later.weir_op, 'insert') <> 'delete'",
            outer.join(", "),
            keys.join(", "),
            self.name,
            same.join(" AND ")
        )
    }
}
