use reqwest::Method;
use serde_json::json;

use super::Global;
use super::lake::{opened, table_name};
use crate::client::Client;
use crate::failure::{Explain, Failure};
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
        if let Some(client) = Client::of_running(&project, &config).await {
            let body = json!({ "table": table.as_ref().map(ToString::to_string) });
            let request = client
                .request(Method::POST, "/api/v1/lake/compact")
                .json(&body);
            let answer: serde_json::Value = client.json(request).await?;
            return report(&answer, ui);
        }
        let compacted = opened(&project, &config, "cannot merge files", async |lake| {
            lake.compact(table.as_ref()).await
        })
        .await?;
        let answer = serde_json::to_value(json!({ "compacted": compacted }))
            .explain(|| "cannot write the answer".into())?;
        report(&answer, ui)
    }
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
