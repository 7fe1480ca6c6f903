//! How changed rows of a table are found without the log, and from where on.

use serde::{Deserialize, Serialize};

use super::view::View;
use crate::error::{ExtractError, ExtractErrorKind};
use crate::postgres::slot::one;
use crate::postgres::table::{Identity, Table, literal, quoted};
use crate::spec::Replication;

/// Transactions have numbers of 32 bits, of which half are before another: a mark that is further back says
/// nothing.
const COUNTED: u64 = 2_000_000_000;

/// How rows that changed are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// By the transactions that wrote them.
    Xmin,
    /// By a column that grows with every change.
    Cursor(Cursor),
    /// All rows are read.
    Whole,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) column: String,
    /// The type of its values, as casts name it.
    type_name: &'static str,
}

/// From where on rows are to be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mark {
    /// All that older transactions wrote is in the lake. The number has 64 bits.
    Xmin { horizon: u64 },
    /// All rows with lower values are.
    Cursor {
        column: String,
        last: Option<String>,
    },
    /// So many rows are, with this sum of their hashes.
    Whole { rows: u64, sum: String },
}

impl Method {
    /// Returns how a table is read.
    pub(super) fn of(
        table: &Table,
        wanted: Replication,
        key: Option<&str>,
    ) -> Result<Self, ExtractError> {
        if table.identity != Identity::Key {
            // Nothing tells which row of the lake a changed one replaces.
            return Ok(Method::Whole);
        }
        match wanted {
            Replication::Incremental => Cursor::of(table, key).map(Method::Cursor),
            Replication::Xmin => Ok(Method::Xmin),
            Replication::FullTable => Ok(Method::Whole),
            Replication::LogBased => Err(ExtractError::new(
                ExtractErrorKind::Invalid,
                format!(
                    "table `{}` is to be read by the log, and others of the source are not",
                    table.stream()
                ),
            )
            .hint(
                "give it `replication: xmin` or `cursor` too, or leave it to another source of the same database",
            )),
        }
    }

    /// Returns the word of the source's file for it.
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Method::Xmin => "XMIN",
            Method::Cursor(_) => "CURSOR",
            Method::Whole => "FULL_TABLE",
        }
    }

    /// Whether a mark is one of this method.
    pub(super) fn fits(&self, mark: &Mark) -> bool {
        match (self, mark) {
            (Method::Xmin, Mark::Xmin { .. }) | (Method::Whole, Mark::Whole { .. }) => true,
            (Method::Cursor(cursor), Mark::Cursor { column, .. }) => cursor.column == *column,
            _ => false,
        }
    }

    /// Returns from where on to read after all that `view` sees was read.
    pub(super) async fn next(
        &self,
        table: &Table,
        before: Option<&Mark>,
        view: &mut View,
    ) -> Result<Mark, ExtractError> {
        Ok(match self {
            Method::Whole => Mark::Whole {
                rows: 0,
                sum: String::new(),
            },
            // Those that were under way write rows that come later, with their old numbers.
            Method::Xmin => Mark::Xmin { horizon: view.xmin },
            Method::Cursor(cursor) => {
                let before = match before {
                    Some(Mark::Cursor { last, .. }) => last.as_deref(),
                    _ => None,
                };
                let last = one(&mut view.session, &cursor.last_sql(table, before)).await?;
                Mark::Cursor {
                    column: cursor.column.clone(),
                    last: (!last.is_empty()).then_some(last),
                }
            }
        })
    }

    /// Returns the condition of rows that a mark does not cover. `newest` is the number of the next
    /// transaction.
    pub(super) fn condition(&self, mark: &Mark, newest: u64) -> String {
        match (self, mark) {
            (Method::Xmin, Mark::Xmin { horizon }) if is_near(*horizon, newest) => {
                // Numbers below 3 stand for no transaction; ages of these are the highest of all.
                format!("age(xmin) <= age('{}'::xid)", horizon % (1 << 32))
            }
            (
                Method::Cursor(cursor),
                Mark::Cursor {
                    last: Some(last), ..
                },
            ) => cursor.since_sql(last),
            _ => "true".to_owned(),
        }
    }
}

impl Mark {
    /// Whether it should be moved on though nothing came, since it would soon say nothing.
    pub(super) fn is_old(&self, newest: u64) -> bool {
        match self {
            Mark::Xmin { horizon } => newest.saturating_sub(*horizon) >= COUNTED / 2,
            _ => false,
        }
    }
}

/// Whether transactions from `horizon` on can be told from older ones.
fn is_near(horizon: u64, newest: u64) -> bool {
    horizon <= newest && newest - horizon < COUNTED
}

