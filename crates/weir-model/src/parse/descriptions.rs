//! Descriptions with their blocks of documentation put in, and what properties files say of macros.

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value as Json;

use super::describe::Described;
use super::docs::{Describer, DocIndex};
use super::properties::json_map;
use super::work::Work;
use crate::error::ModelError;
use crate::node::{Macro, MacroArgument, Manifest, UniqueId};
use crate::yaml::Yaml;

/// Renders descriptions, and lays properties of macros over them.
pub(super) fn render(
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
        let Some(describer) = describers.get(&node.package) else {
            continue;
        };
        let file = node.patch_path.clone().unwrap_or_else(|| shown.to_string());
        describer.render(&mut node.description, node.id.as_str(), &file, errors);
        for column in node.columns.values_mut() {
            describer.render(&mut column.description, node.id.as_str(), &file, errors);
        }
    }
    for test in &mut described.tests {
        if let Some(describer) = describers.get(&test.node.package) {
            let file = test.node.original_path.clone();
            describer.render(
                &mut test.node.description,
                test.node.id.as_str(),
                &file,
                errors,
            );
        }
    }
    for source in &mut described.sources {
        let Some(describer) = describers.get(&source.package) else {
            continue;
        };
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
        if let (Some(describer), Some(description)) =
            (describers.get(&model.package), &mut model.description)
        {
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

fn macro_properties(
    described: &Described,
    macros: &mut IndexMap<UniqueId, Macro>,
    warnings: &mut Vec<ModelError>,
) {
    for entry in &described.macro_entries {
        let package = &entry.file.package.name;
        let ids = [entry.name.clone(), format!("test_{}", entry.name)]
            .map(|name| UniqueId::from_text(format!("macro.{package}.{name}")));
        let Some(found) = ids.iter().find(|id| macros.contains_key(*id)).cloned() else {
            let message = format!(
                "there is no macro `{}` in `{package}` to describe",
                entry.name
            );
            warnings.push(
                entry
                    .error(&entry.yaml, message)
                    .hint("check the spelling, or remove the entry"),
            );
            continue;
        };
        let Some(found) = macros.get_mut(&found) else {
            continue;
        };
        found.description = entry.text("description").unwrap_or_default();
        found.config = json_map(entry.get("config"));
        found.meta = json_map(entry.get("meta"));
        if let Some(Json::Object(meta)) = found.config.get("meta") {
            found.meta.extend(meta.clone());
        }
        let docs = json_map(
            entry
                .get("docs")
                .or_else(|| entry.get("config").and_then(|config| config.get("docs"))),
        );
        found.docs.show = docs.get("show").and_then(Json::as_bool).unwrap_or(true);
        found.docs.node_color = docs
            .get("node_color")
            .and_then(Json::as_str)
            .map(str::to_owned);
        found.patch_path = Some(entry.file.file_id());
        let arguments = entry
            .get("arguments")
            .and_then(Yaml::as_list)
            .unwrap_or_default();
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
