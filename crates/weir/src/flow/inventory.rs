//! What the project's files build and read, as pages show it.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use weir_catalog::Rollup;
use weir_flow::AssetId;
use weir_model::node::{Column, Manifest, Node, ResourceKind, Source, UniqueId};
use weir_serve::{ModelColumn, ModelInfo, ModelTest, Reference};

use super::code::Code;
use super::step::Declared;

/// Lists models, seeds, snapshots, sources, steps and rollups, each with its neighbours.
pub(super) fn inventory(code: &Code) -> Vec<ModelInfo> {
    let manifest = code.opened.manifest();
    let mut tests = tests(&manifest);
    let nodes = manifest.nodes.values();
    let nodes = nodes.filter(|node| is_shown(node) && !node.is_ephemeral());
    let mut found: BTreeMap<String, ModelInfo> = BTreeMap::new();
    for node in nodes {
        let info = of_node(node, tests.remove(&node.id).unwrap_or_default());
        found.insert(info.asset.clone(), info);
    }
    for source in manifest.sources.values() {
        let info = of_source(source, tests.remove(&source.id).unwrap_or_default());
        found.insert(info.asset.clone(), info);
    }
    for step in code.plan.steps.values() {
        if let Some(info) = of_step(code, step) {
            found.insert(info.asset.clone(), info);
        }
    }
    for (asset, rollup) in &code.plan.rollups {
        found.insert(asset.to_string(), of_rollup(asset, rollup));
    }
    join(code, &mut found);
    found.into_values().collect()
}

fn is_shown(node: &Node) -> bool {
    matches!(
        node.kind,
        ResourceKind::Model | ResourceKind::Seed | ResourceKind::Snapshot
    )
}

fn of_node(node: &Node, tests: Vec<ModelTest>) -> ModelInfo {
    ModelInfo {
        asset: node.id.to_string(),
        name: node.search_name(),
        kind: node.kind.as_str(),
        materialized: Some(node.config.materialized().to_owned()),
        schema: node.schema.clone(),
        table: node.alias.clone(),
        description: node.description.clone(),
        owner: owner(node.meta.get("owner"))
            .or_else(|| owner(node.config.meta().get("owner")))
            .or_else(|| node.group.clone()),
        tags: node.tags.clone(),
        file: node.original_path.clone(),
        // A seed's text is its rows.
        code: (node.kind != ResourceKind::Seed).then(|| node.raw_code.to_string()),
        columns: node.columns.values().map(column).collect(),
        primary_key: node
            .model()
            .map(|model| model.primary_key.clone())
            .unwrap_or_default(),
        tests,
        ..ModelInfo::default()
    }
}

fn of_source(source: &Source, tests: Vec<ModelTest>) -> ModelInfo {
    let unique = tests.iter().filter(|test| test.name == "unique");
    ModelInfo {
        asset: source.id.to_string(),
        name: source.search_name(),
        kind: "source",
        schema: source.schema.clone(),
        table: source.identifier.clone(),
        description: source.description.clone(),
        owner: owner(source.meta.get("owner")).or_else(|| owner(source.source_meta.get("owner"))),
        tags: source.tags.clone(),
        file: source.original_path.clone(),
        columns: source.columns.values().map(column).collect(),
        primary_key: unique
            .filter_map(|test| test.column.clone())
            .take(1)
            .collect(),
        tests,
        ..ModelInfo::default()
    }
}

fn of_step(code: &Code, declared: &Declared) -> Option<ModelInfo> {
    let step = &declared.step;
    let table = code.plan.assets.table(&declared.asset())?;
    let (schema, name) = table.as_str().split_once('.')?;
    Some(ModelInfo {
        asset: declared.asset().to_string(),
        name: step.name.clone(),
        kind: "step",
        schema: schema.to_owned(),
        table: name.to_owned(),
        owner: step.owner.clone(),
        file: declared.file.clone(),
        code: Some(step.command.argv.join(" ")),
        ..ModelInfo::default()
    })
}

