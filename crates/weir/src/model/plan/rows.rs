//! How rows would change: everything is built in a transaction, compared inside it, and given up.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use reqwest::Method;
use serde_json::{Map, Value, json};
use tokio::runtime::Handle;
use weir_core::quoted;
use weir_model::ModelError;
use weir_model::node::{Manifest, Node, NodeDetail, UniqueId};
use weir_model::run::{Publication, Report, Status};
use weir_model::warehouse::RelationName;

use super::columns::{Current, Relations};
use crate::failure::{Explain, Failure};
use crate::model::publish::failed;
use crate::model::warehouse::WeirWarehouse;

/// As many differing rows are shown.
const EXAMPLES: usize = 5;

/// How the rows of a relation would differ.
#[derive(Clone, Debug, Default)]
pub(super) struct Difference {
    /// The columns that tell one row from another, where they are known.
    key: Vec<String>,
    before: u64,
    after: u64,
    added: Option<u64>,
    removed: Option<u64>,
    /// Rows whose key stays and of which something else changes.
    changed: Option<u64>,
    /// By column, in how many of these.
    columns: Vec<(String, u64)>,
    /// Keys of rows that change.
    examples: Vec<Vec<Value>>,
    /// Why no more is known.
    note: Option<String>,
}

impl Difference {
    pub(super) fn to_json(&self) -> Value {
        let columns: Map<String, Value> = self
            .columns
            .iter()
            .map(|(name, rows)| (name.clone(), (*rows).into()))
            .collect();
        json!({
            "key": self.key,
            "before": self.before,
            "after": self.after,
            "added": self.added,
            "removed": self.removed,
            "changed": self.changed,
            "changed_columns": columns,
            "examples": self.examples,
            "note": self.note,
        })
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let mut parts = Vec::new();
        for (count, word) in [
            (self.added, "added"),
            (self.removed, "removed"),
            (self.changed, "changed"),
        ] {
            if let Some(count) = count {
                parts.push(format!("{count} {word}"));
            }
        }
        let mut lines = vec![match parts.is_empty() {
            true => format!("{} rows -> {}", self.before, self.after),
            false => format!(
                "{} rows -> {}: {}",
                self.before,
                self.after,
                parts.join(", ")
            ),
        }];
        for (column, rows) in &self.columns {
            lines.push(format!("  {column} differs in {rows} rows"));
        }
        if !self.examples.is_empty() {
            let keys: Vec<String> = self
                .examples
                .iter()
                .map(|key| {
                    let values: Vec<String> = key.iter().map(plain).collect();
                    values.join(", ")
                })
                .collect();
            lines.push(format!(
                "  for instance where {} is {}",
                self.key.join(", "),
                keys.join("; ")
            ));
        }
        lines.extend(self.note.clone());
        lines
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

/// A publication that never happens.
#[derive(Debug)]
pub(super) struct Trial {
    warehouse: WeirWarehouse,
    runtime: Handle,
    manifest: Arc<Manifest>,
    existing: Relations,
    transaction: Mutex<Option<String>>,
    differences: Mutex<HashMap<UniqueId, Difference>>,
}

impl Trial {
    pub(super) fn new(
        warehouse: WeirWarehouse,
        runtime: Handle,
        manifest: Arc<Manifest>,
        existing: Relations,
    ) -> Self {
        Self {
            warehouse,
            runtime,
            manifest,
            existing,
            transaction: Mutex::default(),
            differences: Mutex::default(),
        }
    }

    /// Returns what was found.
    pub(super) fn take(&self) -> HashMap<UniqueId, Difference> {
        std::mem::take(&mut self.differences.lock())
    }

    fn compare(&self, report: &Report) -> Result<(), ModelError> {
        let built = report
            .results
            .iter()
            .filter(|result| result.status == Status::Success && result.relation_name.is_some());
        for result in built {
            let Some(node) = self.manifest.nodes.get(&result.id) else {
                continue;
            };
            let Some(before) = self
                .existing
                .get(&(node.schema.clone(), node.alias.clone()))
            else {
                continue;
            };
            let compared = Comparison {
                warehouse: &self.warehouse,
                node,
                before,
                manifest: &self.manifest,
            };
            let difference = self.runtime.block_on(compared.run());
            let difference = difference.unwrap_or_else(|failure| Difference {
                note: Some(format!("cannot be compared: {}", failure.message())),
                ..Difference::default()
            });
            self.differences
                .lock()
                .insert(result.id.clone(), difference);
        }
        Ok(())
    }
}

impl Publication for Trial {
    fn begin(&self, _relations: &[RelationName]) -> Result<(), ModelError> {
        let call = self
            .warehouse
            .call(Method::POST, "/api/v1/transactions", json!({}));
        let begun = self.runtime.block_on(call).map_err(failed)?;
        let id = begun["id"].as_str().unwrap_or_default().to_owned();
        self.warehouse.work_in(Some(id.clone()));
        *self.transaction.lock() = Some(id);
        Ok(())
    }

    fn finish(&self, report: &Report) -> Result<Vec<RelationName>, ModelError> {
        let compared = match report.succeeded() {
            true => self.compare(report),
            false => Ok(()),
        };
        self.warehouse.work_in(None);
        if let Some(id) = self.transaction.lock().take() {
            let path = format!("/api/v1/transactions/{id}");
            let call = self.warehouse.call(Method::DELETE, &path, json!({}));
            if let Err(error) = self.runtime.block_on(call) {
                tracing::warn!(%error, "a transaction could not be given up; it goes after an hour");
            }
        }
        compared.map(|()| Vec::new())
    }
}

/// One relation, old and new.
struct Comparison<'a> {
    warehouse: &'a WeirWarehouse,
    node: &'a Node,
    before: &'a Current,
    manifest: &'a Manifest,
}

/// A column that was there before and still is.
struct Common<'a> {
    name: &'a str,
    /// Whether its type changed, so that only its text can be compared.
    as_text: bool,
}

