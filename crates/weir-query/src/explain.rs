//! What an `EXPLAIN` leaves out: where on the server, or in which bucket, the lake's files are.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::logical_expr::LogicalPlan;

use crate::catalog::Scope;

/// The folder of the lake, which is nobody's business who may only read tables.
pub(crate) struct Places {
    lake: String,
}

impl Places {
    /// Returns what to leave out of a query's rows; nothing if it is no `EXPLAIN`.
    pub(crate) fn in_rows_of(plan: &LogicalPlan, scope: &Scope) -> Option<Self> {
        let lake = scope.pinned.lake.prefix().as_ref();
        let explains = matches!(plan, LogicalPlan::Explain(_) | LogicalPlan::Analyze(_));
        (explains && !lake.is_empty()).then(|| Self {
            lake: format!("{lake}/"),
        })
    }

    /// Returns the rows with files named from the lake's folder on.
    pub(crate) fn hidden(&self, batch: RecordBatch) -> RecordBatch {
        let columns = batch.columns().iter().map(|column| {
            let Some(texts) = column.as_any().downcast_ref::<StringArray>() else {
                return column.clone();
            };
            let texts = texts.iter().map(|text| text.map(|text| self.text(text)));
            Arc::new(texts.collect::<StringArray>()) as ArrayRef
        });
        let columns = columns.collect();
        RecordBatch::try_new(batch.schema(), columns).unwrap_or(batch)
    }

    /// Only lines that list files: what a query compares with may look like the folder.
    fn text(&self, plan: &str) -> String {
        let lines = plan.split_inclusive('\n').map(|line| {
            if !line.contains("file_groups=") {
                return line.to_owned();
            }
            ["[", ", ", "filename="]
                .iter()
                .fold(line.to_owned(), |line, before| {
                    line.replace(&format!("{before}{}", self.lake), before)
                })
        });
        lines.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_from_the_lake_on() {
        let places = Places {
            lake: "home/anna/lake/".to_owned(),
        };
        let plan = "FilterExec: x = [home/anna/lake/\n  DataSourceExec: file_groups={2 groups: \
                    [[home/anna/lake/main/t/1.parquet, home/anna/lake/main/t/2.parquet], \
                    [home/anna/lake/main/t/3.parquet:0..10]]}, projection=[x], \
                    metrics=[bytes_scanned{partition=0, filename=home/anna/lake/main/t/1.parquet}=7]\n";
        assert_eq!(
            places.text(plan),
            "FilterExec: x = [home/anna/lake/\n  DataSourceExec: file_groups={2 groups: \
             [[main/t/1.parquet, main/t/2.parquet], \
             [main/t/3.parquet:0..10]]}, projection=[x], \
             metrics=[bytes_scanned{partition=0, filename=main/t/1.parquet}=7]\n"
        );
    }
}
