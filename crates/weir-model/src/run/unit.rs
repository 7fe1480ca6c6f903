use std::collections::HashMap;
use std::sync::Arc;

use regex::Regex;
use serde_json::Value as Json;
use weir_jinja::{Args, Interpreter, Value};

use super::node::Executor;
use super::result::{NodeResult, Provenance, Status, Timing};
use crate::compile::{Compiler, Input, Purpose, StageParts, UnitScope, failure};
use crate::context::{AgateTable, Session};
use crate::convert::to_value;
use crate::error::{ModelError, ModelErrorKind};
use crate::node::{JsonMap, Node, ResourceKind, UniqueId, UnitTest};
use crate::warehouse::{Cell, Table};

/// How many differing rows a message shows.
const SHOWN_ROWS: usize = 20;

/// The result of what has no node.
pub(super) fn blank(id: &UniqueId, status: Status) -> NodeResult {
    NodeResult {
        id: id.clone(),
        kind: ResourceKind::UnitTest,
        status,
        message: None,
        error: None,
        failures: None,
        response: JsonMap::new(),
        timing: Vec::new(),
        thread: "MainThread".to_owned(),
        seconds: 0.0,
        compiled_code: None,
        compiled_path: None,
        relation_name: None,
        batches: None,
        provenance: Provenance::default(),
        reused: false,
        reason: None,
    }
}

/// The result of a unit test that is not run.
pub(super) fn skipped(unit: &UnitTest) -> NodeResult {
    blank(&unit.id, Status::Skipped)
}

/// The result of what nobody knows.
pub(super) fn unknown(id: &UniqueId) -> NodeResult {
    blank(id, Status::Error)
}

