//! From files to a manifest, without a warehouse.
//!
//! Every template is rendered once with `execute` false, for what it reads and how it is configured.
//! Then properties files are laid over, relations get their names, and names in `ref()` become nodes.
//! Whatever is wrong is collected: one pass tells all of it.

mod calls;
mod check;
mod complete;
mod describe;
mod descriptions;
mod docs;
mod exposures;
mod finish;
mod generic;
mod generic_code;
mod link;
mod links;
mod lookup;
mod macros;
mod merge;
mod naming;
mod parallel;
mod patch;
mod properties;
mod raw;
mod read;
mod relation;
mod resolve;
mod semantic;
mod shape;
mod sources;
mod stage;
mod stage_objects;
mod static_ref;
mod strict;
mod test_arguments;
mod test_name;
mod unit;
mod unused;
mod valid;
mod work;

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;
use weir_jinja::{Environment, Template};

pub(crate) use generic::TEST_ARGUMENTS;
pub(crate) use test_arguments::render_arguments;

use crate::context::{Flags, Invocation, LogSink, MacroTable, Shared, SharedParts};
use crate::error::ModelError;
use crate::library::{LIBRARY, LIBRARY_PACKAGE};
use crate::node::{Macro, Manifest, UniqueId};
use crate::project::{EnvVars, FileKind, Project, render_tree};
use crate::select::{Indirect, Selectors};
use crate::warehouse::Dialect;
use macros::MacroFile;
use read::ReadFile;
use relation::Naming;
use work::Work;

/// What parsing needs besides the project.
#[derive(Debug, Clone)]
pub struct ParseOptions {
    /// What templates share: see [`crate::context::environment`].
    pub environment: Arc<Environment>,
    pub env: EnvVars,
    pub dialect: Dialect,
    pub flags: Flags,
    pub invocation: Invocation,
    pub log: Arc<dyn LogSink>,
    /// On how many threads templates are rendered.
    pub threads: usize,
}

/// A project that was parsed.
#[derive(Debug)]
pub struct Parsed {
    pub manifest: Arc<Manifest>,
    /// What contexts of later steps share; the manifest is in it.
    pub shared: Arc<Shared>,
    /// What selectors.yml defines.
    pub selectors: Selectors,
    pub warnings: Vec<ModelError>,
}

/// Parses a project.
///
/// The same files give the same manifest, on however many threads.
///
/// # Errors
///
/// Everything that is wrong with the project, in the order of its files.
pub fn parse(project: &Arc<Project>, options: &ParseOptions) -> Result<Parsed, Vec<ModelError>> {
    let mut errors = Vec::new();
    let mut warnings = Vec::new();
    let files: Vec<Arc<ReadFile>> = read::read_all(project, options.threads, &mut errors)
        .into_iter()
        .map(Arc::new)
        .collect();
    let (work, macros) = prepare(project, options, &files, &mut errors);
    let raw = raw_nodes(&work, &files, &mut errors);
    let described = describe::describe(&work, &files, raw, &mut errors, &mut warnings);
    let mut manifest =
        complete::complete(&work, &files, macros, described, &mut errors, &mut warnings);
    let selectors = selectors(&work, options).unwrap_or_else(|failed| {
        errors.extend(failed);
        Selectors::default()
    });
    manifest.selectors = selectors.definitions().clone();
    if !errors.is_empty() {
        return Err(errors);
    }
    let manifest = Arc::new(manifest);
    work.shared.set_manifest(Arc::clone(&manifest));
    strict::warn(project, &mut warnings);
    unused::warn_paths(project, &manifest, &mut warnings);
    Ok(Parsed {
        manifest,
        shared: work.shared,
        selectors,
        warnings,
    })
}

/// Reads selectors.yml with the names that properties files have.
fn selectors(work: &Work, options: &ParseOptions) -> Result<Selectors, Vec<ModelError>> {
    let root = work.project().root();
    let context = properties::yaml_context(&work.shared, &root.name);
    let told = options
        .flags
        .others
        .get("indirect_selection")
        .and_then(serde_json::Value::as_str);
    let indirect = told.and_then(Indirect::parse).unwrap_or_default();
    Selectors::read_with(&root.root, indirect, &|yaml, text| {
        render_tree(
            yaml,
            "selectors.yml",
            text,
            &options.environment,
            &*context,
            &|_| true,
        )
    })
}

