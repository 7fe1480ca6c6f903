use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use weir_collect::event_derive;
use weir_core::SourceName;
use weir_lake::{Lake, LakeError, RebuildOptions, Rebuilt};

use super::Global;
use super::lake::opened;
use crate::client::Client;
use crate::failure::{Explain, Failure};
use crate::project::Project;
use crate::ui::Ui;

/// Derive the typed tables again from the unaltered events
///
/// Each table is replaced in one commit, and left alone when nothing changes. Events keep being
/// taken meanwhile. A running server is asked to do it, otherwise the lake is opened here.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// One source; all of them by default
    #[arg(long)]
    source: Option<String>,
    /// Say what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
}

impl Args {
    pub(crate) async fn run(self, global: &Global, ui: &Ui) -> Result<(), Failure> {
        let asked = Asked {
            source: self.source.as_deref().map(source_name).transpose()?,
            dry_run: self.dry_run,
            ..Asked::default()
        };
        asked.run(global, ui).await
    }
}

/// What is to be derived again, as the HTTP API takes it.
#[derive(Default, Serialize)]
pub(super) struct Asked {
    pub(super) source: Option<SourceName>,
    pub(super) from: Option<chrono::DateTime<chrono::Utc>>,
    pub(super) to: Option<chrono::DateTime<chrono::Utc>>,
    #[serde(rename = "where")]
    pub(super) condition: Option<String>,
    pub(super) dry_run: bool,
}

/// What became of a table.
#[derive(Deserialize)]
struct Line {
    table: String,
    rows_before: u64,
    rows_after: u64,
    rows_added: u64,
    rows_removed: u64,
}

pub(super) fn source_name(text: &str) -> Result<SourceName, Failure> {
    SourceName::new(text).explain(|| "there is no such source".into())
}

impl Asked {
    /// Asks a running server, or does it here.
    pub(super) async fn run(&self, global: &Global, ui: &Ui) -> Result<(), Failure> {
        let project = global.project()?;
        let config = project.config(ui)?;
        if let Some(client) = Client::of_running(&project, &config).await {
            let request = client.request(Method::POST, "/api/v1/rebuild").json(self);
            let answer: Value = client.json(request).await?;
            return self.report(&answer, ui);
        }
        let sources = self.sources(&project).await?;
        let rebuilt = opened(
            &project,
            &config,
            "cannot derive the tables",
            async |lake| self.rebuild(lake, sources).await,
        )
        .await?;
        let answer = serde_json::to_value(rebuilt).explain(|| "cannot write the answer".into())?;
        self.report(&answer, ui)
    }

    async fn sources(&self, project: &Project) -> Result<Vec<SourceName>, Failure> {
        if let Some(source) = &self.source {
            return Ok(vec![source.clone()]);
        }
        let catalog = project.open_catalog().await?;
        let sources = catalog.sources();
        catalog.close().await;
        Ok(sources.iter().map(|source| source.name.clone()).collect())
    }

    async fn rebuild(
        &self,
        lake: &Lake,
        sources: Vec<SourceName>,
    ) -> Result<Vec<Rebuilt>, LakeError> {
        let mut done = Vec::new();
        for source in sources {
            let mut options = RebuildOptions::of_source(&source)?;
            // Of all sources, those that never sent anything have nothing to derive; a stream of that name
            // that rows are fetched from is no log of events.
            let view = lake.view();
            let events = view.table(&options.from);
            let is_log = events.is_some_and(|t| t.schema.column_with_name("weir_op").is_none());
            if self.source.is_none() && !is_log {
                continue;
            }
            options.received_from = self.from.map(|at| at.timestamp_micros());
            options.received_to = self.to.map(|at| at.timestamp_micros());
            options.condition.clone_from(&self.condition);
            options.dry_run = self.dry_run;
            done.extend(lake.rebuild(options, event_derive(&source)).await?);
        }
        Ok(done)
    }

    fn report(&self, answer: &Value, ui: &Ui) -> Result<(), Failure> {
        if ui.is_json() {
            ui.answer_json(answer);
            return Ok(());
        }
        let lines: Vec<Line> = serde_json::from_value(answer.clone())
            .explain(|| "the server's answer cannot be read".into())?;
        if lines.is_empty() {
            ui.status("Nothing to derive.");
            return Ok(());
        }
        ui.answer(format!(
            "{:<40}{:>14}{:>14}{:>12}{:>12}",
            "table", "rows before", "rows after", "added", "removed"
        ));
        for line in &lines {
            ui.answer(format!(
                "{:<40}{:>14}{:>14}{:>12}{:>12}",
                line.table, line.rows_before, line.rows_after, line.rows_added, line.rows_removed
            ));
        }
        let changed = lines
            .iter()
            .filter(|line| line.rows_added + line.rows_removed > 0)
            .count();
        ui.status(match (changed, self.dry_run) {
            (0, _) => "Every table is as its events say.".to_owned(),
            (_, true) => format!("{changed} of {} tables would change.", lines.len()),
            (_, false) => format!("Replaced {changed} of {} tables.", lines.len()),
        });
        Ok(())
    }
}
