//! Building, running, testing: commands that run nodes.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio::runtime::Handle;
use weir_model::artifact::PreviousState;
use weir_model::context::{Cancellation, Flags};
use weir_model::node::UniqueId;
use weir_model::run::{
    Command, Earlier, PerModel, Publication, Report, Retry, RunOptions, Runner, RunnerParts, Span,
};
use weir_model::warehouse::{RelationName, Warehouse};

use super::arguments::{RunArgs, SelectArgs};
use super::check::Checked;
use super::command::{Again, Nodes};
use super::earlier::Notes;
use super::environment::Environment;
use super::opened::{Opened, open, wrong};
use super::progress::{Progress, summary};
use super::publish::{AtOnce, Outcome};
use super::selection::{select, state_of};
use super::stopped::Stopped;
use super::warehouse::WeirWarehouse;
use super::{artifacts, check, time};
use crate::command::Global;
use crate::failure::{Explain, Failure};
use crate::house::StopSignals;
use crate::ui::Ui;

/// Returns dbt's word for a command.
pub(crate) fn word(command: Command) -> &'static str {
    match command {
        Command::Build => "build",
        Command::Run => "run",
        Command::Test => "test",
        Command::Seed => "seed",
        Command::Snapshot => "snapshot",
        Command::Compile => "compile",
        Command::Clone => "clone",
        _ => "run",
    }
}

/// Returns what templates see of the command line.
pub(crate) fn flags(which: &str, nodes: &Nodes) -> Flags {
    let Nodes {
        project,
        select,
        run,
    } = nodes;
    let mut others = Map::new();
    let mut note = |name: &str, value: Value| {
        if !value.is_null() && value != json!([]) {
            others.insert(name.to_owned(), value);
        }
    };
    note("select", json!(select.select));
    note("exclude", json!(select.exclude));
    note("selector", json!(select.selector));
    note("target", json!(project.target));
    note("threads", json!(project.threads));
    note("sample", json!(run.sample));
    note("event_time_start", json!(run.event_time_start));
    note("event_time_end", json!(run.event_time_end));
    note("indirect_selection", json!(select.indirect_selection));
    Flags {
        which: which.to_owned(),
        full_refresh: run.full_refresh,
        store_failures: run.store_failures,
        fail_fast: run.fails_fast(),
        empty: run.empty,
        defer: select.defer,
        favor_state: select.favors_state(),
        warn_error: project.is_strict(),
        quiet: project.is_quiet(),
        others,
    }
}

/// Returns what templates see when a schedule builds: nobody has typed anything.
pub(crate) fn flags_of_runs() -> Flags {
    let nodes = Nodes {
        project: Default::default(),
        select: SelectArgs {
            indirect_selection: "eager".into(),
            ..SelectArgs::default()
        },
        run: RunArgs::default(),
    };
    flags(word(Command::Build), &nodes)
}

/// Runs what a command does with the selected nodes.
pub(crate) async fn run(
    command: Command,
    nodes: Nodes,
    global: &Global,
    ui: &Ui,
) -> Result<(), Stopped> {
    let opened = Arc::new(open(&nodes.project, flags(word(command), &nodes), ui)?);
    let previous = state_of(&nodes.select, &opened)?;
    let selected = select(&opened, &nodes.select, previous.as_ref(), ui)?;
    carry_out(
        command,
        nodes,
        (opened, selected),
        previous,
        HashMap::new(),
        (global, ui),
    )
    .await
}

/// `weir retry`.
pub(crate) async fn again(again: Again, global: &Global, ui: &Ui) -> Result<(), Stopped> {
    let mut nodes = Nodes {
        project: again.project,
        select: SelectArgs {
            indirect_selection: "eager".into(),
            ..SelectArgs::default()
        },
        run: again.run,
    };
    let flags_then = flags("retry", &nodes);
    let opened = open(&nodes.project, flags_then, ui)?;
    let folder = match &again.state {
        Some(folder) => opened.folder.join(folder),
        None => opened.target_dir(),
    };
    let path = folder.join("run_results.json");
    let text =
        std::fs::read_to_string(&path).explain(|| format!("cannot read `{}`", path.display()));
    let text =
        text.map_err(|failure| failure.with_hint("there is nothing to run again before a run"))?;
    let results: Value = serde_json::from_str(&text)
        .explain(|| format!("`{}` is not the result of a run", path.display()))?;
    as_then(&mut nodes, &results["args"]);
    let retry = Retry::of(&results, &opened.manifest()).map_err(|error| wrong(&[error], ui))?;
    let command = match retry.which.as_str() {
        "build" => Command::Build,
        "run" => Command::Run,
        "test" => Command::Test,
        "seed" => Command::Seed,
        "snapshot" => Command::Snapshot,
        "compile" => Command::Compile,
        "clone" => Command::Clone,
        other => return Err(Failure::new(format!("`{other}` cannot be run again")).into()),
    };
    if retry.selected.is_empty() {
        ui.status("Nothing failed the last time.");
        return Ok(());
    }
    // With what that run was told, as far as this command was told nothing else.
    let opened = Arc::new(open(&nodes.project, flags(word(command), &nodes), ui)?);
    let publishes = matches!(
        command,
        Command::Build | Command::Run | Command::Seed | Command::Snapshot
    );
    let selected = match opened.is_here && publishes && !nodes.run.publish_each {
        // What was built then was never published.
        true => attempted(&results, &opened),
        false => retry.selected,
    };
    carry_out(
        command,
        nodes,
        (opened, selected),
        None,
        retry.batches,
        (global, ui),
    )
    .await
}

