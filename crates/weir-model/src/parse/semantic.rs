//! Metrics, semantic models and saved queries.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::merge::{Layers, configure};
use super::properties::{Entry, json_map};
use super::raw::fqn;
use super::shape::{filled, filter, input_measure, input_metric, text, window};
use super::static_ref::{Named, read};
use super::work::Work;
use crate::error::ModelError;
use crate::node::{
    ConfigKind, DependsOn, JsonMap, Metric, NodeConfig, RefArgs, ResourceKind, SavedQuery,
    SemanticModel, UniqueId,
};
use crate::project::TreeKind;
use crate::yaml::Yaml;

/// What every such thing has.
pub(super) struct Common {
    pub(super) id: UniqueId,
    pub(super) fqn: Vec<String>,
    pub(super) config: NodeConfig,
    pub(super) unrendered_config: JsonMap,
}

pub(super) fn common(
    work: &Work,
    entry: &Entry,
    resource: ResourceKind,
    kind: ConfigKind,
    tree: TreeKind,
    patch: &JsonMap,
) -> Common {
    let package = &entry.file.package;
    let fqn = fqn(&package.name, &entry.file.file.path, &entry.name);
    let empty = JsonMap::new();
    let layers = Layers {
        kind,
        tree,
        fqn: &fqn,
        patch: Some(patch),
        call: &empty,
    };
    let (config, unrendered_config) = configure(work.project(), package, &layers);
    Common {
        id: UniqueId::new(resource, &package.name, &entry.name),
        fqn,
        config,
        unrendered_config,
    }
}

/// Builds a metric.
pub(super) fn metric(work: &Work, entry: &Entry) -> Metric {
    let mut patch = json_map(entry.get("config"));
    if let Some(meta) = entry.get("meta")
        && !patch.contains_key("meta")
    {
        patch.insert("meta".to_owned(), meta.to_json());
    }
    let kind = entry.text("type").unwrap_or_else(|| "simple".to_owned());
    let common = common(
        work,
        entry,
        ResourceKind::Metric,
        ConfigKind::Metric,
        TreeKind::Metrics,
        &patch,
    );
    let params = entry.json("type_params").unwrap_or(Json::Null);
    Metric {
        id: common.id,
        name: entry.name.clone(),
        package: Arc::clone(&entry.file.package.name),
        path: entry.file.file.path.clone(),
        original_path: entry.file.file.original.to_string(),
        fqn: common.fqn,
        description: entry.text("description").unwrap_or_default(),
        label: entry.text("label").unwrap_or_else(|| entry.name.clone()),
        type_params: type_params(&kind, &params),
        kind,
        filter: Some(filter(entry.json("filter").as_ref())).filter(|filter| !filter.is_null()),
        metadata: None,
        time_granularity: entry.text("time_granularity"),
        meta: common.config.meta().clone(),
        tags: entry.texts("tags"),
        group: common.config.group().map(str::to_owned),
        config: common.config,
        unrendered_config: common.unrendered_config,
        refs: Vec::new(),
        sources: Vec::new(),
        metrics: Vec::new(),
        depends_on: DependsOn::default(),
        created_at: work.created_at,
    }
}

fn type_params(kind: &str, written: &Json) -> Json {
    let list = |key: &str| -> Json {
        let items = written.get(key).and_then(Json::as_array);
        items
            .into_iter()
            .flatten()
            .map(|item| input_metric(Some(item)))
            .collect()
    };
    let conversion = match written.get("conversion_type_params") {
        Some(given @ Json::Object(_)) => {
            let calculation = given.get("calculation").cloned();
            json!({
                "base_measure": input_measure(given.get("base_measure")),
                "conversion_measure": input_measure(given.get("conversion_measure")),
                "entity": given.get("entity"),
                "calculation": calculation.unwrap_or_else(|| "conversion_rate".into()),
                "window": window(given.get("window")),
                "constant_properties": given.get("constant_properties"),
            })
        }
        _ => Json::Null,
    };
    let cumulative = match (kind, written.get("cumulative_type_params")) {
        ("cumulative", given) => {
            let of = |key: &str| {
                given
                    .and_then(|given| given.get(key))
                    .or_else(|| written.get(key))
            };
            json!({
                "window": window(of("window")),
                "grain_to_date": of("grain_to_date"),
                "period_agg": given.and_then(|given| given.get("period_agg")).cloned().unwrap_or_else(|| "first".into()),
                "metric": input_metric(given.and_then(|given| given.get("metric"))),
            })
        }
        _ => Json::Null,
    };
    json!({
        "measure": input_measure(written.get("measure")),
        "input_measures": [],
        "numerator": input_metric(written.get("numerator")),
        "denominator": input_metric(written.get("denominator")),
        "expr": text(written.get("expr")),
        "window": window(written.get("window")),
        "grain_to_date": written.get("grain_to_date"),
        "metrics": list("metrics"),
        "conversion_type_params": conversion,
        "cumulative_type_params": cumulative,
        "metric_aggregation_params": null,
    })
}

