//! Tables of a database: their columns, keys, and the types these have in the lake.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::server::Server;
use super::wire::Session;
use crate::error::{ExtractError, protocol};
use crate::load::{Column, ColumnType};

/// A table that can be replicated, or why it cannot.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<TableColumn>,
    /// Why its changes cannot be followed; none where they can.
    pub(super) unfit: Option<String>,
}

/// A column, as the server's catalog describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TableColumn {
    #[serde(rename = "n")]
    pub(super) name: String,
    /// All that is said of its type, such as `varchar(20)` or `enum('a','b')`.
    #[serde(rename = "t")]
    pub(super) column_type: String,
    /// How its text is encoded; none for what is no text.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub(super) charset: Option<String>,
    /// As many bytes it has at most, where it is text or bytes.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub(super) octets: Option<u64>,
    #[serde(rename = "k", default, skip_serializing_if = "is_false")]
    pub(super) is_key: bool,
    #[serde(rename = "u", default, skip_serializing_if = "is_false")]
    pub(super) nullable: bool,
    /// Whether it has a default other than NULL, or tells its value by an expression.
    #[serde(rename = "d", default, skip_serializing_if = "is_false")]
    pub(super) has_default: bool,
    /// Whether it is computed when it is read, and not kept.
    #[serde(rename = "v", default, skip_serializing_if = "is_false")]
    pub(super) is_virtual: bool,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl Table {
    /// Returns its name as SQL writes it, with that of its database.
    pub(super) fn quoted(&self, database: &str) -> String {
        format!("{}.{}", quoted(database), quoted(&self.name))
    }

    pub(super) fn keys(&self) -> Vec<&str> {
        let keys = self.columns.iter().filter(|column| column.is_key);
        keys.map(|column| column.name.as_str()).collect()
    }
}

/// Returns columns as the lake declares them.
pub(super) fn fields(columns: &[TableColumn]) -> Vec<Column> {
    let fields = columns.iter().map(|column| {
        let made = Column::new(&column.name, column.lake_type());
        match column.is_key {
            true => made.key(),
            false => made,
        }
    });
    fields.collect()
}

impl TableColumn {
    /// Returns the name of its type, such as `varchar`.
    pub(super) fn base(&self) -> &str {
        let end = self.column_type.find(['(', ' ', '/']);
        &self.column_type[..end.unwrap_or(self.column_type.len())]
    }

    pub(super) fn is_unsigned(&self) -> bool {
        self.after_base().contains("unsigned") || self.after_base().contains("zerofill")
    }

    /// Returns what follows the name of its type, without names of an enumeration.
    fn after_base(&self) -> &str {
        match self.base() {
            "enum" | "set" => "",
            base => &self.column_type[base.len()..],
        }
    }

    /// Returns the numbers in parentheses after the name of its type.
    pub(super) fn numbers(&self) -> (u32, u32) {
        let inner = self
            .after_base()
            .strip_prefix('(')
            .and_then(|rest| rest.split(')').next());
        let mut numbers = inner
            .unwrap_or_default()
            .split(',')
            .map(|n| n.trim().parse().unwrap_or(0));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
    }

    /// Returns the names of an enumeration or a set, in order.
    pub(super) fn names(&self) -> Vec<String> {
        let inner = self.column_type[self.base().len()..].trim_start_matches('(');
        let mut names = Vec::new();
        let mut chars = inner.chars().peekable();
        while let Some(c) = chars.next() {
            if c != '\'' {
                continue;
            }
            let mut name = String::new();
            while let Some(c) = chars.next() {
                match c {
                    '\'' if chars.peek() == Some(&'\'') => {
                        chars.next();
                        name.push('\'');
                    }
                    '\'' => break,
                    '\\' => name.push(match chars.next() {
                        Some('n') => '\n',
                        Some('r') => '\r',
                        Some('0') => '\0',
                        Some('Z') => '\u{1a}',
                        Some(other) => other,
                        None => '\\',
                    }),
                    other => name.push(other),
                }
            }
            names.push(name);
        }
        names
    }