/// Says of a rollup what whoever reads its table may know: the question may be private.
fn of_rollup(asset: &AssetId, rollup: &Rollup) -> ModelInfo {
    ModelInfo {
        asset: asset.to_string(),
        name: rollup.table.clone(),
        kind: "rollup",
        materialized: Some("table".to_owned()),
        schema: rollup.schema.clone(),
        table: rollup.table.clone(),
        owner: Some(rollup.owner.clone()),
        question: Some(rollup.question.clone()),
        ..ModelInfo::default()
    }
}

/// Reads a name as people write it: text, or an object with a `name` or an `email`.
fn owner(value: Option<&Value>) -> Option<String> {
    let value = value?;
    let named = ["name", "email"]
        .iter()
        .find_map(|key| value[*key].as_str());
    value.as_str().or(named).map(str::to_owned)
}

fn column(column: &Column) -> ModelColumn {
    ModelColumn {
        name: column.name.clone(),
        description: column.description.clone(),
        data_type: column.data_type.clone(),
    }
}

/// Returns the tests by what they judge.
fn tests(manifest: &Manifest) -> HashMap<UniqueId, Vec<ModelTest>> {
    let mut found: HashMap<UniqueId, Vec<ModelTest>> = HashMap::new();
    let tests = manifest.nodes.values();
    for test in tests.filter(|node| node.kind == ResourceKind::Test) {
        let parents = manifest.parent_map.get(&test.id);
        let parents = || parents.into_iter().flatten();
        let detail = test.generic_test();
        let attached = detail.and_then(|detail| detail.attached_node.as_ref());
        let Some(judged) = attached.or_else(|| parents().next()) else {
            continue;
        };
        let refers_to = detail
            .filter(|detail| detail.metadata.name == "relationships")
            .and_then(|detail| {
                let column = detail.metadata.kwargs.get("field")?.as_str()?;
                // A table may refer to itself.
                let other = parents().find(|id| *id != judged).unwrap_or(judged);
                let (schema, table) = relation(manifest, other)?;
                Some(Reference {
                    schema,
                    table,
                    column: column.to_owned(),
                })
            });
        found.entry(judged.clone()).or_default().push(ModelTest {
            id: test.id.to_string(),
            name: detail.map_or(test.name.clone(), |detail| detail.metadata.name.clone()),
            column: detail.and_then(|detail| detail.column_name.clone()),
            severity: test.config.severity().to_lowercase(),
            refers_to,
        });
    }
    found
}

fn relation(manifest: &Manifest, id: &UniqueId) -> Option<(String, String)> {
    if let Some(node) = manifest.nodes.get(id) {
        return Some((node.schema.clone(), node.alias.clone()));
    }
    let source = manifest.sources.get(id)?;
    Some((source.schema.clone(), source.identifier.clone()))
}

/// Says of each what it reads, what reads it, and what builds it.
fn join(code: &Code, found: &mut BTreeMap<String, ModelInfo>) {
    let graph = code.plan.project.graph();
    let edges: Vec<(String, String)> = graph
        .assets()
        .flat_map(|asset| {
            let to = asset.id.to_string();
            asset
                .inputs
                .iter()
                .map(move |from| (from.to_string(), to.clone()))
        })
        .filter(|(from, to)| found.contains_key(from) && found.contains_key(to))
        .collect();
    for (from, to) in edges {
        if let Some(info) = found.get_mut(&to) {
            info.reads.push(from.clone());
        }
        if let Some(info) = found.get_mut(&from) {
            info.feeds.push(to);
        }
    }
    for schedule in code.plan.project.schedules() {
        let built = schedule.target.assets.iter().map(AssetId::to_string);
        for asset in built {
            if let Some(info) = found.get_mut(&asset) {
                info.schedules.push(schedule.name.to_string());
            }
        }
    }
}
