//! A project, read and parsed, with the place its models are built in.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::Utc;
use parking_lot::Mutex;
use serde_json::Value;
use weir_model::ModelError;
use weir_model::context::{
    Flags, Invocation, LogLine, LogSink, Shared, SharedParts, SystemClock, environment,
};
use weir_model::node::Manifest;
use weir_model::parse::{ParseOptions, Parsed, parse};
use weir_model::project::{LoadOptions, Project, load};
use weir_model::warehouse::postgres::{Postgres, PostgresOptions};
use weir_model::warehouse::{Dialect, Warehouse};

use super::arguments::ProjectArgs;
use super::server::Server;
use super::warehouse::{DATABASE, WeirWarehouse, dialect};
use crate::command::Global;
use crate::failure::{Explain, Failure};
use crate::ui::Ui;

/// A project that was read and parsed.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) folder: PathBuf,
    pub(crate) project: Arc<Project>,
    pub(crate) parsed: Parsed,
    /// Whether models are built in this Weir, and not on a server of PostgreSQL.
    pub(crate) is_here: bool,
    /// What templates said, to be shown where people look.
    pub(crate) said: Arc<Said>,
}

/// Keeps what templates say until somebody shows it.
#[derive(Debug, Default)]
pub(crate) struct Said(Mutex<Vec<LogLine>>);

impl LogSink for Said {
    fn line(&self, line: LogLine) {
        self.0.lock().push(line);
    }
}

impl Said {
    /// Returns what was said since the last call.
    pub(crate) fn take(&self) -> Vec<LogLine> {
        std::mem::take(&mut self.0.lock())
    }

    /// Shows what was said since the last call.
    pub(crate) fn show(&self, ui: &Ui) {
        for line in self.take().iter().filter(|line| line.shown) {
            match line.plain {
                true => ui.answer(&line.text),
                false => ui.status(&line.text),
            }
        }
    }
}

impl Opened {
    pub(crate) fn manifest(&self) -> Arc<Manifest> {
        self.parsed.manifest.clone()
    }

    /// Returns where compiled SQL and artifacts go.
    pub(crate) fn target_dir(&self) -> PathBuf {
        self.folder.join(&self.project.root().target_path)
    }

    /// Returns the warehouse that the target names; the server is this Weir's, where one was needed.
    pub(crate) async fn warehouse(
        &self,
        global: &Global,
        ui: &Ui,
    ) -> Result<(Arc<dyn Warehouse>, Option<(Server, WeirWarehouse)>), Failure> {
        let target = &self.project.target;
        if !self.is_here {
            let options = PostgresOptions::from_profile(&target.fields)
                .explain(|| format!("output `{}` of profiles.yml is wrong", target.name))?;
            return Ok((Arc::new(Postgres::new(options)), None));
        }
        let (server, client) = Server::reach(global, &self.folder, ui).await?;
        let weir = WeirWarehouse::new(client, &target.kind);
        Ok((Arc::new(weir.clone()), Some((server, weir))))
    }
}

/// Reads and parses the project that the arguments name, and shows warnings.
pub(crate) fn open(args: &ProjectArgs, flags: Flags, ui: &Ui) -> Result<Opened, Failure> {
    let options = load_options(args, ui)?;
    let (opened, warnings) =
        read(&options, args.here, flags).map_err(|errors| wrong(&errors, ui))?;
    if args.is_strict() && !warnings.is_empty() {
        return Err(wrong(&warnings, ui).with_hint("--warn-error takes warnings for errors"));
    }
    if !args.is_quiet() {
        for warning in warnings {
            ui.warn(warning.report());
        }
        opened.said.show(ui);
    }
    Ok(opened)
}

