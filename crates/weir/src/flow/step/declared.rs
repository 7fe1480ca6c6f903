//! Steps as a project's files declare them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use weir_flow::{AssetId, TableId};
use weir_model::{ModelError, ModelErrorKind, Place};
use weir_step::{Origin, OutputTarget, Step, StepError, parse_steps};

/// The folder of steps, below the project's.
const FOLDER: &str = "steps";
/// The schema of tables that are named without one.
const DEFAULT_SCHEMA: &str = "main";

/// A step, and where it is declared.
#[derive(Clone, Debug)]
pub(in crate::flow) struct Declared {
    /// Its file, from the project's folder.
    pub(in crate::flow) file: String,
    pub(in crate::flow) step: Arc<Step>,
}

impl Declared {
    pub(in crate::flow) fn asset(&self) -> AssetId {
        AssetId::new(format!("step.{}", self.step.name))
    }

    /// Returns the tables and filesets it reads.
    pub(in crate::flow) fn reads(&self) -> BTreeSet<TableId> {
        let sources = self.step.input.sources();
        let read = sources.iter().filter_map(|source| match &source.origin {
            Origin::Table { name, .. } => Some(TableId::new(qualified(name))),
            Origin::Fileset { name, branch } => {
                Some(TableId::new(format!("fileset:{name}@{branch}")))
            }
            Origin::Folder(_) => None,
        });
        read.collect()
    }

    /// Returns the tables and filesets it makes.
    pub(in crate::flow) fn makes(&self) -> BTreeSet<TableId> {
        let outputs = self.step.outputs.iter();
        let made = outputs.map(|output| match &output.target {
            OutputTarget::Table { name, .. } => TableId::new(qualified(name)),
            OutputTarget::Fileset { name, branch } => {
                TableId::new(format!("fileset:{name}@{branch}"))
            }
        });
        made.collect()
    }
}

/// Returns schema and name of a table as a step names it.
pub(super) fn parts(name: &str) -> (&str, &str) {
    name.split_once('.').unwrap_or((DEFAULT_SCHEMA, name))
}

fn qualified(name: &str) -> String {
    let (schema, table) = parts(name);
    format!("{schema}.{table}")
}

/// Returns the files that declare steps, in the order of their names.
pub(in crate::flow) fn step_files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir.join(FOLDER)).into_iter().flatten();
    let paths = entries.flatten().map(|entry| entry.path());
    let is_yaml = |path: &PathBuf| {
        path.extension()
            .is_some_and(|ending| ending == "yml" || ending == "yaml")
    };
    let mut files: Vec<PathBuf> = paths.filter(is_yaml).collect();
    files.sort();
    files
}

/// Reads all steps of a project.
///
/// # Errors
/// All mistakes, each with its file and line.
pub(in crate::flow) fn read_steps(dir: &Path) -> Result<Vec<Declared>, Vec<ModelError>> {
    let mut all: Vec<Declared> = Vec::new();
    let mut errors = Vec::new();
    for path in step_files(dir) {
        let file = path.strip_prefix(dir).unwrap_or(&path);
        let file = file.display().to_string();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => {
                errors.push(wrong(&file, "the file cannot be read").caused_by(error));
                continue;
            }
        };
        match parse_steps(&file, &stem, &text) {
            Ok(steps) => all.extend(steps.into_iter().map(|step| Declared {
                file: file.clone(),
                step: Arc::new(step),
            })),
            Err(error) => errors.push(told(&error)),
        }
    }
    for (at, one) in all.iter().enumerate() {
        let earlier = &all[..at];
        if let Some(other) = earlier
            .iter()
            .find(|other| other.step.name == one.step.name)
        {
            let message = format!("there are two steps `{}`", one.step.name);
            let hint = format!("the other is in `{}`; rename one", other.file);
            errors.push(wrong(&one.file, &message).hint(hint));
        }
        for table in one.makes() {
            if let Some(other) = earlier.iter().find(|other| other.makes().contains(&table)) {
                let message = format!(
                    "step `{}` makes `{table}`, and so does step `{}`",
                    one.step.name, other.step.name
                );
                let hint = "let each write tables and filesets of its own";
                errors.push(wrong(&one.file, &message).hint(hint));
            }
        }
    }
    match errors.is_empty() {
        true => Ok(all),
        false => Err(errors),
    }
}

/// Makes an error of a file of steps.
pub(in crate::flow) fn wrong(file: &str, message: &str) -> ModelError {
    ModelError::new(ModelErrorKind::Project, message).at(Place::file(file))
}

/// Says an error of a declaration, which begins with its file and line.
fn told(error: &StepError) -> ModelError {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(&format!(" {inner}"));
        cause = inner.source();
    }
    let made = ModelError::new(ModelErrorKind::Project, text);
    match error.hint() {
        Some(hint) => made.hint(hint),
        None => made,
    }
}