/// Builds a semantic model, and the metrics that its measures ask for.
pub(super) fn semantic_model(
    work: &Work,
    entry: &Entry,
    errors: &mut Vec<ModelError>,
) -> (SemanticModel, Vec<Metric>) {
    let patch = json_map(entry.get("config"));
    let common = common(
        work,
        entry,
        ResourceKind::SemanticModel,
        ConfigKind::SemanticModel,
        TreeKind::SemanticModels,
        &patch,
    );
    let model = entry.text("model").unwrap_or_default();
    let refs: Vec<RefArgs> = match read(&model) {
        Some(Named::Ref(reference)) => vec![reference],
        _ => {
            let at = entry.get("model").unwrap_or(&entry.yaml);
            let error = entry.error(
                at,
                format!(
                    "semantic model `{}` does not say what it describes",
                    entry.name
                ),
            );
            errors.push(error.hint("write `model: ref('your_model')`"));
            Vec::new()
        }
    };
    let items = |key: &str| -> Vec<Json> {
        let list = entry.get(key).and_then(Yaml::as_list).unwrap_or_default();
        list.iter().map(Yaml::to_json).collect()
    };
    let config_of = |item: &Json| {
        let mut meta = common.config.meta().clone();
        let own = item
            .get("config")
            .and_then(|config| config.get("meta"))
            .and_then(Json::as_object);
        meta.extend(own.cloned().unwrap_or_default());
        json!({ "meta": meta })
    };
    let measures = items("measures");
    let created = measures
        .iter()
        .filter(|measure| measure.get("create_metric") == Some(&Json::Bool(true)))
        .map(|measure| created_metric(work, entry, measure, &common))
        .collect();
    let made = SemanticModel {
        name: entry.name.clone(),
        package: Arc::clone(&entry.file.package.name),
        path: entry.file.file.path.clone(),
        original_path: entry.file.file.original.to_string(),
        model,
        node_relation: None,
        description: entry.text("description"),
        label: entry.text("label"),
        defaults: entry
            .json("defaults")
            .map(|given| filled(&given, &[("agg_time_dimension", Json::Null)])),
        entities: items("entities")
            .iter()
            .map(|item| entity(item, config_of(item)))
            .collect(),
        measures: measures
            .iter()
            .map(|item| measure(item, config_of(item)))
            .collect(),
        dimensions: items("dimensions")
            .iter()
            .map(|item| dimension(item, config_of(item)))
            .collect(),
        metadata: None,
        primary_entity: entry.text("primary_entity"),
        group: common.config.group().map(str::to_owned),
        refs,
        depends_on: DependsOn::default(),
        created_at: work.created_at,
        id: common.id,
        fqn: common.fqn,
        config: common.config,
        unrendered_config: common.unrendered_config,
    };
    (made, created)
}

fn entity(item: &Json, config: Json) -> Json {
    let null = || Json::Null;
    let keys = [
        ("name", null()),
        ("type", null()),
        ("description", null()),
        ("label", null()),
        ("role", null()),
        ("expr", null()),
    ];
    with_config(filled(item, &keys), config)
}

fn measure(item: &Json, config: Json) -> Json {
    let null = || Json::Null;
    let keys = [
        ("name", null()),
        ("agg", null()),
        ("description", null()),
        ("label", null()),
        ("create_metric", false.into()),
        ("expr", null()),
        ("agg_params", null()),
        ("non_additive_dimension", null()),
        ("agg_time_dimension", null()),
    ];
    let mut all = filled(item, &keys);
    all["create_metric"] = false.into();
    all["expr"] = text(item.get("expr"));
    with_config(all, config)
}

