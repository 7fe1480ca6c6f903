//! A folder that is watched: a file that is put there is rows a moment later.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::models::write;
use crate::client::Client;
use crate::failure::{Explain, Failure};
use crate::project::Project;
use crate::ui::Ui;

/// The folder, below the project's.
const FOLDER: &str = "drop";
const SOURCE: &str = "# Every CSV, JSON or Parquet file in `drop/` becomes rows: see docs/sources.md\n\
                      kind: files\npath: drop\n";
const FILE: &str = "supplier_prices-2024-06.csv";
/// What a supplier sends, as suppliers do.
const PRICES: &str = "plant;price;valid_from;note\nMonstera;11.90;2024-06-01;large\n\
                      Ficus;8.50;2024-06-01;\nCalathea;9.75;2024-07-15;\"from \"\"Sol\"\", in pots\"\n";
const QUESTION: &str =
    "SELECT plant, price, valid_from, _file FROM suppliers.supplier_prices ORDER BY plant";
/// How often it is asked whether the rows are there.
const LOOK: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(60);

/// Describes the folder, before the server starts.
pub(super) fn describe(project: &Project) -> Result<(), Failure> {
    let folder = project.dir().join(FOLDER);
    std::fs::create_dir_all(&folder).explain(|| format!("cannot make `{}`", folder.display()))?;
    write(&project.sources_dir().join("suppliers.yml"), SOURCE)
}

/// Puts a file there and waits for its rows.
pub(super) async fn drop_a_file(
    project: &Project,
    client: &Client,
    ui: &Ui,
) -> Result<(), Failure> {
    let path = project.dir().join(FOLDER).join(FILE);
    ui.heading("A supplier's price list is dropped into a folder");
    ui.command(&format!("cp {FILE} {}", path.display()));
    let began = Instant::now();
    write(&path, PRICES)?;
    let body = json!({ "sql": QUESTION, "format": "json" });
    loop {
        let asked = client.request(Method::POST, "/api/v1/query").json(&body);
        // There is no table before its first file.
        if super::has_table(client, "suppliers", "supplier_prices").await
            && let Ok(answer) = client.json::<Value>(asked).await
        {
            ui.command(QUESTION);
            for row in answer["rows"].as_array().into_iter().flatten() {
                let cells = row.as_array().into_iter().flatten();
                let cells: Vec<String> = cells.map(super::text).collect();
                ui.answer(format!("  {}", cells.join("  ")));
            }
            let seconds = began.elapsed().as_secs_f64();
            ui.status(format!(
                "  (rows {seconds:.1} s after the file; put others into {})",
                project.dir().join(FOLDER).display()
            ));
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            return Err(Failure::new("the dropped file did not become rows")
                .with_hint("`weir source list` says why"));
        }
        tokio::time::sleep(LOOK).await;
    }
}
