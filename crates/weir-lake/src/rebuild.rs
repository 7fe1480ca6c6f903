//! Deriving tables again from the unaltered rows they came from.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int64Type, SchemaRef};
use chrono::Utc;
use datafusion::common::{Column, DataFusionError, ScalarValue};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::functions_aggregate::expr_fn::sum;
use datafusion::logical_expr::{Expr, col, lit, when};
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext};
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use parking_lot::Mutex;
use weir_core::{SourceName, TableName};

use crate::applier::Request;
use crate::delta::{
    CODE, Change, FileOptions, Input, Receipt, TableLog, read_batches, rewrite_file, write_file,
};
use crate::error::{LakeError, LakeErrorKind};
use crate::flush::Logs;
use crate::hot::{Hot, joined};
use crate::read::LakeTable;
use crate::rows::{Derive, Rows, Tables};
use crate::store::LakeRoot;
use crate::view::{DataFile, TableView, widen_batch};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

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
    root: &'a LakeRoot,
    logs: &'a Logs,
    hot: &'a Arc<Hot>,
    applier: crossbeam_channel::Sender<Request>,
    /// Files written that no version of a table refers to yet.
    loose: Mutex<HashSet<Path>>,
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
    /// Returns what derives all tables of `source` from all of its events.
    pub fn of_source(source: &SourceName) -> Result<Self, LakeError> {
        let from = TableName::new(format!("raw_{source}"), "events").map_err(|error| {
            LakeError::new(LakeErrorKind::Invalid, "rebuild the tables of", source).because(error)
        })?;
        Ok(Self {
            from,
            schema: source.as_str().to_owned(),
            received_from: None,
            received_to: None,
            condition: None,
            dry_run: false,
        })
    }

    /// Whether some rows stay as they are.
    fn is_partial(&self) -> bool {
        self.received_from.is_some() || self.received_to.is_some() || self.condition.is_some()
    }

    fn error(&self, kind: LakeErrorKind) -> LakeError {
        LakeError::new(kind, "rebuild the tables of", &self.schema)
    }
}

impl<'a> Rebuilder<'a> {
    pub(crate) fn new(
        root: &'a LakeRoot,
        logs: &'a Logs,
        hot: &'a Arc<Hot>,
        applier: crossbeam_channel::Sender<Request>,
    ) -> Self {
        Self {
            root,
            logs,
            hot,
            applier,
            loose: Mutex::default(),
        }
    }

    /// Derives the tables. The caller keeps others from committing meanwhile.
    pub(crate) async fn run(
        &self,
        options: &RebuildOptions,
        derive: Box<dyn Derive>,
    ) -> Result<Vec<Rebuilt>, LakeError> {
        let done = self.derive(options, derive).await;
        self.tidy().await;
        done
    }

    async fn derive(
        &self,
        options: &RebuildOptions,
        mut derive: Box<dyn Derive>,
    ) -> Result<Vec<Rebuilt>, LakeError> {
        let storage = |e: BoxError| options.error(LakeErrorKind::Storage).because(e);
        let (raw, raw_version) = self.committed(&options.from).await?;
        let context = context(&raw).map_err(|e| storage(e.into()))?;
        let mut rows = context
            .table("source")
            .await
            .map_err(|e| storage(e.into()))?;
        // What a row becomes depends on the rows before it, so those are derived as well, and only
        // what comes of the selected ones is taken.
        let selected = match options.is_partial() {
            true => Some(selected(options, rows.clone()).await?),
            false => None,
        };
        if let Some(selected) = &selected {
            let Some(last) = selected.iter().max() else {
                return Ok(Vec::new());
            };
            let until = rows.filter(col(SEQ).lt_eq(lit(*last)));
            rows = until.map_err(|e| storage(e.into()))?;
        }
        let rows = rows
            .sort(vec![col(SEQ).sort(true, false)])
            .map_err(|e| storage(e.into()))?;
        let mut stream = rows.execute_stream().await.map_err(|e| storage(e.into()))?;

        let mut tables = Tables::default();
        let mut outputs: BTreeMap<TableName, Output> = BTreeMap::new();
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(|e| storage(e.into()))?;
            derive.derive(
                &batch,
                &mut Rows {
                    tables: &mut tables,
                    dedup: None,
                },
            );
            self.take(&mut tables, &mut outputs, selected.as_ref())
                .await
                .map_err(storage)?;
        }

