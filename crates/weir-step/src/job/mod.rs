//! Running a step over its inputs.

mod check;
mod inputs;
mod merge;
mod process;
mod work;

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use weir_flow::PublishToken;

use self::merge::Staged;
use crate::capture::StepLog;
use crate::declare::Step;
use crate::environment::Variables;
use crate::error::{StepError, StepErrorKind};
use crate::fileset::FilesetStore;
use crate::forker::Forker;
use crate::ledger::Ledger;
use crate::manifest::DatumKey;
use crate::running::Running;
use crate::scratch::remove_tree;
use crate::warehouse::{Made, Warehouse};

/// Where a runner works, and with what.
#[derive(Clone, Debug)]
pub struct RunnerOptions {
    /// The project's folder: commands are run there.
    pub project: PathBuf,
    /// A folder of Weir's own for what runs; best on the disk of the filesets.
    pub scratch: PathBuf,
    /// The program that is started as keeper; see [`crate::keep_if_asked`].
    pub keeper: PathBuf,
    /// Whether commands get namespaces of their own where the machine allows it.
    pub isolate: bool,
    /// Where `${env:NAME}` is looked up.
    pub variables: Variables,
}

/// Runs steps; cheap to clone.
#[derive(Clone, Debug)]
pub struct StepRunner {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: RunnerOptions,
    store: FilesetStore,
    ledger: Arc<dyn Ledger>,
    warehouse: Option<Arc<dyn Warehouse>>,
    running: Running,
    forker: Arc<Forker>,
    /// The folder of this process; it is locked as long as the process lives.
    scratch: PathBuf,
    _lock: File,
}

/// One job: a step, and for what.
#[derive(Clone, Debug)]
pub struct JobRequest {
    /// What to run.
    pub step: Arc<Step>,
    /// The run it is part of, for the ledger and the environment.
    pub run: String,
    /// Which versions to read, by table name or `fileset:name@branch`; the newest of all others.
    pub versions: HashMap<String, i64>,
    /// Where lines go.
    pub log: Arc<dyn StepLog>,
    /// Ends it.
    pub cancel: CancellationToken,
}

/// A job whose datums all succeeded, or were recovered.
#[derive(Debug)]
pub struct Job {
    made: Made,
    report: JobReport,
    staged: Option<Staged>,
}

/// A datum that a run would have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedDatum {
    /// Which it is.
    pub key: DatumKey,
    /// What people call it.
    pub label: String,
    /// The hash of its inputs.
    pub fingerprint: [u8; 32],
    /// The hash of the step.
    pub code: [u8; 32],
    /// Whether it need not be done again.
    pub done: bool,
}

/// What a job did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobReport {
    /// How many datums the inputs make.
    pub datums: usize,
    /// How many were run and succeeded.
    pub processed: usize,
    /// How many had been done before.
    pub skipped: usize,
    /// How many failed and were recovered.
    pub recovered: usize,
    /// How many failed.
    pub failed: usize,
    /// How many were there before and have no inputs any more.
    pub gone: usize,
    /// Bytes that datums wrote, as opposed to linked.
    pub bytes_written: u64,
    /// Which versions of which inputs were read.
    pub inputs: Vec<(String, i64)>,
}

