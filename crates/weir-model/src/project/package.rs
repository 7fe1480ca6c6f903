//! What a project's own files say, read and rendered.

use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value as Json;

use crate::node::JsonMap;

/// A project with its packages, its target and the variables given on the command line.
#[derive(Debug, Clone)]
pub struct Project {
    /// The root package's name.
    pub name: Arc<str>,
    /// Every package by name, the root first.
    pub packages: IndexMap<Arc<str>, Arc<Package>>,
    pub target: Target,
    /// Variables given on the command line.
    pub cli_vars: JsonMap,
}

impl Project {
    /// Returns the root package.
    pub fn root(&self) -> &Arc<Package> {
        // The loader puts the root in first, and nothing takes it out.
        &self.packages[0]
    }

    /// Returns the package called `name`.
    pub fn package(&self, name: &str) -> Option<&Arc<Package>> {
        self.packages.get(name)
    }

    /// Returns the variable `name` as a node of `package` sees it: command line, the root's for that
    /// package, the root's for all, then the package's own.
    pub fn var(&self, package: &str, name: &str) -> Option<&Json> {
        super::vars::find(self, package, name)
    }

    /// Says whether node of `package` sees the variable at all, with which value; all of them.
    pub fn vars_of(&self, package: &str) -> JsonMap {
        super::vars::all_of(self, package)
    }

    /// Returns the packages in which an unqualified or dispatched macro of `namespace` is searched.
    pub fn dispatch_order(&self, namespace: &str) -> Option<&[String]> {
        self.root()
            .dispatch
            .iter()
            .find(|dispatch| dispatch.macro_namespace == namespace)
            .map(|dispatch| &*dispatch.search_order)
    }
}

/// One package: the root project itself, or one it uses.
#[derive(Debug, Clone)]
pub struct Package {
    pub name: Arc<str>,
    /// The folder of its dbt_project.yml.
    pub root: PathBuf,
    pub version: Option<String>,
    pub profile: Option<String>,
    pub paths: Paths,
    pub target_path: String,
    pub log_path: String,
    pub packages_install_path: String,
    pub clean_targets: Vec<String>,
    pub require_dbt_version: Vec<String>,
    /// Where it says so: line and column, none when nowhere.
    pub require_dbt_version_at: Option<(u32, u32)>,
    /// `models:`, `seeds:` and the like, rendered except for hooks.
    pub configs: IndexMap<TreeKind, ConfigTree>,
    /// `vars:` as written, per package entries among them; vars.yml merged in.
    pub vars: JsonMap,
    pub on_run_start: Vec<String>,
    pub on_run_end: Vec<String>,
    pub dispatch: Vec<Dispatch>,
    /// `database`, `schema`, `identifier`: true or false where given.
    pub quoting: JsonMap,
    /// A text, or `comment`, `append` and `job-label`; `None` when not given, `Null` when emptied.
    pub query_comment: Option<Json>,
    pub flags: JsonMap,
    pub restrict_access: bool,
    /// The packages it asks for, from packages.yml or dependencies.yml.
    pub packages: Vec<PackageSource>,
    /// Other projects it refers to (`projects:` of dependencies.yml), by name.
    pub projects: Vec<String>,
}

/// The folders of a package, below its root.
#[derive(Debug, Clone)]
pub struct Paths {
    pub models: Vec<String>,
    pub seeds: Vec<String>,
    pub tests: Vec<String>,
    pub snapshots: Vec<String>,
    pub analyses: Vec<String>,
    pub macros: Vec<String>,
    /// Empty means all others.
    pub docs: Vec<String>,
    pub assets: Vec<String>,
    pub functions: Vec<String>,
}

/// The config trees of dbt_project.yml.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TreeKind {
    Models,
    Seeds,
    Snapshots,
    Analyses,
    Sources,
    DataTests,
    UnitTests,
    Exposures,
    Metrics,
    SemanticModels,
    SavedQueries,
    Functions,
}

impl TreeKind {
    pub const ALL: [Self; 12] = [
        Self::Models,
        Self::Seeds,
        Self::Snapshots,
        Self::Analyses,
        Self::Sources,
        Self::DataTests,
        Self::UnitTests,
        Self::Exposures,
        Self::Metrics,
        Self::SemanticModels,
        Self::SavedQueries,
        Self::Functions,
    ];

    /// Returns its key in dbt_project.yml.
    pub fn key(self) -> &'static str {
        match self {
            Self::Models => "models",
            Self::Seeds => "seeds",
            Self::Snapshots => "snapshots",
            Self::Analyses => "analyses",
            Self::Sources => "sources",
            Self::DataTests => "data_tests",
            Self::UnitTests => "unit_tests",
            Self::Exposures => "exposures",
            Self::Metrics => "metrics",
            Self::SemanticModels => "semantic-models",
            Self::SavedQueries => "saved-queries",
            Self::Functions => "functions",
        }
    }
}

/// One config tree: nested by package and folder, with configuration at each level.
#[derive(Debug, Clone, Default)]
pub struct ConfigTree {
    pub rendered: JsonMap,
    /// The same before rendering, for `unrendered_config`.
    pub unrendered: JsonMap,
}

/// Where dispatched macros of a namespace are searched.
#[derive(Debug, Clone)]
pub struct Dispatch {
    pub macro_namespace: String,
    pub search_order: Vec<String>,
}

/// How a package is asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum PackageSource {
    Local {
        path: String,
    },
    Git {
        url: String,
        revisions: Vec<String>,
        subdirectory: Option<String>,
    },
    Tarball {
        location: String,
        name: String,
    },
    Hub {
        name: String,
        versions: Vec<String>,
        prerelease: bool,
    },
}

/// Where a project's relations are built: one output of profiles.yml, or this Weir.
#[derive(Debug, Clone)]
pub struct Target {
    pub profile_name: String,
    /// The output's name, `target.name`.
    pub name: String,
    /// The adapter, `target.type`.
    pub kind: String,
    pub database: Option<String>,
    pub schema: String,
    pub threads: usize,
    /// Every key of the output, secrets included: never show it whole.
    pub fields: JsonMap,
    /// The targets whose relations everybody reads; the others are environments of people.
    pub production: Vec<String>,
}

impl Target {
    /// Says whether what is built here is for everybody.
    pub fn is_production(&self) -> bool {
        self.production.contains(&self.name)
    }

    /// Returns the environment `name` beside this target: the same place, in a schema of that name.
    pub(super) fn environment(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        name.clone_into(&mut self.schema);
        self.fields.insert("schema".to_owned(), name.into());
        self
    }
}
