//! Deriving tables again from the unaltered rows they came from.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int64Type, SchemaRef};
use chrono::Utc;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::{Expr, col, lit};
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::{StreamExt, TryStreamExt};
use weir_core::TableName;

use crate::applier::Request;
use crate::delta::{Change, FileOptions, Input, Receipt, TableLog, encode, read_batches};
use crate::error::{LakeError, LakeErrorKind};
use crate::flush::Logs;
use crate::hot::{Hot, joined};
use crate::read::LakeTable;
use crate::rows::{Derive, Rows, Tables};
use crate::store::LakeRoot;
use crate::view::{DataFile, TableView, widen_batch};

/// The column that ties a derived row to the row it came from.
const SEQ: &str = "weir_seq";
/// Derived rows are written into files when they take this much.
const FILE_BYTES: usize = 32 << 20;
/// Memory for putting the source rows in order; more goes to disk.
const SORT_BYTES: usize = 256 << 20;

/// What to derive again.
#[derive(Clone, Debug)]
pub struct RebuildOptions {
    /// The unaltered rows.
    pub from: TableName,
    /// The schema whose tables are derived from them.
    pub schema: String,
    /// Only rows received at or after this, in microseconds since the epoch.
    pub received_from: Option<i64>,
    /// Only rows received before this.
    pub received_to: Option<i64>,
    /// Only rows for which this SQL expression over the unaltered columns is true.
    pub condition: Option<String>,
    /// Say what would change, and change nothing.
    pub dry_run: bool,
}

/// What a rebuild did to a table, or would do.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Rebuilt {
    pub table: String,
    pub rows_before: u64,
    pub rows_after: u64,
    /// Rows that were not there before in exactly this form.
    pub rows_added: u64,
    /// Rows that are no longer there in this form.
    pub rows_removed: u64,
}

pub(crate) struct Rebuilder<'a> {
    pub(crate) root: &'a LakeRoot,
    pub(crate) logs: &'a Logs,
    pub(crate) hot: &'a Arc<Hot>,
    pub(crate) applier: crossbeam_channel::Sender<Request>,
}

/// Rows of one table on their way into files.
#[derive(Default)]
struct Output {
    schema: Option<SchemaRef>,
    options: FileOptions,
    batches: Vec<RecordBatch>,
    bytes: usize,
    files: Vec<(DataFile, SchemaRef)>,
}

impl RebuildOptions {
    fn is_partial(&self) -> bool {
        self.received_from.is_some() || self.received_to.is_some() || self.condition.is_some()
    }

    fn error(&self, kind: LakeErrorKind) -> LakeError {
        LakeError::new(kind, "rebuild the tables of", &self.schema)
    }
}

