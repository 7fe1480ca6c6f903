//! Planning all models against the real tables before any of them runs.

use std::collections::HashMap;
use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use weir_model::context::Cancellation;
use weir_model::graph::Graph;
use weir_model::node::{Manifest, ResourceKind, UniqueId};
use weir_model::run::{PerModel, RunOptions, Runner, RunnerParts};
use weir_model::{ModelError, ModelErrorKind};

use super::command::Nodes;
use super::opened::{Opened, open, wrong};
use super::run::{cancellable, flags};
use super::selection::{select, state_of};
use super::warehouse::WeirWarehouse;
use crate::command::Global;
use crate::failure::{Explain, Failure};
use crate::ui::Ui;

/// What planning a project found.
pub(crate) struct Checked {
    /// What is wrong, by model, in the order in which they would be built.
    pub(crate) errors: Vec<ModelError>,
    /// What each node would give, as the server tells it.
    pub(crate) planned: Vec<(UniqueId, Value)>,
}

impl Checked {
    /// Returns what the models would give.
    pub(crate) fn models(&self) -> impl Iterator<Item = &(UniqueId, Value)> {
        let planned = self.planned.iter();
        planned.filter(|(id, _)| id.kind() == Some(ResourceKind::Model))
    }
}

/// Plans the selected models, each over what those before it would give.
pub(crate) async fn plan(
    opened: &Arc<Opened>,
    weir: &WeirWarehouse,
    selected: &[UniqueId],
) -> Result<Checked, Failure> {
    let manifest = opened.manifest();
    let models = in_order(&manifest, selected);
    if models.is_empty() {
        return Ok(Checked {
            errors: Vec::new(),
            planned: Vec::new(),
        });
    }
    let compiled = compile(opened, weir, models).await?;
    let mut errors = Vec::new();
    let mut queries = Vec::new();
    for (id, sql) in compiled {
        match sql {
            Ok(sql) => queries.push((id, sql)),
            // Templates that ask tables which are yet to be built are for the run to judge.
            Err(error) if error.kind() == ModelErrorKind::Warehouse => {}
            Err(error) => errors.push(error),
        }
    }
    let body: Vec<Value> = queries
        .iter()
        .filter_map(|(id, sql)| {
            let node = manifest.nodes.get(id)?;
            Some(json!({ "schema": node.schema, "name": node.alias, "sql": &**sql }))
        })
        .collect();
    let answer = weir
        .call(Method::POST, "/api/v1/check", json!({ "queries": body }))
        .await;
    let answer = answer.explain(|| "the server cannot check the models".into())?;
    let outcomes = answer["outcomes"].as_array().cloned().unwrap_or_default();
    let mut planned = Vec::new();
    for ((id, sql), outcome) in queries.iter().zip(outcomes) {
        if outcome["failed"].is_object() {
            let failed = &outcome["failed"];
            // One cause is told once.
            if failed["because_of"].is_null() {
                errors.push(mistake(&manifest, id, sql, failed));
            }
            continue;
        }
        errors.extend(broken_contract(&manifest, id, &outcome["ok"]));
        planned.push((id.clone(), outcome["ok"].clone()));
    }
    Ok(Checked { errors, planned })
}

/// Returns what is selected and has columns, each after what it reads.
fn in_order(manifest: &Manifest, selected: &[UniqueId]) -> Vec<UniqueId> {
    let is_checked = |id: &UniqueId| {
        let node = manifest.nodes.get(id);
        node.is_some_and(|node| {
            let has_columns = matches!(
                node.kind,
                ResourceKind::Model | ResourceKind::Seed | ResourceKind::Snapshot
            );
            has_columns && !node.is_ephemeral() && node.language == "sql"
        })
    };
    let sorted = Graph::new(manifest).sorted();
    let chosen: std::collections::HashSet<&UniqueId> = selected.iter().collect();
    sorted
        .into_iter()
        .filter(|id| chosen.contains(id) && is_checked(id))
        .collect()
}

type Compiled = Vec<(UniqueId, Result<Arc<str>, ModelError>)>;

async fn compile(
    opened: &Arc<Opened>,
    weir: &WeirWarehouse,
    models: Vec<UniqueId>,
) -> Result<Compiled, Failure> {
    let cancellation = Arc::new(Cancellation::default());
    let runner = Runner::new(RunnerParts {
        shared: opened.parsed.shared.clone(),
        warehouse: Arc::new(weir.clone()),
        runtime: Handle::current(),
        observer: Arc::new(()),
        publication: Arc::new(PerModel),
        cancellation: cancellation.clone(),
        options: RunOptions::default(),
    });
    cancellable(&cancellation, move || {
        let compiled = models.into_iter().map(|id| {
            let sql = runner.foreseen(&id);
            (id, sql)
        });
        compiled.collect()
    })
    .await
}

