//! The last steps: looking names up, checking what only the whole can tell, and joining it all.

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Value as Json, json};

use super::describe::Described;
use super::docs::{self, DocIndex};
use super::generic::Tested;
use super::lookup::{Found, Lookup};
use super::properties::Entry;
use super::read::ReadFile;
use super::work::Work;
use super::{check, descriptions, link};
use crate::artifact::node_json;
use crate::error::{ModelError, ModelErrorKind, Place};
use crate::hash::md5_hex;
use crate::node::{
    Disabled, Doc, Function, Macro, Manifest, ManifestMetadata, Node, NodeDetail, ResourceKind,
    UniqueId,
};
use crate::project::FileKind;

/// Joins everything into a manifest.
pub(super) fn complete(
    work: &Work,
    files: &[Arc<ReadFile>],
    macros: IndexMap<UniqueId, Macro>,
    mut described: Described,
    errors: &mut Vec<ModelError>,
    warnings: &mut Vec<ModelError>,
) -> Manifest {
    let mut manifest = Manifest {
        metadata: metadata(work),
        ..Manifest::default()
    };
    let texts: HashMap<&str, &str> = files
        .iter()
        .map(|file| (&*file.shown, &*file.text))
        .collect();
    let all_docs = collect_docs(files, errors);
    let doc_index = Arc::new(DocIndex::new(
        Arc::clone(&work.project().name),
        all_docs.values().map(Arc::as_ref),
    ));
    manifest.docs = all_docs;
    let mut lookup = Lookup::new(Arc::clone(&work.project().name));
    for (node, _) in &described.nodes {
        lookup.add_node(node, node.config.enabled());
    }
    for source in &described.sources {
        lookup.add_source(source, source.config.enabled());
    }
    attach_tests(&mut described, &lookup);
    primary_keys(&mut described);
    descriptions::render(
        work,
        &mut described,
        macros,
        &doc_index,
        &mut manifest,
        errors,
        warnings,
    );
    link::link(
        work,
        &mut described,
        &lookup,
        &texts,
        &mut manifest,
        errors,
        warnings,
    );
    store(described, &mut manifest, errors);
    check::check(&manifest, errors);
    edges(&mut manifest);
    manifest
}

fn metadata(work: &Work) -> ManifestMetadata {
    let project = work.project();
    let invocation = &work.shared.invocation;
    let stamp = |moment: chrono::DateTime<chrono::Utc>| {
        moment.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
    };
    let mut env: Vec<(String, Json)> = work
        .shared
        .env
        .iter()
        .filter_map(|(name, value)| {
            Some((
                name.strip_prefix("DBT_ENV_CUSTOM_ENV_")?.to_owned(),
                value.as_str().into(),
            ))
        })
        .collect();
    env.sort_by(|a, b| a.0.cmp(&b.0));
    let quoting = &project.root().quoting;
    let quoted =
        |key: &str, default: bool| quoting.get(key).and_then(Json::as_bool).unwrap_or(default);
    let habits = &work.shared.dialect.quoting;
    ManifestMetadata {
        project_name: project.name.to_string(),
        project_id: md5_hex(project.name.as_bytes()),
        adapter_type: project.target.kind.clone(),
        generated_at: stamp(invocation.started_at),
        invocation_id: invocation.id.clone(),
        invocation_started_at: Some(stamp(invocation.started_at)),
        env: env.into_iter().collect(),
        quoting: json!({
            "database": quoted("database", habits.database), "schema": quoted("schema", habits.schema),
            "identifier": quoted("identifier", habits.identifier), "column": null,
        }),
    }
}

fn collect_docs(
    files: &[Arc<ReadFile>],
    errors: &mut Vec<ModelError>,
) -> IndexMap<UniqueId, Arc<Doc>> {
    let mut all: IndexMap<UniqueId, Arc<Doc>> = IndexMap::new();
    for file in files.iter().filter(|file| file.file.kind == FileKind::Doc) {
        for (doc, line) in docs::blocks(file, errors) {
            if let Some(first) = all.get(&doc.id) {
                let message = format!("there are two blocks of docs `{}`", doc.name);
                let error =
                    ModelError::new(ModelErrorKind::Duplicate, message).at(file.place(line, 1));
                errors.push(error.hint(format!(
                    "the other one is in {}; rename one",
                    first.original_path
                )));
                continue;
            }
            all.insert(doc.id.clone(), Arc::new(doc));
        }
    }
    all
}