/// Takes over what a run was told.
fn as_then(nodes: &mut Nodes, args: &Value) {
    let flag = |key: &str| args[key] == true;
    let text = |key: &str| args[key].as_str().map(str::to_owned);
    let (project, run) = (&mut nodes.project, &mut nodes.run);
    project.target = project.target.take().or_else(|| text("target"));
    project.vars = project.vars.take().or_else(|| text("vars"));
    run.full_refresh |= flag("full_refresh");
    run.store_failures |= flag("store_failures");
    run.fail_fast |= flag("fail_fast");
    run.empty |= flag("empty");
    run.publish_each |= flag("publish_each");
    run.sample = run.sample.take().or_else(|| text("sample"));
    let start = run.event_time_start.take();
    run.event_time_start = start.or_else(|| text("event_time_start"));
    let end = run.event_time_end.take();
    run.event_time_end = end.or_else(|| text("event_time_end"));
}

/// Returns all that a run was to do and is still in the project.
fn attempted(results: &Value, opened: &Opened) -> Vec<UniqueId> {
    let manifest = opened.manifest();
    let all = results["results"].as_array().into_iter().flatten();
    let ids = all.filter_map(|result| result["unique_id"].as_str().map(UniqueId::from));
    ids.filter(|id| manifest.nodes.contains_key(id) || manifest.unit_tests.contains_key(id))
        .filter(|id| !id.as_str().starts_with("operation."))
        .collect()
}

/// Does a command's work on the selected nodes.
async fn carry_out(
    command: Command,
    nodes: Nodes,
    (opened, selected): (Arc<Opened>, Vec<UniqueId>),
    previous: Option<PreviousState>,
    batches: HashMap<UniqueId, Vec<Span>>,
    (global, ui): (&Global, &Ui),
) -> Result<(), Stopped> {
    let (warehouse, weir) = opened.warehouse(global, ui).await?;
    let (server, weir) = weir.unzip();
    let environment = match &weir {
        Some(weir) => Environment::of(&opened, weir, &nodes.select, selected).await?,
        None => Environment {
            selected,
            ..Environment::default()
        },
    };
    if environment.unchanged > 0 && !nodes.project.is_quiet() {
        ui.status(format!(
            "{} of the selected are as they are in production, and read from there; \
             --no-defer builds them.",
            environment.unchanged
        ));
    }
    let selected = environment.selected;
    let work = Work {
        command,
        nodes: &nodes,
        opened: &opened,
        warehouse,
        weir,
        previous,
        deferred: environment.deferred,
        batches,
        ui,
    };
    let done = work.run(selected).await;
    if let Some(server) = server {
        server.leave().await?;
    }
    done
}

struct Work<'a> {
    command: Command,
    nodes: &'a Nodes,
    opened: &'a Arc<Opened>,
    warehouse: Arc<dyn Warehouse>,
    /// This Weir, where models are built in it.
    weir: Option<WeirWarehouse>,
    previous: Option<PreviousState>,
    /// What is read from production in the place of relations of this environment.
    deferred: HashMap<UniqueId, RelationName>,
    /// Batches of microbatch models, where only some are to run.
    batches: HashMap<UniqueId, Vec<Span>>,
    ui: &'a Ui,
}

