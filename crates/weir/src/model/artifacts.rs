//! The files that other tools read: manifest.json and its kin.

use std::path::Path;

use serde_json::{Map, Value, json};
use weir_model::artifact;
use weir_model::run::Report;

use super::command::{Nodes, Project, Serve};
use super::opened::{Opened, folder, open};
use super::operate::with_runner;
use super::stopped::Stopped;
use crate::client::Client;
use crate::command::Global;
use crate::failure::{Explain, Failure};
use crate::ui::Ui;

/// `weir docs serve`: the web application shows what dbt's page shows, and how it is now.
pub(crate) async fn shown(serve: &Serve, global: &Global, ui: &Ui) -> Result<(), Failure> {
    const START: &str = "start it with `weir up`";
    let folder = folder(&serve.project)?;
    let project = global.project_around(&folder)?.ok_or_else(|| {
        Failure::new("no Weir project is around these models yet")
            .with_hint(format!("build them once, or {START}"))
    })?;
    let config = project.config(ui)?;
    let running = Client::of_running(&project, &config).await;
    let running = running.ok_or_else(|| {
        Failure::new("the server of this project is not running").with_hint(START)
    })?;
    let url = format!("{}/models", running.url());
    match ui.is_json() {
        true => ui.answer_json(&json!({ "url": url })),
        false => ui.answer(&url),
    }
    Ok(())
}

/// `weir parse`.
pub(crate) fn parse(args: &Project, ui: &Ui) -> Result<(), Failure> {
    let began = std::time::Instant::now();
    let flags = weir_model::context::Flags {
        which: "parse".into(),
        ..Default::default()
    };
    let opened = open(&args.project, flags, ui)?;
    let took = began.elapsed();
    write_manifest(&opened)?;
    let manifest = opened.manifest();
    let counts = json!({
        "nodes": manifest.nodes.len(),
        "sources": manifest.sources.len(),
        "macros": manifest.macros.len(),
        "unit_tests": manifest.unit_tests.len(),
        "milliseconds": took.as_secs_f64() * 1e3,
    });
    if ui.is_json() {
        ui.answer_json(&counts);
    } else {
        ui.status(format!(
            "Read {} nodes, {} sources and {} macros in {:.0} ms.",
            counts["nodes"],
            counts["sources"],
            counts["macros"],
            took.as_secs_f64() * 1e3
        ));
    }
    Ok(())
}

/// `weir docs generate`.
pub(crate) async fn docs(nodes: Nodes, global: &Global, ui: &Ui) -> Result<(), Stopped> {
    with_runner("generate", nodes, global, ui, |opened, runner, ui| {
        let tables = runner
            .catalog()
            .map_err(|error| super::opened::wrong(&[error], ui))?;
        let catalog = artifact::catalog_json(&opened.manifest(), &tables, &now());
        write_manifest(opened)?;
        write(opened, "catalog.json", &catalog)?;
        ui.status(format!(
            "Described {} tables and views in {}.",
            tables.len(),
            opened.target_dir().join("catalog.json").display()
        ));
        Ok(())
    })
    .await
}

/// Returns this moment as artifacts write it.
pub(crate) fn now() -> String {
    chrono::Utc::now()
        .format("%Y-%m-%dT%H:%M:%S%.6fZ")
        .to_string()
}

/// Writes the manifest, as every command does.
pub(crate) fn write_manifest(opened: &Opened) -> Result<(), Failure> {
    write_text(
        opened,
        "manifest.json",
        &artifact::manifest_text(&opened.manifest()),
    )
}

/// Writes what a run came to.
pub(crate) fn write_results(
    opened: &Opened,
    report: &Report,
    nodes: &Nodes,
) -> Result<(), Failure> {
    write_manifest(opened)?;
    let mut args = Map::new();
    args.insert("which".into(), json!(opened.parsed.shared.flags.which));
    args.insert("select".into(), json!(nodes.select.select));
    args.insert("exclude".into(), json!(nodes.select.exclude));
    let run = &nodes.run;
    args.insert("full_refresh".into(), json!(run.full_refresh));
    args.insert("store_failures".into(), json!(run.store_failures));
    args.insert("fail_fast".into(), json!(run.fails_fast()));
    args.insert("empty".into(), json!(run.empty));
    args.insert("sample".into(), json!(run.sample));
    args.insert("event_time_start".into(), json!(run.event_time_start));
    args.insert("event_time_end".into(), json!(run.event_time_end));
    args.insert("publish_each".into(), json!(run.publish_each));
    args.insert("target".into(), json!(nodes.project.target));
    args.insert("vars".into(), json!(nodes.project.vars));
    let results = artifact::run_results_json(&opened.manifest(), report, &args, &now());
    write(opened, "run_results.json", &results)
}

/// Writes a file below `target`, whole or not at all.
pub(crate) fn write(opened: &Opened, name: &str, value: &Value) -> Result<(), Failure> {
    let text = serde_json::to_string(value).explain(|| format!("cannot write `{name}`"))?;
    write_text(opened, name, &text)
}

fn write_text(opened: &Opened, name: &str, text: &str) -> Result<(), Failure> {
    let folder = opened.target_dir();
    let path = folder.join(name);
    let action = || format!("cannot write `{}`", path.display());
    std::fs::create_dir_all(&folder).explain(action)?;
    put(&path, text).explain(action)
}

fn put(path: &Path, text: &str) -> std::io::Result<()> {
    let draft = path.with_extension("json.new");
    std::fs::write(&draft, text)?;
    std::fs::rename(&draft, path)
}
