//! `weir plan` and `weir diff`: what a change would rebuild, and what would be different then.

mod columns;
mod rows;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::runtime::Handle;
use weir_model::context::Cancellation;
use weir_model::graph::Graph;
use weir_model::node::{Manifest, UniqueId};
use weir_model::run::{Command, Outlook, PerModel, Report, Runner, RunnerParts};
use weir_model::warehouse::RelationName;

use self::columns::ColumnChange;
use self::rows::{Difference, Trial};
use super::around::Around;
use super::check::{self, Checked};
use super::command::{Nodes, Planning};
use super::earlier::Notes;
use super::environment::Environment;
use super::opened::{Opened, open, wrong};
use super::progress::summary;
use super::run::{cancellable, flags, options};
use super::selection::{select, state_of};
use super::warehouse::WeirWarehouse;
use crate::command::Global;
use crate::failure::Failure;
use crate::ui::Ui;

/// `weir plan`.
pub(crate) async fn run(planning: Planning, global: &Global, ui: &Ui) -> Result<(), Failure> {
    let Planning { nodes, diff } = planning;
    let opened = Arc::new(open(&nodes.project, flags("build", &nodes), ui)?);
    let previous = state_of(&nodes.select, &opened)?;
    let selected = select(&opened, &nodes.select, previous.as_ref(), ui)?;
    let (_, weir) = opened.warehouse(global, ui).await?;
    let Some((server, weir)) = weir else {
        return Err(Failure::new("plans are made against this Weir only")
            .with_hint("--here plans as if everything were built here"));
    };
    let environment = Environment::of(&opened, &weir, &nodes.select, selected).await?;
    let planner = Planner {
        nodes: &nodes,
        opened: &opened,
        weir: &weir,
        selected: &environment.selected,
        deferred: &environment.deferred,
        ui,
    };
    let done = planner.run(diff).await;
    server.leave().await?;
    done
}

struct Planner<'a> {
    nodes: &'a Nodes,
    opened: &'a Arc<Opened>,
    weir: &'a WeirWarehouse,
    selected: &'a [UniqueId],
    deferred: &'a HashMap<UniqueId, RelationName>,
    ui: &'a Ui,
}

/// A node that would be built.
struct Rebuilt {
    id: UniqueId,
    name: String,
    reason: String,
    columns: Vec<ColumnChange>,
    difference: Option<Difference>,
}

