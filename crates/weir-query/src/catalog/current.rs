//! Views over changelogs: the rows a source has now, made of all changes it ever told.
//!
//! A connector writes `raw_<source>.<stream>`; `<source>.<stream>` is what its changes amount to. Which
//! columns are keys, and which version of the rows counts, lies in the metadata of the table's columns, so
//! that it changes with the rows, in one commit.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use weir_core::TableName;
use weir_lake::TableView;

use super::builtin::quoted;

/// The columns of a changelog that tell about a change.
const CHANGE_COLUMNS: [&str; 8] = [
    "weir_op",
    "weir_position",
    "weir_ordinal",
    "weir_loaded_at",
    "weir_run",
    "weir_version",
    "weir_unfit",
    "weir_unchanged",
];
/// Metadata of columns, as connectors write it: a part of the key; the version that counts; whether some
/// changes leave values out.
const KEY: &str = "weir.key";
const ACTIVE: &str = "weir.active";
const PARTIAL: &str = "weir.partial";

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
pub(super) fn query(tables: &Tables, schema: &str, name: &str) -> Option<String> {
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
    let counts = active.map(|version| format!("weir_version = {version}"));
    let list = columns
        .iter()
        .map(|name| quoted(name))
        .collect::<Vec<_>>()
        .join(", ");
    if columns.is_empty() || keys.is_empty() {
        let list = if columns.is_empty() {
            "weir_position"
        } else {
            &list
        };
        let mut sql = format!("SELECT {list} FROM {from} WHERE weir_op <> 'delete'");
        if let Some(counts) = counts {
            let _ = write!(sql, " AND {counts}");
        }
        return Some(sql);
    }
    let counted = counts.map_or(String::new(), |counts| format!(" WHERE {counts}"));
    if said("weir_unchanged", PARTIAL).is_some() {
        let keys = keys.join(", ");
        return Some(whole(fields, &columns, &keys, &from, &counted));
    }
    Some(newest(&list, &keys, &from, &counted))
}

/// The newest change of each key, found by hashing: nothing is sorted.
fn newest(list: &str, keys: &[String], from: &str, counted: &str) -> String {
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
        "SELECT {list} FROM (SELECT {list}, weir_op, {PLACE} AS weir_place FROM {from}{counted}) AS changes \
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
        // Names stand between separators, so that none is found inside another.
        let named = format!("\u{1f}{name}\u{1f}").replace('\'', "''");
        format!(
            "last_value({column} {ORDER}) FILTER (WHERE weir_unchanged IS NULL \
             OR strpos(weir_unchanged, '{named}') = 0) AS {column}"
        )
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