impl Rebuilder<'_> {
    /// Derives the tables. The caller keeps others from committing meanwhile.
    pub(crate) async fn run(
        &self,
        options: &RebuildOptions,
        mut derive: Box<dyn Derive>,
    ) -> Result<Vec<Rebuilt>, LakeError> {
        let storage = |e: Box<dyn std::error::Error + Send + Sync>| {
            options.error(LakeErrorKind::Storage).because(e)
        };
        let (raw, raw_version) = self.committed(&options.from).await?;
        let context = context(&raw).map_err(|e| storage(e.into()))?;
        let mut rows = context
            .table("source")
            .await
            .map_err(|e| storage(e.into()))?;
        for filter in filters(options, &rows)? {
            rows = rows.filter(filter).map_err(|e| storage(e.into()))?;
        }
        let rows = rows
            .sort(vec![col(SEQ).sort(true, false)])
            .map_err(|e| storage(e.into()))?;
        let mut stream = rows.execute_stream().await.map_err(|e| storage(e.into()))?;

        let mut tables = Tables::default();
        let mut outputs: BTreeMap<TableName, Output> = BTreeMap::new();
        let mut selected: HashSet<i64> = HashSet::new();
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(|e| storage(e.into()))?;
            if options.is_partial()
                && let Some(seqs) = batch.column_by_name(SEQ)
            {
                selected.extend(seqs.as_primitive::<Int64Type>().iter().flatten());
            }
            derive.derive(
                &batch,
                &mut Rows {
                    tables: &mut tables,
                    dedup: None,
                },
            );
            self.take(&mut tables, &mut outputs)
                .await
                .map_err(storage)?;
        }
        self.take(&mut tables, &mut outputs)
            .await
            .map_err(storage)?;

        // A table that gets no rows any more is emptied, not forgotten.
        for name in self.logs.names() {
            if name.schema() == options.schema {
                outputs.entry(name).or_default();
            }
        }
        outputs.retain(|name, _| name.schema() == options.schema);
        let mut done = Vec::new();
        for (name, output) in outputs {
            let log = self.logs.get(&name);
            let mut log = log.lock().await;
            if log.version().is_none() {
                log.load().await?;
            }
            let report = self
                .replace(options, &name, output, &selected, &mut log, raw_version)
                .await?;
            done.extend(report);
        }
        Ok(done)
    }

    /// Returns a table's committed part.
    async fn committed(&self, name: &TableName) -> Result<(TableView, u64), LakeError> {
        let log = self.logs.get(name);
        let log = log.lock().await;
        let version = log.version().ok_or_else(|| {
            LakeError::new(LakeErrorKind::NotFound, "read", name).because("there is no such table")
        })?;
        Ok((
            self.view(&log, log.files.as_ref().clone(), log.schema.clone()),
            version,
        ))
    }

    fn view(&self, log: &TableLog, files: Vec<DataFile>, schema: SchemaRef) -> TableView {
        TableView {
            name: log.name.clone(),
            schema,
            version: log.version(),
            files: Arc::new(files),
            hot: Vec::new(),
            store: self.root.store.clone(),
            store_url: self.root.url.clone(),
            location: log.location.clone(),
            committed: log.committed,
            sort_by: None,
        }
    }

    /// Moves derived rows out of the builders, into files when there are many.
    async fn take(
        &self,
        tables: &mut Tables,
        outputs: &mut BTreeMap<TableName, Output>,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        for table in tables.iter_mut().filter(|t| !t.is_empty()) {
            let Some(batch) = table.take() else { continue };
            let name = table.name().clone();
            let (folder, _) = self.root.table(&name);
            let output = outputs.entry(name).or_default();
            output.schema = Some(batch.schema());
            output.options = FileOptions {
                sort_by: table.spec().sort_by,
                bloom: table.spec().bloom.clone(),
            };
            output.bytes += batch.get_array_memory_size();
            output.batches.push(batch);
            if output.bytes >= FILE_BYTES {
                output.write(self.root, &folder).await?;
            }
        }
        Ok(())
    }

    /// Puts the derived rows (and the kept ones of a partial run) in the place of a table's rows.
    async fn replace(
        &self,
        options: &RebuildOptions,
        name: &TableName,
        mut output: Output,
        selected: &HashSet<i64>,
        log: &mut TableLog,
        raw_version: u64,
    ) -> Result<Option<Rebuilt>, LakeError> {
        let storage = |e: Box<dyn std::error::Error + Send + Sync>| {
            LakeError::new(LakeErrorKind::Storage, "rebuild table", name).because(e)
        };
        let (folder, _) = self.root.table(name);
        let derived = output.schema.clone();
        let old_files = log.files.as_ref().clone();
        if derived.is_none() && old_files.is_empty() {
            return Ok(None);
        }
        if output.options.sort_by.is_none() {
            output.options = self.hot.file_options(name);
        }
        let mut schema = derived.unwrap_or_else(|| log.schema.clone());
        if options.is_partial() {
            schema = joined(&log.schema, &schema);
            output.schema = Some(schema.clone());
            for file in &old_files {
                let mut stream = read_batches(&self.root.store, file)
                    .await
                    .map_err(|e| storage(e.into()))?;
                while let Some(batch) = stream.try_next().await.map_err(|e| storage(e.into()))? {
                    let kept = without(&batch, selected).map_err(|e| storage(e.into()))?;
                    if kept.num_rows() > 0 {
                        let kept = widen_batch(&kept, &schema, None);
                        output.bytes += kept.get_array_memory_size();
                        output.batches.push(kept);
                    }
                    if output.bytes >= FILE_BYTES {
                        output.write(self.root, &folder).await.map_err(storage)?;
                    }
                }
            }
        } else {
            // Columns no row fills any more stay, empty: others may ask for them by name.
            schema = joined(&log.schema, &schema);
            output.schema = Some(schema.clone());
        }
        output.write(self.root, &folder).await.map_err(storage)?;
        let mut files = Vec::new();
        for (file, written) in std::mem::take(&mut output.files) {
            let narrower = written.fields().iter().any(|f| {
                schema
                    .field_with_name(f.name())
                    .is_ok_and(|s| s.data_type() != f.data_type())
            });
            files.push(match narrower {
                false => file,
                true => self
                    .widen(&file, &schema, &output.options, &folder)
                    .await
                    .map_err(storage)?,
            });
        }

        let old = self.view(log, old_files.clone(), joined(&log.schema, &schema));
        let new = self.view(log, files.clone(), schema.clone());
        let (rows_before, rows_after) = (old.rows(), new.rows());
        let (added, removed) = differences(old, new).await.map_err(|e| storage(e.into()))?;
        let report = Rebuilt {
            table: name.to_string(),
            rows_before,
            rows_after,
            rows_added: added,
            rows_removed: removed,
        };
        if options.dry_run || (added == 0 && removed == 0) {
            // The written files belong to no version; they go now rather than with a vacuum.
            for file in &files {
                let _ = object_store::ObjectStoreExt::delete(&self.root.store, &file.path).await;
            }
            return Ok(Some(report));
        }
        log.commit(Change {
            add: files,
            remove: old_files,
            schema: (*schema != *log.schema).then(|| schema.clone()),
            committed: None,
            receipt: Receipt {
                writer: if options.is_partial() {
                    "replay"
                } else {
                    "rebuild"
                }
                .into(),
                run_id: format!("rebuild-{}", Utc::now().timestamp_millis()),
                inputs: vec![Input {
                    name: options.from.to_string(),
                    from: raw_version,
                    to: raw_version,
                }],
                code: concat!("weir ", env!("CARGO_PKG_VERSION")).into(),
                rows_added: rows_after,
                rows_removed: rows_before,
            },
            data_change: true,
        })
        .await?;
        // New rows must be typed no narrower than the files are now.
        let (done, adopted) = crossbeam_channel::bounded(1);
        if self
            .applier
            .send(Request::Adopt(name.clone(), schema, done))
            .is_ok()
        {
            let _ = tokio::task::spawn_blocking(move || adopted.recv()).await;
        }
        self.hot.committed(log, 0);
        Ok(Some(report))
    }

    async fn widen(
        &self,
        file: &DataFile,
        schema: &SchemaRef,
        options: &FileOptions,
        folder: &object_store::path::Path,
    ) -> Result<DataFile, Box<dyn std::error::Error + Send + Sync>> {
        let batches: Vec<RecordBatch> = read_batches(&self.root.store, file)
            .await?
            .try_collect()
            .await?;
        let encoded = encode(&batches, schema, options)?;
        Ok(encoded.store(self.root.store.as_ref(), folder).await?)
    }
}