/// Reads and parses a project; returns it with its warnings, or everything that is wrong with it.
/// `here` builds it in this Weir, whatever kind of warehouse its profile names.
pub(crate) fn read(
    options: &LoadOptions,
    here: bool,
    flags: Flags,
) -> Result<(Opened, Vec<ModelError>), Vec<ModelError>> {
    let said = Arc::new(Said::default());
    let loaded = load(options)?;
    let mut project = Arc::unwrap_or_clone(loaded.project);
    let is_here = here || project.target.kind != "postgres";
    if is_here {
        // There is one database here, whatever the profile calls that of the warehouse it is for.
        let target = &mut project.target;
        target.database = Some(DATABASE.to_owned());
        for key in ["database", "dbname"] {
            target.fields.insert(key.into(), Value::from(DATABASE));
        }
    }
    let dialect = match is_here {
        true => dialect(&project.target.kind),
        false => Dialect::postgres(),
    };
    let project = Arc::new(project);
    let parse_options = ParseOptions {
        environment: options.environment.clone(),
        env: options.env.clone(),
        dialect,
        flags,
        invocation: Invocation {
            id: uuid::Uuid::new_v4().to_string(),
            started_at: Utc::now(),
            clock: Arc::new(SystemClock),
        },
        log: said.clone(),
        threads: 2,
    };
    let parsed = parse(&project, &parse_options)?;
    let warnings = loaded.warnings.into_iter().chain(parsed.warnings.clone());
    let warnings = warnings.collect();
    let opened = Opened {
        folder: options.project_dir.clone(),
        project,
        parsed,
        is_here,
        said,
    };
    Ok((opened, warnings))
}

impl Opened {
    /// Returns the project for one more invocation, which shares nothing that changes with others.
    pub(crate) fn again(&self, started_at: chrono::DateTime<Utc>) -> Self {
        let said = Arc::new(Said::default());
        let mut parts = SharedParts::clone(&self.parsed.shared);
        parts.invocation = Invocation {
            id: uuid::Uuid::new_v4().to_string(),
            started_at,
            clock: Arc::new(SystemClock),
        };
        parts.log = said.clone();
        let shared = Arc::new(Shared::new(parts));
        shared.set_manifest(self.parsed.manifest.clone());
        Self {
            folder: self.folder.clone(),
            project: self.project.clone(),
            parsed: Parsed {
                manifest: self.parsed.manifest.clone(),
                shared,
                selectors: self.parsed.selectors.clone(),
                warnings: Vec::new(),
            },
            is_here: self.is_here,
            said,
        }
    }
}

/// Returns how the project that the arguments name is read.
pub(crate) fn load_options(args: &ProjectArgs, ui: &Ui) -> Result<LoadOptions, Failure> {
    let mut options = load_options_in(folder(args)?, args);
    if let Some(vars) = &args.vars {
        options.vars = weir_model::project::vars_of(vars).map_err(|error| wrong(&[error], ui))?;
    }
    Ok(options)
}

/// Returns how the project in `folder` is read, with the process's environment and no variables.
pub(crate) fn load_options_in(folder: PathBuf, args: &ProjectArgs) -> LoadOptions {
    let mut options = LoadOptions::new(folder, Arc::new(environment()));
    options.profiles_dir.clone_from(&args.profiles_dir);
    options.profile.clone_from(&args.profile);
    options.target.clone_from(&args.target);
    options.here = args.here;
    options.threads = args.threads;
    let variables = std::env::vars_os();
    let variables = variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    options.env = Arc::new(variables.collect());
    options.home = std::env::home_dir();
    options.target_path = args
        .target_path
        .as_ref()
        .map(|path| path.display().to_string());
    options
}

/// Finds the folder of the project: the one that was named, or the next one upwards.
pub(super) fn folder(args: &ProjectArgs) -> Result<PathBuf, Failure> {
    let here = std::env::current_dir().explain(|| "cannot tell the current folder".into())?;
    if let Some(named) = &args.project_dir {
        return Ok(here.join(named));
    }
    let is_project = |folder: &&Path| folder.join("dbt_project.yml").is_file();
    match here.ancestors().find(is_project) {
        Some(folder) => Ok(folder.to_owned()),
        None => Err(Failure::new("there is no `dbt_project.yml` here or above")
            .with_hint("go to the folder of a dbt project, or name it by --project-dir")),
    }
}

/// Shows everything that is wrong with a project, and says how much it is.
pub(crate) fn wrong(errors: &[ModelError], ui: &Ui) -> Failure {
    for error in errors {
        if ui.is_json() {
            ui.answer_json(&serde_json::json!({
                "error": error.message(),
                "node": error.node(),
                "file": error.place().map(|place| place.file.to_string()),
                "line": error.place().map(|place| place.line),
                "column": error.place().map(|place| place.column),
                "hint": error.hint_text(),
            }));
        } else {
            ui.problem(error.report());
        }
    }
    let message = match errors.len() {
        1 => "the project has an error".to_owned(),
        count => format!("the project has {count} errors"),
    };
    Failure::new(message)
}
