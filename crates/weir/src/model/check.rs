//! Planning all models against the real tables before any of them runs.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use weir_core::quoted;
use weir_model::context::Cancellation;
use weir_model::graph::Graph;
use weir_model::node::{Manifest, Node, ResourceKind, UniqueId};
use weir_model::run::{
    Earlier, Foreseen, Outlook, PerModel, Rendered, RunOptions, Runner, RunnerParts,
};
use weir_model::warehouse::RelationName;
use weir_model::{ModelError, ModelErrorKind};

use super::around::Around;
use super::command::Nodes;
use super::environment::Environment;
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
    /// What only its build can judge: its text comes from tables that are yet to be built, or it reads
    /// what does.
    pub(crate) unjudged: Vec<UniqueId>,
    /// The code of what looks at nothing in the warehouse.
    pub(crate) rendered: HashMap<UniqueId, Rendered>,
    /// What rests on the models and is none of them.
    pub(crate) around: Around,
}

impl Checked {
    /// Says what was not judged.
    pub(crate) fn tell_unjudged(&self, ui: &Ui) {
        let Some(first) = self.unjudged.first() else {
            return;
        };
        let count = self.unjudged.len();
        let name = first.as_str().rsplit('.').next().unwrap_or_default();
        ui.status(format!(
            "{count} are judged as they are built, {name} first: their text comes from tables that are \
             yet to be built."
        ));
    }

    /// Warns of quotients that are whole here, in projects that were written for an engine where they
    /// are not.
    pub(crate) fn warn_of_division(&self, opened: &Opened, ui: &Ui) {
        if opened.parsed.shared.dialect.adapter != "duckdb" {
            return;
        }
        let divides = |(_, found): &&(UniqueId, Value)| found["divides_whole"] == true;
        let names: Vec<&str> = self
            .models()
            .filter(divides)
            .filter_map(|(id, _)| id.as_str().rsplit('.').next())
            .collect();
        let Some((first, others)) = names.split_first() else {
            return;
        };
        let others = match others.len() {
            0 => String::new(),
            count => format!(" and {count} more"),
        };
        ui.warn(format!(
            "{first}{others}: `/` of whole numbers gives a whole number here, as in PostgreSQL, and a \
             fraction in DuckDB; multiply by 1.0 or cast one side where the fraction counts"
        ));
    }

    /// Returns what the models would give.
    pub(crate) fn models(&self) -> impl Iterator<Item = &(UniqueId, Value)> {
        let planned = self.planned.iter();
        planned.filter(|(id, _)| id.kind() == Some(ResourceKind::Model))
    }
}

/// Plans the selected models, each over what those before it would give; where earlier builds are
/// known, only what is not as it was then, and what rests on it.
pub(crate) async fn plan(
    opened: &Arc<Opened>,
    weir: &WeirWarehouse,
    selected: &[UniqueId],
    deferred: &HashMap<UniqueId, RelationName>,
    earlier: Option<Arc<Earlier>>,
) -> Result<Checked, Failure> {
    let manifest = opened.manifest();
    let models = in_order(&manifest, selected);
    if models.is_empty() {
        return Ok(Checked {
            errors: Vec::new(),
            planned: Vec::new(),
            unjudged: Vec::new(),
            rendered: HashMap::new(),
            around: Around::default(),
        });
    }
    let (compiled, rendered) = compile(opened, weir, models, deferred.clone(), earlier).await?;
    let mut errors = Vec::new();
    let mut queries = Vec::new();
    let mut unjudged = Unjudged::default();
    for (id, Foreseen { sql, asked }) in compiled {
        if asked {
            unjudged.asking.insert(id.clone());
        }
        match sql {
            Ok(sql) => queries.push((id, sql)),
            Err(error) if asked || error.kind() == ModelErrorKind::Warehouse => {
                unjudged.nodes.push(id);
            }
            Err(error) => errors.push(error),
        }
    }
    let mut body: Vec<Value> = queries
        .iter()
        .filter_map(|(id, sql)| {
            let node = manifest.nodes.get(id)?;
            Some(json!({ "schema": node.schema, "name": node.alias, "sql": &**sql }))
        })
        .collect();
    let promised: Vec<&UniqueId> = queries
        .iter()
        .filter(|(id, _)| {
            let promise = manifest.nodes.get(id).and_then(|node| promise(node));
            body.extend(promise.iter().cloned());
            promise.is_some()
        })
        .map(|(id, _)| id)
        .collect();
    let answer = weir
        .call(
            Method::POST,
            "/api/v1/check",
            json!({ "queries": body, "around": true }),
        )
        .await;
    let answer = answer.explain(|| "the server cannot check the models".into())?;
    let outcomes = answer["outcomes"].as_array().cloned().unwrap_or_default();
    let promises: HashMap<&UniqueId, &Value> = promised
        .into_iter()
        .zip(outcomes.iter().skip(queries.len()))
        .collect();
    let mut planned = Vec::new();
    for ((id, sql), outcome) in queries.iter().zip(&outcomes) {
        if outcome["failed"].is_object() {
            let failed = &outcome["failed"];
            if unjudged.takes(&manifest, id) {
                continue;
            }
            // One cause is told once.
            if failed["because_of"].is_null() {
                errors.push(mistake(&manifest, id, sql, failed));
            }
            continue;
        }
        let promise = promises.get(id).copied();
        errors.extend(broken_contract(&manifest, id, &outcome["ok"], promise));
        planned.push((id.clone(), outcome["ok"].clone()));
    }
    Ok(Checked {
        errors,
        planned,
        unjudged: unjudged.nodes,
        rendered,
        around: serde_json::from_value(answer["around"].clone()).unwrap_or_default(),
    })
}