        // A table that gets no rows any more is emptied, not forgotten.
        for name in self.logs.names() {
            if name.schema() == options.schema {
                outputs.entry(name).or_default();
            }
        }
        outputs.retain(|name, _| name.schema() == options.schema);
        let mut done = Vec::new();
        let selected = selected.as_ref();
        for (name, output) in outputs {
            let log = self.logs.get(&name);
            let mut log = log.lock().await;
            if log.version().is_none() {
                log.load().await?;
            }
            if log.is_written_by_statements() {
                // Not derived from anything here.
                continue;
            }
            let report = self
                .replace(options, &name, output, selected, &mut log, raw_version)
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
            by_statements: false,
            comment: None,
        }
    }

    /// Moves derived rows out of the builders, into files when there are many.
    async fn take(
        &self,
        tables: &mut Tables,
        outputs: &mut BTreeMap<TableName, Output>,
        selected: Option<&HashSet<i64>>,
    ) -> Result<(), BoxError> {
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
            let batch = match selected {
                Some(selected) => rows_from(&batch, selected, true)?,
                None => batch,
            };
            if batch.num_rows() > 0 {
                self.add(output, batch, &folder).await?;
            }
        }
        Ok(())
    }

    /// Adds rows to those waiting, and writes them into a file when they are many.
    async fn add(
        &self,
        output: &mut Output,
        rows: RecordBatch,
        folder: &Path,
    ) -> Result<(), BoxError> {
        output.bytes += rows.get_array_memory_size();
        output.batches.push(rows);
        match output.bytes >= FILE_BYTES {
            true => self.write(output, folder).await,
            false => Ok(()),
        }
    }

    /// Writes the waiting rows into a file.
    async fn write(&self, output: &mut Output, folder: &Path) -> Result<(), BoxError> {
        let Some(schema) = output.schema.clone().filter(|_| !output.batches.is_empty()) else {
            return Ok(());
        };
        let (store, options) = (&self.root.store, &output.options);
        let file = write_file(store, folder, &output.batches, &schema, options).await?;
        self.loose.lock().insert(file.path.clone());
        output.files.push((file, schema));
        output.batches.clear();
        output.bytes = 0;
        Ok(())
    }

    /// Deletes the files that belong to no version now, rather than with a vacuum.
    async fn tidy(&self) {
        let loose = std::mem::take(&mut *self.loose.lock());
        for path in loose {
            if let Err(error) = self.root.store.delete(&path).await {
                tracing::debug!(%path, %error, "a file stays until the vacuum");
            }
            // The folder of a table that does not exist goes as well; another's is not empty.
            if self.root.url.scheme() == "file"
                && let Some(folder) = std::path::Path::new(&format!("/{path}")).parent()
            {
                let _ = std::fs::remove_dir(folder);
            }
        }
    }

    /// Puts the derived rows (and the kept ones of a partial run) in the place of a table's rows.
    async fn replace(
        &self,
        options: &RebuildOptions,
        name: &TableName,
        mut output: Output,
        selected: Option<&HashSet<i64>>,
        log: &mut TableLog,
        raw_version: u64,
    ) -> Result<Option<Rebuilt>, LakeError> {
        let storage =
            |e: BoxError| LakeError::new(LakeErrorKind::Storage, "rebuild table", name).because(e);
        let (folder, _) = self.root.table(name);
        let derived = output.schema.clone();
        let old_files = log.files.as_ref().clone();
        if derived.is_none() && old_files.is_empty() {
            return Ok(None);
        }
        if output.options.sort_by.is_none() {
            output.options = self.hot.file_options(name);
        }
        // Columns no row fills any more stay, empty: others may ask for them by name.
        let schema = match derived {
            Some(derived) => joined(&log.schema, &derived),
            None => log.schema.clone(),
        };
        output.schema = Some(schema.clone());
        if let Some(selected) = selected {
            for file in &old_files {
                let mut stream = read_batches(&self.root.store, file)
                    .await
                    .map_err(|e| storage(e.into()))?;
                while let Some(batch) = stream.try_next().await.map_err(|e| storage(e.into()))? {
                    let kept = rows_from(&batch, selected, false).map_err(|e| storage(e.into()))?;
                    if kept.num_rows() > 0 {
                        let kept = widen_batch(&kept, &schema, None);
                        self.add(&mut output, kept, &folder)
                            .await
                            .map_err(storage)?;
                    }
                }
            }
        }
        self.write(&mut output, &folder).await.map_err(storage)?;
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
            return Ok(Some(report));
        }
        // Whatever the answer of the commit is, a version may refer to them from now on.
        self.loose
            .lock()
            .retain(|path| files.iter().all(|file| file.path != *path));
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
                code: CODE.into(),
                rows_added: rows_after,
                rows_removed: rows_before,
                ..Receipt::default()
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
        folder: &Path,
    ) -> Result<DataFile, BoxError> {
        let rewritten = rewrite_file(&self.root.store, folder, file, schema, options).await?;
        self.loose.lock().insert(rewritten.path.clone());
        Ok(rewritten)
    }
}

