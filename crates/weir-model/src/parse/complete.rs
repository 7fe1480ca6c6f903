//! The last steps: looking names up, checking what only the whole can tell, and joining it all.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Value as Json, json};

use super::describe::Described;
use super::docs::{self, Describer, DocIndex};
use super::generic::Tested;
use super::links;
use super::lookup::{Found, Lookup};
use super::parallel;
use super::properties::json_map;
use super::read::ReadFile;
use super::resolve::{Asker, Resolved, Rights, circle, resolve};
use super::work::Work;
use crate::error::{ModelError, ModelErrorKind, Place};
use crate::hash::md5_hex;
use crate::node::{
    Disabled, Doc, Macro, MacroArgument, Manifest, ManifestMetadata, Node, NodeDetail,
    ResourceKind, UniqueId,
};
use crate::project::FileKind;
use crate::yaml::Yaml;

/// Joins everything into a manifest.
pub(super) fn complete(
    work: &Work,
    files: &[Arc<ReadFile>],
    macros: IndexMap<UniqueId, Macro>,
    mut described: Described,
    errors: &mut Vec<ModelError>,
    warnings: &mut Vec<ModelError>,
) -> Manifest {
    let mut manifest = Manifest { metadata: metadata(work), ..Manifest::default() };
    let texts: HashMap<&str, &str> = files.iter().map(|file| (&*file.shown, &*file.text)).collect();
    let all_docs = collect_docs(files, errors);
    let doc_index = Arc::new(DocIndex::new(Arc::clone(&work.project().name), all_docs.values().map(Arc::as_ref)));
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
    describe(work, &mut described, macros, &doc_index, &mut manifest, errors, warnings);
    link(work, &mut described, &lookup, &texts, &mut manifest, errors, warnings);
    store(described, &mut manifest, errors);
    check(&manifest, errors);
    edges(&mut manifest);
    manifest
}

