//! Reading: a table as the engine sees it, files and memory united.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::stats::Precision;
use datafusion::common::{Column, ColumnStatistics, DFSchema, Result, ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::{TableProvider, TableType};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::union::UnionExec;
use object_store::ObjectMeta;

use crate::view::{DataFile, TableView};

/// A pinned table: a standard Parquet scan over its files, united with the rows in memory.
///
/// Both parts are plans that can be sent to other processes. Text columns appear as `Utf8View`,
/// which filters and groups read without copying.
#[derive(Debug)]
pub struct LakeTable {
    view: Arc<TableView>,
    schema: SchemaRef,
}

impl LakeTable {
    /// Returns the table as of `view`.
    pub fn new(view: Arc<TableView>) -> Self {
        let schema = viewed(&view.schema);
        Self { view, schema }
    }

    /// Returns the instant the table is pinned to.
    pub fn view(&self) -> &Arc<TableView> {
        &self.view
    }

    /// Returns the files that may hold rows the filters ask for.
    pub(crate) fn prune(&self, state: &dyn Session, filters: &[Expr]) -> Result<Vec<DataFile>> {
        let files = &self.view.files;
        let Some(filter) = conjunction(filters.iter().cloned()) else {
            return Ok(files.as_ref().clone());
        };
        let schema = DFSchema::try_from(self.schema.as_ref().clone())?;
        let keep = state
            .create_physical_expr(filter, &schema)
            .and_then(|filter| {
                PruningPredicateBuilder::new()
                    .with_file_schema(self.schema.clone())
                    .try_build(filter)
            })
            .and_then(|predicate| {
                predicate.prune(&FileBounds {
                    files,
                    schema: &self.schema,
                })
            });
        // A filter that cannot be judged by bounds prunes nothing.
        let Ok(keep) = keep else {
            return Ok(files.as_ref().clone());
        };
        Ok(files
            .iter()
            .zip(keep)
            .filter(|(_, keep)| *keep)
            .map(|(file, _)| file.clone())
            .collect())
    }

    fn scan_files(
        &self,
        state: &dyn Session,
        files: Vec<DataFile>,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let url = ObjectStoreUrl::parse(&self.view.store_url[..url::Position::BeforePath])?;
        // The filters themselves arrive when the optimizer pushes them down the finished plan;
        // given here too, every row would be judged twice.
        let runtime = state.runtime_env();
        // Files never change: a footer that was read once is not read again.
        let footers = CachedParquetFileReaderFactory::new(
            runtime.object_store(&url)?,
            runtime.cache_manager.get_file_metadata_cache(),
        );
        let source = ParquetSource::new(self.schema.clone())
            .with_table_parquet_options(state.default_table_options().parquet)
            .with_parquet_file_reader_factory(Arc::new(footers))
            .with_pushdown_filters(self.filters_first(projection, filters));
        let statistics = self.statistics_of(&files);
        let partitions = state.config().target_partitions().max(1);
        let files: Vec<PartitionedFile> = files.iter().map(|f| self.partitioned(f)).collect();
        let groups = FileGroup::new(files).split_files(partitions);
        let config = FileScanConfigBuilder::new(url, Arc::new(source))
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }

    /// Whether to read the filters' columns first, and the other columns' pages only for the rows
    /// that pass.
    ///
    /// It halves the work where the other columns are wide, as raw events are, and costs up to twice
    /// the work where they are numbers, which decode faster than they are picked.
    fn filters_first(&self, projection: Option<&Vec<usize>>, filters: &[Expr]) -> bool {
        let filtered: HashSet<&str> = filters
            .iter()
            .flat_map(|filter| filter.column_refs())
            .map(|column| column.name.as_str())
            .collect();
        let mut read = (0..self.schema.fields().len())
            .filter(|at| projection.is_none_or(|projection| projection.contains(at)))
            .map(|at| self.schema.field(at));
        if filters.is_empty() && projection.is_some_and(|projection| projection.len() < 2) {
            // Only a join or a sort could bring a filter, and on the one column that is read anyway.
            return false;
        }
        read.any(|field| {
            let narrow =
                field.data_type().is_primitive() || field.data_type() == &DataType::Boolean;
            !narrow && !filtered.contains(field.name().as_str())
        })
    }

    fn partitioned(&self, file: &DataFile) -> PartitionedFile {
        let meta = ObjectMeta {
            location: file.path.clone(),
            last_modified: file.modified,
            size: file.size,
            e_tag: None,
            version: None,
        };
        PartitionedFile::from(meta)
            .with_statistics(Arc::new(self.statistics_of(std::slice::from_ref(file))))
    }

    fn scan_memory(
        &self,
        projection: Option<&Vec<usize>>,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let schema = match projection {
            Some(columns) => Arc::new(self.schema.project(columns)?),
            None => self.schema.clone(),
        };
        let batches = self.view.hot.iter().map(|batch| {
            let batch = self.view.widen(batch, projection.map(Vec::as_slice));
            to_views(&batch, &schema)
        });
        let batches = batches.collect::<Result<Vec<RecordBatch>>>()?;
        if batches.is_empty() {
            return Ok(None);
        }
        let source = MemorySourceConfig::try_new(&[batches], schema, None)?;
        Ok(Some(DataSourceExec::from_data_source(source)))
    }

    fn statistics_of(&self, files: &[DataFile]) -> Statistics {
        let rows = files.iter().map(|f| f.rows as usize).sum();
        let bytes = files.iter().map(|f| f.size as usize).sum();
        let column = |field: &Arc<Field>| {
            let mut stats = ColumnStatistics::new_unknown();
            for (at, file) in files.iter().enumerate() {
                let found = file.columns.get(field.name());
                let nulls = found.and_then(|c| c.nulls);
                let nulls = nulls.map_or(Precision::Absent, |n| Precision::Inexact(n as usize));
                let bound = |b: Option<&ScalarValue>| {
                    let bound = b.and_then(|v| v.cast_to(field.data_type()).ok());
                    bound.map_or(Precision::Absent, Precision::Inexact)
                };
                let min = bound(found.and_then(|c| c.min.as_ref()));
                let max = bound(found.and_then(|c| c.max.as_ref()));
                if at == 0 {
                    (stats.min_value, stats.max_value) = (min, max);
                    stats.null_count = nulls;
                } else {
                    stats.null_count = stats.null_count.add(&nulls);
                    stats.min_value = stats.min_value.min(&min);
                    stats.max_value = stats.max_value.max(&max);
                }
            }
            stats
        };
        Statistics {
            num_rows: Precision::Exact(rows),
            total_byte_size: Precision::Inexact(bytes),
            column_statistics: self.schema.fields().iter().map(column).collect(),
        }
    }
}

#[async_trait]
impl TableProvider for LakeTable {
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
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    fn statistics(&self) -> Option<Statistics> {
        let mut statistics = self.statistics_of(&[]);
        statistics.num_rows = Precision::Exact(self.view.rows() as usize);
        Some(statistics)
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let files = self.prune(state, filters)?;
        let mut parts = Vec::new();
        if !files.is_empty() {
            // With filters still to be applied above, a limit here would lose rows.
            let limit = if filters.is_empty() { limit } else { None };
            parts.push(self.scan_files(state, files, projection, filters, limit)?);
        }
        parts.extend(self.scan_memory(projection)?);
        match parts.len() {
            0 => {
                let schema = match projection {
                    Some(columns) => Arc::new(self.schema.project(columns)?),
                    None => self.schema.clone(),
                };
                Ok(Arc::new(EmptyExec::new(schema)))
            }
            1 => Ok(parts.remove(0)),
            _ => UnionExec::try_new(parts),
        }
    }
}

/// Returns the schema with text as views.
fn viewed(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => {
            Field::new(field.name(), DataType::Utf8View, field.is_nullable())
        }
        DataType::Binary | DataType::LargeBinary => {
            Field::new(field.name(), DataType::BinaryView, field.is_nullable())
        }
        data_type => Field::new(field.name(), data_type.clone(), field.is_nullable()),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn to_views(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(
            |(column, field)| match column.data_type() == field.data_type() {
                true => Ok(column.clone()),
                false => arrow::compute::cast(column, field.data_type()),
            },
        );
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    Ok(RecordBatch::try_new_with_options(
        schema.clone(),
        columns,
        &options,
    )?)
}

/// The bounds in the log, as the engine's pruning asks for them.
struct FileBounds<'a> {
    files: &'a [DataFile],
    schema: &'a SchemaRef,
}

impl FileBounds<'_> {
    fn bounds(
        &self,
        column: &Column,
        bound: impl Fn(&crate::view::ColumnStats) -> Option<ScalarValue>,
    ) -> Option<ArrayRef> {
        let data_type = self
            .schema
            .field_with_name(column.name())
            .ok()?
            .data_type()
            .clone();
        let none = ScalarValue::try_from(&data_type).ok()?;
        let values = self.files.iter().map(|file| {
            let found = file.columns.get(column.name()).and_then(&bound);
            found
                .and_then(|v| v.cast_to(&data_type).ok())
                .unwrap_or_else(|| none.clone())
        });
        ScalarValue::iter_to_array(values).ok()
    }
}

impl PruningStatistics for FileBounds<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, |stats| stats.min.clone())
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, |stats| stats.max.clone())
    }

    fn num_containers(&self) -> usize {
        self.files.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let counts = self
            .files
            .iter()
            .map(|f| f.columns.get(column.name()).and_then(|c| c.nulls));
        Some(Arc::new(counts.collect::<UInt64Array>()))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(
            self.files
                .iter()
                .map(|f| Some(f.rows))
                .collect::<UInt64Array>(),
        ))
    }

    fn contained(
        &self,
        _: &Column,
        _: &HashSet<ScalarValue>,
    ) -> Option<arrow::array::BooleanArray> {
        None
    }
}
