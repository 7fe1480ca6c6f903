//! Who does the work of which kind of asset.

use std::sync::Arc;

use async_trait::async_trait;
use weir_flow::{AssetKind, Attempt, Outcome, Worker};
use weir_step::StepWorker;

use super::code::Codes;
use super::delivery::Deliveries;
use super::rollup::Rollups;
use super::syncs::Syncs;
use super::worker::Models;

/// Hands each attempt to whoever knows its kind.
#[derive(Debug)]
pub(super) struct Workers {
    pub(super) models: Models,
    pub(super) steps: StepWorker,
    pub(super) syncs: Syncs,
    pub(super) rollups: Rollups,
    pub(super) deliveries: Deliveries,
    pub(super) codes: Arc<Codes>,
}

#[async_trait]
impl Worker for Workers {
    async fn run(&self, attempt: Attempt) -> Outcome {
        let kind = attempt.kind();
        match kind {
            AssetKind::Model | AssetKind::Test => self.models.run(attempt).await,
            AssetKind::Source => self.syncs.run(attempt).await,
            AssetKind::Command => {
                let code = self.codes.now();
                let step = code.and_then(|code| {
                    let declared = code.plan.steps.get(attempt.asset())?;
                    Some(declared.step.clone())
                });
                match step {
                    Some(step) => self.steps.run_step(step, &attempt).await,
                    None => {
                        let why = format!("`{}` is no longer in the project", attempt.asset());
                        attempt.log().write(&why);
                        Outcome::permanent(why)
                    }
                }
            }
            AssetKind::Query => self.rollups.run(&attempt).await,
            AssetKind::Dashboard => self.deliveries.run(&attempt).await,
            // Whoever adds the other kinds of assets to the graph adds who does their work here.
            _ => Outcome::permanent(format!("no worker does the work of a {kind}")),
        }
    }
}
