//! manifest.json, version 12.

use serde_json::{Value as Json, json};

use super::nodes::{disabled_json, node_json, source_json};
use super::semantic::{
    exposure_json, group_json, metric_json, saved_query_json, semantic_model_json, unit_test_json,
};
use crate::node::{Doc, Function, JsonMap, Macro, MacroArgument, Manifest, UniqueId};

/// Returns the `metadata` that every artifact begins with.
pub(super) fn metadata(manifest: &Manifest, schema: &str) -> JsonMap {
    let facts = &manifest.metadata;
    let mut all = JsonMap::new();
    let mut put = |key: &str, value: Json| {
        all.insert(key.to_owned(), value);
    };
    put(
        "dbt_schema_version",
        json!(format!("https://schemas.getdbt.com/dbt/{schema}.json")),
    );
    put("dbt_version", json!(crate::DBT_VERSION));
    put("generated_at", json!(facts.generated_at));
    put("invocation_id", json!(facts.invocation_id));
    put("invocation_started_at", json!(facts.invocation_started_at));
    put("env", Json::Object(facts.env.clone()));
    all
}

/// Returns the manifest as other tools read it.
pub fn manifest_json(manifest: &Manifest) -> Json {
    let facts = &manifest.metadata;
    let mut metadata = metadata(manifest, "manifest/v12");
    metadata.insert("project_name".to_owned(), json!(facts.project_name));
    metadata.insert("project_id".to_owned(), json!(facts.project_id));
    metadata.insert("user_id".to_owned(), Json::Null);
    metadata.insert("send_anonymous_usage_stats".to_owned(), Json::Bool(false));
    metadata.insert("adapter_type".to_owned(), json!(facts.adapter_type));
    metadata.insert("quoting".to_owned(), facts.quoting.clone());
    metadata.insert(
        "run_started_at".to_owned(),
        json!(facts.invocation_started_at),
    );
    let map = |entries: Vec<(&UniqueId, Json)>| -> Json {
        entries
            .into_iter()
            .map(|(id, value)| (id.as_str().to_owned(), value))
            .collect()
    };
    let disabled = manifest
        .disabled
        .iter()
        .map(|(id, all)| (id, all.iter().map(disabled_json).collect()))
        .collect();
    let mut groups = JsonMap::new();
    for group in manifest.groups.values() {
        let members: Vec<&UniqueId> = manifest
            .nodes
            .values()
            .filter(|node| node.group.as_deref() == Some(&*group.name))
            .map(|node| &node.id)
            .collect();
        groups.insert(group.name.clone(), json!(members));
    }
    // Moved into place: `json!` would copy all of it once more.
    let parts: [(&str, Json); 17] = [
        ("metadata", metadata.into()),
        (
            "nodes",
            map(manifest
                .nodes
                .iter()
                .map(|(id, node)| (id, node_json(node)))
                .collect()),
        ),
        (
            "sources",
            map(manifest
                .sources
                .iter()
                .map(|(id, source)| (id, source_json(source)))
                .collect()),
        ),
        (
            "macros",
            map(manifest
                .macros
                .iter()
                .map(|(id, found)| (id, macro_json(found)))
                .collect()),
        ),
        (
            "docs",
            map(manifest
                .docs
                .iter()
                .map(|(id, doc)| (id, doc_json(doc)))
                .collect()),
        ),
        (
            "exposures",
            map(manifest
                .exposures
                .iter()
                .map(|(id, one)| (id, exposure_json(one)))
                .collect()),
        ),
        (
            "metrics",
            map(manifest
                .metrics
                .iter()
                .map(|(id, one)| (id, metric_json(one)))
                .collect()),
        ),
        (
            "groups",
            map(manifest
                .groups
                .iter()
                .map(|(id, one)| (id, group_json(one)))
                .collect()),
        ),
        ("selectors", manifest.selectors.clone().into()),
        ("disabled", map(disabled)),
        ("parent_map", edges(&manifest.parent_map)),
        ("child_map", edges(&manifest.child_map)),
        ("group_map", groups.into()),
        (
            "saved_queries",
            map(manifest
                .saved_queries
                .iter()
                .map(|(id, one)| (id, saved_query_json(one)))
                .collect()),
        ),
        (
            "semantic_models",
            map(manifest
                .semantic_models
                .iter()
                .map(|(id, one)| (id, semantic_model_json(one)))
                .collect()),
        ),
        (
            "unit_tests",
            map(manifest
                .unit_tests
                .iter()
                .map(|(id, one)| (id, unit_test_json(one)))
                .collect()),
        ),
        (
            "functions",
            map(manifest
                .functions
                .iter()
                .map(|(id, one)| (id, function_json(one)))
                .collect()),
        ),
    ];
    let parts = parts.into_iter();
    parts.map(|(key, value)| (key.to_owned(), value)).collect()
}

fn edges(map: &std::collections::HashMap<UniqueId, Vec<UniqueId>>) -> Json {
    let mut ids: Vec<&UniqueId> = map.keys().collect();
    ids.sort();
    ids.into_iter()
        .map(|id| (id.as_str().to_owned(), json!(map[id])))
        .collect()
}

pub(super) fn macro_json(found: &Macro) -> Json {
    let arguments: Vec<Json> = found.arguments.iter().map(argument_json).collect();
    json!({
        "name": found.name, "resource_type": "macro", "package_name": &*found.package, "path": found.path,
        "original_file_path": found.original_path, "unique_id": found.id, "macro_sql": &*found.code,
        "depends_on": { "macros": found.depends_on.macros }, "description": found.description,
        "meta": found.meta, "docs": { "show": found.docs.show, "node_color": found.docs.node_color },
        "patch_path": found.patch_path, "arguments": arguments, "created_at": found.created_at,
        "supported_languages": found.supported_languages, "config": macro_config(found),
    })
}

fn macro_config(found: &Macro) -> Json {
    let docs = json!({ "show": found.docs.show, "node_color": found.docs.node_color });
    json!({ "meta": found.meta, "docs": docs })
}

fn argument_json(argument: &MacroArgument) -> Json {
    json!({ "name": argument.name, "type": argument.data_type, "description": argument.description })
}

fn doc_json(doc: &Doc) -> Json {
    json!({
        "name": doc.name, "resource_type": "doc", "package_name": &*doc.package, "path": doc.path,
        "original_file_path": doc.original_path, "unique_id": doc.id, "block_contents": doc.contents,
    })
}

fn function_json(function: &Function) -> Json {
    Json::Object(function.properties.clone())
}