/// Says which node each generic test hangs on; it belongs to the node's group.
fn attach_tests(described: &mut Described, lookup: &Lookup) {
    let groups: HashMap<&UniqueId, Option<&String>> = described
        .nodes
        .iter()
        .map(|(node, _)| (&node.id, node.group.as_ref()))
        .collect();
    for test in &mut described.tests {
        let Tested::Node { name, version } = &test.tested else {
            continue;
        };
        let package = Arc::clone(&test.node.package);
        let found = match lookup.node(&package, Some(&package), name, version.as_ref()) {
            Found::Missing => lookup.node(&package, None, name, version.as_ref()),
            found => found,
        };
        let (Found::Enabled(id) | Found::Disabled(id)) = found else {
            continue;
        };
        test.node.group = groups.get(&id).copied().flatten().cloned();
        if let NodeDetail::GenericTest(detail) = &mut test.node.detail {
            detail.attached_node = Some(id);
        }
    }
}

/// Finds out what identifies a row: what constraints say, else columns tested to be unique and not null,
/// else those tested to be unique.
fn primary_keys(described: &mut Described) {
    #[derive(Default)]
    struct Tests {
        unique: Vec<String>,
        disabled: Vec<String>,
        not_null: Vec<String>,
    }
    let mut by_node: HashMap<UniqueId, Tests> = HashMap::new();
    for test in &described.tests {
        let Some(detail) = test.node.generic_test() else {
            continue;
        };
        let Some(id) = &detail.attached_node else {
            continue;
        };
        let kwargs = &detail.metadata.kwargs;
        let columns: Vec<String> = match (
            kwargs.get("column_name"),
            kwargs.get("combination_of_columns"),
        ) {
            (Some(Json::String(column)), _) => vec![column.clone()],
            (_, Some(Json::Array(columns))) => columns
                .iter()
                .filter_map(|column| column.as_str().map(str::to_owned))
                .collect(),
            _ => continue,
        };
        let tests = by_node.entry(id.clone()).or_default();
        match (&*detail.metadata.name, test.node.config.enabled()) {
            ("unique" | "unique_combination_of_columns", true) => tests.unique.extend(columns),
            ("unique" | "unique_combination_of_columns", false) => tests.disabled.extend(columns),
            ("not_null", _) => tests.not_null.extend(columns),
            _ => {}
        }
    }
    for (node, _) in &mut described.nodes {
        let key = |constraint: &&crate::node::Constraint| constraint.kind == "primary_key";
        let by_column = node
            .columns
            .values()
            .find(|column| column.constraints.iter().any(|one| key(&one)));
        let by_column = by_column.map(|column| vec![column.name.clone()]);
        let NodeDetail::Model(model) = &mut node.detail else {
            continue;
        };
        if let Some(constraint) = model.constraints.iter().find(key) {
            model.primary_key.clone_from(&constraint.columns);
            continue;
        }
        if let Some(column) = by_column {
            model.primary_key = column;
            continue;
        }
        let Some(tests) = by_node.get(&node.id) else {
            continue;
        };
        let both = tests
            .not_null
            .iter()
            .filter(|column| tests.unique.contains(column) || tests.disabled.contains(column));
        let both: Vec<String> = both.cloned().collect();
        let mut columns = [both, tests.unique.clone(), tests.disabled.clone()]
            .into_iter()
            .find(|columns| !columns.is_empty())
            .unwrap_or_default();
        columns.sort();
        columns.dedup();
        model.primary_key = columns;
    }
}