/// What only its build can judge.
#[derive(Default)]
struct Unjudged {
    nodes: Vec<UniqueId>,
    /// Those whose text the tables that are there now decided.
    asking: HashSet<UniqueId>,
}

impl Unjudged {
    /// Takes a node that cannot be planned, if what decided its text or what it reads may be another
    /// once tables are built.
    fn takes(&mut self, manifest: &Manifest, id: &UniqueId) -> bool {
        let reads = |parent: &&UniqueId| self.nodes.contains(parent);
        let taken = self.asking.contains(id) || stored_parents(manifest, id).iter().any(reads);
        if taken {
            self.nodes.push(id.clone());
        }
        taken
    }
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

type Compiled = (Vec<(UniqueId, Foreseen)>, HashMap<UniqueId, Rendered>);

async fn compile(
    opened: &Arc<Opened>,
    weir: &WeirWarehouse,
    models: Vec<UniqueId>,
    deferred: HashMap<UniqueId, RelationName>,
    earlier: Option<Arc<Earlier>>,
) -> Result<Compiled, Failure> {
    let favor_state = !deferred.is_empty();
    let cancellation = Arc::new(Cancellation::default());
    let runner = Runner::new(RunnerParts {
        shared: opened.parsed.shared.clone(),
        warehouse: Arc::new(weir.clone()),
        runtime: Handle::current(),
        observer: Arc::new(()),
        publication: Arc::new(PerModel),
        cancellation: cancellation.clone(),
        options: RunOptions {
            defer: deferred,
            favor_state,
            earlier: earlier.clone(),
            ..RunOptions::default()
        },
    });
    let manifest = opened.manifest();
    cancellable(&cancellation, move || {
        let mut compiled: HashMap<UniqueId, Foreseen> = HashMap::new();
        let mut models = models;
        let mut rendered = HashMap::new();
        if earlier.is_some() {
            let mut outlooks = runner.outlook(&models);
            let code = outlooks
                .iter_mut()
                .filter_map(|outlook| Some((outlook.id.clone(), outlook.rendered.take()?)));
            rendered = code.collect();
            models = changing(&manifest, &outlooks);
            let sql = outlooks.into_iter().filter_map(|outlook| {
                let is_model = outlook.id.kind() == Some(ResourceKind::Model);
                let foreseen = Foreseen {
                    sql: Ok(outlook.sql.filter(|_| is_model)?),
                    asked: outlook.asked,
                };
                Some((outlook.id, foreseen))
            });
            compiled = sql.collect();
        }
        let compiled = models.into_iter().map(|id| {
            let known = compiled.remove(&id);
            let foreseen = known.unwrap_or_else(|| runner.foreseen(&id));
            (id, foreseen)
        });
        (compiled.collect(), rendered)
    })
    .await
}

/// Returns what would be built, and what rests on that: its columns may be others then. Views that stay are among it
/// where what they read was changed by somebody: they may no longer fit.
fn changing(manifest: &Manifest, outlooks: &[Outlook]) -> Vec<UniqueId> {
    let mut changing: Vec<UniqueId> = Vec::new();
    let mut known: HashSet<&UniqueId> = HashSet::new();
    for outlook in outlooks {
        let parents = stored_parents(manifest, &outlook.id);
        let rests = parents.iter().any(|parent| known.contains(parent));
        if outlook.reason.is_some() || outlook.shaken || rests {
            known.insert(&outlook.id);
            changing.push(outlook.id.clone());
        }
    }
    changing
}

/// Returns what a node reads, by way of ephemeral models too.
fn stored_parents<'m>(manifest: &'m Manifest, id: &UniqueId) -> Vec<&'m UniqueId> {
    let mut found = Vec::new();
    let mut waiting: Vec<&UniqueId> = manifest
        .nodes
        .get(id)
        .map(|node| node.depends_on.nodes.iter().collect())
        .unwrap_or_default();
    while let Some(id) = waiting.pop() {
        match manifest.nodes.get(id) {
            Some(node) if node.is_ephemeral() => waiting.extend(&node.depends_on.nodes),
            _ => found.push(id),
        }
    }
    found
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

