//! Steps as work of the scheduler.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::RwLock;
use tokio_util::sync::CancellationToken;
use weir_flow::{AssetId, Attempt, Outcome, PublishError, Worker};

use crate::declare::Step;
use crate::error::StepError;
use crate::job::{JobReport, JobRequest, StepRunner};

/// Runs steps for attempts at their assets.
#[derive(Debug)]
pub struct StepWorker {
    runner: StepRunner,
    /// What numbers publications; their names begin with it.
    identity: Option<String>,
    steps: RwLock<HashMap<AssetId, Arc<Step>>>,
}

impl StepWorker {
    /// Makes a worker that knows no steps yet.
    pub fn new(runner: StepRunner) -> Self {
        Self {
            runner,
            identity: None,
            steps: RwLock::default(),
        }
    }

    /// Publishes under names that begin with `identity`: that of the store that numbers publications,
    /// so that those of another store are not taken for later or earlier ones.
    #[must_use]
    pub fn with_identity(mut self, identity: impl Into<String>) -> Self {
        self.identity = Some(identity.into());
        self
    }

    /// Takes over the steps of a project; attempts that run keep what they began with.
    pub fn set_steps(&self, steps: impl IntoIterator<Item = (AssetId, Step)>) {
        let steps = steps
            .into_iter()
            .map(|(asset, step)| (asset, Arc::new(step)));
        *self.steps.write() = steps.collect();
    }

    /// Whether an asset is a step.
    pub fn has(&self, asset: &AssetId) -> bool {
        self.steps.read().contains_key(asset)
    }

    /// Runs a step for an attempt at its asset.
    pub async fn run_step(&self, step: Arc<Step>, attempt: &Attempt) -> Outcome {
        match self.work(step, attempt).await {
            Ok(outcome) => outcome,
            Err(error) => {
                let chain = error.chain();
                attempt.log().write(&chain);
                match error.outcome() {
                    // The log has all of it.
                    Outcome::Failed(class, why) => {
                        let first = why.lines().next().unwrap_or_default();
                        Outcome::Failed(class, first.to_owned())
                    }
                    outcome => outcome,
                }
            }
        }
    }

    async fn work(&self, step: Arc<Step>, attempt: &Attempt) -> Result<Outcome, StepError> {
        // What is kept of a datum is kept of the attempt as well.
        attempt.log().allow(step.limits.log, "limits.log");
        let cancel = CancellationToken::new();
        // A dropped attempt ends its commands as well.
        let _guard = cancel.clone().drop_guard();
        let inputs = attempt.inputs().iter();
        let request = JobRequest {
            step,
            run: attempt.run().to_string(),
            // Tables are read as they are: rows that came after the range are seen a run earlier.
            versions: inputs
                .filter(|input| input.table.as_str().starts_with("fileset:"))
                .map(|input| (input.table.to_string(), input.to))
                .collect(),
            log: Arc::new(attempt.log().clone()),
            cancel: cancel.clone(),
        };
        let running = self.runner.run(&request);
        tokio::pin!(running);
        let job = tokio::select! {
            job = &mut running => job?,
            () = attempt.cancelled() => {
                cancel.cancel();
                running.await?
            }
        };
        attempt.log().write(&summary(job.report()));
        if !job.has_news() {
            return Ok(Outcome::Skipped("nothing is new".to_owned()));
        }
        let published = attempt
            .publish(async |mut token| {
                if let Some(identity) = &self.identity {
                    token.app = format!("{identity}/{}", token.app);
                }
                self.runner.publish(&job, &token).await
            })
            .await;
        match published {
            Ok(published) => Ok(Outcome::Succeeded(published)),
            Err(PublishError::Commit(error)) => Err(error),
            Err(error) => Ok(Outcome::transient(error.to_string())),
        }
    }
}

#[async_trait]
impl Worker for StepWorker {
    async fn run(&self, attempt: Attempt) -> Outcome {
        let step = self.steps.read().get(attempt.asset()).cloned();
        let Some(step) = step else {
            return Outcome::permanent(format!("`{}` is no step of this project", attempt.asset()));
        };
        self.run_step(step, &attempt).await
    }
}

fn summary(report: &JobReport) -> String {
    let JobReport {
        datums,
        processed,
        skipped,
        recovered,
        gone,
        bytes_written,
        ..
    } = report;
    format!(
        "weir: {datums} datums: {processed} processed, {skipped} skipped, {recovered} recovered, {gone} gone; {bytes_written} bytes written"
    )
}