    /// Returns the type that its values have in the lake; docs/sources.md has the table.
    pub(super) fn lake_type(&self) -> ColumnType {
        let (first, second) = self.numbers();
        match self.base() {
            "bigint" if self.is_unsigned() => ColumnType::Decimal(0),
            "tinyint" | "smallint" | "mediumint" | "int" | "integer" | "bigint" | "year" => {
                ColumnType::Integer
            }
            "float" | "double" | "real" => ColumnType::Double,
            "decimal" | "numeric" => match (first, u8::try_from(second)) {
                (1..=38, Ok(scale)) if second <= first => ColumnType::Decimal(scale),
                _ => ColumnType::Text,
            },
            "bit" => match first {
                0 | 1 => ColumnType::Boolean,
                64.. => ColumnType::Decimal(0),
                _ => ColumnType::Integer,
            },
            "date" => ColumnType::Date,
            "datetime" => ColumnType::LocalTimestamp,
            "timestamp" => ColumnType::Timestamp,
            "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob"
            | "geometry" | "point" | "linestring" | "polygon" | "multipoint"
            | "multilinestring" | "multipolygon" | "geometrycollection" | "geomcollection" => {
                ColumnType::Binary
            }
            _ => ColumnType::Text,
        }
    }

    /// Says why its values cannot be read from the log; none where they can.
    fn unfit(&self) -> Option<String> {
        let known = matches!(
            self.base(),
            "char"
                | "varchar"
                | "tinytext"
                | "text"
                | "mediumtext"
                | "longtext"
                | "enum"
                | "set"
                | "time"
                | "uuid"
                | "inet6"
                | "inet4"
                | "json"
        );
        if !known && self.lake_type() == ColumnType::Text && self.base() != "decimal" {
            return Some(format!(
                "its column `{}` is of the type `{}`, which is not known",
                self.name,
                self.base()
            ));
        }
        self.column_type.contains("COMPRESSED").then(|| {
            format!(
                "its column `{}` is compressed: the log has it in another form",
                self.name
            )
        })
    }

    /// Returns the expression that a copy reads it by, as text that has all of its digits.
    pub(super) fn read_by(&self) -> String {
        let name = quoted(&self.name);
        match self.base() {
            // Only as a double has a number all of its digits.
            "float" | "double" | "real" => format!("{name} + 0e0"),
            "bit" => format!("{name} + 0"),
            // Without the zeros before it.
            _ if self.after_base().contains("zerofill") => format!("{name} + 0"),
            _ => name,
        }
    }

    /// Whether rows can be read on from after a value of it: whether text in SQL stands where it does.
    pub(super) fn is_ordered(&self) -> bool {
        matches!(
            self.base(),
            "tinyint"
                | "smallint"
                | "mediumint"
                | "int"
                | "integer"
                | "bigint"
                | "char"
                | "varchar"
                | "binary"
                | "varbinary"
                | "date"
                | "datetime"
        )
    }

    /// Returns a value of it as SQL writes it.
    pub(super) fn literal(&self, value: &str) -> String {
        match self.base() {
            "tinyint" | "smallint" | "mediumint" | "int" | "integer" | "bigint"
                if value
                    .trim_start_matches('-')
                    .bytes()
                    .all(|b| b.is_ascii_digit()) =>
            {
                value.to_owned()
            }
            "binary" | "varbinary" => format!("X'{value}'"),
            _ => literal(value),
        }
    }

    /// Whether values of it stay what they are when it becomes `other`: a wider type of the same family.
    pub(super) fn keeps_in(&self, other: &Self) -> bool {
        if self.charset != other.charset || (self.nullable && !other.nullable) {
            return false;
        }
        if self.column_type == other.column_type {
            return true;
        }
        let whole = ["tinyint", "smallint", "mediumint", "int", "bigint"];
        let rank = |column: &Self| whole.iter().position(|base| *base == column.base());
        if let (Some(a), Some(b)) = (rank(self), rank(other)) {
            return self.is_unsigned() == other.is_unsigned() && a <= b;
        }
        let is_longer = self.base() == other.base() && self.octets <= other.octets;
        match self.base() {
            "varchar" | "varbinary" => is_longer,
            "enum" | "set" => {
                self.base() == other.base() && other.names().starts_with(&self.names())
            }
            _ => false,
        }
    }
}