impl StepRunner {
    /// Opens a runner: ends what killed processes of Weir left running, and removes what they left.
    ///
    /// # Errors
    /// When the scratch folder cannot be used.
    pub fn open(
        options: RunnerOptions,
        store: FilesetStore,
        ledger: Arc<dyn Ledger>,
        warehouse: Option<Arc<dyn Warehouse>>,
    ) -> Result<Self, StepError> {
        let failed = |error| StepError::io("use the folder", &options.scratch, error);
        std::fs::create_dir_all(&options.scratch).map_err(failed)?;
        let base = std::fs::canonicalize(&options.scratch).map_err(failed)?;
        clean(&base)?;
        let scratch = base.join(uuid::Uuid::new_v4().to_string());
        std::fs::create_dir(&scratch).map_err(failed)?;
        let lock = lock(&scratch)?.ok_or_else(|| failed(std::io::Error::other("it is locked")))?;
        let project = std::fs::canonicalize(&options.project)
            .map_err(|error| StepError::io("open the project", &options.project, error))?;
        let inner = Inner {
            running: Running::open(&scratch.join("running"))?,
            forker: Arc::new(Forker::new(options.keeper.clone())),
            options: RunnerOptions { project, ..options },
            store,
            ledger,
            warehouse,
            scratch,
            _lock: lock,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Returns where files are kept.
    pub fn store(&self) -> &FilesetStore {
        &self.inner.store
    }

    /// Returns where datums are kept.
    pub fn ledger(&self) -> &Arc<dyn Ledger> {
        &self.inner.ledger
    }

    /// Returns the datums a run would have now, in order, without running anything.
    ///
    /// # Errors
    /// When inputs cannot be read.
    pub async fn plan(&self, request: &JobRequest) -> Result<Vec<PlannedDatum>, StepError> {
        let planned = work::plan(&self.inner, request).await?;
        let datums = planned.datums.iter().map(|datum| PlannedDatum {
            key: datum.key,
            label: datum.label(&planned.loaded),
            fingerprint: datum.fingerprint,
            code: planned.code,
            done: planned.is_done(datum, request.step.reprocess),
        });
        Ok(datums.collect())
    }

    /// Runs what has to be run, and stages the result. Nothing is seen by others before
    /// [`Self::publish`]. When the future is dropped, its commands are ended.
    ///
    /// # Errors
    /// Of kind `Failed` when datums failed; those that succeeded are not done again.
    pub async fn run(&self, request: &JobRequest) -> Result<Job, StepError> {
        work::run(&self.inner, request).await
    }

    /// Publishes a job, once, however often it is called with one token. Returns what was published,
    /// such as `fileset:pages@3`; none when there was nothing new.
    ///
    /// # Errors
    /// Of kind `Stale` when a later run has published.
    pub async fn publish(
        &self,
        job: &Job,
        token: &PublishToken,
    ) -> Result<Option<String>, StepError> {
        match &job.staged {
            Some(staged) => merge::publish(&self.inner, &job.made, staged, token)
                .await
                .map(Some),
            None => Ok(None),
        }
    }
}

impl Job {
    /// Returns what it did.
    pub fn report(&self) -> &JobReport {
        &self.report
    }

    /// Whether there is anything to publish.
    pub fn has_news(&self) -> bool {
        self.staged.is_some()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // What is left is cleaned by whoever opens next.
        let _ = remove_tree(&self.scratch);
    }
}

/// Ends and removes what processes that are no more have left in `base`.
fn clean(base: &Path) -> Result<(), StepError> {
    let failed = |error| StepError::io("list", base, error);
    for entry in std::fs::read_dir(base).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if !path.is_dir() {
            continue;
        }
        // Whoever lives holds the lock.
        let Some(_lock) = lock(&path)? else { continue };
        let running = path.join("running");
        if running.is_dir() {
            let ended = Running::open(&running)?.end_all()?;
            if ended > 0 {
                tracing::warn!(
                    processes = ended,
                    "ended what an earlier process left running"
                );
            }
        }
        remove_tree(&path)?;
    }
    Ok(())
}

fn lock(folder: &Path) -> Result<Option<File>, StepError> {
    let path = folder.join("lock");
    let failed = |error| StepError::io("lock", &path, error);
    let file = match File::options().create(true).append(true).open(&path) {
        // Its owner has just removed it.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed)?,
    };
    let how = rustix::fs::FlockOperation::NonBlockingLockExclusive;
    match rustix::fs::flock(&file, how) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(failed(error.into())),
    }
}

/// Runs what blocks beside the runtime.
async fn blocking<T: Send + 'static>(
    f: impl FnOnce() -> Result<T, StepError> + Send + 'static,
) -> Result<T, StepError> {
    match tokio::task::spawn_blocking(f).await {
        Ok(done) => done,
        Err(error) => Err(StepError::new(
            StepErrorKind::Unavailable,
            "a task of the step was ended",
        )
        .because(error)),
    }
}
