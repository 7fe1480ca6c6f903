//! Commands about the project as a whole: packages, operations, freshness, housekeeping.

use std::sync::Arc;

use serde_json::json;
use tokio::runtime::Handle;
use weir_model::ModelErrorKind;
use weir_model::artifact;
use weir_model::context::{Cancellation, Flags};
use weir_model::project::{DepsOptions, install};
use weir_model::run::{FreshnessStatus, PerModel, Runner, RunnerParts};

use super::arguments::{RunArgs, SelectArgs};
use super::artifacts;
use super::command::{Nodes, Operation, Project};
use super::opened::{Opened, open, wrong};
use super::run::{cancellable, flags, options};
use super::selection::{select, state_of};
use super::stopped::Stopped;
use crate::command::Global;
use crate::failure::{Explain, Failure};
use crate::ui::Ui;

/// Opens the project and its warehouse, and lets blocking work have a runner.
pub(crate) async fn with_runner<T: Send + 'static>(
    which: &str,
    nodes: Nodes,
    global: &Global,
    ui: &Ui,
    work: impl FnOnce(&Opened, &Runner, &Ui) -> Result<T, Stopped> + Send + 'static,
) -> Result<T, Stopped> {
    let opened = Arc::new(open(&nodes.project, flags(which, &nodes), ui)?);
    let previous = state_of(&nodes.select, &opened)?;
    let (warehouse, weir) = opened.warehouse(global, ui).await?;
    let cancellation = Arc::new(Cancellation::default());
    let runner = Runner::new(RunnerParts {
        shared: opened.parsed.shared.clone(),
        warehouse,
        runtime: Handle::current(),
        observer: Arc::new(()),
        publication: Arc::new(PerModel),
        cancellation: cancellation.clone(),
        options: options(&nodes, &opened, previous.as_ref(), &[])?,
    });
    let (shown, held) = (ui.clone(), opened.clone());
    let done = cancellable(&cancellation, move || work(&held, &runner, &shown)).await;
    opened.said.show(ui);
    if let Some((server, _)) = weir {
        server.leave().await?;
    }
    done?
}

/// `weir run-operation`.
pub(crate) async fn operation(args: Operation, global: &Global, ui: &Ui) -> Result<(), Stopped> {
    let arguments = match &args.args {
        Some(text) => weir_model::project::vars_of(text).map_err(|error| wrong(&[error], ui))?,
        None => Default::default(),
    };
    let nodes = Nodes {
        project: args.project,
        select: SelectArgs::default(),
        run: RunArgs::default(),
    };
    with_runner("run-operation", nodes, global, ui, move |_, runner, ui| {
        let value = runner
            .run_operation(&args.name, &arguments)
            .map_err(|error| {
                let kind = error.kind();
                let failure = wrong(&[error], ui);
                match kind {
                    ModelErrorKind::MissingReference => Stopped::Error(failure),
                    _ => Stopped::Nodes(failure),
                }
            })?;
        if ui.is_json() {
            ui.answer_json(&json!({ "macro": args.name, "value": value }));
        }
        Ok(())
    })
    .await
}

/// `weir freshness`.
pub(crate) async fn freshness(nodes: Nodes, global: &Global, ui: &Ui) -> Result<(), Stopped> {
    let chosen = nodes.select.clone();
    let stale = with_runner("freshness", nodes, global, ui, move |opened, runner, ui| {
        let selected = select(opened, &chosen, None, ui)?;
        let began = std::time::Instant::now();
        let results = runner.freshness(&selected);
        let mut stale = 0;
        for result in &results {
            let is_bad = result.status != FreshnessStatus::Pass;
            stale += usize::from(matches!(
                result.status,
                FreshnessStatus::Error | FreshnessStatus::RuntimeError
            ));
            if ui.is_json() {
                ui.answer_json(&result.to_json());
                continue;
            }
            let age = match result.max_loaded_at {
                Some(_) => format!("newest row is {} old", span(result.age)),
                None => String::new(),
            };
            ui.outcome(result.status.as_str(), is_bad, result.id.as_str(), &age, "");
            if let Some(error) = &result.error {
                ui.detail(error.report());
            }
        }
        let seconds = began.elapsed().as_secs_f64();
        let at = artifacts::now();
        let sources = artifact::sources_json(&opened.manifest(), &results, seconds, &at);
        artifacts::write(opened, "sources.json", &sources)?;
        Ok(stale)
    })
    .await?;
    let message = match stale {
        0 => return Ok(()),
        1 => "a source is stale".to_owned(),
        count => format!("{count} sources are stale"),
    };
    Err(Stopped::Nodes(Failure::new(message)))
}

