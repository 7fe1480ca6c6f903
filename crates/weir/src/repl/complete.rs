use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, RwLock};

use reedline::{Completer, CompletionResult, Span, Suggestion};

use super::answer::fetch;
use crate::client::Client;

const KEYWORDS: [&str; 61] = [
    "ALL",
    "AND",
    "AS",
    "ASC",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "COUNT",
    "CROSS",
    "CURRENT_DATE",
    "DATE_TRUNC",
    "DESC",
    "DESCRIBE",
    "DISTINCT",
    "ELSE",
    "END",
    "EXCEPT",
    "EXISTS",
    "EXPLAIN",
    "EXTRACT",
    "FALSE",
    "FILTER",
    "FOR VERSION AS OF",
    "FOR TIMESTAMP AS OF",
    "FROM",
    "FULL",
    "GROUP BY",
    "HAVING",
    "ILIKE",
    "IN",
    "INNER",
    "INTERSECT",
    "INTERVAL",
    "IS",
    "JOIN",
    "LATERAL",
    "LEFT",
    "LIKE",
    "LIMIT",
    "NOT",
    "NULL",
    "OFFSET",
    "ON",
    "OR",
    "ORDER BY",
    "OVER",
    "PARTITION BY",
    "RIGHT",
    "SELECT",
    "SHOW TABLES",
    "SUM",
    "THEN",
    "TRUE",
    "UNION",
    "UNNEST",
    "USING",
    "VALUES",
    "WHEN",
    "WHERE",
    "WITH",
];

/// The most suggestions worth reading.
const MAX: usize = 100;

/// Names that can be completed: columns by table, tables as `schema.table`.
#[derive(Default)]
pub(super) struct Names {
    tables: BTreeMap<String, Vec<String>>,
    schemas: BTreeSet<String>,
}

impl Names {
    /// Asks the server for its names.
    pub(super) async fn load(client: &Client) -> Option<Self> {
        let sql = "SELECT table_schema, table_name, column_name FROM information_schema.columns LIMIT 50000";
        let answer = fetch(client, sql, &[]).await.ok()?;
        let mut names = Names::default();
        for row in &answer.rows {
            let [schema, table, column] = row.as_slice() else {
                continue;
            };
            let (schema, table, column) = (schema.as_str()?, table.as_str()?, column.as_str()?);
            names.schemas.insert(schema.to_owned());
            names
                .tables
                .entry(format!("{schema}.{table}"))
                .or_default()
                .push(column.to_owned());
        }
        Some(names)
    }

    /// Returns what the word that ends at `at` may become, and where the word starts.
    fn suggest(&self, line: &str, at: usize) -> (usize, Vec<String>) {
        let start = line[..at]
            .rfind(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.' || c == '"'))
            .map_or(0, |i| {
                i + line[i..].chars().next().map_or(1, char::len_utf8)
            });
        let word = line[start..at].to_lowercase();
        let mut found = BTreeSet::new();
        if let Some((before, last)) = word.rsplit_once('.') {
            for (table, columns) in &self.tables {
                let is_meant = table == before
                    || table
                        .rsplit_once('.')
                        .is_some_and(|(_, name)| name == before);
                if is_meant {
                    let columns = columns.iter().filter(|column| column.starts_with(last));
                    found.extend(columns.map(|column| format!("{before}.{column}")));
                }
            }
        }
        if !word.is_empty() {
            found.extend(
                self.tables
                    .keys()
                    .filter(|table| table.starts_with(&word))
                    .cloned(),
            );
            found.extend(
                self.schemas
                    .iter()
                    .filter(|schema| schema.starts_with(&word))
                    .map(|s| format!("{s}.")),
            );
            let lower = line.to_lowercase();
            let mentioned = self
                .tables
                .iter()
                .filter(|(table, _)| lower.contains(table.as_str()));
            let columns = mentioned.flat_map(|(_, columns)| columns);
            found.extend(columns.filter(|column| column.starts_with(&word)).cloned());
            let keywords = KEYWORDS
                .iter()
                .filter(|keyword| keyword.to_lowercase().starts_with(&word));
            found.extend(keywords.map(|keyword| (*keyword).to_owned()));
        }
        (start, found.into_iter().take(MAX).collect())
    }
}

/// Completes names for the prompt.
pub(super) struct NameCompleter(pub(super) Arc<RwLock<Names>>);

impl Completer for NameCompleter {
    fn complete(&mut self, line: &str, pos: usize) -> CompletionResult {
        let Ok(names) = self.0.read() else {
            return CompletionResult::fresh(Vec::new());
        };
        let (start, values) = names.suggest(line, pos.min(line.len()));
        let suggestions: Vec<Suggestion> = values
            .into_iter()
            .map(|value| Suggestion {
                append_whitespace: !value.ends_with('.'),
                value,
                span: Span { start, end: pos },
                ..Suggestion::default()
            })
            .collect();
        CompletionResult::fresh(suggestions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let columns = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        Names {
            tables: BTreeMap::from([
                ("shop.tracks".to_owned(), columns(&["event", "user_id"])),
                ("raw_shop.events".to_owned(), columns(&["event", "raw"])),
            ]),
            schemas: BTreeSet::from(["shop".to_owned(), "raw_shop".to_owned()]),
        }
    }

    #[test]
    fn tables_columns_and_keywords_are_suggested() {
        let names = names();
        let line = "select ev from shop.tr";
        assert_eq!(
            names.suggest(line, line.len()),
            (15, vec!["shop.tracks".to_owned()])
        );
        assert_eq!(names.suggest("sel", 3).1, ["SELECT"]);
        let line = "select us from shop.tracks";
        assert!(names.suggest(line, 9).1.contains(&"user_id".to_owned()));
        let line = "select tracks.us";
        assert_eq!(names.suggest(line, line.len()).1, ["tracks.user_id"]);
        assert_eq!(names.suggest("é", 2).0, 0);
    }
}
