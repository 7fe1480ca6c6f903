//! `weir ls`: what was chosen, as lines.

use serde_json::Value as Json;

use crate::artifact::thing_json;
use crate::error::ModelError;
use crate::node::{JsonMap, Manifest, UniqueId};

/// In which form things are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listing {
    Name,
    Path,
    /// The qualified name, with which selections choose.
    Selector,
    /// One JSON object a line, of these keys; of the usual ones if none are given.
    Json(Vec<String>),
}

impl Listing {
    /// Reads `--output` and `--output-keys`.
    ///
    /// # Errors
    ///
    /// A word that is no form.
    pub fn parse(word: &str, keys: Vec<String>) -> Result<Self, ModelError> {
        match word {
            "name" => Ok(Self::Name),
            "path" => Ok(Self::Path),
            "selector" => Ok(Self::Selector),
            "json" => Ok(Self::Json(keys)),
            other => Err(super::spec::error(
                format!("`{other}` is no form of lists"),
                "forms are: json, name, path, selector",
            )),
        }
    }
}

/// The keys of a JSON line when none are asked for.
const USUAL: [&str; 15] = [
    "alias",
    "name",
    "package_name",
    "depends_on",
    "tags",
    "config",
    "resource_type",
    "source_name",
    "original_file_path",
    "unique_id",
    "event_time",
    "given",
    "expect",
    "overrides",
    "model",
];

/// Lists things, one line for each, in their order.
pub fn list(manifest: &Manifest, ids: &[UniqueId], form: &Listing) -> Vec<String> {
    ids.iter()
        .filter_map(|id| line(manifest, id, form))
        .collect()
}

fn line(manifest: &Manifest, id: &UniqueId, form: &Listing) -> Option<String> {
    let thing = thing_json(manifest, id)?;
    let text = |key: &str| thing.get(key).and_then(Json::as_str).map(str::to_owned);
    match form {
        Listing::Name => Some(match manifest.nodes.get(id) {
            Some(node) => node.search_name(),
            None => match manifest.sources.get(id) {
                Some(source) => source.search_name(),
                None => text("name")?,
            },
        }),
        Listing::Path => text("original_file_path"),
        Listing::Selector => Some(selector(manifest, id, &thing)),
        Listing::Json(keys) => {
            let mut line = JsonMap::new();
            if keys.is_empty() {
                for key in USUAL {
                    if let Some(value) = thing.get(key) {
                        line.insert(key.to_owned(), value.clone());
                    }
                }
            } else {
                for key in keys {
                    if let Some(value) = nested(&thing, key) {
                        line.insert(key.clone(), value.clone());
                    }
                }
            }
            Some(Json::Object(line).to_string())
        }
    }
}

/// Finds `config.materialized` and the like.
fn nested<'j>(thing: &'j Json, key: &str) -> Option<&'j Json> {
    thing.get(key).or_else(|| {
        key.split('.')
            .try_fold(thing, |thing, part| thing.get(part))
    })
}

fn selector(manifest: &Manifest, id: &UniqueId, thing: &Json) -> String {
    if let Some(source) = manifest.sources.get(id) {
        return format!(
            "source:{}.{}.{}",
            source.package, source.source_name, source.name
        );
    }
    let package = id.package();
    let name = thing["name"].as_str().unwrap_or_default();
    match id.as_str().split('.').next() {
        Some(kind @ ("exposure" | "metric" | "semantic_model" | "saved_query")) => {
            format!("{kind}:{package}.{name}")
        }
        Some("unit_test") => format!("unit_test:{package}.{name}"),
        _ => {
            let parts = thing["fqn"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Json::as_str);
            parts.collect::<Vec<_>>().join(".")
        }
    }
}
