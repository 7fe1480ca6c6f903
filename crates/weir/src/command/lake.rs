//! What commands share that work on the lake itself.

use weir_collect::{ApplyCounts, event_apply};
use weir_core::TableName;
use weir_core::config::Config;
use weir_lake::{Lake, LakeError};

use crate::failure::{Explain, ExplainHinted, Failure};
use crate::log;
use crate::project::Project;

/// Opens the lake here, as no server runs, does `work` on it, and closes it again. `failed` says
/// what could not be done when the work fails.
pub(super) async fn opened<T>(
    project: &Project,
    config: &Config,
    failed: &str,
    work: impl AsyncFnOnce(&Lake) -> Result<T, LakeError>,
) -> Result<T, Failure> {
    log::start_quiet();
    let lake = Lake::open(
        project.lake_options(config),
        event_apply(&ApplyCounts::default()),
    )
    .await
    .explain_hinted(|| "cannot open the lake".into())?;
    lake.recovered().await;
    let done = work(&lake).await;
    let closed = lake.close().await;
    let done = done.explain_hinted(|| failed.into())?;
    closed.explain_hinted(|| "cannot close the lake".into())?;
    Ok(done)
}

/// Reads `schema.table`.
pub(super) fn table_name(text: &str) -> Result<TableName, Failure> {
    let (schema, table) = text.split_once('.').ok_or_else(|| {
        Failure::new(format!("`{text}` is no table")).with_hint("write `schema.table`")
    })?;
    TableName::new(schema, table).explain(|| format!("`{text}` is no table"))
}
