//! What people see while nodes run: one calm line for each that ended, and how far it is.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;
use weir_model::Place;
use weir_model::node::{Manifest, ResourceKind, UniqueId};
use weir_model::run::{NodeResult, Observer, Report, Status};

use super::opened::Said;
use crate::ui::Ui;

/// Follows a run on the terminal.
#[derive(Debug)]
pub(crate) struct Progress {
    manifest: Arc<Manifest>,
    said: Arc<Said>,
    ui: Ui,
    quiet: bool,
    bar: ProgressBar,
    running: Mutex<Vec<String>>,
}

impl Progress {
    pub(crate) fn new(manifest: Arc<Manifest>, said: Arc<Said>, ui: Ui, quiet: bool) -> Self {
        let bar = match std::io::stderr().is_terminal() && !quiet && !ui.is_json() {
            true => ProgressBar::new(0),
            false => ProgressBar::hidden(),
        };
        // The template is ours, and is tested with every run on a terminal.
        if let Ok(style) =
            ProgressStyle::with_template("{spinner} {pos}/{len} {wide_msg} {elapsed}")
        {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Self {
            manifest,
            said,
            ui,
            quiet,
            bar,
            running: Mutex::default(),
        }
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }

    fn name(&self, id: &UniqueId) -> String {
        match self.manifest.nodes.get(id) {
            Some(node) if is_relation(node.kind) => format!("{}.{}", node.schema, node.alias),
            Some(node) => node.name.clone(),
            None => id
                .as_str()
                .rsplit('.')
                .next()
                .unwrap_or_default()
                .to_owned(),
        }
    }

    /// Returns the file that a node was written in, as its package names it.
    fn file(&self, id: &UniqueId) -> Option<&str> {
        let node = self.manifest.nodes.get(id);
        let unit = || self.manifest.unit_tests.get(id);
        node.map(|node| node.original_path.as_str())
            .or_else(|| unit().map(|unit| unit.original_path.as_str()))
    }

    /// Says what went wrong with a node, where it is written and where its SQL is.
    fn explain(&self, result: &NodeResult) {
        if !result.status.is_failure() {
            if let Some(error) = &result.error {
                self.ui.detail(error.report());
            }
            return;
        }
        let mut file = self.file(&result.id);
        match (&result.error, file) {
            (Some(error), Some(path)) if error.place().is_none() => {
                self.ui.detail(error.clone().at(Place::file(path)).report());
                file = None;
            }
            (Some(error), path) => {
                self.ui.detail(error.report());
                file = path.filter(|path| error.place().is_none_or(|at| &*at.file != *path));
            }
            (None, _) => {}
        }
        // The difference of rows; of other tests there is no more to say than how many rows failed.
        if let (None, ResourceKind::UnitTest, Some(message)) =
            (&result.error, result.kind, &result.message)
        {
            self.ui.detail(message);
        }
        if let Some(file) = file {
            self.ui.detail(format!("  at {file}"));
        }
        if let Some(compiled) = &result.compiled_path {
            self.ui.detail(format!("  compiled: {compiled}"));
        }
    }

    /// Says once more what failed, where the lines about it have long gone by.
    pub(crate) fn repeat(&self, report: &Report) {
        if self.quiet || self.ui.is_json() || report.results.len() < LONG {
            return;
        }
        let results = report.results.iter();
        let failed: Vec<&NodeResult> = results
            .filter(|result| result.status.is_failure())
            .collect();
        if failed.is_empty() {
            return;
        }
        self.ui.heading("What failed:");
        for result in failed {
            let (status, kind) = (result.status.as_str(), result.kind.as_str());
            let what = format!("{kind} {}", self.name(&result.id));
            self.ui.outcome(status, true, &what, first_line(result), "");
        }
    }

    fn show_running(&self) {
        self.bar.set_message(self.running.lock().join(", "));
    }
}

/// Results of so many nodes do not fit a screen.
const LONG: usize = 30;

/// Returns the first line of what a node's failure says.
fn first_line(result: &NodeResult) -> &str {
    let error = result.error.as_ref().map(|error| error.message());
    let message = error.or(result.message.as_deref()).unwrap_or_default();
    message.lines().next().unwrap_or_default()
}

fn is_relation(kind: ResourceKind) -> bool {
    matches!(
        kind,
        ResourceKind::Model | ResourceKind::Seed | ResourceKind::Snapshot
    )
}

/// Returns what is said of a node besides its name.
fn remark(result: &NodeResult) -> String {
    let affected = result
        .response
        .get("rows_affected")
        .and_then(serde_json::Value::as_i64);
    let count = match (result.status, result.failures, affected) {
        (Status::Fail | Status::Warn, Some(failures), _) => Some(format!("{failures} rows")),
        (Status::Success, _, Some(rows)) if rows >= 0 => Some(format!("{rows} rows")),
        _ => None,
    };
    let parts: Vec<String> = count.into_iter().chain(result.reason.clone()).collect();
    parts.join("; ")
}

impl Observer for Progress {
    fn planned(&self, nodes: usize) {
        self.bar.set_length(nodes as u64);
    }

    fn started(&self, id: &UniqueId, _index: usize) {
        self.running.lock().push(self.name(id));
        self.show_running();
    }

    fn ended(&self, result: &NodeResult, _index: Option<usize>) {
        let name = self.name(&result.id);
        self.running.lock().retain(|running| *running != name);
        self.bar.inc(1);
        self.show_running();
        let lines = self.said.take();
        if self.ui.is_json() {
            self.ui.answer_json(&serde_json::json!({
                "node": result.id.as_str(),
                "status": result.status.as_str(),
                "seconds": result.seconds,
                "failures": result.failures,
                "message": result.message,
                "reused": result.reused,
                "reason": result.reason,
            }));
            return;
        }
        let is_bad = result.status.is_failure() || result.status == Status::Warn;
        if (self.quiet && !is_bad) || result.reused {
            return;
        }
        self.bar.suspend(|| {
            for line in lines.iter().filter(|line| line.shown) {
                self.ui.status(&line.text);
            }
            let kind = result.kind.as_str();
            let took = format!("{:.2}s", result.seconds);
            let remark = remark(result);
            self.ui.outcome(
                result.status.as_str(),
                is_bad,
                &format!("{kind} {name}"),
                &remark,
                &took,
            );
            self.explain(result);
        });
    }
}

/// Says how a run went, in one line, and names what failed.
pub(crate) fn summary(report: &Report) -> String {
    let (unchanged, told_again) = (report.reused(Status::Success), report.reused(Status::Pass));
    let new = |status| report.count(status) - report.reused(status);
    let parts: Vec<String> = [
        (new(Status::Success), "built"),
        (unchanged, "unchanged"),
        (new(Status::Pass), "tests passed"),
        (told_again, "tests as before"),
    ]
    .into_iter()
    .chain(others(report))
    .filter(|(count, _)| *count > 0)
    .map(|(count, word)| format!("{count} {word}"))
    .collect();
    match parts.is_empty() {
        true => "Nothing to do".to_owned(),
        false => format!("{} in {:.2}s", parts.join(", "), report.seconds),
    }
}

fn others(report: &Report) -> impl Iterator<Item = (usize, &'static str)> {
    [
        (Status::Warn, "warned"),
        (Status::Fail, "tests failed"),
        (Status::Error, "with errors"),
        (Status::RuntimeErr, "with errors"),
        (Status::PartialSuccess, "partly built"),
        (Status::Skipped, "skipped"),
        (Status::NoOp, "with nothing to do"),
    ]
    .into_iter()
    .map(|(status, word)| (report.count(status), word))
}
