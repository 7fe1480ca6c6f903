//! Joining small files, so that reading stays cheap however often rows were committed.

use std::sync::Arc;

use chrono::Utc;
use fail::fail_point;
use futures::TryStreamExt;
use weir_core::TableName;

use crate::delta::{CODE, Change, FileOptions, FileWriter, Input, Receipt, read_batches};
use crate::error::{LakeError, LakeErrorKind};
use crate::flush::Logs;
use crate::hot::Hot;
use crate::store::LakeRoot;
use crate::view::{DataFile, widen_batch};

/// Files of this size are left alone.
const TARGET_BYTES: u64 = 64 << 20;
/// As many neighbours of about one size are joined.
const FAN_IN: usize = 8;

/// What a compaction did to a table.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Compacted {
    pub table: String,
    pub files_before: usize,
    pub files_after: usize,
    pub rows: u64,
    pub bytes_before: u64,
    pub bytes_after: u64,
}

/// Returns the files worth joining: with `all`, every small one; else a group of one size class.
fn choose(files: &[DataFile], all: bool) -> Vec<DataFile> {
    let small: Vec<&DataFile> = files.iter().filter(|f| f.size < TARGET_BYTES / 2).collect();
    if all {
        return if small.len() > 1 {
            small.into_iter().cloned().collect()
        } else {
            Vec::new()
        };
    }
    let class = |file: &DataFile| (file.size.max(1 << 16) as f64).log(FAN_IN as f64) as u32;
    let lowest = small.iter().map(|f| class(f)).min();
    for wanted in lowest.unwrap_or(0)..=9 {
        let group: Vec<DataFile> = small
            .iter()
            .filter(|f| class(f) <= wanted)
            .map(|f| (*f).clone())
            .collect();
        if group.len() >= FAN_IN {
            return group.into_iter().take(4 * FAN_IN).collect();
        }
    }
    Vec::new()
}

/// Joins small files of a table; none when there was nothing to do.
pub(crate) async fn compact(
    root: &LakeRoot,
    logs: &Logs,
    hot: &Arc<Hot>,
    name: &TableName,
    options: &FileOptions,
    all: bool,
) -> Result<Option<Compacted>, LakeError> {
    let Ok(_turn) = logs.turn(name).try_lock_owned() else {
        // A statement is changing the files.
        return Ok(None);
    };
    if logs.is_held(name) {
        return Ok(None);
    }
    let log = logs.get(name);
    let (files, schema, version, location) = {
        let log = log.lock().await;
        (
            log.files.clone(),
            log.schema.clone(),
            log.version(),
            log.location.clone(),
        )
    };
    let mut chosen = choose(&files, all);
    if chosen.is_empty() {
        return Ok(None);
    }
    let fail = |e: Box<dyn std::error::Error + Send + Sync>| {
        LakeError::new(LakeErrorKind::Storage, "compact table", name).because(e)
    };
    // Neighbours in time next to each other keep the bounds of row groups narrow.
    if let Some(column) = options.sort_by {
        let low = |f: &DataFile| f.columns.get(column).and_then(|c| c.min.clone());
        chosen.sort_by(|a, b| {
            low(a)
                .partial_cmp(&low(b))
                .unwrap_or(std::cmp::Ordering::Equal)
        });
    }
    let rows: u64 = chosen.iter().map(|f| f.rows).sum();
    let mut added = Vec::new();
    let mut writer: Option<FileWriter> = None;
    for file in &chosen {
        let mut stream = read_batches(&root.store, file)
            .await
            .map_err(|e| fail(e.into()))?;
        while let Some(batch) = stream.try_next().await.map_err(|e| fail(e.into()))? {
            let out = match &mut writer {
                Some(writer) => writer,
                None => writer.insert(
                    FileWriter::new(&root.store, &location, &schema, rows as usize, options)
                        .map_err(|e| fail(e.into()))?,
                ),
            };
            out.write(&widen_batch(&batch, &schema, None))
                .await
                .map_err(|e| fail(e.into()))?;
            if out.size() >= TARGET_BYTES
                && let Some(full) = writer.take()
            {
                added.push(full.finish().await.map_err(|e| fail(e.into()))?);
            }
            tokio::task::yield_now().await;
        }
    }
    if let Some(last) = writer {
        added.push(last.finish().await.map_err(|e| fail(e.into()))?);
    }
    fail_point!("compact-stored");
    let written: u64 = added.iter().map(|f| f.rows).sum();
    if written != rows {
        return Err(
            LakeError::new(LakeErrorKind::Corrupt, "compact table", name).because(format!(
                "files say {rows} rows but hold {written}; nothing was changed"
            )),
        );
    }
    let mut log = log.lock().await;
    let still = chosen
        .iter()
        .all(|c| log.files.iter().any(|f| f.path == c.path));
    if !still || log.schema != schema {
        // Rewritten meanwhile; the new files stay unreferenced and are vacuumed.
        return Ok(None);
    }
    let report = Compacted {
        table: name.to_string(),
        files_before: chosen.len(),
        files_after: added.len(),
        rows,
        bytes_before: chosen.iter().map(|f| f.size).sum(),
        bytes_after: added.iter().map(|f| f.size).sum(),
    };
    let version = version.unwrap_or(0);
    log.commit(Change {
        add: added,
        remove: chosen,
        data_change: false,
        receipt: Receipt {
            writer: "compact".into(),
            run_id: format!("compact-{}", Utc::now().timestamp_millis()),
            inputs: vec![Input {
                name: name.to_string(),
                from: version,
                to: version,
            }],
            code: CODE.into(),
            rows_added: rows,
            rows_removed: rows,
            ..Receipt::default()
        },
        ..Change::default()
    })
    .await?;
    fail_point!("compact-committed");
    hot.committed(&log, 0);
    Ok(Some(report))
}
