//! A project with filesets, a ledger, tables made of memory, and steps that are run by hand.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use weir_flow::{AttemptId, PublishToken};
use weir_step::*;

/// Keeps lines of logs.
#[derive(Debug, Default)]
pub(crate) struct Lines(Mutex<Vec<String>>);

impl StepLog for Lines {
    fn line(&self, text: &str) {
        self.0.lock().push(text.to_owned());
    }
}

impl Lines {
    pub(crate) fn text(&self) -> String {
        self.0.lock().join("\n")
    }
}

/// Names and texts of the files of a version.
type Files = Vec<(String, String)>;

/// Tables of CSV text by version.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    pub(crate) versions: Mutex<BTreeMap<String, Vec<Files>>>,
    published: Mutex<HashMap<String, u64>>,
    pub(crate) exported: Mutex<Vec<String>>,
    /// How many ways into the database are open.
    pub(crate) lent: Arc<Mutex<i64>>,
}

/// Notes that a way into the database has ended.
struct Returned(Arc<Mutex<i64>>);

impl Drop for Returned {
    fn drop(&mut self) {
        *self.0.lock() -= 1;
    }
}

#[async_trait]
impl Warehouse for Tables {
    async fn version(&self, table: &str, _: Option<&str>) -> Result<Option<i64>, StepError> {
        let versions = self.versions.lock();
        Ok(versions
            .get(table)
            .map(|versions| versions.len() as i64 - 1))
    }

    async fn files(
        &self,
        table: &str,
        version: i64,
        format: TableFormat,
    ) -> Result<Vec<TableFile>, StepError> {
        assert_eq!(format, TableFormat::Csv);
        let files = &self.versions.lock()[table][version as usize];
        let file = |(name, text): &(String, String)| TableFile {
            name: name.clone(),
            fingerprint: ContentHash::of(text.as_bytes()).to_string(),
            size: text.len() as u64,
        };
        Ok(files.iter().map(file).collect())
    }

    async fn export(
        &self,
        table: &str,
        version: i64,
        _: TableFormat,
        names: &[String],
        folder: &Path,
        _: Option<&str>,
    ) -> Result<(), StepError> {
        let files = self.versions.lock()[table][version as usize].clone();
        for (name, text) in files.iter().filter(|(name, _)| names.contains(name)) {
            std::fs::write(folder.join(name), text).unwrap();
            self.exported.lock().push(name.clone());
        }
        Ok(())
    }

    async fn load(
        &self,
        loads: &[TableLoad],
        _: &Made,
        token: &PublishToken,
    ) -> Result<String, StepError> {
        let mut published = self.published.lock();
        let kept = published.get(&token.app).copied().unwrap_or(0);
        if kept < token.sequence {
            let mut versions = self.versions.lock();
            for load in loads {
                let files = load.files.iter();
                let read = |file: &LoadFile| std::fs::read_to_string(&file.path).unwrap();
                let files = files.map(|file| (file.name.clone(), read(file))).collect();
                versions.entry(load.table.clone()).or_default().push(files);
            }
            published.insert(token.app.clone(), token.sequence);
        }
        let names: Vec<String> = loads.iter().map(|load| load.table.clone()).collect();
        Ok(names.join(", "))
    }

    async fn lend(&self, step: &str, _: Option<&str>, _: DatabaseUse) -> Result<Lent, StepError> {
        let open = self.lent.clone();
        *open.lock() += 1;
        let secret = format!("lent-to-{step}");
        Ok(Lent {
            variables: vec![("DATABASE_URL".to_owned(), secret.clone())],
            secrets: vec![secret],
            until: Box::new(Returned(open)),
        })
    }
}

pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) runner: StepRunner,
    pub(crate) lines: Arc<Lines>,
    pub(crate) tables: Arc<Tables>,
    pub(crate) cancel: CancellationToken,
    sequence: AtomicU64,
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) report: JobReport,
    pub(crate) published: Option<String>,
}

impl Ran {
    /// Processed, skipped, recovered and all datums.
    pub(crate) fn counts(&self) -> (usize, usize, usize, usize) {
        let report = &self.report;
        (
            report.processed,
            report.skipped,
            report.recovered,
            report.datums,
        )
    }
}