/// Lists the tables of the database as they are now.
pub(super) async fn tables(
    session: &mut Session,
    server: &Server,
) -> Result<Vec<Table>, ExtractError> {
    let here = |alias: &str| {
        let name = literal(&server.database);
        format!("{alias}.table_schema = {name} AND BINARY {alias}.table_schema = {name}")
    };
    let mut keys: BTreeMap<String, BTreeMap<String, Vec<Option<String>>>> = BTreeMap::new();
    let sql = format!(
        "SELECT s.table_name, s.index_name, IF(s.nullable = '', s.column_name, NULL) \
         FROM information_schema.statistics s WHERE {} AND s.non_unique = 0 \
         ORDER BY s.table_name, s.index_name, s.seq_in_index",
        here("s")
    );
    for row in session.rows(&sql).await? {
        let [table, index, column] = values(row)?;
        let of = keys.entry(table.unwrap_or_default()).or_default();
        of.entry(index.unwrap_or_default())
            .or_default()
            .push(column);
    }
    let mut columns: BTreeMap<String, Vec<TableColumn>> = BTreeMap::new();
    let sql = format!(
        "SELECT c.table_name, c.column_name, c.column_type, c.character_set_name, c.character_octet_length, \
         c.is_nullable = 'YES', c.column_default, c.extra \
         FROM information_schema.columns c WHERE {} ORDER BY c.table_name, c.ordinal_position",
        here("c")
    );
    for row in session.rows(&sql).await? {
        let [
            table,
            name,
            column_type,
            charset,
            octets,
            nullable,
            default,
            extra,
        ] = values(row)?;
        let extra = extra.unwrap_or_default().to_uppercase();
        columns
            .entry(table.unwrap_or_default())
            .or_default()
            .push(TableColumn {
                name: name.unwrap_or_default(),
                column_type: column_type.unwrap_or_default(),
                charset,
                octets: octets.and_then(|text| text.parse().ok()),
                is_key: false,
                nullable: nullable.as_deref() == Some("1"),
                has_default: default.is_some_and(|default| default != "NULL")
                    || extra.contains("GENERATED")
                    || extra.contains("AUTO_INCREMENT"),
                is_virtual: extra.contains("VIRTUAL"),
            });
    }
    let sql = format!(
        "SELECT t.table_name, t.table_type, COALESCE(t.engine, '') FROM information_schema.tables t \
         WHERE {} AND t.table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY t.table_name",
        here("t")
    );
    let mut tables = Vec::new();
    for row in session.rows(&sql).await? {
        let [name, table_type, engine] = values(row)?.map(Option::unwrap_or_default);
        let mut columns = columns.remove(&name).unwrap_or_default();
        let key = key(keys.remove(&name).unwrap_or_default());
        columns
            .iter_mut()
            .for_each(|column| column.is_key = key.contains(&column.name));
        let mut unfit = unfit(&columns, &table_type, &engine, key.is_empty());
        if !server.is_mariadb && columns.iter().any(|column| column.is_virtual) {
            unfit = Some("it has a virtual column, which MySQL's log leaves out".to_owned());
        }
        tables.push(Table {
            name,
            columns,
            unfit,
        });
    }
    Ok(tables)
}

/// Chooses the columns by which rows are told apart: the primary key, or another that no row leaves empty.
fn key(mut indexes: BTreeMap<String, Vec<Option<String>>>) -> BTreeSet<String> {
    let primary = indexes.remove("PRIMARY");
    let mut indexes = primary.into_iter().chain(indexes.into_values());
    let chosen = indexes.find(|columns| columns.iter().all(Option::is_some));
    chosen.into_iter().flatten().flatten().collect()
}

