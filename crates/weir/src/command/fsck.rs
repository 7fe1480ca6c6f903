use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Global;
use super::lake::{opened, table_name};
use crate::client::Client;
use crate::failure::{Explain, Failure};
use crate::ui::Ui;

/// Read every file of the lake, and say which are damaged
///
/// With `--set-aside`, damaged files leave their table in one commit that names them, a copy of each
/// is kept in the lake's folder `_damaged`, and the rest of the table answers again. Rows of typed
/// tables come back with `weir rebuild`. A running server is asked to do it, otherwise the lake is
/// opened here.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// One table, as `schema.table`; all of them by default
    table: Option<String>,
    /// Take damaged files out of their tables
    #[arg(long)]
    set_aside: bool,
}

/// What was found in a table, as the HTTP API tells it.
#[derive(Deserialize)]
struct Checked {
    table: String,
    files: u64,
    rows: u64,
    damaged: Vec<Damaged>,
    version: Option<u64>,
}

#[derive(Deserialize)]
struct Damaged {
    file: String,
    rows: u64,
    why: String,
    copy: Option<String>,
}

impl Args {
    pub(crate) async fn run(self, global: &Global, ui: &Ui) -> Result<(), Failure> {
        let project = global.project()?;
        let config = project.config(ui)?;
        let table = self.table.as_deref().map(table_name).transpose()?;
        if let Some(client) = Client::of_running(&project, &config).await {
            let name = table.as_ref().map(ToString::to_string);
            let body = json!({ "table": name, "set_aside": self.set_aside });
            let request = client
                .request(Method::POST, "/api/v1/lake/fsck")
                .json(&body);
            return self.report(client.json(request).await?, ui);
        }
        let checked = opened(
            &project,
            &config,
            "cannot check the lake's files",
            async |lake| lake.check_files(table.as_ref(), self.set_aside).await,
        )
        .await?;
        if let Some(table) = table.filter(|_| checked.is_empty()) {
            return Err(Failure::new(format!("there is no table `{table}`"))
                .with_hint("`weir sql 'select * from weir.tables'` lists them"));
        }
        self.report(json!({ "checked": checked }), ui)
    }

    fn report(&self, mut answer: Value, ui: &Ui) -> Result<(), Failure> {
        if ui.is_json() {
            ui.answer_json(&answer);
        }
        let checked: Vec<Checked> = serde_json::from_value(answer["checked"].take())
            .explain(|| "the answer cannot be read".into())?;
        let damaged = checked.iter().map(|table| table.damaged.len()).sum();
        if !ui.is_json() {
            checked.iter().for_each(|table| table.report(ui));
            let files: u64 = checked.iter().map(|table| table.files).sum();
            let rows: u64 = checked.iter().map(|table| table.rows).sum();
            ui.status(format!(
                "{} tables, {files} files, {rows} rows; {damaged} files damaged",
                checked.len()
            ));
        }
        match damaged {
            0 => Ok(()),
            _ if self.set_aside => Ok(()),
            _ => Err(
                Failure::new(format!("{damaged} files of the lake are damaged")).with_hint(
                    "bring them back from a backup, or run `weir fsck --set-aside`; rows of typed \
                     tables come back with `weir rebuild`",
                ),
            ),
        }
    }
}

impl Checked {
    fn report(&self, ui: &Ui) {
        for damaged in &self.damaged {
            ui.answer(format!(
                "{}: {} with {} rows: {}",
                self.table, damaged.file, damaged.rows, damaged.why
            ));
            if self.version.is_some() {
                ui.detail(match &damaged.copy {
                    Some(copy) => format!("set aside; a copy is `{copy}`"),
                    None => "no longer in the table".to_owned(),
                });
            }
        }
        if let Some(version) = self.version {
            ui.status(format!(
                "{} is readable from version {version} on",
                self.table
            ));
        }
    }
}
