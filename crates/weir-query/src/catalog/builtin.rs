//! Views that Weir brings itself: SQL made from the tables there are.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use weir_core::{TableName, quoted};
use weir_lake::TableView;

/// `<source>.users`: one row per user, the newest value of every trait.
pub(super) const USERS: &str = "users";

/// `weir.event_fate`: what became of everything that was sent.
pub(super) const EVENT_FATE: &str = "event_fate";

/// Columns of `identifies` that tell about the call and not about the user.
const CALL_COLUMNS: [&str; 10] = [
    "id",
    "user_id",
    "anonymous_id",
    "weir_seq",
    "received_at",
    "sent_at",
    "timestamp",
    "original_timestamp",
    "uuid_ts",
    "loaded_at",
];

type Tables = BTreeMap<TableName, Arc<TableView>>;

fn table<'a>(tables: &'a Tables, schema: &str, name: &str) -> Option<&'a TableView> {
    tables
        .get(&TableName::new(schema, name).ok()?)
        .map(Arc::as_ref)
}

fn has(table: &TableView, column: &str) -> bool {
    table.schema.column_with_name(column).is_some()
}

/// Returns `text` as a quoted literal.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Returns the query behind `<schema>.users`; none where there are no identify calls.
pub(super) fn users(tables: &Tables, schema: &str) -> Option<String> {
    let identifies = table(tables, schema, "identifies")?;
    if !["user_id", "received_at", "weir_seq"]
        .iter()
        .all(|column| has(identifies, column))
    {
        return None;
    }
    let mut sql = "SELECT user_id AS id, max(received_at) AS received_at".to_owned();
    for field in identifies.schema.fields() {
        if CALL_COLUMNS.contains(&field.name().as_str()) {
            continue;
        }
        let column = quoted(field.name());
        // A trait that a later call leaves out keeps its value.
        let _ = write!(
            sql,
            ", last_value({column} ORDER BY weir_seq) FILTER (WHERE {column} IS NOT NULL) AS {column}"
        );
    }
    let _ = write!(
        sql,
        ", max(weir_seq) AS weir_seq FROM {}.identifies WHERE user_id IS NOT NULL AND user_id <> '' GROUP BY user_id",
        quoted(schema)
    );
    Some(sql)
}

/// The columns of `weir.event_fate` with their types.
const FATE_COLUMNS: [(&str, &str); 12] = [
    ("source", "text"),
    ("fate", "text"),
    ("reason", "text"),
    ("detail", "text"),
    ("message_id", "text"),
    ("type", "text"),
    ("event", "text"),
    ("user_id", "text"),
    ("anonymous_id", "text"),
    ("received_at", "timestamptz"),
    ("request_id", "text"),
    ("weir_seq", "bigint"),
];

/// Returns the query behind `weir.event_fate`: a union over the sources there are.
pub(super) fn event_fate(tables: &Tables) -> String {
    let mut parts = Vec::new();
    for (name, view) in tables {
        let Some(source) = name.schema().strip_prefix("raw_") else {
            continue;
        };
        if super::current::is_changelog(view) {
            // A connector's rows are no events.
            continue;
        }
        match name.table() {
            "events" => parts.push(fate(source, name, view, &[("fate", "'accepted'")], None)),
            "quarantine" => {
                parts.push(fate(source, name, view, &[("fate", "'quarantined'")], None))
            }
            "duplicates" if has(view, "payload") => {
                let words = [
                    (
                        "fate",
                        "CASE payload WHEN 'different' THEN 'conflict' ELSE 'duplicate' END",
                    ),
                    ("reason", "'message_id seen before, payload ' || payload"),
                ];
                let first =
                    has(view, "first_seq").then_some("'first seen at ' || CAST(first_seq AS text)");
                parts.push(fate(source, name, view, &words, first));
            }
            _ => {}
        }
        if name.table() == "events"
            && let Some(discards) = table(tables, source, "discards")
        {
            let from = discards.name.clone();
            let detail = (has(discards, "table_name") && has(discards, "column_name"))
                .then_some("table_name || '.' || column_name");
            let mut words = vec![("fate", "'discarded_column'")];
            if has(discards, "row_id") {
                words.push(("message_id", "row_id"));
            }
            parts.push(fate(source, &from, discards, &words, detail));
        }
    }
    if parts.is_empty() {
        let columns =
            FATE_COLUMNS.map(|(name, kind)| format!("CAST(NULL AS {kind}) AS {}", quoted(name)));
        return format!("SELECT {} WHERE false", columns.join(", "));
    }
    parts.join(" UNION ALL ")
}

/// Returns one part of the union: columns the table has, `words` for those it does not say itself.
fn fate(
    source: &str,
    name: &TableName,
    view: &TableView,
    words: &[(&str, &str)],
    detail: Option<&str>,
) -> String {
    let columns = FATE_COLUMNS.map(|(column, kind)| {
        let word = words
            .iter()
            .find(|(name, _)| *name == column)
            .map(|(_, word)| *word);
        let value = match column {
            "source" => literal(source),
            "detail" if detail.is_some() => detail.unwrap_or_default().to_owned(),
            _ => match word {
                Some(word) => word.to_owned(),
                None if has(view, column) => quoted(column),
                None => "NULL".to_owned(),
            },
        };
        format!("CAST({value} AS {kind}) AS {}", quoted(column))
    });
    format!(
        "SELECT {} FROM {}.{}",
        columns.join(", "),
        quoted(name.schema()),
        quoted(name.table())
    )
}
