//! Exposures, metrics and their kin in the shape of manifest.json, and semantic_manifest.json.

use serde_json::{Value as Json, json};

use super::nodes::{refs_json, sources_json};
use crate::node::{
    DependsOn, Exposure, Group, Manifest, Metric, SavedQuery, SemanticModel, UnitTest, Version,
};

fn depends_json(depends: &DependsOn) -> Json {
    json!({ "macros": depends.macros, "nodes": depends.nodes })
}

pub(super) fn exposure_json(exposure: &Exposure) -> Json {
    json!({
        "name": exposure.name, "resource_type": "exposure", "package_name": &*exposure.package,
        "path": exposure.path, "original_file_path": exposure.original_path, "unique_id": exposure.id,
        "fqn": exposure.fqn, "type": exposure.kind, "owner": exposure.owner,
        "description": exposure.description, "label": exposure.label, "maturity": exposure.maturity,
        "meta": exposure.meta, "tags": exposure.tags, "config": exposure.config.to_json(),
        "unrendered_config": exposure.unrendered_config, "url": exposure.url,
        "depends_on": depends_json(&exposure.depends_on), "refs": refs_json(&exposure.refs),
        "sources": sources_json(&exposure.sources), "metrics": exposure.metrics,
        "created_at": exposure.created_at,
    })
}

pub(super) fn metric_json(metric: &Metric) -> Json {
    json!({
        "name": metric.name, "resource_type": "metric", "package_name": &*metric.package,
        "path": metric.path, "original_file_path": metric.original_path, "unique_id": metric.id,
        "fqn": metric.fqn, "description": metric.description, "label": metric.label, "type": metric.kind,
        "type_params": metric.type_params, "filter": metric.filter, "metadata": metric.metadata,
        "time_granularity": metric.time_granularity, "meta": metric.meta, "tags": metric.tags,
        "config": metric.config.to_json(), "unrendered_config": metric.unrendered_config,
        "sources": sources_json(&metric.sources), "depends_on": depends_json(&metric.depends_on),
        "refs": refs_json(&metric.refs), "metrics": metric.metrics, "created_at": metric.created_at,
        "group": metric.group,
    })
}

pub(super) fn semantic_model_json(model: &SemanticModel) -> Json {
    json!({
        "name": model.name, "resource_type": "semantic_model", "package_name": &*model.package,
        "path": model.path, "original_file_path": model.original_path, "unique_id": model.id,
        "fqn": model.fqn, "model": model.model, "node_relation": model.node_relation,
        "description": model.description, "label": model.label, "defaults": model.defaults,
        "entities": model.entities, "measures": model.measures, "dimensions": model.dimensions,
        "metadata": model.metadata, "depends_on": depends_json(&model.depends_on),
        "refs": refs_json(&model.refs), "created_at": model.created_at, "config": model.config.to_json(),
        "unrendered_config": model.unrendered_config, "primary_entity": model.primary_entity,
        "group": model.group,
    })
}

pub(super) fn saved_query_json(query: &SavedQuery) -> Json {
    json!({
        "name": query.name, "resource_type": "saved_query", "package_name": &*query.package,
        "path": query.path, "original_file_path": query.original_path, "unique_id": query.id,
        "fqn": query.fqn, "query_params": query.query_params, "exports": query.exports,
        "description": query.description, "label": query.label, "metadata": query.metadata,
        "config": query.config.to_json(), "unrendered_config": query.unrendered_config,
        "group": query.group, "depends_on": depends_json(&query.depends_on), "created_at": query.created_at,
        "refs": refs_json(&query.refs), "tags": query.tags,
    })
}

pub(super) fn unit_test_json(test: &UnitTest) -> Json {
    json!({
        "name": test.name, "resource_type": "unit_test", "package_name": &*test.package,
        "path": test.path, "original_file_path": test.original_path, "unique_id": test.id, "fqn": test.fqn,
        "model": test.model, "given": test.given, "expect": test.expect, "description": test.description,
        "overrides": test.overrides, "depends_on": depends_json(&test.depends_on),
        "config": test.config.to_json(), "checksum": test.checksum, "schema": test.schema,
        "created_at": test.created_at, "versions": test.versions,
        "version": test.version.as_ref().map_or(Json::Null, Version::to_json),
    })
}

