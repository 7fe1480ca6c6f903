//! packages.yml and dependencies.yml: what a package asks for.

use std::path::Path;
use std::sync::Arc;

use super::load::LoadOptions;
use super::package::PackageSource;
use super::render::{render_names, render_tree};
use crate::error::{ModelError, ModelErrorKind, Place, excerpt};
use crate::yaml::{Yaml, read};

/// What packages.yml or dependencies.yml of one package says.
#[derive(Debug, Default)]
pub(super) struct Requirements {
    pub(super) packages: Vec<PackageSource>,
    pub(super) projects: Vec<String>,
}

/// Reads what the package in `root` asks for; `shown` is how its folder is named in messages.
pub(super) fn requirements(
    options: &LoadOptions,
    root: &Path,
    shown: &str,
    errors: &mut Vec<ModelError>,
    warnings: &mut Vec<ModelError>,
) -> Requirements {
    let mut out = Requirements::default();
    let mut from: Option<&str> = None;
    for name in ["packages.yml", "dependencies.yml"] {
        let Ok(text) = std::fs::read_to_string(root.join(name)) else {
            continue;
        };
        let file = format!("{shown}{name}");
        let document = match read(&file, &text) {
            Ok(document) => document,
            Err(error) => {
                errors.push(error);
                continue;
            }
        };
        warnings.extend(document.warnings);
        let mut yaml = document.root;
        if name == "packages.yml" {
            let names = render_names(Arc::clone(&options.env), &options.vars, None, true);
            let failed = render_tree(
                &mut yaml,
                &file,
                &text,
                &options.environment,
                &names,
                &|_| true,
            );
            errors.extend(failed);
        }
        let reader = Reader {
            file: &file,
            text: &text,
        };
        if let Some(packages) = yaml.get("packages").filter(|packages| !packages.is_null()) {
            if from.is_some() {
                let message = "`packages` stands in both packages.yml and dependencies.yml";
                errors.push(
                    reader
                        .error(packages, message)
                        .hint("keep it in one of them"),
                );
                continue;
            }
            from = Some(name);
            reader.packages(packages, &mut out.packages, errors);
        }
        for project in yaml
            .get("projects")
            .and_then(Yaml::as_list)
            .unwrap_or_default()
        {
            out.projects
                .extend(project.get("name").and_then(Yaml::scalar_text));
        }
    }
    out
}

struct Reader<'r> {
    file: &'r str,
    text: &'r str,
}

impl Reader<'_> {
    fn packages(&self, yaml: &Yaml, out: &mut Vec<PackageSource>, errors: &mut Vec<ModelError>) {
        let Some(items) = yaml.as_list() else {
            let error = self.error(yaml, "`packages` should be a list");
            errors.push(
                error.hint(
                    "begin each entry with `- package:`, `- git:`, `- local:` or `- tarball:`",
                ),
            );
            return;
        };
        for item in items {
            match self.package(item) {
                Ok(package) => out.push(package),
                Err(error) => errors.push(error),
            }
        }
    }

    fn package(&self, item: &Yaml) -> Result<PackageSource, ModelError> {
        let text = |key: &str| {
            item.get(key)
                .and_then(Yaml::scalar_text)
                .filter(|text| !text.is_empty())
        };
        let list = |key: &str| match item.get(key) {
            Some(yaml) if yaml.as_list().is_some() => yaml
                .as_list()
                .unwrap_or_default()
                .iter()
                .filter_map(Yaml::scalar_text)
                .collect(),
            Some(yaml) => yaml.scalar_text().into_iter().collect(),
            None => Vec::new(),
        };
        if let Some(path) = text("local") {
            return Ok(PackageSource::Local { path });
        }
        if let Some(url) = text("git").or_else(|| text("private")) {
            return Ok(PackageSource::Git {
                url,
                revisions: list("revision"),
                subdirectory: text("subdirectory"),
            });
        }
        if let Some(location) = text("tarball") {
            let name = text("name").unwrap_or_default();
            return Ok(PackageSource::Tarball { location, name });
        }
        if let Some(name) = text("package") {
            let versions: Vec<String> = list("version");
            if !name.contains('/') {
                let error = self.error(item, format!("`{name}` does not say whose package it is"));
                return Err(error.hint("write `owner/name`, as in `dbt-labs/dbt_utils`"));
            }
            if versions.is_empty() {
                let error = self.error(item, format!("`{name}` does not say which version"));
                return Err(error.hint("add `version: [\">=1.0.0\", \"<2.0.0\"]`"));
            }
            let prerelease = item.get("install_prerelease").and_then(Yaml::as_bool) == Some(true);
            return Ok(PackageSource::Hub {
                name,
                versions,
                prerelease,
            });
        }
        let error = self.error(item, "this entry names no package");
        Err(error.hint("an entry has one of `package`, `git`, `local`, `tarball`"))
    }

    fn error(&self, at: &Yaml, message: impl Into<String>) -> ModelError {
        ModelError::new(ModelErrorKind::Package, message)
            .at(Place::at(self.file, at.line, at.column))
            .excerpt(excerpt(self.text, at.line, at.column))
    }
}