fn metadata(work: &Work) -> ManifestMetadata {
    let project = work.project();
    let invocation = &work.shared.invocation;
    let stamp = |moment: chrono::DateTime<chrono::Utc>| moment.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    let mut env: Vec<(String, Json)> = work
        .shared
        .env
        .iter()
        .filter_map(|(name, value)| {
            Some((name.strip_prefix("DBT_ENV_CUSTOM_ENV_")?.to_owned(), value.as_str().into()))
        })
        .collect();
    env.sort_by(|a, b| a.0.cmp(&b.0));
    let quoting = &project.root().quoting;
    let quoted = |key: &str, default: bool| quoting.get(key).and_then(Json::as_bool).unwrap_or(default);
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

fn collect_docs(files: &[Arc<ReadFile>], errors: &mut Vec<ModelError>) -> IndexMap<UniqueId, Arc<Doc>> {
    let mut all: IndexMap<UniqueId, Arc<Doc>> = IndexMap::new();
    for file in files.iter().filter(|file| file.file.kind == FileKind::Doc) {
        for (doc, line) in docs::blocks(file, errors) {
            if let Some(first) = all.get(&doc.id) {
                let message = format!("there are two blocks of docs `{}`", doc.name);
                let error = ModelError::new(ModelErrorKind::Duplicate, message).at(file.place(line, 1));
                errors.push(error.hint(format!("the other one is in {}; rename one", first.original_path)));
                continue;
            }
            all.insert(doc.id.clone(), Arc::new(doc));
        }
    }
    all
}

/// Says which node each generic test hangs on; it belongs to the node's group.
fn attach_tests(described: &mut Described, lookup: &Lookup) {
    let groups: HashMap<&UniqueId, Option<&String>> =
        described.nodes.iter().map(|(node, _)| (&node.id, node.group.as_ref())).collect();
    for test in &mut described.tests {
        let Tested::Node { name, version } = &test.tested else { continue };
        let package = Arc::clone(&test.node.package);
        let found = match lookup.node(&package, Some(&package), name, version.as_ref()) {
            Found::Missing => lookup.node(&package, None, name, version.as_ref()),
            found => found,
        };
        let (Found::Enabled(id) | Found::Disabled(id)) = found else { continue };
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
        let Some(detail) = test.node.generic_test() else { continue };
        let Some(id) = &detail.attached_node else { continue };
        let kwargs = &detail.metadata.kwargs;
        let columns: Vec<String> = match (kwargs.get("column_name"), kwargs.get("combination_of_columns")) {
            (Some(Json::String(column)), _) => vec![column.clone()],
            (_, Some(Json::Array(columns))) => {
                columns.iter().filter_map(|column| column.as_str().map(str::to_owned)).collect()
            }
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
        let by_column = node.columns.values().find(|column| column.constraints.iter().any(|one| key(&one)));
        let by_column = by_column.map(|column| vec![column.name.clone()]);
        let NodeDetail::Model(model) = &mut node.detail else { continue };
        if let Some(constraint) = model.constraints.iter().find(key) {
            model.primary_key.clone_from(&constraint.columns);
            continue;
        }
        if let Some(column) = by_column {
            model.primary_key = column;
            continue;
        }
        let Some(tests) = by_node.get(&node.id) else { continue };
        let both = tests.not_null.iter().filter(|column| tests.unique.contains(column) || tests.disabled.contains(column));
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

/// Renders descriptions, and lays properties of macros over them.
fn describe(
    work: &Work,
    described: &mut Described,
    mut macros: IndexMap<UniqueId, Macro>,
    docs: &Arc<DocIndex>,
    manifest: &mut Manifest,
    errors: &mut Vec<ModelError>,
    warnings: &mut Vec<ModelError>,
) {
    macro_properties(described, &mut macros, warnings);
    let describers: HashMap<Arc<str>, Describer<'_>> = work
        .project()
        .packages
        .keys()
        .map(|package| (Arc::clone(package), Describer::new(work, package, docs)))
        .collect();
    for (node, shown) in &mut described.nodes {
        let Some(describer) = describers.get(&node.package) else { continue };
        let file = node.patch_path.clone().unwrap_or_else(|| shown.to_string());
        describer.render(&mut node.description, node.id.as_str(), &file, errors);
        for column in node.columns.values_mut() {
            describer.render(&mut column.description, node.id.as_str(), &file, errors);
        }
    }
    for test in &mut described.tests {
        if let Some(describer) = describers.get(&test.node.package) {
            let file = test.node.original_path.clone();
            describer.render(&mut test.node.description, test.node.id.as_str(), &file, errors);
        }
    }
    for source in &mut described.sources {
        let Some(describer) = describers.get(&source.package) else { continue };
        let (id, file) = (source.id.clone(), source.original_path.clone());
        describer.render(&mut source.description, id.as_str(), &file, errors);
        describer.render(&mut source.source_description, id.as_str(), &file, errors);
        for column in source.columns.values_mut() {
            describer.render(&mut column.description, id.as_str(), &file, errors);
        }
    }
    for exposure in &mut described.exposures {
        if let Some(describer) = describers.get(&exposure.package) {
            let (id, file) = (exposure.id.clone(), exposure.original_path.clone());
            describer.render(&mut exposure.description, id.as_str(), &file, errors);
        }
    }
    for metric in &mut described.metrics {
        if let Some(describer) = describers.get(&metric.package) {
            let (id, file) = (metric.id.clone(), metric.original_path.clone());
            describer.render(&mut metric.description, id.as_str(), &file, errors);
        }
    }
    for model in &mut described.semantic_models {
        if let (Some(describer), Some(description)) = (describers.get(&model.package), &mut model.description) {
            let file = model.original_path.clone();
            describer.render(description, model.id.as_str(), &file, errors);
        }
    }
    for (id, mut found) in macros {
        if let Some(describer) = describers.get(&found.package) {
            let file = found.original_path.clone();
            describer.render(&mut found.description, id.as_str(), &file, errors);
            for argument in &mut found.arguments {
                describer.render(&mut argument.description, id.as_str(), &file, errors);
            }
        }
        manifest.macros.insert(id, Arc::new(found));
    }
}

fn macro_properties(described: &Described, macros: &mut IndexMap<UniqueId, Macro>, warnings: &mut Vec<ModelError>) {
    for entry in &described.macro_entries {
        let package = &entry.file.package.name;
        let ids = [entry.name.clone(), format!("test_{}", entry.name)]
            .map(|name| UniqueId::from_text(format!("macro.{package}.{name}")));
        let Some(found) = ids.iter().find(|id| macros.contains_key(*id)).cloned() else {
            let message = format!("there is no macro `{}` in `{package}` to describe", entry.name);
            warnings.push(entry.error(&entry.yaml, message).hint("check the spelling, or remove the entry"));
            continue;
        };
        let Some(found) = macros.get_mut(&found) else { continue };
        found.description = entry.text("description").unwrap_or_default();
        found.config = json_map(entry.get("config"));
        found.meta = json_map(entry.get("meta"));
        if let Some(Json::Object(meta)) = found.config.get("meta") {
            found.meta.extend(meta.clone());
        }
        let docs = json_map(entry.get("docs").or_else(|| entry.get("config").and_then(|config| config.get("docs"))));
        found.docs.show = docs.get("show").and_then(Json::as_bool).unwrap_or(true);
        found.docs.node_color = docs.get("node_color").and_then(Json::as_str).map(str::to_owned);
        found.patch_path = Some(entry.file.file_id());
        let arguments = entry.get("arguments").and_then(Yaml::as_list).unwrap_or_default();
        found.arguments = arguments
            .iter()
            .filter_map(|argument| {
                let text = |key: &str| argument.get(key).and_then(Yaml::scalar_text);
                Some(MacroArgument {
                    name: text("name")?,
                    data_type: text("type"),
                    description: text("description").unwrap_or_default(),
                })
            })
            .collect();
    }
}

/// Looks up what everything reads.
fn link(
    work: &Work,
    described: &mut Described,
    lookup: &Lookup,
    texts: &HashMap<&str, &str>,
    manifest: &mut Manifest,
    errors: &mut Vec<ModelError>,
    warnings: &mut Vec<ModelError>,
) {
    let rights = Rights::new(work.project(), described.nodes.iter().map(|(node, _)| node));
    let text_of = |file: &str| texts.get(file).copied().unwrap_or_default();
    let of_nodes: Vec<Resolved> = parallel::map(&described.nodes, work.threads, |(node, shown)| {
        if !node.config.enabled() {
            return Resolved::default();
        }
        resolve(lookup, &rights, &Asker::node(node, shown, text_of(shown)), &node.refs, &node.sources)
    });
    let root = work.project().root().root.clone();
    let of_tests: Vec<Resolved> = parallel::map(&described.tests, work.threads, |test| {
        let node = &test.node;
        if !node.config.enabled() {
            return Resolved::default();
        }
        let package = work.project().package(&node.package);
        let below = package.and_then(|package| package.root.strip_prefix(&root).ok());
        let shown = match below {
            Some(below) if below.as_os_str().is_empty() => node.original_path.clone(),
            Some(below) => format!("{}/{}", below.display(), node.original_path),
            None => node.original_path.clone(),
        };
        resolve(lookup, &rights, &Asker::node(node, &shown, text_of(&shown)), &node.refs, &node.sources)
    });
    let of_exposures: Vec<Resolved> = described
        .exposures
        .iter()
        .map(|exposure| {
            let asker = Asker {
                id: &exposure.id,
                kind: ResourceKind::Exposure,
                package: &exposure.package,
                group: None,
                file: &exposure.original_path,
                text: text_of(&exposure.original_path),
                at: None,
            };
            if !exposure.config.enabled() {
                return Resolved::default();
            }
            resolve(lookup, &rights, &asker, &exposure.refs, &exposure.sources)
        })
        .collect();
    let of_semantic: Vec<Resolved> = described
        .semantic_models
        .iter()
        .map(|model| {
            let asker = Asker {
                id: &model.id,
                kind: ResourceKind::SemanticModel,
                package: &model.package,
                group: model.group.as_deref(),
                file: &model.original_path,
                text: text_of(&model.original_path),
                at: None,
            };
            resolve(lookup, &rights, &asker, &model.refs, &[])
        })
        .collect();
    drop(rights);
    let mut take = |resolved: Resolved| {
        errors.extend(resolved.errors);
        warnings.extend(resolved.warnings);
        (resolved.nodes, resolved.broken)
    };
    for ((node, _), resolved) in described.nodes.iter_mut().zip(of_nodes) {
        let (nodes, broken) = take(resolved);
        node.depends_on.nodes = nodes;
        if broken {
            node.config.set("enabled", Json::Bool(false));
        }
    }
    for (test, resolved) in described.tests.iter_mut().zip(of_tests) {
        let (nodes, broken) = take(resolved);
        test.node.depends_on.nodes = nodes;
        if broken {
            test.node.config.set("enabled", Json::Bool(false));
        }
    }
    for (exposure, resolved) in described.exposures.iter_mut().zip(of_exposures) {
        exposure.depends_on.nodes = take(resolved).0;
    }
    for (model, resolved) in described.semantic_models.iter_mut().zip(of_semantic) {
        model.depends_on.nodes = take(resolved).0;
    }
    semantic_links(described, errors);
    let nodes: HashMap<&UniqueId, &Node> = described.nodes.iter().map(|(node, _)| (&node.id, node)).collect();
    for model in &mut described.semantic_models {
        if let Some(node) = model.depends_on.nodes.first().and_then(|id| nodes.get(id)) {
            links::node_relation(model, node);
        }
    }
    let mut unit_tests = Vec::new();
    for test in std::mem::take(&mut described.unit_tests) {
        let (tests, off) = links::unit_test(test, lookup, &nodes, errors);
        unit_tests.extend(tests);
        if let Some(off) = off {
            manifest.disabled.entry(off.id.clone()).or_default().push(Disabled::UnitTest(Arc::new(off)));
        }
    }
    described.unit_tests = unit_tests;
}

fn semantic_links(described: &mut Described, errors: &mut Vec<ModelError>) {
    links::metrics(&mut described.metrics, &described.semantic_models, errors);
    for query in &mut described.saved_queries {
        links::saved_query(query, &described.metrics, errors);
    }
    for exposure in &mut described.exposures {
        for names in &exposure.metrics {
            let name = names.last().map_or("", String::as_str);
            match described.metrics.iter().find(|metric| metric.name == name) {
                Some(metric) => exposure.depends_on.nodes.push(metric.id.clone()),
                None => {
                    let message = format!("exposure `{}` reads the metric `{name}`, which is not there", exposure.name);
                    let error = ModelError::new(ModelErrorKind::MissingReference, message);
                    errors.push(error.at(Place::file(exposure.original_path.as_str())).hint("define it under `metrics:`"));
                }
            }
        }
    }
}

/// Puts everything in its place: what is enabled by id, and what is not aside.
fn store(described: Described, manifest: &mut Manifest, errors: &mut Vec<ModelError>) {
    let mut twice = |first: &str, second: &str, id: &UniqueId| {
        let message = format!("there are two of `{id}`");
        let error = ModelError::new(ModelErrorKind::Duplicate, message).at(Place::file(second)).of(id.as_str());
        errors.push(error.hint(format!("the other one is in {first}; rename or disable one of them")));
    };
    let tests = described.tests.into_iter().map(|test| {
        let shown: Arc<str> = test.node.original_path.as_str().into();
        (test.node, shown)
    });
    for (node, shown) in described.nodes.into_iter().chain(tests) {
        let node = Arc::new(node);
        if !node.config.enabled() {
            manifest.disabled.entry(node.id.clone()).or_default().push(Disabled::Node(node));
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
                    manifest.disabled.entry(thing.id.clone()).or_default().push(Disabled::$kind(thing));
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

/// Finds what only the whole project can tell.
fn check(manifest: &Manifest, errors: &mut Vec<ModelError>) {
    let mut relations: BTreeMap<&str, &Arc<Node>> = BTreeMap::new();
    let mut names: HashMap<(&str, &str), &Arc<Node>> = HashMap::new();
    let groups: HashSet<&str> = manifest.groups.values().map(|group| group.name.as_str()).collect();
    for node in manifest.nodes.values() {
        let place = || Place::file(node.original_path.as_str());
        if let Some(relation) = node.relation_name.as_deref().filter(|_| node.is_refable()) {
            if let Some(first) = relations.insert(relation, node) {
                let message = format!("`{}` and `{}` would both be the relation {relation}", first.id, node.id);
                let error = ModelError::new(ModelErrorKind::Duplicate, message).at(place()).of(node.id.as_str());
                errors.push(error.hint("give one of them another `alias` or `schema`"));
            }
        }
        if node.is_refable() && node.version().is_none() {
            if let Some(first) = names.insert((&*node.package, node.name.as_str()), node) {
                let message = format!("`{}` and `{}` have the same name", first.id, node.id);
                let error = ModelError::new(ModelErrorKind::Duplicate, message).at(place()).of(node.id.as_str());
                errors.push(error.hint(format!("ref('{}') would mean either; rename one", node.name)));
            }
        }
        if let Some(group) = node.group.as_deref().filter(|group| !groups.contains(group)) {
            let message = format!("`{}` belongs to group `{group}`, which is not there", node.id);
            let mut known: Vec<&str> = groups.iter().copied().collect();
            known.sort_unstable();
            let hint = match weir_core::did_you_mean(group, &known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "define it under `groups:` in a properties file".to_owned(),
            };
            let error = ModelError::new(ModelErrorKind::Properties, message).at(place()).of(node.id.as_str());
            errors.push(error.hint(hint));
        }
    }
    let nodes: Vec<Arc<Node>> = manifest.nodes.values().cloned().collect();
    if let Some(ids) = circle(&nodes) {
        let shown: Vec<&str> = ids.iter().map(UniqueId::as_str).collect();
        let file = ids.first().and_then(|id| manifest.nodes.get(id)).map_or("", |node| node.original_path.as_str());
        let message = format!("nodes need each other in a circle: {}", shown.join(" -> "));
        let error = ModelError::new(ModelErrorKind::Cycle, message).at(Place::file(file));
        errors.push(error.hint("take one `ref()` of the circle out"));
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
    add_all!(exposures, metrics, semantic_models, saved_queries, unit_tests, functions);
    for ids in children.values_mut() {
        ids.sort();
        ids.dedup();
    }
    manifest.parent_map = parents;
    manifest.child_map = children;
}
