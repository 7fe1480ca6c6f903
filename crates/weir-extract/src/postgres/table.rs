//! Tables of a database: their columns, keys, and the types these have in the lake.

use std::collections::BTreeMap;

pub(super) use weir_core::quoted;

use serde::{Deserialize, Serialize};

use super::slot::server_version;
use super::wire::Session;
use crate::error::{ExtractError, protocol};
use crate::load::{Column, ColumnType};

/// A table that can be replicated, or why it cannot.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) id: u32,
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) columns: Vec<TableColumn>,
    /// The number of its youngest column: later ones have higher numbers, renamed ones keep theirs.
    pub(super) attributes: u32,
    pub(super) identity: Identity,
    /// Whether its rows are in other tables.
    pub(super) is_partitioned: bool,
    /// Why changes of its rows cannot be followed; none where they can.
    pub(super) unfit: Option<String>,
}

/// By what the log tells which row was changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Identity {
    /// By its key.
    #[default]
    Key,
    /// By all of its values: equal rows are counted.
    Whole,
    /// By nothing: only new rows are told.
    None,
}

impl Identity {
    pub(super) fn is_key(&self) -> bool {
        *self == Identity::Key
    }
}

#[derive(Clone, Debug)]
pub(super) struct TableColumn {
    pub(super) name: String,
    /// The server's number of its type, or of the one below its domains.
    pub(super) type_id: u32,
    pub(super) column_type: ColumnType,
    pub(super) is_key: bool,
}

impl Table {
    /// Returns the name of its stream: that of the table, after its schema unless that is `public`.
    pub(super) fn stream(&self) -> String {
        stream_name(&self.schema, &self.name)
    }

    /// Returns its name as SQL writes it.
    pub(super) fn quoted(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.name))
    }

    pub(super) fn fields(&self) -> Vec<Column> {
        let columns = self.columns.iter();
        let columns = columns.map(|column| {
            let made = Column::new(&column.name, column.column_type);
            match column.is_key {
                true => made.key(),
                false => made,
            }
        });
        columns.collect()
    }

    pub(super) fn keys(&self) -> Vec<&str> {
        let keys = self.columns.iter().filter(|column| column.is_key);
        keys.map(|column| column.name.as_str()).collect()
    }
}

pub(super) fn stream_name(schema: &str, name: &str) -> String {
    match schema {
        "public" => name.to_owned(),
        _ => format!("{schema}.{name}"),
    }
}

pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// By what changes of tables are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// By what the log tells.
    ByLog,
    /// By asking the tables.
    ByAsking,
}

/// Returns the query for tables and partitioned tables that are no part of the server itself and no partition
/// of another.
fn tables_sql(version: u32) -> String {
    // Partitions came with 10.
    let whole = match version {
        100_000.. => "AND NOT c.relispartition",
        _ => "",
    };
    format!(
        "SELECT c.oid, n.nspname, c.relname, c.relreplident, c.relpersistence, c.relkind = 'p', \
         has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE') \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p') {whole} \
         AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%' \
         ORDER BY n.nspname, c.relname"
    )
}

/// Returns the query for columns with the types below their domains, and whether they are in the key that
/// changes name.
fn columns_sql(version: u32) -> String {
    // Generated columns came with 12.
    let own = match version {
        120_000.. => "AND a.attgenerated = ''",
        _ => "",
    };
    format!(
        "WITH RECURSIVE base(oid, typ, modifier) AS ( \
           SELECT t.oid, t.oid, -1 FROM pg_catalog.pg_type t WHERE t.typtype <> 'd' \
           UNION ALL \
           SELECT t.oid, b.typ, CASE WHEN t.typtypmod >= 0 THEN t.typtypmod ELSE b.modifier END \
           FROM pg_catalog.pg_type t JOIN base b ON t.typtype = 'd' AND t.typbasetype = b.oid) \
         SELECT a.attrelid, a.attname, base.typ, \
           CASE WHEN a.atttypmod >= 0 THEN a.atttypmod ELSE base.modifier END, \
           COALESCE(i.indkey::int2[] @> ARRAY[a.attnum], false), a.attnum \
         FROM pg_catalog.pg_attribute a JOIN base ON base.oid = a.atttypid \
         JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
         LEFT JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisvalid AND \
           CASE WHEN c.relreplident = 'i' THEN i.indisreplident ELSE i.indisprimary END \
         WHERE a.attnum > 0 AND NOT a.attisdropped {own} AND c.relkind IN ('r', 'p') \
         ORDER BY a.attrelid, a.attnum"
    )
}