impl Work<'_> {
    async fn run(self, selected: Vec<UniqueId>) -> Result<(), Stopped> {
        let (opened, ui) = (self.opened, self.ui);
        let manifest = opened.manifest();
        let run = &self.nodes.run;
        let changes = matches!(
            self.command,
            Command::Build | Command::Run | Command::Seed | Command::Snapshot
        );
        let mut options = options(self.nodes, opened, self.previous.as_ref(), &selected)?;
        options.batches.clone_from(&self.batches);
        if !self.deferred.is_empty() {
            options.defer.clone_from(&self.deferred);
            options.favor_state = true;
        }
        let mut at_once = None;
        if let Some(weir) = self.weir.as_ref().filter(|_| changes) {
            let is_whole = !run.empty && run.sample.is_none();
            let is_usual = is_whole
                && !run.publish_each
                && !run.force
                && !run.full_refresh
                && run.event_time_start.is_none()
                && run.event_time_end.is_none();
            let mut notes = Notes::read(opened, weir, &self.deferred, is_whole).await?;
            if !run.no_check {
                let earlier = is_usual.then(|| Arc::new(notes.earlier()));
                let checked = self.check(weir, &selected, earlier).await?;
                notes.learn(&checked);
                // As it is rendered when it is built, unless that reads other relations or rows.
                if is_whole && (options.defer.is_empty() || !self.deferred.is_empty()) {
                    options.rendered = checked.rendered;
                }
            }
            if !run.publish_each {
                options.earlier = is_usual.then(|| Arc::new(notes.earlier()));
                at_once = Some(Arc::new(AtOnce::new(
                    weir.clone(),
                    Handle::current(),
                    manifest.clone(),
                    about(opened, word(self.command)),
                    Arc::new(notes),
                )));
            }
        }
        let publication: Arc<dyn Publication> = match &at_once {
            Some(at_once) => at_once.clone(),
            None => Arc::new(PerModel),
        };
        let quiet = self.nodes.project.is_quiet();
        let progress = Arc::new(Progress::new(
            manifest.clone(),
            opened.said.clone(),
            ui.clone(),
            quiet,
        ));
        let cancellation = Arc::new(Cancellation::default());
        let runner = Runner::new(RunnerParts {
            shared: opened.parsed.shared.clone(),
            warehouse: self.warehouse.clone(),
            runtime: Handle::current(),
            observer: progress.clone(),
            publication,
            cancellation: cancellation.clone(),
            options,
        });
        let command = self.command;
        let report = cancellable(&cancellation, move || runner.run(command, &selected)).await;
        progress.end();
        let report = report?.map_err(|error| wrong(&[error], ui))?;
        if !quiet {
            opened.said.show(ui);
        }
        artifacts::write_results(opened, &report, self.nodes)?;
        progress.repeat(&report);
        let concluded = self.conclude(&report, at_once.as_deref());
        concluded.map_err(Stopped::Nodes)
    }

    /// Plans all that is to be built, before any of it is.
    async fn check(
        &self,
        weir: &WeirWarehouse,
        selected: &[UniqueId],
        earlier: Option<Arc<Earlier>>,
    ) -> Result<Checked, Failure> {
        let is_built = |id: &&UniqueId| id.kind().is_some_and(|kind| self.command.takes(kind));
        let built: Vec<UniqueId> = selected.iter().filter(is_built).cloned().collect();
        let checked = check::plan(self.opened, weir, &built, &self.deferred, earlier).await?;
        if checked.errors.is_empty() {
            if !self.ui.is_json() && !self.nodes.project.is_quiet() {
                checked.tell_unjudged(self.ui);
                checked.warn_of_division(self.opened, self.ui);
                checked.around.warn(self.ui);
            }
            return Ok(checked);
        }
        Err(wrong(&checked.errors, self.ui)
            .with_hint("nothing was built; --no-check builds what can be built"))
    }

    /// Says how it went.
    fn conclude(&self, report: &Report, at_once: Option<&AtOnce>) -> Result<(), Failure> {
        let outcome = at_once.map(AtOnce::outcome).unwrap_or_default();
        if self.ui.is_json() {
            let (published, relations) = match &outcome {
                Outcome::Published { id, relations, .. } => (Some(id.as_str()), Some(*relations)),
                _ => (None, None),
            };
            self.ui.answer_json(&json!({
                "summary": summary(report),
                "succeeded": report.succeeded(),
                "publication": published,
                "relations": relations,
            }));
        } else if !self.nodes.project.is_quiet() || !report.succeeded() {
            self.ui.status(format!("{}.", summary(report)));
            match &outcome {
                Outcome::Published { relations: 0, .. } => {
                    self.ui.status("Nothing was to be published.");
                }
                Outcome::Published { id, relations, .. } => self.ui.status(format!(
                    "Published {relations} tables and views together, as {id}."
                )),
                _ => {}
            }
        }
        if let Outcome::Published { refused, .. } = &outcome
            && !refused.is_empty()
        {
            return Err(Failure::new(format!(
                "everything was published, but grants were refused: {}",
                refused.join("; ")
            ))
            .with_hint("make the users or roles they name, and build again"));
        }
        if report.succeeded() {
            return Ok(());
        }
        let failure = Failure::new(match report.cancelled {
            true => "the run was cancelled",
            false => "something failed",
        });
        Err(match outcome {
            Outcome::Discarded => failure.with_hint(
                "nothing was published: readers see what was there before; \
                 --publish-each publishes each model when it is built",
            ),
            _ => failure,
        })
    }
}