pub(super) fn group_json(group: &Group) -> Json {
    json!({
        "name": group.name, "resource_type": "group", "package_name": &*group.package, "path": group.path,
        "original_file_path": group.original_path, "unique_id": group.id, "owner": group.owner,
        "description": group.description, "config": group.config,
    })
}

/// Returns semantic_manifest.json: what tools of the semantic layer read.
pub fn semantic_manifest_json(manifest: &Manifest) -> Json {
    let pick = |all: Json, keys: &[&str]| -> Json {
        let Json::Object(mut all) = all else {
            return all;
        };
        keys.iter()
            .map(|key| ((*key).to_owned(), all.remove(*key).unwrap_or(Json::Null)))
            .collect()
    };
    let models: Vec<Json> = manifest
        .semantic_models
        .values()
        .map(|model| {
            let keys = [
                "name",
                "defaults",
                "description",
                "node_relation",
                "primary_entity",
                "entities",
                "measures",
                "dimensions",
                "label",
                "metadata",
                "config",
            ];
            pick(semantic_model_json(model), &keys)
        })
        .collect();
    let metrics: Vec<Json> = manifest
        .metrics
        .values()
        .map(|metric| {
            let keys = [
                "name",
                "description",
                "type",
                "type_params",
                "filter",
                "metadata",
                "label",
                "config",
                "time_granularity",
            ];
            pick(metric_json(metric), &keys)
        })
        .collect();
    let queries: Vec<Json> = manifest
        .saved_queries
        .values()
        .map(|query| {
            let keys = [
                "name",
                "query_params",
                "description",
                "metadata",
                "label",
                "exports",
                "tags",
            ];
            pick(saved_query_json(query), &keys)
        })
        .collect();
    let (mut models, mut metrics, mut queries) = (models, metrics, queries);
    for model in &mut models {
        only_meta(model);
        for part in ["measures", "entities"] {
            for one in items(model, part) {
                one.insert("metadata".to_owned(), Json::Null);
            }
        }
    }
    for metric in &mut metrics {
        only_meta(metric);
        without(
            metric.pointer_mut("/type_params"),
            "metric_aggregation_params",
        );
        without(
            metric.pointer_mut("/type_params/cumulative_type_params"),
            "metric",
        );
    }
    for query in &mut queries {
        for export in items(query, "exports") {
            export.shift_remove("unrendered_config");
            without(export.get_mut("config"), "database");
        }
    }
    json!({
        "semantic_models": models, "metrics": metrics,
        "project_configuration": {
            "time_spine_table_configurations": old_time_spine(manifest), "metadata": null,
            "dsi_package_version": { "major_version": "0", "minor_version": "9", "patch_version": "0" },
            "time_spines": time_spines(manifest),
        },
        "saved_queries": queries,
    })
}

/// Leaves `meta` of a configuration, as tools of the semantic layer know no more.
fn only_meta(thing: &mut Json) {
    let meta = thing["config"]["meta"].take();
    thing["config"] = json!({ "meta": meta });
}

fn without(map: Option<&mut Json>, key: &str) {
    if let Some(Json::Object(map)) = map {
        map.shift_remove(key);
    }
}

fn items<'j>(thing: &'j mut Json, key: &str) -> impl Iterator<Item = &'j mut crate::node::JsonMap> {
    let list = thing.get_mut(key).and_then(Json::as_array_mut);
    list.into_iter().flatten().filter_map(Json::as_object_mut)
}

/// The old way to have a time spine: a model of this very name.
fn old_time_spine(manifest: &Manifest) -> Vec<Json> {
    let model = manifest
        .refables("metricflow_time_spine")
        .find(|node| node.model().is_some());
    model
        .map(|model| {
            json!({ "location": model.relation_name, "column_name": "date_day", "grain": "day" })
        })
        .into_iter()
        .collect()
}

fn time_spines(manifest: &Manifest) -> Vec<Json> {
    manifest
        .nodes
        .values()
        .filter_map(|node| {
            let spine = node.model()?.time_spine.as_ref()?;
            let column = spine.get("standard_granularity_column")?.as_str()?;
            let grain = node
                .columns
                .get(column)
                .and_then(|column| column.granularity.clone());
            Some(json!({
                "node_relation": {
                    "alias": node.alias, "schema_name": node.schema, "database": node.database,
                    "relation_name": node.relation_name,
                },
                "primary_column": { "name": column, "time_granularity": grain },
                "custom_granularities": spine.get("custom_granularities"),
            }))
        })
        .collect()
}
