use std::fmt::Debug;

use super::{NodeResult, Report};
use crate::error::ModelError;
use crate::node::UniqueId;
use crate::warehouse::RelationName;

/// Follows a run. Calls come from the threads that run nodes and must return soon.
pub trait Observer: Send + Sync + Debug {
    /// So many nodes are about to run.
    fn planned(&self, nodes: usize) {
        let _ = nodes;
    }

    /// A node begins. `index` counts from 1 in the order in which nodes begin.
    fn started(&self, id: &UniqueId, index: usize) {
        let _ = (id, index);
    }

    /// A node has ended, with the index it began under; none for nodes that never began.
    fn ended(&self, result: &NodeResult, index: Option<usize>) {
        let _ = (result, index);
    }
}

/// Follows nothing.
impl Observer for () {}

/// Decides when others see what a run builds.
///
/// # Contract
/// - `begin` is called once, before the first node, with every relation that may be built.
/// - `finish` is called once after `begin` has succeeded, whatever happened: it publishes what may be
///   seen and forgets the rest. What the run's own connections wrote is all on its side by then.
/// - Both block, and are called from the thread that runs the command.
pub trait Publication: Send + Sync + Debug {
    /// Prepares for a run that will build these relations.
    fn begin(&self, relations: &[RelationName]) -> Result<(), ModelError> {
        let _ = relations;
        Ok(())
    }

    /// Publishes or discards what was built, and says which relations others see now.
    fn finish(&self, report: &Report) -> Result<Vec<RelationName>, ModelError> {
        let _ = report;
        Ok(Vec::new())
    }
}

/// Every model is seen as soon as it is built, as with dbt: the transaction of each publishes it.
#[derive(Clone, Copy, Debug, Default)]
pub struct PerModel;

impl Publication for PerModel {}
