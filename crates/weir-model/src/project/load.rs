//! Reading a project's own files and finding its packages.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;
use weir_jinja::Environment;

use super::file::{ProjectFile, is_rendered};
use super::origin::Origin;
use super::package::{Package, PackageSource, Project, Target};
use super::profile;
use super::render::{EnvVars, render_names, render_tree};
use super::requirement::requirements;
use super::version::{self, Version};
use crate::error::{ModelError, ModelErrorKind, Place};
use crate::node::JsonMap;
use crate::yaml::{Yaml, YamlValue, read};

/// What a command says about the project it works on.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// The folder of dbt_project.yml.
    pub project_dir: PathBuf,
    pub profiles_dir: Option<PathBuf>,
    /// The profile instead of the project's.
    pub profile: Option<String>,
    /// The output instead of the profile's.
    pub target: Option<String>,
    /// Whether everything is built in this Weir, whatever the output's type.
    pub here: bool,
    pub threads: Option<usize>,
    /// Variables of the command line.
    pub vars: JsonMap,
    pub target_path: Option<String>,
    /// The environment variables that templates may read.
    pub env: EnvVars,
    /// The home folder, for `~/.dbt/profiles.yml`.
    pub home: Option<PathBuf>,
    /// What templates of YAML files share.
    pub environment: Arc<Environment>,
}

impl LoadOptions {
    /// Makes options for the project in `project_dir`, with no environment variable and no home.
    pub fn new(project_dir: impl Into<PathBuf>, environment: Arc<Environment>) -> Self {
        Self {
            project_dir: project_dir.into(),
            profiles_dir: None,
            profile: None,
            target: None,
            here: false,
            threads: None,
            vars: JsonMap::new(),
            target_path: None,
            env: EnvVars::default(),
            home: None,
            environment,
        }
    }
}

/// A project that was read.
#[derive(Debug)]
pub struct Loaded {
    pub project: Arc<Project>,
    pub warnings: Vec<ModelError>,
}

/// Reads the project's own files and those of its packages.
///
/// # Errors
///
/// Everything wrong with these files, not only the first.
pub fn load(options: &LoadOptions) -> Result<Loaded, Vec<ModelError>> {
    let mut loader = Loader {
        options,
        errors: Vec::new(),
        warnings: Vec::new(),
    };
    let (raw, text) = loader.raw(&options.project_dir, "")?;
    let named = options
        .profile
        .clone()
        .or_else(|| loader.profile_name(&raw));
    let target = profile::target(options, named.as_deref(), &mut loader.warnings)?;
    let mut root = loader.package(&options.project_dir, "", &raw, &text, &target);
    if let (Some(root), Some(path)) = (&mut root, &options.target_path) {
        root.target_path.clone_from(path);
    }
    let Some(root) = root else {
        return Err(loader.errors);
    };
    let packages = loader.packages(root, &target);
    if !loader.errors.is_empty() {
        return Err(loader.errors);
    }
    let name = Arc::clone(&packages[0].name);
    let project = Project {
        name,
        packages,
        target,
        cli_vars: options.vars.clone(),
    };
    Ok(Loaded {
        project: Arc::new(project),
        warnings: loader.warnings,
    })
}

struct Loader<'o> {
    options: &'o LoadOptions,
    errors: Vec<ModelError>,
    warnings: Vec<ModelError>,
}

