//! Letting go of rows that are older than their table is to keep them.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use datafusion::common::ScalarValue;
use weir_core::TableName;
use weir_core::config::RetentionRule;

use crate::delta::{CODE, Change, Input, Receipt};
use crate::error::LakeError;
use crate::flush::Logs;
use crate::hot::Hot;
use crate::view::DataFile;

/// The column by which rows grow old: when Weir took them, which no sender decides.
const TIME: &str = "received_at";

/// What retention took out of a table.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Expired {
    pub table: String,
    pub files: usize,
    pub rows: u64,
}

/// Returns how long the rows of a table are kept; none means for ever. The first rule that matches
/// decides.
fn kept_for(rules: &[RetentionRule], table: &TableName) -> Option<Duration> {
    rules.iter().find(|rule| rule.matches(table))?.keep
}

/// Removes the files of a table whose rows are all older than its rule allows, in one commit. The
/// files themselves go with a later vacuum; whoever reads them now reads on.
pub(crate) async fn expire(
    logs: &Logs,
    hot: &Arc<Hot>,
    rules: &[RetentionRule],
    name: &TableName,
) -> Result<Option<Expired>, LakeError> {
    let Some(keep) = kept_for(rules, name) else {
        return Ok(None);
    };
    let Ok(_turn) = logs.turn(name).try_lock_owned() else {
        // A statement is changing the files.
        return Ok(None);
    };
    let log = logs.get(name);
    let mut log = log.lock().await;
    let Some(version) = log.version().filter(|_| !log.is_dropped()) else {
        return Ok(None);
    };
    let keep = i64::try_from(keep.as_micros()).unwrap_or(i64::MAX);
    let oldest = Utc::now().timestamp_micros().saturating_sub(keep);
    let old = |file: &&DataFile| newest(file).is_some_and(|newest| newest < oldest);
    let remove: Vec<DataFile> = log.files.iter().filter(old).cloned().collect();
    if remove.is_empty() {
        return Ok(None);
    }
    let expired = Expired {
        table: name.to_string(),
        files: remove.len(),
        rows: remove.iter().map(|file| file.rows).sum(),
    };
    log.commit(Change {
        remove,
        data_change: true,
        receipt: Receipt {
            writer: "retention".into(),
            run_id: format!("retention-{}", Utc::now().timestamp_millis()),
            inputs: vec![Input {
                name: name.to_string(),
                from: version,
                to: version,
            }],
            code: CODE.into(),
            rows_added: 0,
            rows_removed: expired.rows,
            ..Receipt::default()
        },
        ..Change::default()
    })
    .await?;
    hot.committed(&log, 0);
    Ok(Some(expired))
}

/// Returns when the newest row of a file was received, in microseconds since the epoch.
fn newest(file: &DataFile) -> Option<i64> {
    match file.columns.get(TIME)?.max.as_ref()? {
        ScalarValue::TimestampMicrosecond(newest, _) => *newest,
        _ => None,
    }
}