impl Executor<'_> {
    /// Runs the tested model over the rows that the test gives and compares what comes out.
    pub(super) fn unit_test(&self, unit: &Arc<UnitTest>, session: &Arc<Session>) -> NodeResult {
        let mut result = blank(&unit.id, Status::Pass);
        let shown = format!("unit_test {} ({})", unit.name, unit.original_path);
        let started_at = self.runner.now();
        let compared = self.compare(unit, session, &mut result);
        result.timing.push(Timing {
            name: "execute",
            started_at,
            completed_at: self.runner.now(),
        });
        match compared {
            Ok(None) => {
                result.failures = Some(0);
                result
            }
            Ok(Some(difference)) => {
                result.status = Status::Fail;
                result.failures = Some(1);
                result.message = Some(difference);
                result
            }
            Err(error) => result.failed(error.of(unit.id.as_str()), &shown),
        }
    }

    /// Returns how actual and expected rows differ, if they do.
    fn compare(
        &self,
        unit: &Arc<UnitTest>,
        session: &Arc<Session>,
        result: &mut NodeResult,
    ) -> Result<Option<String>, ModelError> {
        let manifest = self.runner.manifest();
        let tested = unit.tested_node.as_ref().or(unit.depends_on.nodes.first());
        let Some(tested) = tested.and_then(|id| manifest.nodes.get(id)).cloned() else {
            return Err(ModelError::new(
                ModelErrorKind::MissingReference,
                format!(
                    "the model '{}' of the unit test was not found or is disabled",
                    unit.model
                ),
            ));
        };
        let overrides = |key: &str| {
            let given = unit
                .overrides
                .as_ref()
                .and_then(|overrides| overrides.get(key))
                .and_then(Json::as_object);
            given.cloned().unwrap_or_default()
        };
        let (inputs, this) = self.inputs(unit, &tested, session)?;
        let scope = UnitScope {
            inputs,
            this,
            macros: overrides("macros"),
            vars: overrides("vars"),
            env_vars: overrides("env_vars"),
        };
        let mut parts = StageParts::new(
            Arc::clone(&self.runner.compiler),
            Arc::clone(&tested),
            Purpose::Compile,
        );
        parts.unit = Some(Arc::new(scope));
        let compiled = self.compile(parts.clone(), session, result)?;
        result.compiled_path = None;

        let mut config = (*parts.config).clone();
        let rows = unit.expect.get("rows").cloned().unwrap_or(Json::Null);
        match &rows {
            Json::String(sql) => {
                config.set("expected_rows", Json::Array(Vec::new()));
                config.set("expected_sql", Json::String(sql.clone()));
            }
            rows => {
                config.set(
                    "expected_rows",
                    if rows.is_array() {
                        rows.clone()
                    } else {
                        Json::Array(Vec::new())
                    },
                );
                config.set("expected_sql", Json::Null);
            }
        }
        parts.purpose = Purpose::Build;
        parts.config = Arc::new(config);
        parts.sql = Some(compiled.sql);
        let built = self.materialize(parts, "unit", session)?;
        result.response = built.response;
        let table = built
            .main
            .as_ref()
            .and_then(Value::as_dict)
            .and_then(|main| main.get_str("table"));
        let table = table
            .as_ref()
            .and_then(|table| table.as_object::<AgateTable>())
            .map(|table| Arc::clone(&table.0));
        let table = table.ok_or_else(|| {
            ModelError::new(ModelErrorKind::Internal, "the unit test asked for nothing")
        })?;
        Ok(difference(&table))
    }

    /// Makes the rows of every input into SQL.
    fn inputs(
        &self,
        unit: &UnitTest,
        tested: &Arc<Node>,
        session: &Arc<Session>,
    ) -> Result<(HashMap<UniqueId, Input>, Option<UniqueId>), ModelError> {
        let mut inputs = HashMap::new();
        let mut this = None;
        for given in &unit.given {
            let input = given
                .get("input")
                .and_then(Json::as_str)
                .unwrap_or_default();
            let rows = given.get("rows").cloned().unwrap_or(Json::Null);
            let target = self.target(unit, tested, input)?;
            let (id, name, node) = match target {
                Target::This => {
                    this = Some(tested.id.clone());
                    (
                        tested.id.clone(),
                        format!("__dbt__cte__{}", tested.alias),
                        Arc::clone(tested),
                    )
                }
                Target::Node(node) => {
                    (node.id.clone(), format!("__dbt__cte__{}", node.alias), node)
                }
                Target::Source(id, name, node) => (id, name, node),
            };
            let sql = match rows {
                Json::String(sql) => sql,
                Json::Null if node.kind == ResourceKind::Seed => {
                    format!(
                        "select * from {}",
                        self.runner.compiler.relation(&node).render()
                    )
                }
                Json::Null => self.fixture(&node, &Json::Array(Vec::new()), session)?,
                rows => self.fixture(&node, &rows, session)?,
            };
            inputs.insert(id, Input { name, sql });
        }
        Ok((inputs, this))
    }

    /// Calls `get_fixture_sql` as if for the input itself, so that it finds the input's columns.
    fn fixture(
        &self,
        node: &Arc<Node>,
        rows: &Json,
        session: &Arc<Session>,
    ) -> Result<String, ModelError> {
        let mut parts = StageParts::new(
            Arc::clone(&self.runner.compiler),
            Arc::clone(node),
            Purpose::Operation,
        );
        parts.sql = None;
        let types = self.types_of_ephemeral(node, session)?;
        let (_stage, context) = Compiler::context(parts, Some(Arc::clone(session)));
        let shared = self.runner.shared();
        let found = shared
            .macros
            .find(&node.package, "get_fixture_sql")
            .cloned();
        let found = found.ok_or_else(|| {
            ModelError::new(
                ModelErrorKind::Internal,
                "there is no macro `get_fixture_sql`",
            )
        })?;
        let mut interpreter = Interpreter::new(Arc::clone(&shared.environment));
        let args = Args::from(vec![to_value(rows), types]);
        let sql = interpreter
            .call_macro(&found, args, &*context)
            .map_err(|error| failure(error, node))?;
        Ok(sql.to_str().trim().to_owned())
    }

    /// Ephemeral models have no relation whose columns could be read, so their query is described.
    fn types_of_ephemeral(
        &self,
        node: &Arc<Node>,
        session: &Arc<Session>,
    ) -> Result<Value, ModelError> {
        if !node.is_ephemeral() {
            return Ok(Value::None);
        }
        let parts = StageParts::new(
            Arc::clone(&self.runner.compiler),
            Arc::clone(node),
            Purpose::Compile,
        );
        let compiled = self.runner.compiler.compile(parts, session)?;
        let columns = session
            .describe(&compiled.sql)
            .map_err(crate::context::warehouse_error)?;
        Ok(Value::dict(columns.iter().map(|column| {
            (
                column.name.to_lowercase(),
                Value::str(column.data_type.as_str()),
            )
        })))
    }

    /// Finds what `ref('x')`, `source('a', 'b')` or `this` of an input means.
    fn target(
        &self,
        unit: &UnitTest,
        tested: &Arc<Node>,
        input: &str,
    ) -> Result<Target, ModelError> {
        let missing = || {
            ModelError::new(
                ModelErrorKind::MissingReference,
                format!("the input `{input}` of the unit test was not found or is disabled"),
            )
            .hint("write it as ref('model'), source('source', 'table') or this")
        };
        if input.trim() == "this" {
            return Ok(Target::This);
        }
        let pattern = Regex::new(r#"^\s*(ref|source)\s*\((.*)\)\s*$"#).map_err(|_| missing())?;
        let captures = pattern.captures(input).ok_or_else(missing)?;
        let mut names = Vec::new();
        let mut version = None;
        for part in captures[2].split(',') {
            let part = part.trim();
            match part.split_once('=') {
                Some((key, value)) if matches!(key.trim(), "v" | "version") => {
                    let value = value.trim().trim_matches(['\'', '"']);
                    let json = value
                        .parse::<i64>()
                        .map_or_else(|_| Json::from(value), Json::from);
                    version = crate::node::Version::from_json(&json);
                }
                _ => names.push(part.trim_matches(['\'', '"']).to_owned()),
            }
        }
        let resolver = self.runner.compiler.resolver();
        match (&captures[1], names.as_slice()) {
            ("ref", [name]) => {
                let found = resolver
                    .node(&unit.package, name, None, version.as_ref())
                    .ok_or_else(missing)?;
                Ok(Target::Node(Arc::clone(found)))
            }
            ("ref", [package, name]) => {
                let found = resolver
                    .node(&unit.package, name, Some(package), version.as_ref())
                    .ok_or_else(missing)?;
                Ok(Target::Node(Arc::clone(found)))
            }
            ("source", [source, table]) => {
                let found = resolver
                    .source(&unit.package, source, table)
                    .ok_or_else(missing)?;
                let mut node = (**tested).clone();
                node.database.clone_from(&found.database);
                node.schema.clone_from(&found.schema);
                node.alias.clone_from(&found.identifier);
                node.name.clone_from(&found.name);
                Ok(Target::Source(
                    found.id.clone(),
                    Compiler::source_cte_name(found),
                    Arc::new(node),
                ))
            }
            _ => Err(missing()),
        }
    }
}