/// Returns a query that gives what a contract promises, so that types are read as the engine reads them.
fn promise(node: &Node) -> Option<Value> {
    let columns = node.columns.values();
    let columns: Option<Vec<String>> = columns
        .map(|column| {
            let data_type = column.data_type.as_ref()?;
            Some(format!(
                "cast(null as {data_type}) as {}",
                quoted(&column.name)
            ))
        })
        .collect();
    let columns = columns.filter(|columns| node.contract.enforced && !columns.is_empty())?;
    let sql = format!("select {}", columns.join(", "));
    Some(json!({ "schema": "weir_promises", "name": node.id.as_str(), "sql": sql }))
}

/// Returns the columns that a query would give, with their types.
fn columns_of(checked: &Value) -> HashMap<&str, &str> {
    let columns = checked["columns"].as_array().into_iter().flatten();
    columns
        .filter_map(|column| Some((column["name"].as_str()?, column["data_type"].as_str()?)))
        .collect()
}

/// Says in what a model's columns differ from what its contract promises.
fn broken_contract(
    manifest: &Manifest,
    id: &UniqueId,
    checked: &Value,
    promised: Option<&Value>,
) -> Option<ModelError> {
    let node = manifest
        .nodes
        .get(id)
        .filter(|node| node.contract.enforced)?;
    let given = columns_of(checked);
    let promised = promised.unwrap_or(&Value::Null);
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
    if let Some(message) = promised["failed"]["message"].as_str() {
        parts.push(format!("its contract names a type that is none: {message}"));
    }
    let mut retyped: Vec<String> = columns_of(&promised["ok"])
        .into_iter()
        .filter_map(|(name, promised)| {
            let given = given
                .get(name)
                .filter(|given| !is_same_type(given, promised))?;
            Some(format!(
                "`{name}` is {given} and its contract promises {promised}"
            ))
        })
        .collect();
    retyped.sort_unstable();
    parts.extend(retyped);
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

/// Whether values of one type fit the other: measures, as in `numeric(10,2)`, are for the table.
fn is_same_type(given: &str, promised: &str) -> bool {
    let plain = |kind: &str| {
        let kind = kind.split('(').next().unwrap_or_default().trim();
        match kind {
            "varchar" | "character varying" | "char" | "character" => "text".to_owned(),
            kind => kind.to_owned(),
        }
    };
    plain(given) == plain(promised)
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
    let environment = Environment::of(&opened, &weir, &nodes.select, selected).await?;
    let Environment {
        selected, deferred, ..
    } = environment;
    let checked = plan(&opened, &weir, &selected, &deferred, None).await;
    server.leave().await?;
    let checked = checked?;
    write_lineage(&opened, &checked)?;
    if !checked.errors.is_empty() {
        return Err(wrong(&checked.errors, ui));
    }
    let count = checked.models().count();
    let took = began.elapsed().as_secs_f64();
    if nodes.project.is_quiet() && !ui.is_json() {
        return Ok(());
    }
    match ui.is_json() {
        true => ui.answer_json(&json!({
            "models": count, "errors": 0, "unjudged": checked.unjudged,
            "around": checked.around, "seconds": took,
        })),
        false => {
            ui.status(format!(
                "{count} models can be built; checked in {took:.2}s."
            ));
            checked.tell_unjudged(ui);
            checked.warn_of_division(&opened, ui);
            checked.around.warn(ui);
        }
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
