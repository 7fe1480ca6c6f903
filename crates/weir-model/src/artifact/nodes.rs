//! Nodes and sources in the shape of manifest.json.

use indexmap::IndexMap;
use serde_json::{Value as Json, json};

use crate::node::{
    Column, Constraint, Disabled, JsonMap, Node, NodeDetail, RefArgs, ResourceKind, Source,
};

/// Returns a node as manifest.json holds it.
pub(crate) fn node_json(node: &Node) -> Json {
    let mut all = JsonMap::new();
    let mut put = |key: &str, value: Json| {
        all.insert(key.to_owned(), value);
    };
    put("database", json!(node.database));
    put("schema", json!(node.schema));
    put("name", json!(node.name));
    put("resource_type", json!(node.kind.as_str()));
    put("package_name", json!(&*node.package));
    put("path", json!(node.path));
    put("original_file_path", json!(node.original_path));
    put("unique_id", json!(node.id.as_str()));
    put("fqn", json!(node.fqn));
    put("alias", json!(node.alias));
    put(
        "checksum",
        json!({ "name": node.checksum.name, "checksum": node.checksum.value }),
    );
    put("config", Json::Object(node.config.to_json()));
    put("tags", json!(node.tags));
    put("description", json!(node.description));
    put("columns", columns_json(&node.columns));
    put("meta", Json::Object(node.meta.clone()));
    put("group", json!(node.group));
    put(
        "docs",
        json!({ "show": node.docs.show, "node_color": node.docs.node_color }),
    );
    put("patch_path", json!(node.patch_path));
    put("build_path", json!(node.build_path));
    put(
        "unrendered_config",
        Json::Object(node.unrendered_config.clone()),
    );
    put("created_at", json!(node.created_at));
    put("relation_name", json!(node.relation_name));
    put("raw_code", json!(&*node.raw_code));
    put("doc_blocks", json!([]));
    if let NodeDetail::Seed {
        root_path,
        depends_on_macros,
    } = &node.detail
    {
        put("root_path", json!(root_path));
        put("depends_on", json!({ "macros": depends_on_macros }));
        return Json::Object(all);
    }
    put("language", json!(node.language));
    put("refs", refs_json(&node.refs));
    put("sources", sources_json(&node.sources));
    put("metrics", json!(node.metrics));
    put("functions", json!(node.functions));
    put(
        "depends_on",
        json!({ "macros": node.depends_on.macros, "nodes": node.depends_on.nodes }),
    );
    put("compiled_path", json!(node.compiled_path));
    if node.compiled {
        let ctes: Vec<Json> = node
            .extra_ctes
            .iter()
            .map(|cte| json!({ "id": cte.id.as_str(), "sql": cte.sql }))
            .collect();
        put("compiled", Json::Bool(true));
        put("compiled_code", json!(node.compiled_code.as_deref()));
        put("extra_ctes_injected", Json::Bool(true));
        put("extra_ctes", Json::Array(ctes));
    }
    let contract = &node.contract;
    put(
        "contract",
        json!({ "enforced": contract.enforced, "alias_types": contract.alias_types, "checksum": contract.checksum }),
    );
    detail(node, &mut put);
    Json::Object(all)
}

fn detail(node: &Node, put: &mut impl FnMut(&str, Json)) {
    match &node.detail {
        NodeDetail::Model(model) => {
            let version = |version: &Option<crate::node::Version>| {
                version
                    .as_ref()
                    .map_or(Json::Null, crate::node::Version::to_json)
            };
            put("access", json!(model.access.as_str()));
            put(
                "constraints",
                model
                    .constraints
                    .iter()
                    .map(|one| constraint_json(one, true))
                    .collect(),
            );
            put("version", version(&model.version));
            put("latest_version", version(&model.latest_version));
            put("deprecation_date", json!(model.deprecation_date));
            put("primary_key", json!(model.primary_key));
            put("time_spine", json!(model.time_spine));
        }
        NodeDetail::GenericTest(test) => {
            put("file_key_name", json!(test.file_key_name));
            put("column_name", json!(test.column_name));
            put("attached_node", json!(test.attached_node));
            put(
                "test_metadata",
                json!({
                    "name": test.metadata.name, "kwargs": test.metadata.kwargs,
                    "namespace": test.metadata.namespace,
                }),
            );
        }
        NodeDetail::Operation { index } => put("index", json!(index)),
        _ => {}
    }
}