/// Lists the tables of the database.
pub(super) async fn tables(
    session: &mut Session,
    found: Found,
) -> Result<Vec<Table>, ExtractError> {
    let version = server_version(session).await?;
    let mut columns: BTreeMap<u32, (Vec<TableColumn>, u32)> = BTreeMap::new();
    for row in session.rows(&columns_sql(version)).await? {
        let [table, name, type_id, modifier, is_key, attribute] = texts(row)?;
        let (found, youngest) = columns.entry(number(&table)?).or_default();
        let type_id = number(&type_id)?;
        found.push(TableColumn {
            name,
            type_id,
            column_type: column_type(type_id, modifier.parse().unwrap_or(-1)),
            is_key: is_key == "t",
        });
        *youngest = (*youngest).max(number(&attribute)?);
    }
    let mut tables = Vec::new();
    for row in session.rows(&tables_sql(version)).await? {
        let [
            id,
            schema,
            name,
            identity,
            persistence,
            is_partitioned,
            is_readable,
        ] = texts(row)?;
        let id = number(&id)?;
        let (mut columns, attributes) = columns.remove(&id).unwrap_or_default();
        let has_key = columns.iter().any(|column| column.is_key);
        let identity = match (found, identity.as_str()) {
            (Found::ByAsking, _) if has_key => Identity::Key,
            (Found::ByAsking, _) => Identity::None,
            (Found::ByLog, "d" | "i" | "f") if has_key => Identity::Key,
            (Found::ByLog, "f") => Identity::Whole,
            (Found::ByLog, _) => Identity::None,
        };
        if identity == Identity::None {
            // A key that the log does not tell is none.
            columns.iter_mut().for_each(|column| column.is_key = false);
        }
        let is_logged = persistence == "p" || found == Found::ByAsking;
        let unfit = if columns.is_empty() {
            Some("it has no columns".to_owned())
        } else if !is_logged {
            Some("it is not logged".to_owned())
        } else if found == Found::ByAsking && is_readable != "t" {
            Some(format!(
                "the user may not read it: GRANT SELECT ON {}.{}, and USAGE on its schema",
                quoted(&schema),
                quoted(&name)
            ))
        } else {
            None
        };
        tables.push(Table {
            id,
            schema,
            name,
            columns,
            attributes,
            identity,
            is_partitioned: is_partitioned == "t",
            unfit,
        });
    }
    Ok(tables)
}

/// Returns the type that values of a PostgreSQL type have in the lake; docs/sources.md has the table.
pub(super) fn column_type(type_id: u32, modifier: i32) -> ColumnType {
    match type_id {
        16 => ColumnType::Boolean,
        20 | 21 | 23 | 26 => ColumnType::Integer,
        700 | 701 => ColumnType::Double,
        1700 => numeric(modifier),
        1082 => ColumnType::Date,
        1114 => ColumnType::LocalTimestamp,
        1184 => ColumnType::Timestamp,
        17 => ColumnType::Binary,
        _ => ColumnType::Text,
    }
}

/// A number of any size is kept as text: no other type holds all of them.
fn numeric(modifier: i32) -> ColumnType {
    if modifier < 4 {
        return ColumnType::Text;
    }
    let (precision, scale) = ((modifier - 4) >> 16, (modifier - 4) & 0x7ff);
    // The scale is a number of eleven bits with a sign.
    let scale = (scale ^ 1024) - 1024;
    match (precision, u8::try_from(scale)) {
        (1..=38, Ok(scale)) if i32::from(scale) <= precision => ColumnType::Decimal(scale),
        _ => ColumnType::Text,
    }
}

fn texts<const N: usize>(row: Vec<Option<String>>) -> Result<[String; N], ExtractError> {
    let texts: Vec<String> = row.into_iter().map(Option::unwrap_or_default).collect();
    texts
        .try_into()
        .map_err(|_| protocol("the server's catalog answers with other columns"))
}

fn number(text: &str) -> Result<u32, ExtractError> {
    text.parse()
        .map_err(|_| protocol("the server's catalog answers with no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact() {
        let modifier = |precision: i32, scale: i32| ((precision << 16) | (scale & 0x7ff)) + 4;
        assert_eq!(column_type(1700, modifier(10, 2)), ColumnType::Decimal(2));
        assert_eq!(column_type(1700, modifier(38, 0)), ColumnType::Decimal(0));
        assert_eq!(column_type(1700, modifier(39, 2)), ColumnType::Text);
        assert_eq!(column_type(1700, modifier(5, -2)), ColumnType::Text);
        assert_eq!(column_type(1700, -1), ColumnType::Text);
    }
}
