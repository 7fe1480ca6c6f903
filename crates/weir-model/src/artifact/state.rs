//! Reading artifacts of an earlier run, to compare with.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value as Json;

use crate::error::{ModelError, ModelErrorKind, Place};

/// What an earlier run left behind in a folder.
#[derive(Debug, Default)]
pub struct PreviousState {
    /// Nodes, sources, exposures and the like by id, as their manifest has them.
    nodes: HashMap<String, Json>,
    macros: HashMap<String, Json>,
    /// Statuses by id, of run_results.json.
    results: HashMap<String, String>,
    /// Statuses and moments of the newest row by id, of sources.json.
    sources: HashMap<String, (String, Option<String>)>,
    /// Moments of the newest row by id, as found just now.
    current: HashMap<String, String>,
    has_manifest: bool,
}

impl PreviousState {
    /// Reads manifest.json, run_results.json and sources.json of `folder`, as far as they are there.
    ///
    /// # Errors
    ///
    /// A file that is none of these artifacts, or of a version before 2021.
    pub fn read(folder: &Path) -> Result<Self, ModelError> {
        let mut state = Self::default();
        if !folder.is_dir() {
            let error = ModelError::new(
                ModelErrorKind::Artifact,
                "there is no folder of earlier artifacts",
            );
            return Err(error
                .at(Place::file(folder.display().to_string()))
                .hint("--state names the folder that holds manifest.json"));
        }
        if let Some(manifest) = file(folder, "manifest.json")? {
            state.has_manifest = true;
            let sections = [
                "nodes",
                "sources",
                "exposures",
                "metrics",
                "semantic_models",
                "saved_queries",
                "unit_tests",
                "functions",
            ];
            for section in sections {
                state.nodes.extend(section_of(&manifest, section));
            }
            state.macros.extend(section_of(&manifest, "macros"));
        }
        if let Some(results) = file(folder, "run_results.json")? {
            for result in results["results"].as_array().into_iter().flatten() {
                if let (Some(id), Some(status)) =
                    (result["unique_id"].as_str(), result["status"].as_str())
                {
                    state.results.insert(id.to_owned(), status.to_owned());
                }
            }
        }
        if let Some(sources) = file(folder, "sources.json")? {
            for result in sources["results"].as_array().into_iter().flatten() {
                if let (Some(id), Some(status)) =
                    (result["unique_id"].as_str(), result["status"].as_str())
                {
                    let moment = result["max_loaded_at"].as_str().map(str::to_owned);
                    state
                        .sources
                        .insert(id.to_owned(), (status.to_owned(), moment));
                }
            }
        }
        Ok(state)
    }

    /// Says whether there was a manifest to compare with.
    pub fn has_manifest(&self) -> bool {
        self.has_manifest
    }

    /// Returns what the earlier manifest says of `id`.
    pub fn node(&self, id: &str) -> Option<&Json> {
        self.nodes.get(id)
    }

    /// Returns an earlier macro.
    pub fn macro_of(&self, id: &str) -> Option<&Json> {
        self.macros.get(id)
    }

    /// Returns how `id` came out in the earlier run.
    pub fn result(&self, id: &str) -> Option<&str> {
        self.results.get(id).map(String::as_str)
    }

    /// Takes the sources.json of a run just now, for `source_status:fresher`.
    ///
    /// # Errors
    ///
    /// The file is no artifact.
    pub fn read_current_sources(&mut self, folder: &Path) -> Result<(), ModelError> {
        let Some(sources) = file(folder, "sources.json")? else {
            return Ok(());
        };
        for result in sources["results"].as_array().into_iter().flatten() {
            if let (Some(id), Some(moment)) = (
                result["unique_id"].as_str(),
                result["max_loaded_at"].as_str(),
            ) {
                self.current.insert(id.to_owned(), moment.to_owned());
            }
        }
        Ok(())
    }

    /// Says whether a source has newer rows now than it had then.
    pub fn is_fresher(&self, id: &str) -> bool {
        let parse = |text: &str| chrono::DateTime::parse_from_rfc3339(text).ok();
        let now = self.current.get(id).and_then(|text| parse(text));
        let then = self
            .sources
            .get(id)
            .and_then(|(_, moment)| moment.as_deref())
            .and_then(parse);
        match (now, then) {
            (Some(now), Some(then)) => now > then,
            (Some(_), None) => true,
            _ => false,
        }
    }

    /// Returns how fresh a source was, and when its newest row was loaded.
    pub fn freshness(&self, id: &str) -> Option<(&str, Option<&str>)> {
        self.sources
            .get(id)
            .map(|(status, moment)| (status.as_str(), moment.as_deref()))
    }
}

fn section_of(manifest: &Json, section: &str) -> Vec<(String, Json)> {
    let all = manifest
        .get(section)
        .and_then(Json::as_object)
        .into_iter()
        .flatten();
    all.map(|(id, value)| (id.clone(), value.clone())).collect()
}

fn file(folder: &Path, name: &str) -> Result<Option<Json>, ModelError> {
    let path = folder.join(name);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            let made = ModelError::new(ModelErrorKind::Artifact, format!("cannot read {name}"));
            return Err(made
                .at(Place::file(path.display().to_string()))
                .caused_by(error));
        }
    };
    let json: Json = serde_json::from_str(&text).map_err(|error| {
        ModelError::new(ModelErrorKind::Artifact, format!("{name} is not JSON"))
            .at(Place::file(path.display().to_string()))
            .caused_by(error)
            .hint("run the command that writes it again")
    })?;
    if !json["metadata"]["dbt_schema_version"].is_string() {
        let error = ModelError::new(
            ModelErrorKind::Artifact,
            format!("{name} is no artifact of dbt or Weir"),
        );
        return Err(error
            .at(Place::file(path.display().to_string()))
            .hint("it has no `metadata.dbt_schema_version`"));
    }
    Ok(Some(json))
}
