//! Building, running, testing: commands that run nodes.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio::runtime::Handle;
use weir_model::artifact::PreviousState;
use weir_model::context::{Cancellation, Flags};
use weir_model::node::UniqueId;
use weir_model::run::{Command, PerModel, Publication, Report, RunOptions, Runner, RunnerParts};
use weir_model::warehouse::{RelationName, Warehouse};

use super::arguments::{RunArgs, SelectArgs};
use super::check::Checked;
use super::command::Nodes;
use super::earlier::Notes;
use super::opened::{Opened, open, wrong};
use super::progress::{Progress, summary};
use super::publish::{AtOnce, Outcome};
use super::selection::{select, state_of};
use super::warehouse::WeirWarehouse;
use super::{artifacts, check, time};
use crate::command::Global;
use crate::failure::{Explain, Failure};
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
        fail_fast: run.fail_fast,
        empty: run.empty,
        defer: select.defer,
        favor_state: select.favor_state,
        warn_error: project.warn_error,
        quiet: project.quiet,
        others,
    }
}

/// Runs what a command does with the selected nodes.
pub(crate) async fn run(
    command: Command,
    nodes: Nodes,
    global: &Global,
    ui: &Ui,
) -> Result<(), Failure> {
    let opened = Arc::new(open(&nodes.project, flags(word(command), &nodes), ui)?);
    let previous = state_of(&nodes.select, &opened)?;
    let selected = select(&opened, &nodes.select, previous.as_ref(), ui)?;
    let (warehouse, weir) = opened.warehouse(global, ui).await?;
    let (server, weir) = weir.unzip();
    let work = Work {
        command,
        nodes: &nodes,
        opened: &opened,
        warehouse,
        weir,
        previous,
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
    ui: &'a Ui,
}

impl Work<'_> {
    async fn run(self, selected: Vec<UniqueId>) -> Result<(), Failure> {
        let (opened, ui) = (self.opened, self.ui);
        let manifest = opened.manifest();
        let run = &self.nodes.run;
        let changes = matches!(
            self.command,
            Command::Build | Command::Run | Command::Seed | Command::Snapshot
        );
        let mut options = options(self.nodes, opened, self.previous.as_ref(), &selected)?;
        let mut at_once = None;
        if let Some(weir) = self.weir.as_ref().filter(|_| changes) {
            let checked = match run.no_check {
                true => None,
                false => Some(self.check(weir, &selected).await?),
            };
            if !run.publish_each {
                let is_whole = !run.empty && run.sample.is_none();
                let notes = Notes::read(&manifest, weir, checked.as_ref(), is_whole).await?;
                let is_usual = is_whole
                    && !run.force
                    && !run.full_refresh
                    && run.event_time_start.is_none()
                    && run.event_time_end.is_none();
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
        let quiet = self.nodes.project.quiet;
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
        self.conclude(&report, at_once.as_deref())
    }

    /// Plans all that is to be built, before any of it is.
    async fn check(&self, weir: &WeirWarehouse, selected: &[UniqueId]) -> Result<Checked, Failure> {
        let is_built = |id: &&UniqueId| id.kind().is_some_and(|kind| self.command.takes(kind));
        let built: Vec<UniqueId> = selected.iter().filter(is_built).cloned().collect();
        let checked = check::plan(self.opened, weir, &built).await?;
        if checked.errors.is_empty() {
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
        } else if !self.nodes.project.quiet || !report.succeeded() {
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
    let mut work = tokio::task::spawn_blocking(work);
    tokio::select! {
        done = &mut work => return done.explain(|| "the work ended in the middle".into()),
        signal = crate::house::stop_signal() => signal?,
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
fn git_commit(folder: &std::path::Path) -> Option<String> {
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
        fail_fast,
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
        fail_fast: *fail_fast,
        empty: *empty,
        sample,
        event_time_start: moment(event_time_start, "event-time-start")?,
        event_time_end: moment(event_time_end, "event-time-end")?,
        defer: deferred(&nodes.select, opened, previous, selected),
        favor_state: nodes.select.favor_state,
        target_dir: Some(opened.target_dir()),
        batches: HashMap::new(),
        earlier: None,
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