impl Planner<'_> {
    async fn run(&self, diff: bool) -> Result<(), Failure> {
        let manifest = self.opened.manifest();
        let built = |id: &&UniqueId| id.kind().is_some_and(|kind| Command::Build.takes(kind));
        let built: Vec<UniqueId> = self.selected.iter().filter(built).cloned().collect();
        let mut notes = Notes::read(self.opened, self.weir, self.deferred, false).await?;
        let earlier = Some(Arc::new(notes.earlier()));
        let checked = check::plan(self.opened, self.weir, &built, self.deferred, earlier).await?;
        if !checked.errors.is_empty() {
            return Err(wrong(&checked.errors, self.ui));
        }
        notes.learn(&checked);
        let outlooks = self.outlooks(&notes).await?;
        let mut rebuilt = self.rebuilt(&manifest, &checked, &outlooks).await?;
        if diff && !rebuilt.is_empty() {
            let mut differences = self.differences(&manifest, notes, &rebuilt).await?;
            for node in &mut rebuilt {
                node.difference = differences.remove(&node.id);
            }
        }
        let unchanged = outlooks.len() - rebuilt.len();
        let touched = touched(&manifest, &rebuilt, self.selected);
        match self.ui.is_json() {
            true => self.answer_json(&rebuilt, unchanged, &touched, &checked.around),
            false => {
                self.answer(&rebuilt, unchanged, &touched, &checked.around);
                checked.around.warn(self.ui);
            }
        }
        Ok(())
    }

    fn parts(
        &self,
        notes: &Notes,
        cancellation: &Arc<Cancellation>,
    ) -> Result<RunnerParts, Failure> {
        let mut options = options(self.nodes, self.opened, None, self.selected)?;
        if !self.deferred.is_empty() {
            options.defer.clone_from(self.deferred);
            options.favor_state = true;
        }
        options.earlier = Some(Arc::new(notes.earlier()));
        Ok(RunnerParts {
            shared: self.opened.parsed.shared.clone(),
            warehouse: Arc::new(self.weir.clone()),
            runtime: Handle::current(),
            observer: Arc::new(()),
            publication: Arc::new(PerModel),
            cancellation: cancellation.clone(),
            options,
        })
    }

    async fn outlooks(&self, notes: &Notes) -> Result<Vec<Outlook>, Failure> {
        let cancellation = Arc::new(Cancellation::default());
        let runner = Runner::new(self.parts(notes, &cancellation)?);
        let selected = self.selected.to_vec();
        cancellable(&cancellation, move || runner.outlook(&selected)).await
    }

    /// Returns the nodes that would be built, with the changes of their columns.
    async fn rebuilt(
        &self,
        manifest: &Manifest,
        checked: &Checked,
        outlooks: &[Outlook],
    ) -> Result<Vec<Rebuilt>, Failure> {
        let planned: HashMap<&UniqueId, &Value> = checked
            .planned
            .iter()
            .map(|(id, found)| (id, found))
            .collect();
        let current = columns::current(self.weir).await?;
        let mut rebuilt = Vec::new();
        for outlook in outlooks {
            let (Some(reason), Some(node)) = (&outlook.reason, manifest.nodes.get(&outlook.id))
            else {
                continue;
            };
            let before = current.get(&(node.schema.clone(), node.alias.clone()));
            let after = planned.get(&outlook.id);
            rebuilt.push(Rebuilt {
                id: outlook.id.clone(),
                name: format!("{}.{}", node.schema, node.alias),
                reason: reason.clone(),
                columns: columns::changes(before, after.copied()),
                difference: None,
            });
        }
        Ok(rebuilt)
    }

    /// Builds everything where nobody sees it, compares, and gives it up.
    async fn differences(
        &self,
        manifest: &Arc<Manifest>,
        notes: Notes,
        rebuilt: &[Rebuilt],
    ) -> Result<HashMap<UniqueId, Difference>, Failure> {
        let cancellation = Arc::new(Cancellation::default());
        let mut parts = self.parts(&notes, &cancellation)?;
        let existing = columns::current(self.weir).await?;
        let trial = Arc::new(Trial::new(
            self.weir.clone(),
            Handle::current(),
            manifest.clone(),
            existing,
        ));
        parts.publication = trial.clone();
        let runner = Runner::new(parts);
        let wanted: HashSet<UniqueId> = rebuilt.iter().map(|node| node.id.clone()).collect();
        let all: Vec<UniqueId> = self
            .selected
            .iter()
            .filter(|id| wanted.contains(*id))
            .cloned()
            .collect();
        let report: Result<Report, _> =
            cancellable(&cancellation, move || runner.run(Command::Build, &all)).await?;
        let report = report.map_err(|error| wrong(&[error], self.ui))?;
        if !report.succeeded() {
            for error in report
                .results
                .iter()
                .filter_map(|result| result.error.as_ref())
            {
                self.ui.problem(error.report());
            }
            return Err(Failure::new(format!(
                "the build for the comparison: {}",
                summary(&report)
            ))
            .with_hint("nothing was published; `weir build` shows more"));
        }
        Ok(trial.take())
    }

    fn answer(&self, rebuilt: &[Rebuilt], unchanged: usize, touched: &Touched, around: &Around) {
        for node in rebuilt {
            let kind = node.id.kind().map_or("node", |kind| kind.as_str());
            self.ui
                .answer(format!("{kind} {}  {}", node.name, node.reason));
            for change in &node.columns {
                self.ui.answer(format!("    {change}"));
            }
            for line in node.difference.iter().flat_map(Difference::lines) {
                self.ui.answer(format!("    {line}"));
            }
        }
        if !touched.nodes.is_empty() {
            self.ui.answer(format!(
                "Read what changes, and are not selected: {}",
                touched.nodes.join(", ")
            ));
        }
        for (name, what) in &touched.exposures {
            self.ui
                .answer(format!("Shows what changes: {name} ({what})"));
        }
        for shown in around.shown() {
            self.ui.answer(format!("Shows what changes: {shown}"));
        }
        self.ui.status(format!(
            "{} would be built, {unchanged} would stay as they are.",
            rebuilt.len()
        ));
    }

    fn answer_json(
        &self,
        rebuilt: &[Rebuilt],
        unchanged: usize,
        touched: &Touched,
        around: &Around,
    ) {
        let nodes = rebuilt.iter().map(|node| {
            json!({
                "node": node.id.as_str(),
                "relation": node.name,
                "reason": node.reason,
                "columns": node.columns.iter().map(ColumnChange::to_json).collect::<Vec<_>>(),
                "rows": node.difference.as_ref().map(Difference::to_json),
            })
        });
        self.ui.answer_json(&json!({
            "build": nodes.collect::<Vec<_>>(),
            "unchanged": unchanged,
            "downstream": touched.nodes,
            "exposures": touched.exposures,
            "around": around,
        }));
    }
}

/// What else reads nodes that would be built.
struct Touched {
    /// Nodes that are not built along.
    nodes: Vec<String>,
    /// What people look at: kinds by name.
    exposures: BTreeMap<String, String>,
}

fn touched(manifest: &Manifest, rebuilt: &[Rebuilt], selected: &[UniqueId]) -> Touched {
    let graph = Graph::new(manifest);
    let from: HashSet<UniqueId> = rebuilt.iter().map(|node| node.id.clone()).collect();
    let below = graph.descendants(&from, None);
    let mut nodes: Vec<String> = below
        .iter()
        .filter(|id| !selected.contains(id))
        .filter_map(|id| manifest.nodes.get(id))
        .filter(|node| node.is_refable() && !node.is_ephemeral())
        .map(|node| format!("{}.{}", node.schema, node.alias))
        .collect();
    nodes.sort();
    let exposures = below.iter().filter_map(|id| manifest.exposures.get(id));
    Touched {
        nodes,
        exposures: exposures
            .map(|exposure| {
                let name = exposure.label.as_ref().unwrap_or(&exposure.name);
                let owner = &exposure.owner;
                let owner = owner["name"].as_str().or(owner["email"].as_str());
                let what = match owner {
                    Some(owner) => format!("{} of {owner}", exposure.kind),
                    None => exposure.kind.clone(),
                };
                (name.clone(), what)
            })
            .collect(),
    }
}

impl WeirWarehouse {
    /// Returns the rows of a query, in the transaction under way.
    async fn rows(&self, sql: &str) -> Result<Vec<Vec<Value>>, Failure> {
        let rows = self.ask(sql).await;
        rows.map_err(|error| Failure::new(error.message.clone()))
    }
}
