use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use serde_json::{Value as Json, json};
use tokio::runtime::Handle;
use weir_model::ModelError;
use weir_model::context::{
    Cancellation, Clock, Flags, Invocation, LogLine, LogSink, SystemClock, environment,
};
use weir_model::node::{Manifest, UniqueId};
use weir_model::parse::{ParseOptions, parse};
use weir_model::project::{LoadOptions, load};
use weir_model::run::{Command, PerModel, Report, RunOptions, Runner, RunnerParts};
use weir_model::warehouse::postgres::{Postgres as PostgresWarehouse, PostgresOptions};
use weir_model::warehouse::{Dialect, Warehouse};
use weir_testkit::Postgres;

/// Keeps what templates say.
#[derive(Debug, Default)]
pub(crate) struct Log(pub Mutex<Vec<String>>);

impl LogSink for Log {
    fn line(&self, line: LogLine) {
        if line.shown {
            self.0.lock().push(line.text);
        }
    }
}

/// How a project is run.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub vars: Json,
    pub flags: Flags,
    pub options: RunOptions,
    pub cancellation: Arc<Cancellation>,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            vars: json!({}),
            flags: Flags {
                which: "build".to_owned(),
                ..Flags::default()
            },
            options: RunOptions {
                threads: 2,
                ..RunOptions::default()
            },
            cancellation: Arc::default(),
        }
    }
}

/// A parsed project and its runner.
pub(crate) struct Opened {
    pub runner: Runner,
    pub manifest: Arc<Manifest>,
    pub log: Arc<Log>,
    _folder: tempfile::TempDir,
}

impl Opened {
    /// Returns what is selected by parts of ids; all if there are none.
    pub(crate) fn ids(&self, parts: &[&str]) -> Vec<UniqueId> {
        let fits = |id: &&UniqueId| {
            parts.is_empty() || parts.iter().any(|part| id.as_str().contains(part))
        };
        self.manifest.ids().filter(fits).cloned().collect()
    }

    pub(crate) fn run(&self, command: Command, parts: &[&str]) -> Report {
        self.runner
            .run(command, &self.ids(parts))
            .unwrap_or_else(|error| panic!("{}", error.report()))
    }
}

/// Returns the results by id: status and message.
pub(crate) fn outcomes(report: &Report) -> HashMap<String, (String, String)> {
    let outcome = |result: &weir_model::run::NodeResult| {
        let message = result.message.clone().unwrap_or_default();
        (
            result.id.to_string(),
            (result.status.as_str().to_owned(), message),
        )
    };
    report.results.iter().map(outcome).collect()
}

/// Parses the project in `folder` for a database, and makes its runner.
pub(crate) fn open(
    folder: &Path,
    url: &str,
    handle: Handle,
    setting: Setting,
) -> Result<Opened, Vec<ModelError>> {
    let address = PostgresOptions::from_url(url).expect("an address");
    let profiles = tempfile::tempdir().expect("a folder");
    let profile = format!(
        "fixture:\n  target: dev\n  outputs:\n    dev: {{type: postgres, host: {}, port: {}, user: {}, password: '', dbname: {}, schema: public, threads: 2}}\n",
        address.host, address.port, address.user, address.database
    );
    std::fs::write(profiles.path().join("profiles.yml"), profile).expect("the profile is written");
    let environment = Arc::new(environment());
    let mut options = LoadOptions::new(folder, Arc::clone(&environment));
    options.profiles_dir = Some(profiles.path().to_owned());
    options.vars = setting.vars.as_object().cloned().unwrap_or_default();
    let loaded = load(&options)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let log = Arc::new(Log::default());
    let parsed = parse(
        &loaded.project,
        &ParseOptions {
            environment,
            env: Arc::clone(&options.env),
            dialect: Dialect::postgres(),
            flags: setting.flags,
            invocation: Invocation {
                id: "0".repeat(32),
                started_at: clock.now(),
                clock,
            },
            log: Arc::clone(&log) as Arc<dyn LogSink>,
            threads: 2,
        },
    )?;
    let warehouse: Arc<dyn Warehouse> = Arc::new(PostgresWarehouse::new(address));
    let runner = Runner::new(RunnerParts {
        shared: Arc::clone(&parsed.shared),
        warehouse,
        runtime: handle,
        observer: Arc::new(()),
        publication: Arc::new(PerModel),
        cancellation: setting.cancellation,
        options: setting.options,
    });
    Ok(Opened {
        runner,
        manifest: parsed.manifest,
        log,
        _folder: profiles,
    })
}

/// Writes files below a new folder.
pub(crate) fn project_of(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let mut all = vec![(
        "dbt_project.yml",
        "name: fixture\nversion: '1.0'\nprofile: fixture\n",
    )];
    all.extend(files);
    for (path, text) in all {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders are made");
        std::fs::write(path, text).expect("a file is written");
    }
    folder
}

/// The project that uses every materialization, strategy and kind of test.
pub(crate) fn everything() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/project")
}

/// Runs blocking work where a runner may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce(Handle) -> T + Send + 'static,
) -> T {
    let handle = Handle::current();
    tokio::task::spawn_blocking(move || work(handle))
        .await
        .expect("the work does not panic")
}

/// Asks the server and returns the rows.
pub(crate) async fn rows(postgres: &Postgres, database: &str, sql: &str) -> Vec<Vec<String>> {
    let answer = postgres.ask(database, sql).await.expect("psql runs");
    answer
        .unwrap_or_else(|failure| panic!("{}: {sql}", failure.message))
        .rows
}

/// Reads a moment for options.
pub(crate) fn moment(text: &str) -> DateTime<Utc> {
    text.parse().expect("a moment")
}