/// Runs blocking work that Ctrl-C and SIGTERM end in order.
pub(crate) async fn cancellable<T: Send + 'static>(
    cancellation: &Arc<Cancellation>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let stop = StopSignals::listen()?;
    let mut work = tokio::task::spawn_blocking(work);
    tokio::select! {
        done = &mut work => return done.explain(|| "the work ended in the middle".into()),
        () = stop.wait() => {}
    }
    cancellation.cancel().await;
    work.await.explain(|| "the work ended in the middle".into())
}

/// Returns what a publication says of itself.
fn about(opened: &Opened, command: &str) -> Map<String, Value> {
    let mut about = Map::new();
    about.insert(
        "project".into(),
        Value::from(opened.project.name.to_string()),
    );
    about.insert(
        "target".into(),
        Value::from(opened.project.target.name.clone()),
    );
    about.insert("command".into(), Value::from(command));
    about.insert(
        "invocation".into(),
        Value::from(opened.parsed.shared.invocation.id.clone()),
    );
    if let Some(commit) = git_commit(&opened.folder) {
        about.insert("git".into(), Value::from(commit));
    }
    about
}

/// Returns the commit of the project's code, and whether files differ from it.
pub(crate) fn git_commit(folder: &std::path::Path) -> Option<String> {
    let git = |arguments: &[&str]| {
        let done = std::process::Command::new("git")
            .arg("-C")
            .arg(folder)
            .args(arguments)
            .stderr(std::process::Stdio::null())
            .output()
            .ok()?;
        let text = String::from_utf8(done.stdout).ok()?;
        done.status.success().then(|| text.trim().to_owned())
    };
    let commit = git(&["rev-parse", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--", "."]).is_none_or(|text| !text.is_empty());
    Some(match changed {
        true => format!("{commit}, with changes"),
        false => commit,
    })
}

/// Returns the options of a run.
pub(crate) fn options(
    nodes: &Nodes,
    opened: &Opened,
    previous: Option<&PreviousState>,
    selected: &[UniqueId],
) -> Result<RunOptions, Failure> {
    let RunArgs {
        empty,
        sample,
        event_time_start,
        event_time_end,
        ..
    } = &nodes.run;
    let moment = |text: &Option<String>, flag: &str| match text {
        None => Ok(None),
        Some(text) => time::moment(text).map(Some).ok_or_else(|| {
            Failure::new(format!("--{flag} takes a time, not `{text}`"))
                .with_hint("write it like 2024-01-31 or 2024-01-31T12:00:00")
        }),
    };
    let sample = match sample {
        None => None,
        Some(text) => Some(
            time::span(text, opened.parsed.shared.invocation.started_at).ok_or_else(|| {
                Failure::new(format!("--sample takes a span of time, not `{text}`")).with_hint(
                    "write it like \"3 days\" or \"{'start': '2024-01-01', 'end': '2024-02-01'}\"",
                )
            })?,
        ),
    };
    Ok(RunOptions {
        threads: opened.project.target.threads,
        fail_fast: nodes.run.fails_fast(),
        empty: *empty,
        sample,
        event_time_start: moment(event_time_start, "event-time-start")?,
        event_time_end: moment(event_time_end, "event-time-end")?,
        defer: deferred(&nodes.select, opened, previous, selected),
        favor_state: nodes.select.favors_state(),
        target_dir: Some(opened.target_dir()),
        ..RunOptions::default()
    })
}

/// Returns where nodes that are not built here are read, when that is elsewhere.
fn deferred(
    select: &SelectArgs,
    opened: &Opened,
    previous: Option<&PreviousState>,
    selected: &[UniqueId],
) -> HashMap<UniqueId, RelationName> {
    let Some(previous) = previous.filter(|_| select.defer && !select.no_defer) else {
        return HashMap::new();
    };
    let manifest = opened.manifest();
    let others = manifest.nodes.keys().filter(|id| !selected.contains(id));
    others
        .filter_map(|id| {
            let then = previous.node(id.as_str())?;
            let text = |key: &str| then[key].as_str().map(str::to_owned);
            then["relation_name"].as_str()?;
            let relation = RelationName {
                database: text("database"),
                schema: text("schema")?,
                name: text("alias")?,
            };
            Some((id.clone(), relation))
        })
        .collect()
}