fn dimension(item: &Json, config: Json) -> Json {
    let null = || Json::Null;
    let keys = [
        ("name", null()),
        ("type", null()),
        ("description", null()),
        ("label", null()),
        ("is_partition", false.into()),
        ("type_params", null()),
        ("expr", null()),
        ("metadata", null()),
    ];
    let mut all = filled(item, &keys);
    if let Some(given @ Json::Object(_)) = item.get("type_params") {
        all["type_params"] = filled(
            given,
            &[("time_granularity", null()), ("validity_params", null())],
        );
    }
    with_config(all, config)
}

fn with_config(mut item: Json, config: Json) -> Json {
    if let Json::Object(map) = &mut item {
        map.insert("config".to_owned(), config);
    }
    item
}

/// Makes the metric of a measure that says `create_metric`.
fn created_metric(work: &Work, entry: &Entry, measure: &Json, of: &Common) -> Metric {
    let name = crate::python::str_of(measure.get("name").unwrap_or(&Json::Null));
    let described = |key: &str| measure.get(key).and_then(Json::as_str).map(str::to_owned);
    let map = json!({
        "name": name,
        "label": described("label").unwrap_or_else(|| name.clone()),
        "description": described("description").unwrap_or_else(|| format!("Metric created from measure {name}")),
        "type": "simple",
        "type_params": { "measure": name, "expr": measure.get("expr").filter(|expr| !expr.is_null()).cloned().unwrap_or_else(|| name.as_str().into()) },
        "config": { "enabled": of.config.enabled(), "meta": of.config.meta() },
    });
    let made = Entry {
        name: name.clone(),
        yaml: Yaml::from_json(&map, entry.yaml.line, entry.yaml.column),
        ..entry.clone()
    };
    metric(work, &made)
}

/// Builds a saved query.
pub(super) fn saved_query(work: &Work, entry: &Entry) -> SavedQuery {
    let patch = json_map(entry.get("config"));
    let kind = ResourceKind::SavedQuery;
    let common = common(
        work,
        entry,
        kind,
        ConfigKind::SavedQuery,
        TreeKind::SavedQueries,
        &patch,
    );
    let params = entry.json("query_params").unwrap_or(Json::Null);
    let list = |key: &str| params.get(key).cloned().unwrap_or_else(|| json!([]));
    let mut tags = entry.texts("tags");
    tags.extend(common.config.tags());
    tags.sort();
    tags.dedup();
    let exports = entry
        .json("exports")
        .and_then(|exports| exports.as_array().cloned())
        .unwrap_or_default();
    let target = &work.project().target;
    let exports = exports
        .iter()
        .map(|export| {
            let own = export.get("config").cloned().unwrap_or_else(|| json!({}));
            let setting = |key: &str| own.get(key).or_else(|| common.config.explicit().get(key)).cloned();
            let schema = setting("schema_name").or_else(|| setting("schema")).unwrap_or(Json::Null);
            let schema = match schema {
                Json::Null => target.schema.as_str().into(),
                schema => schema,
            };
            json!({
                "name": export.get("name"),
                "config": {
                    "export_as": setting("export_as"), "schema_name": schema,
                    "alias": setting("alias").or_else(|| export.get("name").cloned()),
                    "database": setting("database").or_else(|| target.database.as_deref().map(Json::from)),
                },
                "unrendered_config": own,
            })
        })
        .collect();
    SavedQuery {
        name: entry.name.clone(),
        package: Arc::clone(&entry.file.package.name),
        path: entry.file.file.path.clone(),
        original_path: entry.file.file.original.to_string(),
        query_params: json!({
            "metrics": list("metrics"), "group_by": list("group_by"), "where": filter(params.get("where")),
            "order_by": list("order_by"), "limit": params.get("limit"),
        }),
        exports,
        description: entry.text("description"),
        label: entry.text("label"),
        metadata: None,
        group: common.config.group().map(str::to_owned),
        tags,
        refs: Vec::new(),
        depends_on: DependsOn::default(),
        created_at: work.created_at,
        id: common.id,
        fqn: common.fqn,
        config: common.config,
        unrendered_config: common.unrendered_config,
    }
}