/// Says what is wrong with a model's query, with the place in its compiled SQL.
fn mistake(manifest: &Manifest, id: &UniqueId, sql: &str, failed: &Value) -> ModelError {
    let message = failed["message"].as_str().unwrap_or("it cannot be planned");
    let node = manifest.nodes.get(id);
    let file = node.map_or_else(String::new, |node| node.original_path.clone());
    let number = |key: &str| {
        let number = failed["position"][key].as_u64();
        number.and_then(|number| u32::try_from(number).ok())
    };
    let mut error = ModelError::new(
        ModelErrorKind::Warehouse,
        format!(
            "{}: {message}",
            id.as_str().rsplit('.').next().unwrap_or_default()
        ),
    )
    .of(id.as_str())
    .at(weir_model::Place::file(file));
    if let (Some(line), Some(column)) = (number("line"), number("column")) {
        error = error.excerpt(format!(
            "in its compiled SQL, line {line}:\n{}",
            weir_model::excerpt(sql, line, column)
        ));
    }
    match failed["hint"].as_str() {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// Says in what a model's columns differ from what its contract promises.
fn broken_contract(manifest: &Manifest, id: &UniqueId, checked: &Value) -> Option<ModelError> {
    let node = manifest
        .nodes
        .get(id)
        .filter(|node| node.contract.enforced)?;
    let given: HashMap<&str, &str> = checked["columns"]
        .as_array()?
        .iter()
        .filter_map(|column| Some((column["name"].as_str()?, column["data_type"].as_str()?)))
        .collect();
    let missing: Vec<&str> = node
        .columns
        .keys()
        .map(AsRef::as_ref)
        .filter(|name: &&str| !given.contains_key(*name))
        .collect();
    let mut unpromised: Vec<&str> = given
        .keys()
        .copied()
        .filter(|name| !node.columns.contains_key(*name))
        .collect();
    unpromised.sort_unstable();
    let mut parts = Vec::new();
    if !missing.is_empty() {
        parts.push(format!(
            "its contract promises {}, which its query does not give",
            missing.join(", ")
        ));
    }
    if !unpromised.is_empty() {
        parts.push(format!(
            "its query gives {}, which its contract does not promise",
            unpromised.join(", ")
        ));
    }
    if parts.is_empty() {
        return None;
    }
    let error = ModelError::new(
        ModelErrorKind::Warehouse,
        format!("{}: {}", node.name, parts.join("; ")),
    )
    .of(id.as_str())
    .at(weir_model::Place::file(node.original_path.clone()));
    Some(error.hint("change the query, or the columns in the model's properties"))
}

/// `weir check`.
pub(crate) async fn run(nodes: Nodes, global: &Global, ui: &Ui) -> Result<(), Failure> {
    let opened = Arc::new(open(&nodes.project, flags("compile", &nodes), ui)?);
    let previous = state_of(&nodes.select, &opened)?;
    let selected = select(&opened, &nodes.select, previous.as_ref(), ui)?;
    let (_, weir) = opened.warehouse(global, ui).await?;
    let Some((server, weir)) = weir else {
        return Err(Failure::new("models are checked against this Weir only")
            .with_hint("--here checks them as if they were built here"));
    };
    let began = std::time::Instant::now();
    let checked = plan(&opened, &weir, &selected).await;
    server.leave().await?;
    let checked = checked?;
    write_lineage(&opened, &checked)?;
    if !checked.errors.is_empty() {
        return Err(wrong(&checked.errors, ui));
    }
    let count = checked.models().count();
    let took = began.elapsed().as_secs_f64();
    match ui.is_json() {
        true => ui.answer_json(&json!({ "models": count, "errors": 0, "seconds": took })),
        false => ui.status(format!(
            "{count} models can be built; checked in {took:.2}s."
        )),
    }
    Ok(())
}

/// Writes columns, types and where each column comes from to `target/lineage.json`.
fn write_lineage(opened: &Opened, checked: &Checked) -> Result<(), Failure> {
    let models = checked.models();
    let models: serde_json::Map<String, Value> = models
        .map(|(id, checked)| (id.as_str().to_owned(), checked.clone()))
        .collect();
    let lineage = json!({
        "generated_at": chrono::Utc::now(),
        "invocation_id": opened.parsed.shared.invocation.id,
        "models": models,
    });
    super::artifacts::write(opened, "lineage.json", &lineage)
}