fn unfit(columns: &[TableColumn], table_type: &str, engine: &str, keyless: bool) -> Option<String> {
    let transactional = ["InnoDB", "ROCKSDB", "TokuDB"];
    if columns.is_empty() {
        return Some("it has no columns that may be read: GRANT SELECT on it".to_owned());
    }
    if table_type == "SYSTEM VERSIONED" {
        return Some("it is system-versioned".to_owned());
    }
    if engine.eq_ignore_ascii_case("MEMORY") {
        return Some("its rows are in the server's memory only".to_owned());
    }
    let is_transactional = transactional
        .iter()
        .any(|known| known.eq_ignore_ascii_case(engine));
    if !is_transactional && keyless {
        return Some(format!(
            "it has no key, and its engine {engine} no snapshots: add a key, or make it InnoDB"
        ));
    }
    columns.iter().find_map(TableColumn::unfit)
}

/// Returns a name as SQL writes it.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// Returns a text as SQL writes it, in the modes of our sessions.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// Returns the values of a row that has so many.
pub(super) fn values<const N: usize>(
    row: Vec<Option<String>>,
) -> Result<[Option<String>; N], ExtractError> {
    row.try_into()
        .map_err(|_| protocol("the server's catalog answers with other columns"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(column_type: &str) -> TableColumn {
        TableColumn {
            name: "c".into(),
            column_type: column_type.into(),
            ..TableColumn::default()
        }
    }

    #[test]
    fn types_have_a_place_in_the_lake() {
        use ColumnType::{Boolean, Date, Decimal, Double, Integer, Text};
        for (written, wanted) in [
            ("bigint(20)", Integer),
            ("bigint unsigned", Decimal(0)),
            ("int(5) unsigned zerofill", Integer),
            ("decimal(38,10)", Decimal(10)),
            ("decimal(39,10)", Text),
            ("double(10,2)", Double),
            ("bit(1)", Boolean),
            ("bit(63)", Integer),
            ("bit(64)", Decimal(0)),
            ("date", Date),
            ("enum('unsigned','x(')", Text),
        ] {
            assert_eq!(column(written).lake_type(), wanted, "{written}");
            assert!(column(written).unfit().is_none(), "{written}");
        }
        assert!(column("vector(3)").unfit().is_some());
        assert!(column("text /*M!100301 COMPRESSED*/").unfit().is_some());
    }

    #[test]
    fn names_of_an_enumeration_are_read() {
        let column = column("enum('a','b''c','d\\\\e',',')");
        assert_eq!(column.names(), ["a", "b'c", "d\\e", ","]);
    }

    #[test]
    fn wider_types_keep_values_and_others_do_not() {
        let keeps = |a: &str, b: &str| column(a).keeps_in(&column(b));
        assert!(keeps("int(11)", "bigint(20)"));
        assert!(!keeps("bigint(20)", "int(11)"));
        assert!(!keeps("int(11)", "int(10) unsigned"));
        assert!(keeps("enum('a')", "enum('a','b')"));
        assert!(!keeps("enum('a','b')", "enum('b','a')"));
        assert!(!keeps("int(11)", "varchar(9)"));
    }

    #[test]
    fn a_key_has_a_value_in_each_row() {
        let index = |columns: &[Option<&str>]| -> Vec<Option<String>> {
            columns.iter().map(|c| c.map(str::to_owned)).collect()
        };
        let mut indexes = BTreeMap::new();
        indexes.insert("b".to_owned(), index(&[Some("x"), None]));
        assert!(key(indexes.clone()).is_empty());
        indexes.insert("c".to_owned(), index(&[Some("y")]));
        assert_eq!(key(indexes.clone()), BTreeSet::from(["y".to_owned()]));
        indexes.insert("PRIMARY".to_owned(), index(&[Some("id")]));
        assert_eq!(key(indexes), BTreeSet::from(["id".to_owned()]));
    }
}