/// Returns a source's table as manifest.json holds it.
pub(crate) fn source_json(source: &Source) -> Json {
    json!({
        "database": source.database, "schema": source.schema, "name": source.name,
        "resource_type": ResourceKind::Source.as_str(), "package_name": &*source.package,
        "path": source.path, "original_file_path": source.original_path, "unique_id": source.id,
        "fqn": source.fqn, "source_name": source.source_name,
        "source_description": source.source_description, "loader": source.loader,
        "identifier": source.identifier, "quoting": source.quoting,
        "loaded_at_field": source.loaded_at_field, "loaded_at_query": source.loaded_at_query,
        "freshness": source.freshness, "external": source.external, "description": source.description,
        "columns": columns_json(&source.columns), "meta": source.meta, "source_meta": source.source_meta,
        "tags": source.tags, "config": source.config.to_json(), "patch_path": source.patch_path,
        "unrendered_config": source.unrendered_config, "relation_name": source.relation_name,
        "created_at": source.created_at, "unrendered_database": source.unrendered_database,
        "unrendered_schema": source.unrendered_schema, "doc_blocks": [],
    })
}

fn columns_json(columns: &IndexMap<String, Column>) -> Json {
    Json::Object(
        columns
            .iter()
            .map(|(name, column)| (name.clone(), column_json(column)))
            .collect(),
    )
}

fn column_json(column: &Column) -> Json {
    let constraints: Vec<Json> = column
        .constraints
        .iter()
        .map(|one| constraint_json(one, false))
        .collect();
    let mut all = json!({
        "name": column.name, "description": column.description, "meta": column.meta,
        "data_type": column.data_type, "constraints": constraints, "quote": column.quote,
        "config": { "meta": column.meta, "tags": column.tags }, "tags": column.tags,
        "granularity": column.granularity, "doc_blocks": [],
    });
    if let Json::Object(all) = &mut all {
        all.extend(column.extra.clone());
    }
    all
}

fn constraint_json(constraint: &Constraint, of_model: bool) -> Json {
    let mut all = json!({
        "type": constraint.kind, "name": constraint.name, "expression": constraint.expression,
        "warn_unenforced": constraint.warn_unenforced, "warn_unsupported": constraint.warn_unsupported,
        "to": constraint.to, "to_columns": constraint.to_columns,
    });
    if of_model {
        all["columns"] = json!(constraint.columns);
    }
    all
}

pub(super) fn refs_json(refs: &[RefArgs]) -> Json {
    refs.iter()
        .map(|reference| {
            let version = reference
                .version
                .as_ref()
                .map_or(Json::Null, crate::node::Version::to_json);
            json!({ "name": reference.name, "package": reference.package, "version": version })
        })
        .collect()
}

pub(super) fn sources_json(sources: &[(String, String)]) -> Json {
    sources
        .iter()
        .map(|(source, table)| json!([source, table]))
        .collect()
}

/// Returns what was switched off as manifest.json holds it.
pub(super) fn disabled_json(disabled: &Disabled) -> Json {
    match disabled {
        Disabled::Node(node) => node_json(node),
        Disabled::Source(source) => source_json(source),
        Disabled::Exposure(exposure) => super::semantic::exposure_json(exposure),
        Disabled::Metric(metric) => super::semantic::metric_json(metric),
        Disabled::SemanticModel(model) => super::semantic::semantic_model_json(model),
        Disabled::SavedQuery(query) => super::semantic::saved_query_json(query),
        Disabled::UnitTest(test) => super::semantic::unit_test_json(test),
    }
}
