//! Laying properties files over nodes, and building what only they define.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use weir_core::did_you_mean;

use super::finish::finish;
use super::generic::{self, BuiltTest, TestJob, Tested};
use super::patch::{Patch, patches};
use super::properties::{self, Entry, problem};
use super::raw::{RawNode, fqn};
use super::read::ReadFile;
use super::static_ref::{Named, read};
use super::unit::{self, Fixtures};
use super::work::Work;
use super::{exposures, parallel, semantic, sources, strict};
use crate::error::ModelError;
use crate::node::{
    ConfigKind, Exposure, Group, Metric, Node, ResourceKind, SavedQuery, SemanticModel, Source,
    UnitTest,
};
use crate::project::{FileKind, TreeKind};
use crate::yaml::Yaml;

/// Everything but macros and docs, described and configured, names not yet looked up.
#[derive(Default)]
pub(super) struct Described {
    /// Nodes with the path of their file for messages.
    pub(super) nodes: Vec<(Node, Arc<str>)>,
    pub(super) tests: Vec<BuiltTest>,
    pub(super) sources: Vec<Source>,
    pub(super) exposures: Vec<Exposure>,
    pub(super) metrics: Vec<Metric>,
    pub(super) semantic_models: Vec<SemanticModel>,
    pub(super) saved_queries: Vec<SavedQuery>,
    pub(super) groups: Vec<Group>,
    pub(super) unit_tests: Vec<UnitTest>,
    /// Entries of macros and of singular tests' properties.
    pub(super) macro_entries: Vec<Entry>,
    pub(super) function_entries: Vec<Entry>,
}

/// A node on its way to a thread that takes it.
struct Unfinished<'u> {
    raw: Mutex<Option<RawNode>>,
    patch: Option<&'u Patch>,
}

/// Reads all properties files and lays them over the nodes.
pub(super) fn describe(
    work: &Work,
    files: &[Arc<ReadFile>],
    mut raw: Vec<RawNode>,
    errors: &mut Vec<ModelError>,
    warnings: &mut Vec<ModelError>,
) -> Described {
    let properties: Vec<&Arc<ReadFile>> = files
        .iter()
        .filter(|file| file.file.kind == FileKind::Properties)
        .collect();
    let mut entries: Vec<Entry> = Vec::new();
    for (found, failed, warned) in parallel::map(&properties, work.threads, |file| {
        properties::entries(work, file)
    }) {
        entries.extend(found);
        errors.extend(failed);
        warnings.extend(warned);
    }
    raw.extend(yaml_snapshots(&entries, errors));
    let mut out = Described::default();
    let mut jobs: Vec<TestJob> = Vec::new();
    let mut all: Vec<Patch> = Vec::new();
    let described: Vec<&Entry> = entries
        .iter()
        .filter(|entry| {
            matches!(
                entry.section,
                "models" | "seeds" | "snapshots" | "analyses" | "data_tests" | "functions"
            )
        })
        .collect();
    for (found, failed) in parallel::map(&described, work.threads, |entry| {
        let mut failed = Vec::new();
        (patches(entry, &mut failed), failed)
    }) {
        all.extend(found);
        errors.extend(failed);
    }
    let chosen = assign(&all, &raw, errors, warnings);
    for patch in &all {
        list_tests(work, patch, &mut jobs);
    }
    let with_patches: Vec<Unfinished<'_>> = raw
        .into_iter()
        .zip(chosen)
        .map(|(raw, patch)| Unfinished {
            raw: Mutex::new(Some(raw)),
            patch: patch.map(|at| &all[at]),
        })
        .collect();
    let finished = parallel::map(&with_patches, work.threads, |unfinished| {
        let patch = unfinished.patch;
        let raw = unfinished
            .raw
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()?;
        let shown = Arc::clone(&raw.shown);
        let (node, errors) = finish(work, raw, patch);
        Some((node, shown, errors))
    });
    for (node, shown, failed) in finished.into_iter().flatten() {
        out.nodes.push((node, shown));
        errors.extend(failed);
    }
    let source_entries: Vec<Entry> = entries
        .iter()
        .filter(|entry| entry.section == "sources")
        .cloned()
        .collect();
    out.sources = sources::build(work, &source_entries, &mut jobs, errors, warnings);
    strict::warn_tests(&work.project().name, &jobs, warnings);
    let built = parallel::map(&jobs, work.threads, |job| {
        let mut failed = Vec::new();
        (generic::build(work, job, &mut failed), failed)
    });
    for (test, failed) in built {
        out.tests.extend(test);
        errors.extend(failed);
    }
    others(work, files, entries, &mut out, errors);
    out
}