/// Writes seconds as people say them.
fn span(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7_200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3_600.0),
        s => format!("{:.1} days", s / 86_400.0),
    }
}

/// `weir deps`.
pub(crate) fn deps(args: &Project, ui: &Ui) -> Result<(), Failure> {
    let options = DepsOptions {
        load: super::opened::load_options(&args.project, ui)?,
        mirror: std::env::var_os("WEIR_PACKAGES_MIRROR").map(Into::into),
    };
    let installed = install(&options).map_err(|errors| wrong(&errors, ui))?;
    for package in &installed {
        let version = package.version.as_deref().unwrap_or("without version");
        if ui.is_json() {
            ui.answer_json(&json!({ "package": package.name, "version": package.version, "from": package.from }));
        } else {
            ui.headed(
                "Installed",
                format!("{} {version} from {}", package.name, package.from),
            );
        }
    }
    if installed.is_empty() && !ui.is_json() {
        ui.status("The project asks for no packages.");
    }
    Ok(())
}

/// `weir clean`.
pub(crate) fn clean(args: &Project, ui: &Ui) -> Result<(), Failure> {
    let opened = open(&args.project, which("clean"), ui)?;
    let root = opened.project.root();
    let inside = opened
        .folder
        .canonicalize()
        .explain(|| "cannot find the project".into())?;
    for folder in &root.clean_targets {
        let path = opened.folder.join(folder);
        let Ok(path) = path.canonicalize() else {
            continue;
        };
        // What lies elsewhere, or holds the project itself, is not ours to remove.
        if !path.starts_with(&inside) || path == inside {
            return Err(Failure::new(format!(
                "`{folder}` of clean-targets is not within the project"
            )));
        }
        std::fs::remove_dir_all(&path).explain(|| format!("cannot remove `{}`", path.display()))?;
        ui.status(format!("Removed {folder}."));
    }
    Ok(())
}

/// `weir debug`.
pub(crate) async fn debug(args: &Project, global: &Global, ui: &Ui) -> Result<(), Failure> {
    let opened = open(&args.project, which("debug"), ui)?;
    let target = &opened.project.target;
    let (warehouse, weir) = opened.warehouse(global, ui).await?;
    let answers = async {
        let mut connection = warehouse.connect("debug").await?;
        connection
            .execute("select 1 as one", weir_model::warehouse::Fetch::All)
            .await
    };
    let answers = answers.await;
    let url = weir
        .as_ref()
        .map(|(_, weir)| weir.client().url().to_owned());
    if let Some((server, _)) = weir {
        server.leave().await?;
    }
    answers.explain(|| "the target does not answer".into())?;
    let facts = json!({
        "project": opened.project.name.to_string(),
        "folder": opened.folder,
        "profile": target.profile_name,
        "target": target.name,
        "type": target.kind,
        "database": target.database,
        "schema": target.schema,
        "server": url,
        "answers": true,
    });
    if ui.is_json() {
        ui.answer_json(&facts);
        return Ok(());
    }
    for (name, value) in facts.as_object().into_iter().flatten() {
        match value.as_str() {
            Some(text) => ui.answer(format!("{name}: {text}")),
            None => ui.answer(format!("{name}: {value}")),
        }
    }
    Ok(())
}

fn which(word: &str) -> Flags {
    Flags {
        which: word.to_owned(),
        ..Flags::default()
    }
}
