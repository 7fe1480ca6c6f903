//! Reviews of the shop's plants, read by a Singer tap that nobody here wrote.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::models::write;
use crate::client::Client;
use crate::failure::Failure;
use crate::project::Project;
use crate::ui::Ui;

const FILE: &str = "reviews.jsonl";
/// What a review site exports.
const REVIEWS: &str = r#"{"id": 1, "plant": "Snake plant", "stars": 5, "text": "Thrives on neglect.", "author": {"name": "Noor", "city": "Lisbon"}}
{"id": 2, "plant": "Calathea orbifolia", "stars": 2, "text": "Sulks.", "author": {"name": "Mats", "city": "Berlin"}}
{"id": 3, "plant": "Monstera deliciosa", "stars": 4, "text": "Took over the living room.", "author": {"name": "Kavya"}}
"#;
const QUESTION: &str =
    "SELECT plant, stars, author ->> 'name' AS author, text FROM reviews.jsonl ORDER BY stars DESC";
/// How long the tap's packages and its first sync may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// Writes what is to be read, and how.
pub(super) fn describe(project: &Project) -> Result<(), Failure> {
    let file = project.dir().join(FILE);
    write(&file, REVIEWS)?;
    let path = Value::from(file.display().to_string());
    let source = format!(
        "# A Singer tap, installed from PyPI into an environment of its own: see docs/sources.md\n\
         kind: singer\ntap: tap-jsonl\npip: tap-jsonl==0.3.1\nconfig: {{path: {path}}}\n\
         # The tap names no key.\nstreams:\n  jsonl: {{key: [id]}}\n"
    );
    write(&project.sources_dir().join("reviews.yml"), &source)
}

/// Installs the tap and reads the reviews; why not, where that fails.
pub(super) async fn sync(client: &Client) -> Result<(), String> {
    let asked = client
        .request(Method::POST, "/api/v1/extract/reviews/sync")
        .json(&json!({}));
    let work = async {
        let answer = client.send(asked).await.map_err(|f| f.text().to_owned())?;
        let lines = answer.text().await.map_err(|error| error.to_string())?;
        let last = lines.lines().last().unwrap_or_default();
        let last: Value = serde_json::from_str(last).map_err(|error| error.to_string())?;
        match last["failed"]["message"].as_str() {
            Some(message) => Err(message.to_owned()),
            None => Ok(()),
        }
    };
    tokio::time::timeout(PATIENCE, work)
        .await
        .unwrap_or_else(|_| Err(format!("it takes longer than {PATIENCE:?}")))
}

/// Shows what came, or says why nothing did: without Python or PyPI the demo goes on.
pub(super) async fn show(
    synced: Result<(), String>,
    client: &Client,
    ui: &Ui,
) -> Result<(), Failure> {
    if let Err(why) = synced {
        ui.warn(format!("the tap from PyPI is left out: {why}"));
        return Ok(());
    }
    ui.heading("Reviews came by a Singer tap from PyPI");
    ui.command("weir sync reviews");
    for line in QUESTION.lines() {
        ui.command(line);
    }
    let body = json!({ "sql": QUESTION, "format": "json" });
    let answer: Value = client
        .json(client.request(Method::POST, "/api/v1/query").json(&body))
        .await?;
    for row in answer["rows"].as_array().into_iter().flatten() {
        let cells = row.as_array().into_iter().flatten().map(super::text);
        ui.answer(format!("  {}", cells.collect::<Vec<_>>().join("  ")));
    }
    Ok(())
}
