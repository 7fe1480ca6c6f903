//! How columns would change.

use std::collections::HashMap;
use std::fmt;

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::model::warehouse::WeirWarehouse;

/// A relation as it is.
#[derive(Clone, Debug, Default)]
pub(super) struct Current {
    /// Names and types, in order.
    pub(super) columns: Vec<(String, String)>,
}

/// All relations by schema and name.
pub(super) type Relations = HashMap<(String, String), Current>;

/// Asks for the columns of everything there is.
pub(super) async fn current(weir: &WeirWarehouse) -> Result<Relations, Failure> {
    let sql = "SELECT table_schema, table_name, column_name, full_type AS data_type \
               FROM information_schema.columns \
               WHERE table_schema NOT IN ('pg_catalog', 'information_schema', 'weir') \
               ORDER BY table_schema, table_name, ordinal_position";
    let mut relations = Relations::new();
    for row in weir.rows(sql).await? {
        let text = |at: usize| {
            let value = row.get(at).and_then(Value::as_str);
            value.unwrap_or_default().to_owned()
        };
        let relation = relations.entry((text(0), text(1))).or_default();
        relation.columns.push((text(2), text(3)));
    }
    Ok(relations)
}

/// How one column would change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ColumnChange {
    Added {
        name: String,
        data_type: String,
    },
    Removed {
        name: String,
    },
    Retyped {
        name: String,
        from: String,
        to: String,
    },
}

impl fmt::Display for ColumnChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added { name, data_type } => write!(f, "+ {name} {data_type}"),
            Self::Removed { name } => write!(f, "- {name}"),
            Self::Retyped { name, from, to } => write!(f, "~ {name} {from} -> {to}"),
        }
    }
}

impl ColumnChange {
    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Added { name, data_type } => {
                json!({ "change": "added", "name": name, "type": data_type })
            }
            Self::Removed { name } => json!({ "change": "removed", "name": name }),
            Self::Retyped { name, from, to } => {
                json!({ "change": "retyped", "name": name, "from": from, "to": to })
            }
        }
    }
}

/// Compares a relation with what a check planned for it; a new relation has no changes.
pub(super) fn changes(before: Option<&Current>, after: Option<&Value>) -> Vec<ColumnChange> {
    let (Some(before), Some(after)) = (before, after.and_then(|a| a["columns"].as_array())) else {
        return Vec::new();
    };
    let text = |column: &Value, key: &str| column[key].as_str().unwrap_or_default().to_owned();
    let after: Vec<(String, String)> = after
        .iter()
        .map(|column| (text(column, "name"), text(column, "data_type")))
        .collect();
    let mut changes = Vec::new();
    for (name, data_type) in &after {
        match before.columns.iter().find(|(known, _)| known == name) {
            None => changes.push(ColumnChange::Added {
                name: name.clone(),
                data_type: data_type.clone(),
            }),
            Some((_, from)) if from != data_type => changes.push(ColumnChange::Retyped {
                name: name.clone(),
                from: from.clone(),
                to: data_type.clone(),
            }),
            Some(_) => {}
        }
    }
    for (name, _) in &before.columns {
        if !after.iter().any(|(known, _)| known == name) {
            changes.push(ColumnChange::Removed { name: name.clone() });
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_come_go_and_change() {
        let pair = |name: &str, kind: &str| (name.to_owned(), kind.to_owned());
        let before = Current {
            columns: vec![
                pair("id", "bigint"),
                pair("old", "text"),
                pair("n", "integer"),
            ],
        };
        let after = json!({"columns": [
            {"name": "id", "data_type": "bigint"},
            {"name": "n", "data_type": "bigint"},
            {"name": "new", "data_type": "date"},
        ]});
        let changes = changes(Some(&before), Some(&after));
        let lines: Vec<String> = changes.iter().map(ToString::to_string).collect();
        assert_eq!(lines, ["~ n integer -> bigint", "+ new date", "- old"]);
    }
}
