//! Exposures and groups: who reads the project's relations, and who owns them.

use std::sync::Arc;

use serde_json::Value as Json;

use super::properties::{Entry, json_map};
use super::semantic::common;
use super::shape::filled;
use super::static_ref::{Named, read};
use super::work::Work;
use crate::error::ModelError;
use crate::node::{ConfigKind, DependsOn, Exposure, Group, ResourceKind, UniqueId};
use crate::project::TreeKind;
use crate::yaml::Yaml;

/// Builds an exposure.
pub(super) fn exposure(work: &Work, entry: &Entry, errors: &mut Vec<ModelError>) -> Exposure {
    let mut patch = json_map(entry.get("config"));
    let mut meta = json_map(entry.get("meta"));
    meta.extend(
        patch
            .get("meta")
            .and_then(Json::as_object)
            .cloned()
            .unwrap_or_default(),
    );
    if !meta.is_empty() {
        patch.insert("meta".to_owned(), Json::Object(meta));
    }
    let mut tags = entry.texts("tags");
    if let Some(own) = entry.get("config").and_then(|config| config.get("tags")) {
        tags.extend(super::properties::texts(own));
    }
    tags.sort();
    tags.dedup();
    patch.insert("tags".to_owned(), tags.into());
    let common = common(
        work,
        entry,
        ResourceKind::Exposure,
        ConfigKind::Exposure,
        TreeKind::Exposures,
        &patch,
    );
    let mut made = Exposure {
        id: common.id,
        name: entry.name.clone(),
        package: Arc::clone(&entry.file.package.name),
        path: entry.file.file.path.clone(),
        original_path: entry.file.file.original.to_string(),
        fqn: common.fqn,
        kind: entry.text("type").unwrap_or_default(),
        owner: owner(entry.json("owner").as_ref()),
        description: entry.text("description").unwrap_or_default(),
        label: entry.text("label"),
        maturity: entry.text("maturity"),
        url: entry.text("url"),
        meta: common.config.meta().clone(),
        tags: common.config.tags(),
        config: common.config,
        unrendered_config: common.unrendered_config,
        refs: Vec::new(),
        sources: Vec::new(),
        metrics: Vec::new(),
        depends_on: DependsOn::default(),
        created_at: work.created_at,
    };
    const KINDS: [&str; 5] = ["dashboard", "notebook", "analysis", "ml", "application"];
    if !KINDS.contains(&&*made.kind) {
        let at = entry.get("type").unwrap_or(&entry.yaml);
        let error = entry.error(at, format!("exposure `{}` has no known `type`", entry.name));
        errors.push(error.hint(format!("types are: {}", KINDS.join(", "))));
    }
    for item in entry
        .get("depends_on")
        .and_then(Yaml::as_list)
        .unwrap_or_default()
    {
        match item.as_str().and_then(read) {
            Some(Named::Ref(reference)) => made.refs.push(reference),
            Some(Named::Source(source, table)) => made.sources.push((source, table)),
            Some(Named::Metric(names)) => made.metrics.push(names),
            Some(Named::This) | None => {
                let error = entry.error(
                    item,
                    format!(
                        "exposure `{}` depends on something that is no call",
                        entry.name
                    ),
                );
                errors.push(error.hint(
                    "write `ref('model')`, `source('source', 'table')` or `metric('metric')`",
                ));
            }
        }
    }
    made
}

fn owner(written: Option<&Json>) -> Json {
    let keys = [("email", Json::Null), ("name", Json::Null)];
    let mut all = filled(written.unwrap_or(&Json::Null), &keys);
    if let (Json::Object(all), Some(Json::Object(given))) = (&mut all, written) {
        for (key, value) in given {
            all.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    all
}

/// Builds a group.
pub(super) fn group(entry: &Entry) -> Group {
    let package = &entry.file.package.name;
    Group {
        id: UniqueId::new(ResourceKind::Group, package, &entry.name),
        name: entry.name.clone(),
        package: Arc::clone(package),
        path: entry.file.file.path.clone(),
        original_path: entry.file.file.original.to_string(),
        owner: owner(entry.json("owner").as_ref()),
        description: entry.text("description"),
        config: json_map(entry.get("config")),
    }
}
