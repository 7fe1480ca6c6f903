//! A table as the statement sees that is about to change it: every row with its place.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::{TableProvider, TableType};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::{StreamExt, TryStreamExt, stream};

use crate::delta::read_batches;
use crate::read::LakeTable;
use crate::view::{DataFile, TableView};

/// The column that says which file a row is in.
pub const FILE_COLUMN: &str = "__weir_file";
/// The column that says which row of its file a row is.
pub const ROW_COLUMN: &str = "__weir_row";

/// A table of statements at one instant, with the place of every row in two more columns.
#[derive(Debug)]
pub struct TargetTable {
    table: LakeTable,
    schema: SchemaRef,
}

impl TargetTable {
    /// Returns the table as of `view`.
    pub fn new(view: Arc<TableView>) -> Self {
        let table = LakeTable::new(view);
        let columns = table.schema();
        let mut fields: Vec<Arc<Field>> = columns.fields().iter().cloned().collect();
        fields.push(Arc::new(Field::new(FILE_COLUMN, DataType::Int32, false)));
        fields.push(Arc::new(Field::new(ROW_COLUMN, DataType::Int64, false)));
        Self {
            table,
            schema: Arc::new(Schema::new(fields)),
        }
    }
}

#[async_trait]
impl TableProvider for TargetTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        // Used to leave out files, applied again above.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let view = self.table.view();
        let kept = self.table.prune(state, filters)?;
        let numbered = kept.into_iter().filter_map(|file| {
            let number = view.files.iter().position(|f| f.path == file.path)?;
            Some((i32::try_from(number).ok()?, file))
        });
        let partitions = state.config().target_partitions().max(1);
        let mut groups: Vec<Vec<(i32, DataFile)>> = vec![Vec::new(); partitions];
        for (at, file) in numbered.enumerate() {
            groups[at % partitions].push(file);
        }
        groups.retain(|group| !group.is_empty());
        let schema = match projection {
            Some(columns) => Arc::new(self.schema.project(columns)?),
            None => self.schema.clone(),
        };
        if groups.is_empty() {
            return Ok(Arc::new(datafusion::physical_plan::empty::EmptyExec::new(
                schema,
            )));
        }
        let partitions = groups.into_iter().map(|files| {
            Arc::new(Files {
                view: view.clone(),
                files,
                schema: schema.clone(),
            }) as Arc<dyn PartitionStream>
        });
        let exec = StreamingTableExec::try_new(
            schema.clone(),
            partitions.collect(),
            None,
            Vec::new(),
            false,
            None,
        )?;
        Ok(Arc::new(exec))
    }
}

/// Some files of the table, read one after another.
struct Files {
    view: Arc<TableView>,
    files: Vec<(i32, DataFile)>,
    schema: SchemaRef,
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Files({} of {})", self.files.len(), self.view.name)
    }
}

impl PartitionStream for Files {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (view, schema) = (self.view.clone(), self.schema.clone());
        let files = stream::iter(self.files.clone());
        let rows = files
            .then(move |(number, file)| rows_of(view.clone(), schema.clone(), number, file))
            .try_flatten();
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), rows))
    }
}

async fn rows_of(
    view: Arc<TableView>,
    schema: SchemaRef,
    number: i32,
    file: DataFile,
) -> Result<impl futures::Stream<Item = Result<RecordBatch>>> {
    let batches = read_batches(&view.store, &file)
        .await
        .map_err(|error| DataFusionError::ParquetError(Box::new(error)))?;
    let mut next = 0_i64;
    Ok(batches.map(move |batch| {
        let batch = batch.map_err(|error| DataFusionError::ParquetError(Box::new(error)))?;
        let first = next;
        next += batch.num_rows() as i64;
        placed(&view, &batch, &schema, number, first)
    }))
}

/// Returns the wanted columns of a file's rows.
fn placed(
    view: &TableView,
    batch: &RecordBatch,
    schema: &SchemaRef,
    number: i32,
    first: i64,
) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    let whole = view.widen(batch, None);
    let columns = schema.fields().iter().map(|field| {
        let column: ArrayRef = match field.name().as_str() {
            FILE_COLUMN => Arc::new(Int32Array::from_value(number, rows)),
            ROW_COLUMN => Arc::new(Int64Array::from_iter_values(first..first + rows as i64)),
            name => {
                let Some(column) = whole.column_by_name(name) else {
                    return Err(DataFusionError::Internal(format!("no column {name}")));
                };
                match column.data_type() == field.data_type() {
                    true => column.clone(),
                    false => arrow::compute::cast(column, field.data_type())?,
                }
            }
        };
        Ok(column)
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(
        schema.clone(),
        columns,
        &options,
    )?)
}