/// Indexes all macros and joins what every later step shares.
fn prepare(
    project: &Arc<Project>,
    options: &ParseOptions,
    files: &[Arc<ReadFile>],
    errors: &mut Vec<ModelError>,
) -> (Work, IndexMap<UniqueId, Macro>) {
    let created_at = moment(options);
    let mut macro_files = library(errors);
    let own: Vec<&Arc<ReadFile>> = files
        .iter()
        .filter(|file| matches!(file.file.kind, FileKind::Macro | FileKind::GenericTest))
        .collect();
    let parsed = parallel::map(&own, options.threads, |file| {
        Template::parse(Arc::clone(&file.shown), &file.text)
    });
    let mut failed = Vec::new();
    for (file, template) in own.iter().zip(parsed) {
        match template {
            Ok(template) => macro_files.push(MacroFile {
                package: Arc::clone(&file.package.name),
                path: file.file.original.to_string(),
                shown: Arc::clone(&file.shown),
                template,
            }),
            Err(error) => failed.push((error, Arc::clone(&file.shown), Arc::clone(&file.text))),
        }
    }
    let indexed = macros::index(
        project,
        &options.dialect.chain,
        &macro_files,
        created_at,
        errors,
    );
    let shared = Shared::new(SharedParts {
        project: Arc::clone(project),
        macros: Arc::new(indexed.table),
        environment: Arc::clone(&options.environment),
        env: Arc::clone(&options.env),
        dialect: options.dialect.clone(),
        flags: options.flags.clone(),
        invocation: options.invocation.clone(),
        log: Arc::clone(&options.log),
    });
    let macro_texts: HashMap<Arc<str>, Template> = macro_files
        .iter()
        .map(|file| (Arc::clone(&file.shown), file.template.clone()))
        .collect();
    let work = Work {
        shared: Arc::new(shared),
        naming: Naming::new(&options.dialect, &project.root().quoting),
        macro_texts,
        created_at,
        threads: options.threads,
    };
    errors.extend(
        failed
            .into_iter()
            .map(|(error, shown, text)| work.failure(error, &shown, &text)),
    );
    (work, indexed.macros)
}

fn moment(options: &ParseOptions) -> f64 {
    let micros = options.invocation.started_at.timestamp_micros();
    micros as f64 / 1e6
}

/// Parses the macros that every project has.
fn library(errors: &mut Vec<ModelError>) -> Vec<MacroFile> {
    let package: Arc<str> = LIBRARY_PACKAGE.into();
    let mut files = Vec::with_capacity(LIBRARY.len());
    for (path, text) in LIBRARY {
        let shown: Arc<str> = format!("{LIBRARY_PACKAGE}/{path}").into();
        match Template::parse(Arc::clone(&shown), text) {
            Ok(template) => {
                files.push(MacroFile {
                    package: Arc::clone(&package),
                    path: (*path).to_owned(),
                    shown,
                    template,
                });
            }
            Err(error) => errors.push(
                ModelError::new(
                    crate::error::ModelErrorKind::Internal,
                    format!("the library's {path} is broken: {error:?}"),
                )
                .hint("please report this"),
            ),
        }
    }
    files
}

/// Reads all nodes that have files of their own, and the operations of dbt_project.yml.
fn raw_nodes(
    work: &Work,
    files: &[Arc<ReadFile>],
    errors: &mut Vec<ModelError>,
) -> Vec<raw::RawNode> {
    let read = parallel::map(files, work.threads, |file| raw::read(work, file));
    let mut nodes = Vec::new();
    for (found, failed) in read {
        nodes.extend(found);
        errors.extend(failed);
    }
    for package in work.project().packages.values() {
        let (found, failed) = raw::operations(work, package);
        nodes.extend(found);
        errors.extend(failed);
    }
    nodes
}

impl Parsed {
    /// Returns every macro that can be called.
    pub fn macros(&self) -> &Arc<MacroTable> {
        &self.shared.macros
    }
}