/// Builds what is neither a node with a file nor a test.
fn others(
    work: &Work,
    files: &[Arc<ReadFile>],
    entries: Vec<Entry>,
    out: &mut Described,
    errors: &mut Vec<ModelError>,
) {
    let fixtures: Fixtures<'_> = files
        .iter()
        .filter(|file| file.file.kind == FileKind::Fixture)
        .map(|file| {
            (
                (Arc::clone(&file.package.name), file.stem().to_owned()),
                &**file,
            )
        })
        .collect();
    for entry in entries {
        match entry.section {
            "exposures" => out
                .exposures
                .push(exposures::exposure(work, &entry, errors)),
            "groups" => out.groups.push(exposures::group(&entry)),
            "metrics" => out.metrics.push(semantic::metric(work, &entry)),
            "semantic_models" => {
                let (model, created) = semantic::semantic_model(work, &entry, errors);
                out.semantic_models.push(model);
                out.metrics.extend(created);
            }
            "saved_queries" => out.saved_queries.push(semantic::saved_query(work, &entry)),
            "unit_tests" => out
                .unit_tests
                .extend(unit::unit_test(work, &entry, &fixtures, errors)),
            "macros" => out.macro_entries.push(entry),
            "functions" => out.function_entries.push(entry),
            _ => {}
        }
    }
}

/// Finds for each raw node the patch that describes it.
fn assign(
    all: &[Patch],
    raw: &[RawNode],
    errors: &mut Vec<ModelError>,
    warnings: &mut Vec<ModelError>,
) -> Vec<Option<usize>> {
    let mut by_name: HashMap<(ResourceKind, &str), Vec<usize>> = HashMap::new();
    for (at, node) in raw.iter().enumerate() {
        by_name
            .entry((node.kind, node.name.as_str()))
            .or_default()
            .push(at);
    }
    let mut chosen: Vec<Option<usize>> = vec![None; raw.len()];
    for (number, patch) in all.iter().enumerate() {
        let kind = kind_of(patch.section);
        let package = &patch.file.package.name;
        let named = |name: &str, own: bool| -> Vec<usize> {
            let found = by_name.get(&(kind, name)).into_iter().flatten().copied();
            found
                .filter(|at| !own || raw[*at].package.name == *package)
                .collect()
        };
        let mut found: Vec<usize> = patch
            .defined_in
            .iter()
            .map(|name| named(name, true))
            .find(|found| !found.is_empty())
            .unwrap_or_default();
        if found.is_empty() && patch.version.is_none() {
            found = named(&patch.name, false);
        }
        if found.is_empty() {
            warnings.push(nothing_described(patch, kind, raw));
            continue;
        }
        for at in found {
            match chosen[at] {
                None => chosen[at] = Some(number),
                Some(first) => {
                    let first = &all[first];
                    let message = format!("`{}` is described twice", patch.name);
                    let error = problem(&patch.file, patch.line, patch.column, message);
                    errors.push(error.hint(format!(
                        "the other entry is at {}:{}; merge them",
                        first.file.shown, first.line
                    )));
                }
            }
        }
    }
    chosen
}

fn kind_of(section: &str) -> ResourceKind {
    match section {
        "seeds" => ResourceKind::Seed,
        "snapshots" => ResourceKind::Snapshot,
        "analyses" => ResourceKind::Analysis,
        "data_tests" => ResourceKind::Test,
        "functions" => ResourceKind::Function,
        _ => ResourceKind::Model,
    }
}

