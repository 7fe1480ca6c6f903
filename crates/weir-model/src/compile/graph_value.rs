use std::sync::Arc;

use serde_json::{Value as Json, json};
use weir_jinja::Value;

use super::node_value::{column_json, node_json};
use crate::context::Shared;
use crate::convert::to_value;
use crate::node::{Manifest, Source};

/// Returns `graph`: everything in the project by unique id. It is made once, when first asked for.
pub(super) fn graph(shared: &Arc<Shared>) -> Value {
    shared
        .graph
        .get_or_init(|| make(&shared.manifest()))
        .clone()
}

fn make(manifest: &Manifest) -> Value {
    let nodes = Value::dict(
        manifest
            .nodes
            .iter()
            .map(|(id, node)| (id.as_str(), to_value(&node_json(node)))),
    );
    let sources = Value::dict(
        manifest
            .sources
            .iter()
            .map(|(id, source)| (id.as_str(), to_value(&source_json(source)))),
    );
    let exposures = Value::dict(manifest.exposures.iter().map(|(id, exposure)| {
        let json = json!({
            "name": exposure.name, "resource_type": "exposure", "unique_id": id.as_str(),
            "package_name": &*exposure.package, "type": exposure.kind, "owner": exposure.owner,
            "description": exposure.description, "url": exposure.url, "maturity": exposure.maturity,
            "label": exposure.label, "meta": exposure.meta, "tags": exposure.tags, "fqn": exposure.fqn,
            "path": exposure.path, "original_file_path": exposure.original_path,
            "depends_on": ids(&exposure.depends_on.nodes), "config": exposure.config.to_json(),
        });
        (id.as_str(), to_value(&json))
    }));
    let metrics = Value::dict(manifest.metrics.iter().map(|(id, metric)| {
        let json = json!({
            "name": metric.name, "resource_type": "metric", "unique_id": id.as_str(),
            "package_name": &*metric.package, "label": metric.label, "type": metric.kind,
            "description": metric.description, "type_params": metric.type_params, "filter": metric.filter,
            "meta": metric.meta, "tags": metric.tags, "fqn": metric.fqn, "path": metric.path,
            "original_file_path": metric.original_path, "depends_on": ids(&metric.depends_on.nodes),
        });
        (id.as_str(), to_value(&json))
    }));
    let groups = Value::dict(manifest.groups.iter().map(|(id, group)| {
        let json = json!({
            "name": group.name, "resource_type": "group", "unique_id": id.as_str(),
            "package_name": &*group.package, "owner": group.owner,
        });
        (id.as_str(), to_value(&json))
    }));
    let empty = || Value::dict(Vec::<(&str, Value)>::new());
    Value::dict([
        ("nodes", nodes),
        ("sources", sources),
        ("exposures", exposures),
        ("metrics", metrics),
        ("groups", groups),
        ("semantic_models", empty()),
        ("saved_queries", empty()),
        ("functions", empty()),
    ])
}

fn ids(ids: &[crate::node::UniqueId]) -> Json {
    json!({ "nodes": ids.iter().map(|id| id.as_str()).collect::<Vec<_>>(), "macros": [] })
}

/// Returns a source as templates see it.
pub(super) fn source_json(source: &Source) -> Json {
    json!({
        "database": source.database, "schema": source.schema, "name": source.name, "resource_type": "source",
        "package_name": &*source.package, "path": source.path, "original_file_path": source.original_path,
        "unique_id": source.id.as_str(), "fqn": source.fqn, "source_name": source.source_name,
        "source_description": source.source_description, "loader": source.loader, "identifier": source.identifier,
        "quoting": source.quoting, "loaded_at_field": source.loaded_at_field,
        "loaded_at_query": source.loaded_at_query, "freshness": source.freshness, "external": source.external,
        "description": source.description, "meta": source.meta, "source_meta": source.source_meta, "tags": source.tags,
        "columns": source.columns.iter().map(|(name, column)| (name.clone(), column_json(column))).collect::<crate::node::JsonMap>(),
        "config": source.config.to_json(), "patch_path": source.patch_path, "relation_name": source.relation_name,
        "created_at": source.created_at,
    })
}
