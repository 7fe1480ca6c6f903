//! Views over changelogs: the rows a source has now, made of all changes it ever told.
//!
//! A connector writes `raw_<source>.<stream>`; `<source>.<stream>` is what its changes amount to. Which
//! columns are keys, and which version of the rows counts, lies in the metadata of the table's columns, so
//! that it changes with the rows, in one commit.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field};
use weir_core::changelog::{
    ACTIVE, CHANGE_COLUMNS, COUNTED, DEFAULT, DEFAULT_BEFORE, KEY, PARTIAL,
};
use weir_core::{TableName, quoted};
use weir_lake::TableView;

use super::folded;

type Tables = BTreeMap<TableName, Arc<TableView>>;

/// Whether a connector writes this table.
pub(super) fn is_changelog(table: &TableView) -> bool {
    let schema = &table.schema;
    ["weir_op", "weir_position", "weir_ordinal", "weir_version"]
        .iter()
        .all(|column| schema.column_with_name(column).is_some())
}

/// Returns the schemas that show the current rows of changelogs.
pub(super) fn schemas(tables: &Tables) -> impl Iterator<Item = String> {
    let changelogs = tables.iter().filter(|(_, table)| is_changelog(table));
    changelogs.filter_map(|(name, _)| name.schema().strip_prefix("raw_").map(str::to_owned))
}

/// Returns the names in `schema` that stand for the current rows of a changelog.
pub(super) fn names(tables: &Tables, schema: &str) -> impl Iterator<Item = String> {
    let raw = format!("raw_{schema}");
    tables
        .iter()
        .filter(move |(name, table)| name.schema() == raw && is_changelog(table))
        .map(|(name, _)| name.table().to_owned())
}

/// Returns the query behind `schema.name`; none where there is no such changelog.
///
/// With `until`, what the changes up to that position amount to.
pub(super) fn query(
    tables: &Tables,
    schema: &str,
    name: &str,
    until: Option<i64>,
) -> Option<String> {
    let raw = TableName::new(format!("raw_{schema}"), name).ok()?;
    let table = tables.get(&raw).filter(|table| is_changelog(table))?;
    let fields = table.schema.fields();
    let said = |column: &str, key: &str| {
        let field = table.schema.field_with_name(column).ok()?;
        field.metadata().get(key)
    };
    let active = said("weir_version", ACTIVE).and_then(|text| text.parse::<i64>().ok());
    let columns: Vec<&str> = fields
        .iter()
        .map(|field| field.name().as_str())
        .filter(|name| !CHANGE_COLUMNS.contains(name))
        .collect();
    let keys: Vec<String> = fields
        .iter()
        .filter(|field| field.metadata().contains_key(KEY))
        .map(|field| quoted(field.name()))
        .collect();
    let from = format!("{}.{}", quoted(raw.schema()), quoted(raw.table()));
    let counts = match (active, until) {
        (Some(version), None) => Some(format!("weir_version = {version}")),
        (None, None) => None,
        // The copy that had begun by then: what it copied is what there was when it began.
        (Some(version), Some(until)) => Some(format!(
            "weir_position <= {until} AND weir_version = (SELECT max(weir_version) FROM {from} \
             WHERE weir_position <= {until} AND weir_version <= {version})"
        )),
        (None, Some(until)) => Some(format!("weir_position <= {until}")),
    };
    let list = columns
        .iter()
        .map(|name| quoted(name))
        .collect::<Vec<_>>()
        .join(", ");
    let told: Vec<String> = columns
        .iter()
        .filter_map(|name| table.schema.field_with_name(name).ok())
        .map(told)
        .collect();
    let told = told.join(", ");
    if columns.is_empty() || keys.is_empty() {
        let told = if columns.is_empty() {
            "weir_position"
        } else {
            &told
        };
        if !columns.is_empty() && said("weir_op", COUNTED).is_some() {
            let counted = counts.map_or(String::new(), |counts| format!(" WHERE {counts}"));
            return Some(one_for_one(&list, told, &from, &counted));
        }
        let mut sql = format!("SELECT {told} FROM {from} WHERE weir_op <> 'delete'");
        if let Some(counts) = counts {
            let _ = write!(sql, " AND {counts}");
        }
        return Some(sql);
    }
    let counted = counts.map_or(String::new(), |counts| format!(" WHERE {counts}"));
    let is_partial = said("weir_unchanged", PARTIAL).is_some();
    if let Some(base) = folded::base(tables, table, active, until) {
        let own = |field: &&Field| !CHANGE_COLUMNS.contains(&field.name().as_str());
        let own: Vec<&Field> = fields.iter().map(AsRef::as_ref).filter(own).collect();
        let since = base.since(&counted);
        if is_partial {
            return Some(base.with_whole(&own, &keys, (&from, &since)));
        }
        let changed = newest(&list, &told, &keys, &from, &since);
        return Some(base.with_newest(&own, &keys, (&from, &since), &changed));
    }
    if is_partial {
        let keys = keys.join(", ");
        return Some(whole(fields, &columns, &keys, &from, &counted));
    }
    Some(newest(&list, &told, &keys, &from, &counted))
}

