use reqwest::Method;
use serde_json::json;
use weir_collect::{ApplyCounts, event_apply};
use weir_core::TableName;
use weir_lake::Lake;

use super::Global;
use crate::client::Client;
use crate::failure::{Explain, ExplainHinted, Failure};
use crate::log;
use crate::ui::Ui;

/// Merge small files of the lake now
///
/// Weir does this by itself in the background; this does not wait for it. A running server is
/// asked to do it, otherwise the lake is opened here.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// One table, as `schema.table`; all of them by default
    table: Option<String>,
}

impl Args {
    pub(crate) async fn run(self, global: &Global, ui: &Ui) -> Result<(), Failure> {
        let project = global.project()?;
        let config = project.config(ui)?;
        let table = self.table.as_deref().map(table_name).transpose()?;
        let client = Client::new(&project, &config);
        if let Ok(client) = &client
            && client.is_running().await
        {
            let body = json!({ "table": table.as_ref().map(ToString::to_string) });
            let request = client
                .request(Method::POST, "/api/v1/lake/compact")
                .json(&body);
            let answer: serde_json::Value = client.json(request).await?;
            return report(&answer, ui);
        }
        log::start_quiet();
        let lake = Lake::open(
            project.lake_options(&config),
            event_apply(&ApplyCounts::default()),
        )
        .await
        .explain_hinted(|| "cannot open the lake".into())?;
        lake.recovered().await;
        let compacted = lake.compact(table.as_ref()).await;
        let closed = lake.close().await;
        let compacted = compacted.explain_hinted(|| "cannot merge files".into())?;
        closed.explain_hinted(|| "cannot close the lake".into())?;
        let answer = serde_json::to_value(json!({ "compacted": compacted }))
            .explain(|| "cannot write the answer".into())?;
        report(&answer, ui)
    }
}

fn table_name(text: &str) -> Result<TableName, Failure> {
    let (schema, table) = text.split_once('.').ok_or_else(|| {
        Failure::new(format!("`{text}` is no table")).with_hint("write `schema.table`")
    })?;
    TableName::new(schema, table).explain(|| format!("`{text}` is no table"))
}

fn report(answer: &serde_json::Value, ui: &Ui) -> Result<(), Failure> {
    if ui.is_json() {
        ui.answer_json(answer);
        return Ok(());
    }
    let compacted = answer["compacted"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if compacted.is_empty() {
        ui.status("Nothing to merge.");
    }
    for table in compacted {
        ui.answer(format!(
            "{}: {} files into {}",
            table["table"].as_str().unwrap_or_default(),
            table["files_before"],
            table["files_after"],
        ));
    }
    Ok(())
}