impl Output {
    async fn write(
        &mut self,
        root: &LakeRoot,
        folder: &object_store::path::Path,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let Some(schema) = self.schema.clone().filter(|_| !self.batches.is_empty()) else {
            return Ok(());
        };
        let encoded = encode(&self.batches, &schema, &self.options)?;
        let file = encoded.store(root.store.as_ref(), folder).await?;
        self.files.push((file, schema));
        self.batches.clear();
        self.bytes = 0;
        Ok(())
    }
}

fn context(raw: &TableView) -> datafusion::common::Result<SessionContext> {
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(SORT_BYTES)))
        .build_arc()?;
    let config = SessionConfig::new()
        .with_target_partitions(1)
        .with_batch_size(4096);
    let context = SessionContext::new_with_config_rt(config, runtime);
    context.register_object_store(&raw.store_url, raw.store.clone());
    context.register_table("source", Arc::new(LakeTable::new(Arc::new(raw.clone()))))?;
    Ok(context)
}

fn filters(
    options: &RebuildOptions,
    rows: &datafusion::dataframe::DataFrame,
) -> Result<Vec<Expr>, LakeError> {
    let instant = |micros: i64| {
        lit(datafusion::common::ScalarValue::TimestampMicrosecond(
            Some(micros),
            Some("UTC".into()),
        ))
    };
    let mut filters = Vec::new();
    filters.extend(
        options
            .received_from
            .map(|at| col("received_at").gt_eq(instant(at))),
    );
    filters.extend(
        options
            .received_to
            .map(|at| col("received_at").lt(instant(at))),
    );
    if let Some(condition) = &options.condition {
        let parsed = rows.parse_sql_expr(condition).map_err(|e| {
            LakeError::new(LakeErrorKind::Config, "understand the condition", condition).because(e)
        })?;
        filters.push(parsed);
    }
    Ok(filters)
}

/// Returns the rows of `batch` that do not come from the selected positions.
fn without(
    batch: &RecordBatch,
    selected: &HashSet<i64>,
) -> Result<RecordBatch, arrow::error::ArrowError> {
    let Some(seqs) = batch.column_by_name(SEQ) else {
        return Ok(batch.clone());
    };
    let seqs = seqs.as_primitive::<Int64Type>();
    let keep: BooleanArray = (0..seqs.len())
        .map(|at| Some(seqs.is_null(at) || !selected.contains(&seqs.value(at))))
        .collect();
    filter_record_batch(batch, &keep)
}

/// Counts the rows that are only in `new`, and those only in `old`.
async fn differences(old: TableView, new: TableView) -> datafusion::common::Result<(u64, u64)> {
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(SORT_BYTES)))
        .build_arc()?;
    let config = SessionConfig::new().with_target_partitions(1);
    let context = SessionContext::new_with_config_rt(config, runtime);
    context.register_object_store(&old.store_url, old.store.clone());
    let columns: Vec<Expr> = new
        .schema
        .fields()
        .iter()
        .map(|f| Expr::Column(datafusion::common::Column::new_unqualified(f.name())))
        .collect();
    let table = |view: TableView| context.read_table(Arc::new(LakeTable::new(Arc::new(view))));
    let (old, new) = (
        table(old)?.select(columns.clone())?,
        table(new)?.select(columns)?,
    );
    let count = |frame: datafusion::dataframe::DataFrame| async move { frame.count().await };
    let added = count(new.clone().except(old.clone())?).await?;
    let removed = count(old.except(new)?).await?;
    Ok((added as u64, removed as u64))
}
