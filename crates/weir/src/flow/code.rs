//! The project as runs see it: its models, steps and `schedules.yml`, read again when files change.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::RwLock;
use weir_catalog::{Delivery, Rollup};
use weir_flow::{Asset, AssetKind, Graph, SOURCE_POOL, Schedule};
use weir_model::{ModelError, ModelErrorKind, Place};

use super::fetched::Fetched;
use super::file::{FILE, FlowFile};
use super::plan::{Plan, plan};
use super::step::{Declared, read_steps, step_files};
use crate::extract::declared;
use crate::model::{Opened, ProjectArgs, flags_of_runs, git_commit, load_options_in, read_project};
use crate::project::Project;

/// One state of a project's files.
#[derive(Debug)]
pub(super) struct Code {
    pub(super) opened: Opened,
    pub(super) plan: Plan,
    /// The commit of the project's code, and whether files differ from it.
    pub(super) git: Option<String>,
    /// How many steps run at once.
    pub(super) slots: u32,
}

/// The code that is in force, and what is wrong with what came after it.
#[derive(Debug)]
pub(super) struct Codes {
    project: Project,
    now: RwLock<Option<Arc<Code>>>,
    problem: RwLock<Option<String>>,
    seen: RwLock<Option<Fingerprint>>,
    kept: RwLock<Kept>,
}

/// What runs and is in no file: people asked for it in the application.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    /// Questions that are kept as tables.
    pub(super) rollups: Vec<Rollup>,
    /// Dashboards that are sent.
    pub(super) deliveries: Vec<Delivery>,
}

impl Kept {
    fn is_empty(&self) -> bool {
        self.rollups.is_empty() && self.deliveries.is_empty()
    }
}

/// What files were like when they were read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fingerprint(BTreeSet<(PathBuf, Option<SystemTime>, u64)>);

/// What looking at the files came to.
pub(super) enum Looked {
    /// They are as they were.
    Same,
    /// They are different, and in force.
    New(Option<Arc<Code>>),
    /// They are different, and wrong; with what can run all the same, where nothing is in force yet.
    Wrong(String, Option<Box<weir_flow::Project>>),
}

impl Codes {
    pub(super) fn new(project: Project) -> Self {
        Self {
            project,
            now: RwLock::default(),
            problem: RwLock::default(),
            seen: RwLock::default(),
            kept: RwLock::default(),
        }
    }

    /// Takes over what people asked for; it is in force after the next look.
    pub(super) fn set_kept(&self, kept: Kept) {
        *self.kept.write() = kept;
        *self.seen.write() = None;
    }

    /// Returns what is in force.
    pub(super) fn now(&self) -> Option<Arc<Code>> {
        self.now.read().clone()
    }

    /// Returns what is wrong with the files, if they are not what is in force.
    pub(super) fn problem(&self) -> Option<String> {
        self.problem.read().clone()
    }

    /// Reads the files if they have changed. What is wrong keeps what was in force before.
    pub(super) fn look(&self) -> Looked {
        let fingerprint = self.fingerprint();
        if self.seen.read().as_ref() == Some(&fingerprint) {
            return Looked::Same;
        }
        *self.seen.write() = Some(fingerprint);
        let kept = self.kept.read().clone();
        match load(&self.project, &kept) {
            Ok(code) => {
                let code = code.map(Arc::new);
                (*self.now.write()).clone_from(&code);
                *self.problem.write() = None;
                Looked::New(code)
            }
            Err(errors) => {
                let reports: Vec<String> = errors.iter().map(ModelError::report).collect();
                let text = reports.join("\n");
                *self.problem.write() = Some(text.clone());
                let part = self.now().is_none().then(|| sources_only(&self.project));
                Looked::Wrong(text, part.flatten().map(Box::new))
            }
        }
    }

    /// Says what is wrong besides the files: something about them that could not be put into force.
    pub(super) fn say(&self, problem: String) {
        *self.problem.write() = Some(problem);
    }

    fn fingerprint(&self) -> Fingerprint {
        let dir = self.project.dir();
        let mut found = BTreeSet::new();
        note(&dir.join(FILE), &mut found);
        for file in step_files(dir) {
            note(&file, &mut found);
        }
        let sources = std::fs::read_dir(self.project.sources_dir());
        for entry in sources.into_iter().flatten().flatten() {
            note(&entry.path(), &mut found);
        }
        let Some(code) = self.now() else {
            // Wherever it may be: few files, as nothing of it is known yet.
            for folder in [Some(dir.to_owned()), only_project_below(dir)]
                .into_iter()
                .flatten()
            {
                walk(
                    &folder,
                    &["models", "seeds", "snapshots", "tests", "macros"],
                    &mut found,
                );
            }
            return Fingerprint(found);
        };
        note(&code.opened.folder.join("profiles.yml"), &mut found);
        for package in code.opened.project.packages.values() {
            let paths = &package.paths;
            let folders = [
                &paths.models,
                &paths.seeds,
                &paths.tests,
                &paths.snapshots,
                &paths.macros,
                &paths.docs,
                &paths.functions,
            ];
            let folders: Vec<&str> = folders.into_iter().flatten().map(String::as_str).collect();
            walk(&package.root, &folders, &mut found);
        }
        Fingerprint(found)
    }
}

/// Notes the files of a package.
fn walk(root: &Path, folders: &[&str], found: &mut BTreeSet<(PathBuf, Option<SystemTime>, u64)>) {
    for file in [
        "dbt_project.yml",
        "packages.yml",
        "dependencies.yml",
        "selectors.yml",
        "vars.yml",
    ] {
        note(&root.join(file), found);
    }
    let mut waiting: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => waiting.push(entry.path()),
                _ => note(&entry.path(), found),
            }
        }
    }
}