/// Returns the condition that a change tells a column: names stand between separators, so that none is
/// found inside another.
pub(super) fn unchanged(name: &str) -> String {
    let named = format!("\u{1f}{name}\u{1f}").replace('\'', "''");
    format!("weir_unchanged IS NULL OR strpos(weir_unchanged, '{named}') = 0")
}

/// What a change tells of a column, under the column's name: rows from before it came have what the source
/// filled it with.
fn told(field: &Field) -> String {
    let name = quoted(field.name());
    match filled(field) {
        Some(value) => format!("{value} AS {name}"),
        None => name,
    }
}

/// Returns what a change tells of a column that came later than some changes; none for other columns.
pub(super) fn filled(field: &Field) -> Option<String> {
    let name = quoted(field.name());
    let (value, before) = filler(field)?;
    Some(format!(
        "CASE WHEN weir_position < {before} AND {name} IS NULL THEN {value} ELSE {name} END"
    ))
}

/// Returns what the source filled a column with, and the position before which rows have it.
pub(super) fn filler(field: &Field) -> Option<(String, i64)> {
    let value = field.metadata().get(DEFAULT)?.replace('\'', "''");
    let before: i64 = field.metadata().get(DEFAULT_BEFORE)?.parse().ok()?;
    let filler = format!("CAST('{value}' AS {})", sql_type(field.data_type()));
    Some((filler, before))
}

/// Returns the type that SQL calls a column's.
pub(super) fn sql_type(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int64 => "bigint".to_owned(),
        DataType::Float64 => "double precision".to_owned(),
        DataType::Decimal128(digits, scale) => format!("decimal({digits}, {scale})"),
        DataType::Date32 => "date".to_owned(),
        DataType::Timestamp(_, Some(_)) => "timestamptz".to_owned(),
        DataType::Timestamp(_, None) => "timestamp".to_owned(),
        DataType::Binary => "bytea".to_owned(),
        _ => "text".to_owned(),
    }
}

/// Rows without a key: each that was deleted takes one away of those that are equal to it.
fn one_for_one(list: &str, told: &str, from: &str, counted: &str) -> String {
    format!(
        "SELECT {list} FROM (SELECT {list}, weir_op, \
         row_number() OVER (PARTITION BY {list}, weir_op) AS weir_nth, \
         sum(CASE WHEN weir_op = 'delete' THEN -1 ELSE 1 END) OVER (PARTITION BY {list}) AS weir_left \
         FROM (SELECT {told}, weir_op FROM {from}{counted}) AS told) AS changes \
         WHERE weir_op <> 'delete' AND weir_nth <= weir_left"
    )
}

/// The newest change of each key, found by hashing: nothing is sorted.
fn newest(list: &str, told: &str, keys: &[String], from: &str, counted: &str) -> String {
    // One number for both: positions have 19 digits, and no transaction changes 10^12 rows.
    const PLACE: &str = "CAST(weir_position AS decimal(38, 0)) * 1000000000000 + weir_ordinal";
    let same = keys.iter().enumerate();
    let same: Vec<String> = same
        .map(|(at, key)| format!("changes.{key} = newest.weir_key_{at}"))
        .collect();
    let named = keys.iter().enumerate();
    let named: Vec<String> = named
        .map(|(at, key)| format!("{key} AS weir_key_{at}"))
        .collect();
    format!(
        "SELECT {list} FROM (SELECT {told}, weir_op, {PLACE} AS weir_place FROM {from}{counted}) AS changes \
         JOIN (SELECT {}, max({PLACE}) AS weir_last FROM {from}{counted} GROUP BY {}) AS newest \
         ON {} AND changes.weir_place = newest.weir_last WHERE changes.weir_op <> 'delete'",
        named.join(", "),
        keys.join(", "),
        same.join(" AND ")
    )
}

/// The same where changes leave out large values that stayed: each column has the last value that was told.
fn whole(
    fields: &datafusion::arrow::datatypes::Fields,
    columns: &[&str],
    keys: &str,
    from: &str,
    counted: &str,
) -> String {
    const ORDER: &str = "ORDER BY weir_position, weir_ordinal";
    let is_key = |name: &str| {
        let field = fields.iter().find(|field| field.name() == name);
        field.is_some_and(|field| field.metadata().contains_key(KEY))
    };
    let values = columns.iter().map(|name| {
        let column = quoted(name);
        if is_key(name) {
            return column;
        }
        let field = fields.iter().find(|field| field.name() == *name);
        let told = field
            .and_then(|field| filled(field))
            .unwrap_or_else(|| column.clone());
        let condition = unchanged(name);
        format!("last_value({told} {ORDER}) FILTER (WHERE {condition}) AS {column}")
    });
    let values = values.collect::<Vec<_>>().join(", ");
    let list = columns
        .iter()
        .map(|name| quoted(name))
        .collect::<Vec<_>>()
        .join(", ");
    format!(
        "SELECT {list} FROM (SELECT {values}, last_value(weir_op {ORDER}) AS weir_op FROM {from}{counted} \
         GROUP BY {keys}) AS changes WHERE weir_op <> 'delete'"
    )
}