fn session() -> datafusion::common::Result<SessionContext> {
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(SORT_BYTES)))
        .build_arc()?;
    let config = SessionConfig::new()
        .with_target_partitions(1)
        .with_batch_size(4096);
    Ok(SessionContext::new_with_config_rt(config, runtime))
}

fn context(raw: &TableView) -> datafusion::common::Result<SessionContext> {
    let context = session()?;
    context.register_object_store(&raw.store_url, raw.store.clone());
    context.register_table("source", Arc::new(LakeTable::new(Arc::new(raw.clone()))))?;
    Ok(context)
}

/// Returns the positions of the rows that the options name.
async fn selected(options: &RebuildOptions, rows: DataFrame) -> Result<HashSet<i64>, LakeError> {
    let storage = |e: DataFusionError| options.error(LakeErrorKind::Storage).because(e);
    let instant = |micros: i64| {
        let zone = Some("UTC".into());
        lit(ScalarValue::TimestampMicrosecond(Some(micros), zone))
    };
    let from = options
        .received_from
        .map(|at| col("received_at").gt_eq(instant(at)));
    let to = options
        .received_to
        .map(|at| col("received_at").lt(instant(at)));
    let mut rows = rows;
    for filter in from.into_iter().chain(to) {
        rows = rows.filter(filter).map_err(storage)?;
    }
    if let Some(condition) = &options.condition {
        let invalid = |e: DataFusionError| {
            LakeError::new(
                LakeErrorKind::Invalid,
                "understand the condition",
                condition,
            )
            .because(e)
        };
        let parsed = rows.parse_sql_expr(condition).map_err(invalid)?;
        rows = rows.filter(parsed).map_err(invalid)?;
    }
    let rows = rows.select(vec![col(SEQ)]).map_err(storage)?;
    let mut stream = rows.execute_stream().await.map_err(storage)?;
    let mut selected = HashSet::new();
    while let Some(batch) = stream.try_next().await.map_err(storage)? {
        selected.extend(batch.column(0).as_primitive::<Int64Type>().iter().flatten());
    }
    Ok(selected)
}

/// Returns the rows of `batch` that come from the selected positions, or those that do not.
fn rows_from(
    batch: &RecordBatch,
    selected: &HashSet<i64>,
    wanted: bool,
) -> Result<RecordBatch, arrow::error::ArrowError> {
    let Some(seqs) = batch.column_by_name(SEQ) else {
        return Ok(batch.clone());
    };
    let seqs = seqs.as_primitive::<Int64Type>();
    let keep: BooleanArray = (0..seqs.len())
        .map(|at| Some((seqs.is_valid(at) && selected.contains(&seqs.value(at))) == wanted))
        .collect();
    filter_record_batch(batch, &keep)
}

/// Counts the rows that `new` has more often than `old`, and the other way round.
async fn differences(old: TableView, new: TableView) -> datafusion::common::Result<(u64, u64)> {
    // Names no column of a table has.
    const SIDE: &str = "weir side";
    const MORE: &str = "weir more";
    // Grouping goes to disk when memory ends, which a join could not.
    let context = session()?;
    context.register_object_store(&old.store_url, old.store.clone());
    let columns: Vec<Expr> = new
        .schema
        .fields()
        .iter()
        .map(|f| Expr::Column(Column::new_unqualified(f.name())))
        .collect();
    let side = |view: TableView, sign: i64| {
        let marked = columns.iter().cloned().chain([lit(sign).alias(SIDE)]);
        context
            .read_table(Arc::new(LakeTable::new(Arc::new(view))))?
            .select(marked.collect::<Vec<_>>())
    };
    let more = || Expr::Column(Column::new_unqualified(MORE));
    let zero = || lit(0i64);
    let counts = side(old, -1)?
        .union(side(new, 1)?)?
        .aggregate(
            columns.clone(),
            vec![sum(Expr::Column(Column::new_unqualified(SIDE))).alias(MORE)],
        )?
        .select(vec![more()])?
        .aggregate(
            Vec::new(),
            vec![
                sum(when(more().gt(zero()), more()).otherwise(zero())?).alias("added"),
                sum(when(more().lt(zero()), -more()).otherwise(zero())?).alias("removed"),
            ],
        )?
        .collect()
        .await?;
    let count = |column: usize| {
        counts
            .iter()
            .map(|batch| batch.column(column).as_primitive::<Int64Type>())
            .flat_map(|counts| counts.iter().flatten().collect::<Vec<_>>())
            .sum::<i64>()
            .unsigned_abs()
    };
    Ok((count(0), count(1)))
}
