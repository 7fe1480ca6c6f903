use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::common::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::reset_plan_states;

use super::through::{passes_through, shown_by_name};

/// Lets its one partition be read a second time: a nested-loop join that finds no room reads its build
/// side again to spill it, and operators below that hand rows around can be run once only.
#[derive(Debug)]
pub(super) struct AgainExec {
    input: Arc<dyn ExecutionPlan>,
    read: AtomicBool,
}

impl AgainExec {
    pub(super) fn over(input: Arc<dyn ExecutionPlan>) -> Self {
        Self {
            input,
            read: AtomicBool::new(false),
        }
    }
}

shown_by_name!(AgainExec, "AgainExec");

impl ExecutionPlan for AgainExec {
    passes_through!("AgainExec", input);

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = children.pop().unwrap_or_else(|| self.input.clone());
        Ok(Arc::new(Self::over(input)))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        if !self.read.swap(true, Ordering::Relaxed) {
            return self.input.execute(partition, context);
        }
        reset_plan_states(self.input.clone())?.execute(partition, context)
    }
}
