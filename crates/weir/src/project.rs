use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use weir_access::RoleName;
use weir_catalog::{AccessFile, Catalog, SourceFile};
use weir_core::config::Config;
use weir_extract::Secret;
use weir_lake::LakeOptions;

use crate::extract::file::is_fetched;
use crate::failure::{Explain, ExplainHinted, Failure};
use crate::ui::Ui;
use crate::webhook::{self, is_webhook};

/// The name of the file that makes a folder a project.
pub(crate) const CONFIG_FILE: &str = "weir.toml";

/// A file of a project.
pub(crate) struct ReadFile {
    /// Its path, for messages.
    pub(crate) file: String,
    /// Its name without `.yml`.
    pub(crate) stem: String,
    pub(crate) text: String,
}

/// A project folder and where things lie in it.
#[derive(Clone, Debug)]
pub(crate) struct Project {
    dir: PathBuf,
    /// What this process says to `${env:NAME}` in its sources, beside the environment.
    variables: Arc<BTreeMap<String, Secret>>,
}

impl Project {
    /// Takes `dir` as the project's folder.
    pub(crate) fn at(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            variables: Arc::default(),
        }
    }

    /// Gives a variable a value for this process alone.
    pub(crate) fn with_variable(mut self, name: &str, value: Secret) -> Self {
        Arc::make_mut(&mut self.variables).insert(name.to_owned(), value);
        self
    }

    /// Returns what `${env:NAME}` stands for in a source's file; nothing is as good as no variable.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        let own = self.variables.get(name);
        own.map(|value| value.reveal().to_owned())
            .or_else(|| std::env::var(name).ok())
            .filter(|text| !text.is_empty())
    }

    /// Finds the project: the folder that was named, or the next one upwards with a `weir.toml`.
    pub(crate) fn find(named: Option<&Path>) -> Result<Self, Failure> {
        let hint = "`weir init DIR` makes a project; `--project DIR` names one";
        if let Some(dir) = named {
            if dir.join(CONFIG_FILE).is_file() {
                return absolute(dir).map(Self::at);
            }
            let message = format!("there is no project in `{}`", dir.display());
            return Err(Failure::new(message).with_hint(hint));
        }
        let here = std::env::current_dir().explain(|| "cannot tell the current folder".into())?;
        match Self::around(&here) {
            Some(project) => Ok(project),
            None => {
                let message = format!("there is no `{CONFIG_FILE}` here or above");
                Err(Failure::new(message).with_hint(hint))
            }
        }
    }

    /// Returns the project that `folder` lies in.
    pub(crate) fn around(folder: &Path) -> Option<Self> {
        let mut upwards = folder.ancestors();
        upwards
            .find(|dir| dir.join(CONFIG_FILE).is_file())
            .map(Self::at)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The folder of everything that is not for people, except the lake.
    pub(crate) fn state_dir(&self) -> PathBuf {
        self.dir.join(".weir")
    }

    pub(crate) fn catalog_path(&self) -> PathBuf {
        self.state_dir().join("catalog.db")
    }

    /// The file of the owner's token.
    pub(crate) fn token_path(&self) -> PathBuf {
        self.state_dir().join("owner.token")
    }

    /// The file in which a running server says where it listens.
    pub(crate) fn server_path(&self) -> PathBuf {
        self.state_dir().join("server.json")
    }

    /// Creates the state folder for the owner only.
    pub(crate) fn create_state_dir(&self) -> Result<(), Failure> {
        use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
        let dir = self.state_dir();
        let action = || format!("cannot create `{}`", dir.display());
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)
            .explain(action)?;
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700)).explain(action)
    }

    /// Opens the catalog, creating it in a new project.
    pub(crate) async fn open_catalog(&self) -> Result<Catalog, Failure> {
        self.create_state_dir()?;
        Catalog::open(&self.catalog_path())
            .await
            .explain_hinted(|| "cannot open the catalog".into())
    }

    /// Reads the configuration, with the process's environment.
    pub(crate) fn config(&self, ui: &Ui) -> Result<Config, Failure> {
        let path = self.dir.join(CONFIG_FILE);
        let text = std::fs::read_to_string(&path)
            .explain(|| format!("cannot read `{}`", path.display()))?;
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            // The tests' own, where it means something.
            let known = weir_lake::CRASH_POINTS && name == "WEIR_FAILPOINTS";
            Some((name, value.into_string().ok()?)).filter(|_| !known)
        });
        match Config::parse(&shortened(&path), &text, variables) {
            Ok(loaded) => {
                for warning in loaded.warnings {
                    ui.warn(warning.to_string());
                }
                Ok(loaded.config)
            }
            Err(error) => Err(Failure::new("the configuration is wrong")
                .because(&error)
                .with_hint("docs/configuration.md lists every key with its type and default")),
        }
    }

    /// Reads `sources/*.yml` of events, in the order of their names.
    pub(crate) fn sources(&self) -> Result<Vec<SourceFile>, Failure> {
        let mut sources: Vec<SourceFile> = Vec::new();
        for read in self.source_files()? {
            if is_fetched(&read.file, &read.text) {
                continue;
            }
            if is_webhook(&read.file, &read.text) {
                sources.push(webhook::source(&read)?);
                continue;
            }
            let source = SourceFile::parse(&read.file, &read.stem, &read.text)
                .explain(|| "a source is described wrongly".into())?;
            if sources.iter().any(|other| other.name == source.name) {
                let message = format!("two files in `sources/` describe `{}`", source.name);
                return Err(Failure::new(message).with_hint("rename one of the sources"));
            }
            sources.push(source);
        }
        Ok(sources)
    }

    /// Reads `sources/*.yml` of what is fetched, in the order of their names.
    pub(crate) fn fetched_files(&self) -> Result<Vec<ReadFile>, Failure> {
        let mut files = self.source_files()?;
        files.retain(|read| is_fetched(&read.file, &read.text));
        Ok(files)
    }

    /// Reads `sources/*.yml` of webhooks, in the order of their names.
    pub(crate) fn webhook_files(&self) -> Result<Vec<ReadFile>, Failure> {
        let mut files = self.source_files()?;
        files.retain(|read| is_webhook(&read.file, &read.text));
        Ok(files)
    }

    /// Returns the folder of sources.
    pub(crate) fn sources_dir(&self) -> PathBuf {
        self.dir.join("sources")
    }

    fn source_files(&self) -> Result<Vec<ReadFile>, Failure> {
        let dir = self.sources_dir();
        let action = || format!("cannot read `{}`", dir.display());
        let entries = match std::fs::read_dir(&dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.explain(action)?,
        };
        let mut paths = Vec::new();
        for entry in entries {
            let path = entry.explain(action)?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "yml" || extension == "yaml")
            {
                paths.push(path);
            }
        }
        paths.sort();
        let mut files = Vec::with_capacity(paths.len());
        for path in paths {
            let text = std::fs::read_to_string(&path)
                .explain(|| format!("cannot read `{}`", path.display()))?;
            let stem = path
                .file_stem()
                .map(|stem| stem.to_string_lossy().into_owned());
            files.push(ReadFile {
                file: shortened(&path),
                stem: stem.unwrap_or_default(),
                text,
            });
        }
        Ok(files)
    }

    /// Reads `access.yml`, if there is one.
    pub(crate) fn access(&self, catalog: &Catalog) -> Result<Option<AccessFile>, Failure> {
        let path = self.dir.join("access.yml");
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            text => text.explain(|| format!("cannot read `{}`", path.display()))?,
        };
        let access = catalog.access();
        let mut known: Vec<&str> = access.custom_roles().map(RoleName::as_str).collect();
        known.extend(access.users().map(|user| user.name.as_str()));
        let file = AccessFile::parse(&shortened(&path), &text, &known);
        let file = file.explain(|| "the rights are described wrongly".into())?;
        Ok(Some(file))
    }

    /// Returns how the lake is to be opened.
    pub(crate) fn lake_options(&self, config: &Config) -> LakeOptions {
        let store = config.lake.store.iter();
        let mut options = LakeOptions::new(self.state_dir(), self.lake_url(config));
        options.wal_dir = self.dir.join(&config.wal.dir);
        options.store_options = store
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        options.flush_interval = config.flush.interval;
        options.flush_bytes = config.flush.bytes.bytes();
        options.hot_limit_bytes = config.hot.limit.bytes();
        options.wal_segment_bytes = config.wal.segment_size.bytes();
        options.wal_limit_bytes = config.wal.max_size.bytes();
        options.min_free_bytes = config.wal.min_free.bytes();
        options.dedup_window = config.dedup.window;
        options.vacuum_retention = config.maintenance.vacuum_retention;
        options.compaction = config.maintenance.compaction;
        options.retention = config.lake.retention.clone();
        options
    }

    /// Returns the lake's URL, or its folder as a path.
    pub(crate) fn lake_url(&self, config: &Config) -> String {
        if config.lake.url.contains("://") {
            return config.lake.url.clone();
        }
        self.dir.join(&config.lake.url).display().to_string()
    }

    /// Returns the owner's token from the variable or the file.
    pub(crate) fn owner_token(&self) -> Result<String, Failure> {
        if let Some(token) = std::env::var("WEIR_TOKEN")
            .ok()
            .filter(|token| !token.is_empty())
        {
            return Ok(token);
        }
        let path = self.token_path();
        let text = std::fs::read_to_string(&path).map_err(|error| {
            Failure::new(format!(
                "cannot read the owner's token in `{}`",
                path.display()
            ))
            .because(&error)
            .with_hint("`weir up` makes one at its first start")
        })?;
        Ok(text.trim().to_owned())
    }
}

/// Writes a file that only the owner may read, whole or not at all.
pub(crate) fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let new = path.with_extension("new");
    let _ = std::fs::remove_file(&new);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, path)
}

fn absolute(dir: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(dir).explain(|| format!("cannot find `{}`", dir.display()))
}

/// Returns a path relative to the current folder where that is shorter to read.
fn shortened(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here)
        .unwrap_or(path)
        .display()
        .to_string()
}