impl Loader<'_> {
    /// Reads dbt_project.yml of the package in `root`.
    fn raw(&mut self, root: &Path, shown: &str) -> Result<(Yaml, String), Vec<ModelError>> {
        let file = format!("{shown}dbt_project.yml");
        let text = std::fs::read_to_string(root.join("dbt_project.yml")).map_err(|error| {
            let made = ModelError::new(
                ModelErrorKind::Project,
                "there is no readable dbt_project.yml",
            )
            .at(Place::file(
                root.join("dbt_project.yml").display().to_string(),
            ))
            .caused_by(error);
            vec![made.hint("go to the folder of a project, or name it by --project-dir")]
        })?;
        let document = read(&file, &text).map_err(|error| vec![error])?;
        self.warnings.extend(document.warnings);
        Ok((document.root, text))
    }

    fn profile_name(&mut self, raw: &Yaml) -> Option<String> {
        let mut profile = raw.get("profile")?.clone();
        let names = render_names(
            Arc::clone(&self.options.env),
            &self.options.vars,
            None,
            false,
        );
        let environment = &self.options.environment;
        let failed = render_tree(
            &mut profile,
            "dbt_project.yml",
            "",
            environment,
            &names,
            &|_| true,
        );
        self.errors.extend(failed);
        profile.scalar_text()
    }

    fn package(
        &mut self,
        root: &Path,
        shown: &str,
        raw: &Yaml,
        text: &str,
        target: &Target,
    ) -> Option<Package> {
        let file = format!("{shown}dbt_project.yml");
        let names = render_names(
            Arc::clone(&self.options.env),
            &self.options.vars,
            Some(target),
            false,
        );
        let mut rendered = raw.clone();
        let failed = render_tree(
            &mut rendered,
            &file,
            text,
            &self.options.environment,
            &names,
            &is_rendered,
        );
        self.errors.extend(failed);
        let mut reader = ProjectFile {
            file: &file,
            text,
            errors: Vec::new(),
            warnings: Vec::new(),
        };
        let mut package = reader.package(root, &rendered, raw);
        self.errors.append(&mut reader.errors);
        // What a package's own author should change is no business of who uses it.
        if shown.is_empty() {
            self.warnings.append(&mut reader.warnings);
        }
        if let Some(package) = &mut package {
            self.check_dbt_version(package, &file);
            self.vars_file(package, shown);
            let wanted = requirements(
                self.options,
                root,
                shown,
                &mut self.errors,
                &mut self.warnings,
            );
            package.packages = wanted.packages;
            package.projects = wanted.projects;
        }
        package
    }

    fn check_dbt_version(&mut self, package: &Package, file: &str) {
        let ours = Version::parse(version::DBT_VERSION);
        let place = match package.require_dbt_version_at {
            Some((line, column)) => Place::at(file, line, column),
            None => Place::file(file),
        };
        match version::conditions(&package.require_dbt_version) {
            Ok(conditions) => {
                if ours.is_none_or(|ours| version::meets(&ours, &conditions)) {
                    return;
                }
                let message = format!(
                    "`{}` asks for dbt {}; Weir follows {}",
                    package.name,
                    package.require_dbt_version.join(", "),
                    version::DBT_VERSION
                );
                let warning = ModelError::new(ModelErrorKind::Project, message).at(place);
                self.warnings.push(warning.hint("it is tried anyway"));
            }
            Err(text) => {
                let message = format!("`{text}` is no range of versions");
                let error = ModelError::new(ModelErrorKind::Project, message).at(place);
                self.errors
                    .push(error.hint("write `require-dbt-version: [\">=1.6.0\", \"<3.0.0\"]`"));
            }
        }
    }

    /// Variables may stand in a file of their own.
    fn vars_file(&mut self, package: &mut Package, shown: &str) {
        let Ok(text) = std::fs::read_to_string(package.root.join("vars.yml")) else {
            return;
        };
        match read(&format!("{shown}vars.yml"), &text) {
            Ok(document) => {
                let vars = document.root.get("vars").unwrap_or(&document.root);
                if let YamlValue::Map(map) = &vars.value {
                    for (name, value) in map.to_json() {
                        package.vars.entry(name).or_insert(value);
                    }
                }
            }
            Err(error) => self.errors.push(error),
        }
    }

    /// Finds the packages that are installed, and local ones where they lie.
    fn packages(&mut self, root: Package, target: &Target) -> IndexMap<Arc<str>, Arc<Package>> {
        let install = root.root.join(&root.packages_install_path);
        let project = self.options.project_dir.clone();
        let mut all: IndexMap<Arc<str>, Arc<Package>> = IndexMap::new();
        let mut wanted: Vec<(PathBuf, PackageSource)> = root
            .packages
            .iter()
            .map(|source| (root.root.clone(), source.clone()))
            .collect();
        all.insert(Arc::clone(&root.name), Arc::new(root));
        for folder in installed(&install) {
            let shown = format!(
                "{}/",
                folder
                    .strip_prefix(&self.options.project_dir)
                    .unwrap_or(&folder)
                    .display()
            );
            let before = all.len();
            let name = self.add(&mut all, &folder, &shown, target, &mut wanted);
            // Of two folders with one name, which is meant is anyone's guess.
            if let Some(known) = name.as_deref().and_then(|name| all.get(name))
                && all.len() == before
                && !is_same(&known.root, &folder)
            {
                let message = format!(
                    "{} and {} hold packages of one name: `{}`",
                    known.root.display(),
                    folder.display(),
                    known.name
                );
                self.errors.push(
                    ModelError::new(ModelErrorKind::Package, message)
                        .at(Place::file(format!("{shown}dbt_project.yml")))
                        .hint("remove one of them"),
                );
            }
        }
        let mut claims: Vec<(String, Origin)> = Vec::new();
        let mut repositories: Vec<Origin> = Vec::new();
        let mut missing = Vec::new();
        // Several packages may ask for the same.
        let mut distinct = HashSet::new();
        let mut at = 0;
        while let Some((by, source)) = wanted.get(at).cloned() {
            at += 1;
            let origin = Origin::of(&source, &by, &project);
            match &source {
                PackageSource::Local { path } => {
                    let folder = by.join(path);
                    distinct.insert(folder.display().to_string());
                    if folder.join("dbt_project.yml").is_file() {
                        let shown = format!("{path}/");
                        let name = self.add(&mut all, &folder, &shown, target, &mut wanted);
                        if let Some(name) = name {
                            self.claim(&mut claims, name, origin);
                        }
                    } else {
                        missing.push(format!("local `{path}`"));
                    }
                }
                PackageSource::Hub { name, .. } => {
                    distinct.insert(name.clone());
                    if !has_package(&all, name.rsplit('/').next().unwrap_or(name)) {
                        missing.push(format!("`{name}`"));
                    }
                }
                PackageSource::Git {
                    url, subdirectory, ..
                } => {
                    let path = subdirectory.as_deref().unwrap_or(url);
                    let last = path
                        .trim_end_matches('/')
                        .rsplit('/')
                        .next()
                        .unwrap_or(path);
                    distinct.insert(path.to_owned());
                    // What another package asks for may be there under the name it gives itself.
                    let of_root = by == project;
                    if of_root {
                        let mut earlier = repositories.iter();
                        if let Some(other) = earlier.find(|other| {
                            origin.shares_repository(other) && !origin.agrees_with(other)
                        }) {
                            self.errors.push(origin.conflict(url, other));
                        }
                        repositories.push(origin);
                    }
                    if of_root && !has_package(&all, last.trim_end_matches(".git")) {
                        missing.push(format!("git `{url}`"));
                    }
                }
                PackageSource::Tarball { name, .. } => {
                    distinct.insert(name.clone());
                    if !has_package(&all, name) {
                        missing.push(format!("tarball `{name}`"));
                    }
                }
            }
        }
        self.report_missing(&missing, distinct.len(), all.len() - 1);
        all
    }

    /// A package may be called otherwise than its repository, so a missing name is only an error when
    /// there are fewer packages than were asked for.
    fn report_missing(&mut self, missing: &[String], wanted: usize, found: usize) {
        if missing.is_empty()
            || (found >= wanted && !missing.iter().any(|name| name.starts_with("local")))
        {
            return;
        }
        let install = self.options.project_dir.join("dbt_packages");
        self.errors.push(
            ModelError::new(
                ModelErrorKind::Package,
                format!("{} of {wanted} packages are not installed: {}", missing.len(), missing.join(", ")),
            )
            .at(Place::file("packages.yml"))
            .hint(format!(
                "run `weir deps`; without a network, put each package's folder into {}, or name it by `local:`",
                install.display()
            )),
        );
    }

    /// Notes which entry a package's name comes from; two entries may only claim the same package.
    fn claim(&mut self, claims: &mut Vec<(String, Origin)>, name: String, origin: Origin) {
        match claims.iter().find(|(known, _)| *known == name) {
            None => claims.push((name, origin)),
            Some((_, first)) if origin.agrees_with(first) => {}
            Some((_, first)) => self.errors.push(origin.conflict(&name, first)),
        }
    }

    /// Adds the package in `folder`, unless one of its name is there already; returns its name.
    fn add(
        &mut self,
        all: &mut IndexMap<Arc<str>, Arc<Package>>,
        folder: &Path,
        shown: &str,
        target: &Target,
        wanted: &mut Vec<(PathBuf, PackageSource)>,
    ) -> Option<String> {
        let (raw, text) = match self.raw(folder, shown) {
            Ok(read) => read,
            Err(errors) => {
                self.errors.extend(errors);
                return None;
            }
        };
        let name = raw
            .get("name")
            .and_then(Yaml::scalar_text)
            .unwrap_or_default();
        if let Some(known) = all.get(&*name) {
            if *name == *all[0].name && !is_same(&known.root, folder) {
                let message =
                    format!("the package in {shown} is called `{name}` like the project itself");
                let error = ModelError::new(ModelErrorKind::Package, message);
                let place = Place::file(format!("{shown}dbt_project.yml"));
                self.errors.push(error.at(place).hint("rename one of them"));
                return None;
            }
            return Some(name);
        }
        if let Some(package) = self.package(folder, shown, &raw, &text, target) {
            let sources = package
                .packages
                .iter()
                .map(|source| (package.root.clone(), source.clone()));
            wanted.extend(sources);
            all.insert(Arc::clone(&package.name), Arc::new(package));
        }
        Some(name)
    }
}

/// Says whether two paths lead to one folder.
fn is_same(one: &Path, two: &Path) -> bool {
    match (one.canonicalize(), two.canonicalize()) {
        (Ok(one), Ok(two)) => one == two,
        _ => one == two,
    }
}

fn installed(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.join("dbt_project.yml").is_file())
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| !name.to_string_lossy().starts_with("__"))
        })
        .collect();
    found.sort();
    found
}

fn has_package(all: &IndexMap<Arc<str>, Arc<Package>>, name: &str) -> bool {
    let plain = |name: &str| name.to_ascii_lowercase().replace('-', "_");
    let name = plain(name);
    all.keys().any(|known| {
        let known = plain(known);
        known == name || name.strip_prefix("dbt_") == Some(&*known)
    })
}
