//! manifest.json, version 12.

use std::fmt::Write as _;
use std::num::NonZero;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Value as Json, json};

use super::nodes::{disabled_json, node_json, source_json};
use super::semantic::{
    exposure_json, group_json, metric_json, saved_query_json, semantic_model_json, unit_test_json,
};
use crate::node::{Doc, Function, JsonMap, Macro, MacroArgument, Manifest, UniqueId};

/// Entries that are worth a thread.
const SHARE: usize = 200;

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

/// Returns the text of manifest.json.
///
/// A node or macro is text as soon as it is JSON, on as many threads as there are cores: thousands of them as values
/// take most of what parsing a project takes.
pub fn manifest_text(manifest: &Manifest) -> String {
    let disabled: JsonMap = manifest
        .disabled
        .iter()
        .map(|(id, all)| {
            let all = all.iter().map(disabled_json).collect();
            (id.as_str().to_owned(), all)
        })
        .collect();
    let parts = [
        ("metadata", head(manifest).to_string()),
        ("nodes", entries(&manifest.nodes, node_json)),
        ("sources", entries(&manifest.sources, source_json)),
        ("macros", entries(&manifest.macros, macro_json)),
        ("docs", entries(&manifest.docs, doc_json)),
        ("exposures", entries(&manifest.exposures, exposure_json)),
        ("metrics", entries(&manifest.metrics, metric_json)),
        ("groups", entries(&manifest.groups, group_json)),
        (
            "selectors",
            Json::from(manifest.selectors.clone()).to_string(),
        ),
        ("disabled", Json::from(disabled).to_string()),
        ("parent_map", edges(&manifest.parent_map).to_string()),
        ("child_map", edges(&manifest.child_map).to_string()),
        ("group_map", members(manifest).to_string()),
        (
            "saved_queries",
            entries(&manifest.saved_queries, saved_query_json),
        ),
        (
            "semantic_models",
            entries(&manifest.semantic_models, semantic_model_json),
        ),
        ("unit_tests", entries(&manifest.unit_tests, unit_test_json)),
        ("functions", entries(&manifest.functions, function_json)),
    ];
    let room = parts.iter().map(|(key, text)| key.len() + text.len() + 4);
    let mut all = String::with_capacity(2 + room.sum::<usize>());
    for (key, text) in parts {
        all.push(if all.is_empty() { '{' } else { ',' });
        let _ = write!(all, "\"{key}\":{text}");
    }
    all.push('}');
    all
}

/// Returns a mapping from ids to what `json` makes of each, as text.
fn entries<T: Send + Sync>(
    all: &IndexMap<UniqueId, Arc<T>>,
    json: impl Fn(&T) -> Json + Sync,
) -> String {
    let all: Vec<(&UniqueId, &Arc<T>)> = all.iter().collect();
    let text = |part: &[(&UniqueId, &Arc<T>)]| {
        let mut text = Vec::new();
        for (id, one) in part {
            if !text.is_empty() {
                text.push(b',');
            }
            // Into bytes: `Display` looks at every piece of the text once more.
            let _ = serde_json::to_writer(&mut text, id.as_str());
            text.push(b':');
            let _ = serde_json::to_writer(&mut text, &json(one));
        }
        String::from_utf8(text).expect("JSON is UTF-8")
    };
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let share = all.len().div_ceil(cores).max(SHARE);
    let parts: Vec<String> = if share >= all.len() {
        vec![text(&all)]
    } else {
        std::thread::scope(|scope| {
            let text = &text;
            let begun: Vec<_> = all
                .chunks(share)
                .map(|part| scope.spawn(move || text(part)))
                .collect();
            let done = begun.into_iter().map(|thread| thread.join());
            done.map(|part| part.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        })
    };
    format!("{{{}}}", parts.join(","))
}

fn head(manifest: &Manifest) -> Json {
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
    metadata.into()
}

/// Returns the nodes of each group.
fn members(manifest: &Manifest) -> Json {
    let of = |name: &str| -> Vec<&UniqueId> {
        let nodes = manifest.nodes.values();
        nodes
            .filter(|node| node.group.as_deref() == Some(name))
            .map(|node| &node.id)
            .collect()
    };
    let groups = manifest.groups.values();
    groups
        .map(|group| (group.name.clone(), json!(of(&group.name))))
        .collect()
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