pub(crate) async fn open(folder: &Path, tables: Arc<Tables>, isolate: bool) -> StepRunner {
    let variables = |name: &str| match name {
        "PATH" => std::env::var("PATH").ok(),
        "API_KEY" => Some("hunter2-hunter2".to_owned()),
        _ => None,
    };
    std::fs::create_dir_all(folder.join("project")).unwrap();
    let ledger = SqliteLedger::open(&folder.join("ledger.db")).await.unwrap();
    let options = RunnerOptions {
        project: folder.join("project"),
        scratch: folder.join("scratch"),
        keeper: PathBuf::from(env!("CARGO_BIN_EXE_weir-keeper")),
        isolate,
        variables: Variables::new(variables),
    };
    let store = FilesetStore::open(&folder.join("files")).unwrap();
    StepRunner::open(options, store, Arc::new(ledger), Some(tables)).unwrap()
}

pub(crate) fn parse(yaml: &str) -> Arc<Step> {
    let mut steps = parse_steps("steps/test.yml", "test", yaml)
        .unwrap_or_else(|error| panic!("{}", error.chain()));
    Arc::new(steps.remove(0))
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(true).await
    }

    pub(crate) async fn with(isolate: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tables = Arc::new(Tables::default());
        Self {
            runner: open(folder.path(), tables.clone(), isolate).await,
            folder,
            lines: Arc::default(),
            tables,
            cancel: CancellationToken::new(),
            sequence: AtomicU64::new(1),
        }
    }

    pub(crate) fn store(&self) -> &FilesetStore {
        self.runner.store()
    }

    pub(crate) fn project(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    /// Puts files into a fileset, in one commit.
    pub(crate) fn put(&self, name: &str, files: &[(&str, &str)]) {
        let mut edit = self.store().edit(name, "master").unwrap();
        for (path, text) in files {
            edit.put(path, text.as_bytes()).unwrap();
        }
        edit.commit().unwrap();
    }

    /// Reads all of a fileset.
    pub(crate) fn read(&self, name: &str) -> BTreeMap<String, String> {
        let manifest = self.store().read(name, "master", None).unwrap();
        let read = |file: &FileEntry| {
            let bytes = self.store().read_blob(file.hash).unwrap();
            (file.path.clone(), String::from_utf8(bytes).unwrap())
        };
        manifest.files().iter().map(read).collect()
    }

    pub(crate) fn text(&self, name: &str, path: &str) -> String {
        let files = self.read(name);
        files
            .get(path)
            .unwrap_or_else(|| panic!("{path} is not in {files:?}"))
            .trim()
            .to_owned()
    }

    pub(crate) fn paths(&self, name: &str) -> Vec<String> {
        self.read(name).into_keys().collect()
    }

    pub(crate) fn request(&self, yaml: &str) -> JobRequest {
        JobRequest {
            step: parse(yaml),
            run: self.sequence.load(Ordering::SeqCst).to_string(),
            versions: HashMap::new(),
            log: self.lines.clone(),
            cancel: self.cancel.clone(),
        }
    }

    /// Runs a step and publishes what it made.
    pub(crate) async fn run(&self, yaml: &str) -> Result<Ran, StepError> {
        let request = self.request(yaml);
        let job = self.runner.run(&request).await?;
        let token = PublishToken {
            app: request.step.name.clone(),
            sequence: self.sequence.fetch_add(1, Ordering::SeqCst),
            fence: AttemptId(1),
        };
        let published = self.runner.publish(&job, &token).await?;
        Ok(Ran {
            report: job.report().clone(),
            published,
        })
    }

    pub(crate) async fn runs(&self, yaml: &str) -> Ran {
        self.run(yaml)
            .await
            .unwrap_or_else(|error| panic!("{}\n{}", error.chain(), self.lines.text()))
    }

    pub(crate) async fn fails(&self, yaml: &str) -> String {
        match self.run(yaml).await {
            Ok(ran) => panic!("it did not fail: {ran:?}"),
            Err(error) => error.chain(),
        }
    }
}
