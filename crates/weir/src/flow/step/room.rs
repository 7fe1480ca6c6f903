//! Where steps keep what they need: files, datums, and what runs.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use weir_catalog::Catalog;
use weir_query::Engine;
use weir_step::{
    FilesetStore, JobRequest, Ledger, PlannedDatum, RunnerOptions, SqliteLedger, Step, StepError,
    StepLog, StepRunner, Variables,
};

use super::tables::{Doors, LakeTables, take_all_back};
use crate::flow::versions::LakeVersions;
use crate::project::Project;

/// Files of steps that nobody needs any more stay for so long: longer than any job runs.
const GRACE: Duration = Duration::from_secs(7 * 24 * 3_600);

/// What steps leave, there also while nothing runs.
#[derive(Clone, Debug)]
pub(in crate::flow) struct Keep {
    folder: PathBuf,
    pub(in crate::flow) files: FilesetStore,
    pub(in crate::flow) ledger: SqliteLedger,
}

impl Keep {
    pub(in crate::flow) async fn open(project: &Project) -> Result<Self, StepError> {
        let folder = project.state_dir().join("steps");
        Ok(Self {
            files: Self::files_of(project)?,
            ledger: SqliteLedger::open(&folder.join("datums.db")).await?,
            folder,
        })
    }

    /// Opens the files only, beside whatever works with them.
    pub(in crate::flow) fn files_of(project: &Project) -> Result<FilesetStore, StepError> {
        FilesetStore::open(&project.state_dir().join("steps").join("files"))
    }

    /// Removes files that no commit and no datum names.
    pub(in crate::flow) async fn collect(&self) -> Result<(), StepError> {
        let kept = self.ledger.blobs().await?;
        let files = self.files.clone();
        let collect = move || files.collect(GRACE, None, &kept);
        let collected = tokio::task::spawn_blocking(collect)
            .await
            .map_err(|error| {
                StepError::new(
                    weir_step::StepErrorKind::Unavailable,
                    "collecting was cut off",
                )
                .because(error)
            })??;
        if collected.files > 0 {
            tracing::info!(
                files = collected.files,
                bytes = collected.bytes,
                "removed files of steps that nobody needs"
            );
        }
        Ok(())
    }

    pub(in crate::flow) async fn close(&self) {
        self.ledger.close().await;
    }
}

/// What runs steps while a server works.
#[derive(Clone, Debug)]
pub(in crate::flow) struct StepRoom {
    pub(in crate::flow) runner: StepRunner,
}

/// What steps are joined with.
pub(in crate::flow) struct Joined {
    pub(in crate::flow) engine: Engine,
    pub(in crate::flow) catalog: Catalog,
    pub(in crate::flow) versions: Arc<LakeVersions>,
    pub(in crate::flow) doors: Doors,
    pub(in crate::flow) threads: Handle,
}

impl StepRoom {
    /// Ends what an earlier process left running, and makes ready to run.
    pub(in crate::flow) async fn open(
        project: &Project,
        keep: &Keep,
        joined: Joined,
    ) -> Result<Self, StepError> {
        take_all_back(&joined.catalog).await;
        let keeper = std::env::current_exe().map_err(|error| {
            StepError::new(
                weir_step::StepErrorKind::Unsupported,
                "find Weir's own program, which keeps the commands of steps",
            )
            .because(error)
        })?;
        let options = RunnerOptions {
            project: project.dir().to_owned(),
            scratch: keep.folder.join("scratch"),
            keeper,
            isolate: true,
            variables: Variables::of_process(),
        };
        let tables = LakeTables {
            engine: joined.engine,
            catalog: joined.catalog,
            versions: joined.versions,
            doors: joined.doors,
            threads: joined.threads,
            pins: Default::default(),
        };
        let runner = StepRunner::open(
            options,
            keep.files.clone(),
            Arc::new(keep.ledger.clone()),
            Some(Arc::new(tables)),
        )?;
        Ok(Self { runner })
    }

    /// Returns the datums that a run of a step would have now.
    pub(in crate::flow) async fn plan(
        &self,
        step: &Arc<Step>,
    ) -> Result<Vec<PlannedDatum>, StepError> {
        let request = JobRequest {
            step: step.clone(),
            run: String::new(),
            versions: HashMap::new(),
            log: Arc::new(Unheard),
            cancel: CancellationToken::new(),
        };
        self.runner.plan(&request).await
    }
}

/// Planning says nothing.
#[derive(Debug)]
struct Unheard;

impl StepLog for Unheard {
    fn line(&self, _: &str) {}
}
