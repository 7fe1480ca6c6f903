//! The files that other tools read: manifest.json and its kin.

use std::path::Path;

use serde_json::{Map, Value, json};
use weir_model::artifact;
use weir_model::run::Report;

use super::command::{Nodes, Project};
use super::opened::{Opened, open};
use super::operate::with_runner;
use crate::command::Global;
use crate::failure::{Explain, Failure};
use crate::ui::Ui;

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
pub(crate) async fn docs(nodes: Nodes, global: &Global, ui: &Ui) -> Result<(), Failure> {
    with_runner("generate", nodes, global, ui, |opened, runner, ui| {
        let tables = runner
            .catalog()
            .map_err(|error| super::opened::wrong(&[error], ui))?;
        let manifest = opened.manifest();
        let at = now();
        let catalog = json!({
            "metadata": metadata(opened, "catalog/v1", &at),
            "nodes": named(&tables, |id| manifest.nodes.contains_key(id)),
            "sources": named(&tables, |id| manifest.sources.contains_key(id)),
            "errors": Value::Null,
        });
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

fn named(
    tables: &[weir_model::run::CatalogTable],
    is_one: impl Fn(&weir_model::node::UniqueId) -> bool,
) -> Value {
    let tables = tables.iter().filter(|table| is_one(&table.id));
    let entries = tables.map(|table| (table.id.as_str().to_owned(), table.to_json()));
    Value::Object(entries.collect())
}

fn metadata(opened: &Opened, schema: &str, at: &str) -> Value {
    json!({
        "dbt_schema_version": format!("https://schemas.getdbt.com/dbt/{schema}.json"),
        "dbt_version": weir_model::DBT_VERSION,
        "generated_at": at,
        "invocation_id": opened.parsed.shared.invocation.id,
        "env": {},
    })
}

fn now() -> String {
    chrono::Utc::now()
        .format("%Y-%m-%dT%H:%M:%S%.6fZ")
        .to_string()
}

/// Writes the manifest, as every command does.
pub(crate) fn write_manifest(opened: &Opened) -> Result<(), Failure> {
    let manifest = artifact::manifest_json(&opened.manifest());
    write(opened, "manifest.json", &manifest)
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
    args.insert("full_refresh".into(), json!(nodes.run.full_refresh));
    let results = json!({
        "metadata": metadata(opened, "run-results/v6", &now()),
        "results": report.results_json(),
        "elapsed_time": report.seconds,
        "args": args,
    });
    write(opened, "run_results.json", &results)
}

/// Writes a file below `target`, whole or not at all.
pub(crate) fn write(opened: &Opened, name: &str, value: &Value) -> Result<(), Failure> {
    let folder = opened.target_dir();
    let path = folder.join(name);
    let action = || format!("cannot write `{}`", path.display());
    std::fs::create_dir_all(&folder).explain(action)?;
    put(&path, &value.to_string()).explain(action)
}

fn put(path: &Path, text: &str) -> std::io::Result<()> {
    let draft = path.with_extension("json.new");
    std::fs::write(&draft, text)?;
    std::fs::rename(&draft, path)
}
