//! Simple tests of one relation asked together: one scan says which of them pass.
//!
//! Only passing is decided so. A test that fails is run by itself, for its count, its rows and whatever
//! the project has made of its macro.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use super::runner::Runner;
use crate::compile::Compiler;
use crate::context::{MacroTable, Session};
use crate::node::{Manifest, Node, NodeDetail, ResourceKind, TestDetail, UniqueId};
use crate::warehouse::{Cell, Fetch};

/// The simple tests of a run, by the node they are of.
#[derive(Debug, Default)]
pub(super) struct Fused {
    groups: HashMap<UniqueId, Group>,
}

#[derive(Debug)]
struct Group {
    /// Each test with an aggregate that is 0 if it passes.
    tests: Vec<(UniqueId, String)>,
    /// Those that pass, once somebody has asked.
    passed: OnceLock<Vec<UniqueId>>,
}

impl Fused {
    /// Finds what can be asked together among the nodes that run.
    pub(super) fn of(runner: &Runner, order: &[UniqueId]) -> Self {
        let manifest = runner.manifest();
        let shared = runner.shared();
        if shared.macros.builds_by_itself("test") {
            return Self::default();
        }
        let stores = shared.flags.store_failures;
        let counts_distinct = shared.dialect.chain.iter().any(|prefix| prefix == "weir");
        let mut groups: HashMap<UniqueId, Vec<(UniqueId, String)>> = HashMap::new();
        for test in order.iter().filter_map(|id| manifest.nodes.get(id)) {
            let Some(detail) = test
                .generic_test()
                .filter(|_| test.kind == ResourceKind::Test)
            else {
                continue;
            };
            let is_plain = !test.config.store_failures().unwrap_or(stores)
                && is_usual(test)
                && !is_covered(
                    &shared.macros,
                    &shared.dialect.chain,
                    test,
                    &detail.metadata.name,
                );
            let of = detail.attached_node.as_ref().filter(|_| is_plain);
            let (Some(of), Some(wrong)) = (of, count_of_wrong(detail, counts_distinct)) else {
                continue;
            };
            let group = groups.entry(of.clone()).or_default();
            group.push((test.id.clone(), wrong));
        }
        groups.retain(|_, tests| tests.len() > 1);
        let groups = groups.into_iter().map(|(of, tests)| {
            let passed = OnceLock::new();
            (of, Group { tests, passed })
        });
        Self {
            groups: groups.collect(),
        }
    }

    /// Says whether a test passes, as far as asking it together with others tells.
    pub(super) fn passes(
        &self,
        (compiler, manifest): (&Compiler, &Manifest),
        test: &Node,
        sql: &str,
        session: &Arc<Session>,
    ) -> bool {
        let NodeDetail::GenericTest(detail) = &test.detail else {
            return false;
        };
        let found = detail.attached_node.as_ref().and_then(|of| {
            let node = manifest.nodes.get(of)?;
            Some((self.groups.get(of)?, node))
        });
        let Some((group, node)) = found else {
            return false;
        };
        let relation = compiler.relation(node).render();
        // It may read another relation: that of another environment, or rows of one time only.
        if !sql.contains(&format!("from {relation}\n")) {
            return false;
        }
        let passed = group
            .passed
            .get_or_init(|| group.ask(&relation, session).unwrap_or_default());
        passed.contains(&test.id)
    }
}

impl Group {
    fn ask(&self, relation: &str, session: &Arc<Session>) -> Option<Vec<UniqueId>> {
        let counts: Vec<String> = self
            .tests
            .iter()
            .enumerate()
            .map(|(at, (_, wrong))| format!("{wrong} as wrong_{at}"))
            .collect();
        let sql = format!("select {}\nfrom {relation}", counts.join(",\n  "));
        // What is wrong with the question, the tests' own will tell.
        let answer = session.execute(&sql, false, Fetch::All).ok()?;
        let table = answer.table?;
        let [row] = table.rows.as_slice() else {
            return None;
        };
        let passed = self.tests.iter().zip(row);
        let passed = passed.filter(|(_, count)| matches!(count, Cell::Int(0)));
        Some(passed.map(|((id, _), _)| id.clone()).collect())
    }
}

/// Whether a test counts all its rows, and one is too many.
fn is_usual(test: &Node) -> bool {
    let is = |key: &str, usual: &str| test.config.text(key).is_none_or(|set| set == usual);
    is("fail_calc", "count(*)")
        && is("error_if", "!= 0")
        && is("warn_if", "!= 0")
        && test
            .config
            .get("where")
            .is_none_or(serde_json::Value::is_null)
        && test.config.int("limit").is_none()
}

/// Whether the project has a test of its own by that name.
fn is_covered(macros: &MacroTable, chain: &[String], test: &Node, name: &str) -> bool {
    let own = |name: &str| macros.covering(&test.package, name).is_some();
    own(&format!("test_{name}"))
        || chain
            .iter()
            .any(|prefix| own(&format!("{prefix}__test_{name}")))
}

/// Returns an aggregate that is 0 if a test passes; none for tests that are not that simple.
fn count_of_wrong(detail: &TestDetail, counts_distinct: bool) -> Option<String> {
    let metadata = &detail.metadata;
    if metadata.namespace.is_some() {
        return None;
    }
    let column = metadata.kwargs.get("column_name")?.as_str()?;
    if column.contains("{{") {
        return None;
    }
    match metadata.name.as_str() {
        "not_null" => Some(format!("count(case when {column} is null then 1 end)")),
        "unique" if counts_distinct => Some(format!("count({column}) - count(distinct {column})")),
        "accepted_values" => {
            let quotes = metadata
                .kwargs
                .get("quote")
                .is_none_or(|quote| quote == true);
            let values = metadata.kwargs.get("values")?.as_array()?.iter();
            let values: Option<Vec<String>> = values
                .map(|value| match value {
                    serde_json::Value::String(text) if quotes && !text.contains('\'') => {
                        Some(format!("'{text}'"))
                    }
                    serde_json::Value::Number(number) if !quotes => Some(number.to_string()),
                    _ => None,
                })
                .collect();
            let values = values.filter(|values| !values.is_empty())?.join(", ");
            Some(format!(
                "count(case when {column} not in ({values}) then 1 end)"
            ))
        }
        _ => None,
    }
}