impl Cursor {
    fn of(table: &Table, key: Option<&str>) -> Result<Self, ExtractError> {
        let stream = table.stream();
        let wrong = |message: String, hint: String| {
            Err(ExtractError::new(ExtractErrorKind::Invalid, message).hint(hint))
        };
        let Some(key) = key else {
            return wrong(
                format!("table `{stream}` is read by a cursor, and nothing says by which column"),
                "add `replication_key: COLUMN`: one that every change raises, such as `updated_at`; or use \
                 `replication: xmin`"
                    .to_owned(),
            );
        };
        let Some(column) = table.columns.iter().find(|column| column.name == key) else {
            return wrong(
                format!("table `{stream}` has no column `{key}`, by which it is to be read"),
                format!(
                    "name another `replication_key` for it under `streams`, or read it otherwise: `{stream}: \
                     {{replication: xmin}}`"
                ),
            );
        };
        let type_name = match column.type_id {
            20 => "int8",
            21 => "int2",
            23 => "int4",
            1700 => "numeric",
            1082 => "date",
            1114 => "timestamp",
            1184 => "timestamptz",
            _ => {
                return wrong(
                    format!(
                        "column `{key}` of `{stream}` cannot tell what is new: it is no number, date or timestamp"
                    ),
                    "name another `replication_key`, or use `replication: xmin`".to_owned(),
                );
            }
        };
        Ok(Self {
            column: key.to_owned(),
            type_name,
        })
    }

    fn value(&self, text: &str) -> String {
        format!("{}::{}", literal(text), self.type_name)
    }

    /// Returns the query for the highest value there is, and at least `before`. Values that nothing comes
    /// after are none: whoever read on from a day to come would see nothing until then.
    fn last_sql(&self, table: &Table, before: Option<&str>) -> String {
        let column = quoted(&self.column);
        let settled = match self.type_name {
            "date" => format!("{column} <= current_date AND {column} > '-infinity'"),
            "timestamp" | "timestamptz" => {
                format!(
                    "{column} <= now()::{} AND {column} > '-infinity'",
                    self.type_name
                )
            }
            "numeric" => format!("{column}::text NOT IN ('NaN', 'Infinity', '-Infinity')"),
            _ => "true".to_owned(),
        };
        let before = match before {
            Some(before) => self.value(before),
            None => format!("NULL::{}", self.type_name),
        };
        format!(
            "SELECT greatest(max({column}), {before})::text FROM {} WHERE {settled}",
            table.quoted()
        )
    }

    /// Returns the condition of rows with this value or a higher one, or with none: these never say when they
    /// changed. An index on the column serves all of it.
    fn since_sql(&self, last: &str) -> String {
        let column = quoted(&self.column);
        let endless = match self.type_name {
            "date" | "timestamp" | "timestamptz" => format!(" OR {column} = '-infinity'"),
            _ => String::new(),
        };
        format!(
            "({column} >= {} OR {column} IS NULL{endless})",
            self.value(last)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_transactions_are_told_apart_where_32_bits_can() {
        let from =
            |horizon: u64, newest: u64| Method::Xmin.condition(&Mark::Xmin { horizon }, newest);
        assert_eq!(from(750, 800), "age(xmin) <= age('750'::xid)");
        // In the second round of 32 bits.
        assert_eq!(
            from((1 << 32) + 5, (1 << 32) + 9),
            "age(xmin) <= age('5'::xid)"
        );
        // Too long ago, or of a server that counted further.
        assert_eq!(from(3, 3 + COUNTED), "true");
        assert_eq!(from(900, 800), "true");
        let mark = Mark::Xmin { horizon: 5_000 };
        assert!(!mark.is_old(5_000 + COUNTED / 4));
        assert!(mark.is_old(5_000 + COUNTED / 2));
    }

    #[test]
    fn values_are_quoted_and_missing_ones_always_read() {
        let cursor = Cursor {
            column: "up\"dated".into(),
            type_name: "timestamptz",
        };
        let mark = Mark::Cursor {
            column: cursor.column.clone(),
            last: Some("2024-01-01 00:00:00+00".into()),
        };
        let method = Method::Cursor(cursor);
        assert!(method.fits(&mark));
        assert_eq!(
            method.condition(&mark, 0),
            "(\"up\"\"dated\" >= '2024-01-01 00:00:00+00'::timestamptz OR \"up\"\"dated\" IS NULL OR \
             \"up\"\"dated\" = '-infinity')"
        );
    }
}