enum Target {
    This,
    Node(Arc<Node>),
    /// The id, the stand-in's name, and a node in the source's place.
    Source(UniqueId, String, Arc<Node>),
}

/// Says which rows are missing and which are too many; the order of rows does not count.
fn difference(table: &Table) -> Option<String> {
    let side = table.position("actual_or_expected")?;
    let mut rows: HashMap<Vec<Option<String>>, i64> = HashMap::new();
    let mut counts = (0, 0);
    for row in &table.rows {
        let expected = row.get(side).and_then(Cell::text).as_deref() == Some("expected");
        let cells: Vec<Option<String>> = row
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != side)
            .map(|(_, cell)| same_text(cell))
            .collect();
        if expected {
            counts.1 += 1
        } else {
            counts.0 += 1
        }
        *rows.entry(cells).or_default() += if expected { -1 } else { 1 };
    }
    let mut differing: Vec<(Vec<Option<String>>, i64)> =
        rows.into_iter().filter(|(_, count)| *count != 0).collect();
    if differing.is_empty() {
        return None;
    }
    differing.sort();
    let names: Vec<&str> = table
        .columns
        .iter()
        .enumerate()
        .filter(|(at, _)| *at != side)
        .map(|(_, column)| column.name.as_str())
        .collect();
    let mut out = format!(
        "actual differs from expected: {} rows came out, {} were expected\n\n@@ | {} |",
        counts.0,
        counts.1,
        names.join(" | ")
    );
    for (cells, count) in differing.iter().take(SHOWN_ROWS) {
        let mark = if *count > 0 { "+++" } else { "---" };
        let cells: Vec<&str> = cells
            .iter()
            .map(|cell| cell.as_deref().unwrap_or("NULL"))
            .collect();
        out.push_str(&format!("\n{mark}| {} |", cells.join(" | ")));
    }
    if differing.len() > SHOWN_ROWS {
        out.push_str(&format!("\n... and {} more", differing.len() - SHOWN_ROWS));
    }
    out.push_str("\n\n+++ came out and was not expected, --- was expected and did not come out");
    Some(out)
}

/// Numbers are the same however many zeros are written behind the point.
fn same_text(cell: &Cell) -> Option<String> {
    let text = cell.text()?;
    let number = matches!(cell, Cell::Decimal(_) | Cell::Float(_) | Cell::Int(_));
    if number && text.contains('.') && !text.contains(['e', 'E']) {
        let short = text.trim_end_matches('0').trim_end_matches('.');
        return Some(short.to_owned());
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::warehouse::TableColumn;

    fn table(rows: &[(&str, Cell)]) -> Table {
        Table {
            columns: vec![
                TableColumn::new("a", "text"),
                TableColumn::new("actual_or_expected", "text"),
            ],
            rows: rows
                .iter()
                .map(|(side, cell)| vec![cell.clone(), Cell::Text((*side).to_owned())])
                .collect(),
        }
    }

    #[test]
    fn the_order_of_rows_and_zeros_do_not_count() {
        let rows = table(&[
            ("actual", Cell::Decimal("1.50".to_owned())),
            ("actual", Cell::Null),
            ("expected", Cell::Null),
            ("expected", Cell::Float(1.5)),
        ]);
        assert_eq!(difference(&rows), None);
    }

    #[test]
    fn how_often_a_row_comes_counts() {
        let rows = table(&[
            ("actual", Cell::Int(1)),
            ("actual", Cell::Int(1)),
            ("expected", Cell::Int(1)),
        ]);
        let text = difference(&rows).expect("a difference");
        assert!(text.contains("+++| 1 |"), "{text}");
    }
}