impl Common<'_> {
    fn value(&self) -> String {
        match self.as_text {
            true => format!("{}::text", quoted(self.name)),
            false => quoted(self.name),
        }
    }
}

/// Returns the inside of a quoted text.
fn literal(text: &str) -> String {
    text.replace('\'', "''")
}

impl Comparison<'_> {
    async fn run(&self) -> Result<Difference, Failure> {
        let relation = format!("{}.{}", quoted(&self.node.schema), quoted(&self.node.alias));
        let counted = self
            .warehouse
            .rows(&format!("SELECT count(*) FROM {relation}"))
            .await?;
        let mut difference = Difference {
            after: number(counted.first(), 0),
            ..Difference::default()
        };
        // What is published is what there was before this transaction.
        let then = format!("{relation} FOR TIMESTAMP AS OF now()");
        let after = self
            .warehouse
            .ask(&format!(
                "SELECT column_name, full_type AS data_type FROM information_schema.columns \
                 WHERE table_schema = '{}' AND table_name = '{}'",
                literal(&self.node.schema),
                literal(&self.node.alias)
            ))
            .await
            .explain(|| "cannot ask for the columns".into())?;
        let text =
            |row: &[Value], at: usize| row.get(at).and_then(Value::as_str).map(str::to_owned);
        let after: Vec<(String, String)> = after
            .iter()
            .filter_map(|row| Some((text(row, 0)?, text(row, 1)?)))
            .collect();
        let common: Vec<Common<'_>> = self
            .before
            .columns
            .iter()
            .filter_map(|(name, then)| {
                let (_, now) = after.iter().find(|(known, _)| known == name)?;
                Some(Common {
                    name,
                    as_text: now != then,
                })
            })
            .collect();
        let key = self.key();
        let has_key = !key.is_empty()
            && key
                .iter()
                .all(|part| common.iter().any(|column| column.name == part));
        match has_key {
            true => {
                self.by_key(&relation, &then, &key, &common, &mut difference)
                    .await?
            }
            false => {
                self.as_bags(&relation, &then, &common, &mut difference)
                    .await?
            }
        }
        Ok(difference)
    }

    /// Returns what tells rows apart: the unique key, or the one column that is tested to be unique.
    fn key(&self) -> Vec<String> {
        let configured = self.node.config.unique_key();
        if !configured.is_empty() {
            return configured;
        }
        let tests = self.manifest.nodes.values().filter_map(|test| {
            let NodeDetail::GenericTest(detail) = &test.detail else {
                return None;
            };
            let named = &detail.metadata;
            let is_unique = named.name == "unique" && named.namespace.is_none();
            let of_this = detail.attached_node.as_ref() == Some(&self.node.id);
            (is_unique && of_this).then(|| detail.column_name.clone())?
        });
        tests.take(1).collect()
    }

    async fn by_key(
        &self,
        now: &str,
        then: &str,
        key: &[String],
        common: &[Common<'_>],
        difference: &mut Difference,
    ) -> Result<(), Failure> {
        let others: Vec<&str> = common
            .iter()
            .map(|column| column.name)
            .filter(|name| !key.iter().any(|part| part == name))
            .collect();
        let list = |side: &str, mark: &str| {
            let columns = common
                .iter()
                .enumerate()
                .map(|(at, column)| format!("{} AS {side}{at}", column.value()));
            let columns: Vec<String> = columns.collect();
            format!("true AS {mark}, {}", columns.join(", "))
        };
        let place = |name: &str| {
            common
                .iter()
                .position(|column| column.name == name)
                .unwrap_or(0)
        };
        let on: Vec<String> = key
            .iter()
            .map(|part| format!("n{0} IS NOT DISTINCT FROM o{0}", place(part)))
            .collect();
        let joined = format!(
            "(SELECT {} FROM {now}) AS new_rows FULL JOIN (SELECT {} FROM {then}) AS old_rows ON {}",
            list("n", "is_new"),
            list("o", "is_old"),
            on.join(" AND ")
        );
        let differs = |name: &str| format!("n{0} IS DISTINCT FROM o{0}", place(name));
        let any = match others.is_empty() {
            true => "false".to_owned(),
            false => {
                let parts: Vec<String> = others.iter().map(|name| differs(name)).collect();
                format!("({})", parts.join(" OR "))
            }
        };
        let mut counts = vec![
            "count(*) FILTER (WHERE is_old)".to_owned(),
            "count(*) FILTER (WHERE is_old IS NULL)".to_owned(),
            "count(*) FILTER (WHERE is_new IS NULL)".to_owned(),
            format!("count(*) FILTER (WHERE is_new AND is_old AND {any})"),
        ];
        counts.extend(others.iter().map(|name| {
            format!(
                "count(*) FILTER (WHERE is_new AND is_old AND {})",
                differs(name)
            )
        }));
        let sql = format!("SELECT {} FROM {joined}", counts.join(", "));
        let rows = self.warehouse.rows(&sql).await?;
        let row = rows.first();
        difference.key = key.to_vec();
        difference.before = number(row, 0);
        difference.added = Some(number(row, 1));
        difference.removed = Some(number(row, 2));
        difference.changed = Some(number(row, 3));
        difference.columns = others
            .iter()
            .enumerate()
            .map(|(at, name)| ((*name).to_owned(), number(row, 4 + at)))
            .filter(|(_, rows)| *rows > 0)
            .collect();
        if difference.changed > Some(0) {
            let keys: Vec<String> = key.iter().map(|part| format!("n{}", place(part))).collect();
            let keys = keys.join(", ");
            let sql = format!(
                "SELECT {keys} FROM {joined} WHERE is_new AND is_old AND {any} ORDER BY {keys} LIMIT {EXAMPLES}"
            );
            difference.examples = self.warehouse.rows(&sql).await?;
        }
        Ok(())
    }

    /// Compares rows as a whole, where nothing tells which is which.
    async fn as_bags(
        &self,
        now: &str,
        then: &str,
        common: &[Common<'_>],
        difference: &mut Difference,
    ) -> Result<(), Failure> {
        let columns: Vec<String> = common.iter().map(Common::value).collect();
        let columns = columns.join(", ");
        let missing = |of: &str, from: &str| {
            format!(
                "(SELECT count(*) FROM (SELECT {columns} FROM {of} EXCEPT ALL SELECT {columns} FROM {from}) AS rest)"
            )
        };
        let sql = format!(
            "SELECT (SELECT count(*) FROM {then}), {}, {}",
            missing(now, then),
            missing(then, now)
        );
        let rows = self.warehouse.rows(&sql).await?;
        difference.before = number(rows.first(), 0);
        difference.added = Some(number(rows.first(), 1));
        difference.removed = Some(number(rows.first(), 2));
        difference.note = Some(
            "rows are compared as a whole: a `unique_key` or a unique test would tell which changed"
                .to_owned(),
        );
        Ok(())
    }
}

fn number(row: Option<&Vec<Value>>, at: usize) -> u64 {
    let value = row.and_then(|row| row.get(at));
    value.and_then(Value::as_u64).unwrap_or_default()
}