/// Makes a function of its node and what is said of its arguments.
fn function(node: &Node, entries: &[Entry]) -> Function {
    let mut properties = node_json(node).as_object().cloned().unwrap_or_default();
    let entry = entries
        .iter()
        .find(|entry| entry.name == node.name && entry.file.package.name == node.package);
    let given = |key: &str| entry.and_then(|entry| entry.json(key));
    properties.insert(
        "arguments".to_owned(),
        given("arguments").unwrap_or_else(|| json!([])),
    );
    properties.insert("returns".to_owned(), given("returns").unwrap_or(Json::Null));
    Function {
        id: node.id.clone(),
        name: node.name.clone(),
        package: Arc::clone(&node.package),
        path: node.path.clone(),
        original_path: node.original_path.clone(),
        fqn: node.fqn.clone(),
        description: node.description.clone(),
        raw_code: Arc::clone(&node.raw_code),
        checksum: node.checksum.clone(),
        properties,
        config: node.config.clone(),
        depends_on: node.depends_on.clone(),
        created_at: node.created_at,
    }
}

/// Puts everything in its place: what is enabled by id, and what is not aside.
fn store(described: Described, manifest: &mut Manifest, errors: &mut Vec<ModelError>) {
    let mut twice = |first: &str, second: &str, id: &UniqueId| {
        let message = format!("there are two of `{id}`");
        let error = ModelError::new(ModelErrorKind::Duplicate, message)
            .at(Place::file(second))
            .of(id.as_str());
        errors.push(error.hint(format!(
            "the other one is in {first}; rename or disable one of them"
        )));
    };
    let tests = described.tests.into_iter().map(|test| {
        let shown: Arc<str> = test.node.original_path.as_str().into();
        (test.node, shown)
    });
    for (node, shown) in described.nodes.into_iter().chain(tests) {
        if node.kind == ResourceKind::Function && node.config.enabled() {
            let made = Arc::new(function(&node, &described.function_entries));
            manifest.functions.insert(node.id.clone(), made);
            continue;
        }
        let node = Arc::new(node);
        if !node.config.enabled() {
            manifest
                .disabled
                .entry(node.id.clone())
                .or_default()
                .push(Disabled::Node(node));
        } else if let Some(first) = manifest.nodes.get(&node.id) {
            twice(&first.original_path, &shown, &node.id);
        } else {
            manifest.nodes.insert(node.id.clone(), node);
        }
    }
    macro_rules! store {
        ($from:ident, $to:ident, $kind:ident) => {
            for thing in described.$from {
                let thing = Arc::new(thing);
                if !thing.config.enabled() {
                    manifest
                        .disabled
                        .entry(thing.id.clone())
                        .or_default()
                        .push(Disabled::$kind(thing));
                } else if let Some(first) = manifest.$to.get(&thing.id) {
                    twice(&first.original_path, &thing.original_path, &thing.id);
                } else {
                    manifest.$to.insert(thing.id.clone(), thing);
                }
            }
        };
    }
    store!(sources, sources, Source);
    store!(exposures, exposures, Exposure);
    store!(metrics, metrics, Metric);
    store!(semantic_models, semantic_models, SemanticModel);
    store!(saved_queries, saved_queries, SavedQuery);
    store!(unit_tests, unit_tests, UnitTest);
    for group in described.groups {
        if let Some(first) = manifest.groups.get(&group.id) {
            twice(&first.original_path, &group.original_path, &group.id);
        } else {
            manifest.groups.insert(group.id.clone(), Arc::new(group));
        }
    }
}

/// Writes down who needs whom, both ways.
fn edges(manifest: &mut Manifest) {
    let mut parents: HashMap<UniqueId, Vec<UniqueId>> = HashMap::new();
    let mut children: HashMap<UniqueId, Vec<UniqueId>> = HashMap::new();
    let mut add = |id: &UniqueId, needs: &[UniqueId]| {
        for need in needs {
            children.entry(need.clone()).or_default().push(id.clone());
        }
        let mut needs = needs.to_vec();
        needs.sort();
        children.entry(id.clone()).or_default();
        parents.insert(id.clone(), needs);
    };
    for node in manifest.nodes.values() {
        add(&node.id, &node.depends_on.nodes);
    }
    for source in manifest.sources.values() {
        add(&source.id, &[]);
    }
    macro_rules! add_all {
        ($($from:ident),*) => { $(for thing in manifest.$from.values() { add(&thing.id, &thing.depends_on.nodes); })* };
    }
    add_all!(
        exposures,
        metrics,
        semantic_models,
        saved_queries,
        unit_tests,
        functions
    );
    for ids in children.values_mut() {
        ids.sort();
        ids.dedup();
    }
    manifest.parent_map = parents;
    manifest.child_map = children;
}