fn nothing_described(patch: &Patch, kind: ResourceKind, raw: &[RawNode]) -> ModelError {
    let wanted = patch
        .defined_in
        .first()
        .map_or(patch.name.as_str(), String::as_str);
    if let Some(other) = raw
        .iter()
        .find(|node| node.name == wanted && node.kind != kind && node.kind.is_refable())
    {
        let message = format!(
            "`{wanted}` is described under `{}`, but is a {}",
            patch.section, other.kind
        );
        return problem(&patch.file, patch.line, patch.column, message)
            .hint(format!("move it to `{}s:`", other.kind));
    }
    let known: Vec<&str> = raw
        .iter()
        .filter(|node| node.kind == kind)
        .map(|node| node.name.as_str())
        .collect();
    let message = format!(
        "`{wanted}` is described under `{}`, but there is no such {kind}",
        patch.section
    );
    let warning = problem(&patch.file, patch.line, patch.column, message);
    match did_you_mean(wanted, &known) {
        Some(near) => warning.hint(format!("did you mean `{near}`?")),
        None => warning.hint("remove the entry, or add the file"),
    }
}

/// Lists the tests of a patch: of its columns, then its own.
fn list_tests(work: &Work, patch: &Patch, jobs: &mut Vec<TestJob>) {
    if !matches!(patch.section, "models" | "seeds" | "snapshots") {
        return;
    }
    let tested = Tested::Node {
        name: patch.name.clone(),
        version: patch.version.clone(),
    };
    let job = |test: &Yaml, column: Option<String>, tags: Vec<String>| TestJob {
        tested: tested.clone(),
        section: patch.section,
        test: test.clone(),
        column,
        tags,
        file: Arc::clone(&patch.file),
    };
    for described in &patch.columns {
        let column = &described.column;
        let quoted = column.quote.unwrap_or(patch.quote_columns.unwrap_or(false));
        let written = if quoted {
            work.naming.quote(&column.name)
        } else {
            column.name.clone()
        };
        for test in &described.tests {
            jobs.push(job(test, Some(written.clone()), column.tags.clone()));
        }
    }
    for test in &patch.tests {
        jobs.push(job(test, None, Vec::new()));
    }
}

/// Makes nodes of snapshots that have no file: those with a `relation`.
fn yaml_snapshots(entries: &[Entry], errors: &mut Vec<ModelError>) -> Vec<RawNode> {
    let mut found = Vec::new();
    for entry in entries.iter().filter(|entry| entry.section == "snapshots") {
        let Some(relation) = entry.get("relation") else {
            continue;
        };
        let text = relation.scalar_text().unwrap_or_default();
        let mut node = RawNode {
            kind: ResourceKind::Snapshot,
            config_kind: ConfigKind::Snapshot,
            tree: TreeKind::Snapshots,
            package: Arc::clone(&entry.file.package),
            name: entry.name.clone(),
            id: crate::node::UniqueId::new(
                ResourceKind::Snapshot,
                &entry.file.package.name,
                &entry.name,
            ),
            path: format!("{}/{}.sql", entry.file.file.path, entry.name),
            original_path: entry.file.file.original.to_string(),
            shown: Arc::clone(&entry.file.shown),
            line: entry.yaml.line,
            fqn: fqn(&entry.file.package.name, &entry.file.file.path, &entry.name),
            raw_code: format!("select * from {{{{ {text} }}}}").into(),
            language: "sql",
            checksum: crate::node::Checksum::of_text(&entry.file.text),
            captured: super::stage::Captured::default(),
            hook: None,
        };
        match read(&text) {
            Some(Named::Ref(reference)) => node.captured.refs.push(reference),
            Some(Named::Source(source, table)) => node.captured.sources.push((source, table)),
            _ => {
                let error = entry.error(
                    relation,
                    format!("`relation` of snapshot `{}` names nothing", entry.name),
                );
                errors.push(error.hint(
                    "write `relation: ref('model')` or `relation: source('source', 'table')`",
                ));
            }
        }
        found.push(node);
    }
    found
}
