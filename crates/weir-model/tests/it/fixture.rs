//! A project in a temporary folder.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use weir_model::ModelError;
use weir_model::context::{Flags, Invocation, SystemClock, environment};
use weir_model::node::{JsonMap, Node};
use weir_model::parse::{ParseOptions, Parsed, parse};
use weir_model::project::{LoadOptions, Loaded, load};
use weir_model::warehouse::Dialect;

/// A project that a test writes file by file.
pub(crate) struct Fixture {
    folder: tempfile::TempDir,
    vars: JsonMap,
    env: HashMap<String, String>,
}

impl Fixture {
    /// Makes a project called `shop` with `extra` lines in its dbt_project.yml.
    pub(crate) fn new(extra: &str) -> Self {
        let folder = tempfile::tempdir().expect("makes a folder");
        let fixture = Self {
            folder,
            vars: JsonMap::new(),
            env: HashMap::new(),
        };
        fixture.file(
            "dbt_project.yml",
            &format!("name: shop\nversion: '1.0'\nprofile: shop\n{extra}"),
        )
    }

    /// Writes a file.
    pub(crate) fn file(self, path: &str, text: &str) -> Self {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("is in a folder")).expect("makes folders");
        std::fs::write(path, text).expect("writes");
        self
    }

    /// Gives a variable on the command line.
    pub(crate) fn var(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.vars.insert(name.to_owned(), value.into());
        self
    }

    /// Sets an environment variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn load_options(&self) -> LoadOptions {
        let mut options = LoadOptions::new(self.path(), Arc::new(environment()));
        options.vars = self.vars.clone();
        options.env = Arc::new(self.env.clone());
        options
    }

    /// Reads the project's own files.
    pub(crate) fn load(&self) -> Result<Loaded, Vec<ModelError>> {
        load(&self.load_options())
    }

    /// Reads and parses the project.
    pub(crate) fn try_parse(&self) -> Result<Parsed, Vec<ModelError>> {
        let options = self.load_options();
        let loaded = load(&options)?;
        let mut dialect = Dialect::postgres();
        dialect.adapter = "weir".to_owned();
        dialect.chain = ["weir", "postgres", "default"].map(str::to_owned).to_vec();
        let options = ParseOptions {
            environment: options.environment,
            env: options.env,
            dialect,
            flags: Flags::default(),
            invocation: Invocation {
                id: "0c1f5a2e-0000-4000-8000-000000000000".to_owned(),
                started_at: chrono::DateTime::from_timestamp(1_700_000_000, 0)
                    .expect("is a moment"),
                clock: Arc::new(SystemClock),
            },
            log: Arc::new(()),
            threads: 2,
        };
        parse(&loaded.project, &options)
    }

    /// Parses a project in which nothing is wrong.
    pub(crate) fn parse(&self) -> Parsed {
        match self.try_parse() {
            Ok(parsed) => parsed,
            Err(errors) => panic!("{}", reports(&errors)),
        }
    }

    /// Parses a project in which something is, and returns what is told of it.
    pub(crate) fn mistakes(&self) -> String {
        match self.try_parse() {
            Ok(_) => panic!("nothing was found wrong"),
            Err(errors) => reports(&errors),
        }
    }
}

/// Joins reports.
pub(crate) fn reports(errors: &[ModelError]) -> String {
    errors
        .iter()
        .map(ModelError::report)
        .collect::<Vec<_>>()
        .join("\n")
}

/// Returns a node by id.
pub(crate) fn node(parsed: &Parsed, id: &str) -> Arc<Node> {
    let known = || {
        parsed
            .manifest
            .nodes
            .keys()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    };
    Arc::clone(
        parsed
            .manifest
            .nodes
            .get(id)
            .unwrap_or_else(|| panic!("no {id} among\n{}", known())),
    )
}