fn note(path: &Path, found: &mut BTreeSet<(PathBuf, Option<SystemTime>, u64)>) {
    if let Ok(data) = std::fs::metadata(path) {
        found.insert((path.to_owned(), data.modified().ok(), data.len()));
    }
}

/// Returns the one folder in `dir` that is a dbt project, if there is exactly one.
fn only_project_below(dir: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(dir).ok()?.flatten();
    let mut found = entries
        .map(|entry| entry.path())
        .filter(|path| path.join("dbt_project.yml").is_file());
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// Reads the files; none when there is nothing that could run.
fn load(project: &Project, kept: &Kept) -> Result<Option<Code>, Vec<ModelError>> {
    let path = project.dir().join(FILE);
    let file = match std::fs::read_to_string(&path) {
        Ok(text) => {
            let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
            Some(FlowFile::parse(&text, &variable)?)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => {
            let made = ModelError::new(ModelErrorKind::File, "the file cannot be read");
            return Err(vec![made.at(Place::file(FILE)).caused_by(error)]);
        }
    };
    let steps = read_steps(project.dir())?;
    let fetched = Fetched::of(declared(project));
    let said = file.is_some() || !steps.is_empty();
    let file = file.unwrap_or_default();
    let folder = match folder_of(&file, project.dir()) {
        Ok(folder) => folder,
        // Steps, sources, questions and mail need no models.
        Err(_) if file.project.is_none() && needs_no_models(&file, &steps, &fetched, kept) => {
            no_models(project)?
        }
        // Without schedules nobody misses the models.
        Err(_) if !said => return Ok(None),
        Err(_) if file.schedules.is_empty() => return Ok(None),
        Err(error) => return Err(vec![error]),
    };
    let open = |folder: &Path| {
        let args = ProjectArgs {
            project_dir: Some(folder.to_owned()),
            target: file.target.clone(),
            here: true,
            ..ProjectArgs::default()
        };
        let options = load_options_in(folder.to_owned(), &args);
        read_project(&options, true, flags_of_runs())
    };
    // What is only wrong with a project that nobody has scheduled is told by its own commands.
    let (folder, (opened, warnings)) = match open(&folder) {
        Ok(read) => (folder, read),
        Err(_) if !said && kept.is_empty() && fetched.is_empty() => return Ok(None),
        Err(_) if !said => {
            let folder = no_models(project)?;
            let read = open(&folder)?;
            (folder, read)
        }
        Err(errors) => return Err(errors),
    };
    for warning in warnings {
        tracing::warn!(warning = %warning.message(), "the dbt project");
    }
    let plan = plan(&file, &folder, &opened.manifest(), (steps, fetched), kept)?;
    Ok(Some(Code {
        git: git_commit(&folder),
        slots: file.slots(),
        opened,
        plan,
    }))
}

/// Returns what can run while the models or `schedules.yml` are wrong: sources are fetched all the same.
fn sources_only(project: &Project) -> Option<weir_flow::Project> {
    let fetched = Fetched::of(declared(project));
    let schedules: Vec<Schedule> = fetched
        .iter()
        .filter_map(|source| source.schedule().ok().flatten())
        .collect();
    let assets = fetched
        .iter()
        .map(|source| Asset::new(source.asset(), AssetKind::Source).in_pool(SOURCE_POOL));
    let graph = Graph::new(assets).ok()?;
    weir_flow::Project::new(graph, schedules, []).ok()
}

/// Whether something runs, or could, without any models.
fn needs_no_models(file: &FlowFile, steps: &[Declared], fetched: &[Fetched], kept: &Kept) -> bool {
    let nothing = steps.is_empty() && fetched.is_empty() && kept.is_empty();
    !(nothing && file.receivers.is_empty())
}

/// Makes a dbt project without models, where there is none, and returns its folder.
fn no_models(project: &Project) -> Result<PathBuf, Vec<ModelError>> {
    let folder = project.state_dir().join("no-models");
    let path = folder.join("dbt_project.yml");
    let text = "name: steps\nversion: '1.0'\nprofile: weir\n";
    if std::fs::read_to_string(&path).is_ok_and(|there| there == text) {
        // Written again it would look like a change.
        return Ok(folder);
    }
    let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, text));
    written.map_err(|error| {
        let made = ModelError::new(ModelErrorKind::File, "the file cannot be written");
        vec![
            made.at(Place::file(path.display().to_string()))
                .caused_by(error),
        ]
    })?;
    Ok(folder)
}

/// Finds the folder of the dbt project.
fn folder_of(file: &FlowFile, dir: &Path) -> Result<PathBuf, ModelError> {
    let is_project = |folder: &Path| folder.join("dbt_project.yml").is_file();
    if let Some((named, place)) = &file.project {
        let folder = dir.join(named);
        if is_project(&folder) {
            return Ok(folder);
        }
        let message = format!("there is no `dbt_project.yml` in `{named}`");
        return Err(super::plan::wrong(*place, message));
    }
    if is_project(dir) {
        return Ok(dir.to_owned());
    }
    only_project_below(dir).ok_or_else(|| {
        let message = "there is no dbt project here whose models could be built".to_owned();
        super::plan::wrong((0, 0), message)
            .hint("name its folder: `project: models`, below the folder of this file")
    })
}
