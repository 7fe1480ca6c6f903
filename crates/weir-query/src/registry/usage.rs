//! What a plan reads, and what it cost.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use datafusion::catalog::TableProvider;
use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;

use crate::dependent::Shared;
use crate::secured::SecuredTable;

/// The tables and columns a plan reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reads {
    pub(crate) tables: BTreeSet<String>,
    pub(crate) columns: BTreeSet<String>,
}

/// The most columns that are listed of one statement.
const MAX_COLUMNS: usize = 1_000;

impl Reads {
    /// Finds what an optimised plan reads: only there columns that nobody needs are gone.
    pub(crate) fn of(plan: &LogicalPlan) -> Result<Self> {
        let mut reads = Self::default();
        plan.apply_with_subqueries(|node| {
            if let LogicalPlan::TableScan(scan) = node {
                let provider = source_as_provider(&scan.source)?;
                let provider: &dyn TableProvider = provider.as_ref();
                if let Some(shared) = provider.downcast_ref::<Shared>() {
                    reads.extend(Reads::of(shared.plan())?);
                }
                if let Some(table) = provider.downcast_ref::<SecuredTable>() {
                    let name = table.name();
                    let projected = scan
                        .projected_schema
                        .fields()
                        .iter()
                        .map(|field| field.name().clone());
                    let filtered = scan.filters.iter().flat_map(|filter| filter.column_refs());
                    let columns = projected.chain(filtered.map(|column| column.name.clone()));
                    reads
                        .columns
                        .extend(columns.map(|column| format!("{name}.{column}")));
                    reads.tables.insert(name.to_owned());
                }
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        while reads.columns.len() > MAX_COLUMNS {
            reads.columns.pop_last();
        }
        Ok(reads)
    }

    pub(crate) fn extend(&mut self, other: Reads) {
        self.tables.extend(other.tables);
        self.columns.extend(other.columns);
    }
}

/// What running a plan took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) read_bytes: u64,
    pub(crate) cpu: Duration,
}

impl Cost {
    /// Adds up what the operators of a plan have counted so far.
    pub(crate) fn of(plan: &Arc<dyn ExecutionPlan>) -> Self {
        let mut cost = Self::default();
        let mut left = vec![plan];
        while let Some(plan) = left.pop() {
            if let Some(metrics) = plan.metrics() {
                let sum = |name: &str| {
                    metrics
                        .sum_by_name(name)
                        .map_or(0, |value| value.as_usize())
                };
                cost.read_bytes += sum("bytes_scanned") as u64;
                // Files are decoded outside of what their operator counts as its own time.
                let nanos = metrics.elapsed_compute().unwrap_or(0) + sum("time_elapsed_processing");
                cost.cpu += Duration::from_nanos(nanos as u64);
            }
            left.extend(plan.children());
        }
        cost
    }

    pub(crate) fn add(&mut self, other: Cost) {
        self.read_bytes += other.read_bytes;
        self.cpu += other.cpu;
    }
}
