//! From names to ids: what everything reads.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value as Json;

use super::describe::Described;
use super::links;
use super::lookup::Lookup;
use super::parallel;
use super::resolve::{Asker, Resolved, Rights, resolve};
use super::work::Work;
use crate::error::{ModelError, ModelErrorKind, Place};
use crate::node::{Disabled, Manifest, Node, ResourceKind, UniqueId};

/// Looks up what everything reads.
pub(super) fn link(
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
        resolve(
            lookup,
            &rights,
            &Asker::node(node, shown, text_of(shown)),
            &node.refs,
            &node.sources,
        )
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
        resolve(
            lookup,
            &rights,
            &Asker::node(node, &shown, text_of(&shown)),
            &node.refs,
            &node.sources,
        )
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
    let functions: HashMap<String, UniqueId> = described
        .nodes
        .iter()
        .filter(|(node, _)| node.kind == ResourceKind::Function)
        .map(|(node, _)| (node.name.clone(), node.id.clone()))
        .collect();
    for ((node, _), resolved) in described.nodes.iter_mut().zip(of_nodes) {
        let (mut nodes, broken) = take(resolved);
        let called = node.functions.iter().filter_map(|names| names.last());
        nodes.extend(called.filter_map(|name| functions.get(name).cloned()));
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
    let nodes: HashMap<&UniqueId, &Node> = described
        .nodes
        .iter()
        .map(|(node, _)| (&node.id, node))
        .collect();
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
            manifest
                .disabled
                .entry(off.id.clone())
                .or_default()
                .push(Disabled::UnitTest(Arc::new(off)));
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
                    let message = format!(
                        "exposure `{}` reads the metric `{name}`, which is not there",
                        exposure.name
                    );
                    let error = ModelError::new(ModelErrorKind::MissingReference, message);
                    errors.push(
                        error
                            .at(Place::file(exposure.original_path.as_str()))
                            .hint("define it under `metrics:`"),
                    );
                }
            }
        }
    }
}
