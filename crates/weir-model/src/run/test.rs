use std::sync::Arc;

use weir_jinja::Value;

use super::node::{Executor, shown};
use super::result::{NodeResult, Provenance, Status, Timing};
use crate::compile::{Purpose, StageParts};
use crate::context::{AgateTable, Session};
use crate::error::{ModelError, ModelErrorKind};
use crate::node::Node;
use crate::warehouse::{Cell, Table};

/// What a test's query counted.
struct Counted {
    failures: i64,
    should_warn: bool,
    should_error: bool,
}

impl Executor<'_> {
    /// Runs a generic or singular test.
    pub(super) fn data_test(
        &self,
        node: &Arc<Node>,
        session: &Arc<Session>,
        mut result: NodeResult,
    ) -> NodeResult {
        let parts = StageParts::new(
            Arc::clone(&self.runner.compiler),
            Arc::clone(node),
            Purpose::Compile,
        );
        let compiled = match self.compile(parts, session, &mut result) {
            Ok(compiled) => compiled,
            Err(error) => return result.failed(error, &shown(node)),
        };
        let Provenance { code, reads, .. } = &result.provenance;
        let code = code.as_deref().unwrap_or_default();
        let stores = self.runner.shared().flags.store_failures;
        if !node.config.store_failures().unwrap_or(stores)
            && self
                .runner
                .reuse
                .of_test(&self.runner.manifest(), &node.id, code, reads)
        {
            result.status = Status::Pass;
            result.failures = Some(0);
            return result.told_again();
        }
        let started_at = self.runner.now();
        let known = (&*self.runner.compiler, &*self.runner.manifest());
        if self.fused.passes(known, node, &compiled.sql, session) {
            result.status = Status::Pass;
            result.failures = Some(0);
            result.response.insert("_message".into(), "OK".into());
            result.timing.push(Timing {
                name: "execute",
                started_at,
                completed_at: self.runner.now(),
            });
            return result;
        }
        let mut parts = StageParts::new(
            Arc::clone(&self.runner.compiler),
            Arc::clone(node),
            Purpose::Build,
        );
        parts.sql = Some(compiled.sql);
        let built = self.materialize(parts, "test", session);
        result.timing.push(Timing {
            name: "execute",
            started_at,
            completed_at: self.runner.now(),
        });
        let counted = built.and_then(|built| {
            let counted = counted(built.main.as_ref(), node);
            result.response = built.response;
            counted
        });
        match counted {
            Ok(counted) => self.judged(node, &counted, result),
            Err(error) => result.failed(error, &shown(node)),
        }
    }

    /// Says what a count means by the test's severity and thresholds.
    fn judged(&self, node: &Node, counted: &Counted, mut result: NodeResult) -> NodeResult {
        let got = |key: &str, verb: &str| {
            let condition = node.config.text(key).unwrap_or("!= 0");
            let rows = if counted.failures == 1 {
                "result"
            } else {
                "results"
            };
            format!(
                "Got {} {rows}, configured to {verb} if {condition}",
                counted.failures
            )
        };
        let strict = self.runner.shared().flags.warn_error;
        (result.status, result.message, result.failures) =
            if node.config.severity() == "ERROR" && counted.should_error {
                (
                    Status::Fail,
                    Some(got("error_if", "fail")),
                    Some(counted.failures),
                )
            } else if counted.should_warn {
                let status = if strict { Status::Fail } else { Status::Warn };
                (
                    status,
                    Some(got("warn_if", if strict { "fail" } else { "warn" })),
                    Some(counted.failures),
                )
            } else {
                (Status::Pass, None, Some(0))
            };
        result
    }
}

/// Reads the one row that the materialization of tests asks for.
fn counted(main: Option<&Value>, node: &Node) -> Result<Counted, ModelError> {
    let wrong = |what: String| {
        ModelError::new(ModelErrorKind::Template, what)
            .of(node.id.as_str())
            .hint("a test's query gives the rows that are wrong; fail_calc makes one number of them, and warn_if and error_if compare it")
    };
    let table = main
        .and_then(Value::as_dict)
        .and_then(|main| main.get_str("table"));
    let table = table
        .as_ref()
        .and_then(|table| table.as_object::<AgateTable>());
    let Some(table) = table.map(|table| &table.0) else {
        return Err(wrong("the test asked for nothing".to_owned()));
    };
    let [row] = table.rows.as_slice() else {
        return Err(wrong(format!(
            "the test's result should be one row, but is {}",
            table.rows.len()
        )));
    };
    let cell = |name: &str| position(table, name).and_then(|at| row.get(at));
    let failures = cell("failures").and_then(number).ok_or_else(|| {
        wrong(format!(
            "`{}` gave no number",
            node.config.text("fail_calc").unwrap_or("count(*)")
        ))
    })?;
    let flag = |name: &str| {
        cell(name)
            .and_then(truth)
            .ok_or_else(|| wrong(format!("`{name}` of the test is neither true nor false")))
    };
    Ok(Counted {
        failures,
        should_warn: flag("should_warn")?,
        should_error: flag("should_error")?,
    })
}

fn position(table: &Table, name: &str) -> Option<usize> {
    table.position(name)
}

fn number(cell: &Cell) -> Option<i64> {
    match cell {
        Cell::Int(int) => Some(*int),
        Cell::Bool(flag) => Some(i64::from(*flag)),
        Cell::Float(float) => Some(*float as i64),
        Cell::Decimal(text) | Cell::Text(text) => {
            text.parse::<f64>().ok().map(|float| float as i64)
        }
        _ => None,
    }
}

/// Not every warehouse has truth values.
fn truth(cell: &Cell) -> Option<bool> {
    match cell {
        Cell::Bool(flag) => Some(*flag),
        Cell::Int(int) => Some(*int != 0),
        Cell::Text(text) if text.eq_ignore_ascii_case("true") || text == "1" => Some(true),
        Cell::Text(text) if text.eq_ignore_ascii_case("false") || text == "0" => Some(false),
        _ => None,
    }
}
